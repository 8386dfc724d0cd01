/* SPDX-License-Identifier: ISC */
/*
 * raft-ctl snapshot: tells this node's program to take one, or with -o fetches the newest one into a
 * file: a backup, for raft-init --restore.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/client/link.h"
#include "../../lib/seal/seal.h"
#include "../../lib/wire/snapshot.h"
#include "ctl.h"

enum { PIECE_SIZE = 512 << 10 };

static struct fetching {
	struct ctl *ctl;
	struct link *link;
	uv_timer_t patience;
	int fd;
	char part[4096]; /* the file while it is written */
	uint64_t size, got;
	struct wire_hash hash;  /* of the head */
	struct wire_buf head;   /* what has come of it */
	struct snapshot_head parsed;
	size_t head_size;       /* 0: not known yet */
	struct seal_stream stream; /* of the file */
	char why[1024];
} self;

_Noreturn static void
die(enum exit_status status, const char *what)
{
	if (self.fd >= 0)
		unlink(self.part);
	tool_die(status, "snapshot: %s", what);
}

_Noreturn static void
die_file(const char *what)
{
	char text[4608];
	snprintf(text, sizeof text, "%s: %s: %s", self.part, what, strerror(errno));
	die(EXIT_IO, text);
}

/* ------------------------------------------------------------- the stream */

static void
take_head(struct wire_bytes *data)
{
	while (self.parsed.pos.index == 0 && data->size > 0) {
		size_t wanted = self.head_size ? self.head_size : SNAPSHOT_PREFIX_SIZE;
		size_t size = wanted - self.head.size < data->size ? wanted - self.head.size : data->size;
		uint8_t hash[SEAL_HASH_SIZE];
		wire_buf_put(&self.head, data->bytes, size);
		data->bytes += size;
		data->size -= size;
		if (self.head.size < wanted)
			return;
		if (self.head_size == 0) {
			self.head_size = snapshot_head_size(self.head.bytes);
			if (self.head_size == 0)
				die(EXIT_IO, "what raft-logd sends is no snapshot");
			continue;
		}
		seal_hash(hash, &(struct seal_part){self.head.bytes, self.head.size}, 1);
		if (memcmp(hash, self.hash.b, sizeof hash) != 0 ||
		    !snapshot_head_get(&self.parsed, self.head.bytes, self.head.size))
			die(EXIT_IO, "what raft-logd sends is damaged");
	}
}

static void
finish(void)
{
	uint8_t hash[SEAL_HASH_SIZE];
	const char *path = self.ctl->output;
	seal_stream_end(&self.stream, hash);
	if (self.parsed.pos.index == 0 || memcmp(hash, self.parsed.file_hash.b, sizeof hash) != 0)
		die(EXIT_IO, "what raft-logd sent is damaged");
	if (fsync(self.fd) < 0)
		die_file("cannot be synced");
	/* As rename, but never over a file that is there. */
	if (link(self.part, path) < 0)
		die_file(path);
	unlink(self.part);
	loop_stop(self.ctl->tool.loop);
}

static void
on_data(struct wire_bytes data)
{
	if (data.size == 0)
		die(EXIT_IO, "raft-logd cannot read it: its status says more");
	if (write(self.fd, data.bytes, data.size) != (ssize_t)data.size)
		die_file("cannot be written");
	self.got += data.size;
	take_head(&data);
	seal_stream_add(&self.stream, data.bytes, data.size);
	uv_timer_again(&self.patience);
	if (self.got >= self.size)
		finish();
	else
		msg_snap_read_put(link_out(self.link), &(struct msg_snap_read){2, self.got, PIECE_SIZE});
}

static void
on_opened(const struct msg_snap_opened *opened)
{
	if (!opened->found)
		die(EXIT_UNAVAILABLE,
		    "this node has none: a program in mode machine takes one by raft-ctl snapshot; "
		    "without one, raft-tail -F netstring writes all entries");
	if (access(self.ctl->output, F_OK) == 0) {
		snprintf(self.why, sizeof self.why, "%.900s exists: nothing is written over", self.ctl->output);
		die(EXIT_IO, self.why);
	}
	snprintf(self.part, sizeof self.part, "%s.part", self.ctl->output);
	self.fd = open(self.part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (self.fd < 0)
		die_file("cannot be made");
	self.size = opened->size;
	self.hash = opened->hash;
	self.got = 0;
	seal_stream_begin(&self.stream);
	msg_snap_read_put(link_out(self.link), &(struct msg_snap_read){2, 0, PIECE_SIZE});
}

/* ------------------------------------------------------------- the link */

static void
on_up(struct link *link, const struct msg_hello_reply *hello, void *arg)
{
	(void)hello;
	(void)arg;
	msg_snap_open_put(link_out(link), &(struct msg_snap_open){1});
}

static void
on_frame(struct link *link, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct msg_snap_opened opened;
	struct msg_snap_data data;
	struct msg_refusal refusal;
	(void)arg;
	if (number == MSG_REFUSAL && msg_refusal_get(&refusal, body, size))
		tool_die((enum exit_status)refusal.exit_status, "%.*s", (int)refusal.sentence.size,
		    (const char *)refusal.sentence.bytes);
	if (number == MSG_SNAP_OPENED && msg_snap_opened_get(&opened, body, size) && self.fd < 0)
		on_opened(&opened);
	else if (number == MSG_SNAP_DATA && msg_snap_data_get(&data, body, size) && data.offset == self.got)
		on_data(data.data);
	else
		link_break(link, "it sends what cannot be read");
}

static void
on_down(struct link *link, bool was_up, const char *why, void *arg)
{
	(void)link;
	(void)arg;
	snprintf(self.why, sizeof self.why, "%s", why);
	/* What raft-logd keeps open for a connection ends with it. */
	if (was_up && self.fd >= 0)
		die(EXIT_UNAVAILABLE, why);
}

static void
on_hopeless(struct link *link, enum exit_status status, const char *why, void *arg)
{
	(void)link;
	(void)arg;
	die(status, why);
}

static void
on_patience_over(uv_timer_t *timer)
{
	(void)timer;
	die(EXIT_UNAVAILABLE, self.why[0] ? self.why : "no answer in time");
}

enum exit_status
ctl_snapshot(struct ctl *ctl)
{
	static const struct link_calls calls = {on_up, on_frame, on_down, on_hopeless, NULL};
	if (ctl->output == NULL)
		return ctl_fsm_order(ctl, "snapshot");
	self = (struct fetching){.ctl = ctl, .fd = -1};
	uv_timer_init(loop_uv(ctl->tool.loop), &self.patience);
	uv_timer_start(&self.patience, on_patience_over, ctl->give_up_ms, ctl->give_up_ms);
	self.link = link_new(ctl->tool.loop, tool_socket(&ctl->tool, "log").text, WIRE_CLIENT, ctl->tool.prog,
	    &calls, NULL);
	loop_run(ctl->tool.loop);
	link_free(self.link);
	return EXIT_OK;
}
