/* SPDX-License-Identifier: ISC */
/*
 * A raft-elect with a log of its own, in the same loop as the appender that it is to
 * fool: a plan says what becomes of each request.  And the owner of that appender.
 */
#ifndef CLIENT_FAKE_H
#define CLIENT_FAKE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/appender.h"
#include "raft/bytes.h"
#include "raft/reason.h"
#include "raft/session.h"
#include "seal/seal.h"
#include "unix/conn.h"
#include "unix/log.h"
#include "unix/sock.h"
#include "check.h"

/* What the fake does with a request. */
enum deed {
	ADMIT,
	REFUSE,     /* with the reason in the plan */
	FORGET,     /* not in the log, answered unknown */
	DOUBT,      /* in the log, answered unknown */
	DIE_BEFORE, /* not in the log, the connection ends */
	DIE_AFTER,  /* in the log, the connection ends */
	SILENCE,    /* not in the log, never answered */
	SILENCE_IN, /* in the log, never answered */
	DELAY,      /* in the log, answered a few turns later */
	HALF        /* the first half is admitted and answered, the rest refused */
};

enum { LOG_MAX = 1 << 16 };
struct logged {
	struct raft_sid sid;
	uint64_t serial;
	uint32_t number; /* the data: which entry it is */
};

static struct fake {
	struct loop *loop;
	struct listener *listener;
	struct conn *conn;
	char path[108];
	struct logged log[LOG_MAX];
	uint64_t count;
	uint64_t base; /* entries of others before ours: the index of log[0] is base + 1 */
	uint64_t
	    extra; /* entries of others that came while nobody looked: for the age of openings */
	uint64_t epoch;
	uint8_t run[RAFT_RUN_SIZE];
	uint64_t named_last;
	uint64_t position;     /* of the cursor, as the last ACK left it */
	struct wire_buf later; /* answers that wait */
	int later_turns;
	uint64_t requests;
	uint64_t hellos;
	bool expire; /* sessions are forgotten once */
	enum deed (*plan)(
	    struct fake *fake, const struct msg_propose *propose, enum raft_reason *reason);
} fake;

static struct seen {
	uint64_t committed;
	bool ordered;
	uint64_t opened;
	uint64_t position;
	bool is_open;
	bool failed;
	enum exit_status status;
	char why[512];
} seen;

static struct appender *appender;
static struct appender_settings settings;

/* -------------------------------------------------------- the fake */

static uint64_t rng_state;
static uint64_t
rng(uint64_t below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state % below;
}

static uint64_t
last_serial(const struct raft_sid *sid)
{
	for (uint64_t i = fake.count; i > 0; i--)
		if (raft_sid_equal(&fake.log[i - 1].sid, sid))
			return fake.log[i - 1].serial;
	return 0;
}

static uint64_t
index_of(const struct raft_sid *sid, uint64_t serial)
{
	for (uint64_t i = 0; i < fake.count; i++)
		if (raft_sid_equal(&fake.log[i].sid, sid) && fake.log[i].serial == serial)
			return fake.base + i + 1;
	return 0;
}

static void
answer(struct wire_buf *out, const struct msg_answer *a)
{
	msg_answer_put(out, a);
}

/* One serial, as a leader does it: admitted, known, or refused. */
static struct msg_answer
admit(const struct msg_propose *propose, const struct raft_entry *entry)
{
	struct msg_answer a = {.request = propose->request, .serial = entry->serial, .count = 1};
	uint64_t last =
	    raft_sid_named(&entry->session) ? fake.named_last : last_serial(&entry->session);
	a.verdict = RAFT_REFUSED;
	if (raft_sid_named(&entry->session) && propose->epoch != fake.epoch) {
		a.reason = RAFT_REASON_OLD_EPOCH;
		a.epoch = fake.epoch;
	} else if (last == 0 && entry->serial == 1 && !raft_sid_named(&entry->session) &&
		   fake.base + fake.extra + fake.count > propose->seen + RAFT_SESSION_WINDOW) {
		a.reason = RAFT_REASON_TOO_OLD;
		a.epoch = fake.base + fake.extra + fake.count;
	} else if (last == 0 && entry->serial > 1 && !raft_sid_named(&entry->session)) {
		a.reason = RAFT_REASON_EXPIRED;
	} else if (entry->serial > last + 1) {
		a.reason = RAFT_REASON_GAP;
	} else {
		if (entry->serial == last + 1) {
			must(fake.count < LOG_MAX);
			if (entry->kind == RAFT_ACK)
				fake.log[fake.count].number =
				    (uint32_t)(fake.position = raft_entry_position(entry));
			else
				memcpy(&fake.log[fake.count].number, raft_entry_data(entry), 4);
			fake.log[fake.count].sid = entry->session;
			fake.log[fake.count++].serial = entry->serial;
			if (raft_sid_named(&entry->session))
				fake.named_last = entry->serial;
		}
		a.verdict = RAFT_COMMITTED;
		a.pos = (struct raft_pos){index_of(&entry->session, entry->serial), 5};
	}
	return a;
}

