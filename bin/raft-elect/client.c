/* SPDX-License-Identifier: ISC */
/* What a client may ask, and what it is told. */
#include "client.h"

#include <stdlib.h>
#include <string.h>

#include "prog/daemon.h"
#include "node.h"
#include "status.h"

static void
client_refuse(
    struct elect_client *client, uint64_t request, enum exit_status status, const char *sentence)
{
	msg_refusal_put(conn_out(client->conn),
	    &(struct msg_refusal){request, (uint16_t)status, wire_text(sentence)});
}

/* What it sends can't be trusted to be in step any more: told why, and closed. */
static void
client_refuse_and_close(struct elect_client *client, const char *sentence)
{
	log_warn("client", "state=refused why=%s", log_q(sentence));
	client_refuse(client, 0, EXIT_USAGE, sentence);
	client->closing = true;
	conn_close_when_flushed(client->conn);
}

void
client_answer(struct elect_client *client, uint64_t request, const struct raft_answer *answer,
    const struct raft_hash *digest)
{
	msg_answer_put(conn_out(client->conn), &(struct msg_answer){
						   .request = request,
						   .verdict = (uint8_t)answer->verdict,
						   .reason = (uint8_t)answer->reason,
						   .serial = answer->serial,
						   .count = answer->count,
						   .pos = answer->pos,
						   .epoch = answer->epoch,
						   .last_serial = answer->last_serial,
						   .digest = *digest,
					       });
}

void
client_read_answer(
    struct elect_client *client, uint64_t request, const struct raft_read_answer *answer)
{
	msg_read_index_reply_put(conn_out(client->conn), &(struct msg_read_index_reply){
							     .request = request,
							     .ok = answer->ok,
							     .reason = (uint8_t)answer->reason,
							     .index = answer->index,
							 });
}

void
client_text_reply(struct elect_client *client, uint64_t request, struct wire_buf *text)
{
	msg_text_reply_put(conn_out(client->conn),
	    &(struct msg_text_reply){
		request, {text->bytes ? text->bytes : (const uint8_t *)"", text->size}});
	wire_buf_free(text);
}

/* ----------------------------------------------------------- requests */

static void
client_on_hello(struct elect_client *client, uint16_t number, const uint8_t *body, size_t size)
{
	const struct node *node = client->clients->node;
	struct msg_hello_reply reply = {
	    .low = WIRE_VERSION_LOW,
	    .high = WIRE_VERSION_HIGH,
	    .node = node->conf->node.id,
	    .cluster = node->cluster,
	    .start = node->start_number,
	    .seen = node->commit.index,
	};
	uint8_t kind;
	if (number != MSG_HELLO) {
		client_refuse_and_close(client, "the first frame is not a hello");
		return;
	}
	if (!daemon_hello(client->conn, body, size, &kind, &reply.version)) {
		client->closing = true;
		return;
	}
	client->greeted = true;
	msg_hello_reply_put(conn_out(client->conn), &reply);
}

static struct ticket *
take_ticket(struct elect_client *client, uint64_t request, uint64_t count, size_t size)
{
	struct ticket *ticket = tickets_take(&client->clients->node->tickets);
	ticket->client = client;
	ticket->request = request;
	ticket->count = count;
	ticket->size = size;
	client->tickets_count++;
	client->entries_count += count;
	client->size += size;
	return ticket;
}

static void
refuse_proposal(struct elect_client *client, const struct msg_propose *m,
    const struct raft_entry *entries, enum raft_reason reason)
{
	static const struct raft_hash none;
	struct raft_answer answer = {.verdict = RAFT_REFUSED,
	    .reason = reason,
	    .serial = entries[0].serial,
	    .count = m->count};
	client_answer(client, m->request, &answer, &none);
}

static void
client_propose(
    struct elect_client *client, const struct msg_propose *m, const struct raft_entry *entries)
{
	struct node *node = client->clients->node;
	struct ticket *ticket = take_ticket(client, m->request, m->count, m->entries.size);
	ticket->serial = entries[0].serial;
	if (entries[0].kind == RAFT_SESSION_OPEN)
		ticket->open = entries[0].session;
	struct raft_proposal proposal = {
	    .ticket = ticket->number,
	    .fence = m->fence,
	    .epoch = m->epoch,
	    .seen = m->seen,
	    .entries = entries,
	    .entries_count = m->count,
	};
	node_step(node, &(struct raft_event){.type = RAFT_EVENT_PROPOSE, .proposal = &proposal},
	    m->entries.size);
}

