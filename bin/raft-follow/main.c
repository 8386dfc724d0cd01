/* SPDX-License-Identifier: ISC */
/*
 * raft-follow: the lines of a log file that is rotated, to the log of the cluster, each exactly
 * once, across kills of everything.
 *
 * The session has the number of the last line and a digest of all of them (section 5 of the
 * design); the state file says where in which file a line with a certain number begins (state.h).
 * At the start the two are brought together (seek.h).  Then lines go through a batch: read, put on
 * the disk with the state where that is needed (store.h), given to the appender.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/appender.h"
#include "client/framing.h"
#include "client/session_name.h"
#include "prog/tool.h"
#include "seal/seal.h"
#include "unix/signals.h"
#include "unix/timer.h"
#include "seek.h"
#include "logfile.h"
#include "state.h"
#include "store.h"

enum {
	POLL_MS = 200,          /* between looks at a file that has no more */
	BATCH_SIZE = 256 << 10, /* bytes of lines that are read at once */
	PLACE_SIZE = 1 << 20,   /* bytes of lines from one place to the next */
	IDLE_MS = 5000          /* from one state to the next, where there is little to do */
};

enum follow_phase {
	FOLLOW_OPENING,  /* the session */
	FOLLOW_SEEKING,  /* the next line */
	FOLLOW_READING,  /* a batch */
	FOLLOW_STORING,  /* what must be on the disk before the batch is sent */
	FOLLOW_RELEASING /* the batch to the appender */
};

static struct {
	struct tool tool;
	uint64_t give_up_ms;
	const char *session;
	const char *state_path;
	const char *path;
	bool numbers_on; /* --continue */
	struct appender *appender;
	struct logfile *logfile;
	struct follow_state state;
	struct follow_store *store;
	struct seek seek;
	struct timer *poll;
	uv_signal_t signals[3];
	enum follow_phase phase;
	bool due;        /* the file is to be looked at */
	uint64_t before; /* entries that the session had at the start */
	uint64_t serial; /* of the last line that was read, and the digest there */
	struct raft_hash digest;
	struct wire_buf batch; /* lines, each after its size */
	size_t batch_at;
	uint64_t placed; /* bytes of lines since the last place */
	bool dirty;      /* the state is newer than its file */
	struct mono_ms stored;
	bool ended; /* no more is read; how, and the batch in hand is still sent */
	struct logfile_error end;
	bool interrupted, failed, over;
} self;

/* ------------------------------------------------------------- options */

static void
follow_on_option(enum tool_option option, const char *value)
{
	switch (option) {
	case TOOL_TIMEOUT:
		self.give_up_ms = tool_duration_ms(option, value);
		break;
	case TOOL_SESSION:
		self.session = value;
		if (session_name_unfit(value))
			tool_die(EXIT_USAGE, "-S: a session's name %s", session_name_unfit(value));
		break;
	case TOOL_STATE:
		self.state_path = value;
		break;
	default:
		self.numbers_on = true;
	}
}

static void
follow_check_options(void)
{
	if (self.session == NULL)
		tool_die(EXIT_USAGE, "the session is missing: -S NAME");
	if (self.state_path == NULL)
		tool_die(EXIT_USAGE, "the state file is missing: --state FILE");
	if (self.tool.argc != 1)
		tool_die(EXIT_USAGE, "one file to follow is expected: usage: %s %s", self.tool.prog,
		    self.tool.usage);
	self.path = self.tool.argv[0];
	if (strlen(self.path) >= FILE_PATH_MAX - 256)
		tool_die(EXIT_USAGE, "%s: the path is too long", self.path);
}

/* ------------------------------------------------------------- the end */

static void
follow_end(enum exit_status status, const char *why)
{
	if (self.ended)
		return;
	self.ended = true;
	self.end.status = status;
	memmove(self.end.why, why, strlen(why) + 1);
}

static uint64_t
follow_committed(void)
{
	return self.before + appender_committed(self.appender);
}

/* Takes what the session has as it is, wherever it came from. */
static bool
begin_again(const char *why)
{
	if (!self.numbers_on)
		return false;
	tool_say("%s; --continue: continuing with the first line of %s", why, self.path);
	logfile_free(self.logfile);
	self.logfile = logfile_new(self.path, self.tool.conf->elect.entry_max, self.tool.verbose);
	state_clear(&self.state);
	return true;
}

static void
end_follow_if_done(void)
{
	bool drained = self.phase != FOLLOW_STORING && self.phase != FOLLOW_RELEASING;
	bool done = self.failed || (self.ended && drained && appender_idle(self.appender));
	if (self.over || !done || store_busy(self.store))
		return;
	self.over = true;
	loop_stop(self.tool.loop);
}

static void
follow_on_signal(uv_signal_t *handle, int number)
{
	(void)handle;
	(void)number;
	follow_end(EXIT_OK, "interrupted");
	self.interrupted = true;
	appender_stop(self.appender, EXIT_RETRY, "interrupted");
}

/* ------------------------------------------------------------ the session */

