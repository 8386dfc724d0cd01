/* SPDX-License-Identifier: ISC */
/* The newest snapshot: loading, serving, letting go. */
#include "snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unix/file.h"
#include "txn.h"
#include "snap_take.h"
#include "logd.h"
#include "rescue.h"

enum { PIECE_MAX = 1 << 20 };

/* ------------------------------------------------------------- objects */

void
snapshot_name(char file[SNAPSHOT_FILE_SIZE], struct raft_pos pos)
{
	snprintf(
	    file, SNAPSHOT_FILE_SIZE, "%020" PRIu64 "-%" PRIu64 ".snapshot", pos.index, pos.term);
}

struct snapshot *
snapshot_new(const struct logd *logd, struct wire_buf *bytes, const char *file)
{
	struct snapshot *s = calloc(1, sizeof *s);
	must(s != NULL);
	s->refs = 1;
	s->fd = -1;
	s->bytes = *bytes;
	*bytes = (struct wire_buf){0};
	snprintf(s->file, sizeof s->file, "%s", file);
	bool named = (size_t)snprintf(s->path, sizeof s->path, "%s/%s", logd->snapshots.folder,
			 file) < sizeof s->path;
	s->hash = seal_hash(&(struct seal_part){s->bytes.bytes, s->bytes.size}, 1);
	if (named && snapshot_head_get(&s->head, s->bytes.bytes, s->bytes.size))
		return s;
	snapshot_unref(s);
	return NULL;
}

struct snapshot *
snapshot_ref(struct snapshot *snapshot)
{
	snapshot->refs++;
	return snapshot;
}

void
snapshot_unref(struct snapshot *snapshot)
{
	if (snapshot == NULL || --snapshot->refs > 0)
		return;
	if (snapshot->fd >= 0)
		close(snapshot->fd);
	/* Left behind, it is removed by the next start. */
	if (snapshot->superseded && snapshot->file[0])
		unlink(snapshot->path);
	wire_buf_free(&snapshot->bytes);
	free(snapshot);
}

uint64_t
snapshot_stream_size(const struct snapshot *snapshot)
{
	return snapshot->bytes.size + snapshot->head.file_size;
}

void
snapshot_put(struct logd *logd, const struct snapshot *snapshot)
{
	char format[SNAPSHOT_TEXT_MAX + 1];
	snprintf(format, sizeof format, "%.*s", (int)snapshot->head.format.size,
	    (const char *)snapshot->head.format.bytes);
	struct db_snapshot row = {
	    .pos = snapshot->head.pos,
	    .format = format,
	    .file = snapshot->file,
	    .size = snapshot->head.file_size,
	    .head = snapshot->bytes.bytes,
	    .head_size = snapshot->bytes.size,
	};
	db_snapshot_put(logd->db, &row);
}

static bool
snapshot_put_session(const struct raft_session *session, void *arg)
{
	db_session_put(arg, session);
	return true;
}

void
snapshot_put_beginning(struct logd *logd, const struct snapshot *snapshot)
{
	const struct snapshot_head *head = &snapshot->head;
	struct db_before before = {.place = {head->pos, head->chain},
	    .level = head->level,
	    .time = head->time,
	    .contract = head->contract};
	struct raft_sessions *table = snapshot_sessions(head);
	must(table != NULL);
	raft_sessions_each(table, snapshot_put_session, logd->db);
	raft_sessions_free(table);
	snapshot_put(logd, snapshot);
	before.config = seal_hash(&(struct seal_part){head->config.bytes, head->config.size}, 1);
	db_before_put(logd->db, &before);
}

void
snapshots_take(struct logd *logd, struct snapshot *snapshot)
{
	struct snapshot *old = logd->snapshots.newest;
	if (old)
		old->superseded = true;
	snapshot->superseded = false;
	logd->snapshots.newest = snapshot;
	snapshot_unref(old);
}

/* ------------------------------------------------------------- loading */

