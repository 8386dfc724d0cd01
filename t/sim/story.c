/* SPDX-License-Identifier: ISC */
/*
 * What each command of a scenario does.
 */
#include "story.h"

#include "sim.h"

#include <stdlib.h>
#include <string.h>

/* In a scenario nothing happens by chance but the election timeouts. */
void
story_init(struct story *story, struct sim *sim)
{
	memset(story, 0, sizeof *story);
	story->sim = sim;
	sim->profile = (struct profile){.name = NULL,
	    .nodes = 3,
	    .level_max = 1,
	    .delay_min_us = 1000,
	    .delay_max_us = 1000,
	    .write_min_us = 500,
	    .write_max_us = 500,
	    .election_timeout_ms = 200,
	    .heartbeat_ms = 20,
	    .store_timeout_ms = 400,
	    .message_size_max = 1 << 20,
	    .window_size_max = 4 << 20,
	    .uncommitted_size_max = 1 << 20,
	    .tail_size_max = 1 << 20,
	    .window_messages_max = 8,
	    .clients = 1,
	    .client_pause_us = 1000,
	    .client_window = 1,
	    .client_batch = 1,
	    .payload_max = 16,
	    .chunks_max = 4};
	sim->faults_over = true;
	sim->clients.stopping = true;
}

void
story_begin(struct story *story)
{
	if (story->begun)
		return;
	story->begun = true;
	sim_begin(story->sim);
	story->sim->clients.stopping = true;
	while (sim_event(story->sim, 100000)) /* all are up by then */
		;
}

static bool
wrong(struct story *story, const char *what)
{
	story->wrong = what;
	return false;
}

/* ------------------------------------------------------------- words */

/* NULL when it is none; "*" only where `any` says so. */
static bool
word_node(struct story *story, const char *word, int *number, bool any)
{
	if (any && strcmp(word, "*") == 0) {
		*number = NET_ANY;
		return true;
	}
	if (word[0] != 'n' || word[1] < '1' || word[1] >= (char)('1' + story->sim->nodes_count) ||
	    word[2] != '\0')
		return wrong(story, "there is no such node");
	*number = word[1] - '1';
	return true;
}

static struct node *
node_at(struct story *story, size_t word)
{
	int number;

	if (word >= story->count) {
		wrong(story, "a node is missing");
		return NULL;
	}
	return word_node(story, story->words[word], &number, false) ? &story->sim->nodes[number]
								    : NULL;
}

static bool
number_at(struct story *story, size_t word, uint64_t *value)
{
	char *end;

	if (word >= story->count)
		return wrong(story, "a number is missing");
	*value = strtoull(story->words[word], &end, 10);
	return (end != story->words[word] && *end == '\0') || wrong(story, "that is no number");
}

static bool
time_at(struct story *story, size_t word, uint64_t *us)
{
	char *end;

	if (word >= story->count)
		return wrong(story, "a time is missing");
	*us = strtoull(story->words[word], &end, 10);
	if (strcmp(end, "ms") == 0)
		*us *= 1000;
	else if (strcmp(end, "s") == 0)
		*us *= 1000000;
	else if (strcmp(end, "us") != 0)
		return wrong(story, "that is no time: write 300ms or 2s");
	return true;
}

/* "n1>n2" */
static bool
pair_at(struct story *story, size_t word, int *from, int *to)
{
	char *sign = word < story->count ? strchr(story->words[word], '>') : NULL;

	if (sign == NULL)
		return wrong(story, "FROM>TO is missing");
	*sign = '\0';
	return word_node(story, story->words[word], from, true) &&
	       word_node(story, sign + 1, to, true);
}

/* ----------------------------------------------------------- set-up */

static bool
do_nodes(struct story *story)
{
	struct profile *profile = &story->sim->profile;
	uint64_t nodes = 0;
	uint64_t learners = 0;

	if (!number_at(story, 1, &nodes) || (story->count > 2 && !number_at(story, 2, &learners)))
		return false;
	if (nodes < 1 || nodes > SIM_NODES_MAX || learners >= nodes)
		return wrong(story, "1 to 7 nodes, one voter at the least");
	profile->nodes = (size_t)nodes;
	profile->learners = (size_t)learners;
	return true;
}

