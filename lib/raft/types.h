/* SPDX-License-Identifier: ISC */
/*
 * The words that everything shares: ids, positions, time, entries, members.
 *
 * Plain data and pure helpers only.  Nothing here allocates except chunks,
 * and nothing does I/O.  Section signs refer to Ongaro's thesis.
 */
#ifndef RAFT_TYPES_H
#define RAFT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A bug in this program, never an input: on in every build. */
#define must(cond) ((cond) ? (void)0 : raft_must_fail(#cond, __FILE__, __LINE__))
_Noreturn void raft_must_fail(const char *cond, const char *file, int line);

/* A monotonic instant in milliseconds; a struct, so that it can't be mixed with a count. */
struct mono_ms {
	uint64_t ms;
};

static inline uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t
max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * A node's name: 1 to 31 characters of [A-Za-z0-9._-], padded with NUL to the
 * full size, so that ids compare with memcmp and print with "%s".
 * All NUL means "nobody".
 */
enum { RAFT_ID_SIZE = 32 };
struct raft_id {
	char s[RAFT_ID_SIZE];
};

#define RAFT_NOBODY ((const struct raft_id){{0}})
bool raft_id_equal(const struct raft_id *a, const struct raft_id *b);
bool raft_id_none(const struct raft_id *id);
/* False when text is empty, too long, or holds another character; then *id is nobody. */
bool raft_id_parse(struct raft_id *id, const char *text);
/* True when the bytes are a well-formed id or nobody: the check of what came from outside. */
bool raft_id_valid(const struct raft_id *id);

/* A place in a log.  (0, 0) is the place before the first entry. */
struct raft_pos {
	uint64_t index;
	uint64_t term;
};

/*
 * A client session's id.  The top bit of the first byte is set for a named
 * session or a cursor, whose other bits are a hash of the name; an anonymous
 * one is random.  All zero: no session.
 */
enum { RAFT_SID_SIZE = 16, RAFT_SID_NAMED = 0x80 };
struct raft_sid {
	uint8_t b[RAFT_SID_SIZE];
};

bool raft_sid_equal(const struct raft_sid *a, const struct raft_sid *b);
bool raft_sid_none(const struct raft_sid *sid);
bool raft_sid_named(const struct raft_sid *sid);

/* A hash: of a file, of a log up to a place (its chain), of a first configuration (the cluster id).
 */
enum { RAFT_HASH_SIZE = 32 };
struct raft_hash {
	uint8_t b[RAFT_HASH_SIZE];
};

bool raft_hash_equal(const struct raft_hash *a, const struct raft_hash *b);
/* All zero. */
bool raft_hash_none(const struct raft_hash *hash);

/* A position and the chain of the log there: logs that agree on both agree on all before. */
struct raft_place {
	struct raft_pos pos;
	struct raft_hash chain;
};

/* Bytes shared by many entries; freed when the last reference goes. */
struct raft_chunk {
	size_t refs;
	size_t size;
	uint8_t bytes[];
};

/* NULL when there is no memory.  The caller holds the one reference. */
struct raft_chunk *raft_chunk_new(size_t size);
struct raft_chunk *raft_chunk_ref(struct raft_chunk *chunk);
/* Takes NULL. */
void raft_chunk_unref(struct raft_chunk *chunk);

/*
 * Levels.  A level is a set of kinds of entries and of
 * fields of records and messages.  Above level 1 it is in force from an entry of kind LEVEL on,
 * which a leader appends once each member has reported that level; nothing of a level is written
 * before its entry is committed.
 */
enum {
	RAFT_LEVEL_STAMPS = 2,   /* records with time and origin; the clock in append replies */
	RAFT_LEVEL_CONTRACT = 2, /* entries of kind CONTRACT */
	RAFT_LEVEL_CURSORS = 3,  /* entries of kinds CURSOR_OPEN and ACK */
	RAFT_LEVEL_FIRST = 3,    /* the first index in append replies */
	RAFT_LEVEL_LEAD = 3, /* the leader's times in appends, the largest ones in vote replies */
	RAFT_LEVEL_MAX = 3   /* the highest one that this program supports */
};

/* Kinds of entries: number, NAME, text.  The numbers are on disk. */
#define RAFT_KINDS(K)                                                                              \
	K(0, NOOP, "noop")                                                                         \
	K(1, CONFIG, "config")                                                                     \
	K(2, CLIENT, "client")                                                                     \
	K(3, SESSION_OPEN, "session_open")                                                         \
	K(4, SESSION_DROP, "session_drop")                                                         \
	K(5, LEVEL, "level")                                                                       \
	K(6, CONTRACT, "contract")                                                                 \
	K(7, CURSOR_OPEN, "cursor_open")                                                           \
	K(8, ACK, "ack")
