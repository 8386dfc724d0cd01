/* SPDX-License-Identifier: ISC */
/*
 * The appender against a raft-elect that refuses, forgets, doubts and dies by script.
 *
 * The fake keeps a log and admits as section 5 says: each serial once, in order.  What must
 * hold: nothing is lost or doubled, commits are told once and in order, and a failure
 * is called unknown exactly when something may be in the log.
 */
#include "client_fake.h"
#include "client/refusal.h"

static uint64_t seeds_count = 12;

static void
plain_run(void)
{
	begin(1);
	fake_listen();
	run(3000);
	all_is_committed(3000);
	CHECK(fake.requests < 3000);
	finish();
}

static void
nothing_is_running(void)
{
	begin(2);
	settings.give_up_ms = 300;
	run(5);
	CHECK(seen.failed);
	CHECK(seen.status == EXIT_UNAVAILABLE);
	CHECK(strstr(seen.why, "is the node running") != NULL);
	finish();
}

static enum deed
plan_no_leader(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	*reason = RAFT_REASON_NO_LEADER;
	return f->requests > 3 ? REFUSE : ADMIT;
}

static void
no_quorum(void)
{
	begin(3);
	fake_listen();
	fake.plan = plan_no_leader;
	settings.in_flight_max = 7;
	settings.give_up_ms = 400;
	run(100);
	CHECK(seen.failed);
	CHECK(seen.status == EXIT_UNAVAILABLE);
	CHECK(seen.committed == 21);
	CHECK(fake.requests < 200); /* it pauses */
	finish();
}

static enum deed
plan_full(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	*reason = f->requests % 5 == 1 ? RAFT_REASON_DISK_FULL : RAFT_REASON_GAP;
	return REFUSE;
}

static void
full_disk(void)
{
	begin(4);
	fake_listen();
	fake.plan = plan_full;
	settings.give_up_ms = 400;
	run(3);
	CHECK(seen.status == EXIT_RETRY);
	finish();
}

static enum deed
plan_silence(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	(void)reason;
	return f->requests < 3 ? ADMIT : f->requests % 2 ? SILENCE : SILENCE_IN;
}

static void
silence(void)
{
	begin(5);
	fake_listen();
	fake.plan = plan_silence;
	settings.in_flight_max =
	    7; /* more than two requests, however many turns the connection takes */
	settings.give_up_ms = 300;
	run(50);
	CHECK(seen.status == EXIT_UNKNOWN);
	finish();
}

static enum deed
plan_doubt_then_refuse(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	*reason = RAFT_REASON_NO_LEADER;
	return f->requests == 2 ? FORGET : f->requests > 2 ? REFUSE : ADMIT;
}

static void
doubt_is_not_forgotten(void)
{
	begin(6);
	fake_listen();
	fake.plan = plan_doubt_then_refuse;
	settings.in_flight_max = 7;
	settings.give_up_ms = 300;
	run(20);
	CHECK(seen.status == EXIT_UNKNOWN);
	CHECK(seen.committed == 7);
	CHECK(appender_doubtful(appender) == 14);
	finish();
}

static enum deed
plan_die_then_refuse(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	*reason = RAFT_REASON_NO_LEADER;
	return f->requests == 2 ? DIE_BEFORE : f->requests > 2 ? REFUSE : ADMIT;
}

static void
lost_connection_is_a_doubt(void)
{
	begin(7);
	fake_listen();
	fake.plan = plan_die_then_refuse;
	settings.in_flight_max = 7;
	settings.give_up_ms = 300;
	run(20);
	CHECK(seen.status == EXIT_UNKNOWN);
	finish();
}

static enum deed
plan_too_old(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	(void)reason;
	if (f->requests == 1)
		f->extra = 70000; /* others were busy meanwhile */
	return ADMIT;
}

static void
too_old(void)
{
	begin(8);
	fake_listen();
	fake.plan = plan_too_old;
	run(200);
	all_is_committed(200);
	finish();
}

static enum deed
plan_too_old_in_doubt(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	(void)reason;
	if (f->requests == 1)
		return FORGET;
	f->extra = 70000;
	return ADMIT;
}

static void
too_old_in_doubt(void)
{
	begin(9);
	fake_listen();
	fake.plan = plan_too_old_in_doubt;
	run(5);
	CHECK(seen.status == EXIT_UNKNOWN);
	finish();
}

