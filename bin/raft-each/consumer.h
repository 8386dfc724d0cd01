/* SPDX-License-Identifier: ISC */
/*
 * One consumer: opens the cursor, then reads, runs, acknowledges, and again.
 *
 * The position moves when a run has exited with 0, and the next run begins when that is committed:
 * so at most one batch comes again when anything is killed.
 *
 * ⚠ Nothing is acknowledged that did not exit with 0, or is not in the file of dead entries.
 */
#ifndef EACH_CONSUMER_H
#define EACH_CONSUMER_H

#include "client/framing.h"
#include "prog/tool.h"

struct consumer;

struct consumer_settings {
	const char *cursor;
	char *const *command;
	enum framing framing;
	uint64_t batch_max;
	uint64_t tries;   /* of a batch, then of each entry of it; 0: no limit */
	const char *dead; /* NULL: none */
	bool once;
	uint64_t give_up_ms;
};

/* Ends the loop when it is done. */
struct consumer *consumer_new(struct tool *tool, const struct consumer_settings *settings);
/* Ends after the run that is active, which gets the signal; called again: which is killed. */
void consumer_stop(struct consumer *consumer, int number);
/* Once the loop has ended. */
enum exit_status consumer_status(const struct consumer *consumer);

#endif
