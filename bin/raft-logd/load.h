/* SPDX-License-Identifier: ISC */
/* From the database to index.h: the end of the log, terms, configurations, the commit index. */
#ifndef LOGD_LOAD_H
#define LOGD_LOAD_H

struct logd;

/*
 * Before: logd->state and logd->origin.  What is derived from the log and does not
 * fit it is made anew.  Ends the process when the first configuration is not the cluster's.
 */
void load_log(struct logd *logd);

#endif
