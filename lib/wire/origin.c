/* SPDX-License-Identifier: ISC */
#include "origin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
wire_origin_print(char out[WIRE_ORIGIN_SIZE], const struct raft_stamp *stamp)
{
	int n = snprintf(out, WIRE_ORIGIN_SIZE, "%s", stamp->node.s);
	if (stamp->uid != RAFT_UID_NONE)
		snprintf(out + n, WIRE_ORIGIN_SIZE - (size_t)n, ":%" PRIu32, stamp->uid);
}

bool
wire_origin_parse(struct raft_stamp *stamp, const char *text)
{
	char again[WIRE_ORIGIN_SIZE];
	const char *colon = strchr(text, ':');
	size_t size = colon ? (size_t)(colon - text) : strlen(text);
	if (size >= RAFT_ID_SIZE)
		return false;
	memset(&stamp->node, 0, sizeof stamp->node);
	memcpy(stamp->node.s, text, size);
	stamp->uid = colon ? (uint32_t)strtoul(colon + 1, NULL, 10) : RAFT_UID_NONE;
	/* Only the written form counts. */
	wire_origin_print(again, stamp);
	return raft_id_valid(&stamp->node) && strcmp(again, text) == 0;
}
