/* SPDX-License-Identifier: ISC */
/* Loading, with a look at whether it can be right. */
#include "load.h"

#include <inttypes.h>
#include <string.h>

#include "seal/seal.h"
#include "logd.h"
#include "verify.h"

_Noreturn static void
load_unreadable(const struct logd *logd, const char *what)
{
	daemon_die(EXIT_CONFIG,
	    "%s/log.db: %s: it is damaged beyond what this program mends: "
	    "remove this node from the cluster and let it join under a new id",
	    logd->daemon.conf->node.data, what);
}

static void
load_log_end(struct logd *logd)
{
	struct log_index *rlog = &logd->rlog;
	enum db_result result = db_last(logd->db, &rlog->last);
	if (result == DB_DAMAGED && rlog->last.pos.index == 0)
		load_unreadable(logd, "the log cannot be read");
	if (result == DB_END)
		rlog->last = rlog->before;
}

/* Where the log begins, and the chain there. */
static void
load_before(struct logd *logd, struct db_before *before)
{
	if (db_before_get(logd->db, before) == DB_DAMAGED)
		load_unreadable(logd, "where the log begins cannot be read");
	logd->rlog.before = before->place;
	logd->rlog.level = before->level;
	logd->rlog.time = before->time;
	logd->rlog.contract = before->contract;
	if (raft_hash_none(&before->place.chain))
		logd->rlog.before.chain = logd->origin.cluster;
}

static void
take_term(struct raft_pos start, void *arg)
{
	index_add_term(arg, start);
}

static void
take_config(uint64_t index, const void *bytes, size_t size, void *arg)
{
	index_add_config(arg, index, bytes, size);
}

static bool
terms_fit(const struct log_index *rlog)
{
	struct raft_pos before = rlog->before.pos;
	for (size_t i = 0; i < rlog->terms_count; i++) {
		/* The first run may go on with the term before the beginning. */
		bool rises = rlog->terms[i].term > before.term ||
			     (i == 0 && rlog->terms[i].term == before.term);
		if (rlog->terms[i].index <= before.index || !rises || rlog->terms[i].term == 0)
			return false;
		before = rlog->terms[i];
	}
	if (rlog->last.pos.index == rlog->before.pos.index)
		return rlog->terms_count == 0;
	return rlog->terms_count > 0 && rlog->terms[0].index == rlog->before.pos.index + 1 &&
	       before.term == rlog->last.pos.term;
}

static bool
configs_fit(const struct log_index *rlog)
{
	for (size_t i = 0; i < rlog->configs_count; i++) {
		struct raft_config config;
		if (!raft_config_decode(&config, rlog->configs[i].bytes, rlog->configs[i].size))
			return false;
	}
	return true;
}

/* The one in force where the log begins: its hash is known. */
static void
check_base_config(const struct logd *logd, const struct db_before *before)
{
	const struct log_index *rlog = &logd->rlog;
	struct raft_hash hash = {{0}};
	if (rlog->configs_count > 0 && rlog->configs[0].index <= before->place.pos.index) {
		const struct index_config *config =
		    &rlog->configs[index_config_at(rlog, before->place.pos.index)];
		hash = seal_hash(&(struct seal_part){config->bytes, config->size}, 1);
	}
	if (!raft_hash_equal(&hash, &before->config))
		load_unreadable(
		    logd, "the configuration at the beginning of the log is not what was written");
}

/* Index 0: the cluster's id is the hash over it.  Not so of one that joined. */
static void
check_first_config(const struct logd *logd)
{
	const struct log_index *rlog = &logd->rlog;
	struct raft_config config;
	if (rlog->configs_count == 0 || rlog->configs[0].index != 0 ||
	    !raft_config_decode(&config, rlog->configs[0].bytes, rlog->configs[0].size))
		load_unreadable(logd, "the first configuration cannot be read");
	if (logd->origin.joined)
		return;
	struct raft_hash cluster = seal_cluster_id(logd->origin.name, &config);
	if (!raft_hash_equal(&cluster, &logd->origin.cluster))
		load_unreadable(logd, "the first configuration is not that of the cluster");
}

static bool
load_derived(struct logd *logd)
{
	index_clear(&logd->rlog);
	bool read = db_terms_each(logd->db, take_term, &logd->rlog) == DB_OK &&
		    db_configs_each(logd->db, take_config, &logd->rlog) == DB_OK;
	return read && terms_fit(&logd->rlog) && configs_fit(&logd->rlog) &&
	       db_derived_fits(logd->db, logd->rlog.before.pos.index);
}

/* No transaction that is counted: nothing is in these tables that is not in the log. */
static void
load_derive(struct logd *logd)
{
	log_warn("derive", "why=%s",
	    log_q("the tables terms and configs do not fit the log: they are made anew from it"));
	db_begin(logd->db);
	db_derive(logd->db, logd->rlog.before.pos.index);
	if (!db_commit(logd->db))
		daemon_die(
		    EXIT_IO, "%s: the disk is full: make room", logd->daemon.conf->node.data);
}

static void
load_note_rule(uint64_t index, void *arg)
{
	wire_buf_put(arg, &index, sizeof index);
}

/*
 * Levels and contracts.  Each is read with its chain: one that is wrong would be written into
 * snapshots.
 */
static void
load_rules(struct logd *logd)
{
	struct log_index *rlog = &logd->rlog;
	struct wire_buf indexes = {0}, out = {0};
	if (db_rules_each(logd->db, load_note_rule, &indexes) != DB_OK)
		load_unreadable(logd, "the index of its levels and contracts cannot be read");
	for (size_t at = 0; at < indexes.size; at += sizeof(uint64_t)) {
		struct verify_limits limits = {rlog->last.pos.index, 1, 1};
		struct raft_entry entry;
		uint64_t index;
		memcpy(&index, indexes.bytes + at, sizeof index);
		out.size = 0;
		verify_read(logd, index, limits, &out);
		if (!raft_entry_decode(&entry, NULL, out.bytes, out.size) ||
		    (entry.kind != RAFT_LEVEL && entry.kind != RAFT_CONTRACT))
			load_unreadable(
			    logd, "the index of its levels and contracts is not that of the log");
		index_add_rule(rlog, index, &entry);
	}
	wire_buf_free(&indexes);
	wire_buf_free(&out);
}

/* What is stored, or was taken from the mark, may be of a longer log than is left, or of a shorter
 * one. */
static void
load_commit(struct logd *logd)
{
	struct log_index *rlog = &logd->rlog;
	rlog->commit = logd->state.commit;
	if (index_holds(rlog, rlog->commit))
		return;
	uint64_t index =
	    rlog->commit.index < rlog->last.pos.index ? rlog->commit.index : rlog->last.pos.index;
	/* What was cut off at the beginning was committed. */
	if (index < rlog->before.pos.index)
		index = rlog->before.pos.index;
	log_warn("commit", "stored=%" PRIu64 " taken=%" PRIu64 " why=%s", rlog->commit.index, index,
	    log_q("the log does not hold the entry that was committed last"));
	rlog->commit = (struct raft_pos){index, index_term_at(rlog, index)};
	logd->state.commit = rlog->commit;
}

void
load_log(struct logd *logd)
{
	struct db_before before;
	load_before(logd, &before);
	load_log_end(logd);
	if (!load_derived(logd)) {
		load_derive(logd);
		load_derived(logd);
	}
	if (before.place.pos.index > 0)
		check_base_config(logd, &before);
	else
		check_first_config(logd);
	load_commit(logd);
	load_rules(logd);
}
