/* SPDX-License-Identifier: ISC */
/* A cluster of one, from what is left. */
#include "alone.h"

#include <stdio.h>
#include <stdlib.h>

#include "seal/seal.h"
#include "txn.h"
#include "logd.h"

/* What is to be. */
struct alone {
	struct raft_config config;
	struct raft_hash cluster;
	struct raft_pos pos;       /* of the configuration */
	struct snapshot *snapshot; /* the newest one, of the new cluster; NULL: there is none */
};

/* This node alone; the ids of the others are used up. */
static void
plan_config(const struct logd *logd, struct alone *alone)
{
	const struct index_config *at = &logd->rlog.configs[logd->rlog.configs_count - 1];
	struct raft_config *config = &alone->config, old;
	must(raft_config_decode(&old, at->bytes, at->size));
	const struct raft_member *self = raft_config_find(&old, &logd->identity.node);
	if (self == NULL)
		daemon_die(EXIT_DATA,
		    "node %s is no member in its own log, so nobody knows its key: take another "
		    "node",
		    logd->identity.node.s);
	*config = old;
	config->count = 0;
	config->members[config->count++] = *self;
	config->members[0].role = RAFT_VOTER;
	for (size_t i = 0; i < old.count && config->retired_count < RAFT_RETIRED_MAX; i++)
		if (!raft_id_equal(&old.members[i].id, &self->id))
			config->retired[config->retired_count++] = old.members[i].id;
	must(raft_config_normalise(config));
}

static void
alone_plan(const struct logd *logd, struct alone *alone)
{
	uint8_t numbers[16];
	plan_config(logd, alone);
	alone->pos = (struct raft_pos){logd->rlog.last.pos.index + 1, logd->state.term + 1};
	wire_put_u64(numbers, alone->pos.index);
	wire_put_u64(numbers + 8, alone->pos.term);
	struct seal_part parts[] = {{logd->origin.cluster.b, sizeof logd->origin.cluster.b},
	    {logd->identity.node.s, sizeof logd->identity.node.s},
	    {logd->identity.directory, sizeof logd->identity.directory}, {numbers, sizeof numbers}};
	alone->cluster = seal_hash(parts, 4);
}

/* The snapshot's head names the cluster: it gets another one, for the same file. */
static void
plan_snapshot(const struct logd *logd, struct alone *alone)
{
	const struct snapshot *newest = logd->snapshots.newest;
	struct wire_buf bytes = {0};
	if (newest == NULL)
		return;
	struct snapshot_head head = newest->head;
	head.cluster = alone->cluster;
	snapshot_head_put(&bytes, &head);
	alone->snapshot = snapshot_new(logd, &bytes, newest->file);
	must(alone->snapshot != NULL);
}

static void
put_beginning(struct logd *logd, const struct alone *alone)
{
	struct db_before before;
	db_cluster_put(logd->db, &alone->cluster);
	db_joined_put(logd->db);
	/* The chain still begins with the former cluster's id. */
	if (db_before_get(logd->db, &before) == DB_END) {
		before.place.chain = logd->origin.cluster;
		db_before_put(logd->db, &before);
	}
	if (alone->snapshot)
		snapshot_put(logd, alone->snapshot);
}

static void
alone_put_entry(struct logd *logd, const struct alone *alone, struct raft_place *last)
{
	static const struct raft_sid none;
	static uint8_t record[RAFT_ENTRY_HEADER_SIZE + RAFT_CONFIG_SIZE_MAX];
	struct raft_entry entry;
	size_t size = raft_config_encode(&alone->config, record + RAFT_ENTRY_HEADER_SIZE);
	raft_entry_header(record, alone->pos.term, RAFT_CONFIG, &none, 0, (uint32_t)size);
	must(raft_entry_decode(&entry, NULL, record, RAFT_ENTRY_HEADER_SIZE + size));
	last->pos = alone->pos;
	last->chain = seal_chain(&logd->rlog.last.chain, alone->pos.index, &entry);
	db_log_put(logd->db, alone->pos.index, &entry, &last->chain);
	db_term_put(logd->db, &alone->pos);
	db_config_put(logd->db, alone->pos.index, raft_entry_data(&entry), (uint32_t)size);
}

static void
alone_make(struct logd *logd, const struct alone *alone)
{
	struct db_state state = logd->state;
	struct raft_place last;
	char why[CONF_WHY_SIZE];
	state.term = alone->pos.term;
	state.vote = (struct raft_id){0};
	state.commit = alone->pos;
	state.recovering = false;
	state.mark_valid = true;
	state.mark_term = 0;
	db_begin(logd->db);
	put_beginning(logd, alone);
	alone_put_entry(logd, alone, &last);
	txn_commit_synced(logd, &state, &last, "");
	logd->identity.cluster = alone->cluster;
	if (!identity_replace(&logd->identity, logd->daemon.conf->node.data, why))
		daemon_die(exit_of_errno(errno), "%s; run this once more", why);
}

_Noreturn void
recover_alone(struct logd *logd)
{
	struct alone alone = {0};
	char cluster[2 * RAFT_HASH_SIZE + 1];
	unsigned long long last = logd->rlog.last.pos.index, commit = logd->rlog.commit.index;
	alone_plan(logd, &alone);
	plan_snapshot(logd, &alone);
	seal_hex(cluster, alone.cluster.b, RAFT_HASH_SIZE);
	printf("node %s %s a cluster of one, with the new id %s.\n"
	       "Its log up to index %llu is kept, all of it as committed; %llu entries of it were "
	       "not known to be.\n"
	       "Entries that only other nodes had are lost.  The other members are removed, their "
	       "ids used up: %zu.\n",
	    logd->identity.node.s, logd->yes ? "becomes" : "would become", cluster, last,
	    last - commit, alone.config.retired_count);
	if (!logd->yes) {
		printf("Nothing has been changed.  Where a quorum can still be started, do that "
		       "instead.\n"
		       "Run it again with --yes to do it, on one node only.\n");
		exit(EXIT_RETRY);
	}
	alone_make(logd, &alone);
	log_warn("recover_alone", "last=%llu term=%llu cluster=%s",
	    (unsigned long long)alone.pos.index, (unsigned long long)alone.pos.term, cluster);
	printf("Done.  Start it, and let new nodes join: raft-init --join, raft-ctl member add.\n");
	exit(EXIT_OK);
}
