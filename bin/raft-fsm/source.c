/* SPDX-License-Identifier: ISC */
/* The link to raft-logd. */
#include "source_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prog/daemon.h"
#include "unix/sock.h"

enum { READ_SIZE = 1 << 20 }; /* of one answer; a larger entry comes alone */

void
batch_free(struct batch *batch)
{
	free(batch->entries);
	raft_chunk_unref(batch->chunk);
	*batch = (struct batch){0};
}

static void
probe_end(struct source *source)
{
	void (*told)(void *arg) = source->told;
	source->told = NULL;
	source->probe_request = 0;
	if (told)
		told(source->told_arg);
}

/* Asks for the next entries, unless a read is on its way or a batch waits to be taken. */
static void
ask_read(struct source *source)
{
	if (source->next == 0 || source->read_request || source->ready.count)
		return;
	if (source->lines)
		lines_want(source->lines);
	if (source->lines || !link_up(source->link))
		return;
	source->read_request = ++source->request;
	struct msg_log_read read = {.request = source->read_request,
	    .from = source->next,
	    .size_max = READ_SIZE,
	    .count_max = UINT32_MAX,
	    .wait = true};
	msg_log_read_put(link_out(source->link), &read);
	/* Now, not at the end of the turn: raft-logd works while the last batch is delivered. */
	link_flush(source->link);
}

static void
ask_cursor(struct source *source)
{
	if (source->lines)
		lines_want(source->lines);
	if (source->lines || !link_up(source->link) || source->cursor_request)
		return;
	if (source->cursor_get) {
		source->cursor_request = ++source->request;
		struct msg_cursor_get get = {
		    source->cursor_request, wire_text(source->cursor_name)};
		msg_cursor_get_put(link_out(source->link), &get);
	} else if (source->cursor_set) {
		source->cursor_request = ++source->request;
		source->cursor_sent = source->cursor_set;
		struct msg_cursor_set set = {
		    source->cursor_request, wire_text(source->cursor_name), source->cursor_set};
		msg_cursor_set_put(link_out(source->link), &set);
	}
}

static void
ask_contracts(struct source *source)
{
	if (!source->contracts_wanted || !link_up(source->link))
		return;
	source->contracts_request = ++source->request;
	msg_contracts_get_put(
	    link_out(source->link), &(struct msg_contracts_get){source->contracts_request});
}

static void
ask_chain(struct source *source)
{
	if (source->lines && source->chain_wanted)
		lines_want(source->lines);
	if (!source->chain_wanted || source->lines || !link_up(source->link))
		return;
	source->chain_request = ++source->request;
	msg_chain_get_put(link_out(source->link),
	    &(struct msg_chain_get){source->chain_request, source->chain_index});
}

static void
source_on_up(void *arg)
{
	struct source *source = arg;
	const struct msg_hello_reply *hello = link_hello(source->link);
	char why[256];
	if (!raft_id_equal(&hello->node, &source->conf->node.id)) {
		snprintf(why, sizeof why, "the raft-logd there is of node %s", hello->node.s);
		link_break(source->link, why);
		return;
	}
	if (!raft_hash_none(&source->cluster) &&
	    !raft_hash_equal(&source->cluster, &hello->cluster)) {
		link_break(source->link, "the raft-logd there is of another cluster than before");
		return;
	}
	source->cluster = hello->cluster;
	source->commit_now = hello->seen;
	source->why[0] = '\0';
	link_settled(source->link);
	ask_cursor(source);
	source_snap_send(source);
	ask_contracts(source);
	ask_chain(source);
	ask_read(source);
}

/* What was on its way is asked for again when the link is back. */
static void
source_on_down(bool was_up, const char *why, void *arg)
{
	struct source *source = arg;
	(void)was_up;
	source->read_request = 0;
	source->cursor_request = 0;
	if (source->snap_request && source->snap == MSG_SNAP_ADD)
		source_snap_fail(source, "the connection to raft-logd ended before it was stored");
	source->snap_request = 0;
	probe_end(source);
	if (why)
		snprintf(source->why, sizeof source->why, "%s", why);
}

static void
source_on_failed(enum exit_status status, const char *why, void *arg)
{
	struct source *source = arg;
	(void)status;
	log_error("link", "to=raft-logd why=%s", log_q(why));
	snprintf(source->why, sizeof source->why, "%s", why);
	source->calls->failed(source->arg);
}

