/* SPDX-License-Identifier: ISC */
/* What somebody may have meant who wrote a key that does not exist. */
#ifndef CONF_NEAREST_H
#define CONF_NEAREST_H

enum { NEAREST_SIZE = 256 };
/*
 * "did you mean elect.heartbeat?", or where the keys are listed.  section NULL: a key at the top.
 */
void nearest_key(char hint[NEAREST_SIZE], const char *section, const char *name);

#endif
