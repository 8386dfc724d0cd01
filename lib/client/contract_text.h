/* SPDX-License-Identifier: ISC */
/* The delivery contract of a configuration, and contracts in words. */
#ifndef CLIENT_CONTRACT_TEXT_H
#define CLIENT_CONTRACT_TEXT_H

#include "conf/conf.h"
#include "raft/contract.h"

/* What this node's configuration says.  Before: its mode is machine. */
void contract_of_conf(struct raft_contract *contract, const struct conf *conf);

/* The keys of raft.yaml that make a contract, as raft_contract_difference names them. */
enum { CONTRACT_KEYS_COUNT = 5 };
extern const char *const contract_keys[CONTRACT_KEYS_COUNT];

/* The value of a key, as raft.yaml has it.  Returns out. */
enum { CONTRACT_VALUE_SIZE = RAFT_CONTRACT_FORMAT_MAX + 1 };
const char *contract_value(
    char out[CONTRACT_VALUE_SIZE], const struct raft_contract *contract, const char *key);

#endif
