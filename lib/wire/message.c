/* SPDX-License-Identifier: ISC */
/* Encoders and decoders, made from the list of messages; and frames. */
#include "message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raft/session.h"

struct wire_bytes
wire_text(const char *text)
{
	return (struct wire_bytes){(const uint8_t *)text, strlen(text)};
}

bool
wire_text_is(struct wire_bytes bytes, const char *text)
{
	return bytes.size == strlen(text) && memcmp(bytes.bytes, text, bytes.size) == 0;
}

/* What is left of a body; a failed read leaves ok false and reads zeros from then on. */
struct decoder {
	const uint8_t *at;
	size_t left;
	bool ok;
};

static const uint8_t *
reader_take(struct decoder *r, size_t size)
{
	if (!r->ok || size > r->left) {
		r->ok = false;
		return NULL;
	}
	const uint8_t *at = r->at;
	r->at += size;
	r->left -= size;
	return at;
}

/* One pair for each type of field. */

static void
put_u8(struct wire_buf *out, uint8_t v)
{
	*wire_buf_add(out, 1) = v;
}

static void
get_u8(struct decoder *r, uint8_t *v)
{
	const uint8_t *at = reader_take(r, 1);
	*v = at ? *at : 0;
}

static void
put_flag(struct wire_buf *out, bool v)
{
	put_u8(out, v);
}

static void
get_flag(struct decoder *r, bool *v)
{
	uint8_t byte;
	get_u8(r, &byte);
	r->ok = r->ok && byte <= 1;
	*v = byte == 1;
}

#define INTEGER(bits)                                                                              \
	static void put_u##bits(struct wire_buf *out, uint##bits##_t v)                            \
	{                                                                                          \
		bytes_put_u##bits(wire_buf_add(out, bits / 8), v);                                 \
	}                                                                                          \
	static void get_u##bits(struct decoder *r, uint##bits##_t *v)                              \
	{                                                                                          \
		const uint8_t *at = reader_take(r, bits / 8);                                      \
		*v = at ? bytes_get_u##bits(at) : 0;                                               \
	}
INTEGER(16)
INTEGER(32)
INTEGER(64)

/*
 * A u64 at the end that is not sent when it is 0: the receiver may be of a level without it.  The
 * next one is then not sent either.
 */
static void
put_opt(struct wire_buf *out, uint64_t v)
{
	if (v != 0)
		put_u64(out, v);
}

static void
get_opt(struct decoder *r, uint64_t *v)
{
	*v = 0;
	if (r->left == 0)
		return;
	get_u64(r, v);
	r->ok = r->ok && *v != 0;
}

#define OPAQUE(type, ctype)                                                                        \
	static void put_##type(struct wire_buf *out, ctype v)                                      \
	{                                                                                          \
		wire_buf_put(out, &v, sizeof v);                                                   \
	}                                                                                          \
	static void get_##type(struct decoder *r, ctype *v)                                        \
	{                                                                                          \
		const uint8_t *at = reader_take(r, sizeof *v);                                     \
		if (at)                                                                            \
			memcpy(v, at, sizeof *v);                                                  \
		else                                                                               \
			memset(v, 0, sizeof *v);                                                   \
	}
OPAQUE(sid, struct raft_sid)
OPAQUE(run, struct wire_run)
OPAQUE(hash, struct raft_hash)

static void
put_id(struct wire_buf *out, struct raft_id v)
{
	wire_buf_put(out, v.s, sizeof v.s);
}

static void
get_id(struct decoder *r, struct raft_id *v)
{
	const uint8_t *at = reader_take(r, sizeof v->s);
	memset(v, 0, sizeof *v);
	if (at)
		memcpy(v->s, at, sizeof v->s);
	if (!raft_id_valid(v)) {
		memset(v, 0, sizeof *v);
		r->ok = false;
	}
}

static void
put_pos(struct wire_buf *out, struct raft_pos v)
{
	put_u64(out, v.index);
	put_u64(out, v.term);
}

static void
get_pos(struct decoder *r, struct raft_pos *v)
{
	get_u64(r, &v->index);
	get_u64(r, &v->term);
}

static void
put_text(struct wire_buf *out, struct wire_bytes v)
{
	size_t size = v.size > UINT16_MAX ? UINT16_MAX : v.size;
	put_u16(out, (uint16_t)size);
	wire_buf_put(out, v.bytes, size);
}

static void
get_text(struct decoder *r, struct wire_bytes *v)
{
	uint16_t size;
	get_u16(r, &size);
	v->bytes = reader_take(r, size);
	v->size = v->bytes ? size : 0;
}

/* The size of what the caller appends itself is returned by put_rest's caller below. */
static void
put_rest(struct wire_buf *out, struct wire_bytes v)
{
	if (v.bytes != NULL)
		wire_buf_put(out, v.bytes, v.size);
}

static void
get_rest(struct decoder *r, struct wire_bytes *v)
{
	v->size = r->left;
	v->bytes = reader_take(r, r->left);
}

