/* SPDX-License-Identifier: ISC */
/*
 * The fields that are given with an entry: a set of enum raft_contract_field, and their names.  A
 * set has one order: that of the names here.
 */
#ifndef CONF_FIELDS_H
#define CONF_FIELDS_H

#include "raft/contract.h"

#define FIELDS_NAMES "time, origin and chain"

/* 0: it is none of them. */
uint8_t field_of_name(const char *name);
/* As "time,origin,chain"; "" for the empty set. */
enum { FIELDS_TEXT_SIZE = 24 };
const char *fields_text(char out[FIELDS_TEXT_SIZE], uint8_t fields);
/* Reads such a text, in any order.  False: a name is unknown or stands there twice. */
bool fields_parse(uint8_t *fields, const char *text);

#endif
