/* SPDX-License-Identifier: ISC */
/* Limits: how many, how large, how long. */
#include "limits.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define wrong(r, key, node, format, ...)                                                           \
	tree_wrong((r)->tree, (node)->at, (r)->why, "%s.%s" format, (key)->section, (key)->name,   \
	    ##__VA_ARGS__)

enum { BYTES_MAX_LOG2 = 40, TIME_MAX_MS = 3600 * 1000 };

static bool
has_time(const struct conf_key *key)
{
	return strcmp(key->name, "batch") == 0;
}

static bool
parse_count(uint64_t *value, const char *text)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return false;
	*value = strtoull(text, &end, 10);
	return *end == '\0' && *value <= CONF_LIMITS_ENTRIES_MAX;
}

/* The table's own text is right. */
static void
take_default(struct conf_limits *limits, const char *text)
{
	char bytes[32], wait[32];
	must(sscanf(text, "%" SCNu64 " %31s %31s", &limits->entries, bytes, wait) == 3);
	must(conf_parse_size(&limits->bytes, bytes));
	must(conf_parse_duration(&limits->time_ms, wait));
}

static bool
limits_take_one(struct conf_limits *limits, struct conf_reading *r, const struct conf_key *key,
    const struct tree_node *node)
{
	if (node->kind != TREE_TEXT)
		return wrong(r, key, node, ".%.64s needs a single value", node->key);
	if (strcmp(node->key, "entries") == 0)
		return parse_count(&limits->entries, node->text) ||
		       wrong(r, key, node, ".entries %.64s is no number from 0 to %d", node->text,
			   CONF_LIMITS_ENTRIES_MAX);
	if (strcmp(node->key, "bytes") == 0)
		return (conf_parse_size(&limits->bytes, node->text) &&
			   limits->bytes <= UINT64_C(1) << BYTES_MAX_LOG2) ||
		       wrong(r, key, node,
			   ".bytes %.64s is no size up to 1TiB: write it as in 64MiB", node->text);
	if (strcmp(node->key, "time") == 0 && has_time(key))
		return (conf_parse_duration(&limits->time_ms, node->text) &&
			   limits->time_ms <= TIME_MAX_MS) ||
		       wrong(r, key, node,
			   ".time %.64s is no duration up to 1h: write it as in 500ms", node->text);
	return tree_wrong(r->tree, node->key_at, r->why, "%s.%s.%.64s is unknown: %s are expected",
	    key->section, key->name, node->key,
	    has_time(key) ? "entries, bytes and time" : "entries and bytes");
}

bool
limits_read(struct conf_limits *limits, struct conf_reading *r, const struct conf_key *key,
    const struct tree_node *node)
{
	take_default(limits, key->fallback);
	if (node->kind == TREE_TEXT && node->text == NULL)
		return true;
	if (node->kind == TREE_TEXT && strcmp(node->text, key->fallback) == 0)
		return true;
	if (node->kind != TREE_MAP)
		return wrong(r, key, node, " needs a map, as in { entries: 1000, bytes: 1MiB }");
	for (const struct tree_node *one = node->first; one; one = one->next)
		if (!limits_take_one(limits, r, key, one))
			return false;
	if (has_time(key) && (limits->entries == 0 || limits->bytes == 0))
		return wrong(r, key, node,
		    " has a limit of 0: a batch holds an entry and a byte at the least");
	return true;
}

void
limits_print(FILE *out, const struct conf_limits *limits, const struct conf_key *key)
{
	char bytes[UNIT_TEXT_SIZE], wait[UNIT_TEXT_SIZE];
	unit_print_size(bytes, limits->bytes);
	unit_print_duration(wait, limits->time_ms);
	fprintf(out, "{ entries: %" PRIu64 ", bytes: %s", limits->entries, bytes);
	if (has_time(key))
		fprintf(out, ", time: %s", wait);
	fputs(" }", out);
}
