/* SPDX-License-Identifier: ISC */
/*
 * raft-ctl snapshot: orders one from this node's program, and with -o fetches it into a file or a
 * pipe: a backup, for raft-init --restore.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/timeout.h"
#include "client/when.h"
#include "local/link.h"
#include "prog/progress.h"
#include "seal/seal.h"
#include "unix/file.h"
#include "unix/signals.h"
#include "seal/snapshot.h"
#include "ctl.h"

enum { PIECE_SIZE = 512 << 10, SIGNALS_COUNT = 3, PROGRESS_MS = 500 };

static struct fetching {
	struct ctl *ctl;
	struct link *link;
	struct timeout *timeout;
	uv_signal_t signals[SIGNALS_COUNT];
	struct progress *progress;
	bool standard;         /* it goes to standard output */
	struct file_part part; /* else the file while it is written */
	bool opened;
	uint64_t size, got;
	struct raft_hash hash; /* of the head */
	struct wire_buf head;  /* what has come of it */
	struct snapshot_head parsed;
	size_t head_size;          /* 0: not known yet */
	struct seal_stream stream; /* of the file */
} self;

_Noreturn static void
snapshot_die(enum exit_status status, const char *what)
{
	file_part_drop(&self.part);
	tool_die(status, "snapshot: %s", what);
}

_Noreturn static void
die_file(void)
{
	char text[4608];
	const char *why = errno == EEXIST ? "it exists: nothing is written over" : strerror(errno);
	snprintf(text, sizeof text, "%s: cannot be written: %s",
	    self.standard ? "standard output" : self.ctl->output, why);
	snapshot_die(EXIT_IO, text);
}

static void
snapshot_write(const void *bytes, size_t size)
{
	if (self.standard)
		tool_write(bytes, size);
	else if (!file_write(self.part.fd, bytes, size))
		die_file();
}

/* Known before a snapshot is taken; what comes to be there meanwhile is found at the end. */
static void
die_if_exists(void)
{
	struct stat st;
	if (self.standard || lstat(self.ctl->output, &st) < 0)
		return;
	errno = EEXIST;
	die_file();
}

/* ------------------------------------------------------------- the stream */

/* Of an older version it is written as the present one, which protects it. */
static void
write_head(void)
{
	struct wire_buf out = {0};
	snapshot_head_put(&out, &self.parsed);
	snapshot_write(out.bytes, out.size);
	wire_buf_free(&out);
}

static void
snapshot_take_head(struct wire_bytes *data)
{
	while (self.parsed.pos.index == 0 && data->size > 0) {
		size_t wanted = self.head_size ? self.head_size : SNAPSHOT_PREFIX_SIZE;
		size_t size =
		    wanted - self.head.size < data->size ? wanted - self.head.size : data->size;
		wire_buf_put(&self.head, data->bytes, size);
		data->bytes += size;
		data->size -= size;
		if (self.head.size < wanted)
			return;
		if (self.head_size == 0) {
			self.head_size = snapshot_head_size(self.head.bytes);
			if (self.head_size == 0)
				snapshot_die(EXIT_IO, "what raft-logd sends is no snapshot");
			continue;
		}
		if (snapshot_head_newer(self.head.bytes, self.head.size))
			snapshot_die(EXIT_CONFIG, SNAPSHOT_NEWER);
		struct raft_hash hash =
		    seal_hash(&(struct seal_part){self.head.bytes, self.head.size}, 1);
		if (!raft_hash_equal(&hash, &self.hash) ||
		    !snapshot_head_get(&self.parsed, self.head.bytes, self.head.size))
			snapshot_die(EXIT_IO, "what raft-logd sends is damaged");
		write_head();
	}
}

static void
snapshot_finish(void)
{
	struct raft_hash hash = seal_stream_end(&self.stream);
	if (self.parsed.pos.index == 0 || !raft_hash_equal(&hash, &self.parsed.file_hash))
		snapshot_die(EXIT_IO, "what raft-logd sent is damaged");
	/* Some file systems report a failed write only now. */
	if (self.standard ? close(STDOUT_FILENO) < 0 : !file_part_end(&self.part, FILE_NEW))
		die_file();
	loop_stop(self.ctl->tool.loop);
}

static void
on_data(struct wire_bytes data)
{
	if (data.size == 0)
		snapshot_die(EXIT_IO, "raft-logd cannot read it: its status says more");
	self.got += data.size;
	snapshot_take_head(&data);
	seal_stream_add(&self.stream, data.bytes, data.size);
	snapshot_write(data.bytes, data.size);
	timeout_progress(self.timeout);
	if (self.got >= self.size)
		snapshot_finish();
	else
		msg_snap_read_put(
		    link_out(self.link), &(struct msg_snap_read){2, self.got, PIECE_SIZE});
}

static void
snapshot_on_opened(const struct msg_snap_opened *opened)
{
	if (!opened->found)
		snapshot_die(EXIT_UNAVAILABLE,
		    "this node has none: a program in mode machine takes one by raft-ctl snapshot; "
		    "without one, raft-tail -F netstring writes all entries");
	if (!self.standard && !file_part_begin(&self.part, self.ctl->output, 0600))
		die_file();
	progress_begin(self.progress, "snapshot");
	self.opened = true;
	self.size = opened->size;
	self.hash = opened->hash;
	self.got = 0;
	seal_stream_begin(&self.stream);
	msg_snap_read_put(link_out(self.link), &(struct msg_snap_read){2, 0, PIECE_SIZE});
}

