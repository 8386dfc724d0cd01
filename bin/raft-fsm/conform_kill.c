/* SPDX-License-Identifier: ISC */
/* Programs that are killed, and inputs that end within a request. */
#include "conform.h"

#include <string.h>

/* In flight when it is killed. */
enum { KILL_AHEAD = 2 };

bool
conform_check_kill(struct conform *c)
{
	struct state state;
	bool good = true;
	state_new(c, &state, "n1");
	for (size_t step = 0; good && step <= c->steps; step++) {
		struct trial_run run = {.history = &c->main,
		    .count = step + KILL_AHEAD < c->steps ? step + KILL_AHEAD : c->steps,
		    .trial = {.kill = step ? TRIAL_KILL_ENTRY : TRIAL_KILL_READY,
			.kill_index = history_index(&c->main, step)},
		    .story = "with kill -9 and a new start at each entry"};
		good = conform_run_once(c, &state, &run);
	}
	struct trial_run run = {.history = &c->main,
	    .count = c->steps,
	    .queries = true,
	    .story = "after kill -9 and a new start at each entry"};
	good = good && conform_run_once(c, &state, &run);
	state_free(&state);
	return good;
}

/* The input ends within this request, and the program is started again. */
static bool
conform_cut_at(struct conform *c, struct state *state, struct wire_bytes cut)
{
	struct trial_run run = {.history = &c->main,
	    .count = c->middle,
	    .trial = {.cut = cut},
	    .demand = &demand_cut,
	    .demand_index = &demand_cut,
	    .story = "before the input ends within a request"};
	struct trial_run after = {.history = &c->main,
	    .count = c->middle,
	    .demand = &demand_cut,
	    .demand_index = &demand_cut,
	    .story = "after an input that ended within a request"};
	return conform_run_once(c, state, &run) && conform_run_once(c, state, &after);
}

/* None is known. */
static struct wire_bytes
conform_fields(const struct conform *c)
{
	static const char *const none[] = {"", "- ", "- - ", "- - - "};
	unsigned fields = c->conf->fsm.fields, count = 0;
	for (; fields; fields >>= 1)
		count += fields & 1;
	return wire_text(none[count]);
}

bool
conform_check_cut(struct conform *c)
{
	static const char data[] = "incr cut";
	struct wire_buf request = {0};
	struct state state;
	if (!c->durable)
		return conform_skip(c, "it keeps nothing on a disk");
	const struct request_head head = {
	    .index = history_index(&c->main, c->middle) + 1000, .fields = conform_fields(c)};
	request_put(
	    &request, c->netstring, REQUEST_ENTRY, &head, (const uint8_t *)data, strlen(data));
	state_new(c, &state, "n1");
	/* Without the newline or comma and some of the data; and within the index. */
	bool good =
	    conform_cut_at(c, &state, (struct wire_bytes){request.bytes, request.size - 4}) &&
	    conform_cut_at(
		c, &state, (struct wire_bytes){request.bytes, request.size - strlen(data) - 4});
	wire_buf_free(&request);
	struct trial_run run = {.history = &c->main,
	    .count = c->steps,
	    .queries = true,
	    .demand = &demand_cut,
	    .demand_index = &demand_cut,
	    .story = "after an input that ended within a request"};
	good = good && conform_run_once(c, &state, &run);
	state_free(&state);
	return good;
}
