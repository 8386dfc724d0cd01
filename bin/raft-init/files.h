/* SPDX-License-Identifier: ISC */
/*
 * Files and folders made so that a power cut right after raft-init loses nothing of them, and
 * removed when raft-init fails half-way or a signal ends it.  From files_lock on such a signal
 * waits until files_undo or files_keep is done.
 *
 * Each function: false with one sentence in why (CONF_WHY_SIZE).
 */
#ifndef INIT_FILES_H
#define INIT_FILES_H

#include <stdbool.h>
#include <sys/types.h>

/* The folder, of that mode; one that is there already is left as it is. */
bool files_folder(const char *path, mode_t mode, char *why);
/* Waits until no other raft-init is at work in the folder. */
bool files_lock(const char *path, char *why);
/* A new file with that text; refuses where one exists. */
bool files_text(const char *path, const char *text, char *why);
/* A signal waits: what takes long gives up. */
bool files_interrupted(void);
/* Somebody else made this file: it is to go too when raft-init fails. */
void files_made(const char *path);
/* fsync of a folder, for the names in it. */
bool files_sync_folder(const char *path, char *why);
/* Removes what has been made, newest first. */
void files_undo(void);
/* Forgets what has been made: it stays. */
void files_keep(void);

#endif
