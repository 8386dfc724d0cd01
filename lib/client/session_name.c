/* SPDX-License-Identifier: ISC */
/* Names of sessions. */
#include "session_name.h"

#include <stdint.h>
#include <string.h>

#include "json.h"
#include "raft/session.h"

const char *
session_name_unfit(const char *name)
{
	_Static_assert(RAFT_SESSION_NAME_MAX == 64, "as the sentence says");
	size_t size = strlen(name);
	if (size == 0 || size > RAFT_SESSION_NAME_MAX)
		return "a session's name has 1 to 64 bytes";
	/* Else raft-ctl could show it, and take it back, in no form. */
	if (!json_utf8((const uint8_t *)name, size))
		return "a session's name is UTF-8";
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || *name == 0x7f)
			return "a session's name holds no blanks and no control characters";
	return NULL;
}
