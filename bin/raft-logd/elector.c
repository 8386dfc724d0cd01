/* SPDX-License-Identifier: ISC */
/* The elector's conversation: what it is told first, and its writes. */
#include "elector.h"

#include <inttypes.h>

#include "seal/seal.h"
#include "check.h"
#include "logd.h"
#include "verify.h"

enum { PART_SIZE = 1 << 20, PART_COUNT = 4096 };

uint64_t
elector_new(struct logd *logd, struct logd_client *client)
{
	struct elector *elector = &logd->elector;
	if (elector->client) {
		log_info("elector", "why=%s",
		    log_q("another one has come: the old connection is ended unread"));
		server_client_drop(&elector->client->base, "another raft-elect has come");
	}
	writer_drop(logd);
	elector->client = client;
	elector->start = seal_random_u64();
	elector->told_full = false;
	log_info("elector", "to=connected last=%" PRIu64 " commit=%" PRIu64 " term=%" PRIu64,
	    logd->rlog.last.pos.index, logd->rlog.commit.index, logd->state.term);
	return elector->start;
}

void
elector_gone(struct logd *logd, struct logd_client *client)
{
	if (logd->elector.client != client)
		return;
	logd->elector.client = NULL;
	writer_drop(logd);
	log_info("elector", "to=gone");
}

/* ------------------------------------------------ what it is told first */

static struct wire_buf *
out_of(struct logd *logd)
{
	return conn_out(logd->elector.client->base.conn);
}

static void
put_part(struct logd *logd, enum wire_log_part what, uint64_t first_index, struct wire_buf *records)
{
	struct msg_log_part m = {.what = (uint8_t)what,
	    .first_index = first_index,
	    .records = {records->bytes, records->size}};
	if (records->size > 0)
		msg_log_part_put(out_of(logd), &m);
	records->size = 0;
}

static void
elector_tell_state(struct logd *logd)
{
	const struct db_state *state = &logd->state;
	unsigned flags = (state->recovering ? WIRE_RECOVERING : 0) |
			 (state->mark_valid ? WIRE_MARK_VALID : 0) |
			 (logd->space.state != SPACE_AMPLE ? WIRE_FULL : 0);
	struct msg_log_state m = {
	    .term = state->term,
	    .vote = state->vote,
	    .before = logd->rlog.before.pos,
	    .last = logd->rlog.last.pos,
	    .commit = logd->rlog.commit,
	    .flags = (uint8_t)flags,
	    .mark_term = state->mark_term,
	};
	msg_log_state_put(out_of(logd), &m);
}

static void
tell_terms(struct logd *logd, struct wire_buf *records)
{
	for (size_t i = 0; i < logd->rlog.terms_count; i++) {
		uint8_t *at = wire_buf_add(records, 16);
		bytes_put_u64(at, logd->rlog.terms[i].index);
		bytes_put_u64(at + 8, logd->rlog.terms[i].term);
		if (records->size >= PART_SIZE)
			put_part(logd, WIRE_TERMS, 0, records);
	}
	put_part(logd, WIRE_TERMS, 0, records);
}

/* The one in force at the commit index, and all above. */
static void
tell_configs(struct logd *logd, struct wire_buf *records)
{
	for (size_t i = index_config_at(&logd->rlog, logd->rlog.commit.index);
	     i < logd->rlog.configs_count; i++) {
		const struct index_config *config = &logd->rlog.configs[i];
		uint8_t *at = wire_buf_add(records, 12);
		bytes_put_u64(at, config->index);
		bytes_put_u32(at + 8, (uint32_t)config->size);
		wire_buf_put(records, config->bytes, config->size);
		if (records->size >= PART_SIZE)
			put_part(logd, WIRE_CONFIGS, 0, records);
	}
	put_part(logd, WIRE_CONFIGS, 0, records);
}

struct telling {
	struct logd *logd;
	struct wire_buf *records;
};

static bool
tell_session(const struct raft_session *session, void *arg)
{
	struct telling *telling = arg;
	wire_session_put(telling->records, session);
	if (telling->records->size >= PART_SIZE)
		put_part(telling->logd, WIRE_SESSIONS, 0, telling->records);
	return true;
}

static void
tell_entries(struct logd *logd, struct wire_buf *records)
{
	uint64_t from = logd->rlog.commit.index + 1;
	while (from <= logd->rlog.last.pos.index) {
		struct verify_limits limits = {logd->rlog.last.pos.index, PART_COUNT, PART_SIZE};
		size_t count = verify_read(logd, from, limits, records);
		put_part(logd, WIRE_ENTRIES, from, records);
		from += count;
	}
}

static void
tell_level(struct logd *logd, struct wire_buf *records)
{
	uint64_t commit = logd->rlog.commit.index, level = index_level_at(&logd->rlog, commit);
	struct raft_hash chain;
	uint64_t time;
	verify_row_at(logd, commit, &chain, &time);
	if (level == 1 && time == 0)
		return;
	bytes_put_u64(wire_buf_add(records, 8), level);
	bytes_put_u64(wire_buf_add(records, 8), time);
	put_part(logd, WIRE_LEVEL, 0, records);
}

static void
tell_contract(struct logd *logd, struct wire_buf *records)
{
	const struct raft_contract_at *at = index_contract_at(&logd->rlog, logd->rlog.commit.index);
	if (at->index > 0)
		wire_contract_put(records, at);
	put_part(logd, WIRE_CONTRACT, 0, records);
}

void
elector_tell(struct logd *logd)
{
	struct wire_buf records = {0};
	struct telling telling = {logd, &records};
	elector_tell_state(logd);
	tell_terms(logd, &records);
	tell_configs(logd, &records);
	tell_level(logd, &records);
	tell_contract(logd, &records);
	raft_sessions_each(logd->sessions.table, tell_session, &telling);
	put_part(logd, WIRE_SESSIONS, 0, &records);
	tell_entries(logd, &records);
	wire_buf_free(&records);
	struct msg_log_end end = {.start = logd->elector.start};
	msg_log_end_put(out_of(logd), &end);
	elector_full(logd);
}

/* ------------------------------------------------------------- writes */

bool
elector_take_write(struct logd *logd, struct logd_client *client, const struct msg_log_write *m)
{
	char why[CHECK_WHY_SIZE];
	if (m->start != logd->elector.start)
		return true;
	if (writer_take(logd, m, why))
		return true;
	log_error("write", "number=%" PRIu64 " why=%s", m->number, log_q(why));
	server_client_drop(&client->base, why);
	return true;
}

bool
elector_take_commit(struct logd *logd, struct logd_client *client, const struct msg_log_commit *m)
{
	(void)client;
	if (m->start == logd->elector.start)
		writer_take_commit(logd, m->commit);
	return true;
}

void
elector_stored(struct logd *logd, uint64_t number)
{
	struct msg_log_stored m = {.number = number, .last = logd->rlog.last.pos};
	if (logd->elector.client == NULL)
		return;
	msg_log_stored_put(out_of(logd), &m);
	/* Now: the cluster waits for it, and readers are served at the end of the turn. */
	conn_flush(logd->elector.client->base.conn);
}

void
elector_before(struct logd *logd)
{
	if (logd->elector.client)
		msg_log_before_put(out_of(logd), &(struct msg_log_before){logd->rlog.before.pos});
}

void
elector_full(struct logd *logd)
{
	bool full = logd->space.state != SPACE_AMPLE;
	struct msg_log_full m = {.full = full};
	if (logd->elector.client == NULL || logd->elector.told_full == full)
		return;
	logd->elector.told_full = full;
	msg_log_full_put(out_of(logd), &m);
}
