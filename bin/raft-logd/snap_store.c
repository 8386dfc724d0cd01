/* SPDX-License-Identifier: ISC */
/* Pieces of a leader's snapshot: gathered, checked, synced. */
#include "snap_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "local/changes.h"
#include "unix/file.h"
#include "unix/job.h"
#include "logd.h"

struct snap_store {
	struct logd *logd;
	struct logd_client *client; /* who waits for the answer to the last piece; NULL: nobody */
	uint64_t request;
	struct raft_pos pos;
	uint64_t size;
	struct raft_hash hash;
	uint64_t got;
	struct wire_buf head;          /* while it comes */
	struct snapshot *snapshot;     /* once the head has come */
	char path[SNAPSHOT_PATH_SIZE]; /* of the file while it comes */
	int fd;
	struct seal_stream stream;
	bool syncing;
	int error; /* of the work */
	bool complete;
};

static void
snap_store_answer(
    struct logd_client *client, uint64_t request, enum wire_snap_state state, uint64_t offset)
{
	struct msg_snap_taken m = {.request = request, .state = (uint8_t)state, .offset = offset};
	if (client)
		msg_snap_taken_put(conn_out(client->base.conn), &m);
}

static void
put_contract(struct wire_buf *out, const struct raft_contract_at *at)
{
	uint8_t bytes[RAFT_CONTRACT_SIZE_MAX];
	struct msg_snap_contract m = {
	    .index = at->index, .contract = {bytes, raft_contract_encode(&at->contract, bytes)}};
	msg_snap_contract_put(out, &m);
}

static void
answer_complete(struct logd_client *client, uint64_t request, const struct snapshot *snapshot)
{
	const struct snapshot_head *head = &snapshot->head;
	struct msg_snap_ready m = {
	    .pos = head->pos,
	    .config_size = (uint32_t)head->config.size,
	    .records = {NULL, head->config.size + head->sessions.size},
	};
	if (client == NULL)
		return;
	struct wire_buf *out = conn_out(client->base.conn);
	if (head->level > 1)
		msg_snap_level_put(out, &(struct msg_snap_level){head->level, head->time});
	if (head->contract.index > 0)
		put_contract(out, &head->contract);
	msg_snap_ready_put(out, &m);
	wire_buf_put(out, head->config.bytes, head->config.size);
	wire_buf_put(out, head->sessions.bytes, head->sessions.size);
	snap_store_answer(client, request, WIRE_SNAP_COMPLETE, 0);
}

void
snap_store_drop(struct logd *logd)
{
	struct snap_store *in = logd->snapshots.incoming;
	if (in == NULL || in->syncing)
		return;
	logd->snapshots.incoming = NULL;
	if (in->fd >= 0)
		close(in->fd);
	if (!in->complete)
		unlink(in->path);
	/* Unless it was installed, or one of the own program at that index has taken its name, no
	 * row names its file. */
	const struct snapshot *newest = logd->snapshots.newest;
	if (in->snapshot && in->snapshot != newest &&
	    (newest == NULL || strcmp(in->snapshot->file, newest->file) != 0))
		in->snapshot->superseded = true;
	snapshot_unref(in->snapshot);
	wire_buf_free(&in->head);
	free(in);
}

static void
snap_store_give_up(struct logd *logd, const char *why)
{
	struct snap_store *in = logd->snapshots.incoming;
	log_warn("incoming", "index=%" PRIu64 " got=%" PRIu64 " of=%" PRIu64 " why=%s",
	    in->pos.index, in->got, in->size, log_q(why));
	changes_put(logd->server, "snapshot", "", why,
	    "state=failed index=%" PRIu64 " bytes=%" PRIu64, in->pos.index, in->size);
	snap_store_answer(in->client, in->request, WIRE_SNAP_DAMAGED, 0);
	snap_store_drop(logd);
}

/* -------------------------------------------------------------- the end */

static void
sync_file(void *arg)
{
	struct snap_store *in = arg;
	in->error = in->fd >= 0 && fsync(in->fd) < 0 ? errno : 0;
}

/* Its own name, durably: a row may name it from now on. */
static bool
snap_store_give_name(const struct snap_store *in)
{
	return in->fd < 0 || file_rename(in->path, in->snapshot->path);
}

static void
on_synced(void *arg)
{
	struct snap_store *in = arg;
	struct logd *logd = in->logd;
	in->syncing = false;
	if (in->error != 0 || !snap_store_give_name(in)) {
		snap_store_give_up(logd, "its file cannot be made durable");
		return;
	}
	in->complete = true;
	log_info("incoming", "index=%" PRIu64 " bytes=%" PRIu64 " why=%s", in->pos.index, in->size,
	    log_q("a whole snapshot has come from the leader"));
	answer_complete(in->client, in->request, in->snapshot);
	in->client = NULL;
}

/* NULL: it is what it should be, and is being synced. */
static const char *
snap_store_end(struct logd *logd, struct snap_store *in)
{
	if (in->snapshot == NULL)
		return "it is shorter than its head";
	struct raft_hash hash = seal_stream_end(&in->stream);
	if (!raft_hash_equal(&hash, &in->snapshot->head.file_hash))
		return "its file does not fit the hash in its head";
	in->syncing = true;
	job_start(logd->daemon.loop, sync_file, on_synced, in, true);
	return NULL;
}

/* ------------------------------------------------------------- the head */

static const char *
head_wrong(const struct logd *logd, const struct snap_store *in)
{
	const struct snapshot *s = in->snapshot;
	if (!raft_hash_equal(&s->hash, &in->hash))
		return "its head does not fit the hash";
	if (!raft_hash_equal(&s->head.cluster, &logd->origin.cluster))
		return "it is of another cluster";
	if (s->head.pos.index != in->pos.index || s->head.pos.term != in->pos.term ||
	    snapshot_stream_size(s) != in->size)
		return "its head contradicts what was said of it";
	return NULL;
}

