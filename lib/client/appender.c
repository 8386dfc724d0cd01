/* SPDX-License-Identifier: ISC */
/* The appender: one session, one window, one connection at a time. */
#include "appender.h"

#include <stdio.h>
#include <stdlib.h>

#include "local/link.h"
#include "raft/reason.h"
#include "raft/session.h"
#include "seal/seal.h"
#include "proposal.h"
#include "refusal.h"
#include "timeout.h"
#include "window.h"

enum {
	IN_FLIGHT_SIZE = 8 << 20, /* bytes of records that wait for an answer */
	REQUEST_COUNT = 1024,     /* entries in one request */
	REQUEST_SIZE = 128 << 10, /* bytes in one request */
	REQUEST_LEAST = 32 << 10, /* and at first */
	UNDER_WAY_FIRST = 2 * REQUEST_LEAST,
	STOP_MS = 1000 /* how long appender_stop waits for answers */
};

enum appender_state {
	APPENDER_OPENING, /* the named session is not open yet */
	APPENDER_RUNNING,
	APPENDER_RENEWING, /* a new session, once all is answered */
	APPENDER_STOPPING, /* the end, once all is answered */
	APPENDER_FAILED
};

struct appender {
	struct loop *loop;
	struct link *link;
	struct proposal *opening;
	uv_timer_t pause;
	struct timeout *timeout;
	const struct appender_calls *calls;
	void *arg;
	uint64_t in_flight_max;
	uint64_t fence;
	struct raft_session_open open; /* name "": anonymous */
	enum appender_state state;
	struct window window;
	uint64_t requests;      /* numbered so far */
	uint64_t session_first; /* requests before this one were of another session */
	uint64_t epoch;
	bool cursor;
	uint64_t position; /* of the cursor, when it was opened */
	uint64_t seen;     /* fixed at the session's first request */
	bool singly;       /* one entry per request */
	bool seen_fixed;
	uint64_t node_seen;  /* as raft-elect last said */
	uint64_t index_last; /* highest place of a committed entry of ours */
	uint64_t pause_ms;
	size_t under_way_max; /* bytes of records that may be sent and not answered, as far as is
				 known of the way */
	bool was_up;
	enum exit_status stop_status;
	char why[1024]; /* of the stop, or the latest trouble */
};

/* ------------------------------------------------------------ the end */

static void
appender_fail(struct appender *appender, enum exit_status status, const char *why)
{
	if (appender->state == APPENDER_FAILED)
		return;
	char text[sizeof appender->why];
	snprintf(text, sizeof text, "%s", why);
	appender->state = APPENDER_FAILED;
	uv_timer_stop(&appender->pause);
	timeout_stop(appender->timeout);
	/* The outcome of its last ACK does not matter to a consumer that was replaced: the next
	 * owner reads the position. */
	bool replaced = appender->cursor && status == EXIT_FENCED;
	if (window_in_doubt(&appender->window) && !replaced)
		status = EXIT_UNKNOWN;
	appender->calls->failed(status, text, appender->arg);
}

/* An end that has been decided comes when each attempt has been answered, so that doubts can go. */
static void appender_settle(struct appender *appender);

static void
appender_stop_now(struct appender *appender, enum exit_status status, const char *why)
{
	if (appender->state >= APPENDER_STOPPING)
		return;
	appender->state = APPENDER_STOPPING;
	appender->stop_status = status;
	snprintf(appender->why, sizeof appender->why, "%s", why);
	appender_settle(appender);
}

void
appender_stop(struct appender *appender, enum exit_status status, const char *why)
{
	appender_stop_now(appender, status, why);
	if (appender->state == APPENDER_STOPPING)
		timeout_begin(appender->timeout, STOP_MS);
}

static bool
appender_waiting(const struct appender *appender)
{
	return !appender->was_up || appender->state == APPENDER_OPENING ||
	       appender->window.count > 0;
}

/* An end that has been decided is not put off. */
static void
appender_progress(struct appender *appender)
{
	if (appender->state < APPENDER_STOPPING)
		timeout_progress(appender->timeout);
}

