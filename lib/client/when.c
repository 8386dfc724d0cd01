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

/* A number of exactly this many digits, and what must stand before it. */
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

/* One digit or more after the point; those after the third do not count. */
static bool
take_fraction(const char **text, int *milliseconds)
{
	int digits = 0;
	for (; **text >= '0' && **text <= '9'; ++*text, digits++)
		if (digits < 3)
			*milliseconds = 10 * *milliseconds + (**text - '0');
	for (int i = digits; i < 3; i++)
		*milliseconds *= 10;
	return digits > 0;
}

/* Hours and minutes to the east of Greenwich, or Z, or nothing, which is the same as Z. */
static bool
take_zone(const char **text, int *minutes)
{
	char sign = **text;
	int hour = 0, minute = 0;
	if (sign == 'Z')
		++*text;
	else if (sign != '\0' && (!take_number(text, sign == '-' ? '-' : '+', 2, &hour) ||
				     !take_number(text, ':', 2, &minute)))
		return false;
	*minutes = (60 * hour + minute) * (sign == '-' ? -1 : 1);
	return hour < 24 && minute < 60;
}

/* The seconds, their fraction and the zone may be missing, or all of it. */
static bool
take_clock(const char **text, struct tm *tm, int *milliseconds, int *zone)
{
	if (**text == '\0')
		return true;
	if (!take_number(text, **text == ' ' ? ' ' : 'T', 2, &tm->tm_hour) ||
	    !take_number(text, ':', 2, &tm->tm_min))
		return false;
	if (**text == ':') {
		if (!take_number(text, ':', 2, &tm->tm_sec))
			return false;
		if ((**text == '.' || **text == ',') &&
		    (++*text, !take_fraction(text, milliseconds)))
			return false;
	}
	return take_zone(text, zone) && **text == '\0';
}

/* timegm makes another day or hour of one that does not exist. */
static bool
time_exists(struct tm *tm, time_t *seconds)
{
	struct tm asked = *tm;
	*seconds = timegm(tm);
	return tm->tm_year == asked.tm_year && tm->tm_mon == asked.tm_mon &&
	       tm->tm_mday == asked.tm_mday && tm->tm_hour == asked.tm_hour &&
	       tm->tm_min == asked.tm_min && tm->tm_sec == asked.tm_sec;
}

bool
when_parse(uint64_t *ms, const char *text, uint64_t now_ms)
{
	struct tm tm = {0};
	int milliseconds = 0, zone = 0;
	time_t seconds;
	uint64_t age;
	if (conf_parse_duration(&age, text)) {
		*ms = age < now_ms ? now_ms - age : 0;
		return true;
	}
	if (!take_day(&text, &tm) || !take_clock(&text, &tm, &milliseconds, &zone) ||
	    !time_exists(&tm, &seconds))
		return false;
	seconds -= 60 * (time_t)zone;
	*ms = seconds < 0 ? 0 : (uint64_t)seconds * 1000 + (uint64_t)milliseconds;
	return true;
}
