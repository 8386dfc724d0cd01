/* SPDX-License-Identifier: ISC */
/* Changing the members, one at a time. */
#include "change.h"

#include <stdio.h>
#include <string.h>

#include "client/refusal.h"
#include "seal/seal.h"
#include "query.h"
#include "steps.h"

enum { PEER_MS = 1000 };

static const struct raft_change *wanted;
static bool in_doubt; /* it was refused, but an earlier attempt may have made it */
static enum raft_reason refused;
static uint64_t refused_index; /* for refusal_text */
static char made[64];          /* the change, once it is committed */

static void
change_read_key(uint8_t *out, const char *text)
{
	if (text && text[0] != '\0' && !seal_key_parse(out, text))
		tool_die(EXIT_UNAVAILABLE, "raft-elect names a member whose key cannot be read");
}

static void
change_read_member(struct raft_member *member, const struct text_line *line)
{
	const char *id = text_get(line, "id"), *key = text_get(line, "key");
	const char *role = text_get(line, "role"), *address = text_get(line, "address");
	*member = (struct raft_member){.role = RAFT_LEARNER};
	if (!id || !key || !role || !raft_id_parse(&member->id, id) ||
	    (address && strlen(address) >= sizeof member->address))
		tool_die(EXIT_UNAVAILABLE, "raft-elect names a member that cannot be read");
	change_read_key(member->key, key);
	change_read_key(member->key_next, text_get(line, "key_next"));
	if (strcmp(role, "voter") == 0)
		member->role = RAFT_VOTER;
	if (address)
		memcpy(member->address, address, strlen(address) + 1);
}

void
change_members(struct ctl *ctl, struct raft_config *members, const char *done)
{
	struct query query = {.socket = "elect", .what = "members", .done = done};
	query_one(&ctl->tool, &query, ctl->give_up_ms);
	*members = (struct raft_config){0};
	for (size_t i = 0; i < query.text.count && members->count < RAFT_MEMBERS_MAX; i++)
		if (text_get(&query.text.lines[i], "id"))
			change_read_member(
			    &members->members[members->count++], &query.text.lines[i]);
	text_free(&query.text);
}

/* Whether the members are as the change would make them. */
static bool
is_made(const struct raft_config *members)
{
	const struct raft_member *want = &wanted->member;
	const struct raft_member *have = raft_config_find(members, &want->id);
	if (wanted->op == RAFT_CHANGE_REMOVE)
		return have == NULL;
	if (have == NULL)
		return false;
	bool has_key = memcmp(have->key, want->key, RAFT_KEY_SIZE) == 0 ||
		       memcmp(have->key_next, want->key, RAFT_KEY_SIZE) == 0;
	switch (wanted->op) {
	case RAFT_CHANGE_PROMOTE:
		return have->role == RAFT_VOTER;
	case RAFT_CHANGE_DEMOTE:
		return have->role == RAFT_LEARNER;
	case RAFT_CHANGE_ADDRESS:
		return strcmp(have->address, want->address) == 0;
	case RAFT_CHANGE_ADD:
		return has_key && strcmp(have->address, want->address) == 0;
	case RAFT_CHANGE_KEY_ADD:
		return has_key;
	case RAFT_CHANGE_KEY_DROP:
		return !has_key;
	case RAFT_CHANGE_REMOVE:
		break;
	}
	return false;
}

_Noreturn static void
die_refused(const struct steps *steps)
{
	tool_die(steps->done ? EXIT_UNKNOWN : refusal_status(refused), "%s%s%s %s: %s",
	    steps->done ? steps->done : "", steps->done ? ": " : "", raft_change_name(wanted->op),
	    wanted->member.id.s, refusal_text(refused, refused_index));
}

static const struct text_line *
find_peer(const struct text *text, const char *id)
{
	for (size_t i = 0; i < text->count; i++) {
		const char *part = text_get(&text->lines[i], "part");
		const char *name = text_get(&text->lines[i], "id");
		if (part && name && strcmp(part, "peer") == 0 && strcmp(name, id) == 0)
			return &text->lines[i];
	}
	return NULL;
}

/* A member that does not catch up: what raft-peerd of this node knows of the connection to it. */
static void
explain_peer(struct steps *steps, struct wire_buf *out)
{
	struct query query = {.socket = "peer", .what = "status"};
	const char *id = wanted->member.id.s;
	if (raft_id_equal(&wanted->member.id, &steps->tool->conf->node.id))
		return;
	query_all(steps->tool, &query, 1, PEER_MS);
	const struct text_line *peer = find_peer(&query.text, id);
	const char *connected = peer ? text_get(peer, "connected") : NULL;
	const char *why = peer ? text_get(peer, "why") : NULL;
	if (!query.answered)
		wire_buf_printf(
		    out, "; whether it can be reached is not known: raft-peerd: %s", query.why);
	else if (why && why[0])
		wire_buf_printf(out, "; this node cannot connect to %s: %s", id, why);
	else if (connected && strcmp(connected, "yes") == 0)
		wire_buf_printf(out, "; this node is connected to %s", id);
	else
		wire_buf_printf(out, "; this node has not connected to %s yet", id);
	text_free(&query.text);
}

static void
change_on_done(const struct msg_answer *answer, bool doubt, void *arg)
{
	if (answer->verdict == RAFT_COMMITTED) {
		steps_wait_for(arg, answer->pos.index, made);
		return;
	}
	refused = (enum raft_reason)answer->reason;
	refused_index = answer->pos.index;
	if (!doubt)
		die_refused(arg);
	in_doubt = true;
	steps_end(arg);
}

static const struct proposal_calls calls = {change_on_done, steps_refused};

static void
change_on_up(struct steps *steps)
{
	uint8_t data[RAFT_CHANGE_SIZE_MAX];
	size_t size = raft_change_encode(wanted, data);
	steps_propose(steps, &calls, RAFT_CONFIG, NULL, data, (uint32_t)size);
}

void
change_make(struct ctl *ctl, const struct raft_change *change, const char *done, const char *left)
{
	struct raft_config members;
	struct steps steps = {.tool = &ctl->tool,
	    .give_up_ms = ctl->give_up_ms,
	    .done = done,
	    .left = left,
	    .explain = change->op == RAFT_CHANGE_PROMOTE ? explain_peer : NULL,
	    .up = change_on_up,
	    .frame = steps_answer};
	wanted = change;
	in_doubt = false;
	snprintf(made, sizeof made, "%s %s is committed", raft_change_name(change->op),
	    change->member.id.s);
	steps_run(&steps);
	if (!in_doubt)
		return;
	change_members(ctl, &members, "the change may be committed");
	if (!is_made(&members))
		die_refused(&steps);
}
