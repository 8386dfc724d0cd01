/* SPDX-License-Identifier: ISC */
/* The link to raft-logd. */
#include "reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/client/link.h"
#include "../../lib/unix/daemon.h"
#include "../../lib/unix/sock.h"

enum {
	READ_SIZE = 1 << 20, /* of one answer; a larger entry comes alone */
	CURSOR_NAME_SIZE = 32
};

struct reader {
	const struct conf *conf;
	const struct reader_calls *calls;
	void *arg;

	struct link *link;
	bool breaking; /* the link is broken off by us */
	bool said;     /* that there is no link */
	char why[512]; /* there is none; "": there is one */

	uint64_t request; /* the last number given away; what is on its way, 0: nothing */
	uint64_t read_request;
	uint64_t probe_request;
	uint64_t cursor_request;

	uint64_t next;      /* the index to ask for; 0: none */
	struct batch ready; /* count 0: none */
	uint64_t commit;
	struct wire_hash cluster;

	char cursor_name[CURSOR_NAME_SIZE];
	bool cursor_get;     /* asked for and not answered */
	uint64_t cursor_set; /* to be stored and not answered; 0: none */
	uint64_t cursor_sent;

	void (*told)(void *arg);
	void *told_arg;

	/* One question about snapshots: which (0: none), its request when it is on its way. */
	enum msg_number snap;
	uint64_t snap_request;
	uint64_t snap_index;
	char *snap_add_path, *snap_format;
};

void
batch_free(struct batch *batch)
{
	free(batch->entries);
	raft_chunk_unref(batch->chunk);
	*batch = (struct batch){0};
}

static void
probe_end(struct reader *reader)
{
	void (*told)(void *arg) = reader->told;
	reader->told = NULL;
	reader->probe_request = 0;
	if (told)
		told(reader->told_arg);
}

/* Asks for the next entries, unless a read is on its way or a batch waits to be taken. */
static void
ask_read(struct reader *reader)
{
	if (!link_up(reader->link) || reader->next == 0 || reader->read_request || reader->ready.count)
		return;
	reader->read_request = ++reader->request;
	struct msg_log_read read = {.request = reader->read_request,
	    .from = reader->next,
	    .size_max = READ_SIZE,
	    .count_max = UINT32_MAX,
	    .wait = true};
	msg_log_read_put(link_out(reader->link), &read);
	/* Now, not at the end of the turn: raft-logd works while the last batch is delivered. */
	link_flush(reader->link);
}

static void
ask_cursor(struct reader *reader)
{
	if (!link_up(reader->link) || reader->cursor_request)
		return;
	if (reader->cursor_get) {
		reader->cursor_request = ++reader->request;
		struct msg_cursor_get get = {reader->cursor_request, wire_text(reader->cursor_name)};
		msg_cursor_get_put(link_out(reader->link), &get);
	} else if (reader->cursor_set) {
		reader->cursor_request = ++reader->request;
		reader->cursor_sent = reader->cursor_set;
		struct msg_cursor_set set = {
		    reader->cursor_request, wire_text(reader->cursor_name), reader->cursor_set};
		msg_cursor_set_put(link_out(reader->link), &set);
	}
}

static void
ask_snap(struct reader *reader)
{
	/* A question that is on its way is not asked twice. */
	if (!link_up(reader->link) || reader->snap == 0 || reader->snap_request)
		return;
	struct wire_buf *out = link_out(reader->link);
	reader->snap_request = ++reader->request;
	if (reader->snap == MSG_SNAP_FIND)
		msg_snap_find_put(out, &(struct msg_snap_find){reader->snap_request});
	else if (reader->snap == MSG_SNAP_PATH)
		msg_snap_path_put(out, &(struct msg_snap_path){reader->snap_request});
	else
		msg_snap_add_put(out, &(struct msg_snap_add){reader->snap_request, reader->snap_index,
					  wire_text(reader->snap_add_path), wire_text(reader->snap_format)});
}

