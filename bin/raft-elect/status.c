/* SPDX-License-Identifier: ISC */
/* Status, members and state as text. */
#include "status.h"

#include <inttypes.h>
#include <stdio.h>

#include "seal/seal.h"
#include "unix/log.h"
#include "node.h"

static const char *
status_updown(bool up)
{
	return up ? "up" : "down";
}

void
status_state(struct wire_buf *text, const struct node *node)
{
	wire_buf_printf(text, "role=%s term=%" PRIu64 " leader=%s\n", node_role_name(node),
	    node->term, node->leader.s);
}

static void
add_core(struct wire_buf *text, const struct node *node, const struct raft_status *s)
{
	wire_buf_printf(text,
	    " commit=%" PRIu64 " last=%" PRIu64 " durable=%" PRIu64 " uncommitted_bytes=%" PRIu64
	    " tail_bytes=%" PRIu64 " elections=%" PRIu64 " dropped=%" PRIu64
	    " recovering=%s full=%s stalled=%s transfer=%s config=%" PRIu64 " removed=%" PRIu64
	    " level=%d contract=%" PRIu64,
	    s->commit.index, s->last.index, s->durable, s->uncommitted_size, s->tail_size,
	    s->elections, s->dropped, log_yes(s->recovering), log_yes(s->full), log_yes(s->stalled),
	    s->transfer.s, raft_config_index(node->raft), node->removed, RAFT_LEVEL_MAX,
	    s->contract);
	if (s->role == RAFT_LEADER)
		wire_buf_printf(text, " level_min=%" PRIu64, s->level_min);
}

/* Cluster, core and its start are known once raft-logd has reported its log. */
static void
add_own(struct wire_buf *text, const struct node *node, const struct raft_status *s)
{
	char cluster[2 * sizeof node->cluster.b + 1];
	seal_hex(cluster, node->cluster.b, sizeof node->cluster.b);
	wire_buf_printf(text, "part=elect node=%s", node->conf->node.id.s);
	if (node->raft)
		wire_buf_printf(text, " cluster=%s", cluster);
	wire_buf_printf(text, " role=%s term=%" PRIu64 " leader=%s", node_role_name(node),
	    node->term, node->leader.s);
	if (node->raft)
		add_core(text, node, s);
	wire_buf_printf(text, " clients=%zu outstanding=%zu malformed=%" PRIu64 " log=%s peer=%s",
	    server_count(node->clients.server), node->tickets.used, node->peerd.malformed,
	    status_updown(node->logd.ready), status_updown(link_up(node->peerd.link)));
	if (node->raft)
		wire_buf_printf(text, " start=%016" PRIx64, node->start_number);
	wire_buf_printf(text, "\n");
}

static void
add_member(struct wire_buf *text, const struct raft_member *member)
{
	char key[SEAL_KEY_TEXT_SIZE];
	seal_key_text(key, member->key);
	wire_buf_printf(text, " address=%s key=%s", log_q(member->address), key);
	if (raft_member_two_keys(member)) {
		seal_key_text(key, member->key_next);
		wire_buf_printf(text, " key_next=%s", key);
	}
	wire_buf_printf(text, "\n");
}

/* The leader knows how far each one is; the others know who there is. */
static void
add_progress(struct wire_buf *text, const struct raft_peer_status *peer)
{
	wire_buf_printf(text,
	    " state=%s match=%" PRIu64 " next=%" PRIu64 " in_flight=%" PRIu64
	    " recovering=%s level=%" PRIu64 " first=%" PRIu64 " heard_ms=",
	    peer->state, peer->match, peer->next, peer->in_flight, log_yes(peer->recovering),
	    peer->level, peer->first);
	if (peer->heard_ms != UINT64_MAX)
		wire_buf_printf(text, "%" PRIu64, peer->heard_ms);
}

static const struct raft_peer_status *
find_peer(const struct raft_status *s, const struct raft_id *id)
{
	for (size_t i = 0; i < s->peers_count; i++)
		if (raft_id_equal(&s->peers[i].id, id))
			return &s->peers[i];
	return NULL;
}

void
status_text(void *arg, struct wire_buf *text)
{
	const struct node *node = arg;
	struct raft_status s = {0};
	if (node->raft)
		raft_status(node->raft, mono_now(), &s);
	add_own(text, node, &s);
	if (node->raft == NULL)
		return;
	const struct raft_config *config = raft_config_now(node->raft);
	for (size_t i = 0; i < config->count; i++) {
		const struct raft_member *member = &config->members[i];
		const struct raft_peer_status *peer = find_peer(&s, &member->id);
		wire_buf_printf(
		    text, "part=member id=%s role=%s", member->id.s, node_member_role(member));
		if (peer && s.role == RAFT_LEADER)
			add_progress(text, peer);
		add_member(text, member);
	}
	snap_send_status(&node->snap_send, text);
}

void
status_members(void *arg, struct wire_buf *text)
{
	const struct node *node = arg;
	if (node->raft == NULL)
		return;
	const struct raft_config *config = raft_config_now(node->raft);
	for (size_t i = 0; i < config->count; i++) {
		wire_buf_printf(text, "id=%s role=%s", config->members[i].id.s,
		    node_member_role(&config->members[i]));
		add_member(text, &config->members[i]);
	}
}
