/* SPDX-License-Identifier: ISC */
/* One raft-logd a data directory: an flock on data/lock, held for life. */
#ifndef LOGD_LOCK_H
#define LOGD_LOCK_H

/* The descriptor that holds it; ends the process with one sentence when another has it. */
int lock_take(const char *data);

#endif
