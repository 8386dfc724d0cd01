/* SPDX-License-Identifier: ISC */
/* Each line becomes a record of the log, and the records a batch. */
#include "lines.h"

#include <err.h>
#include <stdlib.h>

#include "client/input.h"
#include "raft/contract.h"
#include "seal/seal.h"
#include "unix/timer.h"
#include "trial.h"

enum { LINE_MAX_SIZE = 8 << 20, BATCH_SIZE = 1 << 20, UNSTAMPED_EVERY = 7 };
#define FIRST_TIME UINT64_C(1700000000000) /* 2023-11-14 */

struct lines {
	const struct trial *trial;
	bool stamped;        /* time or origin is a field */
	struct input *input; /* NULL: the entries are the trial's */
	struct timer *again;
};

/* The turn that follows does the work. */
static void
lines_on_again(void *arg)
{
	(void)arg;
}

struct lines *
lines_new(struct loop *loop, const struct conf *conf, const struct trial *trial,
    void (*turn)(void *arg), void *arg)
{
	static char *paths[] = {NULL};
	struct lines *lines = calloc(1, sizeof *lines);
	must(lines != NULL);
	lines->trial = trial;
	lines->stamped = conf->fsm.fields & (RAFT_CONTRACT_TIME | RAFT_CONTRACT_ORIGIN);
	if (trial->record == NULL)
		lines->input = input_new(loop, FRAMING_LINE, LINE_MAX_SIZE, paths);
	lines->again = timer_new(loop, lines_on_again, NULL);
	loop_on_turn(loop, turn, arg);
	return lines;
}

void
lines_want(struct lines *lines)
{
	timer_start(lines->again, 0);
}

void
lines_hold(struct lines *lines)
{
	if (lines->input)
		input_hold(lines->input);
}

/* A made-up one, the same in each run: a second per index.  Some entries have none, as those that
 * are older than the stamps. */
static void
lines_stamp(uint8_t *header, uint64_t index)
{
	const struct raft_stamp stamp = {
	    .time = FIRST_TIME + index * 1000, .uid = 1000, .node = {"n1"}};
	raft_entry_header_stamp(header, &stamp);
}

static void
lines_put(const struct lines *lines, struct wire_buf *records, enum raft_kind kind, uint64_t index,
    struct wire_bytes line)
{
	static const struct raft_sid no_session;
	bool stamped = lines->stamped && index % UNSTAMPED_EVERY != 0;
	uint8_t *header =
	    wire_buf_add(records, RAFT_ENTRY_HEADER_SIZE + (stamped ? RAFT_STAMP_SIZE : 0));
	raft_entry_header(header, 1, kind, &no_session, index, (uint32_t)line.size);
	if (stamped)
		lines_stamp(header, index);
	wire_buf_put(records, line.bytes, line.size);
}

static void
lines_batch(struct batch *batch, uint64_t first_index, uint32_t count, struct wire_buf *records)
{
	*batch = (struct batch){.first_index = first_index, .count = count};
	must(wire_entries_get((struct wire_bytes){records->bytes, records->size}, count,
	    &batch->entries, &batch->chunk));
	wire_buf_free(records);
}

/* Those of the trial, with no-ops between them. */
static bool
lines_take_entries(const struct lines *lines, uint64_t first_index, struct batch *batch)
{
	struct wire_buf records = {0};
	const struct trial *trial = lines->trial;
	uint32_t count = 0;
	for (size_t i = 0; i < trial->entries_count && records.size < BATCH_SIZE; i++) {
		const struct trial_entry *entry = &trial->entries[i];
		while (first_index + count < entry->index)
			lines_put(lines, &records, RAFT_NOOP, first_index + count++, wire_text(""));
		if (first_index + count == entry->index)
			lines_put(lines, &records, RAFT_CLIENT, first_index + count++, entry->data);
	}
	lines_batch(batch, first_index, count, &records);
	return count > 0;
}

bool
lines_take(struct lines *lines, uint64_t first_index, struct batch *batch)
{
	struct wire_buf records = {0};
	struct wire_bytes line;
	enum input_found found;
	enum exit_status status;
	char why[FRAMING_WHY_SIZE];
	uint32_t count = 0;
	if (lines->input == NULL)
		return lines_take_entries(lines, first_index, batch);
	while ((found = input_next(lines->input, &line, &status, why)) == INPUT_ITEM) {
		lines_put(lines, &records, RAFT_CLIENT, first_index + count++, line);
		if (records.size >= BATCH_SIZE)
			break;
	}
	if (found == INPUT_FAILED && count == 0)
		errx((int)status, "%s", why);
	lines_batch(batch, first_index, count, &records);
	return found != INPUT_END || count > 0;
}

struct raft_hash
lines_chain(const struct lines *lines, uint64_t index)
{
	struct raft_hash chain =
	    seal_hash(&(struct seal_part){&index, lines->input ? sizeof index : 0}, 1);
	struct batch batch = {0};
	uint64_t at = 0;
	while (lines->input == NULL && at < index && lines_take_entries(lines, at + 1, &batch)) {
		for (uint32_t i = 0; i < batch.count && at < index; i++) {
			at++;
			chain = seal_chain(&chain, at, &batch.entries[i]);
		}
		free(batch.entries);
		raft_chunk_unref(batch.chunk);
	}
	return chain;
}
