/* SPDX-License-Identifier: ISC */
/*
 * A program that says ready N, where N is above the commit index of this node.
 *
 * It was given only what was committed, so this node's log is late, and the entries up to N will
 * come: they are waited for. Or its state is of another history, as after a restore from a backup:
 * then entries up to N would be acknowledged and never given to it.  A read index (§6.4) tells:
 * whatever was committed when the program was given it is below the read index that is asked for
 * later.  So one below N shows that the cluster has not committed N, and the program is refused.
 */
#include <inttypes.h>
#include <stdio.h>

#include "client/read_index.h"
#include "unix/sock.h"
#include "machine.h"

/* The search for a snapshot, with which an incarnation begins, goes on. */
static void
machine_ahead_go_on(struct machine *m)
{
	fsm_state(m->fsm, FSM_RUNNING, "");
	m->sent = m->base;
	machine_snap_find(m);
}

void
machine_ahead_heard(struct machine *m)
{
	if (m->base <= source_commit_now(m->fsm->source))
		machine_ahead_go_on(m);
}

static void
machine_ahead_on_read_index(uint64_t index, void *arg)
{
	struct machine *m = arg;
	char why[MACHINE_WHY_SIZE];
	if (m->phase != PHASE_AHEAD || index >= m->base)
		return;
	snprintf(why, sizeof why,
	    "the program holds entries up to %" PRIu64
	    ", and the cluster has committed only %" PRIu64
	    ": its state is of another history, as after a restore from a backup; it is given "
	    "nothing: move its files away, then "
	    "raft-ctl fsm restart",
	    m->base, index);
	machine_hold(m, FSM_FOREIGN, why);
}

static void
ask_cluster(struct machine *m)
{
	char path[SOCK_PATH_MAX], why[SOCK_WHY_SIZE];
	const struct conf *conf = m->fsm->conf;
	if (m->read_index == NULL) {
		if (!sock_path(path, conf->node.run, "elect", why))
			daemon_die(EXIT_CONFIG, "%s", why);
		m->read_index =
		    read_index_new(m->fsm->loop, path, "raft-fsm", machine_ahead_on_read_index, m);
	}
	read_index_ask(m->read_index);
}

/* What raft-logd says of its commit index is of now. */
static void
on_probed(void *arg)
{
	struct machine *m = arg;
	uint64_t commit = source_commit_now(m->fsm->source);
	char why[MACHINE_WHY_SIZE];
	if (m->phase != PHASE_AHEAD)
		return;
	if (m->base <= commit) {
		machine_ahead_go_on(m);
		return;
	}
	snprintf(why, sizeof why,
	    "the program holds entries up to %" PRIu64 ", and this node knows only %" PRIu64
	    " to be committed: it waits for the others, and for the cluster to confirm them",
	    m->base, commit);
	fsm_state(m->fsm, FSM_AHEAD, why);
	m->sent = 0; /* what it holds does not count before that */
	source_seek(m->fsm->source, m->base);
	ask_cluster(m);
}

void
machine_ahead(struct machine *m)
{
	machine_enter(m, PHASE_AHEAD);
	if (!source_probe(m->fsm->source, on_probed, m))
		on_probed(m);
}