static void
appender_on_timeout(void *arg)
{
	struct appender *appender = arg;
	if (appender->state == APPENDER_STOPPING) {
		appender_fail(appender, appender->stop_status, appender->why);
	} else if (appender_waiting(appender)) {
		timeout_set_why(appender->timeout, appender->why[0] ? appender->why : NULL);
		appender_fail(appender, appender->stop_status, timeout_sentence(appender->timeout));
	}
}

/* -------------------------------------------------------- the session */

static void
session_new_anonymous(struct raft_sid *sid)
{
	do {
		seal_random(sid->b, sizeof sid->b);
		sid->b[0] &= (uint8_t)~RAFT_SID_NAMED;
	} while (raft_sid_none(sid));
}

static void
appender_renew(struct appender *appender)
{
	struct raft_sid sid;
	session_new_anonymous(&sid);
	window_renew(&appender->window, &sid);
	appender->session_first = appender->requests + 1;
	appender->seen_fixed = true;
	appender->state = APPENDER_RUNNING;
}

static void
appender_settle(struct appender *appender)
{
	if (appender->window.outstanding > 0)
		return;
	if (appender->state == APPENDER_STOPPING) {
		appender_fail(appender, appender->stop_status, appender->why);
	} else if (appender->state == APPENDER_RENEWING) {
		if (window_in_doubt(&appender->window) ||
		    window_committed_count(&appender->window) > 0)
			appender_fail(appender, EXIT_UNKNOWN, appender->why);
		else
			appender_renew(appender);
	}
}

static void
propose_open(struct appender *appender)
{
	uint8_t data[RAFT_SESSION_OPEN_SIZE_MAX];
	size_t size = raft_session_open_encode(&appender->open, data);
	proposal_propose(appender->opening, appender->cursor ? RAFT_CURSOR_OPEN : RAFT_SESSION_OPEN,
	    &appender->window.session, appender->fence, data, (uint32_t)size);
}

static void
appender_set_trouble(struct appender *appender, enum raft_reason reason)
{
	appender->stop_status = refusal_status(reason);
	snprintf(appender->why, sizeof appender->why, "%s", raft_reason_text(reason));
}

static void
no_trouble(struct appender *appender)
{
	if (appender->state >= APPENDER_STOPPING)
		return;
	appender->stop_status = EXIT_UNAVAILABLE;
	appender->why[0] = '\0';
}

static void
on_open_refused(enum raft_reason reason, void *arg)
{
	appender_set_trouble(arg, reason);
}

static void
on_open_done(const struct msg_answer *answer, bool doubt, void *arg)
{
	struct appender *appender = arg;
	enum raft_reason reason = (enum raft_reason)answer->reason;
	(void)doubt; /* an opening appends nothing */
	if (answer->verdict == RAFT_COMMITTED) {
		struct raft_sid sid = appender->window.session;
		window_free(&appender->window);
		window_init(&appender->window, appender->in_flight_max,
		    appender->cursor ? RAFT_ACK : RAFT_CLIENT, &sid, answer->last_serial);
		appender->epoch = answer->epoch;
		appender->position = answer->position;
		appender->state = APPENDER_RUNNING;
		no_trouble(appender);
		appender_progress(appender);
		appender->calls->opened(answer->last_serial, &answer->digest, appender->arg);
		return;
	}
	/* The refusal says whom to replace; the run id stays, so that no attempt opens twice. */
	if (reason == RAFT_REASON_OLD_EPOCH && answer->epoch != appender->open.replaces) {
		appender->open.replaces = answer->epoch;
		propose_open(appender);
		return;
	}
	appender_fail(appender, refusal_status(reason), refusal_text(reason, answer->pos.index));
}

/* -------------------------------------------------------- the answers */

static size_t
request_size(const struct appender *appender)
{
	size_t size = appender->under_way_max / 4;
	return size < REQUEST_LEAST ? REQUEST_LEAST : size < REQUEST_SIZE ? size : REQUEST_SIZE;
}

