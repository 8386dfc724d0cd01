/* SPDX-License-Identifier: ISC */
/* Values that are good alone and wrong together: one function each, all with one way to say so. */
#include "check.h"

#include <inttypes.h>
#include <string.h>

#include "unix/sock.h"
#include "unit.h"
#include "value.h"

enum { BULK_RATE_LEAST = 64 << 10 };

struct checking {
	const struct conf *conf;
	const struct tree *tree;
	char *why;
};

/* Where the key stands; where its section or the file begins, when a default is to blame. */
static struct tree_place
place_of(const struct tree *tree, const char *section, const char *name)
{
	const struct tree_node *map = tree_find(tree->root, section);
	if (map == NULL)
		return (struct tree_place){1, 1};
	const struct tree_node *node = tree_find(map, name);
	return node != NULL ? node->at : map->key_at;
}

#define wrong(c, section, name, ...)                                                               \
	tree_wrong((c)->tree, place_of((c)->tree, section, name), (c)->why, __VA_ARGS__)

/* §3.9: heartbeats come well below the election timeout: losing one or two must not depose. */
static bool
check_heartbeat(const struct checking *c)
{
	char timeout[UNIT_TEXT_SIZE], heartbeat[UNIT_TEXT_SIZE];
	if (c->conf->elect.heartbeat_ms * 3 <= c->conf->elect.election_timeout_ms)
		return true;
	unit_print_duration(timeout, c->conf->elect.election_timeout_ms);
	unit_print_duration(heartbeat, c->conf->elect.heartbeat_ms);
	return wrong(c, "elect", "heartbeat",
	    "elect.heartbeat %s is not well under elect.election_timeout %s: make it a third of "
	    "that or less",
	    heartbeat, timeout);
}

/* Without renewal a command has the rest: a leader renews twice an election timeout at least. */
static bool
check_grace(const struct checking *c)
{
	char timeout[UNIT_TEXT_SIZE], grace[UNIT_TEXT_SIZE];
	if (c->conf->lead.grace_ms * 3 <= c->conf->elect.election_timeout_ms)
		return true;
	unit_print_duration(timeout, c->conf->elect.election_timeout_ms);
	unit_print_duration(grace, c->conf->lead.grace_ms);
	return wrong(c, "lead", "grace",
	    "lead.grace %s is too long for elect.election_timeout %s: make it a third of that or "
	    "less, or the election timeout longer",
	    grace, timeout);
}

/* size must be at least `least`, or nothing would ever fit. */
static bool
check_size(const struct checking *c, const char *section, const char *name, uint64_t size,
    uint64_t least, const char *holds)
{
	char have[UNIT_TEXT_SIZE], want[UNIT_TEXT_SIZE];
	if (size >= least)
		return true;
	unit_print_size(have, size);
	unit_print_size(want, least);
	return wrong(c, section, name, "%s.%s %s is too small: it must hold %s, at least %s",
	    section, name, have, holds, want);
}

static bool
check_bulk_rate(const struct checking *c, uint64_t rate)
{
	char have[UNIT_TEXT_SIZE];
	if (rate == 0 || rate >= BULK_RATE_LEAST)
		return true;
	unit_print_size(have, rate);
	return wrong(c, "peerd", "bulk_rate",
	    "peerd.bulk_rate %s is too little for a snapshot to arrive: at least 64KiB a second, "
	    "or 0B for no limit",
	    have);
}

static bool
check_sizes(const struct checking *c)
{
	const struct conf *conf = c->conf;
	uint64_t record = conf->elect.entry_max + RAFT_ENTRY_HEADER_SIZE;
	uint64_t message = record > conf->elect.message ? record : conf->elect.message;
	return check_size(c, "elect", "window", conf->elect.window, conf->elect.message,
		   "one elect.message") &&
	       check_size(c, "elect", "uncommitted", conf->elect.uncommitted, record,
		   "an entry of elect.entry_max and its header") &&
	       check_size(c, "peerd", "queue", conf->peerd.queue, 2 * message,
		   "two of the largest messages") &&
	       check_bulk_rate(c, conf->peerd.bulk_rate);
}

static bool
check_name(const struct checking *c)
{
	return c->conf->cluster.name != NULL ||
	       wrong(c, "cluster", "name",
		   "cluster.name is missing: add it, or write the output of raft-ctl members -y, "
		   "which has it, to the file of cluster.members");
}

/* "elect" is the longest name of a socket. */
static bool
check_run(const struct checking *c)
{
	const char *run = c->conf->node.run;
	size_t room = SOCK_PATH_MAX - sizeof("/elect");
	if (strcmp(run, c->conf->node.data) == 0)
		return wrong(
		    c, "node", "run", "node.run and node.data are one folder: they need two");
	if (strlen(run) > room)
		return wrong(c, "node", "run",
		    "node.run %s is too long for a socket: it has %zu bytes, the limit is %zu, "
		    "choose a shorter path",
		    run, strlen(run), room);
	return true;
}

/* A key without effect would be a lie. */
static bool
check_effect(const struct checking *c)
{
	const struct tree_node *fsm = tree_find(c->tree->root, "fsm");
	for (size_t i = 0; fsm && i < CONF_KEYS_COUNT; i++) {
		const struct conf_key *key = &conf_keys[i];
		if (strcmp(key->section, "fsm") == 0 && tree_find(fsm, key->name) &&
		    !conf_key_effective(c->conf, key))
			return wrong(c, "fsm", key->name,
			    "fsm.%s has no effect in this mode: remove it", key->name);
	}
	return true;
}

static bool
check_machine(const struct checking *c)
{
	enum framing framing = c->conf->fsm.framing;
	if (c->conf->fsm.mode != CONF_MACHINE || framing == FRAMING_LINE ||
	    framing == FRAMING_NETSTRING)
		return true;
	return wrong(c, "fsm", "framing",
	    "fsm.framing %s is not for mode machine: use line or netstring", framing_name(framing));
}

bool
check_together(const struct conf *conf, const struct tree *tree, char *why)
{
	const struct checking c = {conf, tree, why};
	return check_name(&c) && check_heartbeat(&c) && check_grace(&c) && check_sizes(&c) &&
	       check_run(&c) && check_effect(&c) && check_machine(&c);
}
