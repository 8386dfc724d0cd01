/* SPDX-License-Identifier: ISC */
/* Options; each mistake has a sentence before anything is connected. */
#include "settings.h"

#include <string.h>

#include "client/appender.h"
#include "client/asker.h"

enum {
	COUNT = 10000,
	COUNT_MAX = 1000 * 1000 * 1000,
	SIZE = 256,
	ENTRY_SIZE_MAX = 8 << 20,
	CONNECTIONS_MAX = 10000,
	RATE_MAX = 10 * 1000 * 1000
};
static const uint64_t for_max_ms = 1000ull * 3600 * 1000;

/* What bench_on_option has found. */
static struct {
	struct settings *settings;
	const char *paths[SETTINGS_NODES_MAX];
	size_t paths_count;
	bool sized;
} found;

static void
add_path(const char *path)
{
	if (found.paths_count == SETTINGS_NODES_MAX)
		tool_die(EXIT_USAGE, "-c: at most %d nodes", SETTINGS_NODES_MAX);
	found.paths[found.paths_count++] = path;
}

static uint64_t
duration_of(const char *value)
{
	uint64_t ms = tool_duration_ms(TOOL_FOR, value);
	if (ms == 0 || ms > for_max_ms)
		tool_die(EXIT_USAGE, "--for: must be from 1ms to 1000h, not %s", value);
	return ms;
}

static void
bench_on_option(enum tool_option option, const char *value)
{
	struct settings *settings = found.settings;
	switch (option) {
	case TOOL_CONFIG:
		add_path(value);
		break;
	case TOOL_COUNT:
		settings->count = tool_number(option, value, 1, COUNT_MAX);
		break;
	case TOOL_FOR:
		settings->for_ms = duration_of(value);
		break;
	case TOOL_IN_FLIGHT:
		settings->in_flight = tool_number(
		    option, value, 1, (uint64_t)APPENDER_IN_FLIGHT_MAX * CONNECTIONS_MAX);
		break;
	case TOOL_CONNECTIONS:
		settings->connections = tool_number(option, value, 1, CONNECTIONS_MAX);
		break;
	case TOOL_RATE:
		settings->rate = tool_number(option, value, 1, RATE_MAX);
		break;
	case TOOL_SIZE:
		found.sized = true;
		settings->size = tool_size(option, value, 0, ENTRY_SIZE_MAX);
		break;
	case TOOL_QUERY:
		settings->query = value;
		break;
	case TOOL_STALE:
		settings->stale = true;
		break;
	case TOOL_PIPE:
		settings->pipe = true;
		break;
	case TOOL_JSON:
		settings->json = true;
		break;
	case TOOL_HISTOGRAM:
		settings->histogram = true;
		break;
	default:
		settings->give_up_ms = tool_duration_ms(option, value);
	}
}

static void
check_pairs(const struct settings *settings)
{
	if (settings->tool.argc > 0)
		tool_die(EXIT_USAGE, "%s: no operand is expected", settings->tool.argv[0]);
	if (settings->count > 0 && settings->for_ms > 0)
		tool_die(EXIT_USAGE, "-N and --for: only one of them can be the end");
	if (settings->pipe && settings->rate > 0)
		tool_die(EXIT_USAGE, "--pipe and --rate: the input has a rate of its own");
	if (settings->pipe && settings->query)
		tool_die(EXIT_USAGE, "--pipe and --query: only one of them can be the data");
	if (found.sized && (settings->pipe || settings->query))
		tool_die(EXIT_USAGE, "-s and %s: only one of them can be the data",
		    settings->pipe ? "--pipe" : "--query");
	if (settings->stale && !settings->query)
		tool_die(EXIT_USAGE, "--stale: only for a --query");
}

/* tool_start has read the last of the paths. */
static void
read_nodes(struct settings *settings)
{
	settings->nodes_count = found.paths_count > 1 ? found.paths_count : 1;
	for (size_t i = 0; i + 1 < settings->nodes_count; i++)
		settings->nodes[i] = tool_conf(found.paths[i]);
	settings->nodes[settings->nodes_count - 1] = settings->tool.conf;
}

