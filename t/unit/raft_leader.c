/* SPDX-License-Identifier: ISC */
/*
 * The leader's side: progress of each peer, commit, windows, repair.
 */
#include "raft_cluster.h"

/* The leader of `members`, with entries of these terms before its no-op. */
static void
leader(struct rig *rig, int members, const uint64_t *terms, size_t count)
{
	rig_init(rig, 1, members);
	for (size_t i = 0; i < count; i++)
		rig_disk_put(rig, terms[i], RAFT_NOOP);
	rig_start(rig);
	rig_elect(rig);
}

static void
propose(struct rig *rig, int session, uint64_t serial, size_t count)
{
	struct raft_sid sid = rig_sid(session, false);

	rig_propose_serials(rig, 1, &sid, serial, count, (struct raft_proposal){0});
}

static struct raft_peer_status
peer(const struct rig *rig, int number)
{
	struct raft_status status = rig_status(rig);
	struct raft_peer_status none;

	memset(&none, 0, sizeof none);
	for (size_t i = 0; i < status.peers_count; i++)
		if (status.peers[i].id.s[1] == '0' + number)
			return status.peers[i];
	return none;
}

static void
test_noop_first(void)
{
	static const uint64_t terms[3] = {1, 1, 1};
	struct rig rig;

	leader(&rig, 3, terms, 3);
	CHECK(rig_status(&rig).last.index == 4 &&
	      rig_status(&rig).last.term == rig_status(&rig).term);
	CHECK(raft_entry_at(rig.raft, 4)->kind == RAFT_NOOP);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.prev.index == 3);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.entries_count == 1);
	/* C27: all old entries are committed with it, in one round trip. */
	rig_accept(&rig, 2, 4);
	CHECK(rig.commit == 4);
	rig_free(&rig);
}

static void
test_own_term_only(void)
{
	static const uint64_t terms[4] = {1, 1, 2, 2};
	struct rig rig;

	leader(&rig, 5, terms, 4);
	rig_accept(&rig, 2, 4);
	rig_accept(&rig, 3, 4);
	rig_accept(&rig, 4, 4);
	CHECK(rig.commit == 0);
	/* C2: and with one of the own term, those before it. */
	rig_accept(&rig, 2, 5);
	CHECK(rig.commit == 0);
	rig_accept(&rig, 3, 5);
	CHECK(rig.commit == 5);
	rig_free(&rig);
}

static void
test_heartbeat_commit(void)
{
	struct rig rig;

	leader(&rig, 3, NULL, 0);
	propose(&rig, 1, 1, 7);
	rig_accept(&rig, 2, 8);
	CHECK(rig.commit == 8);
	rig_accept(&rig, 3, 3);
	rig_sent_clear(&rig);
	rig_unreachable(&rig, 3);
	rig_time(&rig, RIG_HEARTBEAT);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 3)->append.commit == 3);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 3)->append.prev.index == 3);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 2)->append.commit == 8);
	rig_free(&rig);
}

static void
test_match_rises(void)
{
	struct rig rig;

	leader(&rig, 3, NULL, 0);
	propose(&rig, 1, 1, 8);
	rig_accept(&rig, 2, 9);
	rig_accept(&rig, 2, 5);
	CHECK(peer(&rig, 2).match == 9 && peer(&rig, 2).next == 10);
	/* C9: nor does a stale refusal move next below it. */
	rig_append_reply(&rig, 2, rig_status(&rig).term, false, 4, (struct raft_pos){0, 0}, 1);
	CHECK(peer(&rig, 2).match == 9 && peer(&rig, 2).next == 10);
	CHECK(strcmp(peer(&rig, 2).state, "pipeline") == 0);
	rig_free(&rig);
}

static void
test_refusal_credits_nothing(void)
{
	struct rig rig;

	leader(&rig, 3, NULL, 0);
	propose(&rig, 1, 1, 8);
	rig_append_reply(&rig, 2, rig_status(&rig).term, false, 30, (struct raft_pos){30, 1}, 1);
	rig_append_reply(&rig, 3, rig_status(&rig).term, false, 8, (struct raft_pos){8, 1}, 1);
	CHECK(rig.commit == 0 && peer(&rig, 2).match == 0 && peer(&rig, 3).match == 0);
	rig_free(&rig);
}

