/* SPDX-License-Identifier: ISC */
/* A list that only grows at its end. */
#include "contracts.h"

#include "raft/array.h"

void
contracts_add(struct contracts *contracts, const struct raft_contract_at *at)
{
	const struct raft_contract_at *newest = contracts_newest(contracts);
	if (newest && at->index <= newest->index)
		return;
	RAFT_GROW(contracts->list, contracts->room, contracts->count + 1);
	contracts->list[contracts->count++] = *at;
}

bool
contracts_read(struct contracts *contracts, struct wire_bytes records)
{
	struct raft_contract_at at;
	contracts->count = 0;
	while (records.size > 0) {
		if (!wire_contract_get(&at, &records))
			return false;
		contracts_add(contracts, &at);
	}
	return true;
}

const struct raft_contract_at *
contracts_newest(const struct contracts *contracts)
{
	return contracts->count ? &contracts->list[contracts->count - 1] : NULL;
}

const struct raft_contract_at *
contracts_at(const struct contracts *contracts, uint64_t index)
{
	size_t at = contracts->count;
	if (at == 0)
		return NULL;
	while (at > 1 && contracts->list[at - 1].index > index)
		at--;
	return &contracts->list[at - 1];
}
