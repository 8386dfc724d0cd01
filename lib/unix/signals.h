/* SPDX-License-Identifier: ISC */
/* What a process inherits about signals from whoever started it. */
#ifndef UNIX_SIGNALS_H
#define UNIX_SIGNALS_H

#include <stdbool.h>

/* First of all in main(): a signal that was blocked would never end the process. */
void signals_unblock(void);
/*
 * Whether the signal was ignored at the start, as after nohup(1) or in a background job of a
 * script. It is then left ignored.
 */
bool signals_ignored(int number);

#endif
