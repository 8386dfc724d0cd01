/* SPDX-License-Identifier: ISC */
/* raft-bench's line, its JSON and its rows, of known latencies. */
#include "../../bin/raft-bench/histogram.c"
#include "../../bin/raft-bench/report.c"

#include "check.h"

static struct histogram latency;
static struct report report = {.latency = &latency,
    .seconds = 2.0,
    .what = "append",
    .nodes = 3,
    .connections = 6,
    .in_flight = 12,
    .bytes = 256000,
    .refused = 4,
    .unknown = 5};

/* Latencies of 1 to 1000 microseconds. */
static void
known_latencies(void)
{
	histogram_clear(&latency);
	for (uint64_t us = 1; us <= 1000; us++)
		histogram_add(&latency, us);
}

static bool
is_printed(bool json, bool histogram, const char *wanted)
{
	struct wire_buf out = {0};
	report_put(&out, &report, json, histogram);
	bool same = out.size == strlen(wanted) && memcmp(out.bytes, wanted, out.size) == 0;
	if (!same)
		printf("# got  %.*s# want %s", (int)out.size, (const char *)out.bytes, wanted);
	wire_buf_free(&out);
	return same;
}

static void
closed_loop(void)
{
	known_latencies();
	report.rate = 0;
	CHECK(is_printed(false, false,
	    "ops=1000 seconds=2.000 ops_per_s=500 p50_us=500 p99_us=990 max_us=1000 p90_us=900 "
	    "p999_us=999 min_us=1 mean_us=500 what=append nodes=3 connections=6 in_flight=12 "
	    "bytes=256000 refused=4 unknown=5\n"));
	CHECK(is_printed(true, false,
	    "{\"ops\":1000,\"seconds\":2.000,\"ops_per_s\":500,\"p50_us\":500,\"p99_us\":990,"
	    "\"max_us\":1000,\"p90_us\":900,\"p999_us\":999,\"min_us\":1,\"mean_us\":500,"
	    "\"what\":\"append\",\"nodes\":3,\"connections\":6,\"in_flight\":12,"
	    "\"bytes\":256000,\"refused\":4,\"unknown\":5}\n"));
}

static void
open_loop(void)
{
	histogram_clear(&latency);
	histogram_add(&latency, 7);
	report.rate = 100;
	report.late = 9;
	report.held = false;
	CHECK(is_printed(false, false,
	    "ops=1 seconds=2.000 ops_per_s=0 p50_us=7 p99_us=7 max_us=7 p90_us=7 p999_us=7 "
	    "min_us=7 mean_us=7 what=append nodes=3 connections=6 in_flight=12 bytes=256000 "
	    "refused=4 unknown=5 rate=100 late=9 held=no\n"));
	report.held = true;
	CHECK(is_printed(true, true,
	    "{\"ops\":1,\"seconds\":2.000,\"ops_per_s\":0,\"p50_us\":7,\"p99_us\":7,"
	    "\"max_us\":7,\"p90_us\":7,\"p999_us\":7,\"min_us\":7,\"mean_us\":7,"
	    "\"what\":\"append\",\"nodes\":3,\"connections\":6,\"in_flight\":12,"
	    "\"bytes\":256000,\"refused\":4,\"unknown\":5,\"rate\":100,\"late\":9,\"held\":true,"
	    "\"histogram\":[{\"from_us\":7,\"below_us\":8,\"ops\":1}]}\n"));
}

static void
rows(void)
{
	histogram_clear(&latency);
	for (int i = 0; i < 3; i++)
		histogram_add(&latency, 300);
	for (int i = 0; i < 996; i++)
		histogram_add(&latency, 350);
	histogram_add(&latency, 9000);
	report.rate = 0;
	CHECK(is_printed(false, true,
	    "   from_us   below_us        ops      %   sum%\n"
	    "       256        320          3   0.30   0.30  #\n"
	    "       320        384        996  99.60  99.90  ##############################\n"
	    "      8192      10240          1   0.10 100.00  #\n"
	    "ops=1000 seconds=2.000 ops_per_s=500 p50_us=350 p99_us=350 max_us=9000 p90_us=350 "
	    "p999_us=350 min_us=300 mean_us=358 what=append nodes=3 connections=6 in_flight=12 "
	    "bytes=256000 refused=4 unknown=5\n"));
}

int
main(void)
{
	check_run(
	    "bench: the line and the JSON have the same keys and figures, those of the latencies",
	    closed_loop);
	check_run(
	    "bench: the figures of an open loop come last, and whether it was held is a boolean",
	    open_loop);
	check_run("bench: a row is a range with operations, their share, and a bar", rows);
	return check_done();
}
