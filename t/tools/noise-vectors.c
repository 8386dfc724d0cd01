/* SPDX-License-Identifier: ISC */
/*
 * noise-vectors FILE: runs the test vectors of a file in cacophony's JSON form.
 *
 * Each vector of Noise_KK_25519_ChaChaPoly_SHA256 is run from both sides: what the one
 * writes must be the vector's bytes, what the other reads must be the payload.  The ephemeral
 * keys come from a random generator that returns those of the vector.
 * Prints "N passed, M failed, K skipped"; exits 1 when one failed or none passed.
 */
#include <err.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seal/noise.h"

enum { BYTES_MAX = 65536, MESSAGES_MAX = 64, TEXT_MAX = 2 * BYTES_MAX };

struct bytes {
	size_t size;
	uint8_t b[];
};

struct side {
	struct bytes *prologue, *s, *e, *rs;
};

struct vector {
	char name[128];
	struct side sides[2]; /* initiator, responder */
	struct bytes *hash;
	size_t count;
	struct bytes *payloads[MESSAGES_MAX], *messages[MESSAGES_MAX];
	bool unknown; /* has a key that is not known here: pre-shared keys, wanted failures */
};

/* ------- JSON: only what such a file has ---------------------------------- */

static const char *at;
static char text[TEXT_MAX];

static void
skip_space(void)
{
	at += strspn(at, " \t\r\n,:");
}

static bool
take(char c)
{
	skip_space();
	if (*at != c)
		return false;
	at++;
	return true;
}

static void
want(char c)
{
	if (!take(c))
		errx(65, "malformed: '%c' wanted at: %.40s", c, at);
}

/* The next string into `text`; escapes do not occur in these files. */
static const char *
string(void)
{
	want('"');
	size_t size = strcspn(at, "\"");
	if (size >= TEXT_MAX || at[size] == '\0')
		errx(65, "malformed: a string without end");
	memcpy(text, at, size);
	text[size] = '\0';
	at += size + 1;
	return text;
}

/* A value of any kind, passed over. */
static void
skip_value(void)
{
	skip_space();
	if (*at == '"') {
		string();
		return;
	}
	size_t depth = 0;
	do {
		depth += *at == '[' || *at == '{';
		depth -= *at == ']' || *at == '}';
		at++;
	} while (*at && (depth > 0 || (*at != ',' && *at != '}')));
}

