/* SPDX-License-Identifier: ISC */
/*
 * --try: the first breach of the contract ends it, with what was done and what was expected.
 */
#include <inttypes.h>
#include <stdio.h>

#include "machine.h"
#include "record.h"

/* What the program ought to say now. */
static const char *
machine_expected(struct machine *m)
{
	static char text[MACHINE_WHY_SIZE];
	char query[TRIAL_SHOWN_SIZE];
	struct pending_one *one = pending_first(&m->pending);
	if (!m->greeted && machine_terms_chain(m))
		return "\"ready N CHAIN\", N the last index that it holds on its own disk and the "
		       "chain that came with it, or \"ready 0\"";
	if (!m->greeted)
		return "\"ready N\", N the last index that it holds on its own disk, or 0";
	if (one == NULL)
		return "nothing, or \"durable N\": each request has one answer, and all have "
		       "theirs";
	int at = snprintf(
	    text, sizeof text, "\"ok\" or \"refused\", in answer to %s", request_name(one->kind));
	if (one->kind == REQUEST_ENTRY)
		snprintf(text + at, sizeof text - (size_t)at, " %" PRIu64, one->index);
	else if (one->kind == REQUEST_QUERY)
		snprintf(text + at, sizeof text - (size_t)at, " %s",
		    trial_shown(query, m->fsm->trial->queries[one->index]));
	return text;
}

/* With the oldest request. */
static void
machine_breach_record(
    struct machine *m, enum trial_breach of, const char *sentence, const char *expected)
{
	struct pending_one *one = pending_first(&m->pending);
	FILE *file = m->fsm->trial->record;
	record_put(file, &(struct record){.what = RECORD_BREACH,
			     .kind = one ? one->kind : REQUEST_KINDS_COUNT,
			     .index = one ? one->index : 0,
			     .state = of,
			     .data = wire_text(sentence)});
	record_put(file, &(struct record){.what = RECORD_EXPECTED, .data = wire_text(expected)});
}

void
machine_breach_of(
    struct machine *m, enum trial_breach of, const char *sentence, const char *expected)
{
	if (m->fsm->trial->record == NULL)
		fsm_verdict(EXIT_DATA, "%s; expected: %s", sentence, expected);
	machine_breach_record(m, of, sentence, expected);
	fsm_verdict(EXIT_DATA, NULL);
}

void
machine_breach(struct machine *m, const char *sentence)
{
	machine_breach_of(
	    m, m->greeted ? BREACH_ANSWER : BREACH_READY, sentence, machine_expected(m));
}
