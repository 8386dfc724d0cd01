/* SPDX-License-Identifier: ISC */
/*
 * The link to raft-logd: committed entries in order, and cursors.
 *
 * The reader keeps one read on its way and one batch ready, so that raft-logd
 * prepares the next while this one is delivered; it asks for more only when
 * the ready one was taken.  So however slow the program is, no more than two
 * batches are in memory.
 *
 * Of --try: the lines of standard input, each an entry, in the place of raft-logd.
 *
 * It waits for raft-logd with a back-off, says so once, and goes on from the
 * next index after a reconnect: no repeat, no gap.
 */
#ifndef FSM_SOURCE_H
#define FSM_SOURCE_H

#include "conf/conf.h"
#include "wire/message.h"
#include "unix/loop.h"

struct source;
struct trial;

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
struct source_snapshot {
	bool found;
	uint64_t index;
	uint64_t size; /* 0: no state, only the beginning of the log was cut */
	const char *format;
	const char *path;
};

struct source_calls {
	/* source_take has something. */
	void (*ready)(void *arg);
	/* The entry that was asked for is compacted away; nothing more is read. */
	void (*gap)(uint64_t wanted, uint64_t first_available, void *arg);
	/* From here on a call may be NULL in a mode that does not ask.  The answer to
	 * source_cursor_get. */
	void (*cursor)(uint64_t index, void *arg);
	/* A cursor is durable. */
	void (*stored)(uint64_t index, void *arg);
	/* The answers to source_snap_*. */
	void (*snap_found)(const struct source_snapshot *found, void *arg);
	/* path "": none, why says why. */
	void (*snap_path)(const char *path, const char *why, void *arg);
	void (*snap_added)(bool ok, uint64_t index, const char *why, void *arg);
	/* The answer to source_contracts_get, which is of the commit index source_commit_now or of
	 * a higher one. records: as in the message contracts. False: they are malformed. */
	bool (*contracts)(uint64_t level, struct wire_bytes records, void *arg);
	/* The answer to source_chain_get. found false: the log begins after that index. */
	void (*chain)(bool found, const struct raft_hash *hash, void *arg);
	/* All lines of standard input have been taken; NULL in a daemon. */
	void (*end)(void *arg);
	/* raft-logd speaks no version that we speak, which has been logged. */
	void (*failed)(void *arg);
};

struct source *source_new(struct loop *loop, const struct conf *conf);
/* Reads what the trial has in memory, or standard input; what is wrong there ends the process with
 * one sentence. */
struct source *source_of_lines(
    struct loop *loop, const struct conf *conf, const struct trial *trial);
/* Takes NULL. */
void source_free(struct source *source);
/* Before anything else; calls must outlive the reader. */
void source_calls(struct source *source, const struct source_calls *calls, void *arg);

/* Reads from this index on; what was read ahead is dropped.  0: reads nothing. */
void source_seek(struct source *source, uint64_t from);
/* The next batch, which the caller then owns; false: none now, ready will be called. */
bool source_take(struct source *source, struct batch *batch);

/* Both outlast a reconnect; a newer cursor_set replaces one that was not answered yet. */
void source_cursor_get(struct source *source, const char *name);
void source_cursor_set(struct source *source, const char *name, uint64_t index);

/*
 * One of these at a time; the answer comes through the calls.  A question outlasts a reconnect; an
 * order that may have been carried out is answered as refused.
 */
void source_snap_find(struct source *source);
void source_snap_path(struct source *source);
void source_snap_add(struct source *source, uint64_t index, const char *path, const char *format);
/* At any time: raft-logd need not keep what was found, nor the log behind it, for us any longer. */
void source_snap_release(struct source *source);

/* Each outlasts a reconnect; asked again before its answer, only the last question is answered. */
void source_contracts_get(struct source *source);
void source_chain_get(struct source *source, uint64_t index);

/*
 * Asks raft-logd for its commit index now; told is called once, at the answer or when it
 * is clear that none comes.  False when there is nobody to ask.
 */
bool source_probe(struct source *source, void (*told)(void *arg), void *arg);

/* The highest commit index that raft-logd told. */
uint64_t source_commit(const struct source *source);
/* Likewise since the link was last made: after its own start raft-logd may know less than before.
 */
uint64_t source_commit_now(const struct source *source);
/* Of hello; all zero until raft-logd answered once. */
struct raft_hash source_cluster(const struct source *source);
/* Why there is no link: one sentence; NULL while there is one. */
const char *source_why(const struct source *source);

#endif
