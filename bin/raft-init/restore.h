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

#include "seal/snapshot.h"

struct restore {
	const char *path;
	int fd;
	struct wire_buf bytes; /* the head */
	struct snapshot_head head;
	bool newer; /* it is refused for its level */
};

/* Opens and checks it.  False with one sentence in why. */
bool restore_open(struct restore *restore, const char *path, char *why);
/* Puts it into the data directory, which exists. */
bool restore_put(const struct restore *restore, const char *data, char *why);

#endif
