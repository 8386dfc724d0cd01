/* SPDX-License-Identifier: ISC */
/* A transaction's end: state, COMMIT, mark, and that all of it has a name. */
#include "txn.h"

#include "logd.h"

static struct mark_note
note_of(const struct logd *logd)
{
	return (struct mark_note){
	    .transactions = logd->state.transactions,
	    .truncations = logd->state.truncations,
	    .term = logd->state.term,
	    .vote = logd->state.vote,
	    .last = logd->rlog.last,
	    .commit = logd->state.commit,
	    .final = !logd->state.recovering || logd->state.mark_valid,
	};
}

/* Commits; the mark is still to be written. */
static bool
txn_end(struct logd *logd, struct db_state *state, const struct raft_place *last)
{
	state->transactions++;
	db_state_put(logd->db, state);
	if (!db_commit(logd->db))
		return false;
	logd->state = *state;
	logd->rlog.last = *last;
	return true;
}

bool
txn_commit(struct logd *logd, struct db_state *state, const struct raft_place *last)
{
	if (!txn_end(logd, state, last))
		return false;
	struct mark_note note = note_of(logd);
	mark_write(&logd->mark, &note);
	place_check(logd);
	return true;
}

void
txn_commit_synced(
    struct logd *logd, struct db_state *state, const struct raft_place *last, const char *why)
{
	const char *data = logd->daemon.conf->node.data;
	if (!txn_end(logd, state, last))
		daemon_die(EXIT_IO, "%s: the disk is full%s: make room", data, why);
	struct mark_note note = note_of(logd);
	mark_settle(&logd->mark, data, &note);
	place_check(logd);
}

void
txn_state(struct logd *logd, struct db_state *state)
{
	db_begin(logd->db);
	txn_commit_synced(logd, state, &logd->rlog.last, ", and this start must write a little");
}

void
txn_recovered(struct db_state *state)
{
	state->recovering = false;
	state->mark_valid = true;
	state->mark_term = 0;
}

/* The state of a log that has lost a part. */
static struct db_state
state_after_loss(const struct logd *logd)
{
	struct db_state state = logd->state;
	state.truncations++;
	/* The term and the vote are known: the mark was good, or what a former start said of it
	 * stays. */
	state.mark_valid = !state.recovering || state.mark_valid;
	state.mark_term = state.mark_term > state.term ? state.mark_term : state.term;
	state.recovering = true;
	return state;
}

void
txn_shorten_log(struct logd *logd, const struct raft_place *last)
{
	struct db_state state = state_after_loss(logd);
	if (state.commit.index > last->pos.index)
		state.commit = last->pos;
	/* A session table of a longer log is seen as such by the next start, and made again. */
	db_begin(logd->db);
	db_log_cut(logd->db, last->pos.index);
	txn_commit_synced(logd, &state, last, ", and a damaged entry must be cut off");
}

void
txn_reset_log(struct logd *logd, const struct db_before *before, const struct index_config *config)
{
	struct db_state state = state_after_loss(logd);
	state.commit = before->place.pos;
	state.sessions_index = before->place.pos.index;
	db_begin(logd->db);
	db_log_clear(logd->db);
	db_before_put(logd->db, before);
	db_config_put(logd->db, before->place.pos.index, config->bytes, config->size);
	db_joined_put(logd->db);
	logd->origin.joined = true;
	txn_commit_synced(logd, &state, &before->place, ", and the log must be given up");
}
