/* SPDX-License-Identifier: ISC */
/*
 * A log-linear histogram: each power of two is divided into the same number of buckets.
 *
 * Values are exact below 2048, and from there on at most a thousandth too large.  The
 * size does not depend on how many values are added.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HISTOGRAM_BITS = 10,      /* 1024 buckets for each power of two */
	HISTOGRAM_VALUE_BITS = 40 /* larger values count as the largest of these */
};
enum { HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS };

struct histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t least, most; /* 0 when count is 0 */
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* A range of values, [from, to), and how many there are in it. */
struct histogram_row {
	uint64_t from, to, count;
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value);
/*
 * The least value that `parts` in `of` of all values do not exceed (nearest rank), or up to a
 * thousandth more; never above the largest value.  0 when there are none.
 */
uint64_t histogram_quantile(const struct histogram *histogram, uint64_t parts, uint64_t of);
/* Rounded down; 0 when there are none. */
uint64_t histogram_mean(const struct histogram *histogram);
/*
 * The next range that is not empty, four of which make a power of two.  Before the first call
 * `row` is all zero.  The ranges are in rising order, and each value is in one of them.
 */
bool histogram_next(const struct histogram *histogram, struct histogram_row *row);

#endif
