/* SPDX-License-Identifier: ISC */
/*
 * Messages as structs, and frames as bytes, all made from messages.def.
 *
 * For each message NAME: struct msg_name; MSG_NAME, its number;
 * msg_name_put, which appends a whole frame; msg_name_get, which reads a body.
 * A decoder checks every bound and never asserts; bytes fields then point into the body.
 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include "raft/contract.h"
#include "buf.h"
#include "messages.def"

enum { WIRE_VERSION_LOW = 1, WIRE_VERSION_HIGH = 1 };
/* Size u32 and number u16; the size counts the number and the body. */
enum { FRAME_HEADER_SIZE = 6 };
/* No frame, header included, is larger; an entry's limit in raft.yaml is well below. */
enum { FRAME_SIZE_MAX = 64 << 20 };

/* Who speaks: in hello. */
#define WIRE_KINDS(K)                                                                              \
	K(1, CLIENT, "client")   /* a tool */                                                      \
	K(2, ELECTOR, "elector") /* raft-elect */                                                  \
	K(3, READER, "reader")   /* of the log */                                                  \
	K(4, FSM, "fsm")         /* raft-fsm, which owns cursors */
enum wire_kind {
#define K(number, NAME, text) WIRE_##NAME = number,
	WIRE_KINDS(K)
#undef K
};

enum wire_log_flags { WIRE_RECOVERING = 1, WIRE_MARK_VALID = 2, WIRE_FULL = 4 };
enum wire_write_flags { WIRE_TRUNCATE = 1, WIRE_RECOVERED = 2, WIRE_INSTALL = 4 };
/*
 * log_part records.  TERMS: index u64, term u64.  CONFIGS: index u64, size u32, bytes.
 * SESSIONS: as wire_session_put.  ENTRIES: records from first_index on, above the commit index.
 * LEVEL: the level in force at the commit index u64, the time in the last stamp up to there u64;
 * none when they are 1 and 0.  CONTRACT: the one in force there, as wire_contract_put; none when
 * there is none.
 */
enum wire_log_part {
	WIRE_TERMS = 1,
	WIRE_CONFIGS = 2,
	WIRE_SESSIONS = 3,
	WIRE_ENTRIES = 4,
	WIRE_LEVEL = 5,
	WIRE_CONTRACT = 6
};
/* What the receiver of a snapshot wants: state in snap_taken and raft_snap_ack. */
#define WIRE_SNAP_STATES(S)                                                                        \
	S(0, MORE, "more is wanted") /* from offset on */                                          \
	S(1, COMPLETE, "complete and durable")                                                     \
	S(2, DAMAGED, "damaged and thrown away")                                                   \
	S(3, UNWANTED, "not wanted: the log has this and more")                                    \
	S(4, NOT_NOW, "not now") /* raft_snap_ack only */
enum wire_snap_state {
#define S(number, NAME, text) WIRE_SNAP_##NAME = number,
	WIRE_SNAP_STATES(S)
#undef S
};
/* What became of an entry or a query in the program: state in fsm_reply. */
#define WIRE_REPLY_STATES(S)                                                                       \
	S(0, OK, "ok")                                                                             \
	S(1, REFUSED, "refused")                                                                   \
	S(2, LOST, "lost") /* of an entry only */
enum wire_reply_state {
#define S(number, NAME, text) WIRE_REPLY_##NAME = number,
	WIRE_REPLY_STATES(S)
#undef S
	    WIRE_REPLY_STATES_COUNT
};
/* Consensus messages, and bulk ones (snapshots). */
enum wire_class { WIRE_CONSENSUS = 0, WIRE_BULK = 1, WIRE_CLASSES_COUNT };

/* Bytes inside another buffer. */
struct wire_bytes {
	const uint8_t *bytes;
	size_t size;
};
struct wire_run {
	uint8_t b[16];
};
struct wire_bytes wire_text(const char *text);
bool wire_text_is(struct wire_bytes bytes, const char *text);

typedef uint8_t wire_c_u8;
typedef uint16_t wire_c_u16;
typedef uint32_t wire_c_u32;
typedef uint64_t wire_c_u64;
typedef uint64_t wire_c_opt;
typedef bool wire_c_flag;
typedef struct raft_id wire_c_id;
typedef struct raft_sid wire_c_sid;
typedef struct wire_run wire_c_run;
typedef struct raft_hash wire_c_hash;
typedef struct raft_pos wire_c_pos;
typedef struct wire_bytes wire_c_text;
typedef struct wire_bytes wire_c_rest;

