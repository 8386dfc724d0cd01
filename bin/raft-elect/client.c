/* SPDX-License-Identifier: ISC */
/* The requests of a client, and the answers to it. */
#include "client.h"

#include <stdlib.h>

#include "node.h"
#include "status.h"

void
client_answer(struct elect_client *client, uint64_t request, const struct raft_answer *answer,
    const struct msg_session *session)
{
	if (client->base.conn == NULL)
		return;
	msg_answer_put(conn_out(client->base.conn), &(struct msg_answer){
							.request = request,
							.verdict = (uint8_t)answer->verdict,
							.reason = (uint8_t)answer->reason,
							.serial = answer->serial,
							.count = answer->count,
							.pos = answer->pos,
							.epoch = answer->epoch,
							.last_serial = answer->last_serial,
							.digest = session->digest,
							.position = session->position,
						    });
}

void
client_read_answer(
    struct elect_client *client, uint64_t request, const struct raft_read_answer *answer)
{
	if (client->base.conn)
		msg_read_index_reply_put(
		    conn_out(client->base.conn), &(struct msg_read_index_reply){
						     .request = request,
						     .ok = answer->ok,
						     .reason = (uint8_t)answer->reason,
						     .index = answer->index,
						 });
}

void
client_tell_state(struct node *node, struct elect_client *client)
{
	struct wire_buf text = {0};
	status_state(&text, node);
	server_text_reply(&client->base, client->watch_request, &text);
	client->watch_late = false;
}

/* ----------------------------------------------------------- requests */

static struct ticket *
take_ticket(
    struct node *node, struct elect_client *client, uint64_t request, uint64_t count, size_t size)
{
	struct ticket *ticket = tickets_take(&node->tickets);
	server_client_ref(&client->base);
	ticket->client = client;
	ticket->request = request;
	ticket->count = count;
	ticket->size = size;
	client->entries_count += count;
	client->size += size;
	return ticket;
}

static void
propose_entries(struct node *node, struct elect_client *client, const struct msg_propose *m,
    const struct raft_entry *entries)
{
	struct ticket *ticket = take_ticket(node, client, m->request, m->count, m->entries.size);
	ticket->serial = entries[0].serial;
	if (raft_kind_opens(entries[0].kind))
		ticket->open = entries[0].session;
	struct raft_proposal proposal = {
	    .ticket = ticket->number,
	    .fence = m->fence,
	    .epoch = m->epoch,
	    .seen = m->seen,
	    .uid = client->base.uid,
	    .entries = entries,
	    .entries_count = m->count,
	};
	node_step(node, &(struct raft_event){.type = RAFT_EVENT_PROPOSE, .proposal = &proposal},
	    m->entries.size);
}

/* Why no client is served: raft-logd is not there, and so no core; or this node was removed. */
static enum raft_reason
closed_reason(const struct node *node)
{
	if (node->raft == NULL)
		return RAFT_REASON_DISK_LOST;
	return node->removed != 0 ? RAFT_REASON_REMOVED : RAFT_REASON_NONE;
}

/* False: it is served. */
static bool
refuse_if_closed(const struct node *node, struct elect_client *client, uint64_t request,
    uint64_t serial, uint64_t count)
{
	struct raft_answer answer = {.verdict = RAFT_REFUSED,
	    .reason = closed_reason(node),
	    .serial = serial,
	    .count = count};
	if (answer.reason == RAFT_REASON_NONE)
		return false;
	if (answer.reason == RAFT_REASON_REMOVED)
		answer.pos.index = node->removed;
	client_answer(client, request, &answer, &(struct msg_session){0});
	return true;
}

bool
client_propose(struct node *node, struct elect_client *client, const struct msg_propose *m)
{
	struct raft_entry *entries;
	/* The core makes copies, with the stamp. */
	if (m->count == 0 || !wire_entries_view(m->entries, m->count, &entries))
		return false;
	if (!refuse_if_closed(node, client, m->request, entries[0].serial, m->count))
		propose_entries(node, client, m, entries);
	free(entries);
	return true;
}

bool
client_read_index(struct node *node, struct elect_client *client, const struct msg_read_index *m)
{
	enum raft_reason reason = closed_reason(node);
	if (reason != RAFT_REASON_NONE) {
		struct raft_read_answer answer = {.reason = reason, .index = node->removed};
		client_read_answer(client, m->request, &answer);
		return true;
	}
	struct ticket *ticket = take_ticket(node, client, m->request, 1, 0);
	ticket->read = true;
	node_step(
	    node, &(struct raft_event){.type = RAFT_EVENT_READ, .read_ticket = ticket->number}, 0);
	return true;
}

bool
client_transfer(struct node *node, struct elect_client *client, const struct msg_transfer *m)
{
	struct raft_event event = {.type = RAFT_EVENT_TRANSFER};
	if (refuse_if_closed(node, client, m->request, 0, 1))
		return true;
	event.transfer.ticket = take_ticket(node, client, m->request, 1, 0)->number;
	event.transfer.target = m->target;
	node_step(node, &event, 0);
	return true;
}

bool
client_watch(struct node *node, struct elect_client *client, const struct msg_watch *m)
{
	if (!wire_text_is(m->what, "state")) {
		server_watch(&client->base, m);
		return true;
	}
	client->watching = true;
	client->watch_request = m->request;
	client_tell_state(node, client);
	return true;
}

bool
client_lead(struct node *node, struct elect_client *client, const struct msg_lead *m)
{
	if (!client->lead.wanted)
		node->clients.leads_count++;
	client->lead = (struct client_lead){
	    .wanted = true, .request = m->request, .last_ms = client->lead.last_ms};
	return true; /* the turn tells it */
}
