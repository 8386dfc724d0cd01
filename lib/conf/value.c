/* SPDX-License-Identifier: ISC */
/* The table of keys, and how a value of each type is read, printed and freed. */
#include "value.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "fields.h"
#include "limits.h"
#include "members.h"
#include "text.h"
#include "unit.h"

const struct conf_key conf_keys[CONF_KEYS_COUNT] = {
#define K(section, name, TYPE, member, fallback, low, high)                                        \
	{#section, #name, CONF_##TYPE, offsetof(struct conf, member), fallback, low, high},
    CONF_KEYS(K)
#undef K
};

enum { COMMAND_WORDS_MAX = 256, PATH_SIZE_MAX = 512 };

bool
conf_key_required(const struct conf_key *key)
{
	return key->fallback == NULL && key->type != CONF_GROUP && key->type != CONF_COMMAND &&
	       key != &conf_keys[CONF_KEY_cluster_name];
}

/* Which modes of raft-fsm a key is for; those not named here are for all. */
static const struct {
	const char *name;
	unsigned modes;
} mode_keys[] = {
    {"from", 1U << CONF_SINK},
    {"batch", 1U << CONF_BATCH},
    {"fields", 1U << CONF_MACHINE},
    {"timeout", 1U << CONF_MACHINE},
    {"reply_max", 1U << CONF_MACHINE},
    {"snapshot", 1U << CONF_MACHINE},
    {"snapshot_timeout", 1U << CONF_MACHINE},
    {"format", 1U << CONF_MACHINE},
};

bool
conf_key_effective(const struct conf *conf, const struct conf_key *key)
{
	for (size_t i = 0; i < sizeof(mode_keys) / sizeof(mode_keys[0]); i++)
		if (strcmp(key->section, "fsm") == 0 && strcmp(key->name, mode_keys[i].name) == 0)
			return (mode_keys[i].modes >> conf->fsm.mode & 1) != 0;
	return true;
}

static void *
field_of(struct conf *conf, const struct conf_key *key)
{
	return (char *)conf + key->offset;
}

static const void *
field_in(const struct conf *conf, const struct conf_key *key)
{
	return (const char *)conf + key->offset;
}

/* "section.key: " goes before each sentence about a value. */
#define wrong(r, key, node, format, ...)                                                           \
	tree_wrong((r)->tree, (node)->at, (r)->why, "%s.%s" format, (key)->section, (key)->name,   \
	    ##__VA_ARGS__)

/* ------------------------------------------------------------ ids and texts */

static bool
read_id(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node)
{
	if (!raft_id_parse(field_of(r->conf, key), node->text))
		return wrong(r, key, node,
		    " %.64s is no id: an id is 1 to 31 characters of A-Z a-z 0-9 . _ -",
		    node->text);
	return true;
}

static void
print_id(FILE *out, const struct conf *conf, const struct conf_key *key)
{
	const struct raft_id *id = field_in(conf, key);
	text_print(out, id->s);
}

static void
free_id(void *field)
{
	(void)field;
}

static void
text_set(struct conf_reading *r, const struct conf_key *key, char *taken)
{
	char **field = field_of(r->conf, key);
	free(*field);
	*field = taken;
}

static void
free_text(void *field)
{
	free(*(char **)field);
}

static void
print_text(FILE *out, const struct conf *conf, const struct conf_key *key)
{
	text_print(out, *(char *const *)field_in(conf, key));
}

bool
conf_name_valid(const char *name)
{
	size_t size = strlen(name);
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL)
			return false;
	return size > 0 && size <= CONF_NAME_SIZE_MAX;
}

static bool
read_name(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node)
{
	if (!conf_name_valid(node->text))
		return wrong(r, key, node,
		    " %.64s is no name: a name is 1 to %d characters of A-Z a-z 0-9 . _ -",
		    node->text, CONF_NAME_SIZE_MAX);
	text_set(r, key, text_dup(node->text));
	return true;
}
#define print_name print_text
#define free_name free_text

static bool
read_path(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node)
{
	if (node->text[0] == '\0')
		return wrong(r, key, node, " is empty: it needs a path");
	char *path = path_resolve(r->conf->folder, node->text);
	text_set(r, key, path);
	if (strlen(path) > PATH_SIZE_MAX)
		return wrong(r, key, node,
		    " is too long: with the folder before it, it has %zu bytes, the limit is %d",
		    strlen(path), PATH_SIZE_MAX);
	return true;
}
#define print_path print_text
#define free_path free_text

static bool
read_group(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node)
{
	if (node->text[0] == '\0')
		return wrong(r, key, node, " is empty: name a group, or leave the key out");
	text_set(r, key, text_dup(node->text));
	return true;
}
#define print_group print_text
#define free_group free_text

static bool
read_address(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node)
{
	char what[CONF_WHY_SIZE];
	if (!address_check(node->text, what))
		return wrong(r, key, node, " %s", what);
	text_set(r, key, text_dup(node->text));
	return true;
}
#define print_address print_text
#define free_address free_text

/* ------------------------------------------------------------ numbers with units */

static bool
in_bounds(
    const struct conf_key *key, uint64_t value, bool (*parse)(uint64_t *value, const char *text))
{
	uint64_t low = 0, high = 0;
	must(parse(&low, key->low));
	must(parse(&high, key->high));
	return value >= low && value <= high;
}

static bool
read_number(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node,
    bool (*parse)(uint64_t *value, const char *text), const char *form)
{
	uint64_t value;
	if (!parse(&value, node->text))
		return wrong(r, key, node, " %.64s is no %s", node->text, form);
	if (!in_bounds(key, value, parse))
		return wrong(r, key, node, " %.64s is out of range: it goes from %s to %s",
		    node->text, key->low, key->high);
	*(uint64_t *)field_of(r->conf, key) = value;
	return true;
}

static bool
read_duration(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node)
{
	return read_number(r, key, node, conf_parse_duration,
	    "duration: write a number and ms, s, m, h or d, as in 500ms");
}

static bool
read_size(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node)
{
	return read_number(r, key, node, conf_parse_size,
	    "size: write a number and B, KiB, MiB, GiB or TiB, as in 64MiB");
}

static void
print_duration(FILE *out, const struct conf *conf, const struct conf_key *key)
{
	char text[UNIT_TEXT_SIZE];
	unit_print_duration(text, *(const uint64_t *)field_in(conf, key));
	fputs(text, out);
}

static void
print_size(FILE *out, const struct conf *conf, const struct conf_key *key)
{
	char text[UNIT_TEXT_SIZE];
	unit_print_size(text, *(const uint64_t *)field_in(conf, key));
	fputs(text, out);
}
#define free_duration free_id
#define free_size free_id

/* ------------------------------------------------------------ members */

/* A list, or the name of a file with one.  The file may be missing once the log has the members. */
static bool
read_members(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node)
{
	struct conf *conf = r->conf;
	if (node->kind == TREE_LIST) {
		conf->cluster.have_members = true;
		return members_read(
		    &conf->cluster.members, &conf->cluster.id, r->tree, node, r->why);
	}
	if (node->kind != TREE_TEXT || node->text[0] == '\0')
		return wrong(r, key, node, " needs a list of members, or the file that holds it");
	free(conf->cluster.members_path);
	conf->cluster.members_path = path_resolve(conf->folder, node->text);
	conf->cluster.have_members =
	    access(conf->cluster.members_path, F_OK) == 0 || errno != ENOENT;
	return !conf->cluster.have_members ||
	       conf_read_members(
		   conf->cluster.members_path, &conf->cluster.members, &conf->cluster.id, r->why);
}

static void
print_members(FILE *out, const struct conf *conf, const struct conf_key *key)
{
	(void)key;
	if (!conf->cluster.have_members) {
		text_print(out, conf->cluster.members_path);
		return;
	}
	fputc('\n', out);
	members_print(out, &conf->cluster.members, &conf->cluster.id, "    ");
}
#define free_members free_id /* conf_free frees the path */

/* ------------------------------------------------------------ the program */

static bool
read_command(struct conf_reading *r, const struct conf_key *key, const struct tree_node *list)
{
	if (list->kind != TREE_LIST || list->first == NULL)
		return wrong(r, key, list, " needs a list: write [ PROGRAM, ARGUMENT, ... ]");
	char **words = text_memory(calloc(COMMAND_WORDS_MAX + 1, sizeof(*words)));
	*(char ***)field_of(r->conf, key) = words;
	size_t count = 0;
	for (const struct tree_node *node = list->first; node != NULL; node = node->next) {
		if (node->kind != TREE_TEXT || tree_nothing(node))
			return wrong(r, key, node, " is a list of words: this is none");
		if (count == COMMAND_WORDS_MAX)
			return wrong(r, key, node, " is too long: it has at most %d words",
			    COMMAND_WORDS_MAX);
		words[count++] = text_dup(node->text);
	}
	if (words[0][0] == '\0')
		return wrong(r, key, list->first, " names no program: its first word is empty");
	return true;
}

static void
print_command(FILE *out, const struct conf *conf, const struct conf_key *key)
{
	char *const *words = *(char **const *)field_in(conf, key);
	for (size_t i = 0; words[i] != NULL; i++) {
		fputs(i == 0 ? "[ " : ", ", out);
		text_print(out, words[i]);
	}
	fputs(" ]", out);
}

static void
free_command(void *field)
{
	char **words = *(char ***)field;
	for (size_t i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}

static const char *const mode_names[] = {
    [CONF_SINK] = "sink", [CONF_BATCH] = "batch", [CONF_MACHINE] = "machine"};

static bool
read_mode(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node)
{
	for (size_t i = 0; i < sizeof(mode_names) / sizeof(mode_names[0]); i++) {
		if (strcmp(node->text, mode_names[i]) == 0) {
			*(enum conf_mode *)field_of(r->conf, key) = (enum conf_mode)i;
			return true;
		}
	}
	return wrong(r, key, node, " %.64s is no mode: use sink, batch or machine", node->text);
}

static void
print_mode(FILE *out, const struct conf *conf, const struct conf_key *key)
{
	fputs(mode_names[*(const enum conf_mode *)field_in(conf, key)], out);
}
#define free_mode free_id

static bool
read_framing(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node)
{
	enum framing framing;
	if (!framing_parse(&framing, node->text))
		return wrong(r, key, node, " %.64s is no framing: use line, nul, netstring or json",
		    node->text);
	if (framing == FRAMING_WHOLE)
		return wrong(r, key, node,
		    " whole has no effect here, since a program gets many entries: use line, nul, "
		    "netstring or json");
	*(enum framing *)field_of(r->conf, key) = framing;
	return true;
}

static void
print_framing(FILE *out, const struct conf *conf, const struct conf_key *key)
{
	fputs(framing_name(*(const enum framing *)field_in(conf, key)), out);
}
#define free_framing free_id

static bool
read_fields(struct conf_reading *r, const struct conf_key *key, const struct tree_node *list)
{
	uint8_t *fields = field_of(r->conf, key);
	*fields = 0;
	if (list->kind == TREE_TEXT && list->text && strcmp(list->text, key->fallback) == 0)
		return true;
	if (list->kind != TREE_LIST)
		return wrong(r, key, list, " needs a list, as in [ time, origin ]");
	for (const struct tree_node *node = list->first; node != NULL; node = node->next) {
		uint8_t field = node->kind == TREE_TEXT ? field_of_name(node->text) : 0;
		if (field == 0)
			return wrong(r, key, node, "%s%.64s is no field: the fields are %s",
			    node->kind == TREE_TEXT ? " " : ": this",
			    node->kind == TREE_TEXT ? node->text : "", FIELDS_NAMES);
		if (*fields & field)
			return wrong(r, key, node, " has %s twice: remove one", node->text);
		*fields |= field;
	}
	return true;
}

static void
print_fields(FILE *out, const struct conf *conf, const struct conf_key *key)
{
	char text[FIELDS_TEXT_SIZE];
	fprintf(out, "[%s]", fields_text(text, *(const uint8_t *)field_in(conf, key)));
}
#define free_fields free_id

static bool
read_from(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node)
{
	bool start = strcmp(node->text, "start") == 0;
	if (!start && strcmp(node->text, "cursor") != 0)
		return wrong(r, key, node, " %.64s is neither start nor cursor", node->text);
	*(enum conf_from *)field_of(r->conf, key) = start ? CONF_FROM_START : CONF_FROM_CURSOR;
	return true;
}

static void
print_from(FILE *out, const struct conf *conf, const struct conf_key *key)
{
	fputs(*(const enum conf_from *)field_in(conf, key) == CONF_FROM_START ? "start" : "cursor",
	    out);
}
#define free_from free_id

static bool
read_limits(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node)
{
	return limits_read(field_of(r->conf, key), r, key, node);
}

static void
print_limits(FILE *out, const struct conf *conf, const struct conf_key *key)
{
	limits_print(out, field_in(conf, key), key);
}
#define free_limits free_id

/* ------------------------------------------------------------ by type */

static const struct {
	bool (*read)(
	    struct conf_reading *r, const struct conf_key *key, const struct tree_node *node);
	void (*print)(FILE *out, const struct conf *conf, const struct conf_key *key);
	void (*free)(void *field);
} types[] = {
#define T(NAME, name) [CONF_##NAME] = {read_##name, print_##name, free_##name},
    CONF_TYPES(T)
#undef T
};
_Static_assert(
    sizeof(types) / sizeof(types[0]) == CONF_TYPES_COUNT, "each type is read, printed and freed");

bool
value_read(struct conf_reading *r, const struct conf_key *key, const struct tree_node *node)
{
	if (tree_nothing(node))
		return tree_wrong(r->tree, node->key_at, r->why,
		    "%s.%s has no value: give one, or remove the key", key->section, key->name);
	bool text = key->type != CONF_MEMBERS && key->type != CONF_COMMAND &&
		    key->type != CONF_FIELDS && key->type != CONF_LIMITS;
	if (text && node->kind != TREE_TEXT)
		return wrong(r, key, node, " needs a single value, this is a %s",
		    node->kind == TREE_LIST ? "list" : "map");
	return types[key->type].read(r, key, node);
}

void
value_default(struct conf_reading *r, const struct conf_key *key)
{
	if (key->fallback == NULL)
		return;
	char *text = text_dup(key->fallback);
	const struct tree_node node = {.kind = TREE_TEXT, .text = text};
	must(types[key->type].read(r, key, &node));
	free(text);
}

void
value_print(FILE *out, const struct conf *conf, const struct conf_key *key)
{
	bool left_out = !conf_key_effective(conf, key);
	if (key->type == CONF_GROUP || key->type == CONF_COMMAND)
		left_out = *(void *const *)field_in(conf, key) == NULL;
	if (left_out)
		return;
	bool many_lines = key->type == CONF_MEMBERS && conf->cluster.have_members;
	fprintf(out, "  %s:%s", key->name, many_lines ? "" : " ");
	types[key->type].print(out, conf, key);
	fputs(many_lines ? "" : "\n", out);
}

void
value_free(struct conf *conf, const struct conf_key *key)
{
	types[key->type].free(field_of(conf, key));
}
