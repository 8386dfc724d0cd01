/* SPDX-License-Identifier: ISC */
/*
 * raft-kv: a key-value database as a program of mode machine (raft-fsm-protocol(7)), and the
 * example of a durable one in C.
 *
 * A round takes all requests that wait on stdin, answers them, and keeps what they changed, with
 * the index of the last, as one transaction; only then the answers leave.  So nobody has heard of
 * anything that a crash could undo, and one sync serves all that came together.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/framing.h"
#include "conf/fields.h"
#include "unix/exit.h"
#include "command.h"
#include "snapshot.h"
#include "words.h"

enum {
	READ_SIZE = 64 << 10,
	ROUND_SIZE = 1 << 20,   /* of requests */
	REPLIES_SIZE = 4 << 20, /* then they leave */
	REQUEST_MAX = 9 << 20   /* above the largest entry there can be */
};

static const char usage[] = "raft-kv [-D FILE] [-F line|netstring]";
static const struct option options[] = {
    {"database", required_argument, NULL, 'D'},
    {"framing", required_argument, NULL, 'F'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

struct kv {
	const char *database; /* NULL: in memory */
	uint8_t fields;       /* that come with each entry */
	enum framing framing;
	struct store *store;
	struct framing_reader requests;
	struct wire_buf reply;   /* the one being made */
	struct wire_buf replies; /* in the framing */
	bool fresh;              /* nothing has been asked yet */
	bool changing;           /* a transaction is open */
};

/* ------------------------------------------------------------- options */

_Noreturn static void
kv_tell(const char *before, const char *what)
{
	printf("%s%s\n", before, what);
	exit(fflush(stdout) == 0 ? EXIT_OK : EXIT_IO);
}

static void
kv_take_framing(struct kv *kv, const char *name)
{
	if (!framing_parse(&kv->framing, name) ||
	    (kv->framing != FRAMING_LINE && kv->framing != FRAMING_NETSTRING))
		errx(EXIT_USAGE, "-F %s: line or netstring is expected", name);
}

static void
kv_take_options(struct kv *kv, int argc, char **argv)
{
	opterr = 0;
	for (int opt; (opt = getopt_long(argc, argv, ":D:F:hV", options, NULL)) != -1;) {
		switch (opt) {
		case 'D':
			kv->database = optarg;
			break;
		case 'F':
			kv_take_framing(kv, optarg);
			break;
		case 'h':
			kv_tell("usage: ", usage);
		case 'V':
			kv_tell("raft-kv ", RAFT_VERSION);
		case ':':
			errx(EXIT_USAGE, "%s: needs a value: usage: %s", argv[optind - 1], usage);
		default:
			errx(EXIT_USAGE, "%s: is no option: usage: %s", argv[optind - 1], usage);
		}
	}
	if (optind < argc)
		errx(EXIT_USAGE, "%s: no operand is expected: usage: %s", argv[optind], usage);
}

/* raft-fsm names the fields of the contract. */
static void
kv_take_fields(struct kv *kv)
{
	const char *text = getenv("RAFT_FIELDS");
	if (text && !fields_parse(&kv->fields, text))
		errx(EXIT_USAGE,
		    "RAFT_FIELDS=%s: it is no list of fields: " FIELDS_NAMES " are expected", text);
}

/* ------------------------------------------------------------- answers */

/* Puts kv->reply into the framing, and empties it. */
static void
kv_answer(struct kv *kv)
{
	struct wire_bytes reply = {kv->reply.bytes, kv->reply.size};
	if (kv->framing == FRAMING_NETSTRING) {
		words_put_netstring(&kv->replies, reply);
	} else {
		wire_buf_put(&kv->replies, reply.bytes, reply.size);
		wire_buf_put(&kv->replies, "\n", 1);
	}
	kv->reply.size = 0;
}

static void
answer_durable(struct kv *kv)
{
	if (!kv->store->durable)
		return;
	wire_buf_printf(&kv->reply, "durable %" PRIu64, kv->store->applied);
	kv_answer(kv);
}

static void
write_replies(struct kv *kv)
{
	const uint8_t *at = kv->replies.bytes, *end = at + kv->replies.size;
	while (at < end) {
		ssize_t wrote = write(STDOUT_FILENO, at, (size_t)(end - at));
		if (wrote >= 0)
			at += wrote;
		else if (errno != EINTR)
			err(EXIT_IO, "standard output");
	}
	kv->replies.size = 0;
}

/* Keeps what the requests so far have changed, then answers them. */
static void
end_round(struct kv *kv)
{
	if (kv->changing) {
		kv->store->calls->commit(kv->store);
		kv->changing = false;
		answer_durable(kv);
	}
	write_replies(kv);
}

/* ------------------------------------------------------------ requests */

_Noreturn static void
kv_complain(const char *why)
{
	errx(EXIT_DATA,
	    "%s: is raft-fsm, with fsm.mode machine and this framing, at the other end?", why);
}

/* Takes the word off the front of the request, with the blank behind it. */
static bool
kv_begins(struct wire_bytes *request, const char *word)
{
	size_t size = strlen(word);
	if (request->size < size || memcmp(request->bytes, word, size) != 0)
		return false;
	*request = (struct wire_bytes){request->bytes + size, request->size - size};
	return true;
}

static uint64_t
take_index(struct wire_bytes *request)
{
	uint64_t index = 0;
	size_t at = 0;
	while (
	    at < request->size && at < 19 && request->bytes[at] >= '0' && request->bytes[at] <= '9')
		index = index * 10 + (uint64_t)(request->bytes[at++] - '0');
	/* An entry without data may come without the blank. */
	if (at == 0 || (at < request->size && request->bytes[at] != ' '))
		kv_complain("an entry without an index");
	size_t next = at < request->size ? at + 1 : at;
	*request = (struct wire_bytes){request->bytes + next, request->size - next};
	return index;
}

/* Takes the fields off the front; chain: of an entry that has one, else "". */
static void
take_fields(const struct kv *kv, struct wire_bytes *request, char chain[STORE_CHAIN_SIZE])
{
	chain[0] = '\0';
	for (uint8_t field = 1; field <= RAFT_CONTRACT_CHAIN; field = (uint8_t)(field << 1)) {
		if ((kv->fields & field) == 0)
			continue;
		const uint8_t *blank = memchr(request->bytes, ' ', request->size);
		if (blank == NULL || blank == request->bytes)
			kv_complain("an entry without the fields that RAFT_FIELDS names");
		size_t size = (size_t)(blank - request->bytes);
		if (field == RAFT_CONTRACT_CHAIN && size == STORE_CHAIN_SIZE - 1) {
			memcpy(chain, request->bytes, size);
			chain[size] = '\0';
		}
		if (field == RAFT_CONTRACT_CHAIN && !store_chain_valid(chain) &&
		    !(size == 1 && *request->bytes == '-'))
			kv_complain("an entry whose chain is none");
		*request = (struct wire_bytes){blank + 1, request->size - size - 1};
	}
}

static void
kv_take_entry(struct kv *kv, struct wire_bytes request)
{
	struct store *store = kv->store;
	char chain[STORE_CHAIN_SIZE];
	uint64_t index = take_index(&request);
	take_fields(kv, &request, chain);
	if (index <= store->applied)
		errx(EXIT_DATA,
		    "entry %" PRIu64 " came after entry %" PRIu64 ": each comes once, in order",
		    index, store->applied);
	if (!kv->changing)
		store->calls->begin(store);
	kv->changing = true;
	command_run(store, request, false, kv->framing == FRAMING_LINE, &kv->reply);
	store->applied = index;
	strcpy(store->chain, chain);
	kv_answer(kv);
}

static void
kv_take_query(struct kv *kv, struct wire_bytes request)
{
	command_run(kv->store, request, true, kv->framing == FRAMING_LINE, &kv->reply);
	kv_answer(kv);
}

/* The path of a file, as a new string. */
static char *
kv_path_of(struct wire_bytes request)
{
	char *path = strndup((const char *)request.bytes, request.size);
	must(path != NULL);
	return path;
}

static void
kv_take_snapshot(struct kv *kv, struct wire_bytes request)
{
	char *path = kv_path_of(request), why[SNAPSHOT_WHY_SIZE];
	end_round(kv);
	if (snapshot_write(kv->store, path, why))
		wire_buf_printf(&kv->reply, "ok");
	else
		wire_buf_printf(&kv->reply, "refused %s", why);
	kv_answer(kv);
	free(path);
}

static void
take_restore(struct kv *kv, struct wire_bytes request, bool fresh)
{
	char *path = kv_path_of(request), why[SNAPSHOT_WHY_SIZE];
	bool ok = fresh && snapshot_read(kv->store, path, why);
	if (!fresh)
		wire_buf_printf(&kv->reply, "refused a snapshot is restored before anything else");
	else if (!ok)
		wire_buf_printf(&kv->reply, "refused %s", why);
	else
		wire_buf_printf(&kv->reply, "ok");
	kv_answer(kv);
	if (ok)
		answer_durable(kv);
	free(path);
}

static void
take_request(struct kv *kv, struct wire_bytes request)
{
	bool fresh = kv->fresh;
	kv->fresh = false;
	if (kv_begins(&request, "entry "))
		kv_take_entry(kv, request);
	else if (kv_begins(&request, "query "))
		kv_take_query(kv, request);
	else if (kv_begins(&request, "snapshot "))
		kv_take_snapshot(kv, request);
	else if (kv_begins(&request, "restore "))
		take_restore(kv, request, fresh);
	else
		kv_complain("an unknown request");
}

/* ------------------------------------------------------------ the loop */

/* One read.  False at the end of the input: a request that is cut there was never one. */
static bool
kv_read_some(struct kv *kv, size_t *round)
{
	uint8_t *room = framing_room(&kv->requests, READ_SIZE);
	ssize_t got;
	do
		got = read(STDIN_FILENO, room, READ_SIZE);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		err(EXIT_IO, "standard input");
	framing_added(&kv->requests, READ_SIZE, (size_t)got);
	*round += (size_t)got;
	return got > 0;
}

static bool
more_waits(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	return poll(&input, 1, 0) > 0;
}

static void
take_requests(struct kv *kv)
{
	struct wire_bytes request;
	char why[FRAMING_WHY_SIZE];
	for (;;) {
		switch (framing_next(&kv->requests, &request, why)) {
		case FRAMING_ITEM:
			take_request(kv, request);
			break;
		case FRAMING_MORE:
			return;
		default:
			kv_complain(why);
		}
		if (kv->replies.size > REPLIES_SIZE)
			end_round(kv);
	}
}

/* An entry that came before its chain was kept has none: raft-fsm decides what that means. */
static void
kv_greet(struct kv *kv)
{
	const struct store *store = kv->store;
	wire_buf_printf(&kv->reply, "ready %" PRIu64, store->applied);
	if (store->applied > 0 && store->chained)
		wire_buf_printf(&kv->reply, " %s", store->chain[0] ? store->chain : "-");
	kv_answer(kv);
	write_replies(kv);
}

int
main(int argc, char **argv)
{
	static struct kv kv = {.framing = FRAMING_LINE, .fresh = true};
	kv_take_options(&kv, argc, argv);
	kv_take_fields(&kv);
	bool chained = kv.fields & RAFT_CONTRACT_CHAIN;
	kv.store = kv.database ? durable_new(kv.database, chained) : memory_new(chained);
	framing_init(&kv.requests, kv.framing, REQUEST_MAX);
	kv_greet(&kv);
	for (bool more = true; more;) {
		size_t round = 0;
		do
			more = kv_read_some(&kv, &round);
		while (more && round < ROUND_SIZE && more_waits());
		take_requests(&kv);
		end_round(&kv);
	}
	kv.store->calls->free(kv.store);
	framing_free(&kv.requests);
	wire_buf_free(&kv.reply);
	wire_buf_free(&kv.replies);
	return EXIT_OK;
}
