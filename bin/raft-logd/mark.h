/* SPDX-License-Identifier: ISC */
/*
 * data/mark: what was last acknowledged, beside the database.
 *
 * SQLite drops the tail of a damaged write-ahead log without a word, so the
 * newest transaction is also noted here: two slots, each with a checksum,
 * written in turn and in place after each commit and before its
 * acknowledgement.  Not synced on the way: after a loss of power it may lag,
 * and then shows less; it never shows what is not in the database.
 *
 * So where the database has lost its term and vote, those of the mark are the last ones only if
 * it was written since the machine was booted.  A slot carries the boot id to tell that.
 */
#ifndef LOGD_MARK_H
#define LOGD_MARK_H

#include "raft/types.h"

enum { MARK_DIRECTORY_SIZE = 16, MARK_BOOT_SIZE = 16 };

struct mark_note {
	uint64_t transactions;
	uint64_t truncations;
	uint64_t term;
	struct raft_id vote;
	struct raft_place last;
	struct raft_pos commit;
	/*
	 * No vote of this node is later than term and vote.  Written: the node knows that.  Read:
	 * it did, and the mark is of this boot.
	 */
	bool final;
};

/* DAMAGED: neither slot is valid, or it belongs to another directory. */
enum mark_found { MARK_VALID, MARK_MISSING, MARK_DAMAGED };

struct mark {
	int fd;        /* -1: there is no file yet */
	unsigned slot; /* to be written next */
	uint8_t directory[MARK_DIRECTORY_SIZE];
	uint8_t boot[MARK_BOOT_SIZE]; /* id of the present boot; all zero: not known */
	char path[640];
};

/* Reads the newest valid slot and opens the file for writing. */
enum mark_found mark_open(struct mark *mark, const char *data,
    const uint8_t directory[MARK_DIRECTORY_SIZE], struct mark_note *note);
/* All of these end the process (exit_of_errno) when the file can't be written. */
void mark_write(struct mark *mark, const struct mark_note *note);
/* Both slots, synced, with the folder; makes the file when there is none. */
void mark_settle(struct mark *mark, const char *data, const struct mark_note *note);
void mark_sync(struct mark *mark);

#endif
