/* SPDX-License-Identifier: ISC */
/* raft-ctl members: who is in the log's configuration, as this node knows it. */
#include <stdlib.h>
#include <string.h>

#include "../../lib/client/json.h"
#include "../../lib/seal/seal.h"
#include "ask.h"
#include "ctl.h"

static const char *const no_part[] = {"part", NULL};

static void
read_member(struct raft_member *member, const struct text_line *line)
{
	const char *id = text_get(line, "id"), *key = text_get(line, "key");
	const char *role = text_get(line, "role"), *address = text_get(line, "address");
	*member = (struct raft_member){.role = RAFT_LEARNER};
	if (!id || !key || !role || !raft_id_parse(&member->id, id) || !seal_key_parse(member->key, key) ||
	    (address && strlen(address) >= sizeof member->address))
		tool_die(EXIT_UNAVAILABLE, "raft-elect names a member that cannot be read");
	if (strcmp(role, "voter") == 0)
		member->role = RAFT_VOTER;
	if (address)
		memcpy(member->address, address, strlen(address) + 1);
}

/* The members list of raft.yaml, for a node that is to join. */
static void
show_yaml(struct wire_buf *out, const struct text *text)
{
	struct raft_config members = {0};
	for (size_t i = 0; i < text->count && members.count < RAFT_MEMBERS_MAX; i++)
		read_member(&members.members[members.count++], &text->lines[i]);
	char *yaml = conf_print_members(&members);
	json_put_raw(out, yaml);
	free(yaml);
}

static void
show_json(struct wire_buf *out, const struct text *text)
{
	json_put_raw(out, "{\"members\":[");
	for (size_t i = 0; i < text->count; i++) {
		json_put_raw(out, i ? "," : "");
		text_json(out, &text->lines[i], no_part);
	}
	json_put_raw(out, "]}\n");
}

static void
show_table(struct wire_buf *out, const struct text *text)
{
	const struct text_line *lines[RAFT_MEMBERS_MAX];
	size_t count = text->count < RAFT_MEMBERS_MAX ? text->count : RAFT_MEMBERS_MAX;
	for (size_t i = 0; i < count; i++)
		lines[i] = &text->lines[i];
	text_show_table(out, lines, count, no_part);
}

enum exit_status
ctl_members(struct ctl *ctl)
{
	static struct ask ask = {.socket = "elect", .what = "members"};
	struct wire_buf out = {0};
	ask_one(&ctl->tool, &ask, ctl->give_up_ms);
	if (ctl->yaml) {
		json_put_raw(&out, "# members of ");
		json_put_raw(&out, ctl->tool.conf->cluster.name);
		json_put_raw(&out, "\n");
		show_yaml(&out, &ask.text);
	} else if (ctl->json) {
		show_json(&out, &ask.text);
	} else {
		show_table(&out, &ask.text);
	}
	tool_write(out.bytes, out.size);
	wire_buf_free(&out);
	text_free(&ask.text);
	return EXIT_OK;
}
