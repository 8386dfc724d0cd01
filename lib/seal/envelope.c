/* SPDX-License-Identifier: ISC */
/* Envelopes as bytes.  The decoder reads what anybody may have sent. */
#include "envelope.h"

#include <string.h>

#include "wire/message.h"

static const char *const error_texts[] = {
#define E(NAME, text) [ENVELOPE_##NAME] = text,
    ENVELOPE_ERRORS(E)
#undef E
};

const char *
envelope_error_text(enum envelope_error error)
{
	return error_texts[error];
}

static uint8_t *
put_id(uint8_t *at, const struct raft_id *id)
{
	memcpy(at, id->s, RAFT_ID_SIZE);
	return at + RAFT_ID_SIZE;
}

static uint8_t *
envelope_put_u64(uint8_t *at, uint64_t v)
{
	bytes_put_u64(at, v);
	return at + 8;
}

size_t
envelope_put(uint8_t *out, const struct envelope *e)
{
	uint8_t *at = out;
	*at++ = CHANNEL_VERSION;
	*at++ = (uint8_t)e->kind;
	*at++ = e->class;
	at = put_id(at, &e->sender);
	switch (e->kind) {
	case ENVELOPE_HELLO:
	case ENVELOPE_REPLY:
		at = put_id(at, &e->receiver);
		memcpy(at, e->cluster, ENVELOPE_TAG_SIZE);
		at = envelope_put_u64(at + ENVELOPE_TAG_SIZE, e->handshake);
		break;
	case ENVELOPE_TRANSPORT:
		at = envelope_put_u64(at, e->session);
		at = envelope_put_u64(at, e->counter);
		break;
	case ENVELOPE_HINT:
		at = envelope_put_u64(at, e->session);
		break;
	}
	return (size_t)(at - out);
}

static bool
envelope_get_id(struct raft_id *id, const uint8_t *bytes)
{
	memcpy(id->s, bytes, RAFT_ID_SIZE);
	return raft_id_valid(id) && !raft_id_none(id);
}

static bool
size_fits(enum envelope_kind kind, size_t size)
{
	switch (kind) {
	case ENVELOPE_HELLO:
		return size == ENVELOPE_HELLO_SIZE;
	case ENVELOPE_REPLY:
		return size == ENVELOPE_REPLY_SIZE;
	case ENVELOPE_TRANSPORT:
		return size >= ENVELOPE_HEAD_SIZE + CHANNEL_TAG_SIZE;
	case ENVELOPE_HINT:
		return size == ENVELOPE_HINT_SIZE;
	}
	return false;
}

static enum envelope_error
get_handshake(struct envelope *e, const uint8_t *at)
{
	if (!envelope_get_id(&e->receiver, at))
		return ENVELOPE_ID;
	at += RAFT_ID_SIZE;
	memcpy(e->cluster, at, ENVELOPE_TAG_SIZE);
	e->handshake = bytes_get_u64(at + ENVELOPE_TAG_SIZE);
	return ENVELOPE_OK;
}

enum envelope_error
envelope_get(struct envelope *e, const uint8_t *bytes, size_t size, size_t *head_size)
{
	*e = (struct envelope){0};
	if (size < ENVELOPE_FIXED_SIZE)
		return ENVELOPE_SHORT;
	if (bytes[0] != CHANNEL_VERSION)
		return ENVELOPE_VERSION;
	if (bytes[1] < ENVELOPE_HELLO || bytes[1] > ENVELOPE_HINT || bytes[2] >= WIRE_CLASSES_COUNT)
		return ENVELOPE_KIND;
	e->kind = (enum envelope_kind)bytes[1];
	e->class = bytes[2];
	if (!size_fits(e->kind, size))
		return ENVELOPE_SHORT;
	if (!envelope_get_id(&e->sender, bytes + 3))
		return ENVELOPE_ID;
	const uint8_t *at = bytes + ENVELOPE_FIXED_SIZE;
	if (e->kind == ENVELOPE_HELLO || e->kind == ENVELOPE_REPLY) {
		*head_size = ENVELOPE_FIXED_SIZE + RAFT_ID_SIZE + ENVELOPE_TAG_SIZE + 8;
		return get_handshake(e, at);
	}
	e->session = bytes_get_u64(at);
	*head_size = size;
	if (e->kind == ENVELOPE_TRANSPORT) {
		e->counter = bytes_get_u64(at + 8);
		*head_size = ENVELOPE_HEAD_SIZE;
	}
	return ENVELOPE_OK;
}
