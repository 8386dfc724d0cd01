/* SPDX-License-Identifier: ISC */
/*
 * What came in one run of --conform, from the process of that run to the one that judges: a line of
 * numbers, then the data, for each.
 */
#ifndef FSM_RECORD_H
#define FSM_RECORD_H

#include "request.h"
#include "trial.h"

enum record_what {
	RECORD_READY,    /* index */
	RECORD_DURABLE,  /* index, place: it was given entries up to here */
	RECORD_ANSWER,   /* kind, index, state, place, data */
	RECORD_BREACH,   /* the request that had no answer (kind, index), state: an enum
			    trial_breach, and the sentence */
	RECORD_EXPECTED, /* after a breach: what was expected */
	RECORD_END       /* the run is over: nothing is missing */
};

struct record {
	enum record_what what;
	enum request_kind kind; /* REQUEST_KINDS_COUNT: none */
	uint64_t index;         /* of an entry; of a query its number */
	unsigned state;         /* of an answer */
	uint64_t place;         /* of a query: the entries up to here came before it */
	struct wire_bytes data;
};

void record_put(FILE *file, const struct record *record);
/* False at the end, and where the file has been cut.  The data is a new string, with a NUL after
 * it. */
bool record_get(FILE *file, struct record *record);

#endif
