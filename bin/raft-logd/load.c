/* SPDX-License-Identifier: ISC */
/* Loading, with a look at whether it can be right. */
#include "load.h"

#include <string.h>

#include "../../lib/seal/seal.h"
#include "logd.h"

_Noreturn static void
unreadable(const struct logd *logd, const char *what)
{
	daemon_die(EXIT_IO,
	    "%s/log.db: %s: it is damaged beyond what this program mends: "
	    "remove this node from the cluster and let it join under a new id",
	    logd->daemon.conf->node.data, what);
}

static void
load_end(struct logd *logd)
{
	struct rlog *rlog = &logd->rlog;
	enum db_result result = db_last(logd->db, &rlog->last, rlog->chain);
	if (result == DB_DAMAGED && rlog->last.index == 0)
		unreadable(logd, "the log cannot be read");
	if (result == DB_END)
		memcpy(rlog->chain, logd->origin.cluster, sizeof logd->origin.cluster);
}

static void
take_term(struct raft_pos start, void *arg)
{
	rlog_add_term(arg, start);
}

static void
take_config(uint64_t index, const void *bytes, size_t size, void *arg)
{
	rlog_add_config(arg, index, bytes, size);
}

static bool
terms_fit(const struct rlog *rlog)
{
	struct raft_pos before = rlog->before;
	for (size_t i = 0; i < rlog->terms_count; i++) {
		if (rlog->terms[i].index <= before.index || rlog->terms[i].term <= before.term)
			return false;
		before = rlog->terms[i];
	}
	if (rlog->last.index == rlog->before.index)
		return rlog->terms_count == 0;
	return rlog->terms_count > 0 && rlog->terms[0].index == rlog->before.index + 1 && before.term == rlog->last.term;
}

static bool
configs_fit(const struct rlog *rlog)
{
	for (size_t i = 0; i < rlog->configs_count; i++) {
		struct raft_config config;
		if (!raft_config_decode(&config, rlog->configs[i].bytes, rlog->configs[i].size))
			return false;
	}
	return true;
}

/* Index 0: the cluster's id is the hash over it. */
static void
check_first_config(const struct logd *logd)
{
	const struct rlog *rlog = &logd->rlog;
	struct raft_config config;
	uint8_t cluster[DB_HASH_SIZE];
	if (rlog->configs_count == 0 || rlog->configs[0].index != 0 ||
	    !raft_config_decode(&config, rlog->configs[0].bytes, rlog->configs[0].size))
		unreadable(logd, "the first configuration cannot be read");
	seal_cluster_id(cluster, logd->origin.name, &config);
	if (memcmp(cluster, logd->origin.cluster, sizeof cluster) != 0)
		unreadable(logd, "the first configuration is not that of the cluster");
}

static bool
load_derived(struct logd *logd)
{
	rlog_clear(&logd->rlog);
	bool read = db_terms_each(logd->db, take_term, &logd->rlog) == DB_OK &&
	    db_configs_each(logd->db, take_config, &logd->rlog) == DB_OK;
	return read && terms_fit(&logd->rlog) && configs_fit(&logd->rlog) && db_derived_fits(logd->db);
}

/* No transaction that is counted: nothing is in these tables that is not in the log. */
static void
derive(struct logd *logd)
{
	log_warn("derive", "why=%s", log_q("the tables terms and configs do not fit the log: they are made anew from it"));
	db_begin(logd->db);
	if (db_derive(logd->db) != DB_OK || db_commit(logd->db) != DB_OK)
		daemon_die(EXIT_IO, "%s: the disk is full: make room", logd->daemon.conf->node.data);
}

/* What is stored may be of a longer log than is left. */
static void
load_commit(struct logd *logd)
{
	struct rlog *rlog = &logd->rlog;
	rlog->commit = logd->state.commit;
	if (rlog_holds(rlog, rlog->commit))
		return;
	uint64_t index = rlog->commit.index < rlog->last.index ? rlog->commit.index : rlog->last.index;
	log_warn("commit", "stored=%llu taken=%llu why=%s", (unsigned long long)rlog->commit.index,
	    (unsigned long long)index, log_q("the log does not hold the entry that was committed last"));
	rlog->commit = (struct raft_pos){index, rlog_term_at(rlog, index)};
	logd->state.commit = rlog->commit;
}

void
load_log(struct logd *logd)
{
	load_end(logd);
	if (!load_derived(logd)) {
		derive(logd);
		load_derived(logd);
	}
	check_first_config(logd);
	load_commit(logd);
}
