/* SPDX-License-Identifier: ISC */
/* Why a command cannot be run: one sentence, and 126 or 127; and its environment. */
#ifndef UNIX_COMMAND_H
#define UNIX_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "exit.h"

/* error: of the attempt to run it in folder, one of libuv's. */
enum exit_status command_why(
    const char *name, const char *folder, int error, char *why, size_t size);
/* What an attempt to run it in folder would find, without the attempt: EXIT_OK, or as above. */
enum exit_status command_check(const char *name, const char *folder, char *why, size_t size);
/* In the environment of the commands that this process starts. */
void command_set_number(const char *name, uint64_t value);

#endif
