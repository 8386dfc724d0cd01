/* SPDX-License-Identifier: ISC */
/*
 * Committed entries from this node's raft-logd: one read at a time, asked again each time that the
 * connection is made again.
 */
#ifndef CLIENT_LOG_READER_H
#define CLIENT_LOG_READER_H

#include "local/link.h"

struct log_reader;

struct log_reader_calls {
	/*
	 * The answer to the read.  first_available above the index that was asked for: the entries
	 * before it are compacted away.  Returns NULL, or what is wrong with it in one sentence: it
	 * is then asked for again.  May call log_reader_next.
	 */
	const char *(*entries)(const struct msg_log_entries *entries, void *arg);
	/* The connection is made, or is lost or cannot be made for this reason. */
	void (*changed)(bool up, const char *why, void *arg);
	/* As in struct link_calls. */
	void (*refused)(enum exit_status status, const char *why, void *arg);
};

/* path: of raft-logd's socket.  No call comes before log_reader_new returns. */
struct log_reader *log_reader_new(struct loop *loop, const char *path, const char *program,
    const struct log_reader_calls *calls, void *arg);
/* Asks for the entries from this index on; answered when there is one.  Replaces an earlier read.
 */
void log_reader_next(struct log_reader *reader, uint64_t from);
bool log_reader_up(const struct log_reader *reader);

#endif