/* Bytes of a field that will be appended by the caller: only a rest without bytes has any. */
#define later_u8(v) 0
#define later_u16(v) 0
#define later_u32(v) 0
#define later_u64(v) 0
#define later_opt(v) 0
#define later_flag(v) 0
#define later_id(v) 0
#define later_sid(v) 0
#define later_run(v) 0
#define later_hash(v) 0
#define later_pos(v) 0
#define later_text(v) 0
#define later_rest(v) ((v).bytes == NULL ? (v).size : 0)

static size_t
frame_open(struct wire_buf *out, uint16_t number)
{
	size_t start = out->size;
	uint8_t *header = wire_buf_add(out, FRAME_HEADER_SIZE);
	bytes_put_u16(header + 4, number);
	return start;
}

static void
frame_close(struct wire_buf *out, size_t start, size_t later)
{
	size_t size = out->size - start - 4 + later;
	must(size <= FRAME_SIZE_MAX);
	bytes_put_u32(out->bytes + start, (uint32_t)size);
}

#define F(type, field)                                                                             \
	put_##type(out, m->field);                                                                 \
	later += later_##type(m->field);
#define M(number, NAME, name)                                                                      \
	void msg_##name##_put(struct wire_buf *out, const struct msg_##name *m)                    \
	{                                                                                          \
		size_t later = 0;                                                                  \
		size_t start = frame_open(out, number);                                            \
		FIELDS_##name(F) frame_close(out, start, later);                                   \
	}
MESSAGES(M)
#undef M
#undef F

#define F(type, field) get_##type(&r, &m->field);
#define M(number, NAME, name)                                                                      \
	bool msg_##name##_get(struct msg_##name *m, const uint8_t *body, size_t size)              \
	{                                                                                          \
		struct decoder r = {body, size, true};                                             \
		FIELDS_##name(F) return r.ok && r.left == 0;                                       \
	}
MESSAGES(M)
#undef M
#undef F

const char *
msg_name(uint16_t number)
{
	switch (number) {
#define M(number, NAME, name)                                                                      \
	case number:                                                                               \
		return #name;
		MESSAGES(M)
#undef M
	default:
		return "unknown";
	}
}

bool
msg_is_raft(uint16_t number)
{
	switch (number) {
#define M(number, NAME, name) case number:
		RAFT_ELECT_MESSAGES(M)
#undef M
		return true;
	default:
		return false;
	}
}

int
frame_get(const uint8_t *bytes, size_t size, size_t size_max, struct wire_frame *frame)
{
	if (size < 4)
		return 0;
	size_t rest = bytes_get_u32(bytes);
	if (rest < 2 || rest > size_max - 4)
		return -1;
	if (size < 4 + rest)
		return 0;
	frame->number = bytes_get_u16(bytes + 4);
	frame->body = bytes + FRAME_HEADER_SIZE;
	frame->size = rest - 2;
	frame->whole = (struct wire_bytes){bytes, 4 + rest};
	return 1;
}

bool
frame_whole(struct wire_bytes bytes, size_t size_max, struct wire_frame *frame)
{
	return frame_get(bytes.bytes, bytes.size, size_max, frame) == 1 &&
	       frame->whole.size == bytes.size;
}

uint64_t
frame_request(const uint8_t *body, size_t size)
{
	return size >= 8 ? bytes_get_u64(body) : 0;
}

bool
wire_append(uint16_t number)
{
	return number == MSG_RAFT_APPEND || number == MSG_RAFT_APPEND_LEAD;
}

bool
wire_append_get(struct msg_raft_append_lead *m, const struct wire_frame *frame)
{
	struct msg_raft_append plain;
	if (frame->number == MSG_RAFT_APPEND_LEAD)
		return msg_raft_append_lead_get(m, frame->body, frame->size);
	if (frame->number != MSG_RAFT_APPEND ||
	    !msg_raft_append_get(&plain, frame->body, frame->size))
		return false;
	*m = (struct msg_raft_append_lead){0};
#define F(type, field) m->field = plain.field;
	FIELDS_raft_append(F)
#undef F
	    return true;
}

bool
wire_entries_view(struct wire_bytes run, uint32_t count, struct raft_entry **entries)
{
	*entries = NULL;
	if (count == 0)
		return run.size == 0;
	if (run.size / RAFT_ENTRY_HEADER_SIZE < count)
		return false;
	struct raft_entry *list = calloc(count, sizeof *list);
	must(list != NULL);
	size_t at = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (!raft_entry_decode(&list[i], NULL, run.bytes + at, run.size - at))
			goto malformed;
		at += list[i].size;
	}
	if (at != run.size)
		goto malformed;
	*entries = list;
	return true;
malformed:
	free(list);
	return false;
}

