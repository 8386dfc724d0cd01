/* SPDX-License-Identifier: ISC */
/* The nearest known key: the same name in another section, or the one with the fewest changed
 * letters. */
#include "nearest.h"

#include <stdio.h>
#include <string.h>

#include "raft/types.h"
#include "value.h"

enum { WORD_SIZE_MAX = 32 };

/* Letters to insert, remove or change (Levenshtein); words that are too long are far apart. */
static size_t
nearest_distance(const char *a, const char *b)
{
	size_t a_size = strlen(a), b_size = strlen(b);
	if (a_size > WORD_SIZE_MAX || b_size > WORD_SIZE_MAX)
		return WORD_SIZE_MAX;
	size_t row[WORD_SIZE_MAX + 1];
	for (size_t j = 0; j <= b_size; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_size; j++) {
			size_t above = row[j];
			row[j] = (size_t)min_u64(
			    min_u64(above, row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_size];
}

/* How far a key is from what was written: another section counts as much as one letter. */
static size_t
key_distance(const struct conf_key *key, const char *section, const char *name)
{
	if (section == NULL)
		return nearest_distance(key->name, name) + 1;
	return nearest_distance(key->name, name) + (strcmp(key->section, section) != 0);
}

void
nearest_key(char hint[NEAREST_SIZE], const char *section, const char *name)
{
	/* One letter in three may be wrong, and it is worth a guess. */
	size_t best = strlen(name) / 3 + 2;
	const struct conf_key *nearest = NULL;
	const char *nearest_section = NULL;
	for (size_t i = 0; i < CONF_KEYS_COUNT; i++) {
		size_t far = key_distance(&conf_keys[i], section, name);
		if (far < best) {
			best = far;
			nearest = &conf_keys[i];
		}
		if (section == NULL && nearest_distance(conf_keys[i].section, name) < best) {
			best = nearest_distance(conf_keys[i].section, name);
			nearest_section = conf_keys[i].section;
			nearest = NULL;
		}
	}
	if (nearest != NULL)
		snprintf(
		    hint, NEAREST_SIZE, "did you mean %s.%s?", nearest->section, nearest->name);
	else if (nearest_section != NULL)
		snprintf(hint, NEAREST_SIZE, "did you mean %s?", nearest_section);
	else
		snprintf(hint, NEAREST_SIZE, "raft.yaml(5) lists all keys");
}
