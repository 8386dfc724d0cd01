/* SPDX-License-Identifier: ISC */
/*
 * A rig for the tests of the core: one core, with a disk that is told by hand
 * what is durable.  raft_cluster.h makes a net of several.
 *
 * After each step all that the update said is copied here: messages, answers,
 * reads, fetches and writes gather until a test takes them away.
 */
#ifndef RAFT_RIG_H
#define RAFT_RIG_H

#include "raft/bytes.h"
#include "raft/raft.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

enum { RIG_MAX = 7, RIG_E = 1000, RIG_HEARTBEAT = 100, RIG_COMMIT_WAIT = 5 };

struct rig_message {
	struct raft_message m;
	struct raft_entry *entries;
};

/* A disk's log and hard state, as confirmed writes have made them. */
struct rig_disk {
	uint64_t term;
	struct raft_id vote;
	struct raft_entry *entries; /* from index before.index + 1 */
	size_t count;
	bool recovering;
	struct raft_pos before; /* 0, or a snapshot, with what it holds */
	struct raft_config config;
	struct raft_sessions *sessions;
};

/* What a leader sent, whole on the disk, not yet the log's beginning. */
struct rig_snapshot {
	struct raft_pos pos;
	struct raft_config config;
	struct raft_sessions *sessions;
};

struct rig_write {
	struct raft_write w;
	struct raft_entry *entries;
};

struct rig {
	struct raft *raft;
	struct raft_settings settings;
	struct raft_config config; /* index 0 */
	struct raft_id id;
	uint64_t now;
	uint64_t wall;       /* its wall clock */
	uint64_t slept;      /* the time that it was suspended */
	uint64_t start_time; /* in the last stamp on its disk, at the next start */
	uint64_t starts;
	bool hold_writes; /* the test confirms; else each write is durable at once */
	bool mark_valid;  /* at the next start */
	uint64_t mark_term;
	uint64_t round; /* of the last append made by hand */
	struct rig_disk disk;
	struct rig_write *writes; /* not yet durable */
	size_t writes_count;
	struct rig_message *sent;
	size_t sent_count;
	struct raft_ticket_answer *answers;
	size_t answers_count;
	struct raft_read_answer *reads;
	size_t reads_count;
	struct raft_fetch *fetches;
	size_t fetches_count;
	struct raft_snapshot_send *snapshots;
	size_t snapshots_count;
	struct rig_snapshot ready;
	uint64_t wake_at;
	uint64_t commit; /* as last told */
	bool config_changed;
	char why[256];
	enum raft_role was;
	uint64_t state_changes;
};

static inline struct raft_id
rig_id(int number)
{
	struct raft_id id = {"n0"};

	id.s[1] = (char)('0' + number);
	return id;
}

/* An array has room for the next power of two. */
#define RIG_PUSH(array, count, item)                                                               \
	do {                                                                                       \
		size_t rig_room = (count) == 0 ? 1 : 2 * (count);                                  \
		if (((count) & ((count)-1)) == 0)                                                  \
			(array) = realloc((array), rig_room * sizeof *(array));                    \
		must((array) != NULL);                                                             \
		(array)[(count)++] = (item);                                                       \
	} while (0)

static inline struct raft_entry *
rig_entries_dup(const struct raft_entry *entries, size_t count)
{
	struct raft_entry *copy;

	if (count == 0)
		return NULL;
	copy = malloc(count * sizeof *copy);
	must(copy != NULL);
	for (size_t i = 0; i < count; i++) {
		copy[i] = entries[i];
		raft_chunk_ref(copy[i].chunk);
	}
	return copy;
}

static inline void
rig_entries_free(struct raft_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		raft_chunk_unref(entries[i].chunk);
	free(entries);
}

/* A configuration of n1 .. nN, of which the last `learners` do not vote. */
static inline struct raft_config
rig_config(int members, int learners, bool addresses)
{
	struct raft_config config;
	bool ok;

	memset(&config, 0, sizeof config);
	for (int i = 1; i <= members; i++) {
		struct raft_member *member = &config.members[config.count++];

		member->id = rig_id(i);
		member->role = i > members - learners ? RAFT_LEARNER : RAFT_VOTER;
		member->key[0] = (uint8_t)i;
		if (addresses) {
			memcpy(member->address, "tcp://h0:1", 11);
			member->address[7] = (char)('0' + i);
		}
	}
	ok = raft_config_normalise(&config);
	must(ok);
	return config;
}

