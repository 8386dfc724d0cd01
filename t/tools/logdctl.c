/* SPDX-License-Identifier: ISC */
/*
 * Speaks the elector's and the readers' side of raft-logd's socket, for the suites.
 *
 *   logdctl SOCKET < SCRIPT         a command a line, see the table at the end; NAME is a
 * connection logdctl SOCKET bench COUNT BATCH SIZE IN_FLIGHT
 *
 * Prints what comes, a line a message.  Exits 1 with a sentence when a message does not come in
 * time.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "raft/session.h"
#include "seal/seal.h"
#include "wire/message.h"

enum { NAMES = 26, PATIENCE_MS = 20000, LINE_SIZE = 1 << 16 };
#define LLU(number) ((unsigned long long)(number))

static struct link {
	int fd;
	struct wire_buf in;
	struct wire_buf out;
	uint64_t start;
	uint64_t stored;
	bool elector;
} links[NAMES];
static const char *path;
static char *line; /* the rest of the command being done */

static double
now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* -------------------------------------------------------------- words */

/* The value of key=value in the line, or otherwise. */
static const char *
option(const char *key, const char *otherwise)
{
	static char values[8][LINE_SIZE];
	static unsigned turn;
	size_t size = strlen(key);
	for (const char *at = line; at && *at; at = strchr(at, ' ')) {
		at += strspn(at, " ");
		if (strncmp(at, key, size) != 0 || at[size] != '=')
			continue;
		char *value = values[turn++ % 8];
		snprintf(
		    value, LINE_SIZE, "%.*s", (int)strcspn(at + size + 1, " \n"), at + size + 1);
		return value;
	}
	return otherwise;
}

static uint64_t
number(const char *key, uint64_t otherwise)
{
	const char *text = option(key, NULL);
	return text ? strtoull(text, NULL, 10) : otherwise;
}

static bool
flag(const char *word)
{
	return strstr(line, word) != NULL;
}

static const char *
word(void)
{
	char *found = strsep(&line, " \n");
	return found ? found : "";
}

static size_t
hex(uint8_t *out, size_t room, const char *text)
{
	size_t size = 0;
	for (unsigned byte; size < room && sscanf(text, "%2x", &byte) == 1 && strlen(text) >= 2;
	     text += 2)
		out[size++] = (uint8_t)byte;
	return size;
}

/* -------------------------------------------------------------- links */

static struct link *
named(const char *name)
{
	if (name[0] < 'A' || name[0] >= 'A' + NAMES || name[1])
		errx(1, "%s: not a connection's name", name);
	return &links[name[0] - 'A'];
}

static void
open_link(struct link *l)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
	wire_buf_free(&l->in);
	wire_buf_free(&l->out);
	if (l->fd > 0)
		close(l->fd);
	*l = (struct link){.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
	if (connect(l->fd, (struct sockaddr *)&sun, sizeof sun) < 0)
		err(1, "%s", path);
}

/* False when the other end is gone. */
static bool
flush(struct link *l)
{
	size_t at = 0;
	while (at < l->out.size) {
		ssize_t sent = send(l->fd, l->out.bytes + at, l->out.size - at, MSG_NOSIGNAL);
		if (sent < 0 && errno != EINTR)
			break;
		at += sent > 0 ? (size_t)sent : 0;
	}
	bool all = at == l->out.size;
	l->out.size = 0;
	return all;
}

/* One more read; false at the end. */
static bool
fill(struct link *l, int patience_ms)
{
	struct pollfd ready = {.fd = l->fd, .events = POLLIN};
	if (poll(&ready, 1, patience_ms) != 1)
		errx(1, "nothing came within %d ms", patience_ms);
	uint8_t *at = wire_buf_add(&l->in, 1 << 16);
	ssize_t got = recv(l->fd, at, 1 << 16, 0);
	l->in.size -= (size_t)((1 << 16) - (got > 0 ? got : 0));
	return got > 0;
}

/* ------------------------------------------------------- what has come */

static void
print_data(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size && i < 40; i++)
		putchar(bytes[i] > ' ' && bytes[i] < 127 ? bytes[i] : '.');
	printf(" size=%zu\n", size);
}

static void
print_entries(uint64_t index, struct wire_bytes run)
{
	for (size_t at = 0; at < run.size; index++) {
		struct raft_entry e;
		if (!raft_entry_decode(&e, NULL, run.bytes + at, run.size - at))
			errx(1, "a malformed entry");
		printf("entry index=%llu term=%llu kind=%s data=", LLU(index), LLU(e.term),
		    raft_kind_name(e.kind));
		print_data(raft_entry_data(&e), raft_entry_data_size(&e));
		at += e.size;
	}
}

