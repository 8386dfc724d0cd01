/* SPDX-License-Identifier: ISC */
/* log_read: who waits, and what they get. */
#include "reader.h"

#include <stdlib.h>

#include "logd.h"
#include "verify.h"

enum {
	READS_MAX = 64,        /* of one connection */
	ANSWER_SIZE = 1 << 20, /* of the records, unless one alone is larger */
	ANSWER_COUNT = 4096
};

struct read_request {
	struct read_request *next;
	uint64_t request;
	uint64_t from;
	size_t size_max;
	size_t count_max;
	bool wait;
};

bool
reader_request(struct logd *logd, struct logd_client *client, const struct msg_log_read *m)
{
	struct read_request **at = &client->reads.first;
	size_t count = 0;
	(void)logd;
	for (; *at; at = &(*at)->next)
		count++;
	if (count >= READS_MAX) {
		server_refuse(&client->base, m->request, EXIT_RETRY,
		    "too many reads of this connection wait");
		return true;
	}
	struct read_request *read = calloc(1, sizeof *read);
	must(read != NULL);
	read->request = m->request;
	read->from = m->from ? m->from : 1;
	read->size_max = (size_t)min_u64(m->size_max, ANSWER_SIZE);
	read->count_max = m->count_max ? (size_t)min_u64(m->count_max, ANSWER_COUNT) : ANSWER_COUNT;
	read->wait = m->wait;
	*at = read;
	return true;
}

void
reader_forget(struct logd_client *client)
{
	while (client->reads.first) {
		struct read_request *read = client->reads.first;
		client->reads.first = read->next;
		free(read);
	}
}

static void
reader_put_head(struct logd *logd, struct logd_client *client, const struct read_request *read,
    uint64_t first_index, uint32_t count, struct wire_bytes entries)
{
	struct msg_log_entries m = {
	    .request = read->request,
	    .first_index = first_index,
	    .first_available = index_first_available(&logd->rlog),
	    .commit = logd->rlog.commit.index,
	    .count = count,
	    .entries = entries,
	};
	msg_log_entries_put(conn_out(client->base.conn), &m);
}

static void
answer_from_tail(struct logd *logd, struct logd_client *client, const struct read_request *read,
    uint64_t from, const struct raft_entry *entries, size_t count_max)
{
	size_t size = 0, count = 0;
	while (count < count_max && (count == 0 || size + entries[count].size <= read->size_max))
		size += entries[count++].size;
	reader_put_head(logd, client, read, from, (uint32_t)count, (struct wire_bytes){NULL, size});
	wire_entries_put(conn_out(client->base.conn), entries, count);
}

static void
answer_from_disk(struct logd *logd, struct logd_client *client, const struct read_request *read,
    uint64_t from, uint64_t upto)
{
	struct wire_buf records = {0};
	struct verify_limits limits = {upto, read->count_max, read->size_max};
	size_t count = verify_read(logd, from, limits, &records);
	reader_put_head(logd, client, read, from, (uint32_t)count,
	    (struct wire_bytes){records.bytes, records.size});
	wire_buf_free(&records);
}

enum served { SERVED, SERVED_FROM_DISK, WAITING, POSTPONED };

static enum served
reader_serve(struct logd *logd, struct logd_client *client, const struct read_request *read,
    bool disk_allowed)
{
	const struct log_index *rlog = &logd->rlog;
	uint64_t upto =
	    client->base.kind == WIRE_ELECTOR ? rlog->last.pos.index : rlog->commit.index;
	uint64_t from =
	    read->from > rlog->before.pos.index ? read->from : index_first_available(rlog);
	size_t held;
	/* What is compacted away is said at once, also when nothing is behind it yet. */
	if (from > upto && read->wait && read->from > rlog->before.pos.index)
		return WAITING;
	if (from > upto) {
		reader_put_head(
		    logd, client, read, from, 0, (struct wire_bytes){(const uint8_t *)"", 0});
		return SERVED;
	}
	const struct raft_entry *entries = index_tail(rlog, from, &held);
	if (entries) {
		size_t wanted = (size_t)min_u64(min_u64(held, read->count_max), upto - from + 1);
		answer_from_tail(logd, client, read, from, entries, wanted);
		return SERVED;
	}
	if (!disk_allowed)
		return POSTPONED;
	answer_from_disk(logd, client, read, from, upto);
	return SERVED_FROM_DISK;
}

/* True when the disk was read. */
static bool
serve_peer(struct logd *logd, struct logd_client *client, bool disk_allowed, bool *postponed)
{
	bool disk = false;
	struct read_request **at = &client->reads.first;
	while (*at && !conn_choked(client->base.conn)) {
		struct read_request *read = *at;
		enum served served = reader_serve(logd, client, read, disk_allowed && !disk);
		disk = disk || served == SERVED_FROM_DISK;
		*postponed = *postponed || served == POSTPONED;
		if (served == WAITING || served == POSTPONED) {
			at = &read->next;
			continue;
		}
		*at = read->next;
		free(read);
	}
	return disk;
}

void
reader_serve_fsm(struct logd *logd)
{
	bool postponed = false;
	for (struct logd_client *client = NULL; (client = serve_next(logd, client));) {
		if (client->base.kind != WIRE_FSM || client->reads.first == NULL)
			continue;
		serve_peer(logd, client, false, &postponed);
		conn_flush(client->base.conn);
	}
}

void
reader_turn(struct logd *logd)
{
	bool disk_allowed = true, postponed = false;
	struct logd_client *served = NULL;
	for (struct logd_client *client = NULL; (client = serve_next(logd, client));) {
		if (client->reads.first == NULL ||
		    !serve_peer(logd, client, disk_allowed, &postponed))
			continue;
		disk_allowed = false;
		served = client;
	}
	if (served)
		server_client_last(&served->base);
	if (postponed)
		logd_turn_again(logd);
}
