/* SPDX-License-Identifier: ISC */
/*
 * The appender against a raft-elect that refuses, forgets, doubts and dies by script.
 *
 * The fake keeps a log and admits as section 5 says: each serial once, in order.  What must
 * hold: nothing is lost or doubled, commits are told once and in order, and a failure
 * is called unknown exactly when something may be in the log.
 */
#include "client_fake.h"

static void
plain_run(void)
{
	begin("what is appended is committed once, in order", 1);
	fake_listen();
	run(3000);
	all_is_committed(3000);
	check(fake.requests < 3000);
	finish();
}

static void
nothing_is_running(void)
{
	begin("no node: 69 after the time", 2);
	settings.give_up_ms = 300;
	run(5);
	check(seen.failed);
	check(seen.status == EXIT_UNAVAILABLE);
	check(strstr(seen.why, "is the node running") != NULL);
	finish();
}

static enum deed
plan_no_leader(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	*reason = RAFT_NO_LEADER_REASON;
	return f->requests > 3 ? REFUSE : ADMIT;
}

static void
no_quorum(void)
{
	begin("no leader and nothing pending: 69", 3);
	fake_listen();
	fake.plan = plan_no_leader;
	settings.in_flight_max = 7;
	settings.give_up_ms = 400;
	run(100);
	check(seen.failed);
	check(seen.status == EXIT_UNAVAILABLE);
	check(seen.committed == 21);
	check(fake.requests < 200); /* it pauses */
	finish();
}

static enum deed
plan_full(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	*reason = f->requests % 5 == 1 ? RAFT_DISK_FULL_REASON : RAFT_GAP_REASON;
	return REFUSE;
}

static void
full_disk(void)
{
	begin("the leader's disk is full: 75", 4);
	fake_listen();
	fake.plan = plan_full;
	settings.give_up_ms = 400;
	run(3);
	check(seen.status == EXIT_RETRY);
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
	begin("no answer: 76", 5);
	fake_listen();
	fake.plan = plan_silence;
	settings.give_up_ms = 300;
	run(50);
	check(seen.status == EXIT_UNKNOWN);
	finish();
}

static enum deed
plan_doubt_then_refuse(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	*reason = RAFT_NO_LEADER_REASON;
	return f->requests == 2 ? FORGET : f->requests > 2 ? REFUSE : ADMIT;
}

static void
doubt_is_not_forgotten(void)
{
	begin("refused speaks of one attempt: a doubt before it stays (76)", 6);
	fake_listen();
	fake.plan = plan_doubt_then_refuse;
	settings.in_flight_max = 7;
	settings.give_up_ms = 300;
	run(20);
	check(seen.status == EXIT_UNKNOWN);
	check(seen.committed == 7);
	check(appender_doubtful(appender) == 14);
	finish();
}

static enum deed
plan_die_then_refuse(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	*reason = RAFT_NO_LEADER_REASON;
	return f->requests == 2 ? DIE_BEFORE : f->requests > 2 ? REFUSE : ADMIT;
}

static void
lost_connection_is_a_doubt(void)
{
	begin("a connection that ends leaves what was sent in doubt (76)", 7);
	fake_listen();
	fake.plan = plan_die_then_refuse;
	settings.in_flight_max = 7;
	settings.give_up_ms = 300;
	run(20);
	check(seen.status == EXIT_UNKNOWN);
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
	begin("an opening that is too old, nothing unknown: a new session", 8);
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
	begin("an opening that is too old after an unknown answer: 76", 9);
	fake_listen();
	fake.plan = plan_too_old_in_doubt;
	run(5);
	check(seen.status == EXIT_UNKNOWN);
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
	begin("a session that expired between entries: a new one", 10);
	fake_listen();
	fake.plan = plan_expire;
	settings.in_flight_max = 5;
	run(200);
	check(fake.expire);
	all_is_committed(200);
	finish();
}

static enum deed
plan_fenced(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	(void)propose;
	*reason = RAFT_FENCED_REASON;
	return f->requests > 2 ? REFUSE : DELAY;
}

static void
fenced(void)
{
	begin("fenced: 77 once all before it is answered", 11);
	fake_listen();
	fake.plan = plan_fenced;
	run(100);
	check(seen.status == EXIT_FENCED);
	check(seen.committed == fake.count);
	check(seen.committed < 100);
	finish();
}

static void
named(void)
{
	begin("a named session is opened, and opened again by the next run", 12);
	fake_listen();
	settings.session = "s";
	run(100);
	all_is_committed(100);
	check(seen.is_open);
	check(seen.opened == 0);
	uint64_t epoch = fake.epoch;
	appender_free(appender);
	appender = NULL;
	seen = (struct seen){.ordered = true};
	run(100); /* nothing more is wanted: it opens only */
	check(seen.opened == 100);
	check(fake.epoch > epoch);
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
	begin("another producer takes the session over: 77", 13);
	fake_listen();
	fake.plan = plan_replace;
	settings.session = "s";
	run(100);
	check(seen.status == EXIT_FENCED);
	finish();
}

/* Any deed, now and then; none after so many requests. */
static enum deed
plan_random(struct fake *f, const struct msg_propose *propose, enum raft_reason *reason)
{
	static const enum raft_reason reasons[] = {RAFT_NO_LEADER_REASON, RAFT_NOT_LEADER_REASON, RAFT_BUSY_REASON,
	    RAFT_STEPPED_DOWN_REASON, RAFT_AHEAD_REASON, RAFT_DISK_LOST_REASON};
	static const enum deed deeds[] = {REFUSE, FORGET, DOUBT, DIE_BEFORE, DIE_AFTER, DELAY, DELAY, HALF};
	(void)propose;
	*reason = reasons[rng(6)];
	if (f->requests > 150)
		return ADMIT;
	return rng(6) ? rng(3) ? ADMIT : DELAY : deeds[rng(8)];
}

static void
random_faults(uint64_t seed)
{
	begin("faults of all kinds: nothing is lost, nothing doubled", seed);
	fake_listen();
	fake.plan = plan_random;
	settings.session = seed % 4 == 0 ? "s" : NULL;
	settings.in_flight_max = 1 + rng(64);
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
	begin("an end among faults is called by its name", seed);
	fake_listen();
	fake.plan = plan_random_bad;
	settings.give_up_ms = 200;
	burst = 1 + rng(20);
	run(1000);
	check(seen.failed);
	finish();
}

int
main(int argc, char **argv)
{
	uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 12;
	log_init("client_appender");
	seal_init();
	plain_run();
	nothing_is_running();
	no_quorum();
	full_disk();
	silence();
	doubt_is_not_forgotten();
	lost_connection_is_a_doubt();
	too_old();
	too_old_in_doubt();
	expired();
	fenced();
	named();
	replaced();
	for (uint64_t seed = 100; seed < 100 + seeds; seed++)
		random_faults(seed);
	for (uint64_t seed = 200; seed < 200 + seeds; seed++)
		random_end(seed);
	return failures > 0;
}