/* An entry with its own chunk, of which the caller holds the reference. */
static inline struct raft_entry
rig_entry(uint64_t term, enum raft_kind kind, const struct raft_sid *sid, uint64_t serial,
    const void *data, size_t size)
{
	static const struct raft_sid none;
	struct raft_chunk *chunk = raft_chunk_new(RAFT_ENTRY_HEADER_SIZE + size);
	struct raft_entry entry;
	bool ok;

	must(chunk != NULL);
	raft_entry_header(
	    chunk->bytes, term, kind, sid == NULL ? &none : sid, serial, (uint32_t)size);
	if (size > 0)
		memcpy(chunk->bytes + RAFT_ENTRY_HEADER_SIZE, data, size);
	ok = raft_entry_decode(&entry, chunk, chunk->bytes, chunk->size);
	must(ok);
	return entry;
}

static inline struct raft_sid
rig_sid(int number, bool named)
{
	struct raft_sid sid;

	memset(&sid, 0, sizeof sid);
	sid.b[0] = named ? RAFT_SID_NAMED : 1;
	sid.b[15] = (uint8_t)number;
	sid.b[14] = (uint8_t)(number >> 8);
	sid.b[13] = (uint8_t)(number >> 16);
	return sid;
}

/* ------------------------------------------------------------- one core */

static inline void
rig_settings(struct rig *rig, int number, uint64_t seed)
{
	struct raft_settings *s = &rig->settings;

	memset(s, 0, sizeof *s);
	s->id = rig_id(number);
	s->seed = seed;
	s->election_timeout_ms = RIG_E;
	s->heartbeat_ms = RIG_HEARTBEAT;
	s->store_timeout_ms = 2000;
	s->message_size_max = 4096;
	s->window_size_max = 16384;
	s->window_messages_max = 8;
	s->uncommitted_size_max = 1 << 20;
	s->tail_size_max = 1 << 16;
	s->entry_size_max = 65536;
	s->level_max = 1;
	rig->id = s->id;
	rig->mark_valid = true;
}

/* Starts, or starts again, from what is on its disk. `commit`: as logd knows it. */
static inline void
rig_start_commit(struct rig *rig, uint64_t commit)
{
	struct raft_start start;
	struct raft_term_start *terms = calloc(rig->disk.count + 1, sizeof *terms);
	struct raft_config_at *configs = calloc(rig->disk.count + 1, sizeof *configs);

	must(terms != NULL && configs != NULL);
	memset(&start, 0, sizeof start);
	start.term = rig->disk.term;
	start.level = 1;
	start.time = rig->start_time;
	start.vote = rig->disk.vote;
	start.start_number = (uint64_t)rig->id.s[1] * 1000 + ++rig->starts;
	start.configs = configs;
	configs[start.configs_count].index = rig->disk.before.index;
	configs[start.configs_count++].config =
	    rig->disk.before.index > 0 ? rig->disk.config : rig->config;
	start.sessions = rig->disk.before.index > 0 ? raft_sessions_dup(rig->disk.sessions)
						    : raft_sessions_new();
	must(start.sessions != NULL);
	start.before = start.last = start.commit = rig->disk.before;
	if (commit < rig->disk.before.index)
		commit = rig->disk.before.index;
	for (size_t i = 0; i < rig->disk.count; i++) {
		const struct raft_entry *entry = &rig->disk.entries[i];
		uint64_t index = rig->disk.before.index + i + 1;

		if (start.terms_count == 0 || terms[start.terms_count - 1].term != entry->term)
			terms[start.terms_count++] = (struct raft_term_start){index, entry->term};
		start.last = (struct raft_pos){index, entry->term};
		if (entry->kind == RAFT_CONFIG) {
			if (index <= commit)
				start.configs_count = 0;
			configs[start.configs_count].index = index;
			raft_config_decode(&configs[start.configs_count++].config,
			    raft_entry_data(entry), raft_entry_data_size(entry));
		}
		if (index <= commit) {
			start.commit = start.last;
			raft_sessions_apply(start.sessions, index, entry);
			if (entry->kind == RAFT_LEVEL)
				start.level = raft_entry_level(entry);
			if (entry->kind == RAFT_CONTRACT)
				raft_contract_take(&start.contract, index, entry);
		}
	}
	start.terms = terms;
	start.entries =
	    start.last.index > commit ? rig->disk.entries + (commit - start.before.index) : NULL;
	start.entries_count = start.last.index - commit;
	start.recovering = rig->disk.recovering;
	start.mark_valid = rig->mark_valid;
	start.mark_term = rig->mark_term;
	raft_free(rig->raft);
	rig->raft = raft_new(&rig->settings, &start, (struct mono_ms){rig->now});
	must(rig->raft != NULL);
	rig->commit = commit;
	free(terms);
	free(configs);
}

