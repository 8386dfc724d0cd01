/* SPDX-License-Identifier: ISC */
/* A log that begins where another cluster's snapshot stood. */
#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logd.h"

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
		snprintf(file, sizeof file, "%020llu-%llu.snapshot",
		    (unsigned long long)head.pos.index, (unsigned long long)head.pos.term);
	struct snapshot *snapshot = snapshot_new(logd, &out, file);
	must(snapshot != NULL);
	return snapshot;
}

bool
restore_first(struct logd *logd, const struct db_origin *origin, const struct raft_config *config,
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
	log_info("restore", "index=%llu term=%llu bytes=%llu",
	    (unsigned long long)snapshot->head.pos.index,
	    (unsigned long long)snapshot->head.pos.term,
	    (unsigned long long)snapshot->head.file_size);
	snapshot_unref(snapshot);
	wire_buf_free(&old);
	return true;
}

void
restore_done(struct logd *logd)
{
	char path[SNAPSHOT_PATH_SIZE];
	restore_path_of(logd, path);
	unlink(path);
}