static bool
snapshot_open_file(struct snapshot *s)
{
	if (s->file[0] == '\0' || s->fd >= 0)
		return true;
	s->fd = open(s->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return s->fd >= 0;
}

bool
snapshot_intact(const struct snapshot *s)
{
	struct stat st, held;
	if (s->file[0] == '\0')
		return true;
	if (lstat(s->path, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != s->head.file_size)
		return false;
	return s->fd < 0 ||
	       (fstat(s->fd, &held) == 0 && held.st_dev == st.st_dev && held.st_ino == st.st_ino);
}

void
snapshots_look(struct logd *logd)
{
	const struct snapshot *newest = logd->snapshots.newest;
	bool lost = newest && !snapshot_intact(newest);
	if (lost && !logd->snapshots.lost)
		log_error("snapshot", "file=%s why=%s", log_q(newest->path),
		    log_q("the file was deleted or changed: put it back, or take a new snapshot "
			  "before this node is restarted"));
	logd->snapshots.lost = lost;
}

/* NULL: it is as its head says. */
static const char *
file_wrong(struct snapshot *s)
{
	static uint8_t piece[PIECE_MAX];
	struct seal_stream stream;
	uint64_t size = 0;
	ssize_t got;
	/* A shortage says nothing of the file. */
	if (!snapshot_open_file(s) && exit_of_errno(errno) == EXIT_OS)
		daemon_die(EXIT_OS, "%s: cannot open the snapshot: %s", s->path, strerror(errno));
	if (!snapshot_open_file(s))
		return strerror(errno);
	if (s->fd < 0)
		return NULL;
	seal_stream_begin(&stream);
	while ((got = pread(s->fd, piece, sizeof piece, (off_t)size)) > 0) {
		seal_stream_add(&stream, piece, (size_t)got);
		size += (uint64_t)got;
	}
	if (got < 0)
		return strerror(errno);
	struct raft_hash hash = seal_stream_end(&stream);
	return size == s->head.file_size && raft_hash_equal(&hash, &s->head.file_hash)
		   ? NULL
		   : "its content is not what was written";
}

/* Kept under another name for who wants to look at it. */
static void
snapshot_quarantine(struct snapshot *s)
{
	char path[SNAPSHOT_PATH_SIZE + 16];
	snprintf(path, sizeof path, "%s.damaged", s->path);
	rename(s->path, path);
}

static bool
is_named(const struct logd *logd, const char *name)
{
	const struct snapshot *newest = logd->snapshots.newest;
	size_t size = strlen(name);
	return (newest && strcmp(name, newest->file) == 0) || strcmp(name, RESTORE_HEAD) == 0 ||
	       (size > 8 && strcmp(name + size - 8, ".damaged") == 0);
}

/* Files that were not complete when their writer or raft-logd ended, or that a reader still held.
 */
static void
remove_unnamed(const struct logd *logd)
{
	DIR *folder = opendir(logd->snapshots.folder);
	for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
		if (entry->d_name[0] == '.' || is_named(logd, entry->d_name))
			continue;
		if (unlinkat(dirfd(folder), entry->d_name, 0) == 0)
			log_info("snapshot", "removed=%s why=%s", log_q(entry->d_name),
			    log_q("it was not complete, or no longer the newest"));
	}
	if (folder)
		closedir(folder);
}

bool
snapshots_folder(const struct logd *logd)
{
	return mkdir(logd->snapshots.folder, 0700) == 0 || errno == EEXIST;
}

static void
make_folder(struct logd *logd)
{
	const char *data = logd->daemon.conf->node.data;
	struct snapshots *s = &logd->snapshots;
	if ((size_t)snprintf(s->folder, sizeof s->folder, "%s/snapshots", data) >= sizeof s->folder)
		daemon_die(
		    EXIT_CONFIG, "%.128s...: the path of the data directory is too long", data);
	if (!snapshots_folder(logd))
		daemon_die(exit_of_errno(errno), "%s: cannot make the folder: %s", s->folder,
		    strerror(errno));
	if (!file_sync_folder(data))
		daemon_die(
		    exit_of_errno(errno), "%s: cannot sync the folder: %s", data, strerror(errno));
}

/* The row, and whether its file is good.  Sets why when something is lost. */
static struct snapshot *
load_newest(struct logd *logd, const char **why)
{
	struct wire_buf head = {0};
	char file[SNAPSHOT_FILE_SIZE] = "";
	enum db_result result = db_snapshot_get(logd->db, &head, file);
	if (result == DB_OK && snapshot_head_newer(head.bytes, head.size))
		daemon_die(EXIT_CONFIG, "%s/%s: " SNAPSHOT_NEWER, logd->snapshots.folder, file);
	struct snapshot *s = result == DB_OK ? snapshot_new(logd, &head, file) : NULL;
	wire_buf_free(&head);
	if (result == DB_END)
		return NULL;
	*why = s ? file_wrong(s) : "its row in the database is damaged";
	if (*why == NULL)
		return s;
	log_error("snapshot", "file=%s why=%s", log_q(file), log_q(*why));
	if (s)
		snapshot_quarantine(s);
	snapshot_unref(s);
	return NULL;
}

/*
 * The log's beginning was cut because the snapshot stood for it: without it nobody can be served,
 * nor the own program.  So the whole log is given up, as after any loss, and comes back from the
 * leader.
 */
static void
lose_beginning(struct logd *logd, const char *why)
{
	struct log_index *rlog = &logd->rlog;
	size_t at = index_config_at(rlog, rlog->last.pos.index);
	struct db_before before = {.place.chain = logd->origin.cluster, .level = 1};
	struct raft_config config;
	must(raft_config_decode(&config, rlog->configs[at].bytes, rlog->configs[at].size));
	if (raft_config_voters(&config) == 1 && raft_config_find(&config, &logd->identity.node))
		daemon_die(EXIT_CONFIG,
		    "%s: the snapshot that the log begins with is lost: %s; no other voter has it: "
		    "restore the data directory from a backup",
		    logd->snapshots.folder, why);
	txn_reset_log(logd, &before, &rlog->configs[at]);
	log_warn("recovering", "why=%s",
	    log_q(
		"the snapshot that the log begins with is lost: all comes again from the leader"));
	index_begin(rlog, &before.place, before.level, before.time, &before.contract, at);
	rlog->commit = before.place.pos;
}

void
snapshots_load(struct logd *logd)
{
	const char *why = NULL;
	make_folder(logd);
	logd->snapshots.newest = load_newest(logd, &why);
	if (why && logd->rlog.before.pos.index > 0)
		lose_beginning(logd, why);
	remove_unnamed(logd);
}

/* ------------------------------------------------------------- serving */

uint64_t
snapshots_pinned(const struct logd *logd)
{
	uint64_t least = UINT64_MAX;
	for (const struct logd_client *client = NULL; (client = serve_next(logd, client));)
		if (client->opened && client->opened->head.pos.index < least)
			least = client->opened->head.pos.index;
	return least;
}

void
snapshots_forget(struct logd *logd, struct logd_client *client)
{
	snapshot_unref(client->opened);
	client->opened = NULL;
	snap_take_forget(logd, client);
}

/* The newest one, kept for the connection. */
static struct snapshot *
snapshot_reopen(struct logd *logd, struct logd_client *client)
{
	struct snapshot *newest = logd->snapshots.newest;
	snapshot_unref(client->opened);
	client->opened = newest && snapshot_open_file(newest) ? snapshot_ref(newest) : NULL;
	return client->opened;
}

bool
snapshots_take_open(struct logd *logd, struct logd_client *client, const struct msg_snap_open *m)
{
	const struct snapshot *s = snapshot_reopen(logd, client);
	struct msg_snap_opened reply = {.request = m->request, .found = s != NULL};
	if (s) {
		reply.pos = s->head.pos;
		reply.size = snapshot_stream_size(s);
		reply.hash = s->hash;
	}
	msg_snap_opened_put(conn_out(client->base.conn), &reply);
	return true;
}

/* Bytes of the stream from offset on; less at the end, 0 when the file cannot be read. */
static size_t
read_stream(const struct snapshot *s, uint64_t offset, uint8_t *out, size_t size)
{
	size_t got = 0;
	if (offset < s->bytes.size) {
		got = s->bytes.size - (size_t)offset < size ? s->bytes.size - (size_t)offset : size;
		memcpy(out, s->bytes.bytes + offset, got);
	}
	while (got < size && s->fd >= 0) {
		ssize_t more =
		    pread(s->fd, out + got, size - got, (off_t)(offset + got - s->bytes.size));
		if (more <= 0)
			break;
		got += (size_t)more;
	}
	return got;
}

bool
snapshots_take_read(struct logd *logd, struct logd_client *client, const struct msg_snap_read *m)
{
	static uint8_t piece[PIECE_MAX];
	(void)logd;
	if (m->size_max == 0) {
		snapshot_unref(client->opened);
		client->opened = NULL;
	}
	const struct snapshot *s = client->opened;
	size_t wanted = m->size_max < PIECE_MAX ? m->size_max : PIECE_MAX, got = 0;
	if (s && m->offset < snapshot_stream_size(s)) {
		uint64_t left = snapshot_stream_size(s) - m->offset;
		got = read_stream(s, m->offset, piece, left < wanted ? (size_t)left : wanted);
	}
	struct msg_snap_data reply = {
	    .request = m->request, .offset = m->offset, .data = {piece, got}};
	msg_snap_data_put(conn_out(client->base.conn), &reply);
	return true;
}

bool
snapshots_take_find(struct logd *logd, struct logd_client *client, const struct msg_snap_find *m)
{
	const struct snapshot *s = snapshot_reopen(logd, client);
	struct msg_snap_found reply = {.request = m->request,
	    .found = s != NULL,
	    .format = wire_text(""),
	    .path = wire_text("")};
	if (s) {
		reply.pos = s->head.pos;
		reply.size = s->head.file_size;
		reply.format = s->head.format;
		reply.path = wire_text(s->file[0] ? s->path : "");
	}
	msg_snap_found_put(conn_out(client->base.conn), &reply);
	return true;
}
