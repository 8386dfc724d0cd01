/* SPDX-License-Identifier: ISC */
/* The link to raft-logd, shared by its files: source.c, and source_snap.c for snapshots. */
#ifndef FSM_SOURCE_PRIVATE_H
#define FSM_SOURCE_PRIVATE_H

#include "local/link.h"
#include "lines.h"

enum { CURSOR_NAME_SIZE = 32 };

struct source {
	const struct conf *conf;
	const struct source_calls *calls;
	void *arg;

	struct lines *lines; /* --try; NULL: there is a link */
	struct link *link;
	char why[512]; /* there is none; "": there is one */

	uint64_t request; /* the last number given away; what is on its way, 0: nothing */
	uint64_t read_request;
	uint64_t probe_request;
	uint64_t cursor_request;
	uint64_t contracts_request;
	uint64_t chain_request;

	uint64_t next;      /* the index to ask for; 0: none */
	struct batch ready; /* count 0: none */
	uint64_t commit, commit_now;
	struct raft_hash cluster;

	char cursor_name[CURSOR_NAME_SIZE];
	bool cursor_get;     /* asked for and not answered */
	uint64_t cursor_set; /* to be stored and not answered; 0: none */
	uint64_t cursor_sent;

	void (*told)(void *arg);
	void *told_arg;

	bool contracts_wanted, chain_wanted; /* not answered yet */
	uint64_t chain_index;

	/* One question about snapshots: which (0: none), its request when it is on its way. */
	enum msg_number snap;
	uint64_t snap_request;
	uint64_t snap_index;
	char *snap_add_path, *snap_format;
};

/* Asks what is to be asked and is not in flight. */
void source_snap_send(struct source *source);
/* It was not answered as it should be. */
void source_snap_fail(struct source *source, const char *why);
/* An answer: snap_found, snap_path_reply or snap_added. */
void source_snap_take(struct source *source, uint16_t number, const uint8_t *body, size_t size);

#endif