static void
test_reply_beyond_log(void)
{
	struct rig rig;
	uint64_t dropped;

	leader(&rig, 3, NULL, 0);
	dropped = rig_status(&rig).dropped;
	rig_append_reply(&rig, 2, rig_status(&rig).term, true, 9, (struct raft_pos){9, 1}, 1);
	rig_append_reply(&rig, 2, rig_status(&rig).term, true, 1, (struct raft_pos){1, 77}, 1);
	rig_append_reply(&rig, 2, rig_status(&rig).term, true, 1, (struct raft_pos){0, 0}, 1);
	rig_append_reply(&rig, 2, rig_status(&rig).term, true, 1, (struct raft_pos){1, 1}, 1000);
	CHECK(rig.commit == 0 && rig_status(&rig).dropped == dropped + 4);
	rig_free(&rig);
}

static void
test_backs_up_by_terms(void)
{
	/*
	 * Ours 1 1 1 4 4 5 5 6 6 6 (figure 7 of the paper), the follower's 1 1 1 2 2 2 3 3 3 3 3.
	 */
	static const uint64_t ours[10] = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
	static const uint64_t theirs[11] = {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3};
	struct net net;
	uint64_t before;

	memset(&net, 0, sizeof net);
	net.count = 3;
	for (int i = 0; i < 3; i++) {
		rig_init(&net.rigs[i], i + 1, 3);
		for (size_t j = 0; j < (i == 1 ? 11u : 10u); j++)
			rig_disk_put(&net.rigs[i], i == 1 ? theirs[j] : ours[j], RAFT_NOOP);
		net.rigs[i].disk.term = 6;
		rig_start(&net.rigs[i]);
	}
	net_isolate(&net, 1, true);
	CHECK(net_elect(&net) != 1);
	net_isolate(&net, 1, false);
	before = net.delivered;
	net_run(&net, 3 * RIG_HEARTBEAT);
	CHECK(net_equal(&net));
	/* One probe for each of the two terms that differ, and the heartbeats. */
	CHECK(net.delivered - before < 40);
	net_free(&net);
}

static void
test_long_divergence(void)
{
	struct net net;
	uint64_t before;
	int chief;

	memset(&net, 0, sizeof net);
	net.count = 3;
	for (int i = 0; i < 3; i++) {
		rig_init(&net.rigs[i], i + 1, 3);
		net.rigs[i].settings.message_size_max = 1 << 20;
		net.rigs[i].settings.window_size_max = 4 << 20;
		net.rigs[i].settings.tail_size_max = 4 << 20;
		for (uint64_t j = 0; j < 10000; j++)
			rig_disk_put(
			    &net.rigs[i], i == 1 ? 1 + j / 1000 * 2 : 2 + j / 1000 * 2, RAFT_NOOP);
		net.rigs[i].disk.term = 30;
		rig_start(&net.rigs[i]);
	}
	net_isolate(&net, 1, true);
	chief = net_elect(&net);
	CHECK(chief == 0 || chief == 2);
	net_isolate(&net, 1, false);
	before = net.delivered;
	net_run(&net, 5 * RIG_HEARTBEAT);
	CHECK(net_equal(&net));
	/* Ten terms on each side, and 370 KB to send: a few dozen messages. */
	CHECK(net.delivered - before < 150);
	CHECK(net_leader(&net) == chief);
	net_free(&net);
}

static void
test_counts_itself_when_durable(void)
{
	struct rig rig;

	leader(&rig, 3, NULL, 0);
	rig_accept(&rig, 2, 1);
	rig.hold_writes = true;
	rig_sent_clear(&rig);
	propose(&rig, 1, 1, 1);
	/* Sent while its own disk writes (§10.2.1). */
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 2)->append.entries_count == 1);
	rig_accept(&rig, 2, 2);
	CHECK(rig.commit == 1);
	rig_store_all(&rig);
	CHECK(rig.commit == 2);
	rig_sent_clear(&rig);
	propose(&rig, 1, 2, 1);
	rig_accept(&rig, 2, 3);
	rig_accept(&rig, 3, 3);
	/* C17: both followers have it: committed, before its own disk has it. */
	CHECK(rig.commit == 3 && rig_status(&rig).durable == 2);
	rig_free(&rig);
}

