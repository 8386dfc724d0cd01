/* SPDX-License-Identifier: ISC */
/* put, get, del, cas, incr, list. */
#include "command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/framing.h"
#include "words.h"

struct command {
	struct store *store;
	struct words words;
	struct wire_buf *reply;
	bool one_line;
};

static void
command_say(struct command *command, const char *text)
{
	wire_buf_put(command->reply, text, strlen(text));
}

static void
command_ok(struct command *command, struct wire_bytes data)
{
	command_say(command, "ok ");
	wire_buf_put(command->reply, data.bytes, data.size);
}

static void
command_refused(struct command *command, const char *why)
{
	command_say(command, "refused ");
	command_say(command, why);
}

/* The value of the key; false: refused already. */
static bool
command_find(struct command *command, struct wire_bytes *value)
{
	struct store *store = command->store;
	if (store->calls->get(store, command->words.word[1], value))
		return true;
	command_refused(command, "no such key");
	return false;
}

/* ----------------------------------------------------------- one each */

static void
run_put(struct command *command)
{
	struct store *store = command->store;
	store->calls->put(store, command->words.word[1], command->words.word[2]);
	command_say(command, "ok");
}

static void
run_get(struct command *command)
{
	struct wire_bytes value;
	if (command_find(command, &value))
		command_ok(command, value);
}

static void
run_del(struct command *command)
{
	struct store *store = command->store;
	if (store->calls->del(store, command->words.word[1]))
		command_say(command, "ok");
	else
		command_refused(command, "no such key");
}

/* Compare and set. */
static void
run_cas(struct command *command)
{
	struct store *store = command->store;
	struct wire_bytes value, old = command->words.word[2];
	if (!command_find(command, &value))
		return;
	if (value.size != old.size || memcmp(value.bytes, old.bytes, old.size) != 0) {
		command_refused(command, "the value is ");
		wire_buf_put(command->reply, value.bytes, value.size);
		return;
	}
	store->calls->put(store, command->words.word[1], command->words.word[3]);
	command_say(command, "ok");
}

/* Only what incr itself writes, or a person would: no blanks, no plus, no leading zeros. */
static bool
parse_number(struct wire_bytes text, int64_t *number)
{
	char again[24];
	if (text.size >= sizeof again)
		return false;
	memcpy(again, text.bytes, text.size);
	again[text.size] = '\0';
	if (sscanf(again, "%" SCNd64, number) != 1)
		return false;
	snprintf(again, sizeof again, "%" PRId64, *number);
	return wire_text_is(text, again);
}

static void
run_incr(struct command *command)
{
	struct store *store = command->store;
	struct wire_bytes key = command->words.word[1], value;
	int64_t number = 0;
	char text[24];
	if (store->calls->get(store, key, &value) && !parse_number(value, &number)) {
		command_refused(command, "the value is no number");
		return;
	}
	if (number == INT64_MAX) {
		command_refused(command, "the value is the largest number");
		return;
	}
	int size = snprintf(text, sizeof text, "%" PRId64, number + 1);
	struct wire_bytes sum = {(const uint8_t *)text, (size_t)size};
	store->calls->put(store, key, sum);
	command_ok(command, sum);
}

struct listing {
	struct wire_buf keys;
	bool netstrings;
	const char *trouble; /* NULL: none */
};

/* As netstrings, key and value in turn; else the keys, with a blank between them. */
static bool
list_one(struct wire_bytes key, struct wire_bytes value, void *arg)
{
	struct listing *listing = arg;
	if (listing->netstrings) {
		words_put_netstring(&listing->keys, key);
		words_put_netstring(&listing->keys, value);
	} else if (memchr(key.bytes, ' ', key.size)) {
		listing->trouble = "a key holds a blank: ask with netstrings";
	} else {
		if (listing->keys.size > 0)
			wire_buf_put(&listing->keys, " ", 1);
		wire_buf_put(&listing->keys, key.bytes, key.size);
	}
	if (listing->keys.size > VALUE_MAX)
		listing->trouble = "a list of more than 1047552 bytes: ask with a longer prefix";
	return listing->trouble == NULL;
}

static void
run_list(struct command *command)
{
	struct store *store = command->store;
	struct listing listing = {.netstrings = command->words.netstrings};
	struct wire_bytes prefix = {(const uint8_t *)"", 0};
	if (command->words.count > 1)
		prefix = command->words.word[1];
	store->calls->scan(store, prefix, list_one, &listing);
	if (listing.trouble)
		command_refused(command, listing.trouble);
	else
		command_ok(command, (struct wire_bytes){listing.keys.bytes, listing.keys.size});
	wire_buf_free(&listing.keys);
}

/* --------------------------------------------------------- the table */

static const struct command_kind {
	const char *name;
	size_t words_min, words_max;
	bool reads; /* changes nothing */
	bool rest;  /* its last word may hold blanks */
	void (*run)(struct command *command);
	const char *takes;
} kinds[] = {
    {"put", 3, 3, false, true, run_put, "put takes a key and a value"},
    {"get", 2, 2, true, false, run_get, "get takes a key"},
    {"del", 2, 2, false, false, run_del, "del takes a key"},
    {"cas", 4, 4, false, true, run_cas, "cas takes a key, the old and the new value"},
    {"incr", 2, 2, false, false, run_incr, "incr takes a key"},
    {"list", 1, 2, true, false, run_list, "list takes a prefix, or nothing"},
};

static const struct command_kind *
find_kind(struct wire_bytes name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (wire_text_is(name, kinds[i].name))
			return &kinds[i];
	return NULL;
}

/* Why the words are no command; NULL: they are. */
static const char *
command_mistake(const struct words *words, const struct command_kind *kind, bool query)
{
	if (kind == NULL)
		return "unknown command: put, get, del, cas, incr or list is expected";
	if (query && !kind->reads)
		return "a query changes nothing: append it";
	if (words->count < kind->words_min || words->count > kind->words_max)
		return kind->takes;
	if (kind->run != run_list && (words->word[1].size == 0 || words->word[1].size > KEY_MAX))
		return "a key has 1 to 1024 bytes";
	if (!kind->reads && words->word[words->count - 1].size > VALUE_MAX)
		return "a value has up to 1047552 bytes";
	return NULL;
}

static void
command_dispatch(struct command *command, struct wire_bytes data, bool query)
{
	struct words *words = &command->words;
	const char *why = "not the netstrings of a command";
	if (words_split(words, data) && words->count > 0) {
		const struct command_kind *kind = find_kind(words->word[0]);
		if (kind && kind->rest)
			words_join(words, kind->words_max - 1, data);
		why = command_mistake(words, kind, query);
		if (why == NULL)
			kind->run(command);
	}
	if (why)
		command_refused(command, why);
}

void
command_run(
    struct store *store, struct wire_bytes data, bool query, bool one_line, struct wire_buf *reply)
{
	struct command command = {.store = store, .reply = reply, .one_line = one_line};
	size_t before = reply->size;
	command_dispatch(&command, data, query);
	const char *unfit =
	    framing_line_unfit((struct wire_bytes){reply->bytes + before, reply->size - before});
	if (one_line && unfit) {
		reply->size = before;
		command_refused(&command, "the reply holds ");
		command_say(&command, unfit);
		command_say(&command, ": it needs netstrings");
	}
}