static inline void
rig_start(struct rig *rig)
{
	rig_start_commit(rig, 0);
}

static inline void
rig_init(struct rig *rig, int number, int members)
{
	memset(rig, 0, sizeof *rig);
	rig_settings(rig, number, 42);
	rig->config = rig_config(members, 0, false);
	rig->now = 10000;
}

/* A started core, number 1 of so many, with an empty log. */
static inline void
rig_new(struct rig *rig, int members)
{
	rig_init(rig, 1, members);
	rig_start(rig);
}

static inline void
rig_sent_clear(struct rig *rig)
{
	for (size_t i = 0; i < rig->sent_count; i++) {
		size_t count =
		    rig->sent[i].m.type == RAFT_MSG_APPEND    ? rig->sent[i].m.append.entries_count
		    : rig->sent[i].m.type == RAFT_MSG_PROPOSE ? rig->sent[i].m.propose.entries_count
							      : 0;

		rig_entries_free(rig->sent[i].entries, count);
	}
	free(rig->sent);
	rig->sent = NULL;
	rig->sent_count = 0;
}

static inline void
rig_clear(struct rig *rig)
{
	rig_sent_clear(rig);
	rig->answers_count = 0;
	rig->reads_count = 0;
	rig->fetches_count = 0;
	rig->snapshots_count = 0;
}

static inline void
rig_writes_clear(struct rig *rig)
{
	for (size_t i = 0; i < rig->writes_count; i++)
		rig_entries_free(rig->writes[i].entries, rig->writes[i].w.entries_count);
	rig->writes_count = 0;
}

static inline void
rig_free(struct rig *rig)
{
	raft_free(rig->raft);
	rig->raft = NULL;
	rig_clear(rig);
	rig_writes_clear(rig);
	rig_entries_free(rig->disk.entries, rig->disk.count);
	free(rig->writes);
	free(rig->answers);
	free(rig->reads);
	free(rig->fetches);
	free(rig->snapshots);
	raft_sessions_free(rig->ready.sessions);
	raft_sessions_free(rig->disk.sessions);
	memset(rig, 0, sizeof *rig);
}

/* Puts an entry on the disk of a core that is not started. */
static inline void
rig_disk_put(struct rig *rig, uint64_t term, enum raft_kind kind)
{
	struct raft_entry entry = rig_entry(term, kind, NULL, 0, NULL, 0);

	RIG_PUSH(rig->disk.entries, rig->disk.count, entry);
	if (rig->disk.term < term)
		rig->disk.term = term;
}

static inline void
rig_disk_cut(struct rig *rig, size_t count)
{
	while (rig->disk.count > count)
		raft_chunk_unref(rig->disk.entries[--rig->disk.count].chunk);
}

static inline uint64_t
rig_disk_last(const struct rig *rig)
{
	return rig->disk.before.index + rig->disk.count;
}

