/* SPDX-License-Identifier: ISC */
/*
 * The run directory, and the lock in it that makes a raft-node the only one of its node.
 *
 * run/lock is a fifo.  raft-node holds its reading end under an flock, and
 * its writing end; each daemon inherits the reading end alone.  So when raft-node is gone,
 * however it died, its daemons read end of file and stop; and as long as one of them is
 * still there, the flock is held, and a new raft-node waits for it instead of
 * starting a second daemon beside it.
 */
#ifndef NODE_RUN_H
#define NODE_RUN_H

#include "conf/conf.h"

/*
 * Makes node.run, 0700 (with node.group: 0750 and of that group).  One that is there
 * already is taken if it is ours and no more open than that: nobody's /tmp is ever changed.
 * False with errno and one sentence in why.
 */
bool run_make(const struct conf *conf, char *why);
/* Whether run_make would do that, as far as it can be seen without doing it. */
bool run_check(const struct conf *conf, char *why);

enum run_lock {
	RUN_LOCKED,   /* ours, for life */
	RUN_TAKEN,    /* another raft-node runs */
	RUN_LEFTOVER, /* daemons of a former one have not stopped yet: ask again soon */
	RUN_ERROR
};
/* *parent_fd: the end for the daemons.  One sentence in why unless it is locked; errno with
 * RUN_ERROR. */
enum run_lock run_lock(const struct conf *conf, int *parent_fd, char *why);

#endif
