/* SPDX-License-Identifier: ISC */
/* Text as a YAML scalar, and paths. */
#ifndef CONF_TEXT_H
#define CONF_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* As it is where that reads back as the same, also within [ ] and { }; else in double quotes. */
void text_print(FILE *out, const char *text);

/* New strings.  The path resolved against the folder, without "." components and double slashes. */
char *path_resolve(const char *folder, const char *path);
/* Of the working directory when relative.  NULL with errno when there is none. */
char *path_absolute(const char *path);
/* Of an absolute path: all up to the last slash. */
char *path_folder(const char *path);

/* Lower-case hexadecimal digits, exactly 2 * size of them. */
bool text_hex_parse(uint8_t *out, size_t size, const char *text);

/* Die when there is no memory. */
void *text_memory(void *p);
char *text_dup(const char *text);

#endif
