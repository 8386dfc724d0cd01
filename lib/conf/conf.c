/* SPDX-License-Identifier: ISC */
/* raft.yaml: found, read by the table, checked, printed. */
#include "conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unix/exit.h"
#include "check.h"
#include "nearest.h"
#include "text.h"
#include "tree.h"
#include "value.h"

/* ------------------------------------------------------------ finding */

char *
conf_find(const char *given, char *why)
{
	if (given != NULL)
		return text_dup(given);
	const char *named = getenv("RAFT_CONFIG");
	if (named != NULL && named[0] != '\0')
		return text_dup(named);
	static const char *const usual[] = {"raft.yaml", "/etc/raft/raft.yaml"};
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		/* One that cannot be looked at just now is there, too: reading it says why not. */
		if (access(usual[i], F_OK) == 0 || exit_of_errno(errno) != EXIT_CONFIG)
			return text_dup(usual[i]);
	snprintf(why, CONF_WHY_SIZE,
	    "no configuration: neither ./raft.yaml nor /etc/raft/raft.yaml is there, give -c FILE "
	    "or set $RAFT_CONFIG");
	errno = ENOENT;
	return NULL;
}

/* ------------------------------------------------------------ reading */

static const struct conf_key *
key_find(const char *section, const char *name)
{
	for (size_t i = 0; i < CONF_KEYS_COUNT; i++)
		if (strcmp(conf_keys[i].section, section) == 0 &&
		    strcmp(conf_keys[i].name, name) == 0)
			return &conf_keys[i];
	return NULL;
}

static bool
section_known(const char *section)
{
	for (size_t i = 0; i < CONF_KEYS_COUNT; i++)
		if (strcmp(conf_keys[i].section, section) == 0)
			return true;
	return false;
}

static bool
unknown_key(struct conf_reading *r, const char *section, const struct tree_node *node)
{
	char hint[NEAREST_SIZE];
	nearest_key(hint, section, node->key);
	return tree_wrong(r->tree, node->key_at, r->why, "unknown key %s%s%.64s: %s",
	    section == NULL ? "" : section, section == NULL ? "" : ".", node->key, hint);
}

static bool
read_section(struct conf_reading *r, const struct tree_node *section)
{
	if (!section_known(section->key))
		return unknown_key(r, NULL, section);
	if (section->kind != TREE_MAP)
		return tree_wrong(r->tree, section->key_at, r->why,
		    "%s needs keys below it: write %s: { KEY: VALUE, ... }", section->key,
		    section->key);
	for (const struct tree_node *node = section->first; node != NULL; node = node->next) {
		const struct conf_key *key = key_find(section->key, node->key);
		if (key == NULL)
			return unknown_key(r, section->key, node);
		if (!value_read(r, key, node))
			return false;
	}
	return true;
}

static bool
check_required(struct conf_reading *r)
{
	for (size_t i = 0; i < CONF_KEYS_COUNT; i++) {
		const struct conf_key *key = &conf_keys[i];
		const struct tree_node *section = tree_find(r->tree->root, key->section);
		if (!conf_key_required(key) ||
		    (section != NULL && tree_find(section, key->name) != NULL))
			continue;
		struct tree_place at =
		    section != NULL ? section->key_at : (struct tree_place){1, 1};
		return tree_wrong(
		    r->tree, at, r->why, "%s.%s is missing: add it", key->section, key->name);
	}
	return true;
}

static void
read_defaults(struct conf_reading *r)
{
	for (size_t i = 0; i < CONF_KEYS_COUNT; i++)
		value_default(r, &conf_keys[i]);
}

static bool
read_tree(struct conf_reading *r)
{
	read_defaults(r);
	const struct tree_node *root = r->tree->root;
	if (root->kind != TREE_MAP)
		return tree_wrong(r->tree, root->at, r->why,
		    "a configuration is a map: node:, cluster:, peerd: and so on");
	for (const struct tree_node *section = root->first; section != NULL;
	     section = section->next)
		if (!read_section(r, section))
			return false;
	r->conf->fsm.present = tree_find(root, "fsm") != NULL;
	if (r->conf->cluster.name == NULL && r->conf->cluster.id.name[0] != '\0')
		r->conf->cluster.name = text_dup(r->conf->cluster.id.name);
	if (r->conf->lead.grace_ms == 0)
		r->conf->lead.grace_ms = (r->conf->elect.election_timeout_ms + 3) / 4;
	return check_required(r) && check_together(r->conf, r->tree, r->why);
}

struct conf *
conf_read(const char *path, char *why)
{
	struct tree *tree = tree_read(path, why);
	if (tree == NULL)
		return NULL;
	struct conf *conf = text_memory(calloc(1, sizeof(*conf)));
	struct conf_reading r = {.conf = conf, .tree = tree, .why = why};
	bool good = false;
	conf->path = path_absolute(path);
	if (conf->path == NULL) {
		snprintf(why, CONF_WHY_SIZE, "%s: the working directory is not readable: %s", path,
		    strerror(errno));
	} else {
		conf->folder = path_folder(conf->path);
		good = read_tree(&r);
	}
	tree_free(tree);
	if (good)
		return conf;
	conf_free(conf);
	return NULL;
}

struct conf *
conf_default(char *why)
{
	char *folder = getcwd(NULL, 0);
	if (folder == NULL) {
		snprintf(why, CONF_WHY_SIZE, "the working directory is not readable: %s",
		    strerror(errno));
		return NULL;
	}
	struct conf *conf = text_memory(calloc(1, sizeof(*conf)));
	conf->folder = folder;
	read_defaults(&(struct conf_reading){.conf = conf, .why = why});
	return conf;
}

void
conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	for (size_t i = 0; i < CONF_KEYS_COUNT; i++)
		value_free(conf, &conf_keys[i]);
	free(conf->cluster.members_path);
	free(conf->path);
	free(conf->folder);
	free(conf);
}

/* ------------------------------------------------------------ printing */

char *
conf_print(const struct conf *conf)
{
	char *text = NULL;
	size_t size;
	FILE *out = text_memory(open_memstream(&text, &size));
	const char *section = "";
	for (size_t i = 0; i < CONF_KEYS_COUNT; i++) {
		const struct conf_key *key = &conf_keys[i];
		if (strcmp(key->section, "fsm") == 0 && !conf->fsm.present)
			continue;
		if (strcmp(key->section, section) != 0)
			fprintf(out, "%s:\n", key->section);
		section = key->section;
		value_print(out, conf, key);
	}
	fclose(out);
	return text_memory(text);
}
