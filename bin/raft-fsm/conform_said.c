/* SPDX-License-Identifier: ISC */
/* What --conform prints: TAP, so that other programs read it, and whole sentences after it. */
#include "conform.h"

#include <inttypes.h>

const struct demand demand_ready = {"Mode machine",
    "first of all \"ready N\", N the last index that it holds on its own disk, or 0"};
const struct demand demand_answers = {
    "Answers", "each request has one answer, and answers come in the order of the requests"};
const struct demand demand_same = {"Answers",
    "given the same entries in the same order, each node's program computes the same answers, "
    "whenever and wherever it runs"};
const struct demand demand_order = {
    "Answers", "a query is answered from the entries that came before it"};
const struct demand demand_query = {"Answers", "a query changes nothing"};
const struct demand demand_durable = {"State of a machine",
    "an index that the program has reported as durable is on its disk whatever is killed when, "
    "does not go back, and is not above what it was given"};
const struct demand demand_cut = {"State of a machine",
    "a request that lacks its end, when the input ends, is none, and is ignored"};
const struct demand demand_restore = {
    "Snapshots", "restore replaces whatever the program holds with the state in the file"};
const struct demand demand_snapshot = {"Snapshots",
    "the file is complete when the program answers ok, holds the whole state, and stands for "
    "exactly the last entry before the request"};

/* The line of the check, before the sentences about it. */
static void
conform_line(struct conform *c, const char *before)
{
	if (c->verdict == CONFORM_OK)
		printf("%s %u - %s\n", before, c->number, c->title);
}

bool
conform_broken(struct conform *c, const char *sent, const char *came, const struct demand *demand)
{
	conform_line(c, "not ok");
	c->verdict = CONFORM_BROKEN;
	printf("#   sent: %s\n#   came: %s\n#   demanded: %s (raft-fsm-protocol(7), %s)\n", sent,
	    came, demand->text, demand->section);
	return false;
}

/* The request in words. */
static void
conform_request(char *text, size_t size, const struct trial_run *run, const struct record *breach)
{
	const struct history *history = run->history;
	size_t at = history_position(history, breach->index);
	char shown[TRIAL_SHOWN_SIZE];
	if (breach->state == BREACH_READY)
		snprintf(text, size, "nothing");
	else if (breach->state == BREACH_END)
		snprintf(text, size, "the end of its input");
	else if (breach->kind == REQUEST_RESTORE)
		snprintf(text, size, "restore %s", run->trial.restore);
	else if (breach->kind == REQUEST_SNAPSHOT || breach->state == BREACH_SNAPSHOT)
		snprintf(text, size, "snapshot %s", run->trial.snapshot);
	else if (breach->kind == REQUEST_ENTRY && at > 0)
		snprintf(text, size, "entry %" PRIu64 " %s", breach->index,
		    trial_shown(shown, history->entries[at - 1].data));
	else if (breach->kind == REQUEST_QUERY)
		snprintf(
		    text, size, "query %s", trial_shown(shown, history->queries[breach->index]));
	else
		snprintf(text, size, "nothing that it had not answered");
}

bool
conform_fault(struct conform *c, const struct trial_run *run, const struct record *breach,
    const struct record *expected)
{
	static const char *const sections[] = {[BREACH_READY] = "Mode machine",
	    [BREACH_ANSWER] = "Answers",
	    [BREACH_SNAPSHOT] = "Snapshots",
	    [BREACH_END] = "Start and end"};
	char sent[CONFORM_TEXT_MAX], request[CONFORM_TEXT_MAX / 2];
	const struct demand demand = {sections[breach->state], (const char *)expected->data.bytes};
	conform_request(request, sizeof request, run, breach);
	snprintf(sent, sizeof sent, "%s, %s", request, run->story);
	return conform_broken(c, sent, (const char *)breach->data.bytes, &demand);
}

bool
conform_skip(struct conform *c, const char *why)
{
	c->verdict = CONFORM_SKIPPED;
	snprintf(c->skipped, sizeof c->skipped, "%s", why);
	return false;
}

void
conform_report(struct conform *c)
{
	conform_line(c, "ok");
	if (c->verdict == CONFORM_SKIPPED)
		printf("ok %u - %s # SKIP %s\n", c->number, c->title, c->skipped);
	fflush(stdout);
}
