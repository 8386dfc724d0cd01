/* SPDX-License-Identifier: ISC */
/* Our own standard output as a descriptor that can be written without being held up. */
#ifndef FSM_STDOUT_H
#define FSM_STDOUT_H

/*
 * A descriptor for a feed to take over.  A pipe or terminal comes non-blocking, and so that
 * others who share stdout notice nothing of it; a file as it is.  -1 with errno.
 */
int stdout_open(void);

#endif
