/* SPDX-License-Identifier: ISC */
/* Quoting for YAML, and paths. */
#include "text.h"

#include <ctype.h>
#include <err.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unix/exit.h"

void *
text_memory(void *p)
{
	if (p == NULL)
		err(EXIT_OS, "no memory for the configuration");
	return p;
}

char *
text_dup(const char *text)
{
	return text_memory(strdup(text));
}

/* ------------------------------------------------------------ quoting */

static bool
is_plain(const char *text)
{
	size_t size = strlen(text);
	if (!isalnum((unsigned char)text[0]) && text[0] != '/' && text[0] != '.')
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)text[i]) && strchr("/._+=-:", text[i]) == NULL)
			return false;
	/* A colon before a space or the end would make it a key; "..." ends a document. */
	return text[size - 1] != ':' && strcmp(text, "...") != 0;
}

/* Characters that YAML takes for a line break or does not take at all, by their UTF-8. */
static size_t
odd_character(const char *text, unsigned *code)
{
	const unsigned char *t = (const unsigned char *)text;
	if (t[0] < ' ' || t[0] == 0x7f) {
		*code = t[0];
		return 1;
	}
	if (t[0] == 0xc2 && t[1] >= 0x80 && t[1] <= 0xa0) {
		*code = t[1];
		return 2;
	}
	if (t[0] == 0xe2 && t[1] == 0x80 && (t[2] == 0xa8 || t[2] == 0xa9)) {
		*code = 0x2000U + (t[2] & 0x3fU);
		return 3;
	}
	if (t[0] == 0xef && t[1] == 0xbb && t[2] == 0xbf) {
		*code = 0xfeff;
		return 3;
	}
	return 0;
}

void
text_print(FILE *out, const char *text)
{
	if (is_plain(text)) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	while (*text != '\0') {
		unsigned code;
		size_t size = odd_character(text, &code);
		if (size > 0) {
			fprintf(out, "\\u%04x", code);
			text += size;
			continue;
		}
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
		text++;
	}
	fputc('"', out);
}

/* ------------------------------------------------------------ paths */

/* In place; the path is absolute.  ".." stays: a symbolic link may stand before it. */
static void
path_tidy(char *path)
{
	char *to = path;
	const char *from = path;
	while (*from != '\0') {
		if (from[0] == '/' &&
		    (from[1] == '/' || (from[1] == '.' && (from[2] == '/' || from[2] == '\0')))) {
			from += from[1] == '/' ? 1 : 2;
			continue;
		}
		*to++ = *from++;
	}
	if (to > path + 1 && to[-1] == '/')
		to--;
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

char *
path_resolve(const char *folder, const char *path)
{
	char *full = NULL;
	if (path[0] == '/')
		full = text_dup(path);
	else if (asprintf(&full, "%s/%s", folder, path) < 0)
		text_memory(NULL);
	path_tidy(full);
	return full;
}

char *
path_absolute(const char *path)
{
	if (path[0] == '/')
		return path_resolve("", path);
	char *here = getcwd(NULL, 0);
	if (here == NULL)
		return NULL;
	char *full = path_resolve(here, path);
	free(here);
	return full;
}

char *
path_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (slash == path)
		return text_dup("/");
	return text_memory(strndup(path, (size_t)(slash - path)));
}

static int
text_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool
text_hex_parse(uint8_t *out, size_t size, const char *text)
{
	if (strlen(text) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		int high = text_hex_digit(text[2 * i]);
		int low = text_hex_digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