static void
follow_on_opened(uint64_t last_serial, const struct raft_hash *digest, void *arg)
{
	(void)arg;
	self.before = last_serial;
	self.seek = (struct seek){.state = &self.state,
	    .logfile = self.logfile,
	    .session = self.session,
	    .serial_want = last_serial,
	    .digest_want = *digest};
	self.phase = FOLLOW_SEEKING;
	self.due = true;
}

static void
follow_on_committed(uint64_t number, uint64_t count, struct raft_pos pos, void *arg)
{
	(void)pos;
	(void)arg;
	state_trim(&self.state, self.before + number + count - 1);
}

static void
follow_on_failed(enum exit_status status, const char *why, void *arg)
{
	(void)arg;
	follow_end(status, why);
	self.failed = true;
}

/* ----------------------------------------------------------- the position */

/* The state gets the place of the next line. */
static void
add_place(void)
{
	struct follow_place place = {.serial = self.serial, .digest = self.digest};
	struct logfile_error error;
	if (logfile_spot(self.logfile, &place.spot, &error)) {
		state_add(&self.state, &place);
		state_trim(&self.state, follow_committed());
		self.dirty = true;
		self.placed = 0;
	} else if (error.status != EXIT_OK) {
		follow_end(error.status, error.why);
	}
}

/* A file that was empty when its place was taken is known by its first bytes now. */
static void
know_last_place(const int fds[2])
{
	struct bookmark *mark =
	    self.state.count > 0 ? &self.state.places[self.state.count - 1].spot.at : NULL;
	if (mark && mark->head == 0 && fds[0] >= 0) {
		self.dirty = true;
		if (!bookmark_take(mark, fds[0], mark->offset))
			follow_end(
			    exit_of_errno(errno), "the file that is read cannot be read again");
	}
}

static void
follow_seek(void)
{
	struct logfile_error error;
	switch (seek_step(&self.seek, &error)) {
	case SEEK_READY:
		self.serial = self.seek.serial_want;
		self.digest = self.seek.digest_want;
		break;
	case SEEK_AGAIN:
		loop_again(self.tool.loop);
		return;
	case SEEK_LATER:
		self.due = false;
		return;
	default:
		if (error.status != EXIT_DATA || !begin_again(error.why)) {
			follow_end(error.status, error.why);
			return;
		}
		self.serial = self.seek.serial_want;
		self.digest = self.seek.digest_want;
	}
	add_place();
	self.phase = FOLLOW_READING;
	loop_again(self.tool.loop);
}

/* --------------------------------------------------------------- a batch */

/* What the program of this node cannot be given is not appended. */
static bool
line_fits(const struct wire_bytes *line, const char *where)
{
	const char *unfit = framing_program_unfit(self.tool.conf, *line);
	if (unfit == NULL)
		return true;
	char why[ROTATED_WHY_SIZE];
	snprintf(why, sizeof why,
	    "%s: the line before it holds %s, which fsm.framing: line cannot give to the program",
	    where, unfit);
	follow_end(EXIT_DATA, why);
	return false;
}

static void
batch_put(const struct wire_bytes *line)
{
	uint32_t size = (uint32_t)line->size;
	if (!line_fits(line, logfile_where(self.logfile)))
		return;
	wire_buf_put(&self.batch, &size, sizeof size);
	wire_buf_put(&self.batch, line->bytes, line->size);
	self.digest = seal_digest(&self.digest, line->bytes, size);
	self.serial++;
	self.placed += size + 1;
}

/* ⚠ The lines of a batch come from one file, or from two of which one is left with its last line:
 * as many as store_begin syncs. */
static void
read_batch(void)
{
	struct wire_bytes line;
	struct logfile_error error;
	for (bool more = true; more && !self.ended;) {
		switch (logfile_next(self.logfile, &line, &error)) {
		case LOGFILE_LINE:
			batch_put(&line);
			if (self.placed >= PLACE_SIZE && !self.ended)
				add_place();
			more = self.batch.size < BATCH_SIZE;
			break;
		case LOGFILE_LAST:
			batch_put(&line);
			break;
		case LOGFILE_MOVED:
			add_place();
			more = false;
			break;
		case LOGFILE_WAIT:
			self.due = false;
			more = false;
			break;
		default:
			follow_end(error.status, error.why);
		}
	}
}

/* While there is little to do the state follows, so that the next run has little to look for. */
static void
place_when_idle(void)
{
	const struct follow_state *state = &self.state;
	bool behind = state->count > 0 && state->places[state->count - 1].serial != self.serial;
	if (!behind || !appender_idle(self.appender) || mono_now().ms - self.stored.ms < IDLE_MS)
		return;
	add_place();
}

static void
follow_read(void)
{
	int fds[2];
	if (!self.due || self.ended)
		return;
	read_batch();
	if (self.batch.size == 0 && !self.dirty)
		place_when_idle();
	if (self.batch.size == 0 && !self.dirty) {
		if (self.due)
			loop_again(self.tool.loop);
		return;
	}
	logfile_files(self.logfile, fds);
	know_last_place(fds);
	store_begin(self.store, fds, self.dirty ? &self.state : NULL);
	if (self.dirty)
		self.stored = mono_now();
	self.dirty = false;
	self.phase = FOLLOW_STORING;
}