bool
wire_entries_get(
    struct wire_bytes run, uint32_t count, struct raft_entry **entries, struct raft_chunk **chunk)
{
	struct raft_chunk *bytes = NULL;
	if (count > 0 && run.size > 0) {
		bytes = raft_chunk_new(run.size);
		must(bytes != NULL);
		memcpy(bytes->bytes, run.bytes, run.size);
		run.bytes = bytes->bytes;
	}
	*chunk = NULL;
	if (!wire_entries_view(run, count, entries)) {
		raft_chunk_unref(bytes);
		return false;
	}
	for (uint32_t i = 0; i < count; i++)
		(*entries)[i].chunk = bytes;
	*chunk = bytes;
	return true;
}

bool
wire_entries_newer(
    struct wire_bytes run, uint32_t count, uint64_t first_index, char why[WIRE_NEWER_SIZE])
{
	struct raft_entry entry;
	size_t at = 0;
	uint32_t i = 0;
	for (; i < count && raft_entry_decode(&entry, NULL, run.bytes + at, run.size - at); i++)
		at += entry.size;
	uint64_t level = 0;
	uint8_t kind = i < count ? raft_entry_newer(run.bytes + at, run.size - at, &level) : 0;
	if (kind != 0 && level > 0)
		snprintf(why, WIRE_NEWER_SIZE,
		    "entry %" PRIu64 " raises the cluster to level %" PRIu64
		    ", and this program supports level %d: upgrade this program",
		    first_index + i, level, RAFT_LEVEL_MAX);
	else if (kind != 0)
		snprintf(why, WIRE_NEWER_SIZE,
		    "entry %" PRIu64 " is of kind %d, which this program does not know: the "
		    "cluster is at a newer level than %d: upgrade this program",
		    first_index + i, kind, RAFT_LEVEL_MAX);
	return kind != 0;
}

size_t
wire_entries_size(const struct raft_entry *entries, size_t count)
{
	size_t size = 0;
	for (size_t i = 0; i < count; i++)
		size += entries[i].size;
	return size;
}

void
wire_entries_put(struct wire_buf *out, const struct raft_entry *entries, size_t count)
{
	/* Entries that came together lie side by side: one copy for each such run. */
	for (size_t i = 0; i < count;) {
		const uint8_t *from = entries[i].bytes;
		size_t size = 0;
		do
			size += entries[i++].size;
		while (i < count && entries[i].bytes == from + size);
		wire_buf_put(out, from, size);
	}
}

/* In the size of the name, which is never that large. */
enum { SESSION_CURSOR = 0x80 };

void
wire_session_put(struct wire_buf *out, const struct raft_session *s)
{
	put_sid(out, s->sid);
	put_u64(out, s->serial);
	put_u64(out, s->last_index);
	put_u64(out, s->epoch);
	wire_buf_put(out, s->run, sizeof s->run);
	wire_buf_put(out, s->digest.b, sizeof s->digest.b);
	uint8_t name_size = (uint8_t)strlen(s->name);
	put_u8(out, s->cursor ? name_size | SESSION_CURSOR : name_size);
	wire_buf_put(out, s->name, name_size);
	if (s->cursor)
		put_u64(out, s->position);
}

bool
wire_session_get(struct raft_session *s, struct wire_bytes *run)
{
	struct decoder r = {run->bytes, run->size, true};
	memset(s, 0, sizeof *s);
	get_sid(&r, &s->sid);
	get_u64(&r, &s->serial);
	get_u64(&r, &s->last_index);
	get_u64(&r, &s->epoch);
	const uint8_t *bytes = reader_take(&r, sizeof s->run);
	if (bytes)
		memcpy(s->run, bytes, sizeof s->run);
	bytes = reader_take(&r, sizeof s->digest.b);
	if (bytes)
		memcpy(s->digest.b, bytes, sizeof s->digest.b);
	uint8_t name_size;
	get_u8(&r, &name_size);
	s->cursor = (name_size & SESSION_CURSOR) != 0;
	name_size &= SESSION_CURSOR - 1;
	bytes = name_size <= RAFT_SESSION_NAME_MAX ? reader_take(&r, name_size) : NULL;
	if (bytes)
		memcpy(s->name, bytes, name_size);
	if (s->cursor)
		get_u64(&r, &s->position);
	*run = (struct wire_bytes){r.at, r.left};
	return r.ok && bytes != NULL;
}

void
wire_contract_put(struct wire_buf *out, const struct raft_contract_at *at)
{
	uint8_t bytes[RAFT_CONTRACT_SIZE_MAX];
	size_t size = raft_contract_encode(&at->contract, bytes);
	put_u64(out, at->index);
	put_u32(out, (uint32_t)size);
	wire_buf_put(out, bytes, size);
}

bool
wire_contract_get(struct raft_contract_at *at, struct wire_bytes *run)
{
	struct decoder r = {run->bytes, run->size, true};
	uint32_t size;
	get_u64(&r, &at->index);
	get_u32(&r, &size);
	const uint8_t *bytes = reader_take(&r, size);
	*run = (struct wire_bytes){r.at, r.left};
	return bytes && at->index > 0 && raft_contract_decode(&at->contract, bytes, size);
}