static enum deed
plan_expire(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	if (f->requests == 10 && !f->expire) {
		f->expire = true;
		/* Evicted: the leader knows the session no more. */
		for (uint64_t i = 0; i < f->count; i++)
			f->log[i].sid.b[0] ^= 0x40;
	}
	(void)reason;
	return ADMIT;
}

static void
expired(void)
{
	begin(10);
	fake_listen();
	fake.plan = plan_expire;
	settings.in_flight_max = 5;
	run(200);
	CHECK(fake.expire);
	all_is_committed(200);
	finish();
}

static enum deed
plan_fenced(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	*reason = RAFT_REASON_FENCED;
	return f->requests > 2 ? REFUSE : DELAY;
}

static void
fenced(void)
{
	begin(11);
	fake_listen();
	fake.plan = plan_fenced;
	run(100);
	CHECK(seen.status == EXIT_FENCED);
	CHECK(seen.committed == fake.count);
	CHECK(seen.committed < 100);
	finish();
}

static void
named(void)
{
	begin(12);
	fake_listen();
	settings.session = "s";
	run(100);
	all_is_committed(100);
	CHECK(seen.is_open);
	CHECK(seen.opened == 0);
	uint64_t epoch = fake.epoch;
	appender_free(appender);
	appender = NULL;
	seen = (struct seen){.ordered = true};
	run(100); /* nothing more is wanted: it opens only */
	CHECK(seen.opened == 100);
	CHECK(fake.epoch > epoch);
	finish();
}

static enum deed
plan_replace(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	(void)reason;
	if (f->count >= 50)
		f->epoch = 999999;
	return ADMIT;
}

static void
replaced(void)
{
	begin(13);
	fake_listen();
	fake.plan = plan_replace;
	settings.session = "s";
	run(100);
	CHECK(seen.status == EXIT_FENCED);
	finish();
}

static void
begin_cursor(uint64_t seed)
{
	begin(seed);
	fake_listen();
	settings.session = "s";
	settings.cursor = true;
	settings.in_flight_max = 1;
}

static void
cursor(void)
{
	begin_cursor(14);
	run(60);
	all_is_committed(60);
	CHECK(seen.is_open && seen.opened == 0 && seen.position == 0 && fake.position == 60);
	CHECK(fake.requests == 61); /* one ACK each */
	appender_free(appender);
	appender = NULL;
	seen = (struct seen){.ordered = true};
	run(60);
	CHECK(seen.opened == 60 && seen.position == 60);
	finish();
}

static void
cursor_replaced(void)
{
	begin_cursor(15);
	fake.plan = plan_replace;
	run(100);
	CHECK(seen.status == EXIT_FENCED && seen.committed == 50);
	finish();
}

static enum deed
plan_doubt_then_replace(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	(void)reason;
	if (f->requests == 6)
		return DOUBT;
	if (f->requests > 6)
		f->epoch = 999999;
	return ADMIT;
}

static void
cursor_replaced_in_doubt(void)
{
	begin_cursor(16);
	fake.plan = plan_doubt_then_replace;
	run(100);
	CHECK(seen.status == EXIT_FENCED && seen.committed == 4 && fake.count == 5);
	CHECK(strcmp(seen.why, "another consumer has opened it") == 0);
	finish();
}

static enum deed
plan_dropped(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	*reason = RAFT_REASON_EXPIRED;
	return f->requests > 3 ? REFUSE : ADMIT;
}

static void
cursor_dropped(void)
{
	begin_cursor(17);
	fake.plan = plan_dropped;
	run(100);
	CHECK(seen.status == EXIT_FENCED && strcmp(seen.why, "the cursor has been dropped") == 0);
	finish();
}

static enum deed
plan_ahead(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	*reason = RAFT_REASON_CURSOR_AHEAD;
	return f->requests > 3 ? REFUSE : ADMIT;
}

static void
cursor_ahead(void)
{
	begin_cursor(18);
	fake.plan = plan_ahead;
	run(100);
	CHECK(seen.status == EXIT_DATA);
	finish();
}

