/* SPDX-License-Identifier: ISC */
/* query_text: logfmt lines. */
#include "status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "seal/seal.h"
#include "logd.h"

static size_t
status_readers(const struct logd *logd)
{
	size_t count = 0;
	for (const struct logd_client *client = NULL; (client = serve_next(logd, client));)
		count += client->base.kind == WIRE_READER || client->base.kind == WIRE_FSM;
	return count;
}

static void
put_snapshot(struct logd *logd, struct wire_buf *out)
{
	const struct snapshot *newest = logd->snapshots.newest;
	const struct snapshot_head none = {.format = wire_text("")},
				   *head = newest ? &newest->head : &none;
	char format[SNAPSHOT_TEXT_MAX + 1];
	snprintf(format, sizeof format, "%.*s", (int)head->format.size,
	    (const char *)head->format.bytes);
	wire_buf_printf(out,
	    " log_bytes=%" PRIu64 " snapshot=%" PRIu64 " snapshot_bytes=%" PRIu64
	    " snapshot_format=%s taking=%s "
	    "compacting=%s\n",
	    db_used_size(logd->db), head->pos.index, head->file_size, log_q(format),
	    log_yes(logd->snapshots.local != NULL),
	    log_yes(logd->compact_to > logd->rlog.before.pos.index));
}

void
status_put(void *arg, struct wire_buf *out)
{
	static const char *const marks[] = {"valid", "missing", "damaged"};
	struct logd *logd = arg;
	const struct db_state *state = &logd->state;
	const struct log_index *rlog = &logd->rlog;
	space_look(logd);
	wire_buf_printf(out,
	    "part=log node=%s first=%" PRIu64 " last=%" PRIu64 " last_term=%" PRIu64
	    " commit=%" PRIu64 " term=%" PRIu64 " vote=%s",
	    logd->identity.node.s, index_first_available(rlog), rlog->last.pos.index,
	    rlog->last.pos.term, rlog->commit.index, state->term, state->vote.s);
	wire_buf_printf(out,
	    " transactions=%" PRIu64 " truncations=%" PRIu64
	    " recovering=%s mark=%s mark_term=%" PRIu64 " full=%s",
	    state->transactions, state->truncations, log_yes(state->recovering),
	    marks[logd->mark_found], state->mark_term, space_name(logd->space.state));
	wire_buf_printf(out,
	    " db_bytes=%" PRIu64 " wal_bytes=%" PRIu64 " free_bytes=%" PRIu64
	    " tail_bytes=%zu waiting=%zu readers=%zu "
	    "elector=%s",
	    db_file_size(logd->db), db_wal_size(logd->db), logd->space.free_bytes, rlog->tail.size,
	    logd->writer.queue.count, status_readers(logd), log_yes(logd->elector.client != NULL));
	put_snapshot(logd, out);
}

static bool
status_put_session(const struct raft_session *session, void *arg)
{
	char digest[2 * RAFT_HASH_SIZE + 1];
	if (!raft_sid_named(&session->sid) || session->cursor)
		return true;
	seal_hex(digest, session->digest.b, RAFT_HASH_SIZE);
	wire_buf_printf(arg,
	    "session=%s epoch=%" PRIu64 " serial=%" PRIu64 " last_index=%" PRIu64 " digest=%s\n",
	    log_q(session->name), session->epoch, session->serial, session->last_index, digest);
	return true;
}

static bool
status_count_cursor(const struct raft_session *session, void *arg)
{
	size_t *count = arg;
	*count += session->cursor;
	return true;
}

void
status_put_sessions(void *arg, struct wire_buf *out)
{
	struct logd *logd = arg;
	struct raft_sessions *table = logd->sessions.table;
	size_t cursors = 0;
	raft_sessions_each(table, status_count_cursor, &cursors);
	raft_sessions_each(table, status_put_session, out);
	wire_buf_printf(out, "sessions_named=%zu sessions_anonymous=%zu index=%" PRIu64 "\n",
	    raft_sessions_count(table, true) - cursors, raft_sessions_count(table, false),
	    logd->sessions.index);
}

struct status_cursors {
	struct wire_buf *out;
	uint64_t first, commit;
};

static bool
status_put_cursor(const struct raft_session *session, void *arg)
{
	const struct status_cursors *at = arg;
	uint64_t next = session->position + 1;
	if (!session->cursor)
		return true;
	wire_buf_printf(at->out,
	    "cursor=%s position=%" PRIu64 " lag=%" PRIu64 " missing=%" PRIu64 " epoch=%" PRIu64,
	    log_q(session->name), session->position,
	    at->commit > session->position ? at->commit - session->position : 0,
	    next < at->first ? at->first - next : 0, session->epoch);
	wire_buf_printf(at->out, " serial=%" PRIu64 " last_index=%" PRIu64 "\n", session->serial,
	    session->last_index);
	return true;
}

void
status_put_cursors(void *arg, struct wire_buf *out)
{
	struct logd *logd = arg;
	const struct log_index *rlog = &logd->rlog;
	struct status_cursors at = {out, index_first_available(rlog), rlog->commit.index};
	raft_sessions_each(logd->sessions.table, status_put_cursor, &at);
	wire_buf_printf(out, "level=%" PRIu64 " first=%" PRIu64 " commit=%" PRIu64 "\n",
	    index_level_at(rlog, rlog->commit.index), at.first, at.commit);
}

bool
status_take_session(struct logd *logd, struct logd_client *client, const struct msg_session_get *m)
{
	const struct raft_session *session = raft_sessions_find(logd->sessions.table, &m->session);
	struct msg_session reply = {.request = m->request, .found = session != NULL};
	if (session) {
		reply.epoch = session->epoch;
		reply.serial = session->serial;
		reply.last_index = session->last_index;
		memcpy(reply.run.b, session->run, sizeof reply.run.b);
		reply.digest = session->digest;
		reply.position = session->position;
	}
	msg_session_put(conn_out(client->base.conn), &reply);
	return true;
}
