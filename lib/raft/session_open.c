/* SPDX-License-Identifier: ISC */
/*
 * The data of an entry that opens a named session: run 16 bytes, the epoch that it
 * replaces u64 big-endian, the name.
 */
#include "session.h"

#include "bytes.h"

#include <string.h>

static size_t
name_size(const char *name)
{
	size_t size = 0;

	while (size <= RAFT_SESSION_NAME_MAX && name[size] != '\0')
		size++;
	return size;
}

size_t
raft_session_open_encode(const struct raft_session_open *open, uint8_t *out)
{
	size_t size = name_size(open->name);

	must(size > 0);
	must(size <= RAFT_SESSION_NAME_MAX);
	memcpy(out, open->run, RAFT_RUN_SIZE);
	bytes_put_u64(out + RAFT_RUN_SIZE, open->replaces);
	memcpy(out + RAFT_RUN_SIZE + 8, open->name, size);
	return RAFT_RUN_SIZE + 8 + size;
}

bool
raft_session_open_decode(struct raft_session_open *open, const uint8_t *bytes, size_t size)
{
	size_t name;

	memset(open, 0, sizeof *open);
	if (size <= RAFT_RUN_SIZE + 8 || size > RAFT_SESSION_OPEN_SIZE_MAX)
		return false;
	name = size - RAFT_RUN_SIZE - 8;
	memcpy(open->run, bytes, RAFT_RUN_SIZE);
	open->replaces = bytes_get_u64(bytes + RAFT_RUN_SIZE);
	memcpy(open->name, bytes + RAFT_RUN_SIZE + 8, name);
	return name_size(open->name) == name;
}
