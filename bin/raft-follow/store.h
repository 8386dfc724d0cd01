/* SPDX-License-Identifier: ISC */
/*
 * What is on the disk before lines are sent: the lines in their file, and the state.
 *
 * ⚠ A line that the log of the cluster has must not be lost from its file by a power cut: else the
 * lines that are written there afterwards would be taken for it, and skipped.  So the file is
 * synced, too, though another program writes it.
 */
#ifndef FOLLOW_STORE_H
#define FOLLOW_STORE_H

#include "unix/loop.h"
#include "state.h"

struct follow_store;

/*
 * path: of the state; log: FILE, whose folder is synced with it.  Both outlive it.  done: ended
 * well, or what failed, with errno.
 */
struct follow_store *store_new(struct loop *loop, const char *path, const char *log,
    void (*done)(const char *failed, int error, void *arg), void *arg);
/* Syncs the files (-1: none), then writes the state (NULL: it stays as it is).  Before: !busy. */
void store_begin(struct follow_store *store, const int fds[2], const struct follow_state *state);
bool store_busy(const struct follow_store *store);

#endif
