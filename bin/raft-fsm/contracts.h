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
	struct raft_contract_at *list;
	size_t count, room;
};

/* Replaces them by those of a message contracts.  False when its records are malformed. */
bool contracts_read(struct contracts *contracts, struct wire_bytes records);
/* Another one; one that is not newer than the newest is known already. */
void contracts_add(struct contracts *contracts, const struct raft_contract_at *at);
/* NULL when there is none. */
const struct raft_contract_at *contracts_newest(const struct contracts *contracts);
/* The one that governs this entry; NULL when there is none. */
const struct raft_contract_at *contracts_at(const struct contracts *contracts, uint64_t index);

#endif