static void
test_late_store_after_new_term(void)
{
	struct rig rig;

	leader(&rig, 3, NULL, 0);
	rig_accept(&rig, 2, 1);
	rig.hold_writes = true;
	propose(&rig, 1, 1, 1);
	rig_append(&rig, 2, 2, (struct raft_pos){1, 1}, 2, 1, 0);
	rig_store(&rig, 1);
	CHECK(rig_status(&rig).durable == 1 && rig.commit == 1);
	rig_store_all(&rig);
	CHECK(rig_status(&rig).durable == 2 && rig.disk.entries[1].term == 2);
	rig_free(&rig);
}

static void
test_old_replies(void)
{
	struct rig rig;

	/* What was said to this leader in an earlier term of its own. */
	leader(&rig, 3, NULL, 0);
	propose(&rig, 1, 1, 3);
	rig_append(&rig, 3, 2, (struct raft_pos){0, 0}, 2, 0, 0);
	rig_elect(&rig);
	CHECK(rig_status(&rig).term == 3);
	rig_append_reply(&rig, 2, 1, true, 4, (struct raft_pos){4, 1}, 1);
	CHECK(peer(&rig, 2).match == 0 && peer(&rig, 2).heard_ms == UINT64_MAX);
	rig_append_reply(&rig, 2, 1, false, 4, (struct raft_pos){0, 0}, 1);
	CHECK(peer(&rig, 2).next == 5);
	rig_free(&rig);
}

static void
test_window(void)
{
	struct rig rig;
	uint64_t in_flight = 0;

	leader(&rig, 3, NULL, 0);
	rig_accept(&rig, 2, 1);
	rig_sent_clear(&rig);
	for (uint64_t i = 0; i < 100; i++)
		propose(&rig, 1, 1 + i * 10, 10); /* 450 bytes of records each */
	for (size_t i = 0; i < rig.sent_count; i++)
		if (rig.sent[i].m.to.s[1] == '2')
			in_flight += rig.sent[i].m.append.entries_count > 0;
	CHECK(in_flight > 0 && in_flight <= rig.settings.window_messages_max);
	CHECK(peer(&rig, 2).in_flight <= rig.settings.window_size_max);
	CHECK(peer(&rig, 2).in_flight > 0);
	/* The other peer was never heard: one probe is all that it got. */
	CHECK(strcmp(peer(&rig, 3).state, "probe") == 0);
	/* C23: acknowledged, the window drains and what waits goes out. */
	for (int i = 0; i < 200 && peer(&rig, 2).match < 1001; i++)
		rig_accept(&rig, 2, peer(&rig, 2).next - 1);
	CHECK(peer(&rig, 2).match == 1001 && peer(&rig, 2).in_flight == 0);
	CHECK(rig.commit == 1001);
	for (size_t i = 0; i < rig.sent_count; i++)
		if (rig.sent[i].m.type == RAFT_MSG_APPEND &&
		    rig.sent[i].m.append.entries_count > 1) {
			uint64_t size = 0;

			for (size_t j = 0; j < rig.sent[i].m.append.entries_count; j++)
				size += rig.sent[i].m.append.entries[j].size;
			CHECK(size <= rig.settings.message_size_max);
		}
	rig_free(&rig);
}

static void
test_large_entry(void)
{
	struct rig rig;
	struct raft_sid sid = rig_sid(1, false);
	uint8_t *big = calloc(1, 60000);
	struct raft_entry entry = rig_entry(0, RAFT_CLIENT, &sid, 1, big, 60000);
	struct raft_proposal proposal = {.ticket = 1, .entries = &entry, .entries_count = 1};

	leader(&rig, 3, NULL, 0);
	rig_accept(&rig, 2, 1);
	rig_sent_clear(&rig);
	rig_propose(&rig, &proposal);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 2)->append.entries_count == 1);
	rig_accept(&rig, 2, 2);
	CHECK(rig.commit == 2);
	raft_chunk_unref(entry.chunk);
	free(big);
	rig_free(&rig);
}