/* Any deed, now and then; none after so many requests. */
static enum deed
plan_random(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	static const enum raft_reason reasons[] = {RAFT_REASON_NO_LEADER, RAFT_REASON_NOT_LEADER,
	    RAFT_REASON_BUSY, RAFT_REASON_STEPPED_DOWN, RAFT_REASON_AHEAD, RAFT_REASON_DISK_LOST};
	static const enum deed deeds[] = {
	    REFUSE, FORGET, DOUBT, DIE_BEFORE, DIE_AFTER, DELAY, DELAY, HALF};
	(void)propose;
	*reason = reasons[rng(6)];
	if (f->requests > 150)
		return ADMIT;
	return rng(6) ? rng(3) ? ADMIT : DELAY : deeds[rng(8)];
}

static void
random_faults(uint64_t seed)
{
	begin(seed);
	fake_listen();
	fake.plan = plan_random;
	settings.session = seed % 4 == 0 || seed % 4 == 3 ? "s" : NULL;
	settings.cursor = seed % 4 == 3;
	settings.in_flight_max = settings.cursor ? 1 : 1 + rng(64);
	settings.give_up_ms = 10000;
	burst = 1 + rng(20);
	run(300);
	all_is_committed(300);
	finish();
}

/* As above, and then it stays bad: the status must be right. */
static enum deed
plan_random_bad(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	enum deed deed = plan_random(f, propose, reason);
	if (f->requests < 20)
		return deed;
	return deed == ADMIT || deed == DELAY || deed == HALF || deed == DOUBT ? REFUSE : deed;
}

static void
random_end(uint64_t seed)
{
	begin(seed);
	fake_listen();
	fake.plan = plan_random_bad;
	settings.give_up_ms = 200;
	burst = 1 + rng(20);
	run(1000);
	CHECK(seen.failed);
	finish();
}

/* Says which seed went wrong. */
static void
each_seed(void (*test)(uint64_t seed), uint64_t first)
{
	for (uint64_t seed = first; seed < first + seeds_count; seed++) {
		int before = check_failures;
		test(seed);
		if (check_failures > before)
			printf("# seed %llu\n", (unsigned long long)seed);
	}
}

static void
all_random_faults(void)
{
	each_seed(random_faults, 100);
}

static void
all_random_ends(void)
{
	each_seed(random_end, 200);
}

static void
pauses(void)
{
	static const uint64_t steps_ms[] = {20, 40, 80, 100, 100};
	uint64_t pause = 0;
	for (size_t i = 0; i < sizeof steps_ms / sizeof steps_ms[0]; i++) {
		pause = refusal_pause_ms(pause, RAFT_REASON_NO_LEADER);
		CHECK(pause == steps_ms[i]);
	}
	CHECK(refusal_pause_ms(pause, RAFT_REASON_LEADER_CHANGED) == steps_ms[0]);
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		seeds_count = strtoull(argv[1], NULL, 10);
	log_init("client_appender");
	seal_init();
	check_run("appender: what is appended is committed once, in order", plain_run);
	check_run("a client asks again after at most 100 ms, and after 20 when the leader changed",
	    pauses);
	check_run("appender: no node: 69 after the time", nothing_is_running);
	check_run("appender: no leader and nothing pending: 69", no_quorum);
	check_run("appender: the leader's disk is full: 75", full_disk);
	check_run("appender: no answer: 76", silence);
	check_run("appender: refused speaks of one attempt: a doubt before it stays (76)",
	    doubt_is_not_forgotten);
	check_run("appender: a connection that ends leaves what was sent in doubt (76)",
	    lost_connection_is_a_doubt);
	check_run("appender: an opening that is too old, nothing unknown: a new session", too_old);
	check_run(
	    "appender: an opening that is too old after an unknown answer: 76", too_old_in_doubt);
	check_run("appender: a session that expired between entries: a new one", expired);
	check_run("appender: fenced: 77 once all before it is answered", fenced);
	check_run("appender: a named session is opened, and opened again by the next run", named);
	check_run("appender: another producer takes the session over: 77", replaced);
	check_run(
	    "appender: a cursor gets one ACK at a time, and its next owner its position", cursor);
	check_run("appender: another consumer takes the cursor over: 77", cursor_replaced);
	check_run("appender: and 77 also when the last ACK is in doubt", cursor_replaced_in_doubt);
	check_run("appender: a cursor that was dropped: 77", cursor_dropped);
	check_run("appender: a position beyond the end of the log: 65", cursor_ahead);
	check_run(
	    "appender: faults of all kinds: nothing is lost, nothing doubled", all_random_faults);
	check_run("appender: an end among faults is called by its name", all_random_ends);
	return check_done();
}
