/* SPDX-License-Identifier: ISC */
/* The checks of --conform, in their order. */
#include "conform.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "unix/exit.h"

enum { STEPS_MAX = 32 };

/* ------- those without kills and snapshots ------------------------------------------ */

/* One incarnation in a folder of its own. */
static bool
conform_alone(struct conform *c, const char *node, struct trial_run *run)
{
	struct state state;
	state_new(c, &state, node);
	bool good = conform_run_once(c, &state, run);
	state_free(&state);
	return good;
}

static bool
conform_check_ready(struct conform *c)
{
	struct trial_run run = {.history = &c->main, .story = "at its start"};
	return conform_alone(c, "n1", &run);
}

/* The second start shows whether it has a disk of its own. */
static bool
conform_check_single(struct conform *c)
{
	struct state state;
	struct trial_run run = {.history = &c->main,
	    .count = c->main.count,
	    .queries = true,
	    .trial = {.singly = true},
	    .demand = &demand_answers,
	    .story = "when one request came at a time"};
	state_new(c, &state, "n1");
	bool good = conform_run_once(c, &state, &run);
	run.demand = NULL;
	run.story = "started again";
	good = good && conform_run_once(c, &state, &run);
	c->durable = run.ready > 0;
	state_free(&state);
	return good;
}

/* On another node, in another second, so that a clock shows. */
static bool
conform_check_same(struct conform *c)
{
	struct trial_run run = {.history = &c->main,
	    .count = c->main.count,
	    .queries = true,
	    .trial = {.singly = true},
	    .story = "on another node"};
	for (time_t began = time(NULL); time(NULL) == began;)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	return conform_alone(c, "n2", &run);
}

static bool
conform_check_pipelined(struct conform *c)
{
	struct trial_run run = {.history = &c->main,
	    .count = c->main.count,
	    .queries = true,
	    .demand = &demand_answers,
	    .story = "pipelined"};
	return conform_alone(c, "n1", &run);
}

static bool
conform_check_queries(struct conform *c)
{
	struct trial_run run = {.history = &c->main,
	    .count = c->steps,
	    .queries = true,
	    .trial = {.singly = true, .query_each = true},
	    .demand = &demand_query,
	    .story = "with queries between the entries"};
	return conform_alone(c, "n1", &run);
}

static bool
conform_check_order(struct conform *c)
{
	struct trial_run run = {.history = &c->main,
	    .count = c->steps,
	    .queries = true,
	    .trial = {.query_each = true},
	    .demand = &demand_order,
	    .story = "with queries between the entries, pipelined"};
	return conform_alone(c, "n1", &run);
}

/* Data of another kind: twice, and a snapshot of it. */
static bool
conform_data(struct conform *c, struct history *history, char snapshot[CONFORM_PATH_MAX])
{
	struct trial_run run = {.history = history,
	    .count = history->count,
	    .queries = true,
	    .trial = {.singly = true},
	    .story = "when one request came at a time"};
	if (!conform_alone(c, "n1", &run))
		return false;
	conform_place(c, snapshot);
	run.trial = (struct trial){.snapshot = snapshot};
	run.story = "pipelined";
	if (!conform_alone(c, "n2", &run))
		return false;
	return true;
}

static bool
conform_check_bytes(struct conform *c)
{
	return conform_data(c, &c->bytes, c->snapshot_bytes);
}

static bool
conform_check_large(struct conform *c)
{
	return conform_data(c, &c->large, c->snapshot_large);
}

/* ------- all of them ---------------------------------------------------------------- */

