/* SPDX-License-Identifier: ISC */
/* A list that only grows at its end. */
#include "contracts.h"

#include <stdlib.h>

#include "raft/array.h"
#include "raft/bytes.h"

enum { HEAD_SIZE = 8 + 4 };

bool
contracts_add(struct contracts *contracts, uint64_t index, struct wire_bytes contract)
{
	const struct contract_at *newest = contracts_newest(contracts);
	struct contract_at one = {.index = index};
	if (!raft_contract_decode(&one.contract, contract.bytes, contract.size))
		return false;
	if (newest && index <= newest->index)
		return true;
	RAFT_GROW(contracts->list, contracts->room, contracts->count + 1);
	contracts->list[contracts->count++] = one;
	return true;
}

bool
contracts_read(struct contracts *contracts, struct wire_bytes records)
{
	contracts->count = 0;
	while (records.size > 0) {
		if (records.size < HEAD_SIZE)
			return false;
		uint64_t index = bytes_get_u64(records.bytes);
		size_t size = bytes_get_u32(records.bytes + 8);
		records = (struct wire_bytes){records.bytes + HEAD_SIZE, records.size - HEAD_SIZE};
		if (size > records.size ||
		    !contracts_add(contracts, index, (struct wire_bytes){records.bytes, size}))
			return false;
		records = (struct wire_bytes){records.bytes + size, records.size - size};
	}
	return true;
}

const struct contract_at *
contracts_newest(const struct contracts *contracts)
{
	return contracts->count ? &contracts->list[contracts->count - 1] : NULL;
}

const struct contract_at *
contracts_at(const struct contracts *contracts, uint64_t index)
{
	size_t at = contracts->count;
	if (at == 0)
		return NULL;
	while (at > 1 && contracts->list[at - 1].index > index)
		at--;
	return &contracts->list[at - 1];
}

void
contracts_free(struct contracts *contracts)
{
	free(contracts->list);
	*contracts = (struct contracts){0};
}