enum msg_number {
#define M(number, NAME, name) MSG_##NAME = number,
	MESSAGES(M)
#undef M
};

#define F(type, field) wire_c_##type field;
#define M(number, NAME, name)                                                                      \
	struct msg_##name {                                                                        \
		FIELDS_##name(F)                                                                   \
	};
MESSAGES(M)
#undef M
#undef F

/*
 * Appends a frame.  When a rest field has a size but its bytes are NULL, only what
 * goes before it is appended, with that size counted in: the caller appends the bytes.
 */
#define M(number, NAME, name)                                                                      \
	void msg_##name##_put(struct wire_buf *out, const struct msg_##name *m);
MESSAGES(M)
#undef M

/* False when the body is cut short, has bytes left over, or a field is out of range. */
#define M(number, NAME, name)                                                                      \
	bool msg_##name##_get(struct msg_##name *m, const uint8_t *body, size_t size);
MESSAGES(M)
#undef M

/*
 * A case of the switch in a function with the parameters of link_calls.frame: decodes the message
 * and returns what function(arg, &message) returns, or that it is malformed.
 */
#define WIRE_CASE(NAME, name, function)                                                            \
	case MSG_##NAME: {                                                                         \
		struct msg_##name name##_message;                                                  \
		if (!msg_##name##_get(&name##_message, body, size))                                \
			return "a malformed " #name;                                               \
		return function(arg, &name##_message);                                             \
	}

/* "unknown" for a number that is none. */
const char *msg_name(uint16_t number);
/* Whether the message is one between raft-elects, which raft-peerd carries. */
bool msg_is_raft(uint16_t number);

/* A frame inside a buffer: its number, its body, and all of it, header included. */
struct wire_frame {
	uint16_t number;
	const uint8_t *body;
	size_t size; /* of the body */
	struct wire_bytes whole;
};
/*
 * Looks for a frame at the start of bytes: 1 found, 0 more bytes are needed, -1 never a
 * frame (too small or above size_max).
 */
int frame_get(const uint8_t *bytes, size_t size, size_t size_max, struct wire_frame *frame);
/* True when the bytes are exactly one frame. */
bool frame_whole(struct wire_bytes bytes, size_t size_max, struct wire_frame *frame);
/* An append of either form; below level 3 timeout and grace are 0. */
bool wire_append(uint16_t number);
bool wire_append_get(struct msg_raft_append_lead *m, const struct wire_frame *frame);
/* The number with which the body of each request begins, for a refusal of one that is not known; 0:
 * there is none. */
uint64_t frame_request(const uint8_t *body, size_t size);

/*
 * Entries as a gapless run of records.  Decodes `count` records, which must fill
 * `run` exactly, into a new array (the caller frees it) and one new chunk that
 * holds a copy of the bytes (the caller owns one reference; entries borrow it).
 * False when malformed, then nothing is allocated.  count 0: *entries and *chunk NULL.
 */
bool wire_entries_get(
    struct wire_bytes run, uint32_t count, struct raft_entry **entries, struct raft_chunk **chunk);
/* The same without a copy: the entries have no chunk, and are valid as long as the bytes of run. */
bool wire_entries_view(struct wire_bytes run, uint32_t count, struct raft_entry **entries);
/*
 * Of such a run, which begins at first_index, when wire_entries_get refuses it: whether that is for
 * an entry of a newer level; why: of WIRE_NEWER_SIZE bytes, the sentence about it.
 */
enum { WIRE_NEWER_SIZE = 192 };
bool wire_entries_newer(
    struct wire_bytes run, uint32_t count, uint64_t first_index, char why[WIRE_NEWER_SIZE]);
size_t wire_entries_size(const struct raft_entry *entries, size_t count);
void wire_entries_put(struct wire_buf *out, const struct raft_entry *entries, size_t count);

/*
 * A session as a record: sid, serial, last_index, epoch, run, digest, name size u8, name; if bit 7
 * of the name size is set it is a cursor, and its position u64 follows.
 */
struct raft_session;
void wire_session_put(struct wire_buf *out, const struct raft_session *session);
/* Reads one and moves *run past it; false when malformed. */
bool wire_session_get(struct raft_session *session, struct wire_bytes *run);

/* A contract as a record: index u64, size u32, encoded contract. */
enum { WIRE_CONTRACT_HEAD_SIZE = 8 + 4 };
void wire_contract_put(struct wire_buf *out, const struct raft_contract_at *at);
/* Reads one and moves *run past it; false when malformed, or its index is 0. */
bool wire_contract_get(struct raft_contract_at *at, struct wire_bytes *run);

#endif
