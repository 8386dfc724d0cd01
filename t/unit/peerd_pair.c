/* SPDX-License-Identifier: ISC */
/* Which of two connections stays, and what raft-elect reads of that. */
#include "peerd_pair.h"

static void
test_one_dials(void)
{
	for (unsigned node = 0; node < 2; node++) {
		start();
		node_dial(node);
		run();
		CHECK(is_one() && route_of(node)->open->dialer);
		send_vote(0, 7);
		send_vote(1, 8);
		run();
		CHECK(heard_is(1, " 7") && heard_is(0, " 8"));
		stop();
	}
}

/* What has come at the accepted ends, or at the others, is received. */
static void
deliver_all(bool accepted)
{
	for (size_t i = 0; i < STREAMS_MAX; i++)
		if (live[i] && live[i]->accepted == accepted)
			stream_deliver(live[i]);
	node_turn(0);
	node_turn(1);
}

/* Each has got the reply to its hello before the first record of the other comes. */
static void
test_both_dial(void)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		start();
		node_dial(0);
		node_dial(1);
		for (size_t i = 0; i < STREAMS_MAX; i++)
			if (live[i])
				stream_accept(live[i]);
		node_turn(0);
		node_turn(1);
		deliver_all(true);
		deliver_all(false);
		CHECK(route_of(0)->open && route_of(1)->open && !is_one());
		run_seed(seed);
		CHECK(is_one() && route_of(0)->open->dialer);
		stop();
	}
}

/* In any order, also such that one is open before the other hello is sent. */
static void
test_both_dial_in_any_order(void)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		start();
		node_dial(0);
		node_dial(1);
		run_seed(seed);
		CHECK(is_one());
		heard(0);
		heard(1);
		send_vote(0, 7);
		send_vote(1, 8);
		run();
		CHECK(heard_is(1, " 7") && heard_is(0, " 8"));
		stop();
	}
}

/* The connection has ended at this node, and at the other it seems to be open. */
static void
lose_silently(unsigned node)
{
	stream_part(route_of(node)->open->stream);
	run();
}

/* By the node that dialled the old one or by the other, and dialled again by either. */
static void
test_dials_again(void)
{
	for (unsigned dialer = 0; dialer < 2; dialer++)
		for (unsigned again = 0; again < 2; again++) {
			start();
			node_dial(dialer);
			run();
			lose_silently(again);
			CHECK(route_of(again)->open == NULL && route_of(!again)->open != NULL);
			heard(0);
			heard(1);
			node_dial_again(again);
			send_vote(again, 9);
			run();
			CHECK(is_one() && route_of(again)->open->dialer);
			CHECK(heard_is(!again, " lost 9"));
			stop();
		}
}

static void
test_restarts(void)
{
	for (unsigned dialer = 0; dialer < 2; dialer++)
		for (unsigned again = 0; again < 2; again++) {
			start();
			node_dial(dialer);
			run();
			node_stop(again, true);
			node_start(again);
			node_members(again);
			heard(!again);
			node_dial(again);
			send_vote(again, 9);
			run();
			CHECK(is_one() && route_of(again)->open->dialer);
			CHECK(heard_is(!again, " lost 9"));
			stop();
		}
}

/* A frame of the old connection is being received when the new one takes its place. */
static void
test_last_frame(void)
{
	start();
	node_dial(0);
	run();
	struct stream *old = route_of(0)->open->stream;
	heard(0);
	old->held = true;
	send_vote(1, 5);
	lose_silently(1);
	node_dial_again(1);
	send_vote(1, 9);
	racing = true;
	run();
	CHECK(!racing && is_one());
	CHECK(heard_is(0, " 5 lost 9"));
	stop();
}

/* The frame is received before the turn ends in which the connection is opened. */
static void
test_announced(void)
{
	start();
	node_dial(0);
	run();
	heard(0);
	lose_silently(1);
	node_dial_again(1);
	/* n2 is open first, and sends the frame right after its first record. */
	send_vote(1, 9);
	for (size_t i = 0; route_of(1)->open == NULL; i++)
		step_one(i);
	node_turn(1);
	eager = true;
	run();
	eager = false;
	CHECK(heard_is(0, " lost 9"));
	stop();
}

/* A frame larger than what is kept of many waits while the connection is made, for a second. */
static void
test_waits(void)
{
	struct mono_ms now = mono_now();
	start();
	send_append(0, 300 << 10);
	peer_tick(nodes[0].peerd.peers[0], (struct mono_ms){now.ms + 500}, false);
	node_dial(0);
	run();
	CHECK(is_one() && heard_is(1, " append"));
	stop();
	start();
	send_append(0, 300 << 10);
	peer_tick(nodes[0].peerd.peers[0], (struct mono_ms){mono_now().ms + 1500}, false);
	CHECK(heard_is(0, " lost"));
	node_dial(0);
	run();
	CHECK(is_one() && heard_is(1, ""));
	stop();
}

