/* SPDX-License-Identifier: ISC */
/* From the state and the session to the next line. */
#include "seek.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "seal/seal.h"
#include "unix/loop.h"

enum { STEP_LINES = 4096 };

__attribute__((format(printf, 4, 5))) static enum seek_found
seek_fail(const struct seek *seek, struct logfile_error *error, enum exit_status status,
    const char *format, ...)
{
	char why[sizeof error->why - 128];
	va_list args;
	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	error->status = status;
	snprintf(error->why, sizeof error->why, "session %s: %s", seek->session, why);
	return SEEK_FAILED;
}

/* Without a state the session may still have nothing but the first lines of FILE. */
static enum seek_found
seek_place(struct seek *seek, struct logfile_error *error)
{
	uint64_t first = seek->state->count > 0 ? seek->state->places[0].serial : 0;
	bool empty = seek->state->count == 0;
	const struct follow_place *place = state_find(seek->state, seek->serial_want);
	if (place == NULL && !empty)
		return seek_fail(seek, error, EXIT_DATA,
		    "it has %" PRIu64 " entries, and had %" PRIu64
		    " before: it was dropped, or the cluster was restored from an older backup",
		    seek->serial_want, first);
	if (place) {
		switch (logfile_resume(seek->logfile, &place->spot, error)) {
		case LOGFILE_MOVED:
			break;
		case LOGFILE_WAIT:
			return SEEK_LATER;
		default:
			return SEEK_FAILED;
		}
		seek->serial = place->serial;
		seek->digest = place->digest;
	}
	seek->counts = true;
	return SEEK_AGAIN;
}

/* One of the lines that the session has. */
static enum seek_found
seek_line(struct seek *seek, struct logfile_error *error)
{
	struct wire_bytes line;
	switch (logfile_next(seek->logfile, &line, error)) {
	case LOGFILE_LINE:
	case LOGFILE_LAST:
		seek->digest = seal_digest(&seek->digest, line.bytes, (uint32_t)line.size);
		seek->serial++;
		seek->waiting.ms = 0;
		return SEEK_AGAIN;
	case LOGFILE_MOVED:
		seek->waiting.ms = 0;
		return SEEK_AGAIN;
	case LOGFILE_WAIT:
		if (seek->waiting.ms == 0)
			seek->waiting = mono_now();
		if (mono_now().ms - seek->waiting.ms < LOGFILE_SETTLE_MS)
			return SEEK_LATER;
		return seek_fail(seek, error, EXIT_DATA,
		    "it has %" PRIu64 " entries, and the files have the lines of %" PRIu64
		    " only: lines were taken away, or the state file is not the session's",
		    seek->serial_want, seek->serial);
	default:
		return SEEK_FAILED;
	}
}

enum seek_found
seek_step(struct seek *seek, struct logfile_error *error)
{
	enum seek_found found = SEEK_AGAIN;
	if (!seek->counts)
		return seek_place(seek, error);
	for (int i = 0; i < STEP_LINES && found == SEEK_AGAIN && seek->serial < seek->serial_want;
	     i++)
		found = seek_line(seek, error);
	if (found != SEEK_AGAIN || seek->serial < seek->serial_want)
		return found;
	if (!raft_hash_equal(&seek->digest, &seek->digest_want))
		return seek_fail(seek, error, EXIT_DATA,
		    "its %" PRIu64 " entries are not the lines before %s", seek->serial_want,
		    logfile_where(seek->logfile));
	return SEEK_READY;
}