static void
print_sessions(struct wire_bytes run)
{
	struct raft_session s;
	while (run.size > 0 && wire_session_get(&s, &run))
		printf("session name=%s epoch=%llu serial=%llu last_index=%llu\n",
		    s.name[0] ? s.name : "-", LLU(s.epoch), LLU(s.serial), LLU(s.last_index));
}

static void
print_contracts(struct wire_bytes run)
{
	struct raft_contract_at at;
	while (run.size > 0 && wire_contract_get(&at, &run))
		printf("contract index=%llu format=%s\n", LLU(at.index), at.contract.format);
}

static void
print_part(const struct msg_log_part *m)
{
	const uint8_t *at = m->records.bytes, *end = at + m->records.size;
	if (m->what == WIRE_LEVEL)
		printf(
		    "level=%llu time=%llu\n", LLU(bytes_get_u64(at)), LLU(bytes_get_u64(at + 8)));
	if (m->what == WIRE_CONTRACT)
		print_contracts(m->records);
	if (m->what == WIRE_LEVEL || m->what == WIRE_CONTRACT)
		return;
	if (m->what == WIRE_ENTRIES)
		print_entries(m->first_index, m->records);
	else if (m->what == WIRE_SESSIONS)
		print_sessions(m->records);
	else if (m->what == WIRE_TERMS)
		for (; at < end; at += 16)
			printf("run index=%llu term=%llu\n", LLU(bytes_get_u64(at)),
			    LLU(bytes_get_u64(at + 8)));
	else
		for (; at < end; at += 12 + bytes_get_u32(at + 8))
			printf("config index=%llu size=%u\n", LLU(bytes_get_u64(at)),
			    bytes_get_u32(at + 8));
}

static void
print_state(const struct msg_log_state *m)
{
	printf("state term=%llu vote=%s last=%llu last_term=%llu commit=%llu recovering=%d "
	       "mark_valid=%d full=%d "
	       "mark_term=%llu\n",
	    LLU(m->term), m->vote.s[0] ? m->vote.s : "-", LLU(m->last.index), LLU(m->last.term),
	    LLU(m->commit.index), !!(m->flags & WIRE_RECOVERING), !!(m->flags & WIRE_MARK_VALID),
	    !!(m->flags & WIRE_FULL), LLU(m->mark_term));
}

