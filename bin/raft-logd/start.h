/* SPDX-License-Identifier: ISC */
/*
 * The start: whose directory it is, a first start, and whether the log went backwards.
 *
 * At the end everything that logd.h holds of the log is true and durable, and
 * `fresh` is cleared.  Ends the process with one sentence when this node may not take part.
 */
#ifndef LOGD_START_H
#define LOGD_START_H

struct logd;

/* What can be found out without a side effect: identity, and the members of a first start. */
void start_check(struct logd *logd);
/* After: start_check. */
void start_log(struct logd *logd);

#endif
