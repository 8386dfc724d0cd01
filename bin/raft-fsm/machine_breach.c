/* SPDX-License-Identifier: ISC */
/*
 * --try: the first breach of the contract ends it, with what was done and what was expected.
 */
#include <inttypes.h>
#include <stdio.h>

#include "machine.h"

enum { SAID_MAX = 60 };

/* What the program ought to say now. */
static const char *
machine_expected(struct machine *m)
{
	static char text[MACHINE_WHY_SIZE];
	struct pending_one *one = pending_first(&m->pending);
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
		snprintf(text + at, sizeof text - (size_t)at, " %.100s",
		    m->fsm->trial->queries[one->index]);
	return text;
}

const char *
machine_shown(struct wire_bytes said)
{
	static char text[SAID_MAX * 4 + 8];
	size_t at = 0;
	for (size_t i = 0; i < said.size && i < SAID_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof text - at,
		    said.bytes[i] >= ' ' && said.bytes[i] < 127 && said.bytes[i] != '\\'
			? "%c"
			: "\\x%02x",
		    said.bytes[i]);
	snprintf(text + at, sizeof text - at, "%s", said.size > SAID_MAX ? "..." : "");
	return text;
}

void
machine_breach(struct machine *m, const char *sentence)
{
	fsm_verdict(EXIT_DATA, "%s; expected: %s", sentence, machine_expected(m));
}