static void
on_propose(struct elect_client *client, const uint8_t *body, size_t size)
{
	struct msg_propose m;
	struct raft_entry *entries;
	struct raft_chunk *chunk;
	if (!msg_propose_get(&m, body, size) || m.count == 0 ||
	    !wire_entries_get(m.entries, m.count, &entries, &chunk)) {
		client_refuse_and_close(client, "a malformed proposal");
		return;
	}
	if (client->clients->node->raft)
		client_propose(client, &m, entries);
	else
		refuse_proposal(client, &m, entries, RAFT_REASON_DISK_LOST);
	free(entries);
	raft_chunk_unref(chunk);
}

static void
client_on_read_index(struct elect_client *client, const uint8_t *body, size_t size)
{
	struct msg_read_index m;
	struct node *node = client->clients->node;
	if (!msg_read_index_get(&m, body, size)) {
		client_refuse_and_close(client, "a malformed read_index");
		return;
	}
	if (node->raft == NULL) {
		client_read_answer(
		    client, m.request, &(struct raft_read_answer){.reason = RAFT_REASON_DISK_LOST});
		return;
	}
	struct ticket *ticket = take_ticket(client, m.request, 1, 0);
	ticket->read = true;
	node_step(
	    node, &(struct raft_event){.type = RAFT_EVENT_READ, .read_ticket = ticket->number}, 0);
}

static void
on_transfer(struct elect_client *client, const uint8_t *body, size_t size)
{
	static const struct raft_hash none;
	struct msg_transfer m;
	struct node *node = client->clients->node;
	struct raft_event event = {.type = RAFT_EVENT_TRANSFER};
	if (!msg_transfer_get(&m, body, size)) {
		client_refuse_and_close(client, "a malformed transfer");
		return;
	}
	if (node->raft == NULL) {
		struct raft_answer answer = {
		    .verdict = RAFT_REFUSED, .reason = RAFT_REASON_DISK_LOST, .count = 1};
		client_answer(client, m.request, &answer, &none);
		return;
	}
	event.transfer.ticket = take_ticket(client, m.request, 1, 0)->number;
	event.transfer.target = m.target;
	node_step(node, &event, 0);
}

static bool
text_is(struct wire_bytes text, const char *word)
{
	return text.size == strlen(word) && memcmp(text.bytes, word, text.size) == 0;
}

static void
on_query_text(struct elect_client *client, const uint8_t *body, size_t size)
{
	struct msg_query_text m;
	struct wire_buf text = {0};
	if (!msg_query_text_get(&m, body, size)) {
		client_refuse_and_close(client, "a malformed query_text");
		return;
	}
	if (text_is(m.what, "status"))
		status_text(&text, client->clients->node);
	else if (text_is(m.what, "members"))
		status_members(&text, client->clients->node);
	else {
		client_refuse(client, m.request, EXIT_USAGE,
		    "raft-elect can tell its status and the members, nothing else");
		return;
	}
	client_text_reply(client, m.request, &text);
}

static void
on_watch(struct elect_client *client, const uint8_t *body, size_t size)
{
	struct msg_watch m;
	struct wire_buf text = {0};
	if (!msg_watch_get(&m, body, size)) {
		client_refuse_and_close(client, "a malformed watch");
		return;
	}
	if (!text_is(m.what, "state")) {
		client_refuse(
		    client, m.request, EXIT_USAGE, "of raft-elect only its state can be watched");
		return;
	}
	client->watching = true;
	client->watch_request = m.request;
	status_state(&text, client->clients->node);
	client_text_reply(client, m.request, &text);
}

static void
on_request(struct elect_client *client, uint16_t number, const uint8_t *body, size_t size)
{
	switch (number) {
	case MSG_PROPOSE:
		on_propose(client, body, size);
		break;
	case MSG_READ_INDEX:
		client_on_read_index(client, body, size);
		break;
	case MSG_TRANSFER:
		on_transfer(client, body, size);
		break;
	case MSG_QUERY_TEXT:
		on_query_text(client, body, size);
		break;
	case MSG_WATCH:
		on_watch(client, body, size);
		break;
	default:
		client_refuse(client, frame_request(body, size), EXIT_USAGE,
		    "raft-elect does not know this request");
	}
}

void
client_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct elect_client *client = arg;
	(void)conn;
	if (client->closing)
		return;
	if (client->greeted)
		on_request(client, number, body, size);
	else
		client_on_hello(client, number, body, size);
	if (!client->closing)
		client_hold_if_due(client, number == MSG_PROPOSE);
}
