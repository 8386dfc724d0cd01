/* SPDX-License-Identifier: ISC */
/* Room on the disk: looking, and telling. */
#include "space.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

#include "local/changes.h"
#include "logd.h"

enum { LOOK_MS = 100 };

const char *
space_name(enum space_state state)
{
	static const char *const names[] = {
#define S(NAME, text) text,
	    SPACE_STATES(S)
#undef S
	};
	return names[state];
}

static const char *
space_why(enum space_state state)
{
	switch (state) {
	case SPACE_LOW:
		return "less than the reserve is free: no new entries are taken";
	case SPACE_FULL:
		return "the disk is full: entries wait until there is room";
	case SPACE_AMPLE:
	default:
		return "there is room: entries are taken";
	}
}

void
space_notice(struct logd *logd)
{
	enum space_state state = logd->space.state;
	changes_put(logd->server, "disk", "", space_why(state), "state=%s",
	    state == SPACE_AMPLE ? "room" : space_name(state));
}

static void
space_change(struct logd *logd, enum space_state to)
{
	struct space *space = &logd->space;
	enum space_state from = space->state;
	if (from == to)
		return;
	space->state = to;
	space_notice(logd);
	if (to == SPACE_AMPLE)
		log_info("space", "from=%s to=%s free_bytes=%" PRIu64 " why=%s", space_name(from),
		    space_name(to), space->free_bytes,
		    log_q("there is room again: entries are taken"));
	else
		log_warn("space", "from=%s to=%s free_bytes=%" PRIu64 " reserve=%" PRIu64 " why=%s",
		    space_name(from), space_name(to), space->free_bytes,
		    logd->daemon.conf->logd.reserve, log_q(space_why(to)));
	if ((from == SPACE_AMPLE) != (to == SPACE_AMPLE))
		elector_full(logd);
	if (to != SPACE_AMPLE)
		logd_tick_later(logd);
}

/* A little more than the reserve must be free before it is called enough again. */
static enum space_state
space_judge(const struct logd *logd)
{
	uint64_t reserve = logd->daemon.conf->logd.reserve;
	const struct space *space = &logd->space;
	if (space->refused || space->free_bytes < reserve / 2)
		return SPACE_FULL;
	if (space->free_bytes < reserve)
		return SPACE_LOW;
	if (space->state != SPACE_AMPLE && space->free_bytes < reserve + reserve / 8)
		return SPACE_LOW;
	return SPACE_AMPLE;
}

void
space_look(struct logd *logd)
{
	struct statvfs fs;
	logd->space.looked_at = mono_now();
	/* Of the directory in use, wherever the path leads now.  What is not known to be there is
	 * not there. */
	if (fstatvfs(logd->place.fds[PLACE_DIRECTORY], &fs) < 0)
		daemon_die(EXIT_IO, "%s: cannot look at its free space: %s",
		    logd->daemon.conf->node.data, strerror(errno));
	logd->space.free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize;
	space_change(logd, space_judge(logd));
}

void
space_init(struct logd *logd)
{
	space_look(logd);
}

void
space_check(struct logd *logd)
{
	if (mono_now().ms - logd->space.looked_at.ms >= LOOK_MS)
		space_look(logd);
}

void
space_found(struct logd *logd, bool room)
{
	struct space *space = &logd->space;
	space->trial = false;
	if (space->refused == !room)
		return;
	space->refused = !room;
	space_look(logd);
}
