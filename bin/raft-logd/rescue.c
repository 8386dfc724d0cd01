/* SPDX-License-Identifier: ISC */
/* The three ways on, one after the other; see rescue.h. */
#include "rescue.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "txn.h"
#include "logd.h"

/* ------------------------------------------------------ --accept-loss */

static const char question[] =
    "node %s is recovering: its log ends at index %" PRIu64
    ", and entries that it had acknowledged may be missing.\n"
    "It will heal by itself as soon as a leader is elected by others; then there is nothing to do "
    "here.\n"
    "When no quorum is left that way, raft-logd --accept-loss --yes lets it vote and stand again "
    "as it is:\n"
    "entries that were acknowledged to clients may then be lost for good, on every node.\n"
    "First start every other node, wait, and take the copy with the highest term and index.\n";

_Noreturn void
rescue_accept_loss(struct logd *logd)
{
	struct db_state state = logd->state;
	uint64_t last = logd->rlog.last.pos.index;
	if (!state.recovering) {
		printf("node %s is not recovering: there is nothing to accept\n",
		    logd->identity.node.s);
		exit(EXIT_OK);
	}
	if (!logd->yes) {
		printf(question, logd->identity.node.s, last);
		exit(EXIT_RETRY);
	}
	txn_recovered(&state);
	txn_state(logd, &state);
	log_warn("accept_loss", "last=%" PRIu64 " term=%" PRIu64 " why=%s", last, state.term,
	    log_q("told to take part again as it is: acknowledged entries may be lost"));
	printf("node %s takes part again: its log ends at index %" PRIu64 "\n",
	    logd->identity.node.s, last);
	exit(EXIT_OK);
}

/* ---------------------------------------------------- --recover-alone */

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
	bytes_put_u64(numbers, alone->pos.index);
	bytes_put_u64(numbers + 8, alone->pos.term);
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
	db_log_put(logd->db, alone->pos.index, &entry, &last->chain, 1);
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
	txn_recovered(&state);
	db_begin(logd->db);
	put_beginning(logd, alone);
	alone_put_entry(logd, alone, &last);
	txn_commit_synced(logd, &state, &last, "");
	logd->identity.cluster = alone->cluster;
	if (!identity_replace(&logd->identity, logd->daemon.conf->node.data, why))
		daemon_die(exit_of_errno(errno), "%s; run this once more", why);
}

_Noreturn void
rescue_alone(struct logd *logd)
{
	struct alone alone = {0};
	char cluster[2 * RAFT_HASH_SIZE + 1];
	uint64_t last = logd->rlog.last.pos.index, commit = logd->rlog.commit.index;
	alone_plan(logd, &alone);
	plan_snapshot(logd, &alone);
	seal_hex(cluster, alone.cluster.b, RAFT_HASH_SIZE);
	printf("node %s %s a cluster of one, with the new id %s.\n"
	       "Its log up to index %" PRIu64 " is kept, all of it as committed; %" PRIu64
	       " entries of it were not known to be.\n"
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
	log_warn("recover_alone", "last=%" PRIu64 " term=%" PRIu64 " cluster=%s", alone.pos.index,
	    alone.pos.term, cluster);
	printf("Done.  Start it, and let new nodes join: raft-init --join, raft-ctl member add.\n");
	exit(EXIT_OK);
}

/* ------------------------------------------------ raft-init --restore */

static void
restore_path_of(const struct logd *logd, char path[SNAPSHOT_PATH_SIZE])
{
	snprintf(
	    path, SNAPSHOT_PATH_SIZE, "%s/snapshots/" RESTORE_HEAD, logd->daemon.conf->node.data);
}

/* The whole file; false: there is none. */
static bool
read_file(const struct logd *logd, struct wire_buf *out)
{
	char path[SNAPSHOT_PATH_SIZE];
	struct stat st;
	restore_path_of(logd, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return false;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > SNAPSHOT_HEAD_MAX)
		daemon_die(exit_of_errno(errno), "%s: cannot be read: %s", path, strerror(errno));
	ssize_t size = read(fd, wire_buf_add(out, (size_t)st.st_size), (size_t)st.st_size);
	close(fd);
	if (size != st.st_size)
		daemon_die(EXIT_IO, "%s: cannot be read whole", path);
	return true;
}

/* The same state, of the new cluster and with its members. */
static struct snapshot *
restore_adopt(struct logd *logd, const struct db_origin *origin, const struct raft_config *config,
    const struct wire_buf *old)
{
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX];
	struct wire_buf out = {0};
	struct snapshot_head head;
	char file[SNAPSHOT_FILE_SIZE] = "";
	if (snapshot_head_newer(old->bytes, old->size))
		daemon_die(EXIT_CONFIG, "%s/snapshots/" RESTORE_HEAD ": " SNAPSHOT_NEWER,
		    logd->daemon.conf->node.data);
	if (!snapshot_head_get(&head, old->bytes, old->size))
		daemon_die(EXIT_CONFIG,
		    "%s/snapshots/" RESTORE_HEAD
		    ": it is damaged: make the node again by raft-init --restore",
		    logd->daemon.conf->node.data);
	head.cluster = origin->cluster;
	head.name = wire_text(origin->name);
	head.config = (struct wire_bytes){bytes, raft_config_encode(config, bytes)};
	snapshot_head_put(&out, &head);
	if (head.format.size > 0)
		snapshot_name(file, head.pos);
	struct snapshot *snapshot = snapshot_new(logd, &out, file);
	must(snapshot != NULL);
	return snapshot;
}

bool
rescue_restore(struct logd *logd, const struct db_origin *origin, const struct raft_config *config,
    struct db_state *state)
{
	struct wire_buf old = {0};
	if (!read_file(logd, &old))
		return false;
	struct snapshot *snapshot = restore_adopt(logd, origin, config, &old);
	state->term = snapshot->head.pos.term;
	state->commit = snapshot->head.pos;
	state->sessions_index = snapshot->head.pos.index;
	db_fill(logd->db, origin, config, state);
	snapshot_put_beginning(logd, snapshot);
	db_fill_end(logd->db);
	log_info("restore", "index=%" PRIu64 " term=%" PRIu64 " bytes=%" PRIu64,
	    snapshot->head.pos.index, snapshot->head.pos.term, snapshot->head.file_size);
	snapshot_unref(snapshot);
	wire_buf_free(&old);
	return true;
}

void
rescue_restore_done(struct logd *logd)
{
	char path[SNAPSHOT_PATH_SIZE];
	restore_path_of(logd, path);
	unlink(path);
}
