/* SPDX-License-Identifier: ISC */
/* The link to a daemon: what it makes of each kind of daemon, and how often it asks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "local/link.h"
#include "unix/sock.h"
#include "check.h"

enum { RUN_MS = 1000 };

/* What the daemon does with a hello and with requests. */
enum deed {
	DEED_TALK,    /* greets, and answers each request with a text_reply */
	DEED_DIE,     /* greets, and closes */
	DEED_REFUSE,  /* greets, and refuses each request */
	DEED_FOREIGN, /* speaks no version of ours */
	DEED_BUSY     /* refuses the hello */
};

static struct {
	struct loop *loop;
	struct listener *listener;
	char folder[64], path[128];
	enum deed deed;
	struct conn *conn;
	unsigned hellos;
} fake;

static struct {
	struct link *link;
	const char *wrong; /* what frame answers */
	bool breaks;       /* as soon as it is up */
	unsigned ups, frames, refusals, downs, losses, failures;
	enum exit_status status;
	char why[256];
} seen;

/* ------------------------------------------------------------ the daemon */

static void
fake_on_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	(void)body, (void)size, (void)arg;
	struct msg_refusal refusal = {.exit_status = EXIT_DATA, .sentence = wire_text("not this")};
	bool hello = number == MSG_HELLO;
	fake.hellos += hello;
	if (hello && fake.deed == DEED_BUSY)
		msg_refusal_put(conn_out(conn), &refusal);
	else if (hello)
		msg_hello_reply_put(conn_out(conn),
		    &(struct msg_hello_reply){.version = fake.deed == DEED_FOREIGN ? 0 : 1,
			.low = 1,
			.high = 1,
			.seen = 42});
	else if (fake.deed == DEED_REFUSE)
		msg_refusal_put(conn_out(conn), &refusal);
	else
		msg_text_reply_put(conn_out(conn), &(struct msg_text_reply){0});
	if (fake.deed == DEED_DIE)
		conn_close_when_flushed(conn);
}

static void
fake_on_closed(struct conn *conn, const char *why, void *arg)
{
	(void)why, (void)arg;
	conn_free(conn);
	if (fake.conn == conn)
		fake.conn = NULL;
}

static void
fake_on_accepted(int fd, void *arg)
{
	static const struct conn_calls calls = {fake_on_frame, fake_on_closed, NULL};
	(void)arg;
	conn_free(fake.conn);
	fake.conn = conn_new(fake.loop, fd, FRAME_SIZE_MAX, 1 << 20, &calls, NULL);
}

/* ------------------------------------------------------------- the owner */

static void
owner_on_up(void *arg)
{
	(void)arg;
	seen.ups++;
	CHECK(link_up(seen.link) && link_hello(seen.link)->seen == 42);
	if (seen.breaks)
		link_break(seen.link, NULL);
	else
		msg_query_text_put(link_out(seen.link), &(struct msg_query_text){0});
}

static const char *
owner_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	(void)body, (void)size, (void)arg;
	CHECK(number == MSG_TEXT_REPLY);
	seen.frames++;
	return seen.wrong;
}

static void
owner_on_refused(enum exit_status status, const char *why, void *arg)
{
	(void)arg;
	seen.refusals++;
	seen.status = status;
	snprintf(seen.why, sizeof seen.why, "%s", why);
}

static void
owner_on_failed(enum exit_status status, const char *why, void *arg)
{
	seen.failures++;
	owner_on_refused(status, why, arg);
	seen.refusals--;
}

static void
owner_on_down(bool was_up, const char *why, void *arg)
{
	(void)arg;
	CHECK(!link_up(seen.link));
	seen.downs++;
	seen.losses += was_up;
	snprintf(seen.why, sizeof seen.why, "%s", why ? why : "");
}

static const struct link_calls all_calls = {
    owner_on_up, owner_on_frame, owner_on_refused, owner_on_down, owner_on_failed};
static const struct link_calls few_calls = {.up = owner_on_up, .down = owner_on_down};
static const struct link_calls tool_calls = {.up = owner_on_up, .refused = owner_on_refused};

/* -------------------------------------------------------------- the tests */

