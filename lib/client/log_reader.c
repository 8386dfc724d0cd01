/* SPDX-License-Identifier: ISC */
/* The link to raft-logd and the read that waits. */
#include "log_reader.h"

#include <stdlib.h>

enum { READ_SIZE = 1 << 20 }; /* of one answer; a larger entry comes alone */

struct log_reader {
	struct link *link;
	const struct log_reader_calls *calls;
	void *arg;
	uint64_t request;
	uint64_t from; /* of the read that waits; 0: none */
};

static void
log_reader_ask(struct log_reader *reader)
{
	if (reader->from == 0 || !link_up(reader->link))
		return;
	msg_log_read_put(
	    link_out(reader->link), &(struct msg_log_read){.request = ++reader->request,
					.from = reader->from,
					.size_max = READ_SIZE,
					.count_max = UINT32_MAX,
					.wait = true});
}

static const char *
log_reader_on_entries(struct log_reader *reader, const struct msg_log_entries *entries)
{
	uint64_t from = reader->from;
	if (entries->request != reader->request || from == 0)
		return NULL;
	if (entries->count > 0 && entries->first_index != max_u64(from, entries->first_available))
		return "raft-logd sends other entries than were asked for";
	reader->from = 0;
	const char *wrong = reader->calls->entries(entries, reader->arg);
	if (wrong)
		reader->from = from;
	return wrong;
}

static const char *
log_reader_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct msg_log_entries entries;
	if (number == MSG_LOG_ENTRIES && msg_log_entries_get(&entries, body, size))
		return log_reader_on_entries(arg, &entries);
	return "raft-logd sends what cannot be read";
}

static void
log_reader_on_up(void *arg)
{
	struct log_reader *reader = arg;
	reader->calls->changed(true, NULL, reader->arg);
	log_reader_ask(reader);
}

static void
log_reader_on_down(bool was_up, const char *why, void *arg)
{
	struct log_reader *reader = arg;
	(void)was_up;
	reader->calls->changed(false, why, reader->arg);
}

static void
log_reader_on_refused(enum exit_status status, const char *why, void *arg)
{
	struct log_reader *reader = arg;
	reader->calls->refused(status, why, reader->arg);
}

static const struct link_calls link_calls = {.up = log_reader_on_up,
    .frame = log_reader_on_frame,
    .refused = log_reader_on_refused,
    .down = log_reader_on_down};

struct log_reader *
log_reader_new(struct loop *loop, const char *path, const char *program,
    const struct log_reader_calls *calls, void *arg)
{
	struct log_reader *reader = calloc(1, sizeof *reader);
	must(reader != NULL);
	reader->calls = calls;
	reader->arg = arg;
	reader->link = link_new(loop, path, WIRE_READER, program, &link_calls, reader);
	return reader;
}

void
log_reader_next(struct log_reader *reader, uint64_t from)
{
	reader->from = from;
	log_reader_ask(reader);
}

bool
log_reader_up(const struct log_reader *reader)
{
	return link_up(reader->link);
}
