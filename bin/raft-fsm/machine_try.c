/* SPDX-License-Identifier: ISC */
/*
 * What --try adds to a machine: it asks in the place of clients and of the policy, and prints each
 * answer.  In a run of --conform it records them, and kills the program where that is wanted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "seal/seal.h"
#include "machine.h"
#include "record.h"

/* ------- the end --------------------------------------------------------------- */

void
machine_try_late(struct machine *m)
{
	char text[MACHINE_WHY_SIZE];
	if (m->closed) {
		snprintf(text, sizeof text, "the program closed its %s and goes on", m->closed);
		machine_breach(m, text);
	}
	snprintf(text, sizeof text,
	    "the program does not end after its input ended, for %" PRIu64 " ms",
	    m->fsm->conf->fsm.stop_timeout_ms);
	machine_breach_of(m, BREACH_END, text, "its end, when its input has ended");
}

/* In order: the status is that of the program, which does not matter to --conform. */
_Noreturn static void
machine_try_done(const struct machine *m)
{
	FILE *record = m->fsm->trial->record;
	if (record == NULL)
		fsm_verdict(program_status(m->fsm->program), NULL);
	record_put(record, &(struct record){.what = RECORD_END});
	fsm_verdict(EXIT_OK, NULL);
}

void
machine_try_over(struct machine *m, const char *how)
{
	char text[MACHINE_WHY_SIZE];
	const char *when = "";
	bool begun = reply_begun(&m->in), early = m->trial_step != TRIAL_END;
	if (m->trial_over || m->trial_cut)
		machine_try_done(m);
	if (early && m->greeted && m->pending.count == 0)
		when = " before its input ended";
	else if (begun && (early || m->pending.count > 0))
		when = " in the middle of an answer";
	else if (begun)
		when = " in the middle of what nobody asked for";
	else if (!early && m->pending.count == 0)
		machine_try_done(m);
	snprintf(text, sizeof text, "the program %s%s", how, when);
	machine_breach(m, text);
}

/* ------- answers ------------------------------------------------------------- */

static void
machine_try_print(const struct machine *m, enum wire_reply_state state, struct wire_bytes data)
{
	static const char *const words[] = {
	    [WIRE_REPLY_OK] = "ok", [WIRE_REPLY_REFUSED] = "refused", [WIRE_REPLY_LOST] = "lost"};
	if (m->netstring)
		printf("%zu:", strlen(words[state]) + (data.size ? 1 + data.size : 0));
	printf("%s%s", words[state], data.size ? " " : "");
	if (data.size)
		fwrite(data.bytes, 1, data.size, stdout);
	putchar(m->netstring ? ',' : '\n');
}

static void
machine_try_record(struct machine *m, const struct record *record)
{
	if (m->fsm->trial->record)
		record_put(m->fsm->trial->record, record);
}

/* The program is killed, as a loss of power would, or kill -9. */
static void
machine_try_kill(struct machine *m)
{
	m->trial_over = true;
	program_kill(m->fsm->program);
}

static bool
machine_try_kills(const struct trial *trial, const struct pending_one *one)
{
	switch (trial->kill) {
	case TRIAL_KILL_ENTRY:
		return one->kind == REQUEST_ENTRY && one->index >= trial->kill_index;
	case TRIAL_KILL_RESTORE:
		return one->kind == REQUEST_RESTORE;
	case TRIAL_KILL_SNAPSHOT:
		return one->kind == REQUEST_SNAPSHOT;
	default:
		return false;
	}
}

void
machine_try_answer(struct machine *m, enum wire_reply_state state, struct wire_bytes data)
{
	const struct trial *trial = m->fsm->trial;
	const struct pending_one *one = pending_first(&m->pending);
	if (one->kind == REQUEST_RESTORE && m->fsm->restarts > 0)
		return; /* it was printed before */
	machine_try_record(m, &(struct record){.what = RECORD_ANSWER,
				  .kind = one->kind,
				  .index = one->index,
				  .state = (unsigned)state,
				  .place = one->before,
				  .data = data});
	if (trial->record == NULL)
		machine_try_print(m, state, data);
	if (one->kind == REQUEST_RESTORE && state != WIRE_REPLY_OK) {
		char text[MACHINE_WHY_SIZE];
		snprintf(
		    text, sizeof text, "the program refuses to restore %.300s", trial->restore);
		machine_breach_of(
		    m, BREACH_SNAPSHOT, text, "\"ok\", and the state that is in the file");
	}
	if (machine_try_kills(trial, one))
		machine_try_kill(m);
}