/*
 * Ours: on a slow way what is sent at once waits for itself, is given up, sent again, and makes the
 * way slower.  So a little goes first, and with each answer more.
 */
static void
under_way_more(struct appender *appender)
{
	if (appender->under_way_max < IN_FLIGHT_SIZE)
		appender->under_way_max += request_size(appender);
}

static void
under_way_less(struct appender *appender)
{
	if (appender->under_way_max > UNDER_WAY_FIRST)
		appender->under_way_max /= 2;
}

static void
appender_on_pause_over(uv_timer_t *timer)
{
	(void)timer; /* the turn that it begins ends with appender_send */
}

static void
again_from(struct appender *appender, size_t slot, enum raft_reason reason)
{
	window_rewind(&appender->window, slot);
	if (uv_is_active((uv_handle_t *)&appender->pause))
		return;
	appender->pause_ms = refusal_pause_ms(appender->pause_ms, reason);
	uv_timer_start(&appender->pause, appender_on_pause_over, appender->pause_ms, 0);
}

static void
appender_on_committed(
    struct appender *appender, size_t from, size_t to, const struct msg_answer *answer)
{
	struct raft_pos pos = answer->pos, first;
	uint64_t number;
	size_t count;
	/* The window may have begun within the range. */
	uint64_t skipped = appender->window.serial + from - answer->serial;
	if (pos.index != 0)
		pos.index += skipped;
	window_committed(&appender->window, from, to, pos);
	while ((count = window_pop(&appender->window, &number, &first)) > 0) {
		if (first.index != 0)
			appender->index_last = first.index + count - 1;
		appender->pause_ms = 0;
		no_trouble(appender);
		appender_progress(appender);
		appender->calls->committed(number, count, first, appender->arg);
		if (appender->state == APPENDER_FAILED)
			return;
	}
}

static void
renew_later(struct appender *appender, uint64_t seen)
{
	if (appender->state != APPENDER_RUNNING)
		return;
	appender->seen = seen > appender->index_last ? seen : appender->index_last;
	appender->state = APPENDER_RENEWING;
}

static const char *
appender_refusal(const struct appender *appender, enum raft_reason reason, uint64_t index)
{
	if (reason == RAFT_REASON_EXPIRED)
		return appender->cursor ? "the cursor has been dropped"
					: "the session has been dropped";
	if (reason == RAFT_REASON_OLD_EPOCH && appender->cursor)
		return "another consumer has opened it";
	return refusal_text(reason, index);
}

static void
appender_on_refused(struct appender *appender, size_t slot, const struct msg_answer *answer)
{
	enum raft_reason reason = (enum raft_reason)answer->reason;
	bool anonymous = appender->open.name[0] == '\0';
	/*
	 * A serial of a session that nobody knows is refused as expired: so is what was sent behind
	 * an opening that was refused.  Only at the front, after the opening, does it mean what it
	 * says.
	 */
	bool front = slot == 0 && (appender->window.serial > 1 || !anonymous);
	bool retry = raft_reason_retry(reason) || (reason == RAFT_REASON_EXPIRED && !front);
	/* What is refused behind another refusal tells less than that one. */
	if (appender->state < APPENDER_STOPPING && (slot == 0 || appender->why[0] == '\0'))
		appender_set_trouble(appender, reason);
	/* Of a request with an entry that is refused for its data nothing is taken: which one is
	 * it? */
	bool among = (reason == RAFT_REASON_CONTRACT || reason == RAFT_REASON_TOO_LARGE) &&
		     answer->count > 1;
	appender->singly = appender->singly || among;
	if (retry || among) {
		again_from(appender, slot, reason);
	} else if (anonymous && (reason == RAFT_REASON_TOO_OLD || reason == RAFT_REASON_EXPIRED)) {
		window_rewind(&appender->window, slot);
		renew_later(appender, answer->epoch);
	} else {
		bool dropped = reason == RAFT_REASON_EXPIRED;
		window_rewind(&appender->window, slot);
		appender_stop_now(appender, dropped ? EXIT_FENCED : refusal_status(reason),
		    appender_refusal(appender, reason, answer->pos.index));
	}
}

