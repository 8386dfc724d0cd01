/* SPDX-License-Identifier: ISC */
/* Durations and sizes: a number and one unit, exactly. */
#include "unit.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* Smallest first. */
static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}};
static const struct unit sizes[] = {
    {"B", 1}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Digits only, no sign; false when there are none or they are too large.  *text moves past them. */
static bool
digits_read(uint64_t *number, const char **text)
{
	if (!isdigit((unsigned char)**text))
		return false;
	*number = 0;
	for (; isdigit((unsigned char)**text); (*text)++) {
		uint64_t digit = (uint64_t)(**text - '0');
		if (*number > (UINT64_MAX - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	return true;
}

static bool
unit_parse(uint64_t *value, const char *text, const struct unit *units, size_t count)
{
	uint64_t number;
	if (!digits_read(&number, &text))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		if (number > UINT64_MAX / units[i].factor)
			return false;
		*value = number * units[i].factor;
		return true;
	}
	return false;
}

static void
unit_print(char *out, uint64_t value, const struct unit *units, size_t count)
{
	size_t best = 0;
	for (size_t i = 1; i < count && value != 0; i++)
		if (value % units[i].factor == 0)
			best = i;
	snprintf(
	    out, UNIT_TEXT_SIZE, "%" PRIu64 "%s", value / units[best].factor, units[best].name);
}

bool
conf_parse_duration(uint64_t *ms, const char *text)
{
	return unit_parse(ms, text, durations, COUNT(durations));
}

bool
conf_parse_size(uint64_t *bytes, const char *text)
{
	return unit_parse(bytes, text, sizes, COUNT(sizes));
}

void
unit_print_duration(char *out, uint64_t ms)
{
	unit_print(out, ms, durations, COUNT(durations));
}

void
unit_print_size(char *out, uint64_t bytes)
{
	unit_print(out, bytes, sizes, COUNT(sizes));
}