enum raft_kind {
#define K(number, NAME, text) RAFT_##NAME = number,
	RAFT_KINDS(K)
#undef K
	    RAFT_KINDS_COUNT
};
const char *raft_kind_name(enum raft_kind kind);
/* The level from which on a client may propose such an entry. */
uint64_t raft_kind_level(enum raft_kind kind);
/* Whether such an entry opens a session, and is answered with its epoch. */
bool raft_kind_opens(enum raft_kind kind);

/*
 * An entry.  Its index is not in it: entries come in runs with a first index.
 *
 * `bytes` is the encoded record (entry.c), the very bytes that go to disk and
 * to peers.  They live in `chunk`, of which whoever stores the entry takes a
 * reference.  A leader writes its term and the stamp into it when it admits a
 * proposal; nothing else in a record ever changes.
 *
 * Record, integers big-endian: term u64, kind u8, session 16 bytes, serial
 * u64, data size u32; if bit 7 of the kind is set the stamp: time u64, uid u32,
 * node 32 bytes; data.
 */
enum { RAFT_ENTRY_HEADER_SIZE = 37, RAFT_STAMP_SIZE = 44, RAFT_ENTRY_STAMPED = 0x80 };
struct raft_entry {
	uint64_t term;
	uint64_t serial;
	struct raft_sid session;
	const uint8_t *bytes;
	struct raft_chunk *chunk;
	uint32_t size; /* of the record, header and data */
	enum raft_kind kind;
};

/*
 * When the leader admitted an entry, and who asked for it.  A label for people: nothing in Raft
 * rests on it.  time never decreases along a log.
 */
#define RAFT_UID_NONE UINT32_MAX
/* No time is above it: a disk counts with 63 bits. */
#define RAFT_TIME_MAX (UINT64_C(1) << 62)
struct raft_stamp {
	uint64_t time; /* milliseconds since the epoch, UTC; 0: not known */
	uint32_t uid; /* of the client at that node; RAFT_UID_NONE: not known, or the node itself */
	struct raft_id node; /* that took it from the client */
};

/* From level 2 on a record has a stamp. */
bool raft_entry_stamped(const struct raft_entry *entry);
/* False, and a stamp of zeros without uid, when it has none. */
bool raft_entry_stamp(const struct raft_entry *entry, struct raft_stamp *stamp);
/* The time of its stamp; 0 when it has none. */
uint64_t raft_entry_time(const struct raft_entry *entry);
/* What the header takes of the record: with the stamp, if there is one. */
uint32_t raft_entry_header_size(const struct raft_entry *entry);
/*
 * Writes at `out` the record of the entry with this stamp, or without one (NULL), whatever it has
 * now.  Bytes written: raft_entry_size_with(entry, stamp != NULL).
 */
size_t raft_entry_put(uint8_t *out, const struct raft_entry *entry, const struct raft_stamp *stamp);
size_t raft_entry_size_with(const struct raft_entry *entry, bool stamped);
const uint8_t *raft_entry_data(const struct raft_entry *entry);
uint32_t raft_entry_data_size(const struct raft_entry *entry);
/* Writes the RAFT_ENTRY_HEADER_SIZE bytes that go before the data of a record without stamp. */
void raft_entry_header(uint8_t *out, uint64_t term, enum raft_kind kind,
    const struct raft_sid *session, uint64_t serial, uint32_t data_size);
/* Makes it the header of a record with this stamp, RAFT_STAMP_SIZE bytes longer. */
void raft_entry_header_stamp(uint8_t *header, const struct raft_stamp *stamp);
/*
 * Reads the record at `bytes`, which has `size` bytes at the most.  False when
 * it is cut short, its kind is unknown, it is a LEVEL entry of a level above RAFT_LEVEL_MAX, or the
 * data of a LEVEL, CONTRACT or ACK entry is malformed.  entry->chunk is set to `chunk` without a
 * new reference.
 */
bool raft_entry_decode(
    struct raft_entry *entry, struct raft_chunk *chunk, const uint8_t *bytes, size_t size);
/*
 * Of a record that raft_entry_decode refuses: its kind byte if only a newer level has such a
 * record, whose rest may have another form; else 0.  *level: the one that a LEVEL entry names;
 * else 0, not known.
 */
