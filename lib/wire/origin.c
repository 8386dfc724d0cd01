/* SPDX-License-Identifier: ISC */
#include "origin.h"

#include <stdlib.h>
#include <string.h>

enum { UID_DIGITS_MAX = 10 };

/* This is done for each entry, and much cheaper than printf. */
size_t
wire_origin_print(char out[WIRE_ORIGIN_SIZE], const struct raft_stamp *stamp)
{
	char digits[UID_DIGITS_MAX];
	size_t size = strlen(stamp->node.s), count = 0;
	memcpy(out, stamp->node.s, size);
	if (stamp->uid != RAFT_UID_NONE) {
		uint32_t rest = stamp->uid;
		do
			digits[count++] = (char)('0' + rest % 10);
		while ((rest /= 10) > 0);
		out[size++] = ':';
		while (count > 0)
			out[size++] = digits[--count];
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