static void
follow_on_stored(const char *failed, int error, void *arg)
{
	(void)arg;
	self.phase = FOLLOW_RELEASING;
	if (failed == NULL)
		return;
	char why[ROTATED_WHY_SIZE];
	snprintf(why, sizeof why, "%s: %s", failed, strerror(error));
	self.batch_at = self.batch.size;
	follow_end(EXIT_IO, why);
}

static void
follow_release(void)
{
	while (self.batch_at < self.batch.size && appender_room(self.appender)) {
		uint32_t size;
		memcpy(&size, self.batch.bytes + self.batch_at, sizeof size);
		self.batch_at += sizeof size;
		appender_take(self.appender, self.batch.bytes + self.batch_at, size);
		self.batch_at += size;
	}
	if (self.batch_at < self.batch.size)
		return;
	self.batch.size = self.batch_at = 0;
	self.phase = FOLLOW_READING;
	loop_again(self.tool.loop);
}

static void
follow_turn(void *arg)
{
	(void)arg;
	if (self.phase == FOLLOW_SEEKING && self.due && !self.ended)
		follow_seek();
	if (self.phase == FOLLOW_READING && !self.failed)
		follow_read();
	if (self.phase == FOLLOW_RELEASING && !self.failed)
		follow_release();
	appender_send(self.appender);
	end_follow_if_done();
}

static void
follow_on_poll(void *arg)
{
	(void)arg;
	self.due = true;
}

/* After an orderly stop the next run has little to look for. */
static void
follow_finish(void)
{
	struct wire_buf text = {0};
	if (self.phase == FOLLOW_READING && self.end.status == EXIT_OK)
		add_place();
	state_print(&self.state, &text);
	if (self.dirty &&
	    !file_write_whole(self.state_path, text.bytes, text.size, 0600, FILE_REPLACE))
		tool_say("%s: %s", self.state_path, strerror(errno));
	wire_buf_free(&text);
	if (self.interrupted)
		return;
	if (self.phase <= FOLLOW_SEEKING)
		tool_say("%s: nothing was appended", self.end.why);
	else
		tool_say("%s: session %s has %llu entries; the next run continues there",
		    self.end.why, self.session, (unsigned long long)follow_committed());
}

/* ------------------------------------------------------------- the start */

static void
follow_read_state(void)
{
	char why[STATE_WHY_SIZE];
	if (!state_lock(self.state_path)) {
		if (errno == EWOULDBLOCK)
			tool_die(EXIT_RETRY, "%s: another raft-follow uses it", self.state_path);
		tool_die(exit_of_errno(errno), "%s.lock: %s", self.state_path, strerror(errno));
	}
	if (!state_read(&self.state, self.state_path, why))
		tool_die(EXIT_DATA, "%s", why);
	if (self.state.session[0] == '\0')
		strcpy(self.state.session, self.session);
	if (strcmp(self.state.session, self.session) != 0)
		tool_die(EXIT_DATA, "%s: is of the session %s, not of %s", self.state_path,
		    self.state.session, self.session);
}

static const struct appender_calls follow_calls = {
    follow_on_opened, follow_on_committed, follow_on_failed};

static void
follow_set_up(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct tool_path path = tool_socket(&self.tool, "elect");
	struct appender_settings settings = {
	    .path = path.text,
	    .program = self.tool.prog,
	    .in_flight_max = APPENDER_IN_FLIGHT,
	    .give_up_ms = self.give_up_ms,
	    .session = self.session,
	};
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		uv_signal_init(loop_uv(self.tool.loop), &self.signals[i]);
		if (!signals_ignored(numbers[i]))
			uv_signal_start(&self.signals[i], follow_on_signal, numbers[i]);
	}
	self.logfile = logfile_new(self.path, self.tool.conf->elect.entry_max, self.tool.verbose);
	self.store = store_new(self.tool.loop, self.state_path, self.path, follow_on_stored, NULL);
	self.appender = appender_new(self.tool.loop, &settings, &follow_calls, NULL);
	self.poll = timer_new(self.tool.loop, follow_on_poll, NULL);
	timer_repeat(self.poll, POLL_MS, POLL_MS);
	loop_on_turn(self.tool.loop, follow_turn, NULL);
}

int
main(int argc, char **argv)
{
	self.tool = (struct tool){
	    .prog = "raft-follow",
	    .usage = "[-v] [-c FILE] [-t TIME] [--continue] -S NAME --state FILE FILE",
	    .takes = 1ull << TOOL_TIMEOUT | 1ull << TOOL_SESSION | 1ull << TOOL_CONTINUE |
		     1ull << TOOL_STATE,
	    .found = follow_on_option,
	};
	self.give_up_ms = TOOL_GIVE_UP_MS;
	tool_start(&self.tool, argc, argv);
	follow_check_options();
	follow_read_state();
	follow_set_up();
	loop_run(self.tool.loop);
	follow_finish();
	return (int)self.end.status;
}