/* Cuts the beginning, as raft-logd does once there is a snapshot there; the core is told. */
static inline void
rig_disk_compact(struct rig *rig, uint64_t index)
{
	struct rig_disk *disk = &rig->disk;
	struct raft_sessions *sessions =
	    disk->before.index > 0 ? disk->sessions : raft_sessions_new();

	must(index > disk->before.index && index <= rig_disk_last(rig));
	if (disk->before.index == 0)
		disk->config = rig->config;
	for (uint64_t i = disk->before.index + 1; i <= index; i++) {
		struct raft_entry *entry = &disk->entries[i - disk->before.index - 1];

		raft_sessions_apply(sessions, i, entry);
		if (entry->kind == RAFT_CONFIG)
			raft_config_decode(
			    &disk->config, raft_entry_data(entry), raft_entry_data_size(entry));
	}
	size_t gone = (size_t)(index - disk->before.index);
	uint64_t term = disk->entries[gone - 1].term;
	struct raft_entry *rest = NULL;
	size_t rest_count = 0;

	for (size_t i = gone; i < disk->count; i++) {
		raft_chunk_ref(disk->entries[i].chunk);
		RIG_PUSH(rest, rest_count, disk->entries[i]);
	}
	rig_entries_free(disk->entries, disk->count);
	disk->entries = rest;
	disk->count = rest_count;
	disk->before = (struct raft_pos){index, term};
	disk->sessions = sessions;
}

static inline void
rig_disk_install(struct rig *rig, struct raft_pos pos)
{
	CHECK(pos.index == rig->ready.pos.index && pos.term == rig->ready.pos.term);
	rig_disk_cut(rig, 0);
	raft_sessions_free(rig->disk.sessions);
	rig->disk.before = pos;
	rig->disk.config = rig->ready.config;
	rig->disk.sessions = rig->ready.sessions;
	rig->ready.sessions = NULL;
}

static inline void
rig_disk_write(struct rig *rig, const struct rig_write *write)
{
	rig->disk.term = write->w.term;
	rig->disk.vote = write->w.vote;
	if (write->w.install) {
		CHECK(!write->w.truncate);
		rig_disk_install(rig, write->w.install_pos);
	}
	if (write->w.truncate) {
		CHECK(write->w.truncate_after < rig_disk_last(rig));
		CHECK(write->w.truncate_after >= rig->disk.before.index);
		rig_disk_cut(rig, write->w.truncate_after - rig->disk.before.index);
	}
	for (size_t i = 0; i < write->w.entries_count; i++) {
		CHECK(write->w.first_index + i == rig_disk_last(rig) + 1);
		RIG_PUSH(rig->disk.entries, rig->disk.count, write->entries[i]);
		raft_chunk_ref(write->entries[i].chunk);
	}
	if (write->w.recovered)
		rig->disk.recovering = false;
}

static inline void
rig_take(struct rig *rig, const struct raft_update *update)
{
	for (size_t i = 0; i < update->messages_count; i++) {
		struct rig_message copy = {update->messages[i], NULL};

		if (copy.m.type == RAFT_MSG_APPEND)
			copy.m.append.entries = copy.entries =
			    rig_entries_dup(copy.m.append.entries, copy.m.append.entries_count);
		if (copy.m.type == RAFT_MSG_PROPOSE)
			copy.m.propose.entries = copy.entries =
			    rig_entries_dup(copy.m.propose.entries, copy.m.propose.entries_count);
		RIG_PUSH(rig->sent, rig->sent_count, copy);
	}
	for (size_t i = 0; i < update->answers_count; i++)
		RIG_PUSH(rig->answers, rig->answers_count, update->answers[i]);
	for (size_t i = 0; i < update->reads_count; i++)
		RIG_PUSH(rig->reads, rig->reads_count, update->reads[i]);
	for (size_t i = 0; i < update->fetches_count; i++)
		RIG_PUSH(rig->fetches, rig->fetches_count, update->fetches[i]);
	for (size_t i = 0; i < update->snapshots_count; i++)
		RIG_PUSH(rig->snapshots, rig->snapshots_count, update->snapshots[i]);
	if (update->write.number != 0) {
		struct rig_write write = {update->write, NULL};

		write.entries = rig_entries_dup(update->write.entries, update->write.entries_count);
		RIG_PUSH(rig->writes, rig->writes_count, write);
	}
	if (update->commit_changed) {
		CHECK(update->commit.index > rig->commit);
		rig->commit = update->commit.index;
	}
	if (update->state_changed) {
		snprintf(rig->why, sizeof rig->why, "%s", update->why);
		rig->was = update->was;
		rig->state_changes++;
	}
	rig->config_changed |= update->config_changed;
	rig->wake_at = update->wake_at.ms;
}

