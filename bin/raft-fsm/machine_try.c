/* SPDX-License-Identifier: ISC */
/*
 * What --try adds to a machine: it asks in the place of clients and of the policy, and prints each
 * answer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"

/* ------- the end --------------------------------------------------------------- */

void
machine_try_late(struct machine *m)
{
	char text[MACHINE_WHY_SIZE];
	if (m->closed)
		snprintf(text, sizeof text, "the program closed its %s and goes on", m->closed);
	else
		snprintf(text, sizeof text,
		    "the program does not end after its input ended, for %" PRIu64 " ms",
		    m->fsm->conf->fsm.stop_timeout_ms);
	machine_breach(m, text);
}

void
machine_try_over(struct machine *m, const char *how)
{
	char text[MACHINE_WHY_SIZE];
	const char *when = "";
	bool begun = reply_begun(&m->in), early = m->trial_step != TRIAL_END;
	if (early && m->greeted && m->pending.count == 0)
		when = " before its input ended";
	else if (begun && (early || m->pending.count > 0))
		when = " in the middle of an answer";
	else if (begun)
		when = " in the middle of what nobody asked for";
	else if (!early && m->pending.count == 0)
		fsm_verdict(program_status(m->fsm->program), NULL);
	snprintf(text, sizeof text, "the program %s%s", how, when);
	machine_breach(m, text);
}

/* ------- answers ------------------------------------------------------------- */

void
machine_try_answer(struct machine *m, enum wire_reply_state state, struct wire_bytes data)
{
	static const char *const words[] = {
	    [WIRE_REPLY_OK] = "ok", [WIRE_REPLY_REFUSED] = "refused", [WIRE_REPLY_LOST] = "lost"};
	const struct trial *trial = m->fsm->trial;
	enum request_kind kind = pending_first(&m->pending)->kind;
	if (kind == REQUEST_RESTORE && m->fsm->restarts > 0)
		return; /* it was printed before */
	if (m->netstring)
		printf("%zu:", strlen(words[state]) + (data.size ? 1 + data.size : 0));
	printf("%s%s", words[state], data.size ? " " : "");
	if (data.size)
		fwrite(data.bytes, 1, data.size, stdout);
	putchar(m->netstring ? ',' : '\n');
	if (kind == REQUEST_RESTORE && state != WIRE_REPLY_OK) {
		char text[MACHINE_WHY_SIZE];
		snprintf(
		    text, sizeof text, "the program refuses to restore %.300s", trial->restore);
		machine_breach(m, text);
	}
}

/* ------- requests -------------------------------------------------------------- */

/*
 * Only the program can know the index of what it has restored.  A durable one has it on its disk:
 * it is started again, and reports it.
 */
static bool
machine_try_again(const struct machine *m)
{
	return m->fsm->trial->from == 0 && m->fsm->restarts == 0;
}

void
machine_try_ready(struct machine *m, uint64_t index)
{
	const struct trial *trial = m->fsm->trial;
	uint64_t before = trial->from ? trial->from - 1 : index;
	machine_greeted(m, index);
	if (trial->restore && machine_try_again(m))
		machine_restore(m, trial->restore, UINT64_MAX);
	else if (trial->restore && (trial->from || index == 0))
		machine_restore(m, trial->restore, before);
	else
		machine_feed_from(m, before);
}

void
machine_try_restored(struct machine *m)
{
	if (m->phase != PHASE_RESTORING)
		return;
	if (machine_try_again(m))
		machine_again(m, "which entry is its state of?");
	else
		machine_feed_from(m, m->sent);
}

void
machine_try_no_more(struct machine *m)
{
	m->trial_step = TRIAL_QUERIES;
}

static bool
machine_try_room(const struct machine *m)
{
	return feed_open(m->feed) && pending_room(&m->pending);
}

void
machine_try_fill(struct machine *m)
{
	const struct trial *trial = m->fsm->trial;
	if (m->batch.at < m->batch.count || m->trial_step == TRIAL_ENTRIES)
		return;
	while (m->trial_query < trial->queries_count && machine_try_room(m)) {
		const char *query = trial->queries[m->trial_query];
		machine_put(m, REQUEST_QUERY, query, strlen(query))->index = m->trial_query++;
	}
	if (m->trial_query == trial->queries_count && m->trial_step == TRIAL_QUERIES &&
	    machine_try_room(m)) {
		m->trial_step = TRIAL_ANSWERS;
		if (trial->snapshot) {
			machine_snap_to(m, trial->snapshot);
			machine_snap_put(m);
		}
	}
}

void
machine_try_end(struct machine *m)
{
	fflush(stdout);
	if (m->trial_step != TRIAL_ANSWERS || m->pending.count > 0 || !feed_flush(m->feed))
		return;
	m->trial_step = TRIAL_END;
	machine_end(m);
}
