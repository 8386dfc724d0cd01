/* SPDX-License-Identifier: ISC */
/* One proposal, until it is answered for good. */
#include "once.h"

#include <stdlib.h>
#include <string.h>

#include "refusal.h"

struct once {
	struct link *link;
	uv_timer_t pause;
	uint64_t *requests;
	const struct once_calls *calls;
	void *arg;
	struct wire_buf record; /* empty: nothing is proposed */
	uint64_t fence;
	uint64_t request; /* without an answer yet; 0: none */
	uint64_t pause_ms;
	bool doubt;
	bool freed;
};

static void
send_it(struct once *once)
{
	if (once->record.size == 0 || once->request != 0 || !link_up(once->link))
		return;
	once->request = ++*once->requests;
	msg_propose_put(link_out(once->link),
	    &(struct msg_propose){.request = once->request, .fence = once->fence, .count = 1,
		.entries = {once->record.bytes, once->record.size}});
}

static void
on_pause_over(uv_timer_t *timer)
{
	send_it(timer->data);
}

struct once *
once_new(struct loop *loop, struct link *link, uint64_t *requests, const struct once_calls *calls, void *arg)
{
	struct once *once = calloc(1, sizeof *once);
	must(once != NULL);
	once->link = link;
	once->requests = requests;
	once->calls = calls;
	once->arg = arg;
	uv_timer_init(loop_uv(loop), &once->pause);
	once->pause.data = once;
	return once;
}

static void
on_timer_closed(uv_handle_t *handle)
{
	struct once *once = handle->data;
	wire_buf_free(&once->record);
	free(once);
}

void
once_free(struct once *once)
{
	if (once == NULL || once->freed)
		return;
	once->freed = true;
	uv_close((uv_handle_t *)&once->pause, on_timer_closed);
}

void
once_propose(struct once *once, enum raft_kind kind, const struct raft_sid *session, uint64_t fence,
    const void *data, uint32_t size)
{
	static const struct raft_sid none;
	must(once->request == 0);
	once->record.size = 0;
	raft_entry_header(wire_buf_add(&once->record, RAFT_ENTRY_HEADER_SIZE), 0, kind,
	    session ? session : &none, 0, size);
	wire_buf_put(&once->record, data, size);
	once->fence = fence;
	send_it(once);
}

void
once_up(struct once *once)
{
	if (!uv_is_active((uv_handle_t *)&once->pause))
		send_it(once);
}

void
once_down(struct once *once)
{
	once->doubt = once->doubt || once->request != 0;
	once->request = 0;
}

bool
once_answer(struct once *once, const struct msg_answer *answer)
{
	if (once->request == 0 || answer->request != once->request)
		return false;
	enum raft_reason reason = (enum raft_reason)answer->reason;
	once->request = 0;
	if (answer->verdict == RAFT_COMMITTED ||
	    (answer->verdict == RAFT_REFUSED && !raft_reason_retry(reason))) {
		once->record.size = 0;
		once->calls->done(answer, once->doubt, once->arg);
		return true;
	}
	once->doubt = once->doubt || answer->verdict != RAFT_REFUSED;
	once->pause_ms = refusal_pause_ms(once->pause_ms);
	uv_timer_start(&once->pause, on_pause_over, once->pause_ms, 0);
	once->calls->refused(reason, once->arg);
	return true;
}

bool
once_in_doubt(const struct once *once)
{
	return once->doubt || once->request != 0;
}