static void
test_lost_heals(void)
{
	struct rig rig;

	leader(&rig, 3, NULL, 0);
	rig_accept(&rig, 2, 1);
	propose(&rig, 1, 1, 5);
	CHECK(peer(&rig, 2).next == 7);
	rig_sent_clear(&rig); /* lost */
	rig_time(&rig, RIG_HEARTBEAT);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 2)->append.prev.index == 1);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 2)->append.entries_count == 0);
	rig_accept(&rig, 2, 1);
	/* Sent again, at once. */
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.entries_count == 5);
	rig_accept(&rig, 2, 6);
	CHECK(rig.commit == 6 && strcmp(peer(&rig, 2).state, "pipeline") == 0);
	rig_free(&rig);
}

static void
test_slow_disk_is_no_loss(void)
{
	struct rig rig;
	size_t entries = 0;

	leader(&rig, 3, NULL, 0);
	rig_accept(&rig, 2, 1);
	rig_sent_clear(&rig);
	propose(&rig, 1, 1, 5);
	for (int i = 0; i < 5; i++) {
		uint64_t round;

		rig_time(&rig, RIG_HEARTBEAT);
		round = rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.round;
		/* It has them in memory, its disk is slow. */
		rig_append_reply(&rig, 2, 1, true, 1, (struct raft_pos){6, 1}, round);
	}
	for (size_t i = 0; i < rig.sent_count; i++)
		if (rig.sent[i].m.to.s[1] == '2')
			entries += rig.sent[i].m.append.entries_count;
	CHECK(entries == 5 && rig.commit == 1);
	rig_accept(&rig, 2, 6);
	CHECK(rig.commit == 6);
	rig_free(&rig);
}

static void
test_unreachable(void)
{
	struct rig rig;

	leader(&rig, 3, NULL, 0);
	rig_accept(&rig, 2, 1);
	propose(&rig, 1, 1, 5);
	rig_sent_clear(&rig);
	for (int i = 0; i < 10; i++) {
		rig_unreachable(&rig, 2);
		propose(&rig, 1, 6 + (uint64_t)i, 1);
	}
	/* C28: nothing but heartbeats until it answers. */
	for (size_t i = 0; i < rig.sent_count; i++)
		CHECK(rig.sent[i].m.to.s[1] != '2' || rig.sent[i].m.append.entries_count == 0);
	CHECK(strcmp(peer(&rig, 2).state, "probe") == 0 && peer(&rig, 2).in_flight == 0);
	rig_time(&rig, RIG_HEARTBEAT);
	rig_accept(&rig, 2, 1);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.entries_count == 15);
	rig_free(&rig);
}

static void
test_new_incarnation(void)
{
	struct rig rig;
	struct raft_message message;

	leader(&rig, 3, NULL, 0);
	propose(&rig, 1, 1, 5);
	rig_accept(&rig, 2, 6);
	CHECK(rig.commit == 6 && peer(&rig, 2).match == 6);
	message = rig_make(RAFT_MSG_APPEND_REPLY, 2, 1, 1);
	message.append_reply.start_number = 777;
	message.append_reply.match = 6;
	message.append_reply.hint = (struct raft_pos){3, 1};
	rig_message(&rig, &message);
	CHECK(peer(&rig, 2).match == 0 && rig.commit == 6);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.echo == 777);
	/* What the former one said comes late, and counts no more. */
	rig_accept(&rig, 2, 6);
	CHECK(peer(&rig, 2).match == 0);
	rig_free(&rig);
}

static void
reply_level(struct rig *rig, int from, uint64_t start_number, uint64_t level)
{
	struct raft_message message =
	    rig_make(RAFT_MSG_APPEND_REPLY, from, 1, rig_status(rig).term);

	message.append_reply.ok = true;
	message.append_reply.start_number = start_number;
	message.append_reply.level = level;
	rig_message(rig, &message);
}

