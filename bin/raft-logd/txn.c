/* SPDX-License-Identifier: ISC */
/* A transaction's end: state, COMMIT, mark, and that all of it has a name. */
#include "txn.h"

#include "logd.h"

void
txn_begin(struct logd *logd)
{
	db_begin(logd->db);
}

void
txn_rollback(struct logd *logd)
{
	db_rollback(logd->db);
}

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
static enum db_result
txn_end(struct logd *logd, struct db_state *state, const struct raft_place *last)
{
	state->transactions++;
	enum db_result result = db_state_put(logd->db, state);
	if (result == DB_OK)
		result = db_commit(logd->db);
	if (result != DB_OK)
		return result;
	logd->state = *state;
	logd->rlog.last = *last;
	return DB_OK;
}

enum db_result
txn_commit(struct logd *logd, struct db_state *state, const struct raft_place *last)
{
	enum db_result result = txn_end(logd, state, last);
	if (result == DB_OK) {
		struct mark_note note = note_of(logd);
		mark_write(&logd->mark, &note);
		place_check(logd);
	}
	return result;
}

void
txn_commit_synced(struct logd *logd, struct db_state *state, const struct raft_place *last)
{
	if (txn_end(logd, state, last) != DB_OK)
		daemon_die(EXIT_IO,
		    "%s: the disk is full, and this start must write a little: make room",
		    logd->daemon.conf->node.data);
	struct mark_note note = note_of(logd);
	mark_settle(&logd->mark, logd->daemon.conf->node.data, &note);
	place_check(logd);
}

void
txn_state(struct logd *logd, struct db_state *state)
{
	txn_begin(logd);
	txn_commit_synced(logd, state, &logd->rlog.last);
}

void
txn_shorten_log(struct logd *logd, const struct raft_place *last)
{
	struct db_state state = logd->state;
	state.truncations++;
	/* The term and the vote are known: the mark was good, or what a former start said of it
	 * stays. */
	state.mark_valid = state.recovering ? state.mark_valid : true;
	state.mark_term = state.mark_term > state.term ? state.mark_term : state.term;
	state.recovering = true;
	if (state.commit.index > last->pos.index)
		state.commit = last->pos;
	/* A session table of a longer log is seen as such by the next start, and made again. */
	txn_begin(logd);
	enum db_result result = db_log_cut(logd->db, last->pos.index);
	if (result != DB_OK)
		daemon_die(EXIT_IO,
		    "%s: the disk is full, and a damaged entry must be cut off: make room",
		    logd->daemon.conf->node.data);
	txn_commit_synced(logd, &state, last);
}

void
txn_reset_log(struct logd *logd, const struct db_before *before, const struct index_config *config)
{
	struct db_state state = logd->state;
	state.truncations++;
	state.mark_valid = state.recovering ? state.mark_valid : true;
	state.mark_term = state.mark_term > state.term ? state.mark_term : state.term;
	state.recovering = true;
	state.commit = before->place.pos;
	state.sessions_index = before->place.pos.index;
	txn_begin(logd);
	enum db_result result = db_log_clear(logd->db);
	if (result == DB_OK)
		result = db_before_put(logd->db, before);
	if (result == DB_OK)
		result =
		    db_config_put(logd->db, before->place.pos.index, config->bytes, config->size);
	if (result == DB_OK)
		result = db_joined_put(logd->db);
	if (result != DB_OK)
		daemon_die(EXIT_IO, "%s: the disk is full, and the log must be given up: make room",
		    logd->daemon.conf->node.data);
	logd->origin.joined = true;
	txn_commit_synced(logd, &state, &before->place);
}