static void
take_batch(struct source *source, const struct msg_log_entries *m)
{
	struct batch *ready = &source->ready;
	char why[WIRE_NEWER_SIZE];
	if (m->first_index != source->next ||
	    !wire_entries_get(m->entries, m->count, &ready->entries, &ready->chunk)) {
		if (wire_entries_newer(m->entries, m->count, m->first_index, why))
			daemon_die(EXIT_CONFIG, "from raft-logd: %s", why);
		link_break(source->link, "raft-logd sent malformed entries");
		return;
	}
	ready->first_index = m->first_index;
	ready->count = m->count;
	ready->at = 0;
	source->next = m->first_index + m->count;
	source->calls->ready(source->arg);
}

static void
take_entries(struct source *source, const uint8_t *body, size_t size)
{
	struct msg_log_entries m;
	if (!msg_log_entries_get(&m, body, size)) {
		link_break(source->link, "raft-logd sent a malformed answer");
		return;
	}
	source->commit = max_u64(source->commit, m.commit);
	source->commit_now = max_u64(source->commit_now, m.commit);
	if (m.request == source->probe_request) {
		probe_end(source);
	} else if (m.request == source->read_request) {
		source->read_request = 0;
		if (m.first_available > source->next) {
			uint64_t wanted = source->next;
			source->next = 0;
			source->calls->gap(wanted, m.first_available, source->arg);
		} else if (m.count > 0) {
			take_batch(source, &m);
		} else {
			ask_read(source);
		}
	}
}

static void
take_cursor(struct source *source, const uint8_t *body, size_t size)
{
	struct msg_cursor m;
	if (!msg_cursor_get(&m, body, size)) {
		link_break(source->link, "raft-logd sent a malformed cursor");
		return;
	}
	if (source->cursor_request == 0 || m.request != source->cursor_request)
		return;
	source->cursor_request = 0;
	if (source->cursor_get) {
		source->cursor_get = false;
		ask_cursor(source);
		source->calls->cursor(m.index, source->arg);
		return;
	}
	if (source->cursor_set == source->cursor_sent)
		source->cursor_set = 0;
	ask_cursor(source);
	source->calls->stored(source->cursor_sent, source->arg);
}

static const char *
take_contracts(struct source *source, const struct msg_contracts *m)
{
	if (!source->contracts_wanted || m->request != source->contracts_request)
		return NULL;
	source->contracts_wanted = false;
	return source->calls->contracts(m->level, m->records, source->arg)
		   ? NULL
		   : "raft-logd sent malformed contracts";
}

static const char *
take_chain(struct source *source, const struct msg_chain *m)
{
	if (!source->chain_wanted || m->request != source->chain_request)
		return NULL;
	source->chain_wanted = false;
	source->calls->chain(m->found, &m->hash, source->arg);
	return NULL;
}

static void
source_on_refused(enum exit_status status, const char *sentence, void *arg)
{
	struct source *source = arg;
	char why[512];
	(void)status;
	snprintf(why, sizeof why, "raft-logd refuses: %s", sentence);
	if (source->snap_request)
		source_snap_fail(source, why);
	link_break(source->link, why);
}

static const char *
source_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct source *source = arg;
	switch (number) {
		WIRE_CASE(CONTRACTS, contracts, take_contracts)
		WIRE_CASE(CHAIN, chain, take_chain)
	}
	if (number == MSG_LOG_ENTRIES)
		take_entries(source, body, size);
	else if (number == MSG_CURSOR)
		take_cursor(source, body, size);
	else if (number == MSG_SNAP_FOUND || number == MSG_SNAP_PATH_REPLY ||
		 number == MSG_SNAP_ADDED)
		source_snap_take(source, number, body, size);
	else if (number != MSG_SNAP_DATA) /* to a release */
		return "raft-logd sent a message that was not asked for";
	return NULL;
}

static const struct link_calls link_calls = {.up = source_on_up,
    .frame = source_on_frame,
    .refused = source_on_refused,
    .down = source_on_down,
    .failed = source_on_failed};