static void
test_levels(void)
{
	struct rig rig;
	struct raft_pos prev;

	leader(&rig, 3, NULL, 0);
	CHECK(peer(&rig, 1).level == rig.settings.level_max && peer(&rig, 2).level == 0);
	reply_level(&rig, 2, 2, 3);
	CHECK(peer(&rig, 2).level == 3 && rig_status(&rig).level_min == 0);
	reply_level(&rig, 3, 3, 1);
	CHECK(peer(&rig, 3).level == 1 && rig_status(&rig).level_min == 1);
	/* It was upgraded; this node was not. */
	reply_level(&rig, 3, 33, 3);
	CHECK(peer(&rig, 3).level == 3 && rig_status(&rig).level_min == rig.settings.level_max);
	prev = rig_status(&rig).last;
	rig_append(&rig, 2, 2, prev, 2, 0, 0);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER && rig_status(&rig).level_min == 0);
	rig_elect(&rig);
	CHECK(peer(&rig, 2).level == 0 && rig_status(&rig).level_min == 0);
	rig_free(&rig);
}

static void
test_levels_of_learners(void)
{
	struct rig rig;

	rig_init(&rig, 1, 3);
	rig.config = rig_config(3, 1, false);
	rig_start(&rig);
	rig_elect(&rig);
	reply_level(&rig, 2, 2, 1);
	CHECK(rig_status(&rig).level_min == 0);
	reply_level(&rig, 3, 3, 1);
	CHECK(rig_status(&rig).level_min == 1);
	rig_free(&rig);
}

static void
test_fetch(void)
{
	struct net net;
	int chief;

	net_new(&net, 3, 0);
	for (int i = 0; i < 3; i++) {
		net.rigs[i].settings.tail_size_max = 100;
		rig_start(&net.rigs[i]);
	}
	chief = net_elect(&net);
	net_isolate(&net, (chief + 1) % 3, true);
	for (uint64_t i = 0; i < 500; i++) {
		propose(&net.rigs[chief], 1, i + 1, 1);
		net_settle(&net);
	}
	CHECK(raft_entry_at(net.rigs[chief].raft, 100) == NULL);
	net_isolate(&net, (chief + 1) % 3, false);
	net_run(&net, 3 * RIG_E);
	CHECK(net_equal(&net) && net.rigs[0].disk.count >= 501);
	CHECK(net_leader(&net) == chief);
	net_free(&net);
}

static void
test_fetch_checked(void)
{
	struct rig rig;
	struct raft_event event = {.type = RAFT_EVENT_FETCHED};
	struct raft_entry wrong;

	leader(&rig, 3, NULL, 0);
	rig.settings.tail_size_max = 0;
	rig_free(&rig);
	rig_init(&rig, 1, 3);
	rig.settings.tail_size_max = 0;
	for (int i = 0; i < 10; i++)
		rig_disk_put(&rig, 1, RAFT_NOOP);
	rig_start_commit(&rig, 10);
	rig_elect(&rig);
	rig_append_reply(&rig, 2, 2, false, 10, (struct raft_pos){3, 1}, 1);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.prev.index == 3);
	rig_append_reply(&rig, 2, 2, true, 3, (struct raft_pos){3, 1}, 1);
	CHECK(rig.fetches_count == 1 && rig.fetches[0].first_index == 4);
	CHECK(strcmp(peer(&rig, 2).state, "fetch") == 0);
	/* One under way is enough. */
	rig_time(&rig, RIG_HEARTBEAT);
	CHECK(rig.fetches_count == 1);
	/* Entries of a term that this log does not have there. */
	wrong = rig_entry(9, RAFT_NOOP, NULL, 0, NULL, 0);
	event.fetched.request = rig.fetches[0].request;
	event.fetched.first_index = 4;
	event.fetched.entries = &wrong;
	event.fetched.entries_count = 1;
	rig_sent_clear(&rig);
	rig_event(&rig, &event);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 2) == NULL);
	/* It can't be had now: tried again after the next heartbeat is answered. */
	rig_time(&rig, RIG_HEARTBEAT);
	rig_accept(&rig, 2, 3);
	CHECK(rig.fetches_count == 2);
	net_fetch(&rig, &rig.fetches[1]);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.prev.index == 3);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.entries_count == 8);
	raft_chunk_unref(wrong.chunk);
	rig_free(&rig);
}

