/* SPDX-License-Identifier: ISC */
/*
 * raft-logd --recover-alone: a stopped node becomes a cluster of one, when the others are lost for
 * good.
 *
 * Its whole log is taken as committed, a configuration with itself as the only voter goes behind
 * it, and the cluster gets a new id: should the others come back, they and this node have nothing
 * to do with each other.
 */
#ifndef LOGD_ALONE_H
#define LOGD_ALONE_H

struct logd;

/* Ends the process. */
_Noreturn void recover_alone(struct logd *logd);

#endif
