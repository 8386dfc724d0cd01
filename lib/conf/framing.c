/* SPDX-License-Identifier: ISC */
/* The names of framings. */
#include <string.h>

#include "conf.h"

static const char *const names[] = {
#define F(NAME, text) [FRAMING_##NAME] = text,
    CONF_FRAMINGS(F)
#undef F
};
_Static_assert(sizeof(names) / sizeof(names[0]) == FRAMINGS_COUNT, "a name for each framing");

bool
framing_parse(enum framing *framing, const char *text)
{
	for (size_t i = 0; i < FRAMINGS_COUNT; i++) {
		if (strcmp(text, names[i]) == 0) {
			*framing = (enum framing)i;
			return true;
		}
	}
	return false;
}

const char *
framing_name(enum framing framing)
{
	return names[framing];
}
