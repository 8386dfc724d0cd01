/* SPDX-License-Identifier: ISC */
/* A new snapshot of this node: file, session table, name, row. */
#include "snap_take.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local/changes.h"
#include "unix/file.h"
#include "unix/job.h"
#include "txn.h"
#include "compact.h"
#include "logd.h"
#include "verify.h"

enum { SLICE_COUNT = 2048, SLICE_SIZE = 1 << 20, PIECE_SIZE = 1 << 20, WHY_SIZE = 512 };

struct snap_take {
	struct logd *logd;
	struct logd_client *client; /* NULL: nobody waits */
	uint64_t request;
	uint64_t index;
	bool cut; /* there is no file, the log is only cut */
	char path[SNAPSHOT_PATH_SIZE];
	char format[SNAPSHOT_TEXT_MAX + 1];
	bool hashed; /* the file is hashed and synced */
	uint64_t size;
	struct raft_hash hash;
	int error;                   /* errno of the work */
	struct raft_sessions *table; /* at table_index; NULL until it is begun */
	uint64_t table_index;
};

static void
snap_take_answer(struct logd *logd, struct logd_client *client, uint64_t request, const char *why)
{
	const struct snapshot *newest = logd->snapshots.newest;
	struct msg_snap_added m = {
	    .request = request,
	    .ok = why == NULL,
	    .index = newest ? newest->head.pos.index : 0,
	    .why = wire_text(why ? why : ""),
	};
	if (client)
		msg_snap_added_put(conn_out(client->base.conn), &m);
}

/* why NULL: it is the newest one now. */
static void
snap_take_finish(struct logd *logd, const char *why)
{
	struct snap_take *local = logd->snapshots.local;
	logd->snapshots.local = NULL;
	if (!local->cut)
		changes_put(logd->server, "snapshot", "",
		    why ? why : "the program of this node has written it",
		    "state=%s index=%" PRIu64 " bytes=%" PRIu64, why ? "failed" : "taken",
		    local->index, local->size);
	if (why) {
		log_warn("snapshot", "index=%" PRIu64 " why=%s", local->index, log_q(why));
		if (!local->cut)
			unlink(local->path);
	}
	snap_take_answer(logd, local->client, local->request, why);
	raft_sessions_free(local->table);
	free(local);
	compact_plan(logd);
}

/* ------------------------------------------------------------ the file */

