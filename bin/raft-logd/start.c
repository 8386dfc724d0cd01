/* SPDX-License-Identifier: ISC */
/* Starting: identity, lock, database, mark, in this order. */
#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>

#include "seal/seal.h"
#include "txn.h"
#include "load.h"
#include "logd.h"
#include "rescue.h"
#include "verify.h"

enum { VERIFY_LAST = 1000, WHY_SIZE = 1024 };

/* A wiped voter looks like a first start, and would vote again: so it may never come back as
 * itself. */
#define REJOIN                                                                                     \
	"remove this node from the cluster (raft-ctl member remove) and let it join under a new "  \
	"id "                                                                                      \
	"(raft-init --join, raft-ctl member add)"

/* ----------------------------------------------------------- identity */

static void
read_identity(struct logd *logd)
{
	const struct conf *conf = logd->daemon.conf;
	char why[CONF_WHY_SIZE];
	enum identity_found found = identity_read(&logd->identity, conf->node.data, why);
	if (found == IDENTITY_BAD)
		daemon_die(exit_of_errno(errno), "%s", why);
	if (found == IDENTITY_NONE)
		daemon_die(EXIT_CONFIG,
		    "%s: no identity: a new node is made by raft-init; if its file system is not "
		    "mounted, mount it; "
		    "if this one has been in use, " REJOIN,
		    conf->node.data);
	if (!raft_id_equal(&logd->identity.node, &conf->node.id))
		daemon_die(EXIT_CONFIG,
		    "%s: this is the data directory of node %s, and %s names node %s",
		    conf->node.data, logd->identity.node.s, conf->path, conf->node.id.s);
}

/* No promise of this node exists before this, and all that follow are kept. */
static void
clear_fresh(struct logd *logd)
{
	struct identity identity = logd->identity;
	char why[CONF_WHY_SIZE];
	if (!identity.fresh)
		return;
	identity.fresh = false;
	identity.join = false;
	identity.have_cluster = true;
	identity.cluster = logd->origin.cluster;
	if (!identity_replace(&identity, logd->daemon.conf->node.data, why))
		daemon_die(exit_of_errno(errno), "%s", why);
	logd->identity = identity;
	log_info(
	    "first_start", "why=%s", log_q("the data directory is ready: the node may take part"));
}