static void
check_nodes(const struct settings *settings)
{
	for (size_t i = 0; i < settings->nodes_count; i++) {
		const struct conf *conf = settings->nodes[i];
		unsigned long long size_max = conf->elect.entry_max;
		if (settings->query && !conf->fsm.present)
			tool_die(EXIT_CONFIG,
			    "--query: this node runs no state machine: %s has no section fsm",
			    conf->path);
		if (settings->query && strlen(settings->query) > size_max)
			tool_die(EXIT_DATA,
			    "--query: larger than %llu bytes, the limit elect.entry_max of %s",
			    size_max, conf->path);
		if (!settings->query && !settings->pipe && settings->size > size_max)
			tool_die(EXIT_USAGE, "-s: %llu is above elect.entry_max of %s, %llu",
			    (unsigned long long)settings->size, conf->path, size_max);
	}
}

static void
set_connections(struct settings *settings)
{
	if (settings->connections == 0)
		settings->connections = settings->nodes_count;
	if (settings->connections < settings->nodes_count)
		tool_die(EXIT_USAGE, "--connections: %llu are too few for %zu nodes",
		    (unsigned long long)settings->connections, settings->nodes_count);
}

/* Where it is not given: one of each connection, or as many as raft-append has. */
static void
set_in_flight(struct settings *settings)
{
	uint64_t least = settings->connections, each_max = APPENDER_IN_FLIGHT_MAX;
	if (settings->query)
		each_max = ASKER_IN_FLIGHT_MAX;
	if (settings->in_flight == 0 && (settings->rate > 0 || settings->pipe))
		settings->in_flight =
		    APPENDER_IN_FLIGHT < least * each_max ? APPENDER_IN_FLIGHT : least * each_max;
	if (settings->in_flight == 0)
		settings->in_flight = least;
	if (settings->in_flight < least || settings->in_flight > least * each_max)
		tool_die(EXIT_USAGE, "-w: must be from %llu to %llu for %llu connections, not %llu",
		    (unsigned long long)least, (unsigned long long)(least * each_max),
		    (unsigned long long)least, (unsigned long long)settings->in_flight);
}

/* In open loop a time is a count, too. */
static void
set_count(struct settings *settings)
{
	if (settings->rate > 0 && settings->for_ms > 0) {
		settings->count = settings->rate * settings->for_ms / 1000;
		settings->for_ms = 0;
		if (settings->count == 0)
			settings->count = 1;
	}
	if (settings->count == 0 && settings->for_ms == 0 && !settings->pipe)
		settings->count = COUNT;
}

void
settings_read(struct settings *settings, int argc, char **argv)
{
	*settings = (struct settings){.size = SIZE, .give_up_ms = TOOL_GIVE_UP_MS};
	settings->tool = (struct tool){
	    .prog = "raft-bench",
	    .usage = "[-jHv] [-c FILE]... [-N COUNT | --for TIME] [--rate COUNT] [-w IN_FLIGHT] "
		     "[--connections COUNT] [-s SIZE | --pipe | --query TEXT [--stale]] [-t TIME]",
	    .takes = 1u << TOOL_CONFIG | 1u << TOOL_COUNT | 1u << TOOL_FOR | 1u << TOOL_IN_FLIGHT |
		     1u << TOOL_CONNECTIONS | 1u << TOOL_RATE | 1u << TOOL_SIZE | 1u << TOOL_QUERY |
		     1u << TOOL_STALE | 1u << TOOL_PIPE | 1u << TOOL_JSON | 1u << TOOL_HISTOGRAM |
		     1u << TOOL_TIMEOUT,
	    .found = bench_on_option,
	};
	found.settings = settings;
	tool_start(&settings->tool, argc, argv);
	check_pairs(settings);
	read_nodes(settings);
	check_nodes(settings);
	set_connections(settings);
	set_in_flight(settings);
	set_count(settings);
}

uint64_t
settings_in_flight(const struct settings *settings, uint64_t number)
{
	uint64_t each = settings->in_flight / settings->connections;
	return each + (number < settings->in_flight % settings->connections);
}