static void
appender_on_answer(struct appender *appender, const struct msg_answer *answer)
{
	size_t from, to, slot;
	if (appender->opening && proposal_answer(appender->opening, answer))
		return;
	if (answer->request < appender->session_first || answer->request > appender->requests)
		return;
	if (!window_meets(&appender->window, answer->serial, answer->count, &from, &to))
		return;
	bool unknown = answer->verdict != RAFT_REFUSED;
	enum raft_reason reason = (enum raft_reason)answer->reason;
	if (answer->verdict == RAFT_COMMITTED) {
		under_way_more(appender);
		appender_on_committed(appender, from, to, answer);
	} else if (window_not_committed(
		       &appender->window, answer->request, from, to, unknown, &slot)) {
		if (!unknown) {
			appender_on_refused(appender, slot, answer);
		} else {
			if (appender->state < APPENDER_STOPPING)
				appender_set_trouble(appender, reason);
			under_way_less(appender);
			again_from(appender, slot, reason);
		}
	}
	appender_settle(appender);
}

/* ----------------------------------------------------- the connection */

static void
appender_on_up(void *arg)
{
	struct appender *appender = arg;
	if (!appender->was_up)
		appender_progress(appender);
	appender->was_up = true;
	appender->node_seen = link_hello(appender->link)->seen;
	if (appender->opening)
		proposal_up(appender->opening);
}

static void
appender_on_down(bool was_up, const char *why, void *arg)
{
	struct appender *appender = arg;
	appender->under_way_max = UNDER_WAY_FIRST;
	window_lost(&appender->window);
	if (appender->opening)
		proposal_down(appender->opening);
	if (was_up && !uv_is_active((uv_handle_t *)&appender->pause))
		again_from(appender, 0, RAFT_REASON_NONE);
	if (appender->state == APPENDER_RENEWING)
		appender->state =
		    APPENDER_RUNNING; /* the next attempt is refused alike, with what is in doubt */
	if (appender->state < APPENDER_STOPPING) {
		appender->stop_status = EXIT_UNAVAILABLE;
		snprintf(appender->why, sizeof appender->why, "%s", why);
	}
	appender_settle(appender);
}

static void
appender_on_failed(enum exit_status status, const char *why, void *arg)
{
	appender_fail(arg, status, why);
}

static const char *
appender_on_frame(uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct appender *appender = arg;
	struct msg_answer answer;
	if (appender->state == APPENDER_FAILED)
		return NULL;
	if (number != MSG_ANSWER || !msg_answer_get(&answer, body, size))
		return "raft-elect sends what cannot be read";
	appender_on_answer(appender, &answer);
	return NULL;
}

static const struct link_calls link_calls = {.up = appender_on_up,
    .frame = appender_on_frame,
    .down = appender_on_down,
    .failed = appender_on_failed};
static const struct proposal_calls open_calls = {on_open_done, on_open_refused};

static void
open_named(struct appender *appender, const char *name)
{
	snprintf(appender->open.name, sizeof appender->open.name, "%s", name);
	seal_random(appender->open.run, sizeof appender->open.run);
	appender->opening = proposal_new(
	    appender->loop, appender->link, &appender->requests, &open_calls, appender);
	propose_open(appender);
}