#define DECODE(type)                                                                               \
	struct msg_##type m;                                                                       \
	if (!msg_##type##_get(&m, body, size))                                                     \
	errx(1, "a malformed " #type)

static void
print_frame(struct link *l, uint16_t what, const uint8_t *body, size_t size)
{
	if (what == MSG_HELLO_REPLY) {
		DECODE(hello_reply);
		l->start = m.start;
		printf("hello version=%u node=%s seen=%llu\n", m.version, m.node.s, LLU(m.seen));
	} else if (what == MSG_REFUSAL) {
		DECODE(refusal);
		printf("refusal request=%llu status=%u why=%.*s\n", LLU(m.request), m.exit_status,
		    (int)m.sentence.size, (const char *)m.sentence.bytes);
	} else if (what == MSG_TEXT_REPLY) {
		DECODE(text_reply);
		printf("%.*s", (int)m.lines.size, (const char *)m.lines.bytes);
	} else if (what == MSG_LOG_STATE) {
		DECODE(log_state);
		print_state(&m);
	} else if (what == MSG_LOG_PART) {
		DECODE(log_part);
		print_part(&m);
	} else if (what == MSG_LOG_STORED) {
		DECODE(log_stored);
		l->stored = m.number;
		printf("stored number=%llu last=%llu last_term=%llu\n", LLU(m.number),
		    LLU(m.last.index), LLU(m.last.term));
	} else if (what == MSG_LOG_FULL) {
		DECODE(log_full);
		printf("full=%d\n", m.full);
	} else if (what == MSG_LOG_ENTRIES) {
		DECODE(log_entries);
		printf("entries request=%llu first=%llu available=%llu commit=%llu count=%u\n",
		    LLU(m.request), LLU(m.first_index), LLU(m.first_available), LLU(m.commit),
		    m.count);
		print_entries(m.first_index, m.entries);
	} else if (what == MSG_CURSOR) {
		DECODE(cursor);
		printf("cursor index=%llu\n", LLU(m.index));
	} else if (what == MSG_SESSION) {
		DECODE(session);
		char digest[65];
		seal_hex(digest, m.digest.b, sizeof m.digest.b);
		printf("session found=%d epoch=%llu serial=%llu last_index=%llu digest=%s\n",
		    m.found, LLU(m.epoch), LLU(m.serial), LLU(m.last_index), digest);
	} else if (what == MSG_CONTRACTS) {
		DECODE(contracts);
		print_contracts(m.records);
		printf("contracts level=%llu\n", LLU(m.level));
	} else if (what == MSG_CHAIN) {
		DECODE(chain);
		char hash[65];
		seal_hex(hash, m.hash.b, sizeof m.hash.b);
		printf("chain found=%d hash=%s\n", m.found, hash);
	} else {
		printf("%s\n", msg_name(what));
	}
}

/* The next frame, printed; its number; 0 at the end of the connection. */
static uint16_t
hear(struct link *l)
{
	struct wire_frame frame;
	while (frame_get(l->in.bytes, l->in.size, FRAME_SIZE_MAX, &frame) == 0)
		if (!fill(l, PATIENCE_MS))
			return 0;
	print_frame(l, frame.number, frame.body, frame.size);
	wire_buf_drop(&l->in, frame.whole.size);
	return frame.number;
}

static void
hear_until(struct link *l, uint16_t wanted)
{
	for (uint16_t what; (what = hear(l)) != wanted;)
		if (what == 0)
			errx(1, "the connection ended where %s was to come", msg_name(wanted));
}

/* ------------------------------------------------------------ commands */

static void
put_hello(struct link *l, const char *kind_text)
{
	uint8_t kind = WIRE_CLIENT;
#define K(value, NAME, text)                                                                       \
	if (strcmp(kind_text, text) == 0)                                                          \
		kind = value;
	WIRE_KINDS(K)
#undef K
	struct msg_hello m = {.low = (uint16_t)number("low", 1),
	    .high = (uint16_t)number("high", 1),
	    .kind = kind,
	    .program = wire_text("logdctl")};
	l->elector = kind == WIRE_ELECTOR;
	msg_hello_put(&l->out, &m);
	flush(l);
}

static void
do_open(struct link *l)
{
	open_link(l);
}

static void
do_ask(struct link *l)
{
	put_hello(l, word());
}

static void
do_heard(struct link *l)
{
	hear_until(l, l->elector ? MSG_LOG_END : MSG_HELLO_REPLY);
}

static void
do_hello(struct link *l)
{
	open_link(l);
	do_ask(l);
	do_heard(l);
}

/* time=MS step=MS: the first entry has that time, each further one so much more. */
static void
put_stamp(struct wire_buf *run, uint64_t index)
{
	struct raft_stamp stamp = {number("time", 0), 1000, {"n2"}};
	if (option("time", NULL) == NULL)
		return;
	stamp.time += (index - number("first", index)) * number("step", 0);
	wire_buf_add(run, RAFT_STAMP_SIZE);
	raft_entry_header_stamp(
	    run->bytes + run->size - RAFT_STAMP_SIZE - RAFT_ENTRY_HEADER_SIZE, &stamp);
}

static void
put_entry(struct wire_buf *run, uint64_t index, uint64_t term, size_t size)
{
	char text[64];
	struct raft_sid sid = {{0}};
	enum raft_kind kind = RAFT_CLIENT;
	for (int k = 0; k < RAFT_KINDS_COUNT; k++)
		if (strcmp(option("kind", "client"), raft_kind_name((enum raft_kind)k)) == 0)
			kind = (enum raft_kind)k;
	const char *data = option("data", NULL);
	if (option("name", NULL))
		seal_session_id(&sid, option("name", ""));
	else if (option("session", NULL))
		hex(sid.b, sizeof sid.b, option("session", ""));
	snprintf(text, sizeof text, "%s-%llu", option("text", "entry"), LLU(index));
	if (data == NULL)
		data = text;
	uint8_t bytes[LINE_SIZE];
	size_t data_size = data == text ? strlen(text) : hex(bytes, sizeof bytes, data);
	if (data == text)
		memcpy(bytes, text, data_size);
	if (size < data_size)
		size = data_size;
	raft_entry_header(wire_buf_add(run, RAFT_ENTRY_HEADER_SIZE), term, kind, &sid,
	    number("serial", 0) + (number("serial", 0) ? index - number("first", index) : 0),
	    (uint32_t)size);
	put_stamp(run, index);
	uint8_t *at = wire_buf_add(run, size);
	memset(at, 'x', size);
	memcpy(at, bytes, data_size);
}

static void
put_write(struct link *l, uint64_t write_number, uint64_t first, uint32_t count)
{
	struct wire_buf run = {0};
	struct msg_log_write m = {.start = number("start", l->start),
	    .number = write_number,
	    .term = number("term", 1),
	    .truncate_after = number("after", 0),
	    .first_index = first,
	    .count = count};
	raft_id_parse(&m.vote, option("vote", ""));
	m.flags = (uint8_t)((option("after", NULL) ? WIRE_TRUNCATE : 0) |
			    (flag("recovered") ? WIRE_RECOVERED : 0));
	for (uint32_t i = 0; i < count; i++)
		put_entry(&run, first + i, number("eterm", m.term), (size_t)number("size", 0));
	m.entries = (struct wire_bytes){run.bytes ? run.bytes : (const uint8_t *)"", run.size};
	msg_log_write_put(&l->out, &m);
	wire_buf_free(&run);
}

static void
do_write(struct link *l)
{
	put_write(l, number("number", 1), number("first", 0), (uint32_t)number("count", 0));
	if (!flag("hold"))
		flush(l);
}

/* Many writes one after the other, until they are sent or the other end is gone. */
static void
do_flood(struct link *l)
{
	uint64_t first = number("first", 1), writes = number("writes", 1000);
	uint32_t count = (uint32_t)number("count", 10);
	bool all = true;
	for (uint64_t i = 0; i < writes && all; i++) {
		put_write(l, number("number", 1) + i, first + i * count, count);
		if (l->out.size > 1 << 16)
			all = flush(l);
	}
	all = flush(l) && all;
	printf("flood %s\n", all ? "sent" : "cut");
}

static void
do_stored(struct link *l)
{
	uint64_t wanted = strtoull(word(), NULL, 10);
	while (l->stored < wanted)
		hear_until(l, MSG_LOG_STORED);
}

static void
do_commit(struct link *l)
{
	struct msg_log_commit m = {.start = number("start", l->start)};
	m.commit.index = number("index", 0);
	m.commit.term = number("term", 1);
	msg_log_commit_put(&l->out, &m);
	flush(l);
}

static void
do_ask_read(struct link *l)
{
	struct msg_log_read m = {.request = number("request", 1),
	    .from = number("from", 1),
	    .size_max = (uint32_t)number("size", 1 << 20),
	    .count_max = (uint32_t)number("count", 0),
	    .wait = flag("wait")};
	msg_log_read_put(&l->out, &m);
	flush(l);
}

static void
do_got(struct link *l)
{
	hear_until(l, MSG_LOG_ENTRIES);
}

static void
do_read(struct link *l)
{
	do_ask_read(l);
	do_got(l);
}

static void
do_text(struct link *l)
{
	const char *what = word();
	struct msg_query_text m = {.request = 1, .what = wire_text(what)};
	msg_query_text_put(&l->out, &m);
	flush(l);
	hear_until(l, MSG_TEXT_REPLY);
}

static void
do_session(struct link *l)
{
	struct msg_session_get m = {.request = 1};
	if (option("name", NULL))
		seal_session_id(&m.session, option("name", ""));
	else
		hex(m.session.b, sizeof m.session.b, option("session", ""));
	msg_session_get_put(&l->out, &m);
	flush(l);
	hear_until(l, MSG_SESSION);
}

static void
do_contracts(struct link *l)
{
	msg_contracts_get_put(&l->out, &(struct msg_contracts_get){.request = 1});
	flush(l);
	hear_until(l, MSG_CONTRACTS);
}

static void
do_chain(struct link *l)
{
	struct msg_chain_get m = {.request = 1, .index = number("index", 0)};
	msg_chain_get_put(&l->out, &m);
	flush(l);
	hear_until(l, MSG_CHAIN);
}

static void
do_cursor(struct link *l)
{
	struct wire_bytes name = wire_text(option("name", "c"));
	if (option("index", NULL)) {
		struct msg_cursor_set m = {.request = 1, .name = name, .index = number("index", 0)};
		msg_cursor_set_put(&l->out, &m);
	} else {
		struct msg_cursor_get m = {.request = 1, .name = name};
		msg_cursor_get_put(&l->out, &m);
	}
	flush(l);
	hear(l);
}

static void
do_raw(struct link *l)
{
	uint8_t bytes[LINE_SIZE];
	size_t size = hex(bytes, sizeof bytes, word());
	wire_buf_put(&l->out, bytes, size);
	flush(l);
}

static void
do_hear(struct link *l)
{
	hear(l);
}

static void
do_closed(struct link *l)
{
	while (hear(l) != 0)
		;
	printf("closed\n");
}

static void
do_close(struct link *l)
{
	close(l->fd);
	l->fd = 0;
}

static void
do_sleep(struct link *l)
{
	(void)l;
	usleep((unsigned)(number("ms", 0) * 1000));
}

static const struct command {
	const char *name;
	void (*run)(struct link *l);
	const char *help;
} commands[] = {
    {"open", do_open, "NAME: connects"},
    {"ask", do_ask, "NAME KIND [low= high=]: sends a hello"},
    {"heard", do_heard, "NAME: waits for its reply, and an elector's state"},
    {"hello", do_hello, "NAME KIND: all three"},
    {"write", do_write,
	"NAME number= term= vote= first= count= eterm= size= text= data=HEX kind= name= serial= "
	"after= time=MS step=MS recovered hold"},
    {"flood", do_flood, "NAME writes= and as write"},
    {"stored", do_stored, "NAME NUMBER: waits for the acknowledgement"},
    {"commit", do_commit, "NAME index= term="},
    {"read", do_read, "NAME from= size= count= wait"},
    {"ask-read", do_ask_read, "NAME ...: without waiting for the answer"},
    {"got", do_got, "NAME: waits for the answer"},
    {"text", do_text, "NAME status|sessions|contract"},
    {"contracts", do_contracts, "NAME"},
    {"chain", do_chain, "NAME index="},
    {"session", do_session, "NAME name=|session=HEX"},
    {"cursor", do_cursor, "NAME name= [index=]"},
    {"raw", do_raw, "NAME HEX"},
    {"hear", do_hear, "NAME: one message"},
    {"closed", do_closed, "NAME: waits for the end"},
    {"close", do_close, "NAME"},
    {"sleep", do_sleep, "NAME ms="},
};

static void
do_line(char *text)
{
	line = text;
	const char *name = word();
	if (*name == '\0' || *name == '#')
		return;
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(commands[i].name, name) == 0) {
			struct link *l = named(word());
			if (line == NULL)
				line = text + strlen(text);
			commands[i].run(l);
			return;
		}
	errx(64, "%s: no such command", name);
}

/* --------------------------------------------------------------- bench */

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Writes of `batch` entries, so many of them in flight; what is stored is committed. */
static int
bench(uint64_t count, uint32_t batch, uint64_t size, uint64_t in_flight)
{
	struct link *l = &links[0];
	char options[128], none[] = "";
	open_link(l);
	line = none;
	freopen("/dev/null", "w", stdout);
	put_hello(l, "elector");
	do_heard(l);
	snprintf(options, sizeof options, " term=1 size=%llu ", LLU(size));
	line = options;
	uint64_t writes = count / batch, sent = 0;
	double *began = calloc(writes + 1, sizeof *began);
	double *took = calloc(writes + 1, sizeof *took);
	double start = now_s();
	for (uint64_t done = 0; done < writes;) {
		while (sent < writes && sent - done < in_flight) {
			put_write(l, sent + 1, sent * batch + 1, batch);
			began[sent++] = now_s();
		}
		flush(l);
		while (l->stored == done)
			hear_until(l, MSG_LOG_STORED);
		for (; done < l->stored; done++)
			took[done] = now_s() - began[done];
		struct msg_log_commit m = {.start = l->start, .commit = {done * batch, 1}};
		msg_log_commit_put(&l->out, &m);
	}
	flush(l);
	double seconds = now_s() - start;
	qsort(took, writes, sizeof *took, compare_doubles);
	fprintf(stderr,
	    "entries=%llu seconds=%.2f entries_per_s=%.0f p50_us=%.0f p99_us=%.0f max_us=%.0f\n",
	    LLU(writes * batch), seconds, (double)(writes * batch) / seconds,
	    took[writes / 2] * 1e6, took[writes * 99 / 100] * 1e6, took[writes - 1] * 1e6);
	free(began);
	free(took);
	return 0;
}

int
main(int argc, char **argv)
{
	char text[LINE_SIZE];
	seal_init();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 7 && strcmp(argv[2], "bench") == 0) {
		path = argv[1];
		return bench(strtoull(argv[3], NULL, 10), (uint32_t)strtoul(argv[4], NULL, 10),
		    strtoull(argv[5], NULL, 10), strtoull(argv[6], NULL, 10));
	}
	if (argc != 2) {
		fprintf(
		    stderr, "usage: logdctl SOCKET [bench COUNT BATCH SIZE IN_FLIGHT] < SCRIPT\n");
		for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
			fprintf(stderr, "  %-9s %s\n", commands[i].name, commands[i].help);
		return 64;
	}
	path = argv[1];
	while (fgets(text, sizeof text, stdin))
		do_line(text);
	for (size_t i = 0; i < NAMES; i++)
		wire_buf_free(&links[i].out), wire_buf_free(&links[i].in);
	return 0;
}
