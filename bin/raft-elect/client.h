/* SPDX-License-Identifier: ISC */
/* One client: what it may ask, and the answers to it.  clients.h has all of them. */
#ifndef ELECT_CLIENT_H
#define ELECT_CLIENT_H

#include "local/server.h"
#include "clients.h"

/* A client outlives its connection while tickets refer to it. */
struct elect_client {
	struct server_client base;
	uint64_t entries_count; /* outstanding */
	size_t size;
	bool held; /* not read for now */
	bool watching;
	bool watch_late; /* the state has changed while it did not take its answers */
	uint64_t watch_request;
	struct client_lead {
		bool wanted;
		bool sent;
		uint64_t request;
		uint64_t term;    /* of the last grant sent; */
		uint64_t until;   /* 0: none, or it is over */
		uint64_t last_ms; /* until then its command may run, whatever was sent since */
	} lead;
};

/* Requests; false: malformed. */
bool client_propose(struct node *node, struct elect_client *client, const struct msg_propose *m);
bool client_read_index(
    struct node *node, struct elect_client *client, const struct msg_read_index *m);
bool client_transfer(struct node *node, struct elect_client *client, const struct msg_transfer *m);
bool client_lead(struct node *node, struct elect_client *client, const struct msg_lead *m);
bool client_watch(struct node *node, struct elect_client *client, const struct msg_watch *m);

/* Answers; nothing when the connection has ended.  session: as clients_answer. */
void client_answer(struct elect_client *client, uint64_t request, const struct raft_answer *answer,
    const struct msg_session *session);
void client_read_answer(
    struct elect_client *client, uint64_t request, const struct raft_read_answer *answer);
/* The state, for a client that watches it. */
void client_tell_state(struct node *node, struct elect_client *client);

#endif