static bool
do_joiners(struct story *story)
{
	uint64_t joiners = 0;

	if (!number_at(story, 1, &joiners))
		return false;
	if (story->sim->profile.nodes + joiners > SIM_NODES_MAX)
		return wrong(story, "9 nodes at the most");
	story->sim->profile.joiners = (size_t)joiners;
	return true;
}

static bool
do_level(struct story *story)
{
	uint64_t level = 0;

	if (!number_at(story, 1, &level))
		return false;
	if (level < 1 || level > RAFT_LEVEL_MAX)
		return wrong(story, "no program supports that level");
	story->sim->profile.level_max = level;
	return true;
}

static bool
do_set(struct story *story)
{
	struct profile *profile = &story->sim->profile;
	const struct {
		const char *name;
		uint64_t *value;
	} settings[] = {
	    {"election_timeout_ms", &profile->election_timeout_ms},
	    {"heartbeat_ms", &profile->heartbeat_ms},
	    {"commit_wait_ms", &profile->commit_wait_ms},
	    {"store_timeout_ms", &profile->store_timeout_ms},
	    {"message_size_max", &profile->message_size_max},
	    {"window_size_max", &profile->window_size_max},
	    {"uncommitted_size_max", &profile->uncommitted_size_max},
	    {"tail_size_max", &profile->tail_size_max},
	    {"delay_us", &profile->delay_min_us},
	    {"seed", &story->sim->seed},
	};

	for (size_t i = 0; story->count == 3 && i < sizeof settings / sizeof settings[0]; i++)
		if (strcmp(story->words[1], settings[i].name) == 0) {
			if (!number_at(story, 2, settings[i].value))
				return false;
			profile->delay_max_us = profile->delay_min_us;
			rng_seed(&story->sim->rng, story->sim->seed);
			return true;
		}
	return wrong(story, "there is no such setting");
}

/* -------------------------------------------------------------- time */

static bool
do_run(struct story *story)
{
	uint64_t us = 0;

	if (!time_at(story, 1, &us))
		return false;
	us += story->sim->world.now_us;
	while (sim_event(story->sim, us))
		;
	return true;
}

static bool
arrived(struct story *story, const struct node *node, uint64_t number)
{
	const char *what = story->words[1];
	struct sim *sim = story->sim;

	if (strcmp(what, "equal") == 0)
		return converged(sim);
	if (strcmp(what, "stored") == 0)
		return node->disk.rows.last >= number;
	if (strcmp(what, "commit") == 0)
		return node->commit >= number;
	return node == NULL ? led(sim) : node->core != NULL && node->role == RAFT_LEADER;
}

static bool
do_until(struct story *story)
{
	struct sim *sim = story->sim;
	uint64_t end = sim->world.now_us + 30000 * sim->profile.election_timeout_ms;
	const char *what = story->count < 2 ? "" : story->words[1];
	bool counts = strcmp(what, "stored") == 0 || strcmp(what, "commit") == 0;
	const struct node *node = NULL;
	uint64_t number = 0;

	if (!counts && strcmp(what, "leader") != 0 && strcmp(what, "equal") != 0)
		return wrong(story, "until leader, equal, stored or commit");
	if (counts || story->count > 2)
		node = node_at(story, 2);
	if (story->wrong != NULL || (counts && !number_at(story, 3, &number)))
		return false;
	while (!arrived(story, node, number))
		if (!sim_event(sim, end))
			return wrong(story, "that does not come about");
	return true;
}

static bool
clock_jump(struct story *story, struct node *node, uint64_t ms)
{
	if (node == NULL)
		return false;
	node->clock.base_ms += ms;
	node_wake_now(story->sim, node);
	return true;
}

static bool
do_stand(struct story *story)
{
	return clock_jump(story, node_at(story, 1), 2 * story->sim->profile.election_timeout_ms);
}

static bool
do_clock(struct story *story)
{
	uint64_t us = 0;

	return time_at(story, 2, &us) && clock_jump(story, node_at(story, 1), us / 1000);
}

/* ----------------------------------------------------------- network */