static void
test_fetch_ends_with_leadership(void)
{
	struct rig rig;

	rig_init(&rig, 1, 3);
	rig.settings.tail_size_max = 0;
	for (int i = 0; i < 10; i++)
		rig_disk_put(&rig, 1, RAFT_NOOP);
	rig_start_commit(&rig, 10);
	rig_elect(&rig);
	rig_append_reply(&rig, 2, 2, true, 3, (struct raft_pos){3, 1}, 1);
	rig_append_reply(&rig, 2, 2, false, 10, (struct raft_pos){3, 1}, 1);
	rig_append_reply(&rig, 2, 2, true, 3, (struct raft_pos){3, 1}, 1);
	CHECK(rig.fetches_count == 1);
	rig_append(&rig, 3, 5, (struct raft_pos){10, 1}, 5, 1, 10);
	rig_sent_clear(&rig);
	net_fetch(&rig, &rig.fetches[0]);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 2) == NULL);
	rig_free(&rig);
}

static void
test_compacted(void)
{
	struct rig rig;
	struct raft_start start;
	struct raft_config_at config;
	struct raft_term_start terms = {101, 3};
	size_t appends = 0;

	/* The log begins after 100; a peer has only 5. */
	rig_init(&rig, 1, 3);
	memset(&start, 0, sizeof start);
	memset(&config, 0, sizeof config);
	config.config = rig.config;
	start.term = 3;
	start.level = 1;
	start.start_number = 1;
	start.before = (struct raft_pos){100, 2};
	start.last = (struct raft_pos){110, 3};
	start.commit = start.last;
	start.terms = &terms;
	start.terms_count = 1;
	start.configs = &config;
	start.configs_count = 1;
	start.sessions = raft_sessions_new();
	rig.raft = raft_new(&rig.settings, &start, (struct mono_ms){rig.now});
	rig.commit = 110;
	rig.hold_writes = true;
	for (int i = 0; i < 50 && rig_status(&rig).role == RAFT_FOLLOWER; i++)
		rig_time(&rig, 100);
	rig_vote_reply(&rig, 3, 4, true, true);
	rig_vote_reply(&rig, 3, 4, false, true);
	/* The votes count once the own one is durable. */
	{
		struct raft_event event = {.type = RAFT_EVENT_STORED};

		event.stored_number = rig.writes[0].w.number;
		rig_step(&rig, &event);
	}
	CHECK(rig_status(&rig).role == RAFT_LEADER);
	rig_append_reply(&rig, 2, 4, false, 110, (struct raft_pos){5, 1}, 1);
	CHECK(strcmp(peer(&rig, 2).state, "snapshot") == 0);
	CHECK(rig.snapshots_count == 1 && rig.snapshots[0].peer.s[1] == '2');
	rig_sent_clear(&rig);
	for (int i = 0; i < 5; i++) {
		rig_time(&rig, RIG_HEARTBEAT);
		rig_append_reply(&rig, 2, 4, true, 0, (struct raft_pos){0, 0},
		    rig_find_last(&rig, RAFT_MSG_APPEND, 2)->append.round);
	}
	/* Heartbeats with a place that every log has; never a made-up term. */
	for (size_t i = 0; i < rig.sent_count; i++) {
		if (rig.sent[i].m.to.s[1] != '2')
			continue;
		appends++;
		CHECK(rig.sent[i].m.append.prev.index == 0 && rig.sent[i].m.append.prev.term == 0);
		CHECK(rig.sent[i].m.append.entries_count == 0 && rig.sent[i].m.append.commit == 0);
	}
	CHECK(appends == 5 && rig.fetches_count == 0);
	/* C14: from 101 on it can be done. */
	rig_append_reply(&rig, 3, 4, false, 110, (struct raft_pos){100, 2}, 1);
	CHECK(peer(&rig, 3).next == 101);
	CHECK(rig_find_last(&rig, RAFT_MSG_APPEND, 3)->append.prev.term == 2);
	rig_free(&rig);
}

