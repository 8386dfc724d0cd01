/* SPDX-License-Identifier: ISC */
/* Changes for clients that watch: what one is sent that reads late, or not at all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "local/changes.h"
#include "unix/log.h"
#include "check.h"

enum { OUT_HIGH = 64 << 10, CHANGES_COUNT = 50000 };

static struct loop *loop;
static struct server *server;
static char folder[64];

static void
daemon_hello(struct server_client *client, struct msg_hello_reply *reply)
{
	(void)client, (void)reply;
}

static const struct server_request requests[] = {{0}};
static const struct server_text texts[] = {{0}};

/* Greeted, and watching. */
static int
client_watches(const char *what)
{
	char path[SOCK_PATH_MAX], why[SOCK_WHY_SIZE];
	struct wire_buf out = {0};
	must(sock_path(path, folder, "daemon", why));
	int fd = sock_connect(path, why);
	must(fd >= 0);
	msg_hello_put(&out, &(struct msg_hello){1, 1, WIRE_CLIENT, wire_text("test")});
	msg_watch_put(&out, &(struct msg_watch){7, wire_text(what)});
	must(send(fd, out.bytes, out.size, 0) == (ssize_t)out.size);
	wire_buf_free(&out);
	for (int i = 0; i < 20; i++)
		loop_once(loop, false);
	return fd;
}

/* All that comes until nothing more does. */
static void
client_reads(int fd, struct wire_buf *in)
{
	static char piece[64 << 10];
	for (int idle = 0; idle < 20;) {
		loop_once(loop, false);
		ssize_t size = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
		if (size > 0)
			wire_buf_put(in, piece, (size_t)size);
		idle = size > 0 ? 0 : idle + 1;
	}
}

static size_t
count_of(const struct wire_buf *in, const char *text)
{
	size_t count = 0, size = strlen(text);
	for (size_t at = 0; at + size <= in->size; at++)
		count += memcmp(in->bytes + at, text, size) == 0;
	return count;
}

static bool
has(const struct wire_buf *in, const char *text)
{
	return count_of(in, text) > 0;
}

static void
put_state(const char *id, unsigned state)
{
	changes_put(server, "peer", id, "because", "state=%u", state);
}

static void
test_kept(void)
{
	struct wire_buf in = {0};
	put_state("a", 1);
	put_state("b", 2);
	put_state("a", 3);
	put_state("gone", 4);
	changes_forget(server, "peer", "gone");
	int fd = client_watches("changes");
	client_reads(fd, &in);
	CHECK(
	    count_of(&in, "kind=") == 3 && has(&in, "kind=now missed=0\nkind=peer id=a state=3 "));
	CHECK(has(&in, "id=b state=2 time_ms=") && has(&in, " reason=because\n"));
	in.size = 0;
	/* The same again is no change. */
	put_state("a", 3);
	client_reads(fd, &in);
	CHECK(in.size == 0);
	put_state("a", 5);
	client_reads(fd, &in);
	CHECK(count_of(&in, "kind=") == 1 && has(&in, "id=a state=5 "));
	wire_buf_free(&in);
	close(fd);
}

static void
test_late(void)
{
	struct wire_buf in = {0};
	unsigned long long missed = 0;
	int fd = client_watches("changes");
	client_reads(fd, &in);
	in.size = 0;
	for (unsigned i = 0; i < CHANGES_COUNT; i++) {
		put_state("a", 10 + i);
		if (i % 64 == 0)
			loop_once(loop, false);
	}
	client_reads(fd, &in);
	const char *now = memmem(in.bytes, in.size, "kind=now missed=", 16);
	CHECK(now != NULL);
	if (now)
		missed = strtoull(now + 16, NULL, 10);
	/* What was not sent is counted; what waits is bounded. */
	CHECK(missed > 0 && in.size < 4 * OUT_HIGH + (1 << 20));
	/* The last is there, as one of those that are kept; id b is repeated with it. */
	char last[64];
	snprintf(last, sizeof last, "id=a state=%u ", 10 + CHANGES_COUNT - 1);
	CHECK(count_of(&in, last) == 1 && count_of(&in, "id=b state=2 ") == 1);
	CHECK(count_of(&in, "id=a state=") - 1 + missed == CHANGES_COUNT);
	wire_buf_free(&in);
	close(fd);
}

static void
test_other(void)
{
	struct wire_buf in = {0};
	int fd = client_watches("weather");
	client_reads(fd, &in);
	CHECK(has(&in, "of raft-test only its changes can be watched"));
	put_state("a", 1);
	in.size = 0;
	client_reads(fd, &in);
	CHECK(in.size == 0);
	wire_buf_free(&in);
	close(fd);
}

int
main(void)
{
	char why[SOCK_WHY_SIZE];
	log_init("raft-test");
	loop = loop_new();
	strcpy(folder, "/tmp/raft-changes.XXXXXX");
	must(mkdtemp(folder));
	server = server_new(loop,
	    &(struct server_settings){.program = "raft-test",
		.run = folder,
		.name = "daemon",
		.client_size = sizeof(struct server_client),
		.clients_max = 8,
		.frame_max = 1 << 16,
		.frame_max_others = 1 << 16,
		.out_high = OUT_HIGH,
		.requests = requests,
		.texts = texts,
		.hello = daemon_hello},
	    NULL, why);
	must(server != NULL);
	check_run("changes: the newest of each kind and id is kept, and the same again is none",
	    test_kept);
	check_run(
	    "changes: ⚠ a client that does not read is sent a bounded amount, then how many it "
	    "missed and how things are",
	    test_late);
	check_run("changes: what cannot be watched is refused", test_other);
	server_free(server);
	loop_once(loop, false);
	rmdir(folder);
	return check_done();
}