static bool
do_split(struct story *story)
{
	unsigned left = 0;
	size_t word = 1;

	for (; word < story->count && strcmp(story->words[word], "|") != 0; word++) {
		const struct node *node = node_at(story, word);

		if (node == NULL)
			return false;
		left |= 1u << node->number;
	}
	if (word == story->count)
		return wrong(story, "split n1 n2 | n3");
	for (size_t a = 0; a < story->sim->nodes_count; a++)
		for (size_t b = 0; b < story->sim->nodes_count; b++)
			net_cut(story->sim, a, b, (left >> a & 1) != (left >> b & 1));
	return true;
}

static bool
do_cut(struct story *story)
{
	int from = 0;
	int to = 0;
	const struct node *a;
	const struct node *b;

	if (story->count == 2) {
		if (!pair_at(story, 1, &from, &to) || from == NET_ANY || to == NET_ANY)
			return wrong(story, "cut n1>n2");
		net_cut(story->sim, (size_t)from, (size_t)to, true);
		return true;
	}
	a = node_at(story, 1);
	b = node_at(story, 2);
	if (a == NULL || b == NULL)
		return false;
	net_cut(story->sim, a->number, b->number, true);
	net_cut(story->sim, b->number, a->number, true);
	return true;
}

static bool
do_isolate(struct story *story)
{
	const struct node *node = node_at(story, 1);

	for (size_t peer = 0; node != NULL && peer < story->sim->nodes_count; peer++) {
		net_cut(story->sim, node->number, peer, true);
		net_cut(story->sim, peer, node->number, true);
	}
	return node != NULL;
}

static bool
do_heal(struct story *story)
{
	net_heal(story->sim);
	return true;
}

static bool
do_hold(struct story *story)
{
	struct net_hold hold = {.type = NET_ANY};
	bool known = story->count == 3 && strcmp(story->words[1], "any") == 0;

	for (int type = 0; story->count == 3 && !known && type < RAFT_MESSAGES_COUNT; type++)
		if (strcmp(story->words[1], raft_message_name((enum raft_message_type)type)) == 0) {
			hold.type = type;
			known = true;
		}
	if (!known)
		return wrong(story, "hold TYPE FROM>TO");
	if (!pair_at(story, 2, &hold.from, &hold.to))
		return false;
	net_hold(story->sim, hold);
	return true;
}

static bool
do_release(struct story *story)
{
	net_let_go(story->sim, strcmp(story->words[0], "release") == 0);
	return true;
}

/* ------------------------------------------------------------- faults */

static bool
do_fault(struct story *story)
{
	struct sim *sim = story->sim;
	const char *verb = story->words[0];
	struct node *node = node_at(story, 1);

	if (node == NULL)
		return false;
	if (strcmp(verb, "crash") == 0)
		fault_crash(sim, node, UINT64_MAX / 4);
	else if (strcmp(verb, "start") == 0)
		node_up(sim, node);
	else if (strcmp(verb, "elector") == 0)
		fault_elector(sim, node, 1000);
	else if (strcmp(verb, "upgrade") == 0) {
		node->level_max = RAFT_LEVEL_MAX;
		fault_elector(sim, node, 1000);
	} else if (strcmp(verb, "logd") == 0)
		fault_logd(sim, node);
	else if (strcmp(verb, "stall") == 0)
		node->disk.stalled = true;
	else if (strcmp(verb, "unstall") == 0)
		node_run_again(sim, node);
	else if (strcmp(verb, "full") == 0 || strcmp(verb, "room") == 0)
		disk_set_full(sim, node, strcmp(verb, "full") == 0);
	else if (strcmp(verb, "resume") == 0)
		node_resume(sim, node);
	else
		node_pause(sim, node, strcmp(verb, "freeze") == 0, UINT64_MAX / 4);
	return true;
}

static bool
do_lose(struct story *story)
{
	struct sim *sim = story->sim;
	struct node *node = node_at(story, 1);
	uint64_t index = 0;

	if (node == NULL || !number_at(story, 2, &index))
		return false;
	if (index > node->disk.rows.last)
		return wrong(story, "its log is shorter");
	fault_crash(sim, node, UINT64_MAX / 4);
	if (strcmp(story->words[0], "damage") == 0)
		disk_damage(sim, node, index);
	else
		disk_lose_to(sim, node, index, strcmp(story->words[0], "lose") == 0);
	return true;
}

/* ------------------------------------------------------------ clients */

