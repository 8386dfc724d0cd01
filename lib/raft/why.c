/* SPDX-License-Identifier: ISC */
/*
 * The reason for a change of state, as one readable clause: "no leader for
 * 1412 ms".  A tiny formatter, since the core has no stdio.  What does not fit
 * is cut off.
 */
#include "core.h"

void
raft_why_text(struct raft *raft, const char *text)
{
	while (*text != '\0' && raft->why_size < sizeof raft->why - 1)
		raft->why[raft->why_size++] = *text++;
	raft->why[raft->why_size] = '\0';
}

void
raft_why_start(struct raft *raft, const char *text)
{
	raft->why_size = 0;
	raft_why_text(raft, text);
}

void
raft_why_number(struct raft *raft, uint64_t number)
{
	char digits[21];
	size_t at = sizeof digits - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	raft_why_text(raft, digits + at);
}

void
raft_why_id(struct raft *raft, const struct raft_id *id)
{
	raft_why_text(raft, raft_id_none(id) ? "nobody" : id->s);
}
