/* SPDX-License-Identifier: ISC */
/* Members: id, address, public key, role; in a file of their own or in raft.yaml. */
#include "members.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "seal/seal.h"
#include "address.h"
#include "text.h"

struct members_reading {
	const struct tree *tree;
	char *why;
};

static const char id_form[] = "1 to 31 characters of A-Z a-z 0-9 . _ -";

#define wrong(r, place, ...) tree_wrong((r)->tree, place, (r)->why, __VA_ARGS__)

/* ------------------------------------------------------------ the fields of one */

static bool
members_read_id(
    const struct members_reading *r, struct raft_member *member, const struct tree_node *node)
{
	if (!raft_id_parse(&member->id, node->text))
		return wrong(r, node->at, "%.64s is no id: an id is %s", node->text, id_form);
	return true;
}

static bool
members_read_address(
    const struct members_reading *r, struct raft_member *member, const struct tree_node *node)
{
	char what[CONF_WHY_SIZE];
	if (!address_check_reachable(node->text, what))
		return wrong(r, node->at, "%s", what);
	strcpy(member->address, node->text);
	return true;
}

static bool
members_read_key(
    const struct members_reading *r, struct raft_member *member, const struct tree_node *node)
{
	if (!seal_key_parse(member->key, node->text))
		return wrong(r, node->at,
		    "%.64s is no public key: it is 44 characters of base64, as raft-init prints it",
		    node->text);
	return true;
}

static bool
read_role(const struct members_reading *r, struct raft_member *member, const struct tree_node *node)
{
	if (strcmp(node->text, "voter") == 0)
		member->role = RAFT_VOTER;
	else if (strcmp(node->text, "learner") == 0)
		member->role = RAFT_LEARNER;
	else
		return wrong(r, node->at, "%.64s is no role: it is voter or learner", node->text);
	return true;
}

static const struct field {
	const char *name;
	bool required;
	bool (*read)(const struct members_reading *r, struct raft_member *member,
	    const struct tree_node *node);
} fields[] = {
    {"id", true, members_read_id},
    {"address", true, members_read_address},
    {"key", true, members_read_key},
    {"role", false, read_role},
};
enum { FIELDS_COUNT = sizeof(fields) / sizeof(fields[0]) };

