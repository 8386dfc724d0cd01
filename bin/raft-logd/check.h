/* SPDX-License-Identifier: ISC */
/*
 * Whether a write can be: checked when it comes, against the log as it will be
 * once all that waits before it is written.  The elector is our own program, but
 * it is another process: nothing that it sends is believed.
 */
#ifndef LOGD_CHECK_H
#define LOGD_CHECK_H

#include "writer.h"

enum { CHECK_WHY_SIZE = 1024 };

/* False with one sentence in why.  install: a snapshot is to be installed, item->install if there
 * is one. */
bool check_write(const struct logd *logd, const struct writer_item *item, bool install, char *why);
/* The item is in the queue: what will be. */
void check_plan(struct writer *writer, const struct writer_item *item);
/* The term at index once the first `items` of the queue are written; 0: none. */
uint64_t check_term_at(const struct logd *logd, size_t items, uint64_t index);

#endif
