/* SPDX-License-Identifier: ISC */
/* YAML to a tree, from libyaml's events.  No recursion: the open lists and maps are a stack. */
#include "tree.h"

#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "unix/exit.h"
#include "conf.h"
#include "text.h"

/* A tree being built. */
struct builder {
	struct tree *tree;
	struct tree_node *open[TREE_DEPTH_MAX];
	size_t depth;
	bool had_document;
	char *key; /* read, its value not yet */
	struct tree_place key_at;
	char *why;
};

static struct tree_place
tree_position(yaml_mark_t mark)
{
	return (struct tree_place){mark.line + 1, mark.column + 1};
}

static void
one_line(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

bool
tree_wrong(const struct tree *tree, struct tree_place at, char *why, const char *format, ...)
{
	int used = snprintf(why, CONF_WHY_SIZE, "%s:%zu:%zu: ", tree->path, at.line, at.column);
	if (used > 0 && used < CONF_WHY_SIZE) {
		va_list args;
		va_start(args, format);
		vsnprintf(why + used, CONF_WHY_SIZE - (size_t)used, format, args);
		va_end(args);
	}
	one_line(why);
	errno = EINVAL;
	return false;
}

static bool
tree_unreadable(const char *path, int error, char *why)
{
	snprintf(why, CONF_WHY_SIZE, "%s: cannot be read: %s", path, strerror(error));
	one_line(why);
	errno = error;
	return false;
}

static bool
file_read(const char *path, char *bytes, size_t *size, char *why)
{
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return tree_unreadable(path, errno, why);
	*size = fread(bytes, 1, TREE_FILE_SIZE_MAX + 1, file);
	int error = ferror(file) ? errno : 0;
	fclose(file);
	if (error != 0)
		return tree_unreadable(path, error, why);
	if (*size <= TREE_FILE_SIZE_MAX)
		return true;
	snprintf(why, CONF_WHY_SIZE, "%s: cannot be read: it is larger than 1MiB", path);
	one_line(why);
	errno = EINVAL;
	return false;
}

/* ------------------------------------------------------------ nodes */

static bool
key_take(struct builder *b, const struct tree_node *map, const char *text, struct tree_place at)
{
	const struct tree_node *former = tree_find(map, text);
	if (former != NULL)
		return tree_wrong(b->tree, at, b->why,
		    "key %s stands twice: it is already on line %zu, remove one", text,
		    former->key_at.line);
	b->key = text_memory(strdup(text));
	b->key_at = at;
	return true;
}

/* The new node goes under the innermost open one. */
static struct tree_node *
node_add(struct builder *b, enum tree_kind kind, struct tree_place at)
{
	struct tree_node *node = text_memory(calloc(1, sizeof(*node)));
	node->kind = kind;
	node->at = at;
	node->key = b->key;
	node->key_at = b->key_at;
	b->key = NULL;
	node->older = b->tree->newest;
	b->tree->newest = node;
	b->tree->count++;

	if (b->depth == 0) {
		b->tree->root = node;
		return node;
	}
	struct tree_node *parent = b->open[b->depth - 1];
	if (parent->last == NULL)
		parent->first = node;
	else
		parent->last->next = node;
	parent->last = node;
	return node;
}

static bool
key_wanted(const struct builder *b)
{
	return b->depth > 0 && b->open[b->depth - 1]->kind == TREE_MAP && b->key == NULL;
}

static bool
plain_only(
    struct builder *b, struct tree_place at, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL)
		return tree_wrong(
		    b->tree, at, b->why, "anchors have no use here: remove &%.64s", anchor);
	if (tag != NULL)
		return tree_wrong(b->tree, at, b->why, "tags have no use here: remove %.64s", tag);
	if (b->tree->count >= TREE_NODES_MAX)
		return tree_wrong(b->tree, at, b->why,
		    "too many values: a configuration has at most %d", TREE_NODES_MAX);
	return true;
}

/* ------------------------------------------------------------ events */

static bool
on_document(struct builder *b, struct tree_place at)
{
	if (b->had_document)
		return tree_wrong(b->tree, at, b->why,
		    "a second document begins here: a configuration is one document");
	b->had_document = true;
	return true;
}

static bool
on_scalar(struct builder *b, const yaml_event_t *event)
{
	struct tree_place at = tree_position(event->start_mark);
	const char *text = (const char *)event->data.scalar.value;
	if (!plain_only(b, at, event->data.scalar.anchor, event->data.scalar.tag))
		return false;
	if (strlen(text) != event->data.scalar.length)
		return tree_wrong(
		    b->tree, at, b->why, "a NUL byte stands in this value: remove it");
	if (key_wanted(b))
		return key_take(b, b->open[b->depth - 1], text, at);

	struct tree_node *node = node_add(b, TREE_TEXT, at);
	node->text = text_memory(strdup(text));
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	return true;
}

