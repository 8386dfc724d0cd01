/* SPDX-License-Identifier: ISC */
/* raft-elect: election and replication around the pure core, and the front door for clients. */
#include "seal/seal.h"
#include "prog/daemon.h"
#include "node.h"

static struct node node;

static void
elect_stop(void *arg)
{
	node_stop(arg);
}

int
main(int argc, char **argv)
{
	struct daemon daemon = {
	    .prog = "raft-elect",
	    .usage = "[-nv] [-c FILE] [-d FD] [--log-time]",
	    .stop = elect_stop,
	    .arg = &node,
	};
	seal_init();
	daemon_start(&daemon, argc, argv);
	node_open(&node, daemon.conf, daemon.loop);
	daemon_ready(&daemon);
	loop_run(daemon.loop);
	return EXIT_OK;
}