struct source *
source_new(struct loop *loop, const struct conf *conf)
{
	struct source *source = calloc(1, sizeof *source);
	char path[SOCK_PATH_MAX], why[SOCK_WHY_SIZE];
	must(source != NULL);
	if (!sock_path(path, conf->node.run, "log", why))
		daemon_die(EXIT_CONFIG, "%s", why);
	source->conf = conf;
	snprintf(source->why, sizeof source->why, "raft-logd has not answered yet");
	source->link = link_new(loop, path, WIRE_FSM, "raft-fsm", &link_calls, source);
	link_log(source->link, "raft-logd");
	return source;
}

/* A turn of the loop: what was asked for is answered here, as raft-logd would. */
static void
source_on_lines(void *arg)
{
	struct source *source = arg;
	if (source->cursor_get) {
		source->cursor_get = false;
		source->calls->cursor(0, source->arg);
	}
	if (source->cursor_set) {
		uint64_t index = source->cursor_set;
		source->cursor_set = 0;
		source->calls->stored(index, source->arg);
	}
	if (source->chain_wanted) {
		struct raft_hash hash = lines_chain(source->lines, source->chain_index);
		source->chain_wanted = false;
		source->calls->chain(true, &hash, source->arg);
	}
	if (source->next == 0 || source->ready.count) {
		lines_hold(source->lines);
	} else if (!lines_take(source->lines, source->next, &source->ready)) {
		source->next = 0;
		source->calls->end(source->arg);
	} else if (source->ready.count) {
		source->next += source->ready.count;
		source->calls->ready(source->arg);
	}
}

struct source *
source_of_lines(struct loop *loop, const struct conf *conf, const struct trial *trial)
{
	struct source *source = calloc(1, sizeof *source);
	must(source != NULL);
	source->conf = conf;
	source->lines = lines_new(loop, conf, trial, source_on_lines, source);
	return source;
}

void
source_free(struct source *source)
{
	if (source == NULL)
		return;
	link_free(source->link);
	batch_free(&source->ready);
	free(source->snap_add_path);
	free(source->snap_format);
	free(source);
}

void
source_calls(struct source *source, const struct source_calls *calls, void *arg)
{
	source->calls = calls;
	source->arg = arg;
}

void
source_seek(struct source *source, uint64_t from)
{
	batch_free(&source->ready);
	source->next = from;
	/* A read that waits at raft-logd cannot be withdrawn; a new connection is without it. */
	if (source->read_request)
		link_break(source->link, NULL);
	ask_read(source);
}

bool
source_take(struct source *source, struct batch *batch)
{
	if (source->ready.count == 0)
		return false;
	*batch = source->ready;
	source->ready = (struct batch){0};
	ask_read(source);
	return true;
}

void
source_cursor_get(struct source *source, const char *name)
{
	must(strlen(name) < sizeof source->cursor_name);
	strcpy(source->cursor_name, name);
	source->cursor_get = true;
	ask_cursor(source);
}

void
source_cursor_set(struct source *source, const char *name, uint64_t index)
{
	must(strlen(name) < sizeof source->cursor_name);
	strcpy(source->cursor_name, name);
	source->cursor_set = index;
	ask_cursor(source);
}

void
source_contracts_get(struct source *source)
{
	source->contracts_wanted = true;
	ask_contracts(source);
}

void
source_chain_get(struct source *source, uint64_t index)
{
	source->chain_wanted = true;
	source->chain_index = index;
	ask_chain(source);
}

bool
source_probe(struct source *source, void (*told)(void *arg), void *arg)
{
	if (!link_up(source->link) || source->probe_request)
		return false;
	source->told = told;
	source->told_arg = arg;
	source->probe_request = ++source->request;
	/* Far above any index: the answer has no entries, only the commit index. */
	struct msg_log_read read = {.request = source->probe_request,
	    .from = UINT64_MAX >> 1,
	    .size_max = 1,
	    .count_max = 1};
	msg_log_read_put(link_out(source->link), &read);
	return true;
}

uint64_t
source_commit(const struct source *source)
{
	return source->commit;
}

uint64_t
source_commit_now(const struct source *source)
{
	return source->commit_now;
}

struct raft_hash
source_cluster(const struct source *source)
{
	return source->cluster;
}

const char *
source_why(const struct source *source)
{
	return source->why[0] ? source->why : NULL;
}
