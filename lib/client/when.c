/* SPDX-License-Identifier: ISC */
#include "when.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "conf/conf.h"

void
when_print(char out[WHEN_SIZE], uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	snprintf(out, WHEN_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(ms % 1000));
}

/* A number of exactly so many digits, and what must stand before it. */
static bool
take_number(const char **text, char before, int digits, int *value)
{
	const char *at = *text;
	if (before && *at++ != before)
		return false;
	*value = 0;
	for (int i = 0; i < digits; i++, at++) {
		if (*at < '0' || *at > '9')
			return false;
		*value = 10 * *value + (*at - '0');
	}
	*text = at;
	return true;
}

static bool
take_day(const char **text, struct tm *tm)
{
	if (!take_number(text, '\0', 4, &tm->tm_year) || !take_number(text, '-', 2, &tm->tm_mon) ||
	    !take_number(text, '-', 2, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return true;
}

/* From minutes on each part may be missing. */
static bool
take_clock(const char **text, struct tm *tm, int *milliseconds)
{
	if (**text == '\0')
		return true;
	if (!take_number(text, **text == ' ' ? ' ' : 'T', 2, &tm->tm_hour) ||
	    !take_number(text, ':', 2, &tm->tm_min))
		return false;
	if (**text == ':' && !take_number(text, ':', 2, &tm->tm_sec))
		return false;
	if (**text == '.' && !take_number(text, '.', 3, milliseconds))
		return false;
	if (**text == 'Z')
		++*text;
	return **text == '\0';
}

bool
when_parse(uint64_t *ms, const char *text, uint64_t now_ms)
{
	struct tm tm = {0}, asked;
	int milliseconds = 0;
	uint64_t age;
	if (conf_parse_duration(&age, text)) {
		*ms = age < now_ms ? now_ms - age : 0;
		return true;
	}
	if (!take_day(&text, &tm) || !take_clock(&text, &tm, &milliseconds))
		return false;
	asked = tm;
	time_t seconds = timegm(&tm);
	/* A day or an hour that there is not has become another one. */
	if (seconds < 0 || tm.tm_mon != asked.tm_mon || tm.tm_mday != asked.tm_mday ||
	    tm.tm_hour != asked.tm_hour || tm.tm_min != asked.tm_min || tm.tm_sec != asked.tm_sec)
		return false;
	*ms = (uint64_t)seconds * 1000 + (uint64_t)milliseconds;
	return true;
}
