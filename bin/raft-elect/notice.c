/* SPDX-License-Identifier: ISC */
/* Role, members and lag, each as a change. */
#include "notice.h"

#include <inttypes.h>

#include "local/changes.h"
#include "unix/log.h"
#include "node.h"

/* Only a leader measures it: what it knew then is no longer true. */
static void
forget_lag(struct node *node)
{
	for (size_t i = 0; i < node->noticed.count; i++)
		changes_forget(node->clients.server, "lag", node->noticed.members[i].id.s);
}

void
notice_role(struct node *node, const char *why)
{
	if (node->raft == NULL || node->role != RAFT_LEADER)
		forget_lag(node);
	changes_put(node->clients.server, "role", "", why, "state=%s term=%" PRIu64 " leader=%s",
	    node_role_name(node), node->term, node->leader.s);
}

static void
notice_gone(struct node *node, const struct raft_member *member, const char *why)
{
	struct server *server = node->clients.server;
	changes_put(server, "member", member->id.s, why, "state=removed");
	changes_forget(server, "member", member->id.s);
	changes_forget(server, "lag", member->id.s);
}

void
notice_members(struct node *node, const char *why)
{
	const struct raft_config *now = raft_config_now(node->raft);
	for (size_t i = 0; i < node->noticed.count; i++)
		if (raft_config_find(now, &node->noticed.members[i].id) == NULL)
			notice_gone(node, &node->noticed.members[i], why);
	for (size_t i = 0; i < now->count; i++) {
		const struct raft_member *member = &now->members[i];
		changes_put(node->clients.server, "member", member->id.s, why,
		    "state=%s address=%s keys=%d", node_member_role(member), log_q(member->address),
		    raft_member_two_keys(member) ? 2 : 1);
	}
	node->noticed = *now;
}

void
notice_lag(void *arg)
{
	struct node *node = arg;
	struct raft_status s;
	if (node->raft == NULL || node->role != RAFT_LEADER)
		return;
	raft_status(node->raft, mono_now(), &s);
	for (size_t i = 0; i < s.peers_count; i++) {
		const struct raft_peer_status *peer = &s.peers[i];
		if (!raft_id_equal(&peer->id, &s.id))
			changes_put(node->clients.server, "lag", peer->id.s,
			    "committed entries that the member does not have", "entries=%" PRIu64,
			    s.commit.index > peer->match ? s.commit.index - peer->match : 0);
	}
}