static inline void
rig_step(struct rig *rig, struct raft_event *event)
{
	struct raft_update update;

	event->now.ms = rig->now;
	event->wall_ms = rig->wall;
	event->boot_ms = rig->now + rig->slept;
	raft_step(rig->raft, event, &update);
	rig_take(rig, &update);
}

/* Makes the oldest `count` writes durable, and says so. */
static inline void
rig_store(struct rig *rig, size_t count)
{
	struct raft_event event = {.type = RAFT_EVENT_STORED};

	must(count <= rig->writes_count);
	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++) {
		rig_disk_write(rig, &rig->writes[i]);
		rig_entries_free(rig->writes[i].entries, rig->writes[i].w.entries_count);
		event.stored_number = rig->writes[i].w.number;
	}
	rig->writes_count -= count;
	memmove(rig->writes, rig->writes + count, rig->writes_count * sizeof *rig->writes);
	rig_step(rig, &event);
}

static inline void
rig_store_all(struct rig *rig)
{
	while (rig->writes_count > 0)
		rig_store(rig, rig->writes_count);
}

/* A step, and unless writes are held, all that becomes of it. */
static inline void
rig_event(struct rig *rig, struct raft_event *event)
{
	rig_step(rig, event);
	if (!rig->hold_writes)
		rig_store_all(rig);
}

static inline void
rig_time(struct rig *rig, uint64_t ms)
{
	struct raft_event event = {.type = RAFT_EVENT_TIME};

	rig->now += ms;
	rig_event(rig, &event);
}

static inline void
rig_message(struct rig *rig, const struct raft_message *message)
{
	struct raft_event event = {.type = RAFT_EVENT_MESSAGE};

	event.message = message;
	rig_event(rig, &event);
}

/* Takes it without an update: more follows. */
static inline void
rig_gather(struct rig *rig, const struct raft_message *message)
{
	struct raft_event event = {.type = RAFT_EVENT_MESSAGE};

	event.now.ms = rig->now;
	event.wall_ms = rig->wall;
	event.boot_ms = rig->now + rig->slept;
	event.message = message;
	raft_step(rig->raft, &event, NULL);
}

static inline void
rig_disk_full(struct rig *rig, bool full)
{
	struct raft_event event = {.type = RAFT_EVENT_DISK};

	event.disk_full = full;
	rig_event(rig, &event);
}

static inline void
rig_unreachable(struct rig *rig, int number)
{
	struct raft_event event = {.type = RAFT_EVENT_UNREACHABLE};

	event.unreachable = rig_id(number);
	rig_event(rig, &event);
}

/* The disk cuts the beginning of the log, and the core is told. */
static inline void
rig_compact(struct rig *rig, uint64_t index)
{
	struct raft_event event = {.type = RAFT_EVENT_COMPACTED};

	rig_disk_compact(rig, index);
	event.compacted = rig->disk.before;
	rig_event(rig, &event);
}

/* A snapshot from elsewhere is on the disk.  sessions: given away. */
static inline void
rig_snapshot_ready(struct rig *rig, struct raft_pos pos, const struct raft_config *config,
    struct raft_sessions *sessions)
{
	struct raft_event event = {.type = RAFT_EVENT_SNAPSHOT_READY};
	struct raft_snapshot snapshot = {
	    .pos = pos, .level = 1, .config = config, .sessions = raft_sessions_dup(sessions)};
	bool installing = false;

	for (size_t i = 0; i < rig->writes_count; i++)
		installing |= rig->writes[i].w.install;
	if (installing) {
		raft_sessions_free(sessions);
	} else {
		raft_sessions_free(rig->ready.sessions);
		rig->ready = (struct rig_snapshot){pos, *config, sessions};
	}
	event.snapshot = &snapshot;
	rig_event(rig, &event);
}

static inline void
rig_snapshot_sent(struct rig *rig, int peer, bool ok, uint64_t index)
{
	struct raft_event event = {.type = RAFT_EVENT_SNAPSHOT_SENT};

	event.sent.peer = rig_id(peer);
	event.sent.ok = ok;
	event.sent.index = index;
	rig_event(rig, &event);
}