static enum msg_number
snap_settled(struct reader *reader)
{
	enum msg_number snap = reader->snap;
	reader->snap = 0;
	reader->snap_request = 0;
	return snap;
}

/* A new string. */
static char *
text_of(struct wire_bytes bytes)
{
	char *text = strndup((const char *)bytes.bytes, bytes.size);
	must(text != NULL);
	return text;
}

/* It was not answered as it should be. */
static void
snap_fail(struct reader *reader, const char *why)
{
	enum msg_number snap = snap_settled(reader);
	if (snap == MSG_SNAP_FIND)
		reader->calls->snap_found(&(struct reader_snapshot){.format = "", .path = ""}, reader->arg);
	else if (snap == MSG_SNAP_PATH)
		reader->calls->snap_path("", why, reader->arg);
	else if (snap == MSG_SNAP_ADD)
		reader->calls->snap_added(false, 0, why, reader->arg);
}

static void
take_snap_found(struct reader *reader, const struct msg_snap_found *m)
{
	char *format = text_of(m->format), *path = text_of(m->path);
	const struct reader_snapshot found = {
	    .found = m->found, .index = m->pos.index, .size = m->size, .format = format, .path = path};
	snap_settled(reader);
	reader->calls->snap_found(&found, reader->arg);
	free(format);
	free(path);
}

static void
take_snap(struct reader *reader, uint16_t number, const uint8_t *body, size_t size)
{
	struct msg_snap_found found;
	struct msg_snap_path_reply path;
	struct msg_snap_added added;
	if (number == MSG_SNAP_FOUND && msg_snap_found_get(&found, body, size)) {
		if (found.request == reader->snap_request && reader->snap == MSG_SNAP_FIND)
			take_snap_found(reader, &found);
	} else if (number == MSG_SNAP_PATH_REPLY && msg_snap_path_reply_get(&path, body, size)) {
		if (path.request != reader->snap_request || reader->snap != MSG_SNAP_PATH)
			return;
		char *text = text_of(path.path);
		snap_settled(reader);
		reader->calls->snap_path(text, "raft-logd names no place for it", reader->arg);
		free(text);
	} else if (number == MSG_SNAP_ADDED && msg_snap_added_get(&added, body, size)) {
		if (added.request != reader->snap_request || reader->snap != MSG_SNAP_ADD)
			return;
		char *why = text_of(added.why);
		snap_settled(reader);
		reader->calls->snap_added(added.ok, added.index, why, reader->arg);
		free(why);
	} else {
		link_break(reader->link, "raft-logd sent a malformed answer about a snapshot");
	}
}

static bool
all_zero(const struct wire_hash *hash)
{
	static const struct wire_hash zero;
	return memcmp(hash, &zero, sizeof zero) == 0;
}

static void
on_up(struct link *link, const struct msg_hello_reply *hello, void *arg)
{
	struct reader *reader = arg;
	char why[256];
	if (!raft_id_equal(&hello->node, &reader->conf->node.id)) {
		snprintf(why, sizeof why, "the raft-logd there is of node %s", hello->node.s);
		link_break(link, why);
		return;
	}
	if (!all_zero(&reader->cluster) && memcmp(&reader->cluster, &hello->cluster, sizeof hello->cluster) != 0) {
		link_break(link, "the raft-logd there is of another cluster than before");
		return;
	}
	reader->cluster = hello->cluster;
	reader->why[0] = '\0';
	if (reader->said)
		log_info("link", "to=raft-logd state=up");
	reader->said = false;
	ask_cursor(reader);
	ask_snap(reader);
	ask_read(reader);
}

/* What was on its way is asked for again when the link is back.  Said once, however often it is tried. */
static void
on_down(struct link *link, bool was_up, const char *why, void *arg)
{
	struct reader *reader = arg;
	(void)link, (void)was_up;
	reader->read_request = 0;
	reader->cursor_request = 0;
	if (reader->snap_request && reader->snap == MSG_SNAP_ADD)
		snap_fail(reader, "the connection to raft-logd ended before it was stored");
	reader->snap_request = 0;
	probe_end(reader);
	if (reader->breaking)
		return;
	snprintf(reader->why, sizeof reader->why, "%s", why);
	if (!reader->said)
		log_warn("link", "to=raft-logd state=down why=%s", log_q(why));
	reader->said = true;
}

