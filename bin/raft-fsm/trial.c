/* SPDX-License-Identifier: ISC */
/* Bytes of a program, printed. */
#include "trial.h"

enum { SHOWN_MAX = 60 };

const char *
trial_shown(char text[TRIAL_SHOWN_SIZE], struct wire_bytes said)
{
	size_t at = 0;
	for (size_t i = 0; i < said.size && i < SHOWN_MAX; i++)
		at += (size_t)snprintf(text + at, TRIAL_SHOWN_SIZE - at,
		    said.bytes[i] >= ' ' && said.bytes[i] < 127 && said.bytes[i] != '\\'
			? "%c"
			: "\\x%02x",
		    said.bytes[i]);
	snprintf(text + at, TRIAL_SHOWN_SIZE - at, "%s", said.size > SHOWN_MAX ? "..." : "");
	return text;
}
