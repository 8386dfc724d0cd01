/* SPDX-License-Identifier: ISC */
/*
 * The words for verdicts and reasons, from their lists.
 */
#include "reason.h"

#include <stddef.h>

enum { REASON_stop = 0, REASON_retry = 1 };

static const struct {
	const char *text;
	int retry;
} reasons[] = {
#define R(number, NAME, reason_text, what) [number] = {reason_text, REASON_##what},
    RAFT_REASONS(R)
#undef R
};
_Static_assert(sizeof reasons / sizeof reasons[0] == RAFT_REASONS_COUNT, "a text for each reason");

const char *
raft_reason_text(enum raft_reason reason)
{
	return (unsigned)reason < RAFT_REASONS_COUNT ? reasons[reason].text : "unknown reason";
}

bool
raft_reason_retry(enum raft_reason reason)
{
	return (unsigned)reason < RAFT_REASONS_COUNT && reasons[reason].retry == REASON_retry;
}

const char *
raft_verdict_text(enum raft_verdict verdict)
{
	static const char *const texts[] = {
#define V(number, NAME, text) [number] = text,
	    RAFT_VERDICTS(V)
#undef V
	};
	_Static_assert(
	    sizeof texts / sizeof texts[0] == RAFT_VERDICTS_COUNT, "a text for each verdict");

	return (unsigned)verdict < RAFT_VERDICTS_COUNT ? texts[verdict] : "unknown verdict";
}