static void
on_hopeless(struct link *link, enum exit_status status, const char *why, void *arg)
{
	struct reader *reader = arg;
	(void)link;
	(void)status;
	log_error("link", "to=raft-logd why=%s", log_q(why));
	snprintf(reader->why, sizeof reader->why, "%s", why);
	reader->calls->hopeless(reader->arg);
}

static void
take_batch(struct reader *reader, const struct msg_log_entries *m)
{
	struct batch *ready = &reader->ready;
	if (m->first_index != reader->next ||
	    !wire_entries_get(m->entries, m->count, &ready->entries, &ready->chunk)) {
		link_break(reader->link, "raft-logd sent malformed entries");
		return;
	}
	ready->first_index = m->first_index;
	ready->count = m->count;
	ready->at = 0;
	reader->next = m->first_index + m->count;
	reader->calls->ready(reader->arg);
}

static void
take_entries(struct reader *reader, const uint8_t *body, size_t size)
{
	struct msg_log_entries m;
	if (!msg_log_entries_get(&m, body, size)) {
		link_break(reader->link, "raft-logd sent a malformed answer");
		return;
	}
	if (m.commit > reader->commit)
		reader->commit = m.commit;
	if (m.request == reader->probe_request) {
		probe_end(reader);
	} else if (m.request == reader->read_request) {
		reader->read_request = 0;
		if (m.first_available > reader->next) {
			uint64_t wanted = reader->next;
			reader->next = 0;
			reader->calls->gap(wanted, m.first_available, reader->arg);
		} else if (m.count > 0) {
			take_batch(reader, &m);
		} else {
			ask_read(reader);
		}
	}
}

static void
take_cursor(struct reader *reader, const uint8_t *body, size_t size)
{
	struct msg_cursor m;
	if (!msg_cursor_get(&m, body, size)) {
		link_break(reader->link, "raft-logd sent a malformed cursor");
		return;
	}
	if (m.request != reader->cursor_request)
		return;
	reader->cursor_request = 0;
	if (reader->cursor_get) {
		reader->cursor_get = false;
		ask_cursor(reader);
		reader->calls->cursor(m.index, reader->arg);
		return;
	}
	if (reader->cursor_set == reader->cursor_sent)
		reader->cursor_set = 0;
	ask_cursor(reader);
	reader->calls->stored(reader->cursor_sent, reader->arg);
}

static void
take_refusal(struct reader *reader, const uint8_t *body, size_t size)
{
	struct msg_refusal m;
	char why[512];
	if (!msg_refusal_get(&m, body, size))
		snprintf(why, sizeof why, "raft-logd sent a malformed refusal");
	else
		snprintf(why, sizeof why, "raft-logd refuses: %.*s", (int)m.sentence.size,
		    (const char *)m.sentence.bytes);
	if (reader->snap_request)
		snap_fail(reader, why);
	link_break(reader->link, why);
}

static void
on_frame(struct link *link, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct reader *reader = arg;
	if (number == MSG_REFUSAL)
		take_refusal(reader, body, size);
	else if (number == MSG_LOG_ENTRIES)
		take_entries(reader, body, size);
	else if (number == MSG_CURSOR)
		take_cursor(reader, body, size);
	else if (number == MSG_SNAP_FOUND || number == MSG_SNAP_PATH_REPLY || number == MSG_SNAP_ADDED)
		take_snap(reader, number, body, size);
	else if (number != MSG_SNAP_DATA) /* to a release */
		link_break(link, "raft-logd sent a message that was not asked for");
}

static const struct link_calls link_calls = {
    .up = on_up, .frame = on_frame, .down = on_down, .hopeless = on_hopeless};

