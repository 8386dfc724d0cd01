/* SPDX-License-Identifier: ISC */
/* One proposal, until it is answered for good. */
#include "proposal.h"

#include <stdlib.h>
#include <string.h>

#include "refusal.h"

struct proposal {
	struct link *link;
	uv_timer_t pause;
	uint64_t *requests;
	const struct proposal_calls *calls;
	void *arg;
	struct wire_buf record; /* empty: nothing is proposed */
	uint64_t fence;
	uint64_t epoch; /* of a cursor, or the index of a contract */
	uint64_t serial;
	uint64_t request; /* without an answer yet; 0: none */
	uint64_t pause_ms;
	bool doubt;
	bool freed;
};

static void
send_it(struct proposal *proposal)
{
	if (proposal->record.size == 0 || proposal->request != 0 || !link_up(proposal->link))
		return;
	proposal->request = ++*proposal->requests;
	msg_propose_put(link_out(proposal->link),
	    &(struct msg_propose){.request = proposal->request,
		.fence = proposal->fence,
		.epoch = proposal->epoch,
		.count = 1,
		.entries = {proposal->record.bytes, proposal->record.size}});
}

static void
proposal_on_pause_over(uv_timer_t *timer)
{
	send_it(timer->data);
}

struct proposal *
proposal_new(struct loop *loop, struct link *link, uint64_t *requests,
    const struct proposal_calls *calls, void *arg)
{
	struct proposal *proposal = calloc(1, sizeof *proposal);
	must(proposal != NULL);
	proposal->link = link;
	proposal->requests = requests;
	proposal->calls = calls;
	proposal->arg = arg;
	uv_timer_init(loop_uv(loop), &proposal->pause);
	proposal->pause.data = proposal;
	return proposal;
}

static void
proposal_on_timer_closed(uv_handle_t *handle)
{
	struct proposal *proposal = handle->data;
	wire_buf_free(&proposal->record);
	free(proposal);
}

void
proposal_free(struct proposal *proposal)
{
	if (proposal == NULL || proposal->freed)
		return;
	proposal->freed = true;
	uv_close((uv_handle_t *)&proposal->pause, proposal_on_timer_closed);
}

void
proposal_propose(struct proposal *proposal, enum raft_kind kind, const struct raft_sid *session,
    uint64_t fence, const void *data, uint32_t size)
{
	static const struct raft_sid none;
	must(proposal->request == 0);
	proposal->record.size = 0;
	raft_entry_header(wire_buf_add(&proposal->record, RAFT_ENTRY_HEADER_SIZE), 0, kind,
	    session ? session : &none, proposal->serial, size);
	wire_buf_put(&proposal->record, data, size);
	proposal->fence = fence;
	send_it(proposal);
}

void
proposal_replaces(struct proposal *proposal, uint64_t index)
{
	proposal->epoch = index;
}

void
proposal_moves(struct proposal *proposal, uint64_t epoch, uint64_t serial)
{
	proposal->epoch = epoch;
	proposal->serial = serial;
}

void
proposal_up(struct proposal *proposal)
{
	if (!uv_is_active((uv_handle_t *)&proposal->pause))
		send_it(proposal);
}

void
proposal_down(struct proposal *proposal)
{
	proposal->doubt = proposal->doubt || proposal->request != 0;
	proposal->request = 0;
}

bool
proposal_answer(struct proposal *proposal, const struct msg_answer *answer)
{
	if (proposal->request == 0 || answer->request != proposal->request)
		return false;
	enum raft_reason reason = (enum raft_reason)answer->reason;
	proposal->request = 0;
	if (answer->verdict == RAFT_COMMITTED ||
	    (answer->verdict == RAFT_REFUSED && !raft_reason_retry(reason))) {
		proposal->record.size = 0;
		proposal->calls->done(answer, proposal->doubt, proposal->arg);
		return true;
	}
	proposal->doubt = proposal->doubt || answer->verdict != RAFT_REFUSED;
	proposal->pause_ms = refusal_pause_ms(proposal->pause_ms, reason);
	uv_timer_start(&proposal->pause, proposal_on_pause_over, proposal->pause_ms, 0);
	proposal->calls->refused(reason, proposal->arg);
	return true;
}

bool
proposal_in_doubt(const struct proposal *proposal)
{
	return proposal->doubt || proposal->request != 0;
}