/* One raft-logd per data directory: the descriptor that holds the lock, for life. */
static int
start_lock(const char *data)
{
	char path[640];
	snprintf(path, sizeof path, "%s/lock", data);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		daemon_die(exit_of_errno(errno), "%s: the data directory cannot be written: %s",
		    data, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (errno == EWOULDBLOCK)
		daemon_die(EXIT_RETRY,
		    "%s: the data directory is in use: another raft-logd holds its lock: stop it",
		    data);
	daemon_die(exit_of_errno(errno), "%s: the data directory cannot be locked: %s", data,
	    strerror(errno));
}

/* -------------------------------------------------------- first start */

static const struct raft_config *
listed_members(const struct conf *conf)
{
	if (!conf->cluster.have_members)
		daemon_die(EXIT_CONFIG,
		    "%s: cluster: members: %s: no such file; a first start needs the members",
		    conf->path,
		    conf->cluster.members_path ? conf->cluster.members_path : "none given");
	return &conf->cluster.members;
}

/* Ids, keys and roles; no addresses, so that every node's is equal. */
static void
strip_addresses(const struct conf *conf, struct raft_config *config)
{
	for (size_t i = 0; i < config->count; i++)
		memset(config->members[i].address, 0, sizeof config->members[i].address);
	if (!raft_config_normalise(config))
		daemon_die(EXIT_CONFIG,
		    "%s: cluster: members: an id or a key stands twice, or there is no voter",
		    conf->path);
}

static void
first_config(const struct conf *conf, struct raft_config *config)
{
	*config = *listed_members(conf);
	if (raft_config_find(config, &conf->node.id) == NULL)
		daemon_die(EXIT_CONFIG, "%s: cluster: members: node %s is not among them",
		    conf->path, conf->node.id.s);
	strip_addresses(conf, config);
}

/*
 * Of a node that joins: who is there now, without itself.  It belongs to no majority before
 * its log says so; the log's beginning comes from a leader.
 */
static void
joiner_config(const struct conf *conf, struct raft_config *config)
{
	*config = *listed_members(conf);
	if (!conf->cluster.id.known)
		daemon_die(EXIT_CONFIG,
		    "%s: cluster: members: this node is to join a running cluster, and the list "
		    "does not name the cluster: "
		    "make it by raft-ctl members -y on one of its nodes",
		    conf->path);
	if (conf->cluster.id.name[0] != '\0' &&
	    strcmp(conf->cluster.id.name, conf->cluster.name) != 0)
		daemon_die(EXIT_CONFIG,
		    "%s: cluster: name: it is %s, and the members list is of the running cluster "
		    "%s: write that name, or remove the key",
		    conf->path, conf->cluster.name, conf->cluster.id.name);
	for (size_t i = config->count; i-- > 0;) {
		if (!raft_id_equal(&config->members[i].id, &conf->node.id))
			continue;
		config->count--;
		memmove(&config->members[i], &config->members[i + 1],
		    (config->count - i) * sizeof config->members[i]);
	}
	strip_addresses(conf, config);
}

static void
check_listed_cluster(const struct conf *conf, const struct db_origin *origin)
{
	if (conf->cluster.id.known && !raft_hash_equal(&conf->cluster.id.hash, &origin->cluster))
		daemon_die(EXIT_CONFIG,
		    "%s: cluster: members: the list is of a running cluster, and this node is not "
		    "to join one: "
		    "make it by raft-init --join",
		    conf->path);
}

/* What a new log begins with. */
static void
first_origin(const struct logd *logd, struct db_origin *origin, struct raft_config *config)
{
	const struct conf *conf = logd->daemon.conf;
	*origin = (struct db_origin){.node = logd->identity.node};
	memcpy(origin->directory, logd->identity.directory, sizeof origin->directory);
	if (strlen(conf->cluster.name) >= sizeof origin->name)
		daemon_die(EXIT_CONFIG, "%s: cluster: name: too long", conf->path);
	strcpy(origin->name, conf->cluster.name);
	origin->joined = logd->identity.join;
	if (logd->identity.join) {
		joiner_config(conf, config);
		origin->cluster = conf->cluster.id.hash;
	} else {
		first_config(conf, config);
		origin->cluster = seal_cluster_id(conf->cluster.name, config);
		check_listed_cluster(conf, origin);
	}
	if (logd->identity.have_cluster &&
	    !raft_hash_equal(&origin->cluster, &logd->identity.cluster))
		daemon_die(EXIT_CONFIG,
		    "%s: cluster: members: they are of another cluster than %s/identity",
		    conf->path, conf->node.data);
}

static void
first_start(struct logd *logd)
{
	struct raft_config config;
	struct db_origin origin;
	first_origin(logd, &origin, &config);
	struct db_state state = {.transactions = 1, .mark_valid = true};
	if (rescue_restore(logd, &origin, &config, &state))
		return;
	db_fill(logd->db, &origin, &config, &state);
	db_fill_end(logd->db);
}

/* Much more than the reserve is free. */
static bool
is_roomy(const struct conf *conf)
{
	struct statvfs fs;
	return statvfs(conf->node.data, &fs) == 0 &&
	       (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize >
		   conf->logd.reserve + 8 * (uint64_t)DB_WAL_MAX;
}

static void
open_db(struct logd *logd, const struct mark_note *note)
{
	const char *data = logd->daemon.conf->node.data;
	bool empty, exists = db_exists(data);
	char why[WHY_SIZE];
	bool used =
	    !logd->identity.fresh || (logd->mark_found == MARK_VALID && note->transactions > 1);
	if (!exists && used)
		daemon_die(EXIT_CONFIG,
		    "%s: the log of this node is gone, and with it what it promised: " REJOIN,
		    data);
	logd->db = db_open(data, is_roomy(logd->daemon.conf), &empty, why);
	if (logd->db == NULL)
		daemon_die(EXIT_CONFIG, "%s", why);
	if (empty && used)
		daemon_die(EXIT_CONFIG,
		    "%s: the log of this node is empty, and what it promised is lost: " REJOIN,
		    data);
	if (empty)
		first_start(logd);
}

static void
check_origin(struct logd *logd)
{
	const char *data = logd->daemon.conf->node.data;
	const struct identity *identity = &logd->identity;
	const struct db_origin *origin = &logd->origin;
	if (db_origin_get(logd->db, &logd->origin) != DB_OK)
		daemon_die(EXIT_CONFIG,
		    "%s/log.db: the database does not say whose it is: it is damaged: " REJOIN,
		    data);
	if (!raft_id_equal(&origin->node, &identity->node))
		daemon_die(EXIT_CONFIG, "%s/log.db: this is the log of node %s, not of %s", data,
		    origin->node.s, identity->node.s);
	/* The members may change, the name never does. */
	if (strcmp(origin->name, logd->daemon.conf->cluster.name) != 0)
		daemon_die(EXIT_CONFIG,
		    "%s: this is the data directory of cluster %s, and %s names cluster %s", data,
		    origin->name, logd->daemon.conf->path, logd->daemon.conf->cluster.name);
	/* One that was interrupted between the two is done once more. */
	if (identity->have_cluster && !logd->recover_alone &&
	    !raft_hash_equal(&origin->cluster, &identity->cluster))
		daemon_die(EXIT_CONFIG,
		    "%s/log.db: this is a log of another cluster than %s/identity names", data,
		    data);
	if (memcmp(origin->directory, identity->directory, sizeof origin->directory) != 0)
		daemon_die(EXIT_CONFIG,
		    "%s/log.db: this is the log of another data directory of node %s", data,
		    identity->node.s);
}

/* ---------------------------------------------------- going backwards */

/* Whether the log holds what the mark saw; only when nothing was cut since. */
static bool
mark_fits(struct logd *logd, const struct mark_note *note)
{
	struct raft_hash chain;
	/* What was cut since then was committed, and cannot be compared any more. */
	if (note->last.pos.index < logd->rlog.before.pos.index)
		return true;
	if (note->last.pos.index > logd->rlog.last.pos.index)
		return false;
	verify_chain_at(logd, note->last.pos.index, &chain);
	return raft_hash_equal(&chain, &note->last.chain);
}

/* NULL: the log is at least what was acknowledged. */
static const char *
went_backwards(struct logd *logd, const struct mark_note *note)
{
	const struct db_state *state = &logd->state;
	if (logd->mark_found == MARK_MISSING)
		return "the mark file is missing: what was acknowledged last is not known";
	if (logd->mark_found == MARK_DAMAGED)
		return "the mark file is damaged: what was acknowledged last is not known";
	if (state->transactions < note->transactions)
		return "the database lacks transactions that the mark file knows of: it is an old "
		       "copy, or its tail was lost";
	if (state->truncations < note->truncations)
		return "the database lacks a truncation that the mark file knows of: it is another "
		       "log";
	if (state->truncations == note->truncations && !mark_fits(logd, note))
		return "the database holds another log than the mark file saw";
	if (state->transactions == note->transactions &&
	    (state->term != note->term || !raft_id_equal(&state->vote, &note->vote)))
		return "the database holds another term or vote than the mark file";
	return NULL;
}

/*
 * Of database and mark, the newer term and its vote; a lagging mark may even be older than the log.
 */
static void
take_newer_vote(struct db_state *state, const struct mark_note *note, uint64_t log_term)
{
	if (note->term > state->term || (note->term == state->term && !raft_id_none(&note->vote)))
		state->vote = note->vote;
	if (note->term > state->term)
		state->term = note->term;
	if (state->term >= log_term)
		return;
	state->term = log_term;
	state->vote = (struct raft_id){0};
}

/* `recovering`, durably, before anything else. */
static void
start_recovering(struct logd *logd, const struct mark_note *note, const char *why)
{
	struct db_state state = logd->state;
	take_newer_vote(&state, note, logd->rlog.last.pos.term);
	/* A mark of another boot may be older than a vote that the database has lost. */
	state.mark_valid = note->final && (!state.recovering || state.mark_valid);
	state.recovering = true;
	if (note->term > state.mark_term)
		state.mark_term = note->term;
	if (note->transactions > state.transactions)
		state.transactions = note->transactions;
	if (note->truncations > state.truncations)
		state.truncations = note->truncations;
	state.truncations++;
	txn_state(logd, &state);
	log_warn("recovering",
	    "last=%" PRIu64 " mark_last=%" PRIu64 " transactions=%" PRIu64 " term=%" PRIu64
	    " why=%s",
	    logd->rlog.last.pos.index, note->last.pos.index, state.transactions, state.term,
	    log_q(why));
}

/* The state in the database is not to be believed: the mark's is taken. */
static void
replace_state(struct logd *logd, const struct mark_note *note)
{
	if (logd->mark_found != MARK_VALID)
		daemon_die(EXIT_CONFIG,
		    "%s: term and vote are damaged in the database, and there is no good "
		    "mark: " REJOIN,
		    logd->daemon.conf->node.data);
	logd->state = (struct db_state){
	    .transactions = note->transactions,
	    .truncations = note->truncations,
	    .term = note->term,
	    .vote = note->vote,
	    .commit = note->commit,
	};
}

static void
settle_log(struct logd *logd, const struct mark_note *note, bool state_good)
{
	const char *why = "term, vote or commit index in the database are damaged";
	/* Nothing but what it begins with. */
	bool fresh = logd->identity.fresh &&
		     logd->rlog.last.pos.index == logd->rlog.before.pos.index &&
		     logd->state.term == logd->rlog.before.pos.term && state_good;
	if (fresh &&
	    (logd->mark_found != MARK_VALID || note->transactions <= logd->state.transactions)) {
		/* A first start, perhaps one that was cut short. */
		txn_state(logd, &logd->state);
		logd->mark_found = MARK_VALID;
		return;
	}
	if (state_good)
		why = went_backwards(logd, note);
	if (why)
		start_recovering(logd, note, why);
	else if (logd->state.recovering)
		log_warn("recovering", "last=%" PRIu64 " why=%s", logd->rlog.last.pos.index,
		    log_q("the log went backwards before, and is not yet equal to a leader's"));
}

/*
 * The newest rows are those that a crash may have spoiled; the rest is looked at when it is read.
 */
static void
verify_end(struct logd *logd)
{
	uint64_t last = logd->rlog.last.pos.index, first = logd->rlog.before.pos.index + 1;
	verify_rows(logd, last > first + VERIFY_LAST ? last - VERIFY_LAST : first);
}

void
start_check(struct logd *logd)
{
	struct raft_config config;
	struct db_origin origin;
	read_identity(logd);
	if (logd->identity.fresh && !db_exists(logd->daemon.conf->node.data))
		first_origin(logd, &origin, &config);
}

void
start_log(struct logd *logd)
{
	const char *data = logd->daemon.conf->node.data;
	struct mark_note note;
	logd->lock = start_lock(data);
	/* Again: the one before may just have ended its first start. */
	read_identity(logd);
	logd->mark_found = mark_open(&logd->mark, data, logd->identity.directory, &note);
	open_db(logd, &note);
	check_origin(logd);
	bool state_good = db_state_get(logd->db, &logd->state) == DB_OK;
	if (!state_good)
		replace_state(logd, &note);
	load_log(logd);
	settle_log(logd, &note, state_good);
	verify_end(logd);
	snapshots_load(logd);
	logd->rlog.tail.size_max = (size_t)logd->daemon.conf->logd.tail;
	sessions_load(logd);
	clear_fresh(logd);
	rescue_restore_done(logd);
	logd->start_number = seal_random_u64();
}
