/* SPDX-License-Identifier: ISC */
/* One query_text, and the lines of its answer. */
#include "holder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/text.h"
#include "client/timeout.h"
#include "local/link.h"

enum {
	ANSWER_MS = 5000, /* how long raft-elect may take */
	HEARD_MS = 5000   /* a member that has been silent for longer is not offered */
};

struct holder {
	struct link *link;
	struct timeout *timeout;
	uint64_t index;
	void (*found)(enum holder_state state, const struct raft_id *member, void *arg);
	void *arg;
	/* From the answer. */
	enum holder_state state;
	struct raft_id member;
	uint64_t match; /* of the member */
};

static void
holder_end(struct holder *holder)
{
	link_free(holder->link);
	timeout_free(holder->timeout);
	holder->found(holder->state, &holder->member, holder->arg);
	free(holder);
}

static uint64_t
holder_number(const struct text_line *line, const char *key)
{
	const char *value = text_get(line, key);
	return value && value[0] ? strtoull(value, NULL, 10) : 0;
}

static bool
holder_is(const struct text_line *line, const char *key, const char *want)
{
	const char *value = text_get(line, key);
	return value && strcmp(value, want) == 0;
}

static void
holder_set(struct holder *holder, enum holder_state state, const char *id)
{
	holder->state = state;
	holder->member = (struct raft_id){0};
	if (id)
		snprintf(holder->member.s, sizeof holder->member.s, "%s", id);
}

/* This node itself does not have it.  A voter goes before a learner, then one that has more. */
static void
holder_weigh(struct holder *holder, const struct text_line *line)
{
	uint64_t first = holder_number(line, "first"), match = holder_number(line, "match");
	const char *heard = text_get(line, "heard_ms"), *id = text_get(line, "id");
	enum holder_state state = holder_is(line, "role", "voter") ? HOLDER_MEMBER : HOLDER_LEARNER;
	if (id == NULL || holder_is(line, "state", "self") || first > holder->index)
		return;
	if (first == 0 || heard == NULL || !heard[0] || strtoull(heard, NULL, 10) > HEARD_MS) {
		if (holder->state == HOLDER_NONE)
			holder->state = HOLDER_UNKNOWN;
	} else if (match >= holder->index &&
		   (state < holder->state || (state == holder->state && match > holder->match))) {
		holder_set(holder, state, id);
		holder->match = match;
	}
}

static void
holder_read(struct holder *holder, const struct text *text)
{
	const struct text_line *own = NULL;
	for (size_t i = 0; i < text->count; i++)
		if (holder_is(&text->lines[i], "part", "elect"))
			own = &text->lines[i];
	if (own == NULL || !holder_is(own, "role", "leader")) {
		const char *leader = own ? text_get(own, "leader") : NULL;
		if (leader && leader[0])
			holder_set(holder, HOLDER_ASK, leader);
		return;
	}
	holder->state = HOLDER_NONE;
	for (size_t i = 0; i < text->count; i++)
		if (holder_is(&text->lines[i], "part", "member"))
			holder_weigh(holder, &text->lines[i]);
}

static const char *
holder_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct holder *holder = arg;
	struct msg_text_reply reply;
	struct text text;
	if (number != MSG_TEXT_REPLY || !msg_text_reply_get(&reply, body, size))
		return "raft-elect sends what cannot be read";
	text_parse(&text, (const char *)reply.lines.bytes, reply.lines.size);
	holder_read(holder, &text);
	text_free(&text);
	holder_end(holder);
	return NULL;
}

static void
holder_on_up(void *arg)
{
	struct holder *holder = arg;
	msg_query_text_put(
	    link_out(holder->link), &(struct msg_query_text){1, wire_text("status")});
}

static void
holder_on_failed(enum exit_status status, const char *why, void *arg)
{
	(void)status, (void)why;
	holder_end(arg);
}

static void
holder_on_timeout(void *arg)
{
	holder_end(arg);
}

static const struct link_calls link_calls = {.up = holder_on_up,
    .frame = holder_on_frame,
    .refused = holder_on_failed,
    .failed = holder_on_failed};

void
holder_find(struct loop *loop, const char *path, const char *program, uint64_t index,
    void (*found)(enum holder_state state, const struct raft_id *member, void *arg), void *arg)
{
	struct holder *holder = calloc(1, sizeof *holder);
	must(holder != NULL);
	holder->index = index;
	holder->found = found;
	holder->arg = arg;
	holder->state = HOLDER_UNKNOWN;
	holder->timeout = timeout_new(loop, ANSWER_MS, "no answer", holder_on_timeout, holder);
	holder->link = link_new(loop, path, WIRE_CLIENT, program, &link_calls, holder);
}
