/* SPDX-License-Identifier: ISC */
/* Small values have a bucket each; the bucket of a larger one is chosen by its top bits. */
#include "histogram.h"

#include <string.h>

enum { ROW_BITS = 2 }; /* 4 rows for each power of two */

/* The number of the bucket that holds the value, where each power of two has 1 << bits of them. */
static size_t
bucket_of(uint64_t value, unsigned bits)
{
	unsigned shift = 0;
	if (value >> bits > 1)
		shift = 63 - (unsigned)__builtin_clzll(value) - bits;
	return (size_t)(((uint64_t)shift << bits) + (value >> shift));
}

/* The least value of the bucket. */
static uint64_t
bucket_start(size_t bucket, unsigned bits)
{
	size_t power = bucket >> bits;
	size_t shift = power > 1 ? power - 1 : 0;
	return (uint64_t)(bucket - (shift << bits)) << shift;
}

void
histogram_clear(struct histogram *histogram)
{
	memset(histogram, 0, sizeof *histogram);
}

void
histogram_add(struct histogram *histogram, uint64_t value)
{
	if (value >> HISTOGRAM_VALUE_BITS != 0)
		value = (1ull << HISTOGRAM_VALUE_BITS) - 1;
	if (histogram->count++ == 0 || value < histogram->least)
		histogram->least = value;
	if (value > histogram->most)
		histogram->most = value;
	histogram->sum += value;
	histogram->buckets[bucket_of(value, HISTOGRAM_BITS)]++;
}

uint64_t
histogram_quantile(const struct histogram *histogram, uint64_t parts, uint64_t of)
{
	uint64_t rank = (histogram->count * parts + of - 1) / of, below = 0;
	for (size_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
		below += histogram->buckets[bucket];
		if (below == 0 || below < rank)
			continue;
		uint64_t last = bucket_start(bucket + 1, HISTOGRAM_BITS) - 1;
		return last < histogram->most ? last : histogram->most;
	}
	return histogram->most;
}

uint64_t
histogram_mean(const struct histogram *histogram)
{
	return histogram->count > 0 ? histogram->sum / histogram->count : 0;
}

bool
histogram_next(const struct histogram *histogram, struct histogram_row *row)
{
	size_t bucket = bucket_of(row->to, HISTOGRAM_BITS);
	while (bucket < HISTOGRAM_BUCKETS && histogram->buckets[bucket] == 0)
		bucket++;
	if (bucket >= HISTOGRAM_BUCKETS)
		return false;
	size_t number = bucket_of(bucket_start(bucket, HISTOGRAM_BITS), ROW_BITS);
	row->from = bucket_start(number, ROW_BITS);
	row->to = bucket_start(number + 1, ROW_BITS);
	row->count = 0;
	for (; bucket < HISTOGRAM_BUCKETS && bucket_start(bucket, HISTOGRAM_BITS) < row->to;
	     bucket++)
		row->count += histogram->buckets[bucket];
	return true;
}
