/* SPDX-License-Identifier: ISC */
/* The conversation with raft-logd. */
#include "logd.h"

#include <stdlib.h>

#include "prog/daemon.h"
#include "codec.h"
#include "node.h"

static void
logd_on_up(const struct msg_hello_reply *reply, void *arg)
{
	struct logd_link *logd = arg;
	const struct raft_id *id = &logd->node->conf->node.id;
	if (!raft_id_equal(&reply->node, id))
		daemon_die(EXIT_CONFIG,
		    "%s: the data directory of raft-logd is that of node %s, and the configuration "
		    "says %s",
		    logd->node->conf->path, reply->node.s, id->s);
	logd->hello = *reply;
	logd->written = 0;
	logd->load = load_new();
}

static const char *
on_state(struct logd_link *logd, const uint8_t *body, size_t size)
{
	struct msg_log_state m;
	if (logd->load == NULL || !msg_log_state_get(&m, body, size))
		return "a malformed log_state";
	return load_state(logd->load, &m);
}

static const char *
on_part(struct logd_link *logd, const uint8_t *body, size_t size)
{
	struct msg_log_part m;
	if (logd->load == NULL || !msg_log_part_get(&m, body, size))
		return "a malformed log_part";
	return load_part(logd->load, &m);
}

static const char *
on_end(struct logd_link *logd, const uint8_t *body, size_t size)
{
	struct msg_log_end m;
	struct raft_start start;
	if (logd->load == NULL || !msg_log_end_get(&m, body, size) || m.start != logd->hello.start)
		return "a malformed log_end";
	const char *wrong = load_end(logd->load, &start);
	if (wrong)
		return wrong;
	logd->ready = true;
	daemon_link_settled(&logd->link);
	node_log_ready(logd->node, &logd->hello, &start);
	load_free(logd->load);
	logd->load = NULL;
	return NULL;
}

static const char *
logd_on_stored(struct logd_link *logd, const uint8_t *body, size_t size)
{
	struct msg_log_stored m;
	if (!logd->ready || !msg_log_stored_get(&m, body, size))
		return "a malformed log_stored";
	if (m.number == 0 || m.number > logd->written)
		return "it says that it has stored what was never written";
	node_step(logd->node,
	    &(struct raft_event){.type = RAFT_EVENT_STORED, .stored_number = m.number}, 0);
	return NULL;
}

static const char *
logd_on_full(struct logd_link *logd, const uint8_t *body, size_t size)
{
	struct msg_log_full m;
	if (!logd->ready || !msg_log_full_get(&m, body, size))
		return "a malformed log_full";
	node_step(
	    logd->node, &(struct raft_event){.type = RAFT_EVENT_DISK, .disk_full = m.full}, 0);
	return NULL;
}

/* What begins above the index asked for is compacted away: it can't be had. */
static const char *
logd_on_entries(struct logd_link *logd, const uint8_t *body, size_t size)
{
	struct msg_log_entries m;
	struct raft_entry *entries;
	struct raft_chunk *chunk;
	if (!logd->ready || !msg_log_entries_get(&m, body, size) ||
	    !wire_entries_get(m.entries, m.count, &entries, &chunk))
		return "a malformed log_entries";
	struct raft_event event = {.type = RAFT_EVENT_FETCHED};
	event.fetched.request = m.request;
	event.fetched.first_index = m.first_index;
	event.fetched.entries = entries;
	event.fetched.entries_count = m.first_available > m.first_index ? 0 : m.count;
	node_step(logd->node, &event, size);
	free(entries);
	raft_chunk_unref(chunk);
	return NULL;
}

static const char *
on_before(struct logd_link *logd, const uint8_t *body, size_t size)
{
	struct msg_log_before m;
	if (!logd->ready || !msg_log_before_get(&m, body, size))
		return "a malformed log_before";
	node_step(logd->node,
	    &(struct raft_event){.type = RAFT_EVENT_COMPACTED, .compacted = m.before}, 0);
	return NULL;
}

static const char *
on_snap_opened(struct logd_link *logd, const uint8_t *body, size_t size)
{
	struct msg_snap_opened m;
	if (!logd->ready || !msg_snap_opened_get(&m, body, size))
		return "a malformed snap_opened";
	snap_send_opened(&logd->node->snap_send, &m);
	return NULL;
}

static const char *
on_snap_data(struct logd_link *logd, const uint8_t *body, size_t size)
{
	struct msg_snap_data m;
	if (!logd->ready || !msg_snap_data_get(&m, body, size))
		return "a malformed snap_data";
	snap_send_data(&logd->node->snap_send, &m);
	return NULL;
}

static const char *
on_snap_ready(struct logd_link *logd, const uint8_t *body, size_t size)
{
	struct msg_snap_ready m;
	if (!logd->ready || !msg_snap_ready_get(&m, body, size))
		return "a malformed snap_ready";
	return snap_receive_ready(&logd->node->snap_receive, &m);
}

static const char *
on_snap_taken(struct logd_link *logd, const uint8_t *body, size_t size)
{
	struct msg_snap_taken m;
	if (!logd->ready || !msg_snap_taken_get(&m, body, size))
		return "a malformed snap_taken";
	return snap_receive_taken(&logd->node->snap_receive, &m);
}

