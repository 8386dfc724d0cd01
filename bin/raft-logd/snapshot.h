/* SPDX-License-Identifier: ISC */
/*
 * Snapshots (chapter 5): the newest one, who reads it, and what becomes of new ones.
 *
 * A snapshot's file lies in data/snapshots under a name of its own, whole and synced before the row
 * that names it is written (snap_take.c, snap_store.c).  Who has opened one keeps it: its file
 * stays until the last of them has let go, also when there is a newer one.
 */
#ifndef LOGD_SNAPSHOT_H
#define LOGD_SNAPSHOT_H

#include "seal/seal.h"
#include "seal/snapshot.h"

struct logd;
struct logd_client;
struct snap_take;
struct snap_store;

enum { SNAPSHOT_PATH_SIZE = 640, SNAPSHOT_FILE_SIZE = 64 };

struct snapshot {
	unsigned refs;
	struct wire_buf bytes;         /* the head, whole */
	struct snapshot_head head;     /* points into it */
	struct raft_hash hash;         /* of the head: it stands for the stream */
	char file[SNAPSHOT_FILE_SIZE]; /* in data/snapshots; "": it has none */
	char path[SNAPSHOT_PATH_SIZE];
	int fd;          /* of the file; -1: none, or not open */
	bool superseded; /* the file goes with the last reference */
};

struct snapshots {
	struct snapshot *newest; /* NULL: none */
	char folder[SNAPSHOT_PATH_SIZE];
	struct snap_take *local; /* a new one of this node's program; NULL: none is being taken */
	struct snap_store *incoming; /* one from another node; NULL: none */
	uint64_t paths;              /* given out */
	uint64_t compacted;          /* entries, since the start */
	bool warned;                 /* that `keep` cuts the log */
	bool lost;                   /* reported: the file of the newest one is not there */
};

/* The folder, where there is none. False: see errno. */
bool snapshots_folder(const struct logd *logd);
/* Makes the folder, loads the newest one and looks at its file, removes what nobody names. */
void snapshots_load(struct logd *logd);
/* The name that the file of a snapshot of this place has. */
void snapshot_name(char file[SNAPSHOT_FILE_SIZE], struct raft_pos pos);
/* Takes the bytes of a head over.  NULL when they are none. */
struct snapshot *snapshot_new(const struct logd *logd, struct wire_buf *bytes, const char *file);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
/* Takes NULL. */
void snapshot_unref(struct snapshot *snapshot);
/* Within a transaction: the row. */
void snapshot_put(struct logd *logd, const struct snapshot *snapshot);
/* The same, and the log begins with it: the place before the first entry, and the sessions there.
 */
void snapshot_put_beginning(struct logd *logd, const struct snapshot *snapshot);
/* It is in the database: the newest one from now on.  Takes the reference over. */
void snapshots_take(struct logd *logd, struct snapshot *snapshot);
/*
 * False: its file was deleted, replaced or changed since; what it stands for must stay in the log.
 */
bool snapshot_intact(const struct snapshot *snapshot);
/* Once a second: a file that is lost is reported, once. */
void snapshots_look(struct logd *logd);
/* The total size of the stream. */
uint64_t snapshot_stream_size(const struct snapshot *snapshot);
/* The lowest place that an opened snapshot stands for; UINT64_MAX: none is open. */
uint64_t snapshots_pinned(const struct logd *logd);

/* Requests; false: malformed. */
bool snapshots_take_open(
    struct logd *logd, struct logd_client *client, const struct msg_snap_open *m);
bool snapshots_take_read(
    struct logd *logd, struct logd_client *client, const struct msg_snap_read *m);
bool snapshots_take_find(
    struct logd *logd, struct logd_client *client, const struct msg_snap_find *m);
/* The connection ends. */
void snapshots_forget(struct logd *logd, struct logd_client *client);

#endif
