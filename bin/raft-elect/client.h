/* SPDX-License-Identifier: ISC */
/* One client: its frames, and the frames to it.  clients.h says who may be one. */
#ifndef ELECT_CLIENT_H
#define ELECT_CLIENT_H

#include "unix/conn.h"
#include "clients.h"

enum {
	CLIENT_OUT_HIGH = 1 << 20,
	/* A frame may be as large as the largest entry and so much more. */
	CLIENT_FRAME_EXTRA = 8 << 20
};

struct elect_client {
	struct elect_clients *clients;
	struct conn *conn; /* NULL: it is gone, and only its tickets keep the struct */
	struct elect_client *prev, *next;
	size_t tickets_count;
	uint64_t entries_count; /* outstanding */
	size_t size;
	bool greeted;
	bool held;    /* not read for now */
	bool closing; /* refused; closed once that is written */
	bool watching;
	bool watch_late; /* the state has changed while it did not take its answers */
	uint64_t watch_request;
};

/* conn_calls.frame, with a struct elect_client. */
void client_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg);
void client_answer(struct elect_client *client, uint64_t request, const struct raft_answer *answer,
    const struct raft_hash *digest);
void client_read_answer(
    struct elect_client *client, uint64_t request, const struct raft_read_answer *answer);
/* Frees the text. */
void client_text_reply(struct elect_client *client, uint64_t request, struct wire_buf *text);

/*
 * Of clients.c.  Stops reading it when it has too much outstanding, does not take its answers, or
 * has proposed while the core is congested.
 */
void client_hold_if_due(struct elect_client *client, bool proposed);

#endif
