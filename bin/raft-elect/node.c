/* SPDX-License-Identifier: ISC */
/* The life of the core: waiting for the log, running, log lost, again. */
#include "node.h"

#include <inttypes.h>

#include "seal/seal.h"
#include "prog/daemon.h"
#include "grants.h"
#include "notice.h"
#include "perform.h"

enum {
	FED_MAX =
	    16 << 20, /* with so much taken in an update is made at once: its write is one frame */
	MESSAGE_MAX = 16 << 20,
	COMMIT_WAIT_MS = 1,
	STOP_PATIENCE_MS = 1000
};

const char *
node_role_name(const struct node *node)
{
	return node->raft ? raft_role_name(node->role) : "none";
}

const char *
node_member_role(const struct raft_member *member)
{
	return member->role == RAFT_VOTER ? "voter" : "learner";
}

void
node_state_changed(struct node *node, const char *from, const char *why)
{
	if (node->raft) {
		struct raft_status s;
		raft_status(node->raft, mono_now(), &s);
		node->role = s.role;
		node->term = s.term;
		node->leader = s.leader;
	} else
		node->leader = (struct raft_id){0};
	log_info("state", "from=%s to=%s term=%" PRIu64 " leader=%s why=%s", from,
	    node_role_name(node), node->term, node->leader.s, log_q(why));
	clients_tell_state(&node->clients);
	notice_role(node, why);
}

/* ------------------------------------------------------------- the turn */

static void
step_unreachable(struct node *node)
{
	struct raft_config config = *raft_config_now(node->raft);
	for (size_t i = 0; i < config.count; i++) {
		struct raft_event event = {
		    .type = RAFT_EVENT_UNREACHABLE, .unreachable = config.members[i].id};
		if (!raft_id_equal(&event.unreachable, &node->conf->node.id))
			node_step(node, &event, 0);
	}
}

static void
node_on_timer(uv_timer_t *timer)
{
	(void)timer; /* it only begins a turn */
}

