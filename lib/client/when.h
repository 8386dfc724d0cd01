/* SPDX-License-Identifier: ISC */
/* Wall-clock times of entries as text: ISO 8601 in UTC. */
#ifndef CLIENT_WHEN_H
#define CLIENT_WHEN_H

#include <stdbool.h>
#include <stdint.h>

enum { WHEN_SIZE = 96 };

/* Milliseconds since the epoch as 2026-11-30T07:05:09.250Z. */
void when_print(char out[WHEN_SIZE], uint64_t ms);
/*
 * An age, which is a duration before now (90s, 2h, 3d), or a time: 2026-11-30, or with the time of
 * day to minutes, seconds or a fraction of them after T or a space, 2026-11-30T07:05:09.250, and
 * then Z, which may be left out, or the zone, +01:00.  What is before 1970 is 0.  False when it is
 * none of these.
 */
bool when_parse(uint64_t *ms, const char *text, uint64_t now_ms);

#endif
