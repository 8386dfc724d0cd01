/* SPDX-License-Identifier: ISC */
/* The origin of an entry as text: NODE:UID, or NODE where the uid is not known. */
#ifndef WIRE_ORIGIN_H
#define WIRE_ORIGIN_H

#include "raft/types.h"

enum { WIRE_ORIGIN_SIZE = RAFT_ID_SIZE + sizeof ":4294967295" };

/* The size of the text, without the NUL that follows it. */
size_t wire_origin_print(char out[WIRE_ORIGIN_SIZE], const struct raft_stamp *stamp);
/* Node and uid alone.  False when it is not what wire_origin_print writes. */
bool wire_origin_parse(struct raft_stamp *stamp, const char *text);

#endif