static void
die(void)
{
	conn_free(fake.conn);
	fake.conn = NULL;
	fake.later.size = 0;
}

static void
on_client_entries(const struct msg_propose *propose, const struct raft_entry *entries)
{
	enum raft_reason reason = RAFT_REASON_NO_LEADER;
	enum deed deed = fake.plan ? fake.plan(&fake, propose, &reason) : ADMIT;
	bool in = deed == ADMIT || deed == DOUBT || deed == DIE_AFTER || deed == SILENCE_IN ||
		  deed == DELAY;
	struct wire_buf *out = deed == DELAY ? &fake.later : conn_out(fake.conn);
	for (uint32_t i = 0; i < propose->count; i++) {
		struct msg_answer a = {
		    .request = propose->request, .serial = entries[i].serial, .count = 1};
		bool admitted = in || (deed == HALF && i < propose->count / 2);
		if (admitted)
			a = admit(propose, &entries[i]);
		else
			a.verdict = deed == FORGET ? RAFT_UNKNOWN : RAFT_REFUSED,
			a.reason = (uint8_t)reason;
		if (deed == DOUBT && a.verdict == RAFT_COMMITTED)
			a.verdict = RAFT_UNKNOWN, a.reason = RAFT_REASON_LEADER_CHANGED;
		if (deed != SILENCE && deed != SILENCE_IN && deed != DIE_AFTER &&
		    deed != DIE_BEFORE)
			answer(out, &a);
	}
	if (deed == DELAY)
		fake.later_turns = 3;
	if (deed == DIE_BEFORE || deed == DIE_AFTER)
		die();
}

static void
on_open(const struct msg_propose *propose, const struct raft_entry *entry)
{
	struct raft_session_open open;
	struct msg_answer a = {.request = propose->request, .count = 1, .verdict = RAFT_COMMITTED};
	must(raft_session_open_decode(&open, raft_entry_data(entry), raft_entry_data_size(entry)));
	if (fake.epoch != 0 && memcmp(open.run, fake.run, sizeof open.run) == 0) {
		a.epoch = fake.epoch;
	} else if (open.replaces != fake.epoch) {
		a.verdict = RAFT_REFUSED;
		a.reason = RAFT_REASON_OLD_EPOCH;
		a.epoch = fake.epoch;
	} else {
		fake.epoch = fake.base + fake.count + 1000 + fake.requests;
		memcpy(fake.run, open.run, sizeof open.run);
		a.epoch = fake.epoch;
	}
	a.last_serial = fake.named_last;
	a.position = fake.position;
	msg_answer_put(conn_out(fake.conn), &a);
}

static void
on_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct msg_propose propose;
	struct raft_entry *entries;
	struct raft_chunk *chunk;
	(void)arg;
	if (number == MSG_HELLO) {
		fake.hellos++;
		msg_hello_reply_put(conn_out(conn),
		    &(struct msg_hello_reply){
			.version = 1, .low = 1, .high = 1, .start = 7, .seen = fake.base});
		return;
	}
	must(number == MSG_PROPOSE);
	must(msg_propose_get(&propose, body, size));
	must(wire_entries_get(propose.entries, propose.count, &entries, &chunk));
	fake.requests++;
	must(!settings.cursor || (propose.count == 1 && raft_kind_level(entries[0].kind) == 3));
	if (raft_kind_opens(entries[0].kind))
		on_open(&propose, entries);
	else
		on_client_entries(&propose, entries);
	free(entries);
	raft_chunk_unref(chunk);
}

static void
on_closed(struct conn *conn, const char *why, void *arg)
{
	(void)why;
	(void)arg;
	conn_free(conn);
	if (conn == fake.conn)
		fake.conn = NULL;
}

static const struct conn_calls fake_calls = {on_frame, on_closed, NULL};

static void
on_accepted(int fd, void *arg)
{
	(void)arg;
	conn_free(fake.conn);
	fake.conn = conn_new(fake.loop, fd, FRAME_SIZE_MAX, 1 << 20, &fake_calls, NULL);
}

static void
fake_listen(void)
{
	char why[SOCK_WHY_SIZE];
	int fd = sock_listen(fake.path, 0600, (gid_t)-1, why);
	must(fd >= 0);
	fake.listener = listener_new(fake.loop, fd, on_accepted, NULL);
}

/* ------------------------------------------------- the appender's owner */