/* ------------------------------------------------------------- the link */

static void
snapshot_on_up(void *arg)
{
	(void)arg;
	msg_snap_open_put(link_out(self.link), &(struct msg_snap_open){1});
}

static const char *
snapshot_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct msg_snap_opened opened;
	struct msg_snap_data data;
	(void)arg;
	if (number == MSG_SNAP_OPENED && msg_snap_opened_get(&opened, body, size) && !self.opened)
		snapshot_on_opened(&opened);
	else if (number == MSG_SNAP_DATA && self.opened && msg_snap_data_get(&data, body, size) &&
		 data.offset == self.got)
		on_data(data.data);
	else
		return "it sends what cannot be read";
	return NULL;
}

static void
snapshot_on_refused(enum exit_status status, const char *why, void *arg)
{
	(void)arg;
	snapshot_die(status, why);
}

static void
snapshot_on_down(bool was_up, const char *why, void *arg)
{
	(void)arg;
	timeout_set_why(self.timeout, why);
	/* What raft-logd keeps open for a connection ends with it. */
	if (was_up && self.opened)
		snapshot_die(EXIT_UNAVAILABLE, why);
}

static void
snapshot_on_timeout(void *arg)
{
	(void)arg;
	snapshot_die(EXIT_UNAVAILABLE, timeout_why(self.timeout));
}

/* Nothing is left of a file that is not complete; then the signal does what it would have done. */
static void
snapshot_on_signal(uv_signal_t *handle, int number)
{
	(void)handle;
	progress_clear();
	file_part_drop(&self.part);
	signal(number, SIG_DFL);
	raise(number);
}

/* One that is ignored stays so.  A file that becomes too large is an error of the write. */
static void
watch_signals(void)
{
	static const int numbers[SIGNALS_COUNT] = {SIGINT, SIGTERM, SIGHUP};
	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < SIGNALS_COUNT; i++) {
		uv_signal_init(loop_uv(self.ctl->tool.loop), &self.signals[i]);
		if (!signals_ignored(numbers[i]))
			uv_signal_start(&self.signals[i], snapshot_on_signal, numbers[i]);
	}
}

static void
snapshot_on_turn(void *arg)
{
	(void)arg;
	if (self.opened)
		progress_amount(self.progress, PROGRESS_BYTES, self.got, self.size);
}

/* In the largest unit of which there are two or more. */
struct age_text {
	char text[32];
};

static struct age_text
age_print(uint64_t then_ms)
{
	static const struct {
		uint64_t ms;
		char name;
	} units[] = {{24 * 3600000, 'd'}, {3600000, 'h'}, {60000, 'm'}, {1000, 's'}};
	struct age_text out;
	uint64_t now_ms = wall_ms(), age_ms = now_ms > then_ms ? now_ms - then_ms : 0;
	size_t at = 0;
	while (at < 3 && age_ms < 2 * units[at].ms)
		at++;
	snprintf(out.text, sizeof out.text, "%llu%c", (unsigned long long)(age_ms / units[at].ms),
	    units[at].name);
	return out;
}

/* Of which state it is, for the person who keeps it. */
static void
say_which(void)
{
	char time[WHEN_SIZE] = "";
	unsigned long long index = self.parsed.pos.index;
	const char *which = self.ctl->newest ? "the newest one" : "a new one";
	if (self.parsed.time == 0) {
		tool_say("snapshot: %s, of the state after entry %llu", which, index);
		return;
	}
	when_print(time, self.parsed.time);
	tool_say("snapshot: %s, of the state after entry %llu, of %s, %s ago", which, index, time,
	    age_print(self.parsed.time).text);
}

static void
snapshot_fetch(void)
{
	static const struct link_calls calls = {.up = snapshot_on_up,
	    .frame = snapshot_on_frame,
	    .refused = snapshot_on_refused,
	    .down = snapshot_on_down};
	struct tool *tool = &self.ctl->tool;
	/* While a reader does not read, a signal has its default effect: nothing is to be removed.
	 */
	if (!self.standard)
		watch_signals();
	self.timeout = timeout_new(
	    tool->loop, self.ctl->give_up_ms, "no answer in time", snapshot_on_timeout, NULL);
	self.progress = progress_new(tool->loop, tool->prog, true, PROGRESS_MS);
	loop_on_turn(tool->loop, snapshot_on_turn, NULL);
	self.link = link_new(
	    tool->loop, tool_socket(tool, "log").text, WIRE_CLIENT, tool->prog, &calls, NULL);
	loop_run(tool->loop);
	link_free(self.link);
}

enum exit_status
ctl_snapshot(struct ctl *ctl)
{
	if (ctl->newest && ctl->output == NULL)
		tool_die(EXIT_USAGE, "snapshot: --newest fetches one: it needs -o FILE");
	if (ctl->output == NULL)
		return ctl_fsm_order(ctl, "snapshot");
	self =
	    (struct fetching){.ctl = ctl, .part.fd = -1, .standard = strcmp(ctl->output, "-") == 0};
	if (self.standard && isatty(STDOUT_FILENO))
		tool_die(EXIT_USAGE,
		    "snapshot: a snapshot is no text for a terminal: give -o FILE, "
		    "or a pipe to -o -");
	die_if_exists();
	if (!ctl->newest)
		ctl_fsm_order(ctl, "snapshot");
	snapshot_fetch();
	say_which();
	return EXIT_OK;
}
