/* SPDX-License-Identifier: ISC */
/* A read that waits for the next entry, then a question about the session; and again. */
#include "watch.h"

#include <stdlib.h>

#include "local/link.h"
#include "prog/tool.h"
#include "unix/timer.h"

enum { PAUSE_MS = 50 }; /* on a busy log */

struct watch {
	struct link *link;
	struct timer *pause;
	struct raft_sid cursor;
	uint64_t epoch;  /* of our opening */
	uint64_t commit; /* what had been committed when the session was asked for */
	uint64_t request;
	void (*taken)(uint64_t index, void *arg);
	void *arg;
};

static void
watch_ask(void *arg)
{
	struct watch *watch = arg;
	if (link_up(watch->link))
		msg_session_get_put(link_out(watch->link),
		    &(struct msg_session_get){++watch->request, watch->cursor});
}

static const char *
watch_on_session(struct watch *watch, const struct msg_session *session)
{
	if (session->request != watch->request)
		return NULL;
	/* This node may not know our own opening yet. */
	if (session->found && session->epoch > watch->epoch) {
		link_free(watch->link);
		watch->taken(session->epoch, watch->arg);
		return NULL;
	}
	msg_log_read_put(link_out(watch->link), &(struct msg_log_read){.request = ++watch->request,
						    .from = watch->commit + 1,
						    .size_max = 1,
						    .count_max = 1,
						    .wait = true});
	return NULL;
}

static const char *
watch_on_entries(struct watch *watch, const struct msg_log_entries *entries)
{
	if (entries->request != watch->request)
		return NULL;
	watch->commit = max_u64(watch->commit, entries->commit);
	timer_start(watch->pause, PAUSE_MS);
	return NULL;
}

static const char *
watch_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	switch (number) {
		WIRE_CASE(SESSION, session, watch_on_session)
		WIRE_CASE(LOG_ENTRIES, log_entries, watch_on_entries)
	}
	return "raft-logd sends what was not asked for";
}

static void
watch_on_up(void *arg)
{
	struct watch *watch = arg;
	timer_stop(watch->pause);
	watch->commit = link_hello(watch->link)->seen;
	watch_ask(watch);
}

static const struct link_calls link_calls = {
    .up = watch_on_up, .frame = watch_on_frame, .refused = tool_refused};

struct watch *
watch_new(struct loop *loop, const char *path, const char *program, const struct raft_sid *cursor,
    uint64_t epoch, void (*taken)(uint64_t index, void *arg), void *arg)
{
	struct watch *watch = calloc(1, sizeof *watch);
	must(watch != NULL);
	watch->cursor = *cursor;
	watch->epoch = epoch;
	watch->taken = taken;
	watch->arg = arg;
	watch->pause = timer_new(loop, watch_ask, watch);
	watch->link = link_new(loop, path, WIRE_READER, program, &link_calls, watch);
	return watch;
}
