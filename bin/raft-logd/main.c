/* SPDX-License-Identifier: ISC */
/*
 * raft-logd: the durable log of a node on SQLite.
 *
 * Owns the data directory; knows nothing of the network.  A turn of the loop
 * reads all requests, answers raft-fsm from memory, writes in one transaction what there is to
 * write, marks and acknowledges it, and then serves the other readers.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "seal/seal.h"
#include "snap_take.h"
#include "logd.h"
#include "compact.h"
#include "rescue.h"
#include "start.h"

enum { OPT_ACCEPT_LOSS = 0x100, OPT_RECOVER_ALONE, OPT_YES };

static const struct option options[] = {
    {"accept-loss", no_argument, NULL, OPT_ACCEPT_LOSS},
    {"recover-alone", no_argument, NULL, OPT_RECOVER_ALONE},
    {"yes", no_argument, NULL, OPT_YES},
    {0},
};

enum { TICK_MS = 1000 };

static void logd_check(void *arg);
static void logd_turn(void *arg);
static void logd_stop(void *arg);
static void logd_found(int opt, const char *value);

static struct logd logd = {
    .daemon =
	{
	    .prog = "raft-logd",
	    .usage =
		"[-nv] [-c FILE] [-d FD] [--log-time] [--accept-loss | --recover-alone] [--yes]",
	    .options = options,
	    .found = logd_found,
	    .check = logd_check,
	    .stop = logd_stop,
	    .arg = &logd,
	},
};

static void
logd_found(int opt, const char *value)
{
	(void)value;
	logd.accept_loss = logd.accept_loss || opt == OPT_ACCEPT_LOSS;
	logd.recover_alone = logd.recover_alone || opt == OPT_RECOVER_ALONE;
	logd.yes = logd.yes || opt == OPT_YES;
}

static void
logd_turn(void *arg)
{
	struct logd *l = arg;
	reader_serve_fsm(l);
	writer_turn(l);
	snap_take_turn(l);
	reader_turn(l);
}

/*
 * A second after something: an idle commit index stored, an idle write-ahead log moved, a full
 * disk looked at again.  No timer runs when there is nothing to do.
 */
static void
logd_tick(uv_timer_t *timer)
{
	struct logd *l = timer->data;
	if (l->space.state != SPACE_AMPLE)
		space_look(l);
	compact_plan(l);
	writer_tick(l);
	if (l->space.state != SPACE_AMPLE || writer_unsettled(l))
		logd_tick_later(l);
}

void
logd_tick_later(struct logd *l)
{
	if (!uv_is_active((uv_handle_t *)&l->second))
		uv_timer_start(&l->second, logd_tick, TICK_MS, 0);
}

void
logd_turn_again(struct logd *l)
{
	loop_again(l->daemon.loop);
}

/* Only the loop: a timer may still fire in this round of it. */
static void
logd_stop(void *arg)
{
	struct logd *l = arg;
	loop_on_turn(l->daemon.loop, NULL, NULL);
	loop_stop(l->daemon.loop);
}

static void
logd_finish(struct logd *l)
{
	writer_finish(l);
	server_free(l->server);
	db_close(l->db);
	log_info("stopped", "last=%" PRIu64 " commit=%" PRIu64, l->rlog.last.pos.index,
	    l->rlog.commit.index);
}

static void
logd_check_usage(void)
{
	const char *wrong = NULL;
	if (logd.accept_loss && logd.recover_alone)
		wrong = "--accept-loss and --recover-alone: one of them";
	else if (logd.yes && !logd.accept_loss && !logd.recover_alone)
		wrong = "--yes: it goes with --accept-loss or --recover-alone only";
	if (wrong == NULL)
		return;
	fprintf(stderr, "raft-logd: %s (usage: raft-logd %s)\n", wrong, logd.daemon.usage);
	exit(EXIT_USAGE);
}

static void
logd_check(void *arg)
{
	logd_check_usage();
	start_check(arg);
}

int
main(int argc, char **argv)
{
	seal_init();
	daemon_start(&logd.daemon, argc, argv);
	start_log(&logd);
	if (logd.accept_loss)
		rescue_accept_loss(&logd);
	if (logd.recover_alone)
		rescue_alone(&logd);
	place_watch(&logd);
	must(uv_timer_init(loop_uv(logd.daemon.loop), &logd.second) == 0);
	logd.second.data = &logd;
	space_init(&logd);
	writer_drop(&logd);
	serve_open(&logd);
	loop_on_turn(logd.daemon.loop, logd_turn, &logd);
	log_info("start",
	    "last=%" PRIu64 " commit=%" PRIu64 " term=%" PRIu64 " transactions=%" PRIu64
	    " recovering=%s",
	    logd.rlog.last.pos.index, logd.rlog.commit.index, logd.state.term,
	    logd.state.transactions, log_yes(logd.state.recovering));
	daemon_ready(&logd.daemon);
	loop_run(logd.daemon.loop);
	logd_finish(&logd);
	return EXIT_OK;
}
