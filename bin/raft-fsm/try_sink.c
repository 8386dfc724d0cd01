/* SPDX-License-Identifier: ISC */
/* --try of the modes that expect no answers: sink, and batch. */
#include "try_run.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "unix/exit.h"

enum { HOW_SIZE = 64 };

static void
try_sink_frame(struct try *try, struct wire_buf *out, struct wire_bytes line)
{
	struct wire_buf record = {0};
	struct raft_entry entry;
	static const struct raft_sid no_session;
	uint64_t index = ++try->index;
	raft_entry_header(wire_buf_add(&record, RAFT_ENTRY_HEADER_SIZE), 1, RAFT_CLIENT,
	    &no_session, index, (uint32_t)line.size);
	wire_buf_put(&record, line.bytes, line.size);
	must(raft_entry_decode(&entry, NULL, record.bytes, record.size));
	framing_put(out, try->framing, index, &entry);
	wire_buf_free(&record);
}

/* False: the command reads no more. */
static bool
try_sink_deliver(struct try *try, const struct wire_buf *out)
{
	for (size_t at = 0; at < out->size;) {
		ssize_t wrote = write(try->pipe, out->bytes + at, out->size - at);
		if (wrote > 0)
			at += (size_t)wrote;
		else if (errno != EINTR)
			return false;
	}
	return true;
}

int
try_sink(struct try *try)
{
	struct wire_bytes line;
	struct wire_buf out = {0};
	char how[HOW_SIZE];
	bool more = true, reads = true;
	try_start(try, NULL);
	do {
		more = try_read(try);
		while (reads && try_line(try, &line)) {
			try_sink_frame(try, &out, line);
			reads = try_sink_deliver(try, &out);
			out.size = 0;
		}
	} while (more && reads);
	wire_buf_free(&out);
	close(try->pipe);
	return try_wait(try, how, sizeof how);
}

/* ------- batch -------------------------------------------------------------- */

struct one_batch {
	struct wire_buf data;
	uint64_t first; /* its first entry */
	uint64_t entries, bytes;
	uint64_t number; /* counted from 1 */
};

/* Runs the command for what has gathered.  An exit status: 0, on to the next. */
static int
try_sink_run(struct try *try, struct one_batch *batch)
{
	char how[HOW_SIZE];
	try_start(try, NULL);
	try_sink_deliver(try, &batch->data);
	close(try->pipe);
	int status = try_wait(try, how, sizeof how);
	if (status)
		warnx("batch %" PRIu64 ", entries %" PRIu64 " to %" PRIu64
		      ": the command %s: the same batch would come again",
		    batch->number, batch->first, batch->first + batch->entries - 1, how);
	batch->data.size = 0;
	batch->entries = batch->bytes = 0;
	return status;
}

/* As raft-fsm does: a larger entry is a batch of its own. */
static int
try_sink_add(struct try *try, struct one_batch *batch, const struct conf_limits *limits,
    struct wire_bytes line)
{
	int status = 0;
	if (batch->entries > 0 && batch->bytes + line.size > limits->bytes)
		status = try_sink_run(try, batch);
	if (status)
		return status;
	if (batch->entries == 0) {
		batch->first = try->index + 1;
		batch->number++;
	}
	try_sink_frame(try, &batch->data, line);
	batch->entries++;
	batch->bytes += line.size;
	if (batch->entries >= limits->entries || batch->bytes >= limits->bytes)
		status = try_sink_run(try, batch);
	return status;
}

int
try_batch(struct try *try)
{
	static const struct conf_limits usual = {
	    .entries = 1000, .bytes = 1 << 20}; /* raft.yaml(5) */
	const struct conf_limits *limits =
	    try->conf && try->conf->fsm.mode == CONF_BATCH ? &try->conf->fsm.batch : &usual;
	struct one_batch batch = {0};
	struct wire_bytes line;
	bool more = true;
	int status = 0;
	do {
		more = try_read(try);
		while (status == 0 && try_line(try, &line))
			status = try_sink_add(try, &batch, limits, line);
	} while (more && status == 0);
	if (status == 0 && batch.entries > 0)
		status = try_sink_run(try, &batch);
	wire_buf_free(&batch.data);
	return status;
}