uint8_t raft_entry_newer(const uint8_t *bytes, size_t size, uint64_t *level);
/*
 * Whether the data of an entry of kind LEVEL is a level that this program supports, that of one of
 * kind CONTRACT a contract, and that of one of kind ACK a position.  True for other kinds.
 */
bool raft_entry_data_valid(const struct raft_entry *entry);
/* The level that an entry of kind LEVEL brings into force.  Its data is that number, a u64. */
uint64_t raft_entry_level(const struct raft_entry *entry);
/* The position that an entry of kind ACK gives its cursor.  Its data is that number, a u64. */
enum { RAFT_ACK_SIZE = 8 };
uint64_t raft_entry_position(const struct raft_entry *entry);

enum raft_member_role { RAFT_VOTER = 1, RAFT_LEARNER = 2 };
enum { RAFT_KEY_SIZE = 32, RAFT_ADDRESS_SIZE = 256, RAFT_MEMBERS_MAX = 32, RAFT_RETIRED_MAX = 128 };
struct raft_member {
	struct raft_id id;
	enum raft_member_role role;
	uint8_t key[RAFT_KEY_SIZE];
	uint8_t
	    key_next[RAFT_KEY_SIZE]; /* while its key is being replaced: the other one; else zero */
	char address[RAFT_ADDRESS_SIZE]; /* "" at index 0; else an NNG URL, tcp://host:port */
};

/*
 * A configuration (§4): members sorted by id, and the ids of those that were removed, oldest first:
 * an id is never used again.  Of more than RAFT_RETIRED_MAX the oldest are forgotten.
 */
struct raft_config {
	size_t count;
	struct raft_member members[RAFT_MEMBERS_MAX];
	size_t retired_count;
	struct raft_id retired[RAFT_RETIRED_MAX];
};

/* NULL when there is no such member. */
const struct raft_member *raft_config_find(
    const struct raft_config *config, const struct raft_id *id);
bool raft_config_retired(const struct raft_config *config, const struct raft_id *id);
size_t raft_config_voters(const struct raft_config *config);
/* Sorts by id; false when an id or a key stands twice, or there is no voter. */
bool raft_config_normalise(struct raft_config *config);
/* Whether the member's second key is set. */
bool raft_member_two_keys(const struct raft_member *member);
/* Bytes written, at most RAFT_CONFIG_SIZE_MAX. */
enum {
	RAFT_MEMBER_SIZE_MAX = RAFT_ID_SIZE + 1 + 2 * RAFT_KEY_SIZE + 2 + RAFT_ADDRESS_SIZE,
	RAFT_CONFIG_SIZE_MAX =
	    4 + RAFT_MEMBERS_MAX * RAFT_MEMBER_SIZE_MAX + 4 + RAFT_RETIRED_MAX * RAFT_ID_SIZE
};
size_t raft_config_encode(const struct raft_config *config, uint8_t *out);
/* False when the bytes are no whole, valid configuration. */
bool raft_config_decode(struct raft_config *config, const uint8_t *bytes, size_t size);

/* ------------------------------------------------------------- changes */

/* Single-server changes (§4.1): number, NAME, text.  The numbers are on the wire. */
#define RAFT_CHANGES(C)                                                                            \
	C(1, ADD, "add")         /* a new member, as a learner */                                  \
	C(2, PROMOTE, "promote") /* a learner that has caught up becomes a voter */                \
	C(3, DEMOTE, "demote")   /* a voter becomes a learner */                                   \
	C(4, REMOVE, "remove")                                                                     \
	C(5, ADDRESS, "address")                                                                   \
	C(6, KEY_ADD, "key add")   /* a second key, valid beside the first */                      \
	C(7, KEY_DROP, "key drop") /* one of the two keys is no longer valid */
enum raft_change_op {
#define C(number, NAME, text) RAFT_CHANGE_##NAME = number,
	RAFT_CHANGES(C)
#undef C
};
const char *raft_change_name(enum raft_change_op op);

/* What is asked for.  Of the member only what the change needs is set: the id; ADD: all but the
 * role. */
struct raft_change {
	enum raft_change_op op;
	struct raft_member member;
};

/*
 * A change is proposed as the data of an entry of kind CONFIG without session: op u8, then
 * a member as in a configuration.  Bytes written.
 */
enum { RAFT_CHANGE_SIZE_MAX = 1 + RAFT_MEMBER_SIZE_MAX };
size_t raft_change_encode(const struct raft_change *change, uint8_t *out);
/* False when the bytes are no change. */
bool raft_change_decode(struct raft_change *change, const uint8_t *bytes, size_t size);

#endif