static bool
word_cursor(struct story *story, const char *word, uint32_t *session)
{
	unsigned *number;

	if (word[0] != '%' || word[1] < 'a' || word[1] > 'z' || word[2] != '\0')
		return wrong(story, "a cursor is %a, %b, ...");
	number = &story->cursors[word[1] - 'a'];
	if (*number == 0)
		*number = client_cursor(story->sim, word[1]);
	*session = *number;
	return true;
}

static bool
word_session(struct story *story, const char *word, uint32_t *session)
{
	if (word[0] == '%')
		return word_cursor(story, word, session);
	if (word[0] == '@' && word[1] >= 'a' && word[1] < 'a' + SIM_NAMED && word[2] == '\0') {
		*session = (uint32_t)(1 + word[1] - 'a');
		return true;
	}
	if (word[0] < 'a' || word[0] > 'z' || word[1] != '\0')
		return wrong(story, "a session is a letter, or @a, @b, @c, or %a, %b, ...");
	if (story->sessions[word[0] - 'a'] == 0)
		story->sessions[word[0] - 'a'] = client_session(story->sim);
	*session = story->sessions[word[0] - 'a'];
	return true;
}

static bool
wish_option(struct story *story, struct attempt_wish *wish, const char *word)
{
	if (strncmp(word, "epoch=", 6) == 0)
		wish->epoch = strtoull(word + 6, NULL, 10);
	else if (strncmp(word, "fence=", 6) == 0)
		wish->fence = strtoull(word + 6, NULL, 10);
	else
		wish->count = strtoull(word, NULL, 10);
	return (wish->count >= 1 && wish->count <= ATTEMPT_ENTRIES_MAX) ||
	       wrong(story, "1 to 4 entries");
}

static bool
do_propose(struct story *story)
{
	struct attempt_wish wish = {.kind = RAFT_CLIENT, .count = 1};
	const struct node *node = node_at(story, 1);

	if (node == NULL || story->count < 4 ||
	    !word_session(story, story->words[2], &wish.session) ||
	    !number_at(story, 3, &wish.serial))
		return story->wrong != NULL ? false : wrong(story, "propose NODE SESSION SERIAL");
	for (size_t i = 4; i < story->count; i++)
		if (!wish_option(story, &wish, story->words[i]))
			return false;
	wish.node = node->number;
	if (!node_serves(node))
		return wrong(story, "it is not up");
	client_try(story->sim, &wish);
	return true;
}

static bool
do_ack(struct story *story)
{
	struct attempt_wish wish = {.kind = RAFT_ACK, .count = 1};
	const struct node *node = node_at(story, 1);

	if (node == NULL || story->count < 5 ||
	    !word_cursor(story, story->words[2], &wish.session) ||
	    !number_at(story, 3, &wish.serial) || !number_at(story, 4, &wish.position))
		return story->wrong != NULL ? false : wrong(story, "ack NODE %NAME SERIAL INDEX");
	for (size_t i = 5; i < story->count; i++)
		if (!wish_option(story, &wish, story->words[i]))
			return false;
	wish.node = node->number;
	if (!node_serves(node))
		return wrong(story, "it is not up");
	client_try(story->sim, &wish);
	return true;
}

static bool
do_open(struct story *story)
{
	struct attempt_wish wish = {.kind = RAFT_SESSION_OPEN, .count = 1};
	const struct node *node = node_at(story, 1);

	if (node == NULL || story->count < 3 ||
	    !word_session(story, story->words[2], &wish.session))
		return story->wrong != NULL ? false : wrong(story, "open NODE @NAME [REPLACES]");
	if (story->count > 3 && !number_at(story, 3, &wish.epoch))
		return false;
	wish.node = node->number;
	client_try(story->sim, &wish);
	return true;
}

static bool
do_barrier(struct story *story)
{
	struct attempt_wish wish = {.kind = RAFT_NOOP, .count = 1};
	const struct node *node = node_at(story, 1);

	if (node == NULL)
		return false;
	wish.node = node->number;
	client_try(story->sim, &wish);
	return true;
}

static bool
do_read(struct story *story)
{
	const struct node *node = node_at(story, 1);

	if (node == NULL)
		return false;
	client_try_read(story->sim, node->number);
	return true;
}

/* ----------------------------------------------------- administrators */

