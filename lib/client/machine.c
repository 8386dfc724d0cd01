/* SPDX-License-Identifier: ISC */
/* A link to raft-fsm, and the question that comes first. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHY_SIZE = 1024 };

struct machine {
	struct link *link;
	const struct machine_calls *calls;
	void *arg;
	bool up;
	bool failed;
	char refused[WHY_SIZE];
};

static void
fail(struct machine *machine, enum exit_status status, const char *why)
{
	if (machine->failed)
		return;
	machine->failed = true;
	machine->up = false;
	machine->calls->failed(status, why, machine->arg);
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
		for (const uint8_t *end = lines.bytes + lines.size; at + size < end && size < room - 1; size++)
			if (at[size] <= ' ')
				break;
		memcpy(mode, at, size);
	}
	mode[size] = '\0';
}

static void
on_status(struct machine *machine, struct wire_bytes lines)
{
	char mode[16], why[WHY_SIZE];
	mode_of(mode, sizeof mode, lines);
	if (strcmp(mode, "machine") == 0) {
		machine->up = true;
		machine->calls->up(machine->arg);
		return;
	}
	snprintf(why, sizeof why,
	    "this node runs no state machine: the program of raft-fsm is of mode %s, and only one of mode machine replies",
	    mode);
	fail(machine, EXIT_CONFIG, why);
}

static void
on_up(struct link *link, const struct msg_hello_reply *hello, void *arg)
{
	(void)hello;
	(void)arg;
	msg_query_text_put(link_out(link), &(struct msg_query_text){.what = wire_text("status")});
}

/* "Not now" may be over before the time is: raft-fsm is started anew, or the program is. */
static void
on_refusal(struct machine *machine, const struct msg_refusal *refusal)
{
	char why[WHY_SIZE];
	enum exit_status status = (enum exit_status)refusal->exit_status;
	snprintf(why, sizeof why, "%.*s", (int)refusal->sentence.size, (const char *)refusal->sentence.bytes);
	if (status != EXIT_UNAVAILABLE && status != EXIT_RETRY) {
		fail(machine, status, why);
		return;
	}
	link_break(machine->link, why);
	memcpy(machine->refused, why, sizeof why);
}

static void
on_frame(struct link *link, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct machine *machine = arg;
	struct msg_text_reply text;
	struct msg_fsm_reply reply;
	struct msg_refusal refusal;
	if (machine->failed)
		return;
	if (number == MSG_FSM_REPLY && machine->up && msg_fsm_reply_get(&reply, body, size)) {
		machine->refused[0] = '\0';
		machine->calls->reply(&reply, machine->arg);
	} else if (number == MSG_TEXT_REPLY && !machine->up && msg_text_reply_get(&text, body, size)) {
		on_status(machine, text.lines);
	} else if (number == MSG_REFUSAL && msg_refusal_get(&refusal, body, size)) {
		on_refusal(machine, &refusal);
	} else {
		link_break(link, "raft-fsm sends what cannot be read");
	}
}

static void
on_down(struct link *link, bool was_up, const char *why, void *arg)
{
	struct machine *machine = arg;
	(void)link;
	(void)was_up;
	machine->up = false;
	machine->refused[0] = '\0';
	if (!machine->failed)
		machine->calls->down(why, machine->arg);
}

static void
on_hopeless(struct link *link, enum exit_status status, const char *why, void *arg)
{
	(void)link;
	fail(arg, status, why);
}

static const struct link_calls link_calls = {on_up, on_frame, on_down, on_hopeless, NULL};

struct machine *
machine_new(struct loop *loop, const char *path, const char *program, const struct machine_calls *calls, void *arg)
{
	struct machine *machine = calloc(1, sizeof *machine);
	must(machine != NULL);
	machine->calls = calls;
	machine->arg = arg;
	machine->link = link_new(loop, path, WIRE_CLIENT, program, &link_calls, machine);
	return machine;
}

void
machine_free(struct machine *machine)
{
	if (machine == NULL)
		return;
	link_free(machine->link);
	free(machine);
}

bool
machine_up(const struct machine *machine)
{
	return machine->up;
}

const char *
machine_refused(const struct machine *machine)
{
	return machine->refused[0] ? machine->refused : NULL;
}

struct wire_buf *
machine_out(struct machine *machine)
{
	must(machine->up);
	return link_out(machine->link);
}

bool
machine_choked(const struct machine *machine)
{
	return machine->up && link_choked(machine->link);
}

void
machine_read_now(struct machine *machine)
{
	link_read_now(machine->link);
}

void
machine_break(struct machine *machine, const char *why)
{
	link_break(machine->link, why);
}
