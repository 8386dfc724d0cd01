/* SPDX-License-Identifier: ISC */
/*
 * raft-init --restore: a new cluster begins with a snapshot of another one.
 *
 * The stream that `raft-ctl snapshot -o` wrote is checked whole, and split into the data directory:
 * snapshots/restore.head, and the file under the name that raft-logd gives it.  raft-logd does
 * the rest at its first start.
 */
#ifndef INIT_RESTORE_H
#define INIT_RESTORE_H

#include "prog/progress.h"
#include "seal/snapshot.h"
#include "unix/exit.h"

struct restore {
	const char *path; /* or "standard input" */
	int fd;
	struct wire_buf bytes; /* the head */
	struct snapshot_head head;
	enum exit_status status; /* why it is not opened */
	struct progress *progress;
};

/*
 * Opens and checks it.  path "-": standard input.  What cannot be read twice, as a pipe, is kept
 * meanwhile in a file without a name on the disk of folder, an absolute path which need not exist.
 * False with one sentence in why.
 */
bool restore_open(struct restore *restore, const char *path, const char *folder, char *why);
/* Puts it into the data directory, which exists. */
bool restore_put(const struct restore *restore, const char *data, char *why);

#endif
