/* SPDX-License-Identifier: ISC */
/* Grants as the core gives them, to the clients that want to know. */
#include "grants.h"

#include "client.h"
#include "node.h"

/* A deadline is sent again when it has moved by this part of an election timeout. */
enum { RENEW_PART = 16 };

static void
grant_send(struct elect_client *client, uint64_t term, uint64_t until)
{
	struct client_lead *lead = &client->lead;
	lead->sent = true;
	lead->term = term;
	lead->until = until;
	lead->last_ms = max_u64(lead->last_ms, until);
	msg_lead_grant_put(
	    conn_out(client->base.conn), &(struct msg_lead_grant){lead->request, term, until});
}

/* Another term, no leader any longer, or not renewed in time. */
static bool
grant_over(const struct client_lead *lead, const struct raft_grant *grant, uint64_t now_ms)
{
	return lead->until != 0 && (grant->state == RAFT_GRANT_NONE || grant->term != lead->term ||
				       now_ms >= lead->until);
}

static void
grant_new(const struct elect_clients *clients, struct elect_client *client,
    const struct raft_grant *grant, uint64_t now_ms)
{
	const struct client_lead *lead = &client->lead;
	uint64_t least_ms = clients->node->conf->elect.election_timeout_ms / RENEW_PART;
	if (grant->state != RAFT_GRANT_GIVEN || grant->until_ms <= now_ms)
		return;
	if (lead->until == 0 ? now_ms >= clients->lead_hold_ms
			     : grant->until_ms > lead->until + least_ms)
		grant_send(client, grant->term, grant->until_ms);
}

static void
grant_refuse(struct elect_clients *clients, struct elect_client *client)
{
	clients->leads_count--;
	client->lead.wanted = false;
	server_refuse(&client->base, client->lead.request, EXIT_RETRY,
	    "the cluster is below level 3, which this needs: a member runs a program that is too "
	    "old, or was not reached since it was upgraded (see raft-ctl status)");
}

static void
grant_turn(
    struct elect_clients *clients, struct elect_client *client, const struct raft_grant *grant)
{
	uint64_t now_ms = boot_ms();
	if (!client->lead.wanted || client->base.closing || conn_choked(client->base.conn))
		return;
	if (grant->state == RAFT_GRANT_LEVEL) {
		grant_refuse(clients, client);
		return;
	}
	if (!client->lead.sent || grant_over(&client->lead, grant, now_ms))
		grant_send(client, grant->term, 0);
	grant_new(clients, client, grant, now_ms);
}

uint64_t
grants_turn(struct elect_clients *clients)
{
	const struct node *node = clients->node;
	if (clients->leads_count == 0)
		return UINT64_MAX;
	struct raft_grant grant = {0};
	if (node->raft)
		grant = raft_grant_now(node->raft);
	for (struct elect_client *client = NULL; (client = clients_next(clients, client));)
		grant_turn(clients, client, &grant);
	/* A sole voter has no heartbeats that would begin a turn. */
	return grant.state == RAFT_GRANT_NONE ? UINT64_MAX
					      : mono_now().ms + node->conf->elect.heartbeat_ms;
}

void
grants_closed(struct elect_clients *clients, struct elect_client *client)
{
	if (client->lead.wanted)
		clients->leads_count--;
	client->lead.wanted = false;
	clients->lead_hold_ms = max_u64(clients->lead_hold_ms, client->lead.last_ms);
}
