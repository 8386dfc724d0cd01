/* SPDX-License-Identifier: ISC */
/*
 * The link to raft-logd: committed entries in order, and cursors.
 *
 * The reader keeps one read on its way and one batch ready, so that raft-logd
 * prepares the next while this one is delivered; it asks for more only when
 * the ready one was taken.  So however slow the program is, no more than two
 * batches are in memory.
 *
 * It waits for raft-logd with a back-off, says so once, and goes on from the
 * next index after a reconnect: no repeat, no gap.
 */
#ifndef READER_H
#define READER_H

#include "../../lib/conf/conf.h"
#include "../../lib/unix/loop.h"

struct reader;

/* Entries of a gapless run; those before `at` are done with. */
struct batch {
	struct raft_entry *entries;
	struct raft_chunk *chunk;
	uint64_t first_index;
	uint32_t count;
	uint32_t at;
};
/* Takes an empty one. */
void batch_free(struct batch *batch);

/* The newest snapshot at raft-logd.  Texts are valid during the call. */
struct reader_snapshot {
	bool found;
	uint64_t index;
	uint64_t size; /* 0: no state, only the beginning of the log was cut */
	const char *format;
	const char *path;
};

struct reader_calls {
	/* reader_take has something. */
	void (*ready)(void *arg);
	/* The entry that was asked for is compacted away; nothing more is read. */
	void (*gap)(uint64_t wanted, uint64_t first_available, void *arg);
	/* The answer to reader_cursor_get. */
	void (*cursor)(uint64_t index, void *arg);
	/* A cursor is durable. */
	void (*stored)(uint64_t index, void *arg);
	/* The answers to reader_snap_*; they may be NULL in a mode that does not ask. */
	void (*snap_found)(const struct reader_snapshot *found, void *arg);
	/* path "": none, why says why. */
	void (*snap_path)(const char *path, const char *why, void *arg);
	void (*snap_added)(bool ok, uint64_t index, const char *why, void *arg);
	/* raft-logd speaks no version that we speak; it was said. */
	void (*hopeless)(void *arg);
};

struct reader *reader_new(struct loop *loop, const struct conf *conf);
/* Takes NULL. */
void reader_free(struct reader *reader);
/* Before anything else; calls must outlive the reader. */
void reader_calls(struct reader *reader, const struct reader_calls *calls, void *arg);

/* Reads from this index on; what was read ahead is dropped.  0: reads nothing. */
void reader_seek(struct reader *reader, uint64_t from);
/* The next batch, which the caller then owns; false: none now, ready will be called. */
bool reader_take(struct reader *reader, struct batch *batch);

/* Both outlast a reconnect; a newer cursor_set replaces one that was not answered yet. */
void reader_cursor_get(struct reader *reader, const char *name);
void reader_cursor_set(struct reader *reader, const char *name, uint64_t index);

/*
 * One of these at a time; the answer comes through the calls.  A question outlasts a reconnect; an
 * order that may have been carried out is answered as refused.
 */
void reader_snap_find(struct reader *reader);
void reader_snap_path(struct reader *reader);
void reader_snap_add(struct reader *reader, uint64_t index, const char *path, const char *format);
/* At any time: raft-logd need not keep what was found, nor the log behind it, for us any longer. */
void reader_snap_release(struct reader *reader);

/*
 * Asks raft-logd for its commit index now; told is called once, at the answer or when it
 * is clear that none comes.  False when there is nobody to ask.
 */
bool reader_probe(struct reader *reader, void (*told)(void *arg), void *arg);

/* The highest commit index that raft-logd told. */
uint64_t reader_commit(const struct reader *reader);
/* Of hello; all zero until raft-logd answered once. */
const uint8_t *reader_cluster(const struct reader *reader);
/* Why there is no link: one sentence; NULL while there is one. */
const char *reader_why(const struct reader *reader);

#endif