static const char *
on_session(struct logd_link *logd, const uint8_t *body, size_t size)
{
	struct msg_session m;
	if (!logd->ready || !msg_session_get(&m, body, size))
		return "a malformed session";
	session_open_session(&logd->node->session_opens, &m);
	return NULL;
}

static const char *
logd_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	switch (number) {
	case MSG_LOG_STATE:
		return on_state(arg, body, size);
	case MSG_LOG_PART:
		return on_part(arg, body, size);
	case MSG_LOG_END:
		return on_end(arg, body, size);
	case MSG_LOG_STORED:
		return logd_on_stored(arg, body, size);
	case MSG_LOG_FULL:
		return logd_on_full(arg, body, size);
	case MSG_LOG_ENTRIES:
		return logd_on_entries(arg, body, size);
	case MSG_SESSION:
		return on_session(arg, body, size);
	case MSG_LOG_BEFORE:
		return on_before(arg, body, size);
	case MSG_SNAP_OPENED:
		return on_snap_opened(arg, body, size);
	case MSG_SNAP_DATA:
		return on_snap_data(arg, body, size);
	case MSG_SNAP_READY:
		return on_snap_ready(arg, body, size);
	case MSG_SNAP_TAKEN:
		return on_snap_taken(arg, body, size);
	default:
		return "it sent a frame of an unknown kind";
	}
}

static void
logd_on_down(const char *why, void *arg)
{
	struct logd_link *logd = arg;
	(void)why;
	bool was_ready = logd->ready;
	load_free(logd->load);
	logd->load = NULL;
	logd->ready = false;
	if (was_ready)
		node_log_lost(logd->node);
}

bool
logd_open(struct logd_link *logd, struct node *node, char *why)
{
	static const struct daemon_link_calls calls = {logd_on_up, logd_on_frame, logd_on_down};
	logd->node = node;
	return daemon_link_open(
	    &logd->link, node->loop, node->conf->node.run, "log", "raft-logd", &calls, logd, why);
}

void
logd_write(struct logd_link *logd, const struct raft_write *write)
{
	must(logd->ready);
	struct wire_buf *out = conn_out(logd->link.conn);
	int flags = (write->truncate ? WIRE_TRUNCATE : 0) |
		    (write->recovered ? WIRE_RECOVERED : 0) | (write->install ? WIRE_INSTALL : 0);
	msg_log_write_put(out,
	    &(struct msg_log_write){
		.start = logd->hello.start,
		.number = write->number,
		.term = write->term,
		.vote = write->vote,
		.flags = (uint8_t)flags,
		.truncate_after = write->install ? write->install_pos.index : write->truncate_after,
		.first_index = write->first_index,
		.count = (uint32_t)write->entries_count,
		.entries = {NULL, wire_entries_size(write->entries, write->entries_count)},
	    });
	wire_entries_put(out, write->entries, write->entries_count);
	logd->written = write->number;
}

void
logd_commit(struct logd_link *logd, struct raft_pos commit)
{
	must(logd->ready);
	msg_log_commit_put(
	    conn_out(logd->link.conn), &(struct msg_log_commit){logd->hello.start, commit});
}

void
logd_fetch(struct logd_link *logd, const struct raft_fetch *fetch)
{
	must(logd->ready);
	uint32_t size_max =
	    fetch->size_max < CODEC_ENTRIES_MAX ? (uint32_t)fetch->size_max : CODEC_ENTRIES_MAX;
	msg_log_read_put(conn_out(logd->link.conn), &(struct msg_log_read){
							.request = fetch->request,
							.from = fetch->first_index,
							.size_max = size_max,
							.count_max = UINT32_MAX,
						    });
}

void
logd_session(struct logd_link *logd, uint64_t request, const struct raft_sid *sid)
{
	must(logd->ready);
	msg_session_get_put(conn_out(logd->link.conn), &(struct msg_session_get){request, *sid});
}

void
logd_snap_open(struct logd_link *logd, uint64_t request)
{
	must(logd->ready);
	msg_snap_open_put(conn_out(logd->link.conn), &(struct msg_snap_open){request});
}

void
logd_snap_read(struct logd_link *logd, uint64_t request, uint64_t offset, uint32_t size)
{
	must(logd->ready);
	msg_snap_read_put(
	    conn_out(logd->link.conn), &(struct msg_snap_read){request, offset, size});
}

void
logd_snap_put(struct logd_link *logd, uint64_t request, const struct msg_raft_snap_chunk *chunk)
{
	must(logd->ready);
	msg_snap_put_put(conn_out(logd->link.conn), &(struct msg_snap_put){
							.start = logd->hello.start,
							.request = request,
							.pos = chunk->pos,
							.size = chunk->size,
							.hash = chunk->hash,
							.offset = chunk->offset,
							.data = chunk->data,
						    });
}

void
logd_flush(struct logd_link *logd)
{
	if (logd->ready)
		conn_flush(logd->link.conn);
}
