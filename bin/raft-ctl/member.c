/* SPDX-License-Identifier: ISC */
/* raft-ctl member and key: who belongs to the cluster (§4). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/json.h"
#include "conf/address.h"
#include "seal/seal.h"
#include "change.h"
#include "text.h"

/* How many voters may fail. */
static size_t
member_tolerance(size_t voters)
{
	return voters == 0 ? 0 : (voters - 1) / 2;
}

static void
say_tolerance(struct ctl *ctl)
{
	struct raft_config members;
	char line[128];
	change_members(ctl, &members, "the change is made");
	size_t voters = raft_config_voters(&members);
	int size = snprintf(line, sizeof line, "voters=%zu learners=%zu tolerates=%zu\n", voters,
	    members.count - voters, member_tolerance(voters));
	if (!ctl->json) {
		tool_write(line, (size_t)size);
		return;
	}
	struct text text;
	struct wire_buf out = {0};
	text_parse(&text, line, (size_t)size);
	text_json(&out, &text.lines[0], "tolerance");
	json_put_raw(&out, "\n");
	tool_write(out.bytes, out.size);
	wire_buf_free(&out);
	text_free(&text);
}

/* It takes a voter away: with fewer failures tolerated only when that is wanted. */
static void
check_tolerance(struct ctl *ctl, const struct raft_id *id, const char *command)
{
	struct raft_config members;
	change_members(ctl, &members, NULL);
	const struct raft_member *member = raft_config_find(&members, id);
	size_t voters = raft_config_voters(&members);
	if (ctl->yes || member == NULL || member->role != RAFT_VOTER || voters < 2 ||
	    member_tolerance(voters - 1) == member_tolerance(voters))
		return;
	tool_die(EXIT_RETRY,
	    "member %s %s: the cluster could then lose %zu of %zu voters instead of %zu of %zu; "
	    "say --yes if that is wanted",
	    command, id->s, member_tolerance(voters - 1), voters - 1, member_tolerance(voters),
	    voters);
}

static struct raft_id
member_read_id(const char *text)
{
	struct raft_id id;
	if (!raft_id_parse(&id, text))
		tool_die(EXIT_USAGE,
		    "%s is no id: an id is 1 to 31 characters of A-Z a-z 0-9 . _ -", text);
	return id;
}

/* ------------------------------------------------------------------ add */

static struct raft_member
member_read_line(const char *path)
{
	struct raft_config members;
	char why[CONF_WHY_SIZE];
	if (!conf_read_members(strcmp(path, "-") == 0 ? "/dev/stdin" : path, &members, NULL, why))
		tool_die(EXIT_DATA, "member add: %s", why);
	if (members.count != 1)
		tool_die(EXIT_DATA, "member add: %s: one member at a time, and there are %zu", path,
		    members.count);
	return members.members[0];
}

static enum exit_status
member_add(struct ctl *ctl, const char *path)
{
	struct raft_change add = {.op = RAFT_CHANGE_ADD, .member = member_read_line(path)};
	struct raft_change promote = {.op = RAFT_CHANGE_PROMOTE, .member = {.id = add.member.id}};
	char done[96], left[96];
	snprintf(done, sizeof done, "%s was added as a learner, and is not a voter yet",
	    add.member.id.s);
	snprintf(left, sizeof left, "raft-ctl member promote %s", add.member.id.s);
	change_make(ctl, &add, NULL, ctl->learner ? NULL : left);
	if (!ctl->learner)
		change_make(ctl, &promote, done, left);
	say_tolerance(ctl);
	return EXIT_OK;
}

/* --------------------------------------------------------------- others */

static enum exit_status
member_simple(struct ctl *ctl, enum raft_change_op op, const char *id)
{
	struct raft_change change = {.op = op, .member = {.id = member_read_id(id)}};
	if (op == RAFT_CHANGE_REMOVE || op == RAFT_CHANGE_DEMOTE)
		check_tolerance(ctl, &change.member.id, raft_change_name(op));
	change_make(ctl, &change, NULL, NULL);
	say_tolerance(ctl);
	return EXIT_OK;
}

static enum exit_status
member_address(struct ctl *ctl, const char *id, const char *address)
{
	struct raft_change change = {
	    .op = RAFT_CHANGE_ADDRESS, .member = {.id = member_read_id(id)}};
	char why[CONF_WHY_SIZE];
	if (!address_check_reachable(address, why))
		tool_die(EXIT_USAGE, "member address: %s", why);
	memcpy(change.member.address, address, strlen(address) + 1);
	change_make(ctl, &change, NULL, NULL);
	say_tolerance(ctl);
	return EXIT_OK;
}

enum exit_status
ctl_member(struct ctl *ctl)
{
	const char *verb = ctl->argc > 0 ? ctl->argv[0] : "";
	if (ctl->learner && strcmp(verb, "add") != 0)
		tool_die(EXIT_USAGE, "member %s: has no use for --learner", verb);
	if (ctl->argc == 2 && strcmp(verb, "add") == 0)
		return member_add(ctl, ctl->argv[1]);
	if (ctl->argc == 2 && strcmp(verb, "promote") == 0)
		return member_simple(ctl, RAFT_CHANGE_PROMOTE, ctl->argv[1]);
	if (ctl->argc == 2 && strcmp(verb, "demote") == 0)
		return member_simple(ctl, RAFT_CHANGE_DEMOTE, ctl->argv[1]);
	if (ctl->argc == 2 && strcmp(verb, "remove") == 0)
		return member_simple(ctl, RAFT_CHANGE_REMOVE, ctl->argv[1]);
	if (ctl->argc == 3 && strcmp(verb, "address") == 0)
		return member_address(ctl, ctl->argv[1], ctl->argv[2]);
	tool_die(EXIT_USAGE, "member: add FILE, promote ID, demote ID, remove ID, or address ID "
			     "ADDRESS, is expected");
}

/* ----------------------------------------------------------------- keys */

enum exit_status
ctl_key(struct ctl *ctl)
{
	const char *verb = ctl->argc > 0 ? ctl->argv[0] : "";
	struct raft_change change = {.op = RAFT_CHANGE_KEY_ADD};
	if (ctl->argc != 3 || (strcmp(verb, "add") != 0 && strcmp(verb, "drop") != 0))
		tool_die(EXIT_USAGE, "key: add ID KEY, or drop ID KEY, is expected");
	if (strcmp(verb, "drop") == 0)
		change.op = RAFT_CHANGE_KEY_DROP;
	change.member.id = member_read_id(ctl->argv[1]);
	if (!seal_key_parse(change.member.key, ctl->argv[2]))
		tool_die(EXIT_USAGE,
		    "key %s: %.64s is no public key: it is 44 characters of base64, as raft-init "
		    "prints it",
		    verb, ctl->argv[2]);
	change_make(ctl, &change, NULL, NULL);
	return EXIT_OK;
}