static unsigned
nibble(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

static struct bytes *
hex(void)
{
	string();
	struct bytes *bytes = malloc(sizeof *bytes + strlen(text) / 2);
	if (bytes == NULL)
		err(71, NULL);
	bytes->size = strlen(text) / 2;
	for (size_t i = 0; i < bytes->size; i++)
		bytes->b[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
	return bytes;
}

/* ------- a vector ----------------------------------------------------------- */

static void
read_messages(struct vector *v)
{
	want('[');
	while (!take(']')) {
		want('{');
		if (v->count == MESSAGES_MAX)
			errx(65, "too many messages");
		while (!take('}')) {
			bool payload = strcmp(string(), "payload") == 0;
			*(payload ? &v->payloads[v->count] : &v->messages[v->count]) = hex();
		}
		v->count++;
	}
}

/* init_static, resp_ephemeral and so on.  False when there is no such key. */
static bool
read_side(struct vector *v, const char *key)
{
	bool initiator = strncmp(key, "init_", 5) == 0;
	if (!initiator && strncmp(key, "resp_", 5) != 0)
		return false;
	struct side *side = &v->sides[initiator ? 0 : 1];
	key += 5;
	if (strcmp(key, "prologue") == 0)
		side->prologue = hex();
	else if (strcmp(key, "static") == 0)
		side->s = hex();
	else if (strcmp(key, "ephemeral") == 0)
		side->e = hex();
	else if (strcmp(key, "remote_static") == 0)
		side->rs = hex();
	else
		return false;
	return true;
}

static void
read_vector(struct vector *v)
{
	*v = (struct vector){0};
	while (!take('}')) {
		char key[128];
		snprintf(key, sizeof key, "%s", string());
		if (strcmp(key, "protocol_name") == 0 || strcmp(key, "name") == 0)
			snprintf(
			    v->name, sizeof v->name, "%.*s", (int)sizeof v->name - 1, string());
		else if (strcmp(key, "handshake_hash") == 0)
			v->hash = hex();
		else if (strcmp(key, "messages") == 0)
			read_messages(v);
		else if (!read_side(v, key)) {
			skip_value();
			v->unknown = true;
		}
	}
}

static void
free_vector(struct vector *v)
{
	for (int i = 0; i < 2; i++) {
		struct side *side = &v->sides[i];
		free(side->prologue);
		free(side->s);
		free(side->e);
		free(side->rs);
	}
	for (size_t i = 0; i < v->count; i++) {
		free(v->payloads[i]);
		free(v->messages[i]);
	}
	free(v->hash);
}

/* ------- running one ---------------------------------------------------------- */

/* What the random generator returns next. */
static const uint8_t *next_random;

static const char *
fixed_name(void)
{
	return "vectors";
}

static uint32_t
fixed_number(void)
{
	abort();
}

static void
fixed_bytes(void *out, size_t size)
{
	if (next_random == NULL || size != SEAL_KEY_SIZE)
		abort();
	memcpy(out, next_random, size);
	next_random = NULL;
}

static struct randombytes_implementation fixed = {
    .implementation_name = fixed_name, .random = fixed_number, .buf = fixed_bytes};

static void
start(struct noise *noise, const struct side *side, bool initiator)
{
	struct seal_pair s;
	memcpy(s.secret, side->s->b, sizeof s.secret);
	seal_pair_public(&s);
	noise_start(noise, initiator, &s, side->rs->b, side->prologue->b, side->prologue->size);
}

static bool
equal(const struct bytes *want_bytes, const uint8_t *have, size_t size)
{
	return want_bytes->size == size && memcmp(want_bytes->b, have, size) == 0;
}

static uint8_t wire[BYTES_MAX], plain[BYTES_MAX];

static bool
run_handshake_message(struct noise *from, struct noise *to, const struct bytes *e,
    const struct bytes *payload, const struct bytes *message)
{
	next_random = e->b;
	size_t size = payload->size + NOISE_OVERHEAD;
	return noise_write(from, payload->b, payload->size, wire) && equal(message, wire, size) &&
	       noise_read(to, wire, size, plain) && equal(payload, plain, payload->size);
}

static bool
run_transport_message(
    struct noise_cipher *cipher, const struct bytes *payload, const struct bytes *message)
{
	size_t size = payload->size + NOISE_TAG_SIZE;
	uint64_t n = cipher->n++;
	noise_encrypt(cipher, n, NULL, 0, payload->b, payload->size, wire);
	return equal(message, wire, size) && noise_decrypt(cipher, n, NULL, 0, wire, size, plain) &&
	       equal(payload, plain, payload->size);
}

static bool
run(const struct vector *v)
{
	struct noise noise[2];
	struct noise_cipher ciphers[2], same[2];
	start(&noise[0], &v->sides[0], true);
	start(&noise[1], &v->sides[1], false);
	for (size_t i = 0; i < 2; i++)
		if (!run_handshake_message(
			&noise[i], &noise[1 - i], v->sides[i].e, v->payloads[i], v->messages[i]))
			return false;
	if (!equal(v->hash, noise[0].h, sizeof noise[0].h) ||
	    !equal(v->hash, noise[1].h, sizeof noise[1].h))
		return false;
	noise_split(&noise[0], &ciphers[0], &ciphers[1]);
	noise_split(&noise[1], &same[0], &same[1]);
	if (memcmp(ciphers, same, sizeof same) != 0)
		return false;
	for (size_t i = 2; i < v->count; i++)
		if (!run_transport_message(&ciphers[i % 2], v->payloads[i], v->messages[i]))
			return false;
	return true;
}

static bool
complete(const struct side *side)
{
	return side->prologue && side->s && side->e && side->rs && side->s->size == SEAL_KEY_SIZE &&
	       side->e->size == SEAL_KEY_SIZE && side->rs->size == SEAL_KEY_SIZE;
}

static bool
known(const struct vector *v)
{
	return !v->unknown && strcmp(v->name, "Noise_KK_25519_ChaChaPoly_SHA256") == 0 &&
	       complete(&v->sides[0]) && complete(&v->sides[1]) && v->hash && v->count >= 2;
}

static char *
read_all(const char *path)
{
	size_t room = 64 << 20;
	char *all = malloc(room);
	FILE *f = fopen(path, "r");
	if (all == NULL || f == NULL)
		err(66, "%s", path);
	size_t size = fread(all, 1, room - 1, f);
	all[size] = '\0';
	fclose(f);
	return all;
}

int
main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0, skipped = 0;
	if (argc != 2)
		errx(64, "usage: noise-vectors FILE");
	seal_init();
	randombytes_set_implementation(&fixed);
	char *all = read_all(argv[1]);
	at = strstr(all, "\"vectors\"");
	if (at == NULL)
		errx(65, "%s: no vectors", argv[1]);
	at += strlen("\"vectors\"");
	want('[');
	while (!take(']')) {
		struct vector v;
		want('{');
		read_vector(&v);
		if (!known(&v)) {
			skipped++;
		} else if (run(&v)) {
			passed++;
		} else {
			failed++;
			printf("failed: %s\n", v.name);
		}
		free_vector(&v);
	}
	free(all);
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed > 0 || passed == 0;
}
