/* SPDX-License-Identifier: ISC */
/*
 * What the unit tests share: a test is a function and the sentence that it
 * shows.  CHECK says where it failed and goes on, so that one run shows all.
 * With CHECK_ONLY=SENTENCE in the environment only the test of that sentence runs.
 */
#ifndef UNIT_CHECK_H
#define UNIT_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_failures; /* of the test that runs */
static int check_tests;
static int check_tests_failed;

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);                        \
			check_failures++;                                                          \
		}                                                                                  \
	} while (0)

/* A test that is one condition. */
static inline void
check_is(bool ok, const char *sentence)
{
	check_tests++;
	check_tests_failed += !ok;
	printf("%s %d - %s\n", ok ? "ok" : "not ok", check_tests, sentence);
	fflush(stdout);
}

static inline void
check_run(const char *sentence, void (*test)(void))
{
	const char *only = getenv("CHECK_ONLY");

	if (only != NULL && strcmp(only, sentence) != 0)
		return;
	check_failures = 0;
	test();
	check_is(check_failures == 0, sentence);
}

/* The exit status of a test program; 64 when no test has the sentence of CHECK_ONLY. */
static inline int
check_done(void)
{
	printf("1..%d\n", check_tests);
	if (check_tests == 0)
		return 64;
	return check_tests_failed > 0;
}

#endif
