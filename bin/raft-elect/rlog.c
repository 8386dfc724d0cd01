/* SPDX-License-Identifier: ISC */
/* The conversation with raft-logd. */
#include "rlog.h"

#include <stdlib.h>

#include "../../lib/unix/daemon.h"
#include "codec.h"
#include "node.h"

static void
on_up(const struct msg_hello_reply *reply, void *arg)
{
	struct rlog *rlog = arg;
	const struct raft_id *id = &rlog->node->conf->node.id;
	if (!raft_id_equal(&reply->node, id))
		daemon_die(EXIT_CONFIG, "%s: the data directory of raft-logd is that of node %s, and the configuration says %s",
		    rlog->node->conf->path, reply->node.s, id->s);
	rlog->hello = *reply;
	rlog->written = 0;
	rlog->load = load_new();
}

static const char *
on_state(struct rlog *rlog, const uint8_t *body, size_t size)
{
	struct msg_log_state m;
	if (rlog->load == NULL || !msg_log_state_get(&m, body, size))
		return "a malformed log_state";
	return load_state(rlog->load, &m);
}

static const char *
on_part(struct rlog *rlog, const uint8_t *body, size_t size)
{
	struct msg_log_part m;
	if (rlog->load == NULL || !msg_log_part_get(&m, body, size))
		return "a malformed log_part";
	return load_part(rlog->load, &m);
}

static const char *
on_end(struct rlog *rlog, const uint8_t *body, size_t size)
{
	struct msg_log_end m;
	struct raft_start start;
	if (rlog->load == NULL || !msg_log_end_get(&m, body, size) || m.start != rlog->hello.start)
		return "a malformed log_end";
	const char *wrong = load_end(rlog->load, &start);
	if (wrong)
		return wrong;
	rlog->ready = true;
	link_settled(&rlog->link);
	node_log_ready(rlog->node, &rlog->hello, &start);
	load_free(rlog->load);
	rlog->load = NULL;
	return NULL;
}

static const char *
on_stored(struct rlog *rlog, const uint8_t *body, size_t size)
{
	struct msg_log_stored m;
	if (!rlog->ready || !msg_log_stored_get(&m, body, size))
		return "a malformed log_stored";
	if (m.number == 0 || m.number > rlog->written)
		return "it says that it has stored what was never written";
	node_step(rlog->node,
	    &(struct raft_event){.type = RAFT_EVENT_STORED, .stored_number = m.number}, 0);
	return NULL;
}

static const char *
on_full(struct rlog *rlog, const uint8_t *body, size_t size)
{
	struct msg_log_full m;
	if (!rlog->ready || !msg_log_full_get(&m, body, size))
		return "a malformed log_full";
	node_step(rlog->node, &(struct raft_event){.type = RAFT_EVENT_DISK, .disk_full = m.full}, 0);
	return NULL;
}

/* What begins above the index asked for is compacted away: it can't be had. */
static const char *
on_entries(struct rlog *rlog, const uint8_t *body, size_t size)
{
	struct msg_log_entries m;
	struct raft_entry *entries;
	struct raft_chunk *chunk;
	if (!rlog->ready || !msg_log_entries_get(&m, body, size) ||
	    !wire_entries_get(m.entries, m.count, &entries, &chunk))
		return "a malformed log_entries";
	struct raft_event event = {.type = RAFT_EVENT_FETCHED};
	event.fetched.request = m.request;
	event.fetched.first_index = m.first_index;
	event.fetched.entries = entries;
	event.fetched.entries_count = m.first_available > m.first_index ? 0 : m.count;
	node_step(rlog->node, &event, size);
	free(entries);
	raft_chunk_unref(chunk);
	return NULL;
}

static const char *
on_before(struct rlog *rlog, const uint8_t *body, size_t size)
{
	struct msg_log_before m;
	if (!rlog->ready || !msg_log_before_get(&m, body, size))
		return "a malformed log_before";
	node_step(rlog->node, &(struct raft_event){.type = RAFT_EVENT_COMPACTED, .compacted = m.before}, 0);
	return NULL;
}

static const char *
on_snap_opened(struct rlog *rlog, const uint8_t *body, size_t size)
{
	struct msg_snap_opened m;
	if (!rlog->ready || !msg_snap_opened_get(&m, body, size))
		return "a malformed snap_opened";
	courier_opened(&rlog->node->courier, &m);
	return NULL;
}

static const char *
on_snap_data(struct rlog *rlog, const uint8_t *body, size_t size)
{
	struct msg_snap_data m;
	if (!rlog->ready || !msg_snap_data_get(&m, body, size))
		return "a malformed snap_data";
	courier_data(&rlog->node->courier, &m);
	return NULL;
}

