/* SPDX-License-Identifier: ISC */
/* Histories: made up, read, and asked. */
#include "history.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/framing.h"
#include "unix/exit.h"
#include "wire/buf.h"

enum { BYTES_A_PIECE = 16, READ_SIZE = 64 << 10, HEAD_SIZE = 64, GAP_EVERY = 5 };

bool
history_add(struct history *history, struct wire_bytes data)
{
	size_t at = history->count;
	if (at == HISTORY_MAX)
		return false;
	history->entries[at] = (struct trial_entry){2 + at + at / GAP_EVERY, data};
	history->count++;
	return true;
}

void
history_ask(struct history *history, struct wire_bytes query)
{
	for (size_t i = 0; i < history->queries_count; i++)
		if (history->queries[i].size == query.size &&
		    memcmp(history->queries[i].bytes, query.bytes, query.size) == 0)
			return;
	if (history->queries_count < TRIAL_QUERIES_MAX)
		history->queries[history->queries_count++] = query;
}

void
history_ask_entries(struct history *history)
{
	for (size_t i = 0; i < history->count && i < HISTORY_ASKED_MAX; i++)
		history_ask(history, history->entries[i].data);
}

void
history_complete(struct history *history)
{
	history->rounds = calloc(history->count + 1, sizeof *history->rounds);
	must(history->rounds != NULL);
}

size_t
history_position(const struct history *history, uint64_t index)
{
	size_t at = 0;
	while (at < history->count && history->entries[at].index <= index)
		at++;
	return at;
}

uint64_t
history_index(const struct history *history, size_t count)
{
	return count ? history->entries[count - 1].index : 0;
}

/* ------- made up ------------------------------------------------------------- */

void
history_make(struct history *history)
{
	static const char *const entries[] = {"put a 1", "put b two words", "incr n", "get a",
	    "incr n", "del b", "get b", "cas a 1 2", "cas a 9 3", "list", "", "hello world",
	    "{\"key\": [1, null]}", "put c x", "incr m", "incr a", "42", "del a", "put a 5",
	    "put d  e ", "incr n", "no such command", "get n", "list"};
	static const char *const queries[] = {
	    "list", "get a", "get b", "get c", "get d", "get m", "get n", "hello", "count", ""};
	for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
		history_add(history, wire_text(entries[i]));
	for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
		history_ask(history, wire_text(queries[i]));
}

/* A word before the bytes, which the caller keeps. */
static struct wire_bytes
history_join(const char *word, const uint8_t *bytes, size_t size)
{
	size_t head = strlen(word);
	uint8_t *data = malloc(head + size + 1);
	must(data != NULL);
	memcpy(data, word, head);
	memcpy(data + head, bytes, size);
	return (struct wire_bytes){data, head + size};
}

/* Those that the framing can hold, from first on; returns how many. */
static size_t
history_bytes_from(uint8_t *bytes, unsigned first, unsigned end, bool netstring)
{
	size_t size = 0;
	for (unsigned byte = first; byte < end; byte++)
		if (netstring || (byte != 0 && byte != '\n'))
			bytes[size++] = (uint8_t)byte;
	return size;
}

void
history_make_bytes(struct history *history, bool netstring)
{
	static const char *const ends[] = {"", " ", "\r", "put end \r", " put begin x", "\t\t",
	    "put \xff \xc0\x80", "\xed\xa0\x80", "\x1a", "\xe2\x80\xa8"};
	uint8_t bytes[256];
	char head[HEAD_SIZE];
	for (unsigned first = 0; first < 256; first += BYTES_A_PIECE) {
		size_t size = history_bytes_from(bytes, first, first + BYTES_A_PIECE, netstring);
		snprintf(head, sizeof head, "put from%u ", first);
		history_add(history, history_join(head, bytes, size));
		history_add(history, history_join("", bytes, size));
		snprintf(head, sizeof head, "get from%u", first);
		history_ask(history, history_join(head, bytes, 0));
	}
	size_t size = history_bytes_from(bytes, 0, 256, netstring);
	history_add(history, history_join("", bytes, size));
	history_add(history, history_join("put all ", bytes, size));
	history_ask(history, wire_text("get all"));
	history_ask(history, history_join("", bytes, size));
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		history_add(history, wire_text(ends[i]));
		history_ask(history, wire_text(ends[i]));
	}
	history_add(history, wire_text("incr after"));
	history_ask(history, wire_text("get after"));
}

void
history_make_large(struct history *history, size_t entry_max, size_t reply_max)
{
	size_t most = entry_max < reply_max ? entry_max : reply_max;
	uint8_t *bytes = malloc(entry_max);
	must(bytes != NULL);
	memset(bytes, 'x', entry_max);
	history_add(history, history_join("put large ", bytes, most - most / 64 - 1));
	history_add(history, wire_text("get large"));
	history_add(history, (struct wire_bytes){bytes, entry_max});
	history_add(history, wire_text("incr after"));
	history_ask(history, wire_text("get large"));
	history_ask(history, wire_text("get after"));
	history_ask(history, wire_text("list"));
}

void
history_make_other(struct history *other, const struct history *of, uint64_t below)
{
	for (size_t at = of->count; at > 0 && other->count < of->count / 2 + 1; at--) {
		uint64_t index = other->count + 1;
		if (index >= below)
			break;
		history_add(other, of->entries[at - 1].data);
		other->entries[other->count - 1].index = index;
	}
}

/* ------- read ---------------------------------------------------------------- */

static void
history_take_line(struct history *history, struct wire_bytes line, bool netstring)
{
	const char *unfit = netstring ? NULL : framing_line_unfit(line);
	if (unfit)
		errx(EXIT_DATA, "line %zu holds %s, which framing line cannot give to a program",
		    history->count + 1, unfit);
	if (!history_add(history, history_join("", line.bytes, line.size)))
		errx(EXIT_DATA, "standard input has more than %d lines: give fewer with --conform",
		    HISTORY_MAX);
}

bool
history_read(struct history *history, size_t entry_max, bool netstring)
{
	struct framing_reader reader;
	struct wire_bytes line;
	char why[FRAMING_WHY_SIZE];
	enum framing_found found = FRAMING_MORE;
	if (isatty(STDIN_FILENO))
		return false;
	framing_init(&reader, FRAMING_LINE, entry_max);
	while (found == FRAMING_MORE) {
		ssize_t got = read(STDIN_FILENO, framing_room(&reader, READ_SIZE), READ_SIZE);
		if (got < 0)
			err(EXIT_IO, "standard input");
		framing_added(&reader, READ_SIZE, (size_t)got);
		if (got == 0)
			framing_end(&reader);
		while ((found = framing_next(&reader, &line, why)) == FRAMING_ITEM)
			history_take_line(history, line, netstring);
	}
	if (found != FRAMING_END)
		errx(EXIT_DATA, "%s", why);
	framing_free(&reader);
	return history->count > 0;
}
