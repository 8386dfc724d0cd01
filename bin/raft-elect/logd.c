/* SPDX-License-Identifier: ISC */
/* The conversation with raft-logd. */
#include "logd.h"

#include <stdlib.h>

#include "prog/daemon.h"
#include "unix/sock.h"
#include "codec.h"
#include "node.h"

static void
logd_on_up(void *arg)
{
	struct logd_link *logd = arg;
	const struct msg_hello_reply *reply = link_hello(logd->link);
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
logd_on_state(struct logd_link *logd, const struct msg_log_state *m)
{
	return load_state(logd->load, m);
}

static const char *
logd_on_part(struct logd_link *logd, const struct msg_log_part *m)
{
	const char *wrong = load_part(logd->load, m);
	char why[WIRE_NEWER_SIZE];
	if (wrong && m->what == WIRE_ENTRIES &&
	    wire_entries_newer(m->records, UINT32_MAX, m->first_index, why))
		daemon_die(EXIT_CONFIG, "from raft-logd: %s", why);
	return wrong;
}

static const char *
logd_on_end(struct logd_link *logd, const struct msg_log_end *m)
{
	struct raft_start start;
	if (m->start != logd->hello.start)
		return "a malformed log_end";
	const char *wrong = load_end(logd->load, &start);
	if (wrong)
		return wrong;
	logd->ready = true;
	link_settled(logd->link);
	node_log_ready(logd->node, &logd->hello, &start);
	load_free(logd->load);
	logd->load = NULL;
	return NULL;
}

static const char *
logd_on_stored(struct logd_link *logd, const struct msg_log_stored *m)
{
	if (m->number == 0 || m->number > logd->written)
		return "it says that it has stored what was never written";
	node_step(logd->node,
	    &(struct raft_event){.type = RAFT_EVENT_STORED, .stored_number = m->number}, 0);
	return NULL;
}

static const char *
logd_on_full(struct logd_link *logd, const struct msg_log_full *m)
{
	node_step(
	    logd->node, &(struct raft_event){.type = RAFT_EVENT_DISK, .disk_full = m->full}, 0);
	return NULL;
}

/* What begins above the index asked for is compacted away: it can't be had. */
static const char *
logd_on_entries(struct logd_link *logd, const struct msg_log_entries *m)
{
	struct raft_entry *entries;
	struct raft_chunk *chunk;
	char why[WIRE_NEWER_SIZE];
	if (!wire_entries_get(m->entries, m->count, &entries, &chunk)) {
		if (wire_entries_newer(m->entries, m->count, m->first_index, why))
			daemon_die(EXIT_CONFIG, "from raft-logd: %s", why);
		return "a malformed log_entries";
	}
	struct raft_event event = {.type = RAFT_EVENT_FETCHED};
	event.fetched.request = m->request;
	event.fetched.first_index = m->first_index;
	event.fetched.entries = entries;
	event.fetched.entries_count = m->first_available > m->first_index ? 0 : m->count;
	node_step(logd->node, &event, m->entries.size);
	free(entries);
	raft_chunk_unref(chunk);
	return NULL;
}

static const char *
logd_on_before(struct logd_link *logd, const struct msg_log_before *m)
{
	node_step(logd->node,
	    &(struct raft_event){.type = RAFT_EVENT_COMPACTED, .compacted = m->before}, 0);
	return NULL;
}

static const char *
logd_on_snap_opened(struct logd_link *logd, const struct msg_snap_opened *m)
{
	snap_send_opened(&logd->node->snap_send, m);
	return NULL;
}

static const char *
logd_on_snap_data(struct logd_link *logd, const struct msg_snap_data *m)
{
	snap_send_data(&logd->node->snap_send, m);
	return NULL;
}

static const char *
logd_on_snap_ready(struct logd_link *logd, const struct msg_snap_ready *m)
{
	return snap_receive_ready(&logd->node->snap_receive, m);
}

static const char *
logd_on_snap_level(struct logd_link *logd, const struct msg_snap_level *m)
{
	return snap_receive_level(&logd->node->snap_receive, m);
}

static const char *
logd_on_snap_contract(struct logd_link *logd, const struct msg_snap_contract *m)
{
	return snap_receive_contract(&logd->node->snap_receive, m);
}

static const char *
logd_on_snap_taken(struct logd_link *logd, const struct msg_snap_taken *m)
{
	return snap_receive_taken(&logd->node->snap_receive, m);
}

static const char *
logd_on_session(struct logd_link *logd, const struct msg_session *m)
{
	session_open_session(&logd->node->session_opens, m);
	return NULL;
}

/* The log comes first, and once. */
static const char *
logd_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	const struct logd_link *logd = arg;
	bool of_log = number >= MSG_LOG_STATE && number <= MSG_LOG_END;
	if (of_log == logd->ready)
		return "it sent a frame out of turn";
	switch (number) {
		WIRE_CASE(LOG_STATE, log_state, logd_on_state)
		WIRE_CASE(LOG_PART, log_part, logd_on_part)
		WIRE_CASE(LOG_END, log_end, logd_on_end)
		WIRE_CASE(LOG_STORED, log_stored, logd_on_stored)
		WIRE_CASE(LOG_FULL, log_full, logd_on_full)
		WIRE_CASE(LOG_ENTRIES, log_entries, logd_on_entries)
		WIRE_CASE(LOG_BEFORE, log_before, logd_on_before)
		WIRE_CASE(SNAP_OPENED, snap_opened, logd_on_snap_opened)
		WIRE_CASE(SNAP_DATA, snap_data, logd_on_snap_data)
		WIRE_CASE(SNAP_READY, snap_ready, logd_on_snap_ready)
		WIRE_CASE(SNAP_LEVEL, snap_level, logd_on_snap_level)
		WIRE_CASE(SNAP_CONTRACT, snap_contract, logd_on_snap_contract)
		WIRE_CASE(SNAP_TAKEN, snap_taken, logd_on_snap_taken)
		WIRE_CASE(SESSION, session, logd_on_session)
	default:
		return "it sent a frame of an unknown kind";
	}
}