struct appender *
appender_new(struct loop *loop, const struct appender_settings *settings,
    const struct appender_calls *calls, void *arg)
{
	struct appender *appender = calloc(1, sizeof *appender);
	struct raft_sid sid;
	must(appender != NULL);
	must(!settings->cursor || (settings->session != NULL && settings->in_flight_max == 1));
	appender->loop = loop;
	appender->calls = calls;
	appender->arg = arg;
	appender->in_flight_max = settings->in_flight_max;
	appender->under_way_max = UNDER_WAY_FIRST;
	appender->fence = settings->fence;
	appender->cursor = settings->cursor;
	appender->stop_status = EXIT_UNAVAILABLE;
	appender->state = settings->session ? APPENDER_OPENING : APPENDER_RUNNING;
	uv_timer_init(loop_uv(loop), &appender->pause);
	appender->pause.data = appender;
	appender->timeout = timeout_new(
	    loop, settings->give_up_ms, "no answer from raft-elect", appender_on_timeout, appender);
	appender->link =
	    link_new(loop, settings->path, WIRE_CLIENT, settings->program, &link_calls, appender);
	if (settings->session == NULL)
		session_new_anonymous(&sid);
	else if (settings->cursor)
		seal_cursor_id(&sid, settings->session);
	else
		seal_session_id(&sid, settings->session);
	window_init(&appender->window, appender->in_flight_max, RAFT_CLIENT, &sid, 0);
	if (settings->session)
		open_named(appender, settings->session);
	return appender;
}

static void
appender_on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
appender_free(struct appender *appender)
{
	if (appender == NULL)
		return;
	appender->state = APPENDER_FAILED;
	proposal_free(appender->opening);
	link_free(appender->link);
	timeout_free(appender->timeout);
	window_free(&appender->window);
	uv_close((uv_handle_t *)&appender->pause, appender_on_closed);
}

bool
appender_room(const struct appender *appender)
{
	const struct window *window = &appender->window;
	if (appender->state != APPENDER_RUNNING && appender->state != APPENDER_RENEWING)
		return false;
	return window->count < appender->in_flight_max &&
	       (window->count == 0 || window_size(window) < IN_FLIGHT_SIZE);
}

bool
appender_connected(const struct appender *appender)
{
	return link_up(appender->link);
}

void
appender_take(struct appender *appender, const void *data, size_t size)
{
	must(appender_room(appender));
	must(!appender->cursor || size == RAFT_ACK_SIZE);
	if (appender->window.count == 0)
		appender_progress(appender);
	window_take(&appender->window, data, size);
}

static size_t
under_way(const struct window *window)
{
	return window->unsent_at - window->records_at;
}

static void
send_request(struct appender *appender, size_t count, size_t size)
{
	struct wire_buf *out = link_out(appender->link);
	if (!appender->seen_fixed) {
		appender->seen = appender->node_seen;
		appender->seen_fixed = true;
	}
	msg_propose_put(out, &(struct msg_propose){.request = ++appender->requests,
				 .fence = appender->fence,
				 .epoch = appender->epoch,
				 .seen = appender->open.name[0] ? 0 : appender->seen,
				 .count = (uint32_t)count,
				 .entries = {NULL, size}});
	window_send(&appender->window, appender->requests, count, size, out);
}

void
appender_send(struct appender *appender)
{
	if (appender->state != APPENDER_RUNNING || !link_up(appender->link) ||
	    uv_is_active((uv_handle_t *)&appender->pause))
		return;
	size_t count, size;
	while (!link_choked(appender->link) &&
	       under_way(&appender->window) < appender->under_way_max &&
	       (count = window_next(&appender->window, appender->singly ? 1 : REQUEST_COUNT,
		    request_size(appender), &size)) > 0)
		send_request(appender, count, size);
}

bool
appender_idle(const struct appender *appender)
{
	return appender->window.count == 0 && appender->state != APPENDER_OPENING;
}

uint64_t
appender_committed(const struct appender *appender)
{
	return appender->window.number - 1 + window_committed_count(&appender->window);
}

uint64_t
appender_doubtful(const struct appender *appender)
{
	size_t end = window_doubt_end(&appender->window);
	return end ? appender->window.number - 1 + end : 0;
}

/* What was taken off the front is counted back from what is there now. */
uint64_t
appender_serial(const struct appender *appender, uint64_t number, struct raft_sid *session)
{
	*session = appender->window.session;
	return appender->window.serial - (appender->window.number - number);
}

const char *
appender_trouble(const struct appender *appender)
{
	return appender->why;
}

uint64_t
appender_position(const struct appender *appender)
{
	return appender->position;
}

uint64_t
appender_epoch(const struct appender *appender)
{
	return appender->epoch;
}
