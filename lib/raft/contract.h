/* SPDX-License-Identifier: ISC */
/*
 * The delivery contract: what an entry means to a state machine (ours).
 *
 * In mode machine every replica must be given the same: so how entries are delivered is an entry of
 * the log itself, of kind CONTRACT, and not a setting of one node.  The first one that is committed
 * also governs the entries before it; a later one is in force from its index on.
 */
#ifndef RAFT_CONTRACT_H
#define RAFT_CONTRACT_H

#include "types.h"

enum raft_contract_framing { RAFT_CONTRACT_LINE, RAFT_CONTRACT_NETSTRING };
/* The fields that are given with an entry, in this order: a set of bits. */
enum raft_contract_field {
	RAFT_CONTRACT_TIME = 1,
	RAFT_CONTRACT_ORIGIN = 2,
	RAFT_CONTRACT_CHAIN = 4,
	RAFT_CONTRACT_FIELDS = 7
};
enum { RAFT_CONTRACT_FORMAT_MAX = 63 };

struct raft_contract {
	enum raft_contract_framing framing;
	uint8_t fields;
	uint64_t reply_max; /* bytes of a reply */
	uint64_t entry_max; /* bytes of the data of an entry */
	/* Of snapshots: name and version of the program's state. */
	char format[RAFT_CONTRACT_FORMAT_MAX + 1];
};

/* A contract and the index of its entry; index 0: there is none. */
struct raft_contract_at {
	uint64_t index;
	struct raft_contract contract;
};

/*
 * Encoded, integers big-endian: framing u8, fields u8, reply_max u64, entry_max u64, format size
 * u8, format.  Bytes written.
 */
enum { RAFT_CONTRACT_SIZE_MAX = 1 + 1 + 8 + 8 + 1 + RAFT_CONTRACT_FORMAT_MAX };
size_t raft_contract_encode(const struct raft_contract *contract, uint8_t *out);
/* False when the bytes are not exactly one contract. */
bool raft_contract_decode(struct raft_contract *contract, const uint8_t *bytes, size_t size);
/* NULL when they are equal; else the key of raft.yaml(5) in which they differ. */
const char *raft_contract_difference(const struct raft_contract *a, const struct raft_contract *b);
/* Whether the data of a client's entry may be delivered under it. */
bool raft_contract_allows(const struct raft_contract *contract, const uint8_t *data, size_t size);
/*
 * With the entry at index the log has the contract *at: the entry's, if it is of kind CONTRACT;
 * else the same as before.  Before: raft_entry_decode has accepted the entry.
 */
void raft_contract_apply(
    struct raft_contract_at *at, uint64_t index, const struct raft_entry *entry);

#endif
