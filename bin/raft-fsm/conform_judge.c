/* SPDX-License-Identifier: ISC */
/* What holds for every run of --conform. */
#include "conform.h"

#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "unix/exit.h"

static bool
conform_index_broken(struct conform *c, const struct state *state, const struct trial_run *run,
    const char *what, uint64_t index, const char *than, uint64_t other)
{
	char sent[CONFORM_TEXT_MAX], came[CONFORM_TEXT_MAX];
	uint64_t given = history_index(run->history, run->count);
	snprintf(sent, sizeof sent, "entries up to %" PRIu64 ", %s",
	    given > state->given ? given : state->given, run->story);
	snprintf(came, sizeof came, "%s %" PRIu64 ", %s %" PRIu64, what, index, than, other);
	return conform_broken(
	    c, sent, came, run->demand_index ? run->demand_index : &demand_durable);
}

static const char beyond[] = "beyond what the program was given, entries up to";
static const char promised[] = "after the program had said that it holds entries up to";

static bool
conform_not_empty(struct conform *c, uint64_t ready)
{
	char came[CONFORM_TEXT_MAX];
	snprintf(came, sizeof came,
	    "ready %" PRIu64 ", as if it held entries of an earlier run: let the program keep its "
	    "files in {}, or in $RAFT_TRY_DIR, see raft-fsm(8)",
	    ready);
	return conform_broken(
	    c, "nothing: the program was started in an empty folder", came, &demand_ready);
}

static bool
conform_judge_ready(struct conform *c, struct state *state, const struct trial_run *run)
{
	if (run->ready > 0 && state->given == 0)
		return conform_not_empty(c, run->ready);
	if (run->ready > state->given)
		return conform_index_broken(
		    c, state, run, "ready", run->ready, beyond, state->given);
	if (run->ready < state->promised)
		return conform_index_broken(
		    c, state, run, "ready", run->ready, promised, state->promised);
	state->promised = run->ready;
	return true;
}

static bool
conform_judge_durable(struct conform *c, struct state *state, const struct trial_run *run,
    const struct record *record)
{
	if (record->index > record->place)
		return conform_index_broken(
		    c, state, run, "durable", record->index, beyond, record->place);
	if (record->index < state->promised)
		return conform_index_broken(
		    c, state, run, "durable", record->index, promised, state->promised);
	state->promised = record->index;
	return true;
}

static void
conform_words(char *text, size_t size, unsigned state, struct wire_bytes data)
{
	static const char *const words[] = {[WIRE_REPLY_OK] = "ok",
	    [WIRE_REPLY_REFUSED] = "refused",
	    [WIRE_REPLY_LOST] = "an answer that cannot be passed on:"};
	char shown[TRIAL_SHOWN_SIZE];
	snprintf(
	    text, size, "%s%s%s", words[state], data.size ? " " : "", trial_shown(shown, data));
}

/* Where an answer differs from the one that is known. */
static bool
conform_differs(struct conform *c, const struct trial_run *run, const struct record *record,
    const struct told *told)
{
	char sent[CONFORM_TEXT_MAX], came[CONFORM_TEXT_MAX];
	char now[CONFORM_TEXT_MAX / 3], before[CONFORM_TEXT_MAX / 3], shown[TRIAL_SHOWN_SIZE];
	const struct history *history = run->history;
	bool entry = record->kind == REQUEST_ENTRY;
	size_t at = history_position(history, entry ? record->index : record->place);
	if (entry)
		snprintf(sent, sizeof sent, "entry %" PRIu64 " %s, %s", record->index,
		    trial_shown(shown, history->entries[at - 1].data), run->story);
	else
		snprintf(sent, sizeof sent, "query %s after entry %" PRIu64 ", %s",
		    trial_shown(shown, history->queries[record->index]), history_index(history, at),
		    run->story);
	conform_words(now, sizeof now, record->state, record->data);
	conform_words(before, sizeof before, told->state, told->data);
	snprintf(came, sizeof came, "\"%s\"; it was \"%s\" %s", now, before, told->story);
	return conform_broken(c, sent, came, run->demand ? run->demand : &demand_same);
}

static bool
conform_judge_answer(struct conform *c, const struct trial_run *run, struct record *record)
{
	struct history *history = run->history;
	bool entry = record->kind == REQUEST_ENTRY;
	size_t at = history_position(history, entry ? record->index : record->place);
	struct told *told = entry ? &history->answers[at - 1] : &history->rounds[at][record->index];
	if (!told->known) {
		*told = (struct told){true, record->state, record->data, run->story};
		record->data = (struct wire_bytes){0};
		return true;
	}
	if (told->state == record->state && told->data.size == record->data.size &&
	    memcmp(told->data.bytes, record->data.bytes, record->data.size) == 0)
		return true;
	return conform_differs(c, run, record, told);
}

/* A snapshot that is refused is none; one that is restored is what the program holds from then on.
 */
static void
conform_take_file(struct state *state, struct trial_run *run, struct record *record)
{
	if (record->kind == REQUEST_RESTORE && record->state == WIRE_REPLY_OK) {
		state->promised = 0;
		if (state->given < run->trial.from - 1)
			state->given = run->trial.from - 1;
	} else if (record->kind == REQUEST_SNAPSHOT && record->state != WIRE_REPLY_OK) {
		run->snapshot_refused = (const char *)record->data.bytes;
		record->data = (struct wire_bytes){0};
	}
}

static bool
conform_judge_one(
    struct conform *c, struct state *state, struct trial_run *run, struct record *record)
{
	switch (record->what) {
	case RECORD_READY:
		run->ready = record->index;
		return conform_judge_ready(c, state, run);
	case RECORD_DURABLE:
		return conform_judge_durable(c, state, run, record);
	case RECORD_ANSWER:
		if (record->kind == REQUEST_ENTRY || record->kind == REQUEST_QUERY)
			return conform_judge_answer(c, run, record);
		conform_take_file(state, run, record);
		return true;
	default:
		return true;
	}
}

_Noreturn static void
conform_incomplete(const struct conform *c)
{
	errx(EXIT_IO, "%s: what came in a run is incomplete: is the disk full?", c->folder);
}

/* A breach is the last of them, with what was expected. */
static bool
conform_judge_breach(
    struct conform *c, const struct trial_run *run, const struct record *record, FILE *file)
{
	struct record expected;
	if (!record_get(file, &expected))
		conform_incomplete(c);
	conform_fault(c, run, record, &expected);
	free((void *)expected.data.bytes);
	return false;
}

bool
conform_judge(struct conform *c, struct state *state, struct trial_run *run, FILE *file)
{
	struct record record = {.what = RECORD_READY};
	bool good = true;
	while (good && record.what != RECORD_END) {
		if (!record_get(file, &record))
			conform_incomplete(c);
		good = record.what == RECORD_BREACH ? conform_judge_breach(c, run, &record, file)
						    : conform_judge_one(c, state, run, &record);
		free((void *)record.data.bytes);
	}
	uint64_t given = history_index(run->history, run->count);
	if (state->given < given)
		state->given = given;
	return good;
}
