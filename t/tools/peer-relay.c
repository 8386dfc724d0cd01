/* SPDX-License-Identifier: ISC */
/*
 * peer-relay LISTEN_PORT TARGET_PORT [SEED DROP TWICE SWAP]: stands between two raft-peerd on
 * loopback and sees the hello and the records of the one who dials; what comes back it passes on.
 *
 * With a seed, DROP, TWICE and SWAP of a thousand records are dropped, sent twice, or sent after
 * the next one.  Commands on stdin, for the next record:
 *   flip BYTE LEAST   alter one bit of that byte (from the end when negative), of one that has
 *                     LEAST bytes
 *   twice | drop | swap   one of at least 40 bytes, which is no ping
 *   again       send the last record once more, now
 *   hello       send the last hello once more, on a connection of its own that stays open, now
 *   record FILE from now on write the records to the file
 *   target PORT for the connections to come
 *   cut         close all connections, now
 *   leave       those who connected are left alone: what stands towards the target stays open
 *   stall | go  stop reading, go on
 *   count       print "messages N": hellos and records
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "seal/channel.h"
#include "wire/buf.h"

enum {
	PAIRS_MAX = 64,
	READ_SIZE = 1 << 16,
	FIRST_SIZE = CHANNEL_PREAMBLE_SIZE + CHANNEL_HELLO_SIZE,
	CHOSEN_LEAST = 40
};

struct pair {
	int client, server; /* -1: free */
	struct wire_buf in; /* from the client, not yet a whole message */
	struct wire_buf held;
	bool greeted;
};

static struct pair pairs[PAIRS_MAX];
static struct {
	bool flip, twice, drop, swap, stalled;
	long flip_at;
	size_t flip_least;
	unsigned long messages;
	struct wire_buf last, hello;
	struct pair *last_pair;
	unsigned drop_in_1000, twice_in_1000, swap_in_1000;
	bool random;
	FILE *record;
	char target[256];
} state;

static void
pair_close(struct pair *p)
{
	if (p->client < 0)
		return;
	close(p->client);
	close(p->server);
	p->client = p->server = -1;
	p->in.size = p->held.size = 0;
	p->greeted = false;
	if (state.last_pair == p)
		state.last_pair = NULL;
}

static void
pair_leave(struct pair *p)
{
	int left = p->server >= 0 ? dup(p->server) : -1;
	pair_close(p);
	if (left >= 0 && fcntl(left, F_SETFD, FD_CLOEXEC) < 0)
		err(71, "fcntl");
}

static void
send_all(struct pair *p, int fd, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
		if (sent < 0) {
			pair_close(p);
			return;
		}
		bytes += sent;
		size -= (size_t)sent;
	}
}

static bool
chance(unsigned in_1000)
{
	return state.random && (unsigned)(random() % 1000) < in_1000;
}

static bool
take(bool *flag)
{
	bool was = *flag;
	*flag = false;
	return was;
}

static void
on_hello(struct pair *p, const uint8_t *bytes, size_t size)
{
	state.messages++;
	state.hello.size = 0;
	wire_buf_put(&state.hello, bytes, size);
	send_all(p, p->server, bytes, size);
}

static void
on_record(struct pair *p, uint8_t *bytes, size_t size)
{
	state.messages++;
	state.last.size = 0;
	wire_buf_put(&state.last, bytes, size);
	state.last_pair = p;
	if (state.record && fwrite(bytes, 1, size, state.record) != size)
		err(74, "record");
	if (size >= state.flip_least && take(&state.flip)) {
		size_t at =
		    state.flip_at < 0 ? size - (size_t)-state.flip_at : (size_t)state.flip_at;
		bytes[at < size ? at : size - 1] ^= 1;
	}
	bool chosen = size >= CHOSEN_LEAST;
	if ((chosen && take(&state.drop)) || chance(state.drop_in_1000))
		return;
	if (p->held.size == 0 && ((chosen && take(&state.swap)) || chance(state.swap_in_1000))) {
		wire_buf_put(&p->held, bytes, size);
		return;
	}
	send_all(p, p->server, bytes, size);
	if ((chosen && take(&state.twice)) || chance(state.twice_in_1000))
		send_all(p, p->server, bytes, size);
	if (p->held.size > 0 && p->server >= 0) {
		send_all(p, p->server, p->held.bytes, p->held.size);
		p->held.size = 0;
	}
}

static void
on_client(struct pair *p)
{
	uint8_t *at = wire_buf_add(&p->in, READ_SIZE);
	ssize_t got = recv(p->client, at, READ_SIZE, 0);
	p->in.size -= READ_SIZE - (got > 0 ? (size_t)got : 0);
	if (got <= 0) {
		pair_close(p);
		return;
	}
	size_t done = 0;
	if (!p->greeted && p->in.size >= FIRST_SIZE) {
		on_hello(p, p->in.bytes, FIRST_SIZE);
		p->greeted = true;
		done = FIRST_SIZE;
	}
	while (p->greeted && p->in.size - done >= CHANNEL_HEAD_SIZE) {
		size_t size = channel_record_size(p->in.bytes + done);
		if (size == 0)
			errx(65, "a record of an impossible size");
		if (p->in.size - done < size)
			break;
		on_record(p, p->in.bytes + done, size);
		done += size;
	}
	if (p->client >= 0)
		wire_buf_drop(&p->in, done);
}