static const char *
head_come(struct logd *logd, struct snap_store *in)
{
	char file[SNAPSHOT_FILE_SIZE] = "";
	struct snapshot_head head;
	if (snapshot_head_newer(in->head.bytes, in->head.size))
		daemon_die(EXIT_CONFIG,
		    "the snapshot of index %" PRIu64 " from the leader: " SNAPSHOT_NEWER,
		    in->pos.index);
	if (!snapshot_head_get(&head, in->head.bytes, in->head.size))
		return "its head is malformed";
	if (head.file_size > 0 || head.format.size > 0)
		snapshot_name(file, in->pos);
	in->snapshot = snapshot_new(logd, &in->head, file);
	must(in->snapshot != NULL);
	const char *wrong = head_wrong(logd, in);
	if (wrong)
		return wrong;
	seal_stream_begin(&in->stream);
	if (file[0] == '\0')
		return NULL;
	snapshots_folder(logd);
	in->fd = open(in->path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	return in->fd < 0 ? "its file cannot be made" : NULL;
}

/* Takes of the bytes what belongs to the head. */
static const char *
snap_store_take_head(struct logd *logd, struct snap_store *in, struct wire_bytes *data)
{
	while (in->snapshot == NULL && data->size > 0) {
		size_t wanted = SNAPSHOT_PREFIX_SIZE;
		if (in->head.size >= SNAPSHOT_PREFIX_SIZE)
			wanted = snapshot_head_size(in->head.bytes);
		if (wanted == 0)
			return "it does not begin as a snapshot does";
		size_t size =
		    wanted - in->head.size < data->size ? wanted - in->head.size : data->size;
		wire_buf_put(&in->head, data->bytes, size);
		data->bytes += size;
		data->size -= size;
		if (in->head.size < wanted || wanted == SNAPSHOT_PREFIX_SIZE)
			continue;
		const char *wrong = head_come(logd, in);
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* ------------------------------------------------------------ the pieces */

static const char *
take_file(struct snap_store *in, struct wire_bytes data)
{
	uint64_t at = in->got - in->snapshot->bytes.size;
	seal_stream_add(&in->stream, data.bytes, data.size);
	while (data.size > 0) {
		ssize_t put = pwrite(in->fd, data.bytes, data.size, (off_t)at);
		if (put <= 0)
			return put < 0 ? strerror(errno) : "its file cannot be written";
		at += (uint64_t)put;
		data.bytes += put;
		data.size -= (size_t)put;
	}
	return NULL;
}

static const char *
take_piece(struct logd *logd, struct snap_store *in, struct wire_bytes data)
{
	uint64_t after = in->got + data.size;
	size_t whole = data.size;
	if (after > in->size)
		return "it is longer than what was said of it";
	const char *wrong = snap_store_take_head(logd, in, &data);
	in->got += whole - data.size;
	if (wrong == NULL && data.size > 0)
		wrong = in->fd < 0 ? "it is longer than its head says" : take_file(in, data);
	in->got = after;
	if (wrong == NULL && in->got == in->size)
		wrong = snap_store_end(logd, in);
	return wrong;
}

static struct snap_store *
snap_store_begin(struct logd *logd, const struct msg_snap_put *m)
{
	struct snap_store *in = calloc(1, sizeof *in);
	must(in != NULL);
	in->logd = logd;
	in->pos = m->pos;
	in->size = m->size;
	in->hash = m->hash;
	in->fd = -1;
	snprintf(in->path, sizeof in->path, "%.600s/incoming", logd->snapshots.folder);
	logd->snapshots.incoming = in;
	return in;
}

static bool
snap_store_is_same(const struct snap_store *in, const struct msg_snap_put *m)
{
	return in->pos.index == m->pos.index && in->pos.term == m->pos.term &&
	       in->size == m->size && raft_hash_equal(&in->hash, &m->hash);
}

bool
snap_store_piece(struct logd *logd, struct logd_client *client, const struct msg_snap_put *m)
{
	struct snap_store *in = logd->snapshots.incoming;
	if (m->start != logd->elector.start)
		return true;
	if (m->pos.index <= logd->rlog.commit.index) {
		snap_store_answer(client, m->request, WIRE_SNAP_UNWANTED, 0);
		return true;
	}
	if (in && !snap_store_is_same(in, m)) {
		snap_store_drop(logd);
		in = logd->snapshots.incoming;
	}
	if (in == NULL)
		in = snap_store_begin(logd, m);
	if (!snap_store_is_same(in, m) || in->syncing) {
		/* The one before is just being finished: the same piece again, please. */
		snap_store_answer(client, m->request, WIRE_SNAP_MORE,
		    snap_store_is_same(in, m) ? in->got : m->offset);
		return true;
	}
	in->client = client;
	in->request = m->request;
	if (in->complete) {
		answer_complete(client, m->request, in->snapshot);
		return true;
	}
	const char *wrong =
	    m->data.size > 0 && m->offset == in->got ? take_piece(logd, in, m->data) : NULL;
	if (wrong)
		snap_store_give_up(logd, wrong);
	else if (!in->syncing)
		snap_store_answer(client, m->request, WIRE_SNAP_MORE, in->got);
	return true;
}

void
snap_store_forget(struct logd *logd, const struct logd_client *client)
{
	struct snap_store *in = logd->snapshots.incoming;
	if (in && in->client == client)
		in->client = NULL;
}

struct snapshot *
snap_store_ready(const struct logd *logd, uint64_t index)
{
	const struct snap_store *in = logd->snapshots.incoming;
	return in && in->complete && in->pos.index == index ? in->snapshot : NULL;
}