static inline void
rig_transfer(struct rig *rig, uint64_t ticket, int target)
{
	struct raft_event event = {.type = RAFT_EVENT_TRANSFER};

	event.transfer.ticket = ticket;
	if (target > 0)
		event.transfer.target = rig_id(target);
	rig_event(rig, &event);
}

static inline void
rig_read(struct rig *rig, uint64_t ticket)
{
	struct raft_event event = {.type = RAFT_EVENT_READ};

	event.read_ticket = ticket;
	rig_event(rig, &event);
}

static inline void
rig_propose(struct rig *rig, const struct raft_proposal *proposal)
{
	struct raft_event event = {.type = RAFT_EVENT_PROPOSE};

	event.proposal = proposal;
	rig_event(rig, &event);
}

/* Proposes serials [serial, serial + count) of a session, eight bytes of data each. */
static inline void
rig_propose_serials(struct rig *rig, uint64_t ticket, const struct raft_sid *sid, uint64_t serial,
    size_t count, struct raft_proposal base)
{
	struct raft_entry *entries = calloc(count, sizeof *entries);

	must(entries != NULL);
	for (size_t i = 0; i < count; i++) {
		uint8_t data[8];

		bytes_put_u64(data, serial + i);
		entries[i] = rig_entry(0, RAFT_CLIENT, sid, serial + i, data, sizeof data);
	}
	base.ticket = ticket;
	base.entries = entries;
	base.entries_count = count;
	rig_propose(rig, &base);
	rig_entries_free(entries, count);
}

static inline void
rig_propose_one(struct rig *rig, uint64_t ticket, enum raft_kind kind, const struct raft_sid *sid,
    const void *data, size_t size)
{
	struct raft_entry entry = rig_entry(0, kind, sid, 0, data, size);
	struct raft_proposal proposal = {.ticket = ticket, .entries = &entry, .entries_count = 1};

	rig_propose(rig, &proposal);
	raft_chunk_unref(entry.chunk);
}

static inline void
rig_change(struct rig *rig, uint64_t ticket, const struct raft_change *change)
{
	uint8_t data[RAFT_CHANGE_SIZE_MAX];
	size_t size = raft_change_encode(change, data);

	rig_propose_one(rig, ticket, RAFT_CONFIG, NULL, data, size);
}

static inline struct raft_status
rig_status(const struct rig *rig)
{
	struct raft_status status;

	raft_status(rig->raft, (struct mono_ms){rig->now}, &status);
	return status;
}

/* The first message sent of that type, to that member (0: any), or NULL. */
static inline const struct raft_message *
rig_find(const struct rig *rig, enum raft_message_type type, int to)
{
	struct raft_id id = rig_id(to);

	for (size_t i = 0; i < rig->sent_count; i++)
		if (rig->sent[i].m.type == type &&
		    (to == 0 || raft_id_equal(&rig->sent[i].m.to, &id)))
			return &rig->sent[i].m;
	return NULL;
}

static inline const struct raft_message *
rig_find_last(const struct rig *rig, enum raft_message_type type, int to)
{
	const struct raft_message *found = NULL;
	struct raft_id id = rig_id(to);

	for (size_t i = 0; i < rig->sent_count; i++)
		if (rig->sent[i].m.type == type &&
		    (to == 0 || raft_id_equal(&rig->sent[i].m.to, &id)))
			found = &rig->sent[i].m;
	return found;
}

static inline size_t
rig_count(const struct rig *rig, enum raft_message_type type)
{
	size_t count = 0;

	for (size_t i = 0; i < rig->sent_count; i++)
		count += rig->sent[i].m.type == type;
	return count;
}

/* ------------------------------------------------ messages made by hand */

static inline struct raft_message
rig_make(enum raft_message_type type, int from, int to, uint64_t term)
{
	struct raft_message message;

	memset(&message, 0, sizeof message);
	message.type = type;
	message.from = rig_id(from);
	message.to = rig_id(to);
	message.term = term;
	return message;
}

