/* SPDX-License-Identifier: ISC */
/* From the configuration, and into words. */
#include "contract_text.h"

#include <stdio.h>
#include <string.h>

#include "conf/fields.h"
#include "conf/unit.h"

_Static_assert((int)CONF_NAME_SIZE_MAX == (int)RAFT_CONTRACT_FORMAT_MAX, "each format fits");
_Static_assert((int)UNIT_TEXT_SIZE <= (int)CONTRACT_VALUE_SIZE, "each size fits");
_Static_assert(FIELDS_TEXT_SIZE + 2 <= CONTRACT_VALUE_SIZE, "all fields fit");

const char *const contract_keys[CONTRACT_KEYS_COUNT] = {
    "fsm.framing", "fsm.fields", "fsm.reply_max", "elect.entry_max", "fsm.format"};

void
contract_of_conf(struct raft_contract *contract, const struct conf *conf)
{
	*contract = (struct raft_contract){
	    .framing = conf->fsm.framing == FRAMING_NETSTRING ? RAFT_CONTRACT_NETSTRING
							      : RAFT_CONTRACT_LINE,
	    .fields = conf->fsm.fields,
	    .reply_max = conf->fsm.reply_max,
	    .entry_max = conf->elect.entry_max,
	};
	snprintf(contract->format, sizeof contract->format, "%s", conf->fsm.format);
}

const char *
contract_value(char out[CONTRACT_VALUE_SIZE], const struct raft_contract *contract, const char *key)
{
	char fields[FIELDS_TEXT_SIZE];
	if (strcmp(key, "fsm.framing") == 0)
		snprintf(out, CONTRACT_VALUE_SIZE, "%s",
		    framing_name(contract->framing == RAFT_CONTRACT_NETSTRING ? FRAMING_NETSTRING
									      : FRAMING_LINE));
	else if (strcmp(key, "fsm.fields") == 0)
		snprintf(out, CONTRACT_VALUE_SIZE, "[%s]", fields_text(fields, contract->fields));
	else if (strcmp(key, "fsm.reply_max") == 0)
		unit_print_size(out, contract->reply_max);
	else if (strcmp(key, "elect.entry_max") == 0)
		unit_print_size(out, contract->entry_max);
	else
		snprintf(out, CONTRACT_VALUE_SIZE, "%s", contract->format);
	return out;
}
