/* SPDX-License-Identifier: ISC */
/*
 * The contracts of the log, as far as they are known, in the order of their indexes.  Pure.
 *
 * The first one also governs the entries before it, a later one is in force from its index on.
 */
#ifndef FSM_CONTRACTS_H
#define FSM_CONTRACTS_H

#include "raft/contract.h"
#include "wire/message.h"

struct contracts {
	struct contract_at {
		uint64_t index;
		struct raft_contract contract;
	} * list;
	size_t count, room;
};

/* Replaces them by those of a message contracts.  False when its records are malformed. */
bool contracts_read(struct contracts *contracts, struct wire_bytes records);
/* Another one, of an entry; one that is not newer than the newest is known already.  False when it
 * is malformed. */
bool contracts_add(struct contracts *contracts, uint64_t index, struct wire_bytes contract);
/* NULL when there is none. */
const struct contract_at *contracts_newest(const struct contracts *contracts);
/* The one that governs this entry; NULL when there is none. */
const struct contract_at *contracts_at(const struct contracts *contracts, uint64_t index);
void contracts_free(struct contracts *contracts);

#endif
