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
 * A date, or date and time of day to minutes, seconds or milliseconds (2026-11-30,
 * 2026-11-30T07:05Z), in UTC, or an age, which is a duration before now (90s, 2h, 3d).  False when
 * it is none of these.
 */
bool when_parse(uint64_t *ms, const char *text, uint64_t now_ms);

#endif
