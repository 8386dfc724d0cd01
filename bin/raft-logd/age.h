/* SPDX-License-Identifier: ISC */
/*
 * How old the entries of the log are, by their stamps: the age limit logd.keep_for.
 *
 * An age is counted back from the lesser of this node's clock and the time of the newest committed
 * entry: neither a clock that is wrong nor a log at rest makes entries old.
 */
#ifndef LOGD_AGE_H
#define LOGD_AGE_H

#include <stdint.h>

struct logd;

struct age {
	uint64_t edge_ms; /* what was searched for last: entries before this time are old */
	uint64_t index;   /* the last old entry; not above the log's beginning: none is */
};

/*
 * The last entry that is older than logd.keep_for; not above the log's beginning: none is.  An
 * entry without a stamp is as old as the first one with a stamp after it.  Does not return when an
 * entry that it reads is damaged.
 */
uint64_t age_upto(struct logd *logd);

#endif
