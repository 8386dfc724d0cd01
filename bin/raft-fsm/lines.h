/* SPDX-License-Identifier: ISC */
/* Lines of standard input, or what a trial has in memory, as entries: what --try feeds in the place
 * of a log. */
#ifndef FSM_LINES_H
#define FSM_LINES_H

#include "source.h"

struct lines;

/* turn is called once in each turn of the loop. */
struct lines *lines_new(struct loop *loop, const struct conf *conf, const struct trial *trial,
    void (*turn)(void *arg), void *arg);
/* Another turn is to come soon. */
void lines_want(struct lines *lines);
/* Reads no more for now. */
void lines_hold(struct lines *lines);
/*
 * Those that are there, none or some, become a batch that begins with this index.  False at the
 * end of the input.  An input that fails ends the process with one sentence.
 */
bool lines_take(struct lines *lines, uint64_t first_index, struct batch *batch);
/* The chain at this index: of the trial's entries; of lines, whose history is not known, one that
 * is made up. */
struct raft_hash lines_chain(const struct lines *lines, uint64_t index);

#endif