/* NEEDED: the checks after it say nothing without it. */
#define CHECKS(C)                                                                                  \
	C(ready, NEEDED, "says ready 0 in an empty folder, and ends when its input ends")          \
	C(single, NEEDED,                                                                          \
	    "answers each request before the next one comes, and once started again")              \
	C(same, NEEDED, "gives the same answers on another node, at another time")                 \
	C(pipelined, ALONE, "gives the same answers to pipelined requests")                        \
	C(queries, ALONE, "changes nothing at a query")                                            \
	C(order, ALONE, "answers a query from exactly the entries before it")                      \
	C(kill, ALONE, "has lost and doubled nothing after kill -9 at each entry")                 \
	C(cut, ALONE, "ignores a request that lacks its end")                                      \
	C(snapshot, ALONE, "writes snapshots with other requests in flight")                       \
	C(bytes, ALONE, "accepts every byte, and no data")                                         \
	C(large, ALONE, "accepts the largest entries")                                             \
	C(fresh, ALONE, "restores each snapshot into a fresh program")                             \
	C(used, ALONE, "restores into a used program, and nothing old is left")                    \
	C(half, ALONE, "holds the old state or the new one after kill -9 at a restore")
enum check_kind { ALONE, NEEDED };
static const struct {
	bool (*run)(struct conform *c);
	enum check_kind kind;
	const char *title;
} checks[] = {
#define C(name, kind, title) {conform_check_##name, kind, title},
    CHECKS(C)
#undef C
};
enum { CHECKS_COUNT = sizeof checks / sizeof checks[0] };

/* The user's queries come first. */
static void
conform_prepare(struct conform *c, const struct trial *wish)
{
	size_t entry_max = c->conf->elect.entry_max;
	for (size_t i = 0; i < wish->queries_count; i++)
		history_ask(&c->main, wish->queries[i]);
	if (!history_read(&c->main, entry_max, c->netstring))
		history_make(&c->main);
	history_ask_entries(&c->main);
	c->steps = c->main.count < STEPS_MAX ? c->main.count : STEPS_MAX;
	c->middle = (c->steps + 1) / 2;
	history_make_other(&c->other, &c->main, history_index(&c->main, c->middle));
	history_ask_entries(&c->other);
	history_make_bytes(&c->bytes, c->netstring);
	history_make_large(&c->large, entry_max, c->conf->fsm.reply_max);
	history_complete(&c->main);
	history_complete(&c->other);
	history_complete(&c->bytes);
	history_complete(&c->large);
}

/* Blocked, so that they are waited for; those that were ignored stay so. */
static void
conform_block_signals(void)
{
	static const int numbers[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		sigaddset(&set, numbers[i]);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Runs one; false: no other can be done. */
static bool
conform_check(struct conform *c, size_t i, size_t counts[])
{
	c->number = (unsigned)i + 1;
	c->title = checks[i].title;
	c->verdict = CONFORM_OK;
	checks[i].run(c);
	conform_report(c);
	counts[c->verdict]++;
	if (c->verdict != CONFORM_BROKEN || checks[i].kind != NEEDED)
		return true;
	printf("Bail out!  the other checks need this one\n");
	return false;
}

void
conform_run(const struct conf *conf, const struct trial *wish, char **command)
{
	static struct conform c;
	size_t counts[CONFORM_SKIPPED + 1] = {0}, i = 0;
	c.conf = conf;
	c.command = command;
	c.netstring = conf->fsm.framing == FRAMING_NETSTRING;
	conform_prepare(&c, wish);
	conform_root_new(&c);
	conform_block_signals();
	printf("1..%d\n", CHECKS_COUNT);
	while (i < CHECKS_COUNT && conform_check(&c, i, counts))
		i++;
	printf("# %d checks: %zu ok, %zu broken, %zu skipped, %zu not done\n", CHECKS_COUNT,
	    counts[CONFORM_OK], counts[CONFORM_BROKEN], counts[CONFORM_SKIPPED],
	    CHECKS_COUNT - counts[CONFORM_OK] - counts[CONFORM_BROKEN] - counts[CONFORM_SKIPPED]);
	if (fflush(stdout) != 0)
		exit(EXIT_IO);
	exit(counts[CONFORM_BROKEN] ? EXIT_DATA : EXIT_OK);
}