static void
on_server(struct pair *p)
{
	uint8_t bytes[READ_SIZE];
	ssize_t got = recv(p->server, bytes, sizeof bytes, 0);
	if (got <= 0)
		pair_close(p);
	else
		send_all(p, p->client, bytes, (size_t)got);
}

static struct sockaddr_in
loopback(const char *port)
{
	return (struct sockaddr_in){
	    .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)atoi(port)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* A connection to the target; -1: it cannot be made. */
static int
dial(void)
{
	struct sockaddr_in to = loopback(state.target);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		err(71, "socket");
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
on_accept(int listener)
{
	int client = accept(listener, NULL, NULL);
	if (client < 0)
		err(71, "accept");
	int server = dial();
	if (server < 0) {
		close(client);
		return;
	}
	for (size_t i = 0; i < PAIRS_MAX; i++)
		if (pairs[i].client < 0) {
			pairs[i].client = client;
			pairs[i].server = server;
			return;
		}
	errx(71, "too many connections");
}

static void
replay_hello(void)
{
	int fd = dial();
	if (fd < 0 || send(fd, state.hello.bytes, state.hello.size, MSG_NOSIGNAL) < 0)
		warn("hello");
}

static void
record(const char *path)
{
	state.record = fopen(path, "w");
	if (state.record == NULL)
		err(74, "%s", path);
	setvbuf(state.record, NULL, _IONBF, 0);
}

static void
run_command(char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "flip ", 5) == 0) {
		state.flip = true;
		char *end;
		state.flip_at = strtol(line + 5, &end, 10);
		state.flip_least = strtoul(end, NULL, 10);
	} else if (strcmp(line, "twice") == 0) {
		state.twice = true;
	} else if (strcmp(line, "drop") == 0) {
		state.drop = true;
	} else if (strcmp(line, "swap") == 0) {
		state.swap = true;
	} else if (strcmp(line, "again") == 0) {
		if (state.last_pair)
			send_all(state.last_pair, state.last_pair->server, state.last.bytes,
			    state.last.size);
	} else if (strcmp(line, "hello") == 0) {
		replay_hello();
	} else if (strncmp(line, "record ", 7) == 0) {
		record(line + 7);
	} else if (strncmp(line, "target ", 7) == 0) {
		snprintf(state.target, sizeof state.target, "%s", line + 7);
	} else if (strcmp(line, "cut") == 0) {
		for (size_t i = 0; i < PAIRS_MAX; i++)
			pair_close(&pairs[i]);
	} else if (strcmp(line, "leave") == 0) {
		for (size_t i = 0; i < PAIRS_MAX; i++)
			pair_leave(&pairs[i]);
	} else if (strcmp(line, "stall") == 0 || strcmp(line, "go") == 0) {
		state.stalled = line[0] == 's';
	} else if (strcmp(line, "count") == 0) {
		printf("messages %lu\n", state.messages);
	} else {
		errx(64, "%s: no such command", line);
	}
	printf("done %s\n", line);
	fflush(stdout);
}

static void
on_stdin(void)
{
	static char line[256];
	static size_t size;
	ssize_t got = read(0, line + size, 1);
	if (got <= 0)
		exit(0);
	if (line[size++] != '\n' && size < sizeof line - 1)
		return;
	line[size] = '\0';
	size = 0;
	run_command(line);
}

static int
listen_at(const char *port)
{
	struct sockaddr_in at = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 64) < 0)
		err(71, "port %s", port);
	return fd;
}

int
main(int argc, char **argv)
{
	if (argc != 3 && argc != 7)
		errx(64, "usage: peer-relay LISTEN_PORT TARGET_PORT [SEED DROP TWICE SWAP]");
	if (argc == 7) {
		state.random = true;
		srandom((unsigned)atoi(argv[3]));
		state.drop_in_1000 = (unsigned)atoi(argv[4]);
		state.twice_in_1000 = (unsigned)atoi(argv[5]);
		state.swap_in_1000 = (unsigned)atoi(argv[6]);
	}
	for (size_t i = 0; i < PAIRS_MAX; i++)
		pairs[i].client = pairs[i].server = -1;
	snprintf(state.target, sizeof state.target, "%s", argv[2]);
	int listener = listen_at(argv[1]);
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		struct pollfd fds[2 + 2 * PAIRS_MAX] = {
		    {.fd = 0, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
		for (size_t i = 0; i < PAIRS_MAX; i++) {
			fds[2 + 2 * i] = (struct pollfd){
			    .fd = state.stalled ? -1 : pairs[i].client, .events = POLLIN};
			fds[3 + 2 * i] = (struct pollfd){
			    .fd = state.stalled ? -1 : pairs[i].server, .events = POLLIN};
		}
		if (poll(fds, 2 + 2 * PAIRS_MAX, -1) < 0 && errno != EINTR)
			err(71, "poll");
		if (fds[0].revents)
			on_stdin();
		if (fds[1].revents)
			on_accept(listener);
		for (size_t i = 0; i < PAIRS_MAX; i++) {
			if (fds[2 + 2 * i].revents && pairs[i].client == fds[2 + 2 * i].fd)
				on_client(&pairs[i]);
			if (fds[3 + 2 * i].revents && pairs[i].server == fds[3 + 2 * i].fd &&
			    pairs[i].server >= 0)
				on_server(&pairs[i]);
		}
	}
}
