/* SPDX-License-Identifier: ISC */
/* Whose files a process makes. */
#ifndef UNIX_USER_H
#define UNIX_USER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Root becomes the owner of the folder, with the owner's groups, for good: what it makes from now
 * on, the owner can use.  Others, and root in a folder of its own or one that is not there, stay
 * who they are.  False with errno and one sentence in why.
 */
bool user_become_owner(const char *folder, char *why, size_t size);

#endif
