/* SPDX-License-Identifier: ISC */
#include "origin.h"

#include "buf.h"

#include <stdlib.h>
#include <string.h>

size_t
wire_origin_print(char out[WIRE_ORIGIN_SIZE], const struct raft_stamp *stamp)
{
	size_t size = strlen(stamp->node.s);
	memcpy(out, stamp->node.s, size);
	if (stamp->uid != RAFT_UID_NONE) {
		out[size++] = ':';
		size += wire_number_put(out + size, stamp->uid);
	}
	out[size] = '\0';
	return size;
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