static struct client *
admin_at(struct story *story, size_t word)
{
	struct client *client = &story->sim->clients.at[0];
	const struct node *node = node_at(story, word);

	if (node == NULL)
		return NULL;
	client->node = node->number;
	if (node_serves(node))
		return client;
	wrong(story, "it is not up");
	return NULL;
}

static bool
do_transfer(struct story *story)
{
	struct client *client = admin_at(story, 1);
	const struct node *target = story->count > 2 ? node_at(story, 2) : NULL;

	if (client == NULL || (story->count > 2 && target == NULL))
		return false;
	admin_transfer(story->sim, client, target == NULL ? DISK_NOBODY : target->number);
	return true;
}

static bool
do_change(struct story *story)
{
	static const struct {
		const char *name;
		enum raft_change_op op;
	} ops[] = {{"add", RAFT_CHANGE_ADD}, {"promote", RAFT_CHANGE_PROMOTE},
	    {"demote", RAFT_CHANGE_DEMOTE}, {"remove", RAFT_CHANGE_REMOVE},
	    {"address", RAFT_CHANGE_ADDRESS}, {"key-add", RAFT_CHANGE_KEY_ADD},
	    {"key-drop", RAFT_CHANGE_KEY_DROP}};
	struct client *client = admin_at(story, 1);
	const struct node *target = node_at(story, 3);

	if (client == NULL || target == NULL)
		return false;
	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
		if (strcmp(ops[i].name, story->words[2]) == 0) {
			admin_change(story->sim, client, ops[i].op, target->number);
			return true;
		}
	return wrong(story, "there is no such change");
}

static bool
do_compact(struct story *story)
{
	struct node *node = node_at(story, 1);
	uint64_t index = 0;

	if (node == NULL || !number_at(story, 2, &index))
		return false;
	if (index <= node->disk.cut || index > node->disk.commit)
		return wrong(story, "only what is committed, and not yet cut");
	disk_compact(story->sim, node, index);
	return true;
}

static bool
do_timeout(struct story *story)
{
	struct node *node = node_at(story, 1);

	return node != NULL && number_at(story, 2, &node->timeout_ms);
}

/* ------------------------------------------------------------- expect */

static bool
expect_number(struct story *story, uint64_t is)
{
	uint64_t wanted = 0;

	if (!number_at(story, 3, &wanted))
		return false;
	if (is != wanted)
		sim_fail(story->sim, "%s of %s is %" PRIu64 ", not %" PRIu64, story->words[1],
		    story->words[2], is, wanted);
	return true;
}

static bool
expect_word(struct story *story, const char *is)
{
	if (story->count < 4)
		return wrong(story, "what is expected?");
	if (strcmp(is, story->words[3]) != 0)
		sim_fail(story->sim, "%s %s is %s, not %s", story->words[1], story->words[2], is,
		    story->words[3]);
	return true;
}

/* By the table of a node, at its commit index. */
static bool
expect_cursor(struct story *story)
{
	const struct node *node = node_at(story, 2);
	const struct raft_session *session;
	uint64_t wanted = 0;
	uint32_t number;

	if (node == NULL || story->count < 5 || !word_cursor(story, story->words[3], &number) ||
	    !number_at(story, 4, &wanted))
		return story->wrong != NULL ? false
					    : wrong(story, "expect cursor NODE %NAME INDEX");
	if (!node_serves(node))
		return wrong(story, "it is not up");
	session = raft_sessions_find(
	    raft_sessions_committed(node->core), &story->sim->clients.sessions[number].sid);
	if (session == NULL || session->position != wanted)
		sim_fail(story->sim, "%s is at %" PRIu64 ", not %" PRIu64, story->words[3],
		    session == NULL ? 0 : session->position, wanted);
	return true;
}

