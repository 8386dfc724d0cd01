/* SPDX-License-Identifier: ISC */
/* Times as text: what is read and what is printed. */
#include "client/when.h"

#include "check.h"

enum { NOW_S = 1796000000 };
#define NOW ((uint64_t)NOW_S * 1000)
#define DAY ((uint64_t)24 * 3600 * 1000)

/* False: no time, or another one. */
static bool
is(const char *text, uint64_t want)
{
	uint64_t ms = 1;
	bool ok = when_parse(&ms, text, NOW) && ms == want;
	if (!ok)
		printf("# %s: %llu\n", text, (unsigned long long)ms);
	return ok;
}

static bool
refused(const char *text)
{
	uint64_t ms;
	bool ok = !when_parse(&ms, text, NOW);
	if (!ok)
		printf("# %s is a time\n", text);
	return ok;
}

static bool
printed(uint64_t ms, const char *want)
{
	char text[WHEN_SIZE];
	when_print(text, ms);
	if (strcmp(text, want) != 0)
		printf("# %s, not %s\n", text, want);
	return strcmp(text, want) == 0;
}

static void
parts_may_be_missing(void)
{
	CHECK(is("2026-11-30", 1795996800000));
	CHECK(is("2026-11-30T07:05", 1796022300000));
	CHECK(is("2026-11-30T07:05Z", 1796022300000));
	CHECK(is("2026-11-30 07:05", 1796022300000));
	CHECK(is("2026-11-30T07:05:09", 1796022309000));
	CHECK(is("2026-11-30T07:05:09.25", 1796022309250));
	CHECK(is("2026-11-30T07:05:09.250Z", 1796022309250));
	CHECK(is("2026-11-30T07:05:09,250999999Z", 1796022309250));
	CHECK(is("1970-01-01", 0));
	CHECK(is("1970-01-01T00:00:00.001Z", 1));
}

static void
zones_count(void)
{
	CHECK(is("2026-11-30T08:05+01:00", 1796022300000));
	CHECK(is("2026-11-30T01:35:09.250-05:30", 1796022309250));
	CHECK(is("2026-11-30T07:05+00:00", 1796022300000));
	CHECK(refused("2026-12-01T00:00+24:00"));
	CHECK(refused("2026-11-30+01:00"));
	CHECK(refused("2026-11-30T07:05+1"));
	CHECK(refused("2026-11-30T07:05+01"));
	CHECK(refused("2026-11-30T07:05+01:60"));
	CHECK(refused("2026-11-30T07:05+01:00Z"));
	CHECK(refused("2026-11-30T07:05 +01:00"));
}

static void
days_exist(void)
{
	CHECK(is("2024-02-29", 1709164800000));
	CHECK(is("2000-02-29", 951782400000));
	CHECK(refused("2026-02-29"));
	CHECK(refused("2100-02-29"));
	CHECK(refused("2026-04-31"));
	CHECK(refused("2026-00-10"));
	CHECK(refused("2026-13-10"));
	CHECK(refused("2026-12-32"));
	CHECK(refused("2026-12-00"));
	CHECK(refused("2026-11-30T24:00"));
	CHECK(refused("2026-11-30T23:60"));
	CHECK(refused("2026-11-30T23:59:60"));
}

static void
centuries_are_far_apart(void)
{
	/* What nanoseconds in 63 bits cannot hold, and seconds in 31. */
	CHECK(is("2038-01-19T03:14:08", 2147483648000));
	CHECK(is("2262-04-12", 9223372800000));
	CHECK(is("9999-12-31T23:59:59.999Z", 253402300799999));
	CHECK(is("1969-12-31T23:59:59.999Z", 0));
	CHECK(is("1970-01-01T00:30+01:00", 0));
	CHECK(is("0001-01-01", 0));
	CHECK(refused("10000-01-01"));
	CHECK(refused("-2026-01-01"));
}

static void
ages_are_before_now(void)
{
	CHECK(is("0ms", NOW));
	CHECK(is("90s", NOW - 90000));
	CHECK(is("2h", NOW - 2 * DAY / 24));
	CHECK(is("3d", NOW - 3 * DAY));
	/* As old as the epoch, and older. */
	CHECK(is("1796000000s", 0));
	CHECK(is("999999d", 0));
	CHECK(is("18446744073709551615ms", 0));
	CHECK(refused("18446744073709551616ms"));
	CHECK(refused("213503982335d"));
	CHECK(refused("-1s"));
	CHECK(refused("1.5h"));
	CHECK(refused("1w"));
	CHECK(refused("90"));
}

static void
nothing_else_is_a_time(void)
{
	static const char *const texts[] = {"", " ", "now", "yesterday", "2026", "2026-11",
	    "2026-11-3", "26-11-30", "2026/11/30", " 2026-11-30", "2026-11-30 ", "2026-11-30T",
	    "2026-11-30T07", "2026-11-30T07:5", "2026-11-30T07:05:", "2026-11-30T07:05.5",
	    "2026-11-30T07:05:09.", "2026-11-30T07:05:09.Z", "2026-11-30t07:05",
	    "2026-11-30T07:05z", "2026-11-30Z", "2026-11-30T07:05ZZ", "2026-11-30T-7:05",
	    "+2026-11-30"};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		CHECK(refused(texts[i]));
}

static void
printed_is_read(void)
{
	CHECK(printed(0, "1970-01-01T00:00:00.000Z"));
	CHECK(printed(1796022309250, "2026-11-30T07:05:09.250Z"));
	CHECK(printed(1709164800000, "2024-02-29T00:00:00.000Z"));
	CHECK(printed(253402300799999, "9999-12-31T23:59:59.999Z"));
	/* The last time that an entry can have. */
	CHECK(printed(UINT64_C(1) << 62, "146140482-04-24T15:36:27.904Z"));
	for (uint64_t ms = 1; ms < 253402300800000; ms = ms * 3 + 7) {
		char text[WHEN_SIZE];
		when_print(text, ms);
		CHECK(is(text, ms));
	}
}

int
main(void)
{
	check_run(
	    "of a time all after the day may be missing, from the right", parts_may_be_missing);
	check_run("a zone counts, and is hours and minutes", zones_count);
	check_run("a day or an hour that does not exist is refused", days_exist);
	check_run("times from year 1 to 9999 are read; before 1970 is 0", centuries_are_far_apart);
	check_run("an age is counted back from now, at most to 1970", ages_are_before_now);
	check_run("nothing else is a time", nothing_else_is_a_time);
	check_run("what is printed is read as the same", printed_is_read);
	return check_done();
}
