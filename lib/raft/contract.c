/* SPDX-License-Identifier: ISC */
/* Contracts as bytes, and what they allow. */
#include "contract.h"

#include "bytes.h"

#include <string.h>

enum { FRAMING_AT = 0, FIELDS_AT = 1, REPLY_AT = 2, ENTRY_AT = 10, FORMAT_AT = 18 };

size_t
raft_contract_encode(const struct raft_contract *contract, uint8_t *out)
{
	size_t size = strlen(contract->format);

	out[FRAMING_AT] = (uint8_t)contract->framing;
	out[FIELDS_AT] = contract->fields;
	bytes_put_u64(out + REPLY_AT, contract->reply_max);
	bytes_put_u64(out + ENTRY_AT, contract->entry_max);
	out[FORMAT_AT] = (uint8_t)size;
	memcpy(out + FORMAT_AT + 1, contract->format, size);
	return FORMAT_AT + 1 + size;
}

bool
raft_contract_decode(struct raft_contract *contract, const uint8_t *bytes, size_t size)
{
	*contract = (struct raft_contract){0};
	if (size <= FORMAT_AT + 1 || bytes[FORMAT_AT] > RAFT_CONTRACT_FORMAT_MAX ||
	    size != FORMAT_AT + 1 + (size_t)bytes[FORMAT_AT])
		return false;
	if (bytes[FRAMING_AT] > RAFT_CONTRACT_NETSTRING || bytes[FIELDS_AT] > RAFT_CONTRACT_FIELDS)
		return false;
	contract->framing = (enum raft_contract_framing)bytes[FRAMING_AT];
	contract->fields = bytes[FIELDS_AT];
	contract->reply_max = bytes_get_u64(bytes + REPLY_AT);
	contract->entry_max = bytes_get_u64(bytes + ENTRY_AT);
	memcpy(contract->format, bytes + FORMAT_AT + 1, bytes[FORMAT_AT]);
	return contract->reply_max > 0 && contract->entry_max > 0 &&
	       strlen(contract->format) == bytes[FORMAT_AT];
}

const char *
raft_contract_difference(const struct raft_contract *a, const struct raft_contract *b)
{
	if (a->framing != b->framing)
		return "fsm.framing";
	if (a->fields != b->fields)
		return "fsm.fields";
	if (a->reply_max != b->reply_max)
		return "fsm.reply_max";
	if (a->entry_max != b->entry_max)
		return "elect.entry_max";
	return strcmp(a->format, b->format) == 0 ? NULL : "fsm.format";
}

bool
raft_contract_allows(const struct raft_contract *contract, const uint8_t *data, size_t size)
{
	if (size > contract->entry_max)
		return false;
	return contract->framing == RAFT_CONTRACT_NETSTRING || size == 0 ||
	       (memchr(data, '\n', size) == NULL && memchr(data, '\0', size) == NULL);
}

void
raft_contract_apply(struct raft_contract_at *at, uint64_t index, const struct raft_entry *entry)
{
	bool decoded;

	if (entry->kind != RAFT_CONTRACT)
		return;
	must(at->index < index);
	at->index = index;
	decoded = raft_contract_decode(
	    &at->contract, raft_entry_data(entry), raft_entry_data_size(entry));
	must(decoded);
}