static void
logd_on_down(bool was_up, const char *why, void *arg)
{
	struct logd_link *logd = arg;
	(void)was_up, (void)why;
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
	static const struct link_calls calls = {
	    .up = logd_on_up, .frame = logd_on_frame, .down = logd_on_down};
	char path[SOCK_PATH_MAX];
	if (!sock_path(path, node->conf->node.run, "log", why))
		return false;
	logd->node = node;
	logd->link = link_new(node->loop, path, WIRE_ELECTOR, "raft-elect", &calls, logd);
	link_log(logd->link, "raft-logd");
	return true;
}

void
logd_write(struct logd_link *logd, const struct raft_write *write)
{
	must(logd->ready);
	struct wire_buf *out = link_out(logd->link);
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
	    link_out(logd->link), &(struct msg_log_commit){logd->hello.start, commit});
}

void
logd_fetch(struct logd_link *logd, const struct raft_fetch *fetch)
{
	must(logd->ready);
	uint32_t size_max =
	    fetch->size_max < CODEC_ENTRIES_MAX ? (uint32_t)fetch->size_max : CODEC_ENTRIES_MAX;
	msg_log_read_put(link_out(logd->link), &(struct msg_log_read){
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
	msg_session_get_put(link_out(logd->link), &(struct msg_session_get){request, *sid});
}

void
logd_snap_open(struct logd_link *logd, uint64_t request)
{
	must(logd->ready);
	msg_snap_open_put(link_out(logd->link), &(struct msg_snap_open){request});
}

void
logd_snap_read(struct logd_link *logd, uint64_t request, uint64_t offset, uint32_t size)
{
	must(logd->ready);
	msg_snap_read_put(link_out(logd->link), &(struct msg_snap_read){request, offset, size});
}

void
logd_snap_put(struct logd_link *logd, uint64_t request, const struct msg_raft_snap_chunk *chunk)
{
	must(logd->ready);
	msg_snap_put_put(link_out(logd->link), &(struct msg_snap_put){
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
		link_flush(logd->link);
}
