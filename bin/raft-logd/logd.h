/* SPDX-License-Identifier: ISC */
/* The program's one state struct; each part is described in the header of its own. */
#ifndef LOGD_LOGD_H
#define LOGD_LOGD_H

#include "conf/identity.h"
#include "prog/daemon.h"
#include "age.h"
#include "cursors.h"
#include "db.h"
#include "serve.h"
#include "elector.h"
#include "mark.h"
#include "place.h"
#include "index.h"
#include "sessions.h"
#include "snapshot.h"
#include "space.h"
#include "writer.h"

struct logd {
	struct daemon daemon;
	bool accept_loss; /* options */
	bool recover_alone;
	bool yes;

	int lock;
	struct identity identity;
	struct db_origin origin;
	struct mark mark;
	enum mark_found mark_found; /* at start */
	struct db *db;
	struct db_state state; /* as it is stored */
	struct log_index rlog;
	struct sessions sessions;
	struct cursors cursors;
	struct snapshots snapshots;
	struct age age;
	uint64_t compact_to; /* the log is to begin after this index; 0: stay */

	uint64_t start_number;
	struct writer writer;
	struct elector elector;
	struct place place;
	struct space space;
	struct server *server;
	uv_timer_t second;
};

/* logd_tick within a second. */
void logd_tick_later(struct logd *logd);
/* Another turn at once: there is more to do than was done in this one. */
void logd_turn_again(struct logd *logd);

#endif
