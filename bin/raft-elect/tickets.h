/* SPDX-License-Identifier: ISC */
/*
 * What the core has been asked and has not answered: which client waits for which serials.
 *
 * A ticket's number names its slot and the slot's generation, so that finding one is a
 * look-up and an old number finds nothing.
 */
#ifndef ELECT_TICKETS_H
#define ELECT_TICKETS_H

#include "raft/types.h"

struct elect_client;

struct ticket {
	uint64_t number;     /* 0: the slot is free */
	uint32_t generation; /* of the slot */
	uint32_t next_free;  /* while it is free: the next such slot + 1; 0: none */
	struct elect_client *client;
	uint64_t request; /* the client's own number */
	bool read;        /* a read, else a proposal */
	/* A proposal: serials not yet answered, [serial, serial + count); no serial: (0, 1). */
	uint64_t serial;
	uint64_t count;
	size_t size;          /* bytes of the entries */
	struct raft_sid open; /* of a SESSION_OPEN; else none */
};

struct tickets {
	struct ticket *slots;
	size_t slots_count;
	size_t used;
	uint32_t first_free; /* slot + 1; 0: none */
};

/* A new one, with a number and all else zero.  Valid until the next take. */
struct ticket *tickets_take(struct tickets *tickets);
/* NULL when it is done with. */
struct ticket *tickets_find(struct tickets *tickets, uint64_t number);
void tickets_drop(struct tickets *tickets, struct ticket *ticket);
/* Each that is used: from NULL on; NULL after the last.  The present one may be dropped. */
struct ticket *tickets_next(struct tickets *tickets, struct ticket *ticket);

/*
 * Takes [serial, serial + count) off what is not yet answered, and says how many serials
 * that were.  What comes from either end shrinks the range; answers come in order, so there is no
 * other.
 */
uint64_t ticket_answered(struct ticket *ticket, uint64_t serial, uint64_t count);

#endif