void
machine_try_durable(struct machine *m, uint64_t index)
{
	machine_try_record(
	    m, &(struct record){.what = RECORD_DURABLE, .index = index, .place = m->sent});
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

static void
machine_try_begin(struct machine *m, uint64_t index)
{
	const struct trial *trial = m->fsm->trial;
	uint64_t before = trial->from ? trial->from - 1 : index;
	if (trial->restore && machine_try_again(m))
		machine_restore(m, trial->restore, UINT64_MAX);
	else if (trial->restore && (trial->from || index == 0))
		machine_restore(m, trial->restore, before);
	else
		machine_feed_from(m, before);
}

/* A trial has one contract from its beginning: each entry had its chain. */
static void
machine_try_said(struct machine *m)
{
	if (m->fsm->trial->record && machine_chain_missing(m))
		machine_breach_of(m, BREACH_READY,
		    "the program says ready with \"-\", and has been given the chain of that entry",
		    "the chain that came with its last entry");
}

void
machine_try_chain(struct machine *m, const struct raft_hash *hash)
{
	char here[REPLY_CHAIN_SIZE], text[MACHINE_WHY_SIZE], expected[MACHINE_WHY_SIZE];
	const struct trial *trial = m->fsm->trial;
	seal_hex(here, hash->b, REPLY_CHAIN_BYTES);
	/* The chain of plain lines begins where they do; and a restored program says it later. */
	if (trial->record == NULL || trial->restore || m->said[0] == '\0' ||
	    strcmp(m->said, here) == 0)
		return;
	snprintf(text, sizeof text,
	    "the program says ready %" PRIu64 " with the chain %s, which did not come with that "
	    "entry",
	    m->base, m->said);
	snprintf(expected, sizeof expected, "\"ready %" PRIu64 " %s\"", m->base, here);
	machine_breach_of(m, BREACH_READY, text, expected);
}

void
machine_try_ready(struct machine *m, const struct reply *ready)
{
	const struct trial *trial = m->fsm->trial;
	uint64_t index = ready->index;
	machine_greeted(m, ready);
	machine_try_said(m);
	machine_try_record(m, &(struct record){.what = RECORD_READY, .index = index});
	m->trial_asked = UINT64_MAX;
	if (trial->singly) {
		m->single_from = 1;
		m->single_to = UINT64_MAX;
	}
	if (trial->kill == TRIAL_KILL_READY)
		machine_try_kill(m);
	else
		machine_try_begin(m, index);
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
	return feed_open(m->feed) && pending_room(&m->pending) &&
	       (!m->fsm->trial->singly || m->pending.count == 0);
}

/* A round of all queries: where each entry has one, and after the last. */
static bool
machine_try_query_due(const struct machine *m)
{
	bool last = m->trial_step == TRIAL_QUERIES && m->batch.at == m->batch.count;
	return last || (m->fsm->trial->query_each && m->trial_asked != m->last_client);
}

static bool
machine_try_snap_due(const struct machine *m)
{
	const struct trial *trial = m->fsm->trial;
	if (trial->snapshot == NULL || m->trial_snapped)
		return false;
	return trial->snapshot_after ? m->last_client >= trial->snapshot_after
				     : m->trial_step == TRIAL_ANSWERS;
}

bool
machine_try_due(const struct machine *m)
{
	return machine_try_query_due(m) || machine_try_snap_due(m);
}

/* The next query of a round, or the end of the round. */
static void
machine_try_ask(struct machine *m)
{
	const struct trial *trial = m->fsm->trial;
	if (m->trial_query < trial->queries_count) {
		struct wire_bytes query = trial->queries[m->trial_query];
		machine_put(m, REQUEST_QUERY, query.bytes, query.size)->index = m->trial_query++;
		return;
	}
	m->trial_query = 0;
	/* The round after the last entry is not the one at the end. */
	if (m->trial_step == TRIAL_QUERIES &&
	    !(trial->query_each && m->trial_asked != m->last_client))
		m->trial_step = TRIAL_ANSWERS;
	m->trial_asked = m->last_client;
}

bool
machine_try_fill(struct machine *m)
{
	bool some = false;
	while (machine_try_due(m) && machine_try_room(m)) {
		some = true;
		if (machine_try_query_due(m)) {
			machine_try_ask(m);
			continue;
		}
		m->trial_snapped = true;
		machine_snap_to(m, m->fsm->trial->snapshot);
		machine_snap_put(m);
	}
	return some;
}

/* False: not yet. */
static bool
machine_try_cut(struct machine *m)
{
	struct wire_bytes cut = m->fsm->trial->cut;
	if (cut.size == 0)
		return true;
	if (!m->trial_cut)
		wire_buf_put(feed_buf(m->feed), cut.bytes, cut.size);
	m->trial_cut = true;
	return feed_flush(m->feed);
}

void
machine_try_end(struct machine *m)
{
	if (m->fsm->trial->record == NULL)
		fflush(stdout);
	if (m->trial_step != TRIAL_ANSWERS || m->pending.count > 0 || machine_try_due(m) ||
	    !feed_flush(m->feed) || !machine_try_cut(m))
		return;
	m->trial_step = TRIAL_END;
	machine_end(m);
}