static const char *
on_snap_ready(struct rlog *rlog, const uint8_t *body, size_t size)
{
	struct msg_snap_ready m;
	if (!rlog->ready || !msg_snap_ready_get(&m, body, size))
		return "a malformed snap_ready";
	return inbox_ready(&rlog->node->inbox, &m);
}

static const char *
on_snap_taken(struct rlog *rlog, const uint8_t *body, size_t size)
{
	struct msg_snap_taken m;
	if (!rlog->ready || !msg_snap_taken_get(&m, body, size))
		return "a malformed snap_taken";
	return inbox_taken(&rlog->node->inbox, &m);
}

static const char *
on_session(struct rlog *rlog, const uint8_t *body, size_t size)
{
	struct msg_session m;
	if (!rlog->ready || !msg_session_get(&m, body, size))
		return "a malformed session";
	opens_session(&rlog->node->opens, &m);
	return NULL;
}

static const char *
on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	switch (number) {
	case MSG_LOG_STATE:
		return on_state(arg, body, size);
	case MSG_LOG_PART:
		return on_part(arg, body, size);
	case MSG_LOG_END:
		return on_end(arg, body, size);
	case MSG_LOG_STORED:
		return on_stored(arg, body, size);
	case MSG_LOG_FULL:
		return on_full(arg, body, size);
	case MSG_LOG_ENTRIES:
		return on_entries(arg, body, size);
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
on_down(const char *why, void *arg)
{
	struct rlog *rlog = arg;
	(void)why;
	bool was_ready = rlog->ready;
	load_free(rlog->load);
	rlog->load = NULL;
	rlog->ready = false;
	if (was_ready)
		node_log_lost(rlog->node);
}

bool
rlog_open(struct rlog *rlog, struct node *node, char *why)
{
	static const struct link_calls calls = {on_up, on_frame, on_down};
	rlog->node = node;
	return link_open(
	    &rlog->link, node->loop, node->conf->node.run, "log", "raft-logd", &calls, rlog, why);
}

void
rlog_write(struct rlog *rlog, const struct raft_write *write)
{
	must(rlog->ready);
	struct wire_buf *out = conn_out(rlog->link.conn);
	int flags = (write->truncate ? WIRE_TRUNCATE : 0) | (write->recovered ? WIRE_RECOVERED : 0) |
	    (write->install ? WIRE_INSTALL : 0);
	msg_log_write_put(out,
	    &(struct msg_log_write){
	        .start = rlog->hello.start,
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
	rlog->written = write->number;
}

void
rlog_commit(struct rlog *rlog, struct raft_pos commit)
{
	must(rlog->ready);
	msg_log_commit_put(conn_out(rlog->link.conn), &(struct msg_log_commit){rlog->hello.start, commit});
}

void
rlog_fetch(struct rlog *rlog, const struct raft_fetch *fetch)
{
	must(rlog->ready);
	uint32_t size_max = fetch->size_max < CODEC_ENTRIES_MAX ? (uint32_t)fetch->size_max : CODEC_ENTRIES_MAX;
	msg_log_read_put(conn_out(rlog->link.conn),
	    &(struct msg_log_read){
	        .request = fetch->request,
	        .from = fetch->first_index,
	        .size_max = size_max,
	        .count_max = UINT32_MAX,
	    });
}

void
rlog_session(struct rlog *rlog, uint64_t request, const struct raft_sid *sid)
{
	must(rlog->ready);
	msg_session_get_put(conn_out(rlog->link.conn), &(struct msg_session_get){request, *sid});
}

void
rlog_snap_open(struct rlog *rlog, uint64_t request)
{
	must(rlog->ready);
	msg_snap_open_put(conn_out(rlog->link.conn), &(struct msg_snap_open){request});
}

void
rlog_snap_read(struct rlog *rlog, uint64_t request, uint64_t offset, uint32_t size)
{
	must(rlog->ready);
	msg_snap_read_put(conn_out(rlog->link.conn), &(struct msg_snap_read){request, offset, size});
}

void
rlog_snap_put(struct rlog *rlog, uint64_t request, const struct msg_raft_snap_chunk *chunk)
{
	must(rlog->ready);
	msg_snap_put_put(conn_out(rlog->link.conn),
	    &(struct msg_snap_put){
	        .start = rlog->hello.start,
	        .request = request,
	        .pos = chunk->pos,
	        .size = chunk->size,
	        .hash = chunk->hash,
	        .offset = chunk->offset,
	        .data = chunk->data,
	    });
}

void
rlog_flush(struct rlog *rlog)
{
	if (rlog->ready)
		conn_flush(rlog->link.conn);
}
