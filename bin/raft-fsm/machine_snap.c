/* SPDX-License-Identifier: ISC */
/*
 * Snapshots: a place from raft-logd, the program writes there, raft-logd makes it durable.
 *
 * It stands for exactly the last client entry before the request: the program answers in order, so
 * its state is that one and no other.  What fails leaves the old snapshot and the log as they are.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"

static void
machine_snap_begin(struct machine *m)
{
	struct machine_snap *s = &m->snap;
	s->step = SNAP_PATH;
	source_snap_path(m->fsm->source);
}

/* What was ordered meanwhile begins now; and a beginning incarnation may ask where it begins. */
static void
machine_snap_ended(struct machine *m)
{
	struct machine_snap *s = &m->snap;
	s->step = SNAP_IDLE;
	free(s->path);
	s->path = NULL;
	if (m->phase == PHASE_FINDING) {
		source_snap_find(m->fsm->source);
		asks_refuse(&s->next, EXIT_RETRY, "the program has just been started again");
		return;
	}
	for (struct ask *ask; (ask = asks_take(&s->next));)
		machine_snap_order(m, ask);
}

static void
machine_snap_failed(struct machine *m, const char *why)
{
	struct machine_snap *s = &m->snap;
	if (s->path && !m->fsm->trial)
		unlink(s->path);
	s->since.entries += s->saved.entries;
	s->since.bytes += s->saved.bytes;
	s->saved = (struct amount){0};
	s->retry_at = (struct mono_ms){mono_now().ms + backoff_wait(&s->backoff)};
	snprintf(s->why, sizeof s->why, "%s", why);
	log_line(m->stopping ? LOG_INFO : LOG_WARN, "snapshot", "label=%" PRIu64 " why=%s",
	    s->label, log_q(why));
	asks_refuse(&s->now, EXIT_RETRY, why);
	machine_snap_ended(m);
}

void
machine_snap_policy(struct machine *m)
{
	const struct conf_limits *limits = &m->fsm->conf->fsm.snapshot;
	struct machine_snap *s = &m->snap;
	bool due = (limits->entries && s->since.entries >= limits->entries) ||
		   (limits->bytes && s->since.bytes >= limits->bytes);
	if (!due || s->step != SNAP_IDLE || m->phase != PHASE_FEEDING || m->last_client <= s->index)
		return;
	if (mono_now().ms >= s->retry_at.ms)
		machine_snap_begin(m);
}

void
machine_snap_order(struct machine *m, struct ask *ask)
{
	struct machine_snap *s = &m->snap;
	char text[64];
	if (s->step != SNAP_IDLE) {
		asks_put(&s->next, ask);
	} else if (m->phase != PHASE_FEEDING) {
		ask_refuse(ask, EXIT_RETRY, "the program is not being fed just now");
	} else if (m->last_client == 0) {
		ask_refuse(ask, EXIT_RETRY,
		    "there is nothing to take a snapshot of: no entry has come yet");
	} else if (m->last_client <= s->index) {
		snprintf(text, sizeof text, "index=%" PRIu64 " new=0\n", s->index);
		ask_text(ask, text);
	} else {
		asks_put(&s->now, ask);
		machine_snap_begin(m);
	}
}

/* One question at a time: that of a snapshot being stored is asked first. */
void
machine_snap_find(struct machine *m)
{
	machine_enter(m, PHASE_FINDING);
	m->found.known = false;
	if (!m->fsm->trial && m->snap.step != SNAP_PATH && m->snap.step != SNAP_STORING)
		source_snap_find(m->fsm->source);
}

void
machine_snap_to(struct machine *m, const char *path)
{
	must((m->snap.path = strdup(path)) != NULL);
	m->snap.step = SNAP_READY;
}

void
machine_snap_path(struct machine *m, const char *path, const char *why)
{
	struct machine_snap *s = &m->snap;
	if (s->step != SNAP_PATH)
		return;
	if (path[0] == '\0' || request_unfit(m->netstring, wire_text(path))) {
		machine_snap_failed(m, why);
	} else if (m->phase != PHASE_FEEDING) {
		machine_snap_failed(m, "the program ended before it could be asked for a snapshot");
	} else {
		machine_snap_to(m, path);
	}
}

void
machine_snap_put(struct machine *m)
{
	struct machine_snap *s = &m->snap;
	if (s->step != SNAP_READY || !feed_open(m->feed))
		return;
	s->step = SNAP_WRITING;
	s->label = m->last_client;
	s->saved = s->since;
	s->since = (struct amount){0};
	log_info("snapshot", "label=%" PRIu64 " path=%s", s->label, log_q(s->path));
	machine_put(m, REQUEST_SNAPSHOT, s->path, strlen(s->path));
}

void
machine_snap_written(struct machine *m, bool ok, struct wire_bytes why)
{
	struct machine_snap *s = &m->snap;
	struct stat st;
	char text[256];
	if (s->step != SNAP_WRITING)
		return;
	bool written = lstat(s->path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
	if (!ok) {
		snprintf(text, sizeof text, "the program refuses: %.*s",
		    (int)(why.size < 200 ? why.size : 200), (const char *)why.bytes);
		machine_snap_failed(m, text);
	} else if (!written && m->fsm->trial) {
		char said[MACHINE_WHY_SIZE];
		snprintf(said, sizeof said,
		    "the program says ok to snapshot and has written no file, or an empty one: "
		    "%.300s",
		    s->path);
		machine_breach_of(m, BREACH_SNAPSHOT, said,
		    "\"refused\", or a file that is complete when it answers ok");
	} else if (!written) {
		machine_snap_failed(
		    m, "the program says ok and has written no file, or an empty one");
	} else if (m->fsm->trial) {
		machine_snap_ended(m);
	} else {
		s->step = SNAP_STORING;
		source_snap_add(m->fsm->source, s->label, s->path, m->fsm->conf->fsm.format);
	}
}

void
machine_snap_added(bool ok, uint64_t index, const char *why, void *arg)
{
	struct machine *m = arg;
	struct machine_snap *s = &m->snap;
	char text[64];
	if (s->step != SNAP_STORING)
		return;
	if (!ok) {
		machine_snap_failed(m, why);
		return;
	}
	(void)index;
	s->index = s->label;
	backoff_reset(&s->backoff);
	s->why[0] = '\0';
	s->saved = (struct amount){0};
	log_info("snapshot", "index=%" PRIu64, s->index);
	snprintf(text, sizeof text, "index=%" PRIu64 " new=1\n", s->index);
	for (struct ask *ask; (ask = asks_take(&s->now));)
		ask_text(ask, text);
	machine_snap_ended(m);
}

void
machine_snap_lost(struct machine *m, const char *why)
{
	if (m->snap.step == SNAP_READY || m->snap.step == SNAP_WRITING)
		machine_snap_failed(m, why);
}