static inline void
rig_vote_request(struct rig *rig, int from, uint64_t term, bool pre, struct raft_pos last)
{
	struct raft_message message = rig_make(RAFT_MSG_VOTE, from, rig->id.s[1] - '0', term);

	message.vote.pre = pre;
	message.vote.last = last;
	rig_message(rig, &message);
}

static inline void
rig_vote_reply(struct rig *rig, int from, uint64_t term, bool pre, bool granted)
{
	struct raft_message message = rig_make(RAFT_MSG_VOTE_REPLY, from, rig->id.s[1] - '0', term);

	message.vote_reply.pre = pre;
	message.vote_reply.granted = granted;
	rig_message(rig, &message);
}

/* An append of `count` no-ops of entry_term after prev; round rises by itself when 0 is given. */
static inline struct raft_message
rig_append_make(struct rig *rig, int from, uint64_t term, struct raft_pos prev, uint64_t entry_term,
    size_t count, uint64_t commit)
{
	struct raft_message message = rig_make(RAFT_MSG_APPEND, from, rig->id.s[1] - '0', term);
	struct raft_entry *entries = calloc(count + 1, sizeof *entries);

	must(entries != NULL);
	for (size_t i = 0; i < count; i++)
		entries[i] = rig_entry(entry_term, RAFT_NOOP, NULL, 0, NULL, 0);
	message.append.prev = prev;
	message.append.commit = commit;
	message.append.round = ++rig->round;
	message.append.last = prev.index + count;
	message.append.entries = entries;
	message.append.entries_count = count;
	return message;
}

static inline void
rig_append_free(struct raft_message *message)
{
	struct raft_entry *entries = (struct raft_entry *)(uintptr_t)message->append.entries;

	rig_entries_free(entries, message->append.entries_count);
}

static inline void
rig_append(struct rig *rig, int from, uint64_t term, struct raft_pos prev, uint64_t entry_term,
    size_t count, uint64_t commit)
{
	struct raft_message message =
	    rig_append_make(rig, from, term, prev, entry_term, count, commit);

	rig_message(rig, &message);
	rig_append_free(&message);
}

/* A reply to the core under test as leader. start: the replier's start number. */
static inline void
rig_append_reply(struct rig *rig, int from, uint64_t term, bool ok, uint64_t match,
    struct raft_pos hint, uint64_t round)
{
	struct raft_message message =
	    rig_make(RAFT_MSG_APPEND_REPLY, from, rig->id.s[1] - '0', term);

	message.append_reply.ok = ok;
	message.append_reply.match = match;
	message.append_reply.hint = hint;
	message.append_reply.round = round;
	message.append_reply.start_number = (uint64_t)from;
	rig_message(rig, &message);
}

/* An ok reply that has taken all up to index, durably, in the round of the newest append to it. */
static inline void
rig_accept(struct rig *rig, int from, uint64_t index)
{
	const struct raft_message *append = rig_find_last(rig, RAFT_MSG_APPEND, from);
	struct raft_pos hint = {index, 0};
	struct raft_status status = rig_status(rig);

	raft_term_at(rig->raft, index, &hint.term);
	rig_append_reply(
	    rig, from, status.term, true, index, hint, append == NULL ? 0 : append->append.round);
}

/*
 * Makes the core the leader of the next term, by the votes of a majority; its no-op is on its disk.
 */
static inline void
rig_elect(struct rig *rig)
{
	struct raft_status status;
	int members = (int)rig->config.count;
	bool hold = rig->hold_writes;

	rig->hold_writes = false;
	for (int i = 0; i < 50 && rig_status(rig).role == RAFT_FOLLOWER; i++)
		rig_time(rig, RIG_E / 4);
	status = rig_status(rig);
	for (int i = 1; i <= members && rig_status(rig).role == RAFT_PRE_CANDIDATE; i++)
		if (i != rig->id.s[1] - '0')
			rig_vote_reply(rig, i, status.term + 1, true, true);
	for (int i = 1; i <= members && rig_status(rig).role == RAFT_CANDIDATE; i++)
		if (i != rig->id.s[1] - '0')
			rig_vote_reply(rig, i, status.term + 1, false, true);
	must(rig_status(rig).role == RAFT_LEADER);
	rig->hold_writes = hold;
}

#endif
