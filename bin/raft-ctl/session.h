/* SPDX-License-Identifier: ISC */
/* What raft-ctl does alike with named sessions and with cursors, which are sessions of another
 * kind. */
#ifndef CTL_SESSION_H
#define CTL_SESSION_H

#include "raft/session.h"
#include "ctl.h"
#include "text.h"

struct session_kind {
	const char *word;  /* in sentences, and the first key of a line of raft-logd */
	const char *words; /* the question for raft-logd, and the name of the array in JSON */
	void (*id)(struct raft_sid *sid, const char *name);
};

/* The lines of raft-logd that are of one each. */
struct session_lines {
	const struct text_line *lines[RAFT_SESSIONS_NAMED_MAX];
	size_t count;
};

void session_lines_find(
    struct session_lines *found, const struct text *text, const struct session_kind *kind);
/* "words":[...], the array alone. */
void session_lines_json(
    struct wire_buf *out, const struct session_lines *found, const struct session_kind *kind);
/* Exits 64 when it is none.  command: for the sentence. */
void session_check_name(const struct session_kind *kind, const char *command, const char *name);
enum exit_status session_drop(struct ctl *ctl, const struct session_kind *kind, const char *name);

#endif
