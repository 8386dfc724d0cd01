/* SPDX-License-Identifier: ISC */
/* Handshake patterns as data: the fundamental, one-way and deferred ones (7.4, 7.5, 18.1), and psk
 * modifiers (9). */
#include <string.h>

#include "noise.h"

/* Name; whether the initiator's and the responder's static key are known before; the messages. */
static const struct {
	const char *name;
	const char *known; /* "i", "r", "ir" or "" */
	const char *messages;
} patterns[] = {
    {"N", "r", "e es"},
    {"K", "ir", "e es ss"},
    {"X", "r", "e es s ss"},
    {"NN", "", "e / e ee"},
    {"NK", "r", "e es / e ee"},
    {"NX", "", "e / e ee s es"},
    {"XN", "", "e / e ee / s se"},
    {"XK", "r", "e es / e ee / s se"},
    {"XX", "", "e / e ee s es / s se"},
    {"KN", "i", "e / e ee se"},
    {"KK", "ir", "e es ss / e ee se"},
    {"KX", "i", "e / e ee se s es"},
    {"IN", "", "e s / e ee se"},
    {"IK", "r", "e es s ss / e ee se"},
    {"IX", "", "e s / e ee se s es"},
    {"NK1", "r", "e / e ee es"},
    {"NX1", "", "e / e ee s / es"},
    {"X1N", "", "e / e ee / s / se"},
    {"X1K", "r", "e es / e ee / s / se"},
    {"XK1", "r", "e / e ee es / s se"},
    {"X1K1", "r", "e / e ee es / s / se"},
    {"X1X", "", "e / e ee s es / s / se"},
    {"XX1", "", "e / e ee s / es s se"},
    {"X1X1", "", "e / e ee s / es s / se"},
    {"K1N", "i", "e / e ee / se"},
    {"K1K", "ir", "e es / e ee / se"},
    {"KK1", "ir", "e / e ee se es"},
    {"K1K1", "ir", "e / e ee es / se"},
    {"K1X", "i", "e / e ee s es / se"},
    {"KX1", "i", "e / e ee se s / es"},
    {"K1X1", "i", "e / e ee s / se es"},
    {"I1N", "", "e s / e ee / se"},
    {"I1K", "r", "e es s / e ee / se"},
    {"IK1", "r", "e s / e ee se es"},
    {"I1K1", "r", "e s / e ee es / se"},
    {"I1X", "", "e s / e ee s es / se"},
    {"IX1", "", "e s / e ee se s / es"},
    {"I1X1", "", "e s / e ee s / se es"},
};

static const char *const token_names[] = {[NOISE_END] = "",
#define T(NAME, text) [NOISE_##NAME] = text,
    NOISE_TOKENS(T)
#undef T
};
#define TOKENS_COUNT (sizeof token_names / sizeof token_names[0])

static enum noise_token
token_find(const char *text, size_t size)
{
	for (size_t t = NOISE_E; t < TOKENS_COUNT; t++)
		if (strlen(token_names[t]) == size && memcmp(token_names[t], text, size) == 0)
			return (enum noise_token)t;
	return NOISE_END;
}

static size_t
tokens_count(const enum noise_token *message)
{
	size_t count = 0;
	while (message[count] != NOISE_END)
		count++;
	return count;
}

/* The table's own text, so what is wrong with it is a bug. */
static void
parse_messages(struct noise_pattern *pattern, const char *text)
{
	pattern->count = 1;
	while (*text) {
		size_t size = strcspn(text, " ");
		if (*text == '/') {
			must(pattern->count < NOISE_MESSAGES_MAX);
			pattern->count++;
		} else {
			enum noise_token *message = pattern->messages[pattern->count - 1];
			size_t count = tokens_count(message);
			must(count < NOISE_TOKENS_MAX);
			message[count] = token_find(text, size);
			must(message[count] != NOISE_END);
		}
		text += size + strspn(text + size, " ");
	}
}

/* psk0 goes before the first message's tokens, psk1 after those of the first message, psk2 of the
 * second … */
static bool
add_psk(struct noise_pattern *pattern, size_t place)
{
	if (place > pattern->count)
		return false;
	enum noise_token *message = pattern->messages[place ? place - 1 : 0];
	size_t count = tokens_count(message);
	if (count == NOISE_TOKENS_MAX)
		return false;
	if (place == 0) {
		memmove(message + 1, message, (count + 1) * sizeof *message);
		message[0] = NOISE_PSK;
	} else {
		message[count] = NOISE_PSK;
	}
	pattern->psk = true;
	return true;
}

/* "psk0+psk3" */
static bool
parse_modifiers(struct noise_pattern *pattern, const char *text, size_t size)
{
	while (size > 0) {
		if (size < 4 || memcmp(text, "psk", 3) != 0 || text[3] < '0' || text[3] > '9')
			return false;
		if (!add_psk(pattern, (size_t)(text[3] - '0')))
			return false;
		text += 4;
		size -= 4;
		if (size == 0)
			return true;
		if (*text != '+' || size == 1)
			return false;
		text++;
		size--;
	}
	return true;
}

static size_t
base_size(const char *name, size_t size)
{
	size_t at = 0;
	while (at < size && ((name[at] >= 'A' && name[at] <= 'Z') || name[at] == '1'))
		at++;
	return at;
}

bool
noise_pattern_find(struct noise_pattern *pattern, const char *name, size_t size)
{
	size_t base = base_size(name, size);
	*pattern = (struct noise_pattern){0};
	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		if (strlen(patterns[i].name) != base || memcmp(patterns[i].name, name, base) != 0)
			continue;
		pattern->initiator_known = strchr(patterns[i].known, 'i') != NULL;
		pattern->responder_known = strchr(patterns[i].known, 'r') != NULL;
		parse_messages(pattern, patterns[i].messages);
		return parse_modifiers(pattern, name + base, size - base);
	}
	return false;
}