static void
node_wake_at(struct node *node, uint64_t at_ms)
{
	uint64_t now_ms = mono_now().ms;
	if (at_ms == UINT64_MAX) {
		uv_timer_stop(&node->timer);
		return;
	}
	if (at_ms == node->timer_ms && uv_is_active((uv_handle_t *)&node->timer))
		return;
	node->timer_ms = at_ms;
	uv_timer_start(&node->timer, node_on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

/* Returns when the next turn is due. */
static uint64_t
turn_core(struct node *node)
{
	if (node->unreachable)
		step_unreachable(node);
	node->unreachable = false;
	uint64_t core_ms = perform_update(node).ms;
	uint64_t opens_ms = session_open_turn(&node->session_opens, mono_now()).ms;
	/* What was lost on the way of this update is for the next one. */
	uint64_t bulk_ms = snap_send_turn(&node->snap_send, mono_now());
	uint64_t peer_ms = peerd_turn(&node->peerd, mono_now());
	return node->unreachable ? 0
				 : min_u64(min_u64(core_ms, opens_ms), min_u64(bulk_ms, peer_ms));
}

/* While it leads: the last thing that it does is to hand that over (§3.10). */
static bool
handing_over(const struct node *node)
{
	struct raft_status s;
	if (node->raft == NULL)
		return false;
	raft_status(node->raft, mono_now(), &s);
	return s.role == RAFT_LEADER && !raft_id_none(&s.transfer);
}

/* All answers are out, or time is up for those that have none: they are unknown. */
static void
stop_if_done(struct node *node)
{
	if ((node->tickets.used > 0 || handing_over(node)) && mono_now().ms < node->stop_at.ms)
		return;
	clients_answer_unknown(&node->clients, RAFT_REASON_NO_ANSWER);
	clients_flush(&node->clients);
	loop_stop(node->loop);
}

static void
node_on_turn(void *arg)
{
	struct node *node = arg;
	uint64_t next_ms = node->raft ? turn_core(node) : UINT64_MAX;
	node->in_turn = false;
	clients_turn(&node->clients);
	next_ms = min_u64(next_ms, grants_turn(&node->clients));
	if (node->stopping) {
		next_ms = min_u64(next_ms, node->stop_at.ms);
		stop_if_done(node);
	}
	node_wake_at(node, next_ms);
}

/*
 * The first thing a core hears in a turn is the time: a leader that was stopped for long learns
 * that it is none any more before it acts on what has gathered meanwhile.
 */
void
node_step(struct node *node, struct raft_event *event, size_t size)
{
	if (node->raft == NULL)
		return;
	event->now = mono_now();
	event->wall_ms = wall_ms();
	event->boot_ms = boot_ms();
	if (!node->in_turn)
		raft_step(node->raft,
		    &(struct raft_event){.type = RAFT_EVENT_TIME,
			.now = event->now,
			.wall_ms = event->wall_ms,
			.boot_ms = event->boot_ms},
		    NULL);
	node->in_turn = true;
	raft_step(node->raft, event, NULL);
	node->fed += size;
	if (node->fed > FED_MAX)
		perform_update(node);
}

void
node_peers_lost(struct node *node)
{
	node->unreachable = true;
}

bool
node_now_removed(struct node *node)
{
	if (node->removed != 0 || (node->removed = raft_removed(node->raft)) == 0)
		return false;
	log_warn("removed", "index=%" PRIu64 " why=%s", node->removed,
	    log_q("this node was removed from the cluster: stop it; it can join again under a new "
		  "id"));
	return true;
}

/* ----------------------------------------------------------- beginnings */

static struct raft_settings
node_settings(const struct conf *conf)
{
	struct raft_settings s = {
	    .id = conf->node.id,
	    .seed = seal_random_u64(),
	    .election_timeout_ms = conf->elect.election_timeout_ms,
	    .heartbeat_ms = conf->elect.heartbeat_ms,
	    .lead_grace_ms = conf->lead.grace_ms,
	    .commit_wait_ms = COMMIT_WAIT_MS,
	    .store_timeout_ms = conf->elect.store_timeout_ms,
	    .message_size_max = min_u64(conf->elect.message, MESSAGE_MAX),
	    .window_size_max = conf->elect.window,
	    .window_messages_max = 256,
	    .uncommitted_size_max = conf->elect.uncommitted,
	    .tail_size_max = conf->elect.tail,
	    .entry_size_max = conf->elect.entry_max,
	    .level_max = RAFT_LEVEL_MAX,
	};
	if (conf->cluster.have_members)
		s.addresses = conf->cluster.members;
	return s;
}

void
node_log_ready(struct node *node, const struct msg_hello_reply *reply, struct raft_start *start)
{
	struct raft_settings s = node_settings(node->conf);
	start->start_number = seal_random_u64();
	node->raft = raft_new(&s, start, mono_now());
	if (node->raft == NULL)
		daemon_die(EXIT_OS, "no memory for a log of this size");
	node->start_number = start->start_number;
	node->cluster = reply->cluster;
	node->commit = start->commit;
	node->fed = 0;
	node->in_turn = false;
	node->unreachable = !link_up(node->peerd.link);
	node_state_changed(node, "none",
	    start->recovering ? "raft-logd has told its log, which is recovering"
			      : "raft-logd has told its log");
	node->peerd.removed = (struct removed){0};
	node->removed = 0;
	node_now_removed(node);
	notice_members(node, "as the log has it");
	peerd_new_config(&node->peerd);
}

void
node_log_lost(struct node *node)
{
	const char *from = node_role_name(node);
	session_open_clear(&node->session_opens);
	snap_send_clear(&node->snap_send);
	snap_receive_clear(&node->snap_receive);
	clients_answer_unknown(&node->clients, RAFT_REASON_DISK_LOST);
	raft_free(node->raft);
	node->raft = NULL;
	node->start_number = 0;
	node->commit = (struct raft_pos){0};
	node->removed = 0;
	node_state_changed(node, from, "raft-logd is gone");
}

void
node_open(struct node *node, const struct conf *conf, struct loop *loop)
{
	char why[SOCK_WHY_SIZE];
	node->conf = conf;
	node->loop = loop;
	node->session_opens.node = node;
	node->snap_send.node = node;
	node->snap_receive.node = node;
	must(uv_timer_init(loop_uv(loop), &node->timer) == 0);
	clients_open(&node->clients, node);
	if (!logd_open(&node->logd, node, why) || !peerd_open(&node->peerd, node, why))
		daemon_die(EXIT_CONFIG, "%s", why);
	notice_role(node, "raft-logd has not reported its log yet");
	loop_on_turn(loop, node_on_turn, node);
}

void
node_stop(struct node *node)
{
	node->stopping = true;
	node->stop_at.ms = mono_now().ms + STOP_PATIENCE_MS;
	clients_close(&node->clients);
	/* To the best one; nobody waits for the answer.  No leader, or none to hand it to: nothing
	 * comes of it. */
	if (node->role == RAFT_LEADER)
		node_step(node, &(struct raft_event){.type = RAFT_EVENT_TRANSFER}, 0);
}
