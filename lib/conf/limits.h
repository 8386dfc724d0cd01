/* SPDX-License-Identifier: ISC */
/* A value of type LIMITS: a map with entries, bytes and, for a batch, time. */
#ifndef CONF_LIMITS_H
#define CONF_LIMITS_H

#include "value.h"

/*
 * A map, or "ENTRIES BYTES TIME" as the table of keys has it.  False with one sentence in r->why.
 */
bool limits_read(struct conf_limits *limits, struct conf_reading *r, const struct conf_key *key,
    const struct tree_node *node);
void limits_print(FILE *out, const struct conf_limits *limits, const struct conf_key *key);

#endif