static void
on_opened(uint64_t last, const struct raft_hash *digest, void *arg)
{
	(void)digest;
	(void)arg;
	seen.is_open = true;
	seen.opened = last;
	seen.position = appender_position(appender);
}

static void
on_committed(uint64_t number, uint64_t count, struct raft_pos pos, void *arg)
{
	(void)arg;
	if (number != seen.committed + 1)
		seen.ordered = false;
	/* Where the place is told, it is the entry's. */
	for (uint64_t i = 0; i < count && pos.index != 0; i++)
		CHECK(fake.log[pos.index + i - fake.base - 1].number == number + i);
	seen.committed += count;
}

static void
on_failed(enum exit_status status, const char *why, void *arg)
{
	(void)arg;
	seen.failed = true;
	seen.status = status;
	snprintf(seen.why, sizeof seen.why, "%s", why);
}

static const struct appender_calls calls = {on_opened, on_committed, on_failed};
static uint64_t taken, wanted, burst;

static void
turn(void *arg)
{
	(void)arg;
	if (fake.later.size > 0 && --fake.later_turns <= 0) {
		if (fake.conn)
			wire_buf_put(conn_out(fake.conn), fake.later.bytes, fake.later.size);
		fake.later.size = 0;
	}
	for (uint64_t i = 0; i < burst && taken < wanted && appender_room(appender); i++) {
		uint32_t number = (uint32_t)++taken;
		uint8_t position[RAFT_ACK_SIZE];
		bytes_put_u64(position, number);
		if (settings.cursor)
			appender_take(appender, position, sizeof position);
		else
			appender_take(appender, &number, sizeof number);
	}
	appender_send(appender);
}

static void
on_tick(uv_timer_t *timer)
{
	(void)timer;
}

static void
begin(uint64_t seed)
{
	char dir[] = "/tmp/raft-appender.XXXXXX";
	struct loop *loop = loop_new();
	rng_state = seed * 0x9e3779b97f4a7c15 + 1;
	fake = (struct fake){.loop = loop, .base = 100};
	seen = (struct seen){.ordered = true};
	must(mkdtemp(dir));
	snprintf(fake.path, sizeof fake.path, "%s/elect", dir);
	settings = (struct appender_settings){
	    .path = fake.path, .program = "test", .in_flight_max = 64, .give_up_ms = 3000};
	taken = 0;
	burst = 7;
}

/* Runs until all is committed or it has failed. */
static void
run(uint64_t count)
{
	struct mono_ms start = mono_now();
	uv_timer_t tick;
	uv_timer_init(loop_uv(fake.loop), &tick);
	uv_timer_start(&tick, on_tick, 5, 5);
	wanted = count;
	if (!appender)
		appender = appender_new(fake.loop, &settings, &calls, NULL);
	loop_on_turn(fake.loop, turn, NULL);
	while (!seen.failed && (taken < wanted || !appender_idle(appender)) &&
	       mono_now().ms - start.ms < 20000)
		loop_once(fake.loop, true);
	CHECK(mono_now().ms - start.ms < 20000);
	loop_on_turn(fake.loop, NULL, NULL);
	uv_close((uv_handle_t *)&tick, NULL);
	loop_once(fake.loop, false);
}

/* The log holds the entries 1 .. n once, in order; returns n. */
static uint64_t
log_in_order(void)
{
	for (uint64_t i = 0; i < fake.count; i++)
		CHECK(fake.log[i].number == i + 1);
	return fake.count;
}

static void
finish(void)
{
	uint64_t in_log = log_in_order();
	CHECK(seen.ordered);
	CHECK(in_log >= appender_committed(appender));
	/* Whatever became of its last ACK: a consumer that was replaced is fenced. */
	if (settings.cursor && seen.status == EXIT_FENCED) {
		CHECK(in_log <= appender_committed(appender) + 1);
	} else if (seen.failed && seen.status != EXIT_UNKNOWN) {
		CHECK(appender_doubtful(appender) == 0);
		CHECK(in_log == appender_committed(appender));
	} else if (seen.failed) {
		CHECK(appender_doubtful(appender) > appender_committed(appender));
		CHECK(in_log <= appender_doubtful(appender));
	}
	appender_free(appender);
	appender = NULL;
	listener_free(fake.listener);
	conn_free(fake.conn);
	wire_buf_free(&fake.later);
	loop_once(fake.loop, false);
	loop_once(fake.loop, false);
	loop_free(fake.loop);
	unlink(fake.path);
	*strrchr(fake.path, '/') = '\0';
	rmdir(fake.path);
}

static void
all_is_committed(uint64_t count)
{
	CHECK(!seen.failed);
	if (seen.failed)
		printf("  %s\n", seen.why);
	CHECK(seen.committed == count);
	CHECK(fake.count == count);
}

#endif
