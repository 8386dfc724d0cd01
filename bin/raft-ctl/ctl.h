/* SPDX-License-Identifier: ISC */
/* raft-ctl's subcommands: each a function that returns an exit status. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "prog/tool.h"

struct ctl {
	struct tool tool;
	bool json;
	bool yaml;
	bool learner;
	bool yes;
	const char *output; /* a file; "-": standard output */
	bool newest;
	uint64_t lag; /* entries; 0: not given */
	bool give_up_given;
	uint64_t give_up_ms;
	int argc; /* what stands behind the subcommand */
	char **argv;
};

enum exit_status ctl_status(struct ctl *ctl);
enum exit_status ctl_wait(struct ctl *ctl);
enum exit_status ctl_members(struct ctl *ctl);
enum exit_status ctl_session(struct ctl *ctl);
enum exit_status ctl_cursor(struct ctl *ctl);
enum exit_status ctl_watch(struct ctl *ctl);
enum exit_status ctl_barrier(struct ctl *ctl);
enum exit_status ctl_member(struct ctl *ctl);
enum exit_status ctl_key(struct ctl *ctl);
enum exit_status ctl_transfer(struct ctl *ctl);
enum exit_status ctl_fsm(struct ctl *ctl);
/* "restart" or "snapshot", to raft-fsm; returns when it has said that it is done. */
enum exit_status ctl_fsm_order(struct ctl *ctl, const char *what);
enum exit_status ctl_contract(struct ctl *ctl);
enum exit_status ctl_snapshot(struct ctl *ctl);

#endif