/* Off the main thread: nothing of logd but its own struct is touched. */
static void
hash_file(void *arg)
{
	struct snap_take *local = arg;
	uint8_t *piece = malloc(PIECE_SIZE);
	int fd = open(local->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct seal_stream stream;
	struct stat st;
	ssize_t got = 0;
	bool good = piece && fd >= 0 && fstat(fd, &st) == 0;
	if (good && !S_ISREG(st.st_mode)) {
		errno = EINVAL;
		good = false;
	}
	seal_stream_begin(&stream);
	while (good && (got = read(fd, piece, PIECE_SIZE)) > 0) {
		seal_stream_add(&stream, piece, (size_t)got);
		local->size += (uint64_t)got;
	}
	good = good && got == 0 && fsync(fd) == 0;
	local->error = good ? 0 : errno ? errno : EIO;
	local->hash = seal_stream_end(&stream);
	if (fd >= 0)
		close(fd);
	free(piece);
}

static void
on_hashed(void *arg)
{
	struct snap_take *local = arg;
	struct logd *logd = local->logd;
	char why[WHY_SIZE];
	if (local->error != 0) {
		snprintf(why, sizeof why, "%.300s: %s", local->path, strerror(local->error));
		snap_take_finish(logd, why);
		return;
	}
	local->hashed = true;
	logd_turn_again(logd);
}

/* ------------------------------------------------------------- the table */

/* From the snapshot before it, or from nothing. False: the log does not reach back so far. */
static bool
table_begin(struct logd *logd, struct snap_take *local)
{
	const struct snapshot *newest = logd->snapshots.newest;
	local->table = newest ? snapshot_sessions(&newest->head) : raft_sessions_new();
	must(local->table != NULL);
	local->table_index = newest ? newest->head.pos.index : 0;
	return local->table_index >= logd->rlog.before.pos.index;
}

static void
table_slice(struct logd *logd, struct snap_take *local)
{
	struct verify_limits limits = {local->index, SLICE_COUNT, SLICE_SIZE};
	struct wire_buf out = {0};
	size_t count = verify_read(logd, local->table_index + 1, limits, &out);
	for (size_t at = 0; count > 0; count--) {
		struct raft_entry entry;
		must(raft_entry_decode(&entry, NULL, out.bytes + at, out.size - at));
		sessions_apply_to(local->table, ++local->table_index, &entry);
		at += entry.size;
	}
	wire_buf_free(&out);
}

static bool
snap_take_put_session(const struct raft_session *session, void *arg)
{
	wire_session_put(arg, session);
	return true;
}

/* -------------------------------------------------------------- the row */

static struct snapshot *
snap_take_make(struct logd *logd, const struct snap_take *local, const char *file)
{
	const struct index_config *config =
	    &logd->rlog.configs[index_config_at(&logd->rlog, local->index)];
	struct wire_buf sessions = {0}, bytes = {0};
	struct snapshot_head head = {
	    .pos = {local->index, index_term_at(&logd->rlog, local->index)},
	    .cluster = logd->origin.cluster,
	    .name = wire_text(logd->origin.name),
	    .format = wire_text(local->cut ? "" : local->format),
	    .file_size = local->size,
	    .file_hash = local->hash,
	    .config = {config->bytes, config->size},
	    .level = index_level_at(&logd->rlog, local->index),
	    .contract = *index_contract_at(&logd->rlog, local->index),
	};
	if (local->cut)
		head.file_hash = seal_hash(NULL, 0);
	verify_row_at(logd, local->index, &head.chain, &head.time);
	raft_sessions_each(local->table, snap_take_put_session, &sessions);
	head.sessions = (struct wire_bytes){
	    sessions.bytes ? sessions.bytes : (const uint8_t *)"", sessions.size};
	snapshot_head_put(&bytes, &head);
	wire_buf_free(&sessions);
	struct snapshot *snapshot = snapshot_new(logd, &bytes, file);
	must(snapshot != NULL);
	return snapshot;
}

/* Its own name, durably, before any row says it. */
static bool
snap_take_give_name(const struct snap_take *local, const struct snapshot *snapshot)
{
	return local->cut || file_rename(local->path, snapshot->path);
}

static bool
store_row(struct logd *logd, const struct snapshot *snapshot)
{
	struct db_state state = logd->state;
	db_begin(logd->db);
	snapshot_put(logd, snapshot);
	return txn_commit(logd, &state, &logd->rlog.last);
}

static void
snap_take_store(struct logd *logd, const struct snap_take *local)
{
	char file[SNAPSHOT_FILE_SIZE] = "", why[WHY_SIZE];
	if (!local->cut)
		snapshot_name(file,
		    (struct raft_pos){local->index, index_term_at(&logd->rlog, local->index)});
	struct snapshot *snapshot = snap_take_make(logd, local, file);
	bool named = snap_take_give_name(local, snapshot);
	if (!named || !store_row(logd, snapshot)) {
		snprintf(why, sizeof why, "%.300s: %s", snapshot->path,
		    named ? "the disk is full" : strerror(errno));
		snapshot->superseded = true;
		snapshot_unref(snapshot);
		snap_take_finish(logd, why);
		return;
	}
	log_info("snapshot", "index=%" PRIu64 " bytes=%" PRIu64 " format=%s", local->index,
	    local->size, log_q(local->cut ? "" : local->format));
	snapshots_take(logd, snapshot);
	snap_take_finish(logd, NULL);
}

void
snap_take_turn(struct logd *logd)
{
	struct snap_take *local = logd->snapshots.local;
	if (local == NULL || !local->hashed)
		return;
	const struct snapshot *newest = logd->snapshots.newest;
	if (newest && newest->head.pos.index >= local->index) {
		snap_take_finish(logd, "a newer snapshot has come from the leader meanwhile");
		return;
	}
	if (local->table == NULL && !table_begin(logd, local)) {
		snap_take_finish(logd, "the snapshot that the log begins with is lost, so no "
				       "session table can be made");
		return;
	}
	if (local->table_index < local->index)
		table_slice(logd, local);
	if (local->table_index == local->index)
		snap_take_store(logd, local);
	else
		logd_turn_again(logd);
}

/* ------------------------------------------------------------ requests */

bool
snap_take_path(struct logd *logd, struct logd_client *client, const struct msg_snap_path *m)
{
	char path[SNAPSHOT_PATH_SIZE + 64];
	/* It may have been deleted; where it cannot be made, the writer gets the error. */
	snapshots_folder(logd);
	snprintf(path, sizeof path, "%s/new-%016" PRIx64 "-%" PRIu64, logd->snapshots.folder,
	    logd->start_number, ++logd->snapshots.paths);
	msg_snap_path_reply_put(conn_out(client->base.conn),
	    &(struct msg_snap_path_reply){m->request, wire_text(path)});
	return true;
}

/* One of those that snap_take_path has given out. */
static bool
take_path(const struct logd *logd, char *out, struct wire_bytes path)
{
	size_t folder = strlen(logd->snapshots.folder);
	if (path.size >= SNAPSHOT_PATH_SIZE || memchr(path.bytes, '\0', path.size))
		return false;
	memcpy(out, path.bytes, path.size);
	out[path.size] = '\0';
	return strncmp(out, logd->snapshots.folder, folder) == 0 &&
	       strncmp(out + folder, "/new-", 5) == 0 && strchr(out + folder + 1, '/') == NULL;
}

static const char *
snap_take_refuse(const struct logd *logd, const struct msg_snap_add *m)
{
	const struct snapshot *newest = logd->snapshots.newest;
	if (logd->snapshots.local)
		return "another snapshot is being taken";
	if (m->index == 0 || m->index > logd->rlog.commit.index)
		return "its index is not committed here";
	if (newest && m->index <= newest->head.pos.index)
		return "there is one of that index or a later one";
	if (m->format.size == 0 || m->format.size > SNAPSHOT_TEXT_MAX ||
	    memchr(m->format.bytes, '\0', m->format.size))
		return "the name of its format has 1 to 255 bytes";
	return NULL;
}

static struct snap_take *
snap_take_begin(struct logd *logd, uint64_t index)
{
	struct snap_take *local = calloc(1, sizeof *local);
	must(local != NULL);
	local->logd = logd;
	local->index = index;
	logd->snapshots.local = local;
	return local;
}

bool
snap_take_add(struct logd *logd, struct logd_client *client, const struct msg_snap_add *m)
{
	char path[SNAPSHOT_PATH_SIZE];
	if (!take_path(logd, path, m->path)) {
		snap_take_answer(
		    logd, client, m->request, "its path is not one that raft-logd has given out");
		return true;
	}
	const char *why = snap_take_refuse(logd, m);
	if (why) {
		unlink(path);
		snap_take_answer(logd, client, m->request, why);
		return true;
	}
	struct snap_take *local = snap_take_begin(logd, m->index);
	local->client = client;
	local->request = m->request;
	memcpy(local->path, path, sizeof local->path);
	memcpy(local->format, m->format.bytes, m->format.size);
	job_start(logd->daemon.loop, hash_file, on_hashed, local, true);
	return true;
}

void
snap_take_forget(struct logd *logd, const struct logd_client *client)
{
	if (logd->snapshots.local && logd->snapshots.local->client == client)
		logd->snapshots.local->client = NULL;
}

void
snap_take_cut(struct logd *logd, uint64_t index)
{
	if (logd->snapshots.local)
		return;
	struct snap_take *local = snap_take_begin(logd, index);
	local->cut = true;
	local->hashed = true;
	logd_turn_again(logd);
}