static void
on_end(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Runs until the time is over or this number of hellos has come. */
static void
run_loop(uint64_t ms, unsigned hellos)
{
	static uv_timer_t timer;
	bool over = false;
	timer.data = &over;
	if (timer.loop == NULL)
		uv_timer_init(loop_uv(fake.loop), &timer);
	uv_timer_start(&timer, on_end, ms, 0);
	while (!over && fake.hellos < hellos)
		loop_once(fake.loop, true);
	uv_timer_stop(&timer);
}

static void
begin(enum deed deed, const struct link_calls *calls)
{
	fake.deed = deed;
	fake.hellos = 0;
	memset(&seen, 0, sizeof seen);
	seen.link = link_new(fake.loop, fake.path, WIRE_CLIENT, "test", calls, NULL);
}

static void
end(void)
{
	link_free(seen.link);
	loop_once(fake.loop, false);
}

static void
test_default_refusal(void)
{
	begin(DEED_REFUSE, &few_calls);
	run_loop(10 * RUN_MS, 3);
	CHECK(seen.ups >= 2 && seen.losses >= 2);
	CHECK(strcmp(seen.why, "not this") == 0);
	end();
}

static void
test_refusal(void)
{
	begin(DEED_REFUSE, &all_calls);
	run_loop(RUN_MS, 2);
	CHECK(seen.refusals == 1 && seen.downs == 0 && seen.failures == 0);
	CHECK(seen.status == EXIT_DATA && strcmp(seen.why, "not this") == 0);
	CHECK(link_up(seen.link));
	end();
}

static void
test_busy(void)
{
	begin(DEED_BUSY, &all_calls);
	run_loop(10 * RUN_MS, 3);
	CHECK(seen.ups == 0 && seen.refusals == 0 && seen.downs >= 2 && seen.losses == 0);
	CHECK(strstr(seen.why, "/daemon: not this") != NULL);
	end();
}

static void
check_foreign(const struct link_calls *calls, unsigned failures, unsigned refusals)
{
	begin(DEED_FOREIGN, calls);
	run_loop(RUN_MS, 2);
	CHECK(seen.ups == 0 && seen.failures == failures && seen.refusals == refusals);
	CHECK(seen.status == EXIT_UNAVAILABLE && fake.hellos == 1);
	CHECK(strstr(seen.why, "speaks versions 1 to 1 of the protocol") != NULL);
	end();
}

static void
test_foreign(void)
{
	check_foreign(&all_calls, 1, 0);
	check_foreign(&tool_calls, 0, 1);
}

static void
test_foreign_without_calls(void)
{
	begin(DEED_FOREIGN, &few_calls);
	run_loop(10 * RUN_MS, 3);
	CHECK(fake.hellos == 3 && seen.downs >= 2);
	end();
}

/* 10, 20, 40, 80, ... ms: six or seven times within a second; without the back-off a hundred. */
static void
test_back_off(void)
{
	begin(DEED_DIE, &all_calls);
	run_loop(RUN_MS, 1000);
	CHECK(seen.ups >= 1 && fake.hellos <= 10);
	end();
	begin(DEED_REFUSE, &few_calls);
	run_loop(RUN_MS, 1000);
	CHECK(seen.ups >= 1 && fake.hellos <= 10);
	end();
}

/* With the back-off a hundred attempts take more than 45 seconds. */
static void
test_answered(void)
{
	begin(DEED_TALK, &all_calls);
	seen.wrong = "nonsense";
	run_loop(30 * RUN_MS, 100);
	CHECK(fake.hellos == 100 && strcmp(seen.why, "nonsense") == 0);
	end();
}

static void
test_owner_breaks(void)
{
	begin(DEED_TALK, &all_calls);
	seen.breaks = true;
	run_loop(30 * RUN_MS, 100);
	CHECK(fake.hellos == 100 && seen.frames == 0 && seen.why[0] == '\0');
	end();
}

int
main(void)
{
	char why[SOCK_WHY_SIZE];
	fake.loop = loop_new();
	strcpy(fake.folder, "/tmp/raft-link.XXXXXX");
	must(mkdtemp(fake.folder));
	snprintf(fake.path, sizeof fake.path, "%s/daemon", fake.folder);
	int fd = sock_listen(fake.path, 0600, (gid_t)-1, why);
	must(fd >= 0);
	fake.listener = listener_new(fake.loop, fd, fake_on_accepted, NULL);
	check_run("link: a refusal is the owner's, and the connection stays", test_refusal);
	check_run("link: where the owner does not want refusals, one ends the connection",
	    test_default_refusal);
	check_run("link: a refused hello is an attempt that failed", test_busy);
	check_run("link: no version in common is final, and reported as a failure or as a refusal",
	    test_foreign);
	check_run(
	    "link: where the owner wants neither, it is tried again", test_foreign_without_calls);
	check_run("link: a daemon that greets and then dies or refuses is asked less and less",
	    test_back_off);
	check_run("link: after a connection that brought an answer the back-off begins again",
	    test_answered);
	check_run("link: what the owner ends is made again at once", test_owner_breaks);
	listener_free(fake.listener);
	conn_free(fake.conn);
	unlink(fake.path);
	rmdir(fake.folder);
	loop_once(fake.loop, false);
	return check_done();
}
