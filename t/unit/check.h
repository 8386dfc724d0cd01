/* SPDX-License-Identifier: ISC */
/*
 * What the unit tests share: a test is a function and the sentence that it
 * shows.  CHECK says where it failed and goes on, so that one run shows all.
 */
#ifndef UNIT_CHECK_H
#define UNIT_CHECK_H

#include <stdbool.h>
#include <stdio.h>

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

static inline void
check_run(const char *sentence, void (*test)(void))
{
	check_failures = 0;
	check_tests++;
	test();
	printf("%s %d - %s\n", check_failures == 0 ? "ok" : "not ok", check_tests, sentence);
	fflush(stdout);
	check_tests_failed += check_failures > 0;
}

/* The exit status of a test program. */
static inline int
check_done(void)
{
	printf("1..%d\n", check_tests);
	return check_tests_failed > 0;
}

#endif