static const struct field *
field_find(const char *name)
{
	for (size_t i = 0; i < FIELDS_COUNT; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

static bool
members_read_member(
    const struct members_reading *r, struct raft_member *member, const struct tree_node *map)
{
	*member = (struct raft_member){.role = RAFT_VOTER};
	if (map->kind != TREE_MAP)
		return wrong(r, map->at,
		    "a member needs a map: write { id: ID, address: ADDRESS, key: KEY }");
	for (const struct tree_node *node = map->first; node != NULL; node = node->next) {
		const struct field *field = field_find(node->key);
		if (field == NULL)
			return wrong(r, node->key_at,
			    "unknown key %.64s of a member: there are id, address, key and role",
			    node->key);
		if (node->kind != TREE_TEXT || tree_nothing(node))
			return wrong(r, node->key_at, "%s of a member needs a value", node->key);
		if (!field->read(r, member, node))
			return false;
	}
	for (size_t i = 0; i < FIELDS_COUNT; i++)
		if (fields[i].required && tree_find(map, fields[i].name) == NULL)
			return wrong(r, map->at, "this member has no %s: add it", fields[i].name);
	return true;
}

/* ------------------------------------------------------------ all of them */

static bool
members_read_index(struct conf_cluster_id *id, const char *text)
{
	char *end;
	if (text[0] < '1' || text[0] > '9')
		return false;
	errno = 0;
	id->index = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0;
}

static bool
members_read_name(struct conf_cluster_id *id, const char *text)
{
	if (!conf_name_valid(text))
		return false;
	strcpy(id->name, text);
	return true;
}

static bool
read_beside(
    const struct members_reading *r, struct conf_cluster_id *id, const struct tree_node *node)
{
	bool good = node->kind == TREE_TEXT &&
		    ((strcmp(node->key, "index") == 0 && members_read_index(id, node->text)) ||
			(strcmp(node->key, "name") == 0 && members_read_name(id, node->text)));
	return good ||
	       wrong(r, node->key_at,
		   "beside the cluster there can only be index, a number from 1 on, and name, 1 to "
		   "%d characters of A-Z a-z 0-9 . _ -, as raft-ctl members -y prints them",
		   CONF_NAME_SIZE_MAX);
}

/*
 * - { cluster: ID, index: NUMBER, name: NAME }: which cluster they are of, since which entry of its
 * log, and the cluster's name.
 */
static bool
read_cluster(
    const struct members_reading *r, struct conf_cluster_id *id, const struct tree_node *node)
{
	if (id->known)
		return wrong(r, node->key_at, "the cluster stands twice: once is enough");
	if (node->kind != TREE_TEXT || !text_hex_parse(id->hash.b, RAFT_HASH_SIZE, node->text))
		return wrong(r, node->key_at,
		    "cluster needs a line of its own and an id of %d hexadecimal digits, as "
		    "raft-ctl members -y prints it",
		    2 * RAFT_HASH_SIZE);
	id->known = true;
	while ((node = node->next) != NULL)
		if (!read_beside(r, id, node))
			return false;
	return true;
}

static bool
is_cluster(const struct tree_node *node)
{
	return node->kind == TREE_MAP && node->first != NULL &&
	       strcmp(node->first->key, "cluster") == 0;
}

/* The newest member against those before it. */
static bool
check_unique(
    const struct members_reading *r, const struct raft_config *members, const struct tree_node *map)
{
	const struct raft_member *new = &members->members[members->count - 1];
	for (size_t i = 0; i + 1 < members->count; i++) {
		const struct raft_member *old = &members->members[i];
		if (raft_id_equal(&old->id, &new->id))
			return wrong(r, tree_find(map, "id")->at,
			    "two members have the id %s: each needs its own", new->id.s);
		if (memcmp(old->key, new->key, RAFT_KEY_SIZE) == 0)
			return wrong(r, tree_find(map, "key")->at,
			    "%s and %s have the same key: each needs its own", old->id.s,
			    new->id.s);
		if (strcmp(old->address, new->address) == 0)
			return wrong(r, tree_find(map, "address")->at,
			    "%s and %s have the same address: each needs its own", old->id.s,
			    new->id.s);
	}
	return true;
}

bool
members_read(struct raft_config *members, struct conf_cluster_id *id, const struct tree *tree,
    const struct tree_node *list, char *why)
{
	const struct members_reading r = {tree, why};
	memset(members, 0, sizeof(*members));
	memset(id, 0, sizeof(*id));
	if (list->kind != TREE_LIST)
		return wrong(&r, list->at,
		    "members are a list: write - { id: ID, address: ADDRESS, key: KEY } for each");
	for (const struct tree_node *node = list->first; node != NULL; node = node->next) {
		if (is_cluster(node)) {
			if (!read_cluster(&r, id, node->first))
				return false;
			continue;
		}
		if (members->count == RAFT_MEMBERS_MAX)
			return wrong(&r, node->at, "too many members: a cluster has at most %d",
			    RAFT_MEMBERS_MAX);
		if (!members_read_member(&r, &members->members[members->count], node))
			return false;
		members->count++;
		if (!check_unique(&r, members, node))
			return false;
	}
	if (members->count == 0)
		return wrong(
		    &r, list->at, "the list of members is empty: it needs at least one voter");
	if (!raft_config_normalise(members))
		return wrong(&r, list->at, "no member is a voter: make at least one");
	return true;
}

bool
conf_read_members(
    const char *path, struct raft_config *members, struct conf_cluster_id *id, char *why)
{
	struct conf_cluster_id unused;
	struct tree *tree = tree_read(path, why);
	if (tree == NULL)
		return false;
	bool good = members_read(members, id ? id : &unused, tree, tree->root, why);
	tree_free(tree);
	return good;
}

void
members_print(FILE *out, const struct raft_config *members, const struct conf_cluster_id *id,
    const char *indent)
{
	char hex[2 * RAFT_HASH_SIZE + 1];
	if (id != NULL && id->known) {
		seal_hex(hex, id->hash.b, RAFT_HASH_SIZE);
		fprintf(out, "%s- { cluster: \"%s\"", indent, hex);
		if (id->index > 0)
			fprintf(out, ", index: %" PRIu64, id->index);
		if (id->name[0] != '\0') {
			fputs(", name: ", out);
			text_print(out, id->name);
		}
		fputs(" }\n", out);
	}
	for (size_t i = 0; i < members->count; i++) {
		const struct raft_member *member = &members->members[i];
		char key[SEAL_KEY_TEXT_SIZE];
		seal_key_text(key, member->key);
		fprintf(out, "%s- { id: ", indent);
		text_print(out, member->id.s);
		fputs(", address: ", out);
		text_print(out, member->address);
		fputs(", key: ", out);
		text_print(out, key);
		fprintf(out, "%s }\n", member->role == RAFT_LEARNER ? ", role: learner" : "");
	}
}

char *
conf_print_members(const struct raft_config *members, const struct conf_cluster_id *id)
{
	char *text = NULL;
	size_t size;
	FILE *out = text_memory(open_memstream(&text, &size));
	members_print(out, members, id, "");
	fclose(out);
	return text_memory(text);
}