struct reader *
reader_new(struct loop *loop, const struct conf *conf)
{
	struct reader *reader = calloc(1, sizeof *reader);
	char path[SOCK_PATH_MAX], why[SOCK_WHY_SIZE];
	must(reader != NULL);
	if (!sock_path(path, conf->node.run, "log", why))
		daemon_die(EXIT_CONFIG, "%s", why);
	reader->conf = conf;
	snprintf(reader->why, sizeof reader->why, "raft-logd has not answered yet");
	reader->link = link_new(loop, path, WIRE_FSM, "raft-fsm", &link_calls, reader);
	return reader;
}

void
reader_free(struct reader *reader)
{
	if (reader == NULL)
		return;
	link_free(reader->link);
	batch_free(&reader->ready);
	free(reader->snap_add_path);
	free(reader->snap_format);
	free(reader);
}

void
reader_calls(struct reader *reader, const struct reader_calls *calls, void *arg)
{
	reader->calls = calls;
	reader->arg = arg;
}

void
reader_seek(struct reader *reader, uint64_t from)
{
	batch_free(&reader->ready);
	reader->next = from;
	if (reader->read_request) {
		/* A read that waits at raft-logd can't be taken back; a new conn leaves it behind. */
		reader->breaking = true;
		link_break(reader->link, "");
		reader->breaking = false;
	}
	ask_read(reader);
}

bool
reader_take(struct reader *reader, struct batch *batch)
{
	if (reader->ready.count == 0)
		return false;
	*batch = reader->ready;
	reader->ready = (struct batch){0};
	ask_read(reader);
	return true;
}

void
reader_cursor_get(struct reader *reader, const char *name)
{
	must(strlen(name) < sizeof reader->cursor_name);
	strcpy(reader->cursor_name, name);
	reader->cursor_get = true;
	ask_cursor(reader);
}

void
reader_cursor_set(struct reader *reader, const char *name, uint64_t index)
{
	must(strlen(name) < sizeof reader->cursor_name);
	strcpy(reader->cursor_name, name);
	reader->cursor_set = index;
	ask_cursor(reader);
}

static void
snap_ask(struct reader *reader, enum msg_number snap)
{
	must(reader->snap == 0 || (reader->snap == snap && snap == MSG_SNAP_FIND));
	reader->snap = snap;
	ask_snap(reader);
}

void
reader_snap_find(struct reader *reader)
{
	snap_ask(reader, MSG_SNAP_FIND);
}

void
reader_snap_path(struct reader *reader)
{
	snap_ask(reader, MSG_SNAP_PATH);
}

void
reader_snap_add(struct reader *reader, uint64_t index, const char *path, const char *format)
{
	free(reader->snap_add_path);
	free(reader->snap_format);
	reader->snap_index = index;
	must((reader->snap_add_path = strdup(path)) != NULL);
	must((reader->snap_format = strdup(format)) != NULL);
	snap_ask(reader, MSG_SNAP_ADD);
}

void
reader_snap_release(struct reader *reader)
{
	if (link_up(reader->link))
		msg_snap_read_put(link_out(reader->link), &(struct msg_snap_read){.request = ++reader->request});
}

bool
reader_probe(struct reader *reader, void (*told)(void *arg), void *arg)
{
	if (!link_up(reader->link) || reader->probe_request)
		return false;
	reader->told = told;
	reader->told_arg = arg;
	reader->probe_request = ++reader->request;
	/* Far above any index: the answer has no entries, only the commit index. */
	struct msg_log_read read = {
	    .request = reader->probe_request, .from = UINT64_MAX >> 1, .size_max = 1, .count_max = 1};
	msg_log_read_put(link_out(reader->link), &read);
	return true;
}

uint64_t
reader_commit(const struct reader *reader)
{
	return reader->commit;
}

const uint8_t *
reader_cluster(const struct reader *reader)
{
	return reader->cluster.b;
}

const char *
reader_why(const struct reader *reader)
{
	return reader->why[0] ? reader->why : NULL;
}
