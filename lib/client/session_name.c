/* SPDX-License-Identifier: ISC */
/* What raft-ctl can show and read back. */
#include "session_name.h"

#include <stdio.h>
#include <string.h>

#include "raft/session.h"
#include "json.h"

const char *
session_name_unfit(const char *name)
{
	static char text[64];
	size_t size = strlen(name);
	if (size == 0 || size > RAFT_SESSION_NAME_MAX) {
		snprintf(text, sizeof text, "has 1 to %d bytes", RAFT_SESSION_NAME_MAX);
		return text;
	}
	if (!json_utf8((const uint8_t *)name, size))
		return "is UTF-8";
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || *name == 0x7f)
			return "holds no blanks and no control characters";
	return NULL;
}