/* More than a raft-elect that does not read may have waiting. */
static void
test_pause(void)
{
	enum { COUNT = 60, SIZE = 250 << 10 };
	start();
	node_dial(0);
	run();
	heard(0);
	heard_frames = 0;
	for (int i = 0; i < COUNT; i++) {
		send_append(1, SIZE);
		run();
	}
	struct stream *here = route_of(0)->open->stream;
	CHECK(here->at == NULL && here->in.size > 1 << 20);
	CHECK(delivery_choked(nodes[0].peerd.delivery));
	/* A silence that this node makes itself is not the peer's. */
	for (uint64_t ms = 0; ms < 20000; ms += 1000)
		peer_tick(nodes[0].peerd.peers[0], (struct mono_ms){mono_now().ms + ms}, true);
	CHECK(is_one());
	for (int i = 0; i < TURNS; i++) {
		heard(0);
		run();
	}
	CHECK(heard_frames == COUNT && here->at != NULL && here->in.size == 0);
	stop();
}

/* n2 dials again and sends its first record, and is started again before that comes. */
static void
test_late_record(void)
{
	struct stream *late = NULL;
	start();
	node_dial(1);
	run();
	lose_silently(1);
	node_dial_again(1);
	for (size_t i = 0; i < STREAMS_MAX; i++)
		if (live[i] && stream_accept(live[i]))
			late = live[i];
	node_turn(1);
	deliver_all(true);
	deliver_all(false);
	CHECK(route_of(1)->open && route_of(1)->open->stream->other == late);
	node_stop(1, true);
	node_start(1);
	node_members(1);
	node_dial(1);
	run();
	const struct connection *open = route_of(0)->open;
	CHECK(open && open->stream->other == route_of(1)->open->stream);
	late->held = false;
	run();
	CHECK(is_one() && route_of(0)->open == open);
	stop();
}

/* A connection of that host, which sends nothing; how many of n1 there are then. */
static size_t
connect_stranger(uint8_t host)
{
	struct stream *stream = stream_new(0);
	size_t count = 0;
	stream->accepted = true;
	stream->host.s6_addr[15] = host;
	connection_accepted(stream, &nodes[0].peerd);
	node_turn(0);
	for (const struct connection *c = nodes[0].peerd.connections; c; c = c->next)
		count += c->state != CONNECTION_ENDED;
	return count;
}

static void
test_strangers(void)
{
	enum { A_HOST = 8, ALL = 32 };
	start();
	node_dial(0);
	run();
	for (uint8_t host = 1; host <= ALL / A_HOST; host++)
		for (size_t i = 1; i <= 2 * A_HOST; i++) {
			size_t mine = i < A_HOST ? i : A_HOST;
			CHECK(connect_stranger(host) == 1U + (host - 1U) * A_HOST + mine);
		}
	CHECK(connect_stranger(100) == 1 + ALL);
	for (size_t i = 1; i <= A_HOST; i++)
		CHECK(connect_stranger(MEMBER_HOST) == 1 + ALL + i);
	CHECK(route_of(0)->open != NULL);
	connections_tick(&nodes[0].peerd, (struct mono_ms){mono_now().ms + 6000});
	node_turn(0);
	CHECK(is_one());
	stop();
}

int
main(void)
{
	log_init("peerd_pair");
	seal_init();
	check_run("pair: one dials, and both use the connection", test_one_dials);
	check_run("pair: of two dials that overlap the one of the lower id stays", test_both_dial);
	check_run("pair: two dials in any order end with one connection that both use",
	    test_both_dial_in_any_order);
	check_run("pair: a node that lost its end and dials again is let in, whatever its id",
	    test_dials_again);
	check_run("pair: a node that was started again and dials is let in, whatever its id",
	    test_restarts);
	check_run("pair: ⚠ the last frame of a connection comes before the word that it is lost",
	    test_last_frame);
	check_run(
	    "pair: ⚠ a loss is announced before a frame that comes right after the first record",
	    test_announced);
	check_run("pair: a large frame waits for a connection, for a second", test_waits);
	check_run("pair: ⚠ receiving pauses while raft-elect does not read, and nothing is lost",
	    test_pause);
	check_run("pair: a late first record of a process that was replaced changes nothing",
	    test_late_record);
	check_run(
	    "pair: strangers have places per host and in all, and the members' addresses more",
	    test_strangers);
	return check_done();
}
