/* SPDX-License-Identifier: ISC */
/* One proposal on a link of its own. */
#include "offer.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/proposal.h"
#include "client/refusal.h"

struct offer {
	struct link *link;
	struct proposal *proposal;
	struct raft_contract contract;
	uint64_t requests;
	char why[256];
	bool proposed, done;
	void (*answered)(bool committed, void *arg);
	void *arg;
};

static void
offer_on_done(const struct msg_answer *answer, bool doubt, void *arg)
{
	struct offer *offer = arg;
	(void)doubt; /* it replaces none: of all attempts one at most is committed */
	bool committed = answer->verdict == RAFT_COMMITTED;
	if (!committed)
		snprintf(offer->why, sizeof offer->why, "%s",
		    refusal_text((enum raft_reason)answer->reason, answer->pos.index));
	offer->done = true;
	offer->answered(committed, offer->arg);
}

static void
offer_on_refused(enum raft_reason reason, void *arg)
{
	struct offer *offer = arg;
	snprintf(offer->why, sizeof offer->why, "%s", raft_reason_text(reason));
}

static const struct proposal_calls proposal_calls = {offer_on_done, offer_on_refused};

static void
offer_on_up(void *arg)
{
	struct offer *offer = arg;
	uint8_t data[RAFT_CONTRACT_SIZE_MAX];
	if (offer->proposed) {
		proposal_up(offer->proposal);
		return;
	}
	offer->proposed = true;
	size_t size = raft_contract_encode(&offer->contract, data);
	proposal_propose(offer->proposal, RAFT_CONTRACT, NULL, 0, data, (uint32_t)size);
}

static const char *
offer_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct offer *offer = arg;
	struct msg_answer answer;
	if (number != MSG_ANSWER || !msg_answer_get(&answer, body, size))
		return "raft-elect sends what cannot be read";
	proposal_answer(offer->proposal, &answer);
	return NULL;
}

static void
offer_on_down(bool was_up, const char *why, void *arg)
{
	struct offer *offer = arg;
	(void)was_up;
	proposal_down(offer->proposal);
	snprintf(offer->why, sizeof offer->why, "raft-elect: %s", why);
}

static const struct link_calls link_calls = {
    .up = offer_on_up, .frame = offer_on_frame, .down = offer_on_down};

struct offer *
offer_new(struct loop *loop, const char *path, const struct raft_contract *contract,
    void (*answered)(bool committed, void *arg), void *arg)
{
	struct offer *offer = calloc(1, sizeof *offer);
	must(offer != NULL);
	offer->contract = *contract;
	offer->answered = answered;
	offer->arg = arg;
	offer->link = link_new(loop, path, WIRE_CLIENT, "raft-fsm", &link_calls, offer);
	offer->proposal = proposal_new(loop, offer->link, &offer->requests, &proposal_calls, offer);
	return offer;
}

void
offer_free(struct offer *offer)
{
	if (offer == NULL)
		return;
	proposal_free(offer->proposal);
	link_free(offer->link);
	free(offer);
}

bool
offer_answered(const struct offer *offer)
{
	return offer->done;
}

const char *
offer_why(const struct offer *offer)
{
	return offer->why;
}
