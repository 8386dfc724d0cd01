/* SPDX-License-Identifier: ISC */
/* What has changed, for the clients that watch this raft-elect: local/changes.h. */
#ifndef ELECT_NOTICE_H
#define ELECT_NOTICE_H

struct node;

/* Role, term or leader. */
void notice_role(struct node *node, const char *why);
/* The configuration in force: each member that is new, different or gone. */
void notice_members(struct node *node, const char *why);
/* server_settings.measure: while it leads, how many committed entries each member lacks. */
void notice_lag(void *arg);

#endif