static void
test_addresses(void)
{
	struct rig rig;

	rig_init(&rig, 1, 3);
	rig.settings.addresses = rig_config(3, 0, true);
	rig.settings.addresses.members[2].key[0] = 99; /* another key: another node */
	rig_start(&rig);
	rig_elect(&rig);
	CHECK(rig_status(&rig).last.index == 1);
	rig_accept(&rig, 2, 1);
	CHECK(rig_status(&rig).last.index == 2 && raft_entry_at(rig.raft, 2)->kind == RAFT_CONFIG);
	CHECK(rig.config_changed);
	CHECK(strcmp(raft_config_now(rig.raft)->members[0].address, "tcp://h1:1") == 0);
	CHECK(raft_config_now(rig.raft)->members[2].address[0] == '\0');
	rig_accept(&rig, 2, 2);
	CHECK(rig.commit == 2 && rig_status(&rig).last.index == 2);
	rig_free(&rig);
}

static void
test_idle(void)
{
	struct net net;
	uint64_t before;
	uint64_t wakes = 0;

	net_new(&net, 3, 0);
	net_elect(&net);
	net_run(&net, 1000);
	before = net.delivered;
	for (int ms = 0; ms < 10000; ms++) {
		for (int i = 0; i < 3; i++) {
			net.rigs[i].now++;
			if (net.rigs[i].wake_at <= net.rigs[i].now) {
				rig_time(&net.rigs[i], 0);
				wakes++;
			}
		}
		net_settle(&net);
	}
	/* Ten heartbeats a second to two peers, a reply each quarter of a timeout; no timer but the
	 * leader's. */
	CHECK(net.delivered - before <= 10 * 10 * 2 + 10 * 4 * 2 + 4);
	CHECK(wakes <= 10 * 10 + 4);
	net_free(&net);
}

static void
test_memory_bounded(void)
{
	struct rig rig;

	/* C28, C32: a leader that nobody answers; refused, bounded, and then in doubt. */
	leader(&rig, 3, NULL, 0);
	rig_accept(&rig, 2, 1);
	for (uint64_t i = 0; i < 30000; i++)
		propose(&rig, 1, i + 1, 1);
	CHECK(rig_status(&rig).uncommitted_size <= rig.settings.uncommitted_size_max);
	CHECK(raft_congested(rig.raft));
	CHECK(rig.answers_count > 0 && rig.answers[0].answer.reason == RAFT_REASON_BUSY);
	rig_clear(&rig);
	rig_time(&rig, 2 * RIG_E);
	CHECK(rig_status(&rig).role == RAFT_FOLLOWER);
	CHECK(rig.answers_count > 20000);
	for (size_t i = 0; i < rig.answers_count; i++)
		CHECK(rig.answers[i].answer.verdict == RAFT_UNKNOWN);
	rig_free(&rig);
}

static void
test_commit_news(void)
{
	struct rig rig;

	/* What is committed is told at once, not with the next heartbeat. */
	leader(&rig, 3, NULL, 0);
	rig_accept(&rig, 2, 1);
	rig_accept(&rig, 3, 1);
	rig_sent_clear(&rig);
	propose(&rig, 1, 1, 1);
	rig_sent_clear(&rig);
	rig_accept(&rig, 2, 2);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 2)->append.commit == 2);
	rig_accept(&rig, 3, 2);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 3)->append.commit == 2);
	CHECK(rig.sent_count == 2);
	rig_free(&rig);
}

/* The leader of three that has an entry committed, and waits for an append to say so. */
static void
commit_waits(struct rig *rig)
{
	rig_init(rig, 1, 3);
	rig->settings.commit_wait_ms = RIG_COMMIT_WAIT;
	rig_start(rig);
	rig_elect(rig);
	rig_accept(rig, 2, 1);
	rig_accept(rig, 3, 1);
	rig_time(rig, RIG_COMMIT_WAIT);
	propose(rig, 1, 1, 1);
	rig_sent_clear(rig);
	rig_accept(rig, 2, 2);
	CHECK(rig->commit == 2 && rig->sent_count == 0);
}

static void
test_commit_with_append(void)
{
	struct rig rig;

	commit_waits(&rig);
	propose(&rig, 1, 2, 1);
	CHECK(rig.sent_count == 2);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 2)->append.commit == 2);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 3)->append.commit == 2);
	/* Then there is nothing left to say. */
	rig_sent_clear(&rig);
	rig_time(&rig, 2 * RIG_COMMIT_WAIT);
	CHECK(rig.sent_count == 0);
	rig_free(&rig);
}

