/* SPDX-License-Identifier: ISC */
/*
 * mode: machine.  A program that answers: requests and replies, in order, pipelined.
 *
 * Each node's program is given the same entries, so each computes the same replies; none of them
 * crosses the network.
 */
#include "machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "prog/daemon.h"

enum { REPLIES_COUNT = 1 << 17, REPLIES_SIZE = 32 << 20, PIPE_SIZE = 1 << 20 };
enum { SNAP_RETRY_FIRST_MS = 1000, SNAP_RETRY_LAST_MS = 600000 };

static void machine_restart(struct fsm *fsm);

static void
machine_on_ready(void *arg)
{
	struct machine *m = arg;
	if (m->phase == PHASE_AHEAD)
		machine_ahead_heard(m);
	else
		machine_pump(m);
}

static void
machine_on_snap_found(const struct source_snapshot *found, void *arg)
{
	machine_snap_found(arg, found);
	machine_pump(arg);
}

static void
machine_on_snap_path(const char *path, const char *why, void *arg)
{
	machine_snap_path(arg, path, why);
	machine_pump(arg);
}

static bool
machine_on_contracts(uint64_t level, struct wire_bytes records, void *arg)
{
	struct machine *m = arg;
	if (!machine_terms_take(m, level, records))
		return false;
	if (m->phase == PHASE_FINDING) {
		/* ⚠ Only what was asked for after the snapshot has all contracts up to there. */
		if (m->found.known && machine_agree(m))
			machine_begin(m);
	} else if (m->fsm->state == FSM_CONTRACT) {
		if (machine_agree_again(m))
			machine_restart(m->fsm);
	} else if (m->phase == PHASE_FEEDING && m->terms.waiting) {
		machine_agree(m);
	}
	machine_pump(m);
	return true;
}

static void
machine_on_chain(bool found, const struct raft_hash *hash, void *arg)
{
	struct machine *m = arg;
	if (m->fsm->trial && m->phase == PHASE_CHAIN)
		machine_try_chain(m, hash);
	machine_chain_found(m, found, hash);
	machine_pump(m);
}

static void
machine_on_end(void *arg)
{
	machine_try_no_more(arg);
	machine_pump(arg);
}

static void
machine_on_ask(struct fsm *fsm, struct ask *ask)
{
	machine_ask(fsm->mode_arg, ask);
	machine_pump(fsm->mode_arg);
}

static void
machine_on_source_failed(void *arg)
{
	struct machine *m = arg;
	fsm_fail(m->fsm, EXIT_CONFIG);
}

static const struct source_calls machine_reader_calls = {
    .ready = machine_on_ready,
    .gap = machine_gap,
    .snap_found = machine_on_snap_found,
    .snap_path = machine_on_snap_path,
    .snap_added = machine_snap_added,
    .contracts = machine_on_contracts,
    .chain = machine_on_chain,
    .end = machine_on_end,
    .failed = machine_on_source_failed,
};

static void
machine_start(struct fsm *fsm)
{
	struct machine *m = calloc(1, sizeof *m);
	must(m != NULL);
	fsm->mode_arg = m;
	m->fsm = fsm;
	m->netstring = fsm->conf->fsm.framing == FRAMING_NETSTRING;
	m->replies = replies_new(REPLIES_COUNT, REPLIES_SIZE);
	m->snap.backoff =
	    (struct backoff){.first_ms = SNAP_RETRY_FIRST_MS, .last_ms = SNAP_RETRY_LAST_MS};
	m->deadline = timer_new(fsm->loop, machine_on_deadline, m);
	machine_agree_start(m);
	source_calls(fsm->source, &machine_reader_calls, m);
	const struct program_options options = {.pipe_size = PIPE_SIZE, .talks = true};
	fsm->program = program_new(fsm, &options, &machine_program_calls, m);
	program_start(fsm->program, "; started again");
}

static void
machine_stop(struct fsm *fsm)
{
	struct machine *m = fsm->mode_arg;
	if (m->stopping)
		return;
	m->stopping = true;
	fsm_state(fsm, FSM_STOPPING, "");
	machine_refuse_all(m, "raft-fsm is being stopped");
	if (m->phase != PHASE_DOWN && m->phase != PHASE_ENDING)
		machine_end(m);
	if (!program_end(fsm->program))
		fsm_done(fsm);
}

/* Also what was found out about entries begins anew: the program may have been mended. */
static void
machine_restart(struct fsm *fsm)
{
	struct machine *m = fsm->mode_arg;
	if (m->stopping)
		return;
	m->held = false;
	m->suspect = m->single_from = m->single_to = 0;
	m->deaths = 0;
	program_forgive(fsm->program);
	if (m->phase == PHASE_DOWN && fsm->pid == 0) {
		bool stays_down = fsm->state == FSM_POISON || fsm->state == FSM_GAP ||
				  fsm->state == FSM_FOREIGN || fsm->state == FSM_CONTRACT;
		if (stays_down)
			fsm_state(fsm, FSM_STARTING, "");
		if (stays_down || program_waits(fsm->program))
			program_again(fsm->program);
	} else if (m->phase == PHASE_ENDING) {
		m->restart = true;
	} else {
		machine_again(m, "raft-ctl fsm restart");
	}
}

static uint64_t
machine_delivered(const struct fsm *fsm)
{
	return machine_answered(fsm->mode_arg);
}

static void
machine_status(const struct fsm *fsm, struct wire_buf *out)
{
	static const char *const steps[] = SNAP_STEPS;
	const struct machine *m = fsm->mode_arg;
	const struct machine_snap *s = &m->snap;
	const struct raft_contract_at *newest = contracts_newest(&m->terms.known);
	wire_buf_printf(out,
	    " sent=%" PRIu64 " unanswered=%zu durable=%" PRIu64 " replies=%zu poison=%" PRIu64
	    " contract=%" PRIu64 " snapshot=%" PRIu64 " snapshot_step=%s snapshot_entries=%" PRIu64
	    " snapshot_why=%s",
	    m->sent, m->pending.count, m->durable, replies_count(m->replies),
	    fsm->state == FSM_POISON ? m->suspect : 0, newest ? newest->index : 0, s->index,
	    steps[s->step], s->since.entries, log_q(s->why));
}

const struct mode machine_mode = {
    .name = "machine",
    .start = machine_start,
    .stop = machine_stop,
    .delivered = machine_delivered,
    .status = machine_status,
    .restart = machine_restart,
    .ask = machine_on_ask,
};
