/* SPDX-License-Identifier: ISC */
/* A link to raft-fsm, and the question that comes first. */
#include "fsm_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHY_SIZE = 1024 };

struct fsm_link {
	struct link *link;
	const struct fsm_link_calls *calls;
	void *arg;
	bool up;
	bool failed;
	char refused[WHY_SIZE];
};

static void
fsm_link_fail(struct fsm_link *fsm, enum exit_status status, const char *why)
{
	if (fsm->failed)
		return;
	fsm->failed = true;
	fsm->up = false;
	fsm->calls->failed(status, why, fsm->arg);
}

/* The word behind " mode=" in raft-fsm's status; "" when there is none. */
static void
mode_of(char *mode, size_t room, struct wire_bytes lines)
{
	static const char key[] = " mode=";
	size_t size = 0;
	const uint8_t *at = memmem(lines.bytes, lines.size, key, sizeof key - 1);
	if (at) {
		at += sizeof key - 1;
		for (const uint8_t *end = lines.bytes + lines.size;
		     at + size < end && size < room - 1; size++)
			if (at[size] <= ' ')
				break;
		memcpy(mode, at, size);
	}
	mode[size] = '\0';
}

static void
on_status(struct fsm_link *fsm, struct wire_bytes lines)
{
	char mode[16], why[WHY_SIZE];
	mode_of(mode, sizeof mode, lines);
	if (strcmp(mode, "machine") == 0) {
		fsm->up = true;
		fsm->calls->up(fsm->arg);
		return;
	}
	snprintf(why, sizeof why,
	    "this node runs no state machine: the program of raft-fsm is of mode %s, and only one "
	    "of mode machine replies",
	    mode);
	fsm_link_fail(fsm, EXIT_CONFIG, why);
}

static void
fsm_link_on_up(void *arg)
{
	struct fsm_link *fsm = arg;
	msg_query_text_put(
	    link_out(fsm->link), &(struct msg_query_text){.what = wire_text("status")});
}

/* "Not now" may be over before the time is: raft-fsm is started again, or the program is. */
static void
fsm_link_on_refused(enum exit_status status, const char *why, void *arg)
{
	struct fsm_link *fsm = arg;
	if (fsm->failed)
		return;
	if (status != EXIT_UNAVAILABLE && status != EXIT_RETRY) {
		fsm_link_fail(fsm, status, why);
		return;
	}
	link_break(fsm->link, why);
	snprintf(fsm->refused, sizeof fsm->refused, "%s", why);
}

static const char *
fsm_link_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct fsm_link *fsm = arg;
	struct msg_text_reply text;
	struct msg_fsm_reply reply;
	if (fsm->failed)
		return NULL;
	if (number == MSG_FSM_REPLY && fsm->up && msg_fsm_reply_get(&reply, body, size)) {
		fsm->refused[0] = '\0';
		fsm->calls->reply(&reply, fsm->arg);
		return NULL;
	}
	if (number == MSG_TEXT_REPLY && !fsm->up && msg_text_reply_get(&text, body, size)) {
		on_status(fsm, text.lines);
		return NULL;
	}
	return "raft-fsm sends what cannot be read";
}

static void
fsm_link_on_down(bool was_up, const char *why, void *arg)
{
	struct fsm_link *fsm = arg;
	(void)was_up;
	fsm->up = false;
	fsm->refused[0] = '\0';
	if (!fsm->failed)
		fsm->calls->down(why, fsm->arg);
}

static void
fsm_link_on_failed(enum exit_status status, const char *why, void *arg)
{
	fsm_link_fail(arg, status, why);
}

static const struct link_calls link_calls = {.up = fsm_link_on_up,
    .frame = fsm_link_on_frame,
    .refused = fsm_link_on_refused,
    .down = fsm_link_on_down,
    .failed = fsm_link_on_failed};

struct fsm_link *
fsm_link_new(struct loop *loop, const char *path, const char *program,
    const struct fsm_link_calls *calls, void *arg)
{
	struct fsm_link *fsm = calloc(1, sizeof *fsm);
	must(fsm != NULL);
	fsm->calls = calls;
	fsm->arg = arg;
	fsm->link = link_new(loop, path, WIRE_CLIENT, program, &link_calls, fsm);
	return fsm;
}

void
fsm_link_free(struct fsm_link *fsm)
{
	if (fsm == NULL)
		return;
	link_free(fsm->link);
	free(fsm);
}

bool
fsm_link_up(const struct fsm_link *fsm)
{
	return fsm->up;
}

const char *
fsm_link_refused(const struct fsm_link *fsm)
{
	return fsm->refused[0] ? fsm->refused : NULL;
}

struct wire_buf *
fsm_link_out(struct fsm_link *fsm)
{
	must(fsm->up);
	return link_out(fsm->link);
}

bool
fsm_link_choked(const struct fsm_link *fsm)
{
	return fsm->up && link_choked(fsm->link);
}

void
fsm_link_break(struct fsm_link *fsm, const char *why)
{
	link_break(fsm->link, why);
}
