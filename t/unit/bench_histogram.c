/* SPDX-License-Identifier: ISC */
/* raft-bench's histogram, against a sorted copy of the same values. */
#include "../../bin/raft-bench/histogram.c"

#include "check.h"

enum { VALUES_MAX = 20000 };

static struct histogram histogram;
static uint64_t values[VALUES_MAX];
static size_t values_count;

static void
add(uint64_t value)
{
	values[values_count++] = value;
	histogram_add(&histogram, value);
}

static void
clear(void)
{
	values_count = 0;
	histogram_clear(&histogram);
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* The least of the sorted values that parts in `of` of them do not exceed. */
static uint64_t
exact(uint64_t parts, uint64_t of)
{
	size_t i = 0;
	while ((i + 1) * of < values_count * parts)
		i++;
	return values[i];
}

static void
compare_quantiles(void)
{
	static const struct {
		uint64_t parts, of;
	} asked[] = {{0, 100}, {1, 100}, {50, 100}, {75, 100}, {90, 100}, {99, 100}, {999, 1000},
	    {9999, 10000}, {100, 100}};
	uint64_t sum = 0;
	qsort(values, values_count, sizeof *values, compare);
	for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
		uint64_t want = exact(asked[i].parts, asked[i].of);
		uint64_t got = histogram_quantile(&histogram, asked[i].parts, asked[i].of);
		CHECK(got >= want);
		CHECK(got - want <= want / 1000);
		CHECK(want >= 2048 || got == want);
	}
	for (size_t i = 0; i < values_count; i++)
		sum += values[i];
	CHECK(histogram.count == values_count);
	CHECK(histogram.least == values[0]);
	CHECK(histogram.most == values[values_count - 1]);
	CHECK(histogram_quantile(&histogram, 100, 100) == histogram.most);
	CHECK(histogram_mean(&histogram) == sum / values_count);
}

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t
random_below(uint64_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % limit;
}

static void
quantiles_are_those_of_the_sorted_values(void)
{
	static const size_t counts[] = {1, 2, 3, 99, 100, 101, 1000, VALUES_MAX};
	for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
		/* Of one size; of sizes that differ by orders of magnitude; and one far away. */
		clear();
		for (size_t i = 0; i < counts[c]; i++)
			add(300 + random_below(500));
		compare_quantiles();
		clear();
		for (size_t i = 0; i < counts[c]; i++)
			add(random_below(1ull << (1 + random_below(39))));
		compare_quantiles();
		clear();
		for (size_t i = 1; i < counts[c]; i++)
			add(i);
		add(30 * 1000 * 1000);
		compare_quantiles();
	}
}

static void
known_quantiles(void)
{
	clear();
	for (uint64_t i = 1; i <= 1000; i++)
		add(i);
	CHECK(histogram_quantile(&histogram, 50, 100) == 500);
	CHECK(histogram_quantile(&histogram, 99, 100) == 990);
	CHECK(histogram_quantile(&histogram, 999, 1000) == 999);
	CHECK(histogram_quantile(&histogram, 100, 100) == 1000);
	CHECK(histogram_mean(&histogram) == 500);
}

/* How many of the values are in the row. */
static uint64_t
values_in(const struct histogram_row *row)
{
	uint64_t count = 0;
	for (size_t i = 0; i < values_count; i++)
		count += values[i] >= row->from && values[i] < row->to;
	return count;
}

static void
rows_hold_each_value_once(void)
{
	struct histogram_row row = {0};
	uint64_t sum = 0, to = 0;
	clear();
	for (uint64_t i = 0; i < 64; i++)
		add(i);
	for (unsigned bit = 6; bit < HISTOGRAM_VALUE_BITS; bit++)
		for (uint64_t near = 0; near < 5; near++)
			add((1ull << bit) + near - 2);
	add((1ull << HISTOGRAM_VALUE_BITS) - 1);
	while (histogram_next(&histogram, &row)) {
		CHECK(row.from >= to);
		CHECK(row.count > 0);
		CHECK(row.count == values_in(&row));
		/* No row is wider than a quarter of the values in it. */
		CHECK(row.to - row.from <= (row.from / 4 > 1 ? row.from / 4 : 1));
		sum += row.count;
		to = row.to;
	}
	CHECK(sum == values_count);
}

static void
too_large(void)
{
	clear();
	histogram_add(&histogram, UINT64_MAX);
	histogram_add(&histogram, 1ull << HISTOGRAM_VALUE_BITS);
	CHECK(histogram.most == (1ull << HISTOGRAM_VALUE_BITS) - 1);
	CHECK(histogram_quantile(&histogram, 50, 100) == histogram.most);
	struct histogram_row row = {0};
	CHECK(histogram_next(&histogram, &row) && row.count == 2);
	CHECK(!histogram_next(&histogram, &row));
}

static void
empty(void)
{
	struct histogram_row row = {0};
	clear();
	CHECK(histogram_quantile(&histogram, 99, 100) == 0);
	CHECK(histogram_mean(&histogram) == 0);
	CHECK(!histogram_next(&histogram, &row));
}

int
main(void)
{
	check_run("bench: quantiles are those of the sorted values, exact below 2048 and to a "
		  "thousandth above",
	    quantiles_are_those_of_the_sorted_values);
	check_run("bench: of 1 to 1000, p50 is 500, p99 990 and p99.9 999", known_quantiles);
	check_run(
	    "bench: the rows of the histogram hold each value once", rows_hold_each_value_once);
	check_run("bench: a value above the largest counts as the largest", too_large);
	check_run("bench: a histogram without values has no rows", empty);
	return check_done();
}
