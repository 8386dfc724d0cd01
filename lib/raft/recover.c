/* SPDX-License-Identifier: ISC */
/*
 * ⚠ A node whose log went backwards (ours).
 *
 * It may have acknowledged entries that it lacks, so it neither votes nor
 * stands until it has a leader's whole log, up to that leader's last index at first
 * contact.  First contact is the first append that echoes this start's number:
 * from then on that leader counts nothing that a former incarnation said.
 * Without a valid mark it may also have voted in a term that it forgot.  Then
 * the leader must, after that contact, have committed an entry of its own term without
 * counting this node.  Whoever had the forgotten vote stood before that entry was made, so it
 * lacks it; a majority without this node has it, and none of them votes for a log
 * that lacks it, nor took it after a vote in a higher term.  So no leader of a forgotten
 * higher term is there or will be, and this node may vote in that term once more.
 */
#include "core.h"

/* ------------------------------------------------ the recovering node */

void
raft_recover_reset(struct raft *raft)
{
	raft->recover.contact = false;
	raft->recover.target = 0;
	raft->recover.clean_commit = 0;
}

void
raft_recover_contact(struct raft *raft, const struct raft_append *append)
{
	struct raft_recover *recover = &raft->recover;

	if (!recover->active || append->echo != raft->start_number)
		return;
	if (!recover->contact) {
		recover->contact = true;
		recover->target = append->last;
	}
	if (append->clean_commit > recover->clean_commit)
		recover->clean_commit = append->clean_commit;
}

void
raft_recover_check(struct raft *raft)
{
	struct raft_recover *recover = &raft->recover;

	if (!recover->active || !recover->contact || raft->verified < recover->target)
		return;
	if (raft->term < recover->mark_term)
		return;
	if (!recover->mark_valid && recover->clean_commit <= recover->target)
		return;
	/* A sole voter has no leader to learn from, and none may be believed. */
	if (raft_quorum_sole_voter(raft))
		return;
	must(raft->role == RAFT_FOLLOWER);
	if (raft->store.recovered_number == 0)
		raft->store.recovered_wanted = true;
}

/* It is over once the write that says so is durable. */
void
raft_recover_stored(struct raft *raft)
{
	if (raft->recover.active && raft->store.recovered_number != 0 &&
	    raft->store.recovered_number <= raft->store.stored)
		raft->recover.active = false;
}

/* --------------------------------------------------------- its leader */

void
raft_recover_peer_reply(
    struct raft *raft, struct raft_peer *peer, const struct raft_append_reply *reply)
{
	must(raft->role == RAFT_LEADER);
	peer->recovering = reply->recovering;
	peer->mark_valid = reply->mark_valid;
	if (!reply->recovering) {
		peer->contact_round = 0;
		peer->clean_commit = 0;
		return;
	}
	if (peer->contact_round == 0) {
		peer->contact_last = raft->log.last;
		peer->contact_round = raft->round + 1;
		peer->contact_noop = false;
		return;
	}
	/*
	 * It has answered a round that echoed its number, so its target lies at or
	 * below our last index, and one more entry will be beyond it.
	 */
	if (reply->mark_valid || peer->contact_noop || reply->round < peer->contact_round)
		return;
	raft_leader_append_noop(raft);
	must(raft->log.last > peer->contact_last);
	peer->contact_noop = true;
}

void
raft_recover_peer_commit(struct raft *raft)
{
	for (size_t i = 0; i < raft->peers_count; i++) {
		struct raft_peer *peer = &raft->peers[i];
		uint64_t index;

		if (!peer->recovering || peer->contact_round == 0)
			continue;
		index = raft_quorum_match_without(raft, peer);
		must(peer->clean_commit <= raft->commit);
		if (index > raft->commit)
			index = raft->commit;
		if (index >= raft->term_first && index > peer->contact_last &&
		    index > peer->clean_commit)
			peer->clean_commit = index;
	}
}
