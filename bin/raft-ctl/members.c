/* SPDX-License-Identifier: ISC */
/* raft-ctl members: who is in the log's configuration, as this node knows it. */
#include <stdio.h>
#include <stdlib.h>

#include "client/json.h"
#include "conf/text.h"
#include "query.h"
#include "change.h"

static const char *const no_part[] = {"part", NULL};

/* Which cluster it is, its name, and since when it has these members. */
static struct conf_cluster_id
cluster_id(struct ctl *ctl)
{
	static struct query query = {.socket = "elect", .what = "status"};
	struct conf_cluster_id id = {0};
	query_one(&ctl->tool, &query, ctl->give_up_ms);
	const char *text = query.text.count > 0 ? text_get(&query.text.lines[0], "cluster") : NULL;
	const char *index = query.text.count > 0 ? text_get(&query.text.lines[0], "config") : NULL;
	id.known = text != NULL && text_hex_parse(id.hash.b, RAFT_HASH_SIZE, text);
	id.index = index != NULL ? strtoull(index, NULL, 10) : 0;
	snprintf(id.name, sizeof id.name, "%s", ctl->tool.conf->cluster.name);
	text_free(&query.text);
	return id;
}

/* The members list of raft.yaml, for a node that is to join or has been away. */
static void
show_yaml(struct ctl *ctl, struct wire_buf *out)
{
	struct raft_config members;
	struct conf_cluster_id id = cluster_id(ctl);
	change_members(ctl, &members, NULL);
	char *yaml = conf_print_members(&members, &id);
	json_put_raw(out, "# members of ");
	json_put_raw(out, ctl->tool.conf->cluster.name);
	json_put_raw(out, "\n");
	json_put_raw(out, yaml);
	free(yaml);
}

static void
members_show_json(struct wire_buf *out, const struct text *text)
{
	json_put_raw(out, "{\"members\":[");
	for (size_t i = 0; i < text->count; i++) {
		json_put_raw(out, i ? "," : "");
		text_json(out, &text->lines[i], "member");
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
	static struct query query = {.socket = "elect", .what = "members"};
	struct wire_buf out = {0};
	query_one(&ctl->tool, &query, ctl->give_up_ms);
	if (ctl->yaml) {
		show_yaml(ctl, &out);
	} else if (ctl->json) {
		members_show_json(&out, &query.text);
	} else {
		show_table(&out, &query.text);
	}
	tool_write(out.bytes, out.size);
	wire_buf_free(&out);
	text_free(&query.text);
	return EXIT_OK;
}