static bool
on_open(struct builder *b, enum tree_kind kind, struct tree_place at, const yaml_char_t *anchor,
    const yaml_char_t *tag)
{
	if (!plain_only(b, at, anchor, tag))
		return false;
	if (key_wanted(b))
		return tree_wrong(b->tree, at, b->why,
		    "a list or map can't be a key: write a name before the colon");
	if (b->depth == TREE_DEPTH_MAX)
		return tree_wrong(b->tree, at, b->why,
		    "nested too deeply: no key goes deeper than %d", TREE_DEPTH_MAX);
	b->open[b->depth] = node_add(b, kind, at);
	b->depth++;
	return true;
}

static bool
on_event(struct builder *b, const yaml_event_t *event)
{
	struct tree_place at = tree_position(event->start_mark);
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return on_document(b, at);
	case YAML_ALIAS_EVENT:
		return tree_wrong(b->tree, at, b->why,
		    "aliases have no use here: write the value out instead of *%.64s",
		    event->data.alias.anchor);
	case YAML_SCALAR_EVENT:
		return on_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(b, TREE_LIST, at, event->data.sequence_start.anchor,
		    event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return on_open(b, TREE_MAP, at, event->data.mapping_start.anchor,
		    event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return true;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return true;
	}
	return true;
}

/* ------------------------------------------------------------ the file */

/* libyaml counts bytes where its reader fails. */
static struct tree_place
place_of_offset(const char *bytes, size_t size, size_t offset)
{
	struct tree_place at = {1, 1};
	for (size_t i = 0; i < offset && i < size; i++) {
		at.column++;
		if (bytes[i] == '\n')
			at = (struct tree_place){at.line + 1, 1};
	}
	return at;
}

static bool
tree_broken(struct builder *b, const yaml_parser_t *parser, const char *bytes, size_t size)
{
	const char *problem = parser->problem != NULL ? parser->problem : "unknown problem";
	if (parser->error == YAML_READER_ERROR)
		return tree_wrong(b->tree, place_of_offset(bytes, size, parser->problem_offset),
		    b->why, "not UTF-8 text: %s", problem);
	if (parser->context != NULL)
		return tree_wrong(b->tree, tree_position(parser->problem_mark), b->why,
		    "broken YAML: %s %s", problem, parser->context);
	return tree_wrong(
	    b->tree, tree_position(parser->problem_mark), b->why, "broken YAML: %s", problem);
}

static bool
tree_build(struct builder *b, const char *bytes, size_t size)
{
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		err(EXIT_OS, "no memory for the configuration");
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, size);

	bool good = true, end = false;
	while (good && !end) {
		yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event)) {
			good = tree_broken(b, &parser, bytes, size);
			break;
		}
		end = event.type == YAML_STREAM_END_EVENT;
		good = on_event(b, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	free(b->key);
	if (good && (b->tree->root == NULL || tree_nothing(b->tree->root)))
		return tree_wrong(b->tree, (struct tree_place){1, 1}, b->why,
		    "the file says nothing: raft-init writes one that does");
	return good;
}

struct tree *
tree_read(const char *path, char *why)
{
	struct tree *tree = text_memory(calloc(1, sizeof(*tree)));
	tree->path = text_memory(strdup(path));
	char *bytes = text_memory(malloc(TREE_FILE_SIZE_MAX + 1));
	struct builder b = {.tree = tree, .why = why};
	size_t size;
	bool good = file_read(path, bytes, &size, why) && tree_build(&b, bytes, size);
	free(bytes);
	if (good)
		return tree;
	tree_free(tree);
	return NULL;
}

void
tree_free(struct tree *tree)
{
	if (tree == NULL)
		return;
	while (tree->newest != NULL) {
		struct tree_node *node = tree->newest;
		tree->newest = node->older;
		free(node->key);
		free(node->text);
		free(node);
	}
	free(tree->path);
	free(tree);
}

const struct tree_node *
tree_find(const struct tree_node *map, const char *key)
{
	for (const struct tree_node *node = map->first; node != NULL; node = node->next)
		if (node->key != NULL && strcmp(node->key, key) == 0)
			return node;
	return NULL;
}

bool
tree_nothing(const struct tree_node *node)
{
	return node->kind == TREE_TEXT && node->text[0] == '\0' && !node->quoted;
}
