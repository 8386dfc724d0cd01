/* SPDX-License-Identifier: ISC */
/* The names of the fields. */
#include "fields.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	uint8_t field;
} field_names[] = {
    {"time", RAFT_CONTRACT_TIME},
    {"origin", RAFT_CONTRACT_ORIGIN},
    {"chain", RAFT_CONTRACT_CHAIN},
};
enum { FIELDS_COUNT = sizeof field_names / sizeof field_names[0] };
_Static_assert(1 << FIELDS_COUNT == RAFT_CONTRACT_FIELDS + 1, "a name for each field");

uint8_t
field_of_name(const char *name)
{
	for (size_t i = 0; i < FIELDS_COUNT; i++)
		if (strcmp(field_names[i].name, name) == 0)
			return field_names[i].field;
	return 0;
}

const char *
fields_text(char out[FIELDS_TEXT_SIZE], uint8_t fields)
{
	size_t at = 0;
	out[0] = '\0';
	for (size_t i = 0; i < FIELDS_COUNT; i++)
		if (fields & field_names[i].field)
			at += (size_t)snprintf(out + at, FIELDS_TEXT_SIZE - at, "%s%s",
			    at ? "," : "", field_names[i].name);
	return out;
}

bool
fields_parse(uint8_t *fields, const char *text)
{
	char name[FIELDS_TEXT_SIZE];
	for (*fields = 0; *text != '\0';) {
		size_t size = strcspn(text, ",");
		if (size >= sizeof name)
			return false;
		memcpy(name, text, size);
		name[size] = '\0';
		uint8_t field = field_of_name(name);
		if (field == 0 || (*fields & field))
			return false;
		*fields |= field;
		text += size;
		if (*text == ',' && *++text == '\0')
			return false;
	}
	return true;
}
