/* SPDX-License-Identifier: ISC */
/*
 * The delivery contracts of the log, as far as they are known.
 *
 * An entry is delivered by the contract that governs it, and the program talks as the newest one
 * says, which must therefore be that of the configuration.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/contract_text.h"
#include "seal/seal.h"
#include "machine.h"

const struct raft_contract *
machine_terms_at(const struct machine *m, uint64_t index)
{
	const struct raft_contract_at *at = contracts_at(&m->terms.known, index);
	return at ? &at->contract : &m->terms.own;
}

bool
machine_terms_chain(const struct machine *m)
{
	return m->terms.own.fields & RAFT_CONTRACT_CHAIN;
}

/* ------- the one that must be the configuration's ------------------------------- */

bool
machine_terms_differ(const struct machine *m, char why[MACHINE_WHY_SIZE])
{
	const struct raft_contract_at *newest = contracts_newest(&m->terms.known);
	const struct raft_contract *own = &m->terms.own;
	char here[CONTRACT_VALUE_SIZE], there[CONTRACT_VALUE_SIZE];
	const char *key = newest ? raft_contract_difference(own, &newest->contract) : NULL;
	if (key == NULL)
		return false;
	snprintf(why, MACHINE_WHY_SIZE,
	    "%s is %s here, and %s in the contract of entry %" PRIu64
	    ", to which all nodes keep: the program is given nothing after it: change the key and "
	    "restart raft-fsm, or change the contract: raft-ctl contract set",
	    key, contract_value(here, own, key), contract_value(there, &newest->contract, key),
	    newest->index);
	return true;
}

/* ------- answers of raft-logd ---------------------------------------------------- */

bool
machine_terms_take(struct machine *m, uint64_t level, struct wire_bytes records)
{
	if (!contracts_read(&m->terms.known, records))
		return false;
	m->terms.level = level;
	return true;
}

bool
machine_terms_none(const struct machine *m)
{
	return m->terms.level >= RAFT_LEVEL_CONTRACT && m->terms.known.count == 0;
}

/* ------- entries ----------------------------------------------------------------- */

void
machine_terms_met(struct machine *m, uint64_t index, const struct raft_entry *entry)
{
	struct machine_terms *terms = &m->terms;
	struct raft_contract_at at = {0};
	if (entry->kind == RAFT_LEVEL) {
		terms->level = max_u64(terms->level, raft_entry_level(entry));
		terms->waiting = machine_terms_none(m);
		if (terms->waiting)
			source_contracts_get(m->fsm->source);
	} else if (entry->kind == RAFT_CONTRACT) {
		raft_contract_apply(&at, index, entry);
		contracts_add(&terms->known, &at);
		if (contracts_newest(&terms->known)->index == index)
			machine_terms_differ(m, terms->why);
	}
}

bool
machine_terms_deliverable(struct machine *m, uint64_t index, const struct raft_entry *entry)
{
	struct machine_terms *terms = &m->terms;
	const struct raft_contract_at *at = contracts_at(&terms->known, index);
	if (m->netstring || at == NULL || entry->kind != RAFT_CLIENT ||
	    at->contract.framing == RAFT_CONTRACT_LINE)
		return true;
	const char *unfit = request_unfit(
	    false, (struct wire_bytes){raft_entry_data(entry), raft_entry_data_size(entry)});
	if (unfit == NULL)
		return true;
	terms->unfit_at = index;
	snprintf(terms->why, sizeof terms->why,
	    "entry %" PRIu64 " holds %s, which the contract of entry %" PRIu64
	    " allowed, and fsm.framing line cannot give it to the program: its state cannot be "
	    "computed from the log: a snapshot after that entry is needed: return to framing "
	    "netstring, let each node take one (raft-ctl snapshot), and change the contract then",
	    index, unfit, at->index);
	return false;
}

bool
machine_terms_stop(const struct machine *m)
{
	return m->terms.waiting || m->terms.why[0];
}

/* ------- fields ------------------------------------------------------------------- */

size_t
machine_terms_fields(const struct machine *m, char out[FIELDS_SIZE_MAX], uint64_t index,
    const struct raft_entry *entry)
{
	uint8_t asked = m->terms.own.fields, given = machine_terms_at(m, index)->fields;
	struct raft_stamp stamp;
	size_t at = 0;
	raft_entry_stamp(entry, &stamp);
	for (uint8_t field = 1; field <= RAFT_CONTRACT_CHAIN; field = (uint8_t)(field << 1)) {
		if ((asked & field) == 0)
			continue;
		out[at] = '-';
		out[at + 1] = '\0';
		if (field == RAFT_CONTRACT_TIME && (given & field) && stamp.time)
			snprintf(out + at, FIELDS_SIZE_MAX - at, "%" PRIu64, stamp.time);
		else if (field == RAFT_CONTRACT_ORIGIN && (given & field) &&
			 !raft_id_none(&stamp.node))
			wire_origin_print(out + at, &stamp);
		else if (field == RAFT_CONTRACT_CHAIN && (given & field))
			seal_hex(out + at, m->chain.b, REPLY_CHAIN_BYTES);
		at += strlen(out + at);
		out[at++] = ' ';
	}
	return at;
}
