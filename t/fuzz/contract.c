/* SPDX-License-Identifier: ISC */
/* Contracts of the state machine.  First byte: one by itself, or records of them. */
#include "raft/contract.h"
#include "wire/message.h"
#include "fuzz.h"

static void
try_contract(const uint8_t *bytes, size_t size)
{
	struct raft_contract contract;
	uint8_t made[RAFT_CONTRACT_SIZE_MAX];

	if (!raft_contract_decode(&contract, bytes, size))
		return;
	must(raft_contract_encode(&contract, made) == size);
	must(memcmp(made, bytes, size) == 0);
	must(raft_contract_difference(&contract, &contract) == NULL);
	/* Its own bytes are data as good as any. */
	if (raft_contract_allows(&contract, bytes, size))
		must(size <= contract.entry_max);
}

static void
try_records(struct wire_bytes run)
{
	struct raft_contract_at at;

	while (run.size > 0) {
		struct wire_bytes before = run;
		struct wire_buf made = {0};

		if (!wire_contract_get(&at, &run))
			break;
		must(at.index > 0 && run.size < before.size);
		wire_contract_put(&made, &at);
		must(made.size == before.size - run.size);
		must(memcmp(made.bytes, before.bytes, made.size) == 0);
		wire_buf_free(&made);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size == 0)
		return 0;
	if (bytes[0] & 1)
		try_contract(bytes + 1, size - 1);
	else
		try_records((struct wire_bytes){bytes + 1, size - 1});
	return 0;
}

static void
seeds(void)
{
	struct raft_contract_at lines = {
	    9, {RAFT_CONTRACT_LINE, RAFT_CONTRACT_TIME, 1 << 16, 1 << 20, "kv-1"}};
	struct raft_contract_at blobs = {11, {RAFT_CONTRACT_NETSTRING, 0, 1, UINT64_MAX, "k"}};
	uint8_t data[1 + RAFT_CONTRACT_SIZE_MAX] = {1};
	struct wire_buf out = {0};

	fuzz_seed(data, 1 + raft_contract_encode(&lines.contract, data + 1));
	fuzz_seed(data, 1 + raft_contract_encode(&blobs.contract, data + 1));
	*wire_buf_add(&out, 1) = 0;
	wire_contract_put(&out, &lines);
	wire_contract_put(&out, &blobs);
	fuzz_seed(out.bytes, out.size);
	wire_buf_free(&out);
}
