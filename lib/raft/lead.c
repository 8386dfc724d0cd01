/* SPDX-License-Identifier: ISC */
/*
 * The grant: until when a command may run that only the leader runs (ours; a lease as in §6.4.1,
 * for processes outside the core).
 *
 * A leader grants its election timeout from the start of the newest round of heartbeats that a
 * majority has acknowledged.  A later leader was elected by a majority, and so with the vote of a
 * member that had acknowledged that round before: it was elected after the round began.  When it
 * waits for that leader's timeout since its election, the grant has ended.  No assumption about
 * the followers' timers is needed, and a transfer changes nothing.
 *
 * ⚠ Hence three rules.  The time of a round is that at which it was sent, not that of its replies.
 * The wait is for the largest timeout of any leader whose grant may be left, not for the own one:
 * appends carry it, so each member of that majority knows it, and those that vote report it, since
 * the candidate itself may not have heard that leader.  A tenth more is for clocks whose rates
 * differ, and lead.grace for the end of the command.  A round counts only of members whose appends
 * carried the times: from level 3 on, and once the member has reported that level.
 *
 * A node that has restarted does not remember what it heard.  A grant may then be underestimated if
 * every member of the intersection has restarted since, and the former leader's timeout is larger
 * than all that the others know.
 */
#include "core.h"

/* What no sum of times comes near. */
#define LEAD_TIME_MAX (UINT64_C(1) << 40)

/* Rounds that begin closer together than this part of an election timeout share a time. */
enum { ROUND_PART = 16 };

void
raft_lead_heard(struct raft_lead_times *times, uint64_t timeout, uint64_t grace)
{
	times->timeout = max_u64(times->timeout, min_u64(timeout, LEAD_TIME_MAX));
	times->grace = max_u64(times->grace, min_u64(grace, LEAD_TIME_MAX));
}

static struct raft_lead_times
lead_own(const struct raft *raft)
{
	struct raft_lead_times own = {
	    raft->settings.election_timeout_ms, raft->settings.lead_grace_ms};

	return raft->level >= RAFT_LEVEL_LEAD ? own : (struct raft_lead_times){0};
}

struct raft_lead_times
raft_lead_report(const struct raft *raft)
{
	struct raft_lead_times report = lead_own(raft);

	/* If it has heard some, level 3 may be in force without its knowing. */
	raft_lead_heard(&report, raft->lead.heard.timeout, raft->lead.heard.grace);
	return report;
}

/*
 * A member that has not reported its level may run an older program: it gets what that can read,
 * and ends at the entry of the newer level.
 */
void
raft_lead_append(const struct raft *raft, const struct raft_peer *peer, struct raft_append *append)
{
	struct raft_lead_times own = lead_own(raft);

	if (peer->level < RAFT_LEVEL_LEAD)
		return;
	append->timeout = own.timeout;
	append->grace = own.grace;
}

/* ⚠ Of the present round it may have got an append without the times. */
void
raft_lead_peer(const struct raft *raft, struct raft_peer *peer)
{
	if (peer->level < RAFT_LEVEL_LEAD)
		peer->lead_round = 0;
	else if (peer->lead_round == 0)
		peer->lead_round = raft->round + 1;
}

void
raft_lead_begin(struct raft *raft)
{
	struct raft_lead *lead = &raft->lead;
	struct raft_lead_times most = lead->heard;

	must(raft->role == RAFT_LEADER);
	raft_lead_heard(&most, lead->reported.timeout, lead->reported.grace);
	raft_lead_heard(&most, raft->settings.election_timeout_ms, raft->settings.lead_grace_ms);
	lead->begins_ms = raft->boot_ms + (most.timeout + most.grace) * 11 / 10 + 1;
	must(lead->begins_ms > raft->boot_ms);
}

void
raft_lead_round(struct raft *raft)
{
	struct raft_lead *lead = &raft->lead;
	uint64_t timeout = raft->settings.election_timeout_ms;
	uint64_t apart = max_u64(timeout / ROUND_PART, 1);

	must(raft->role == RAFT_LEADER);
	if (raft->level < RAFT_LEVEL_LEAD)
		return;
	/* What is older grants nothing any longer. */
	while (lead->rounds.count > 0 &&
	       RAFT_QUEUE_FIRST(&lead->rounds)->boot_ms + timeout <= raft->boot_ms)
		RAFT_QUEUE_DROP(&lead->rounds, 1);
	if (lead->rounds.count > 0 &&
	    RAFT_QUEUE_FIRST(&lead->rounds)[lead->rounds.count - 1].boot_ms + apart > raft->boot_ms)
		return;
	*RAFT_QUEUE_PUSH(&lead->rounds) = (struct raft_lead_round){raft->round, raft->boot_ms};
	must(lead->rounds.count <= 2 * ROUND_PART);
}

/* When the newest round that a majority has acknowledged began; 0: none that is of use. */
static uint64_t
lead_round_acked(const struct raft *raft)
{
	uint64_t acked = raft_quorum_lead_round(raft);

	/* Alone it needs no acknowledgement. */
	if (raft_quorum_sole_voter(raft))
		return raft->boot_ms;
	for (size_t i = raft->lead.rounds.count; i-- > 0;) {
		const struct raft_lead_round *round = &RAFT_QUEUE_FIRST(&raft->lead.rounds)[i];

		must(round->number <= raft->round);
		if (round->number <= acked)
			return round->boot_ms;
	}
	return 0;
}

struct raft_grant
raft_grant_now(const struct raft *raft)
{
	struct raft_grant grant = {.term = raft->term};
	uint64_t acked;

	if (raft->role != RAFT_LEADER)
		return grant;
	grant.state = RAFT_GRANT_WAIT;
	/* ⚠ Its no-op is committed, and on this disk: readers here see all that came before. */
	if (!raft_commit_own_term(raft) || raft->store.durable < raft->term_first ||
	    raft->boot_ms < raft->lead.begins_ms)
		return grant;
	if (raft->level < RAFT_LEVEL_LEAD) {
		grant.state = RAFT_GRANT_LEVEL;
		return grant;
	}
	acked = lead_round_acked(raft);
	if (acked == 0)
		return grant;
	grant.state = RAFT_GRANT_GIVEN;
	grant.until_ms = acked + raft->settings.election_timeout_ms;
	return grant;
}