static bool
expect_node(struct story *story, const char *what)
{
	const struct node *node = node_at(story, 2);

	if (node == NULL)
		return false;
	if (strcmp(what, "leader") == 0) {
		if (node->core == NULL || node->role != RAFT_LEADER)
			sim_fail(story->sim, "n%d does not lead", node->number + 1);
		return true;
	}
	if (strcmp(what, "role") == 0)
		return expect_word(story, raft_role_name(node->role));
	if (strcmp(what, "term") == 0)
		return expect_number(story, node->term);
	if (strcmp(what, "commit") == 0)
		return expect_number(story, node->commit);
	if (strcmp(what, "last") == 0)
		return expect_number(story, node->issued.last);
	if (strcmp(what, "stored") == 0)
		return expect_number(story, node->disk.rows.last);
	if (strcmp(what, "before") == 0)
		return expect_number(story, node->disk.cut);
	if (strcmp(what, "members") == 0)
		return expect_number(story, members_count(members_of(story->sim, node)->members));
	if (strcmp(what, "grant") == 0)
		return expect_word(
		    story, node->granted_ms > lead_boot_ms(story->sim, node) ? "yes" : "no");
	if (strcmp(what, "level") == 0)
		return expect_number(story, node->status.level);
	return wrong(
	    story, "expect leader, role, term, commit, last, stored, grant, answer or read");
}

static bool
expect_answer(struct story *story)
{
	const struct clients *clients = &story->sim->clients;
	uint64_t number = 0;
	const struct attempt *attempt;

	if (!number_at(story, 2, &number))
		return false;
	if (number == 0 || number >= clients->attempts_count)
		return wrong(story, "there was no such proposal");
	attempt = &clients->attempts[number];
	return expect_word(
	    story, attempt->answered == 0 ? "none" : raft_verdict_text(attempt->answer.verdict));
}

static bool
expect_read(struct story *story)
{
	const struct clients *clients = &story->sim->clients;
	uint64_t number = 0;

	if (!number_at(story, 2, &number))
		return false;
	if (number == 0 || number >= clients->reads_count)
		return wrong(story, "there was no such read");
	return expect_word(story, !clients->reads[number].answered ? "none"
				  : clients->reads[number].ok      ? "ok"
								   : "refused");
}

static bool
do_expect(struct story *story)
{
	if (story->count < 3)
		return wrong(story, "what is expected?");
	if (strcmp(story->words[1], "answer") == 0)
		return expect_answer(story);
	if (strcmp(story->words[1], "read") == 0)
		return expect_read(story);
	if (strcmp(story->words[1], "cursor") == 0)
		return expect_cursor(story);
	return expect_node(story, story->words[1]);
}

/* -------------------------------------------------------------- table */

static const struct {
	const char *name;
	bool (*run)(struct story *story);
	bool before; /* comes before the cluster starts */
} commands[] = {
    {"nodes", do_nodes, true},
    {"joiners", do_joiners, true},
    {"level", do_level, true},
    {"set", do_set, true},
    {"run", do_run, false},
    {"until", do_until, false},
    {"stand", do_stand, false},
    {"clock", do_clock, false},
    {"split", do_split, false},
    {"cut", do_cut, false},
    {"isolate", do_isolate, false},
    {"heal", do_heal, false},
    {"hold", do_hold, false},
    {"release", do_release, false},
    {"discard", do_release, false},
    {"crash", do_fault, false},
    {"start", do_fault, false},
    {"elector", do_fault, false},
    {"upgrade", do_fault, false},
    {"timeout", do_timeout, false},
    {"logd", do_fault, false},
    {"stall", do_fault, false},
    {"unstall", do_fault, false},
    {"full", do_fault, false},
    {"room", do_fault, false},
    {"pause", do_fault, false},
    {"freeze", do_fault, false},
    {"resume", do_fault, false},
    {"lose", do_lose, false},
    {"lose-mark", do_lose, false},
    {"damage", do_lose, false},
    {"propose", do_propose, false},
    {"open", do_open, false},
    {"ack", do_ack, false},
    {"barrier", do_barrier, false},
    {"read", do_read, false},
    {"transfer", do_transfer, false},
    {"change", do_change, false},
    {"compact", do_compact, false},
    {"expect", do_expect, false},
};

bool
story_line(struct story *story, char *line)
{
	char *save = NULL;

	story->wrong = NULL;
	story->count = 0;
	for (char *word = strtok_r(line, " \t\n", &save);
	     word != NULL && story->count < STORY_WORDS_MAX; word = strtok_r(NULL, " \t\n", &save))
		story->words[story->count++] = word;
	if (story->count == 0 || story->words[0][0] == '#')
		return true;
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(commands[i].name, story->words[0]) != 0)
			continue;
		if (!commands[i].before)
			story_begin(story);
		return commands[i].run(story);
	}
	return wrong(story, "there is no such command");
}