static void
test_commit_alone(void)
{
	struct rig rig;

	commit_waits(&rig);
	CHECK(rig.wake_at == rig.now + RIG_COMMIT_WAIT);
	rig_time(&rig, RIG_COMMIT_WAIT - 1);
	/* The other one has not acknowledged it: its time begins with that. */
	rig_accept(&rig, 3, 2);
	CHECK(rig.sent_count == 0);
	rig_time(&rig, 1);
	CHECK(rig.sent_count == 1);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 2)->append.commit == 2);
	CHECK(rig.wake_at == rig.now + RIG_COMMIT_WAIT - 1);
	rig_time(&rig, RIG_COMMIT_WAIT - 1);
	CHECK(rig.sent_count == 2);
	CHECK(rig_find(&rig, RAFT_MSG_APPEND, 3)->append.commit == 2);
	rig_free(&rig);
}

/* A leader that was deposed meanwhile and leads again owes nothing of that time. */
static void
test_commit_of_earlier_leadership(void)
{
	struct rig rig;

	commit_waits(&rig);
	rig_append(&rig, 2, 2, (struct raft_pos){2, 1}, 2, 0, 0);
	rig_elect(&rig);
	rig_sent_clear(&rig);
	rig_time(&rig, RIG_COMMIT_WAIT);
	CHECK(rig.sent_count == 0);
	rig_free(&rig);
}

int
main(void)
{
	check_run(
	    "C25, C27: a leader begins with a no-op, which commits all before it", test_noop_first);
	check_run(
	    "C1, C2: only an entry of the own term commits by counting, and all before it with it",
	    test_own_term_only);
	check_run(
	    "C6: a heartbeat's commit is bounded by what the peer matches", test_heartbeat_commit);
	check_run("C8, C9: match never falls, and next stays above it", test_match_rises);
	check_run("C10: a refusal credits nothing", test_refusal_credits_nothing);
	check_run("a reply that claims what the leader has not is dropped and counted",
	    test_reply_beyond_log);
	check_run(
	    "C11: a follower's divergent tail is left by terms (figure 7)", test_backs_up_by_terms);
	check_run("C11: ten thousand divergent entries of ten terms heal in a few messages",
	    test_long_divergence);
	check_run("C17: a leader counts itself only once its disk has it",
	    test_counts_itself_when_durable);
	check_run("C19: a write that completes after the term has changed counts for nothing",
	    test_late_store_after_new_term);
	check_run("C9: replies to an earlier leadership are void", test_old_replies);
	check_run("C23: the window bounds what is in flight, and drains", test_window);
	check_run("C15: an entry larger than a message goes alone", test_large_entry);
	check_run("C23: lost messages are found by a heartbeat and sent again", test_lost_heals);
	check_run("a peer with a slow disk is sent nothing twice", test_slow_disk_is_no_loss);
	check_run(
	    "C28: an unreachable peer gets heartbeats only, until it answers", test_unreachable);
	check_run("a peer's new start number resets its match, and the old one never counts again",
	    test_new_incarnation);
	check_run(
	    "a leader knows the lowest level that all members have reported to it in its term",
	    test_levels);
	check_run("a learner's level counts as a voter's does", test_levels_of_learners);
	check_run("entries no longer in memory are read back for a slow peer", test_fetch);
	check_run(
	    "C22: what is read back is checked, and asked for once at a time", test_fetch_checked);
	check_run("C22: what is read back after a leadership has ended is not sent",
	    test_fetch_ends_with_leadership);
	check_run("C12, C14: below the log's beginning nothing is made up", test_compacted);
	check_run("the first leader adds the addresses, of the same id and key", test_addresses);
	check_run("an idle cluster sends and wakes for heartbeats only", test_idle);
	check_run("C28, C32: what a cut-off leader takes is bounded, and then in doubt",
	    test_memory_bounded);
	check_run("a commit is told to the peers at once", test_commit_news);
	check_run("a commit index that waits goes with the next append", test_commit_with_append);
	check_run("a commit index waits no longer than it may", test_commit_alone);
	check_run("a commit index that waits ends with the leadership",
	    test_commit_of_earlier_leadership);
	return check_done();
}
