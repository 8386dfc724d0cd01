/* SPDX-License-Identifier: ISC */
/* The messages of the core as those of the wire and back, by the fields in raft/fields.def. */
#include "codec.h"

#include <stdlib.h>

/* One pair for each type of field: from *from into *to. */
#define PUT_u64(field) to->field = from->field;
#define PUT_opt PUT_u64
#define PUT_flag PUT_u64
#define PUT_pos PUT_u64
#define PUT_id PUT_u64
#define PUT_verdict(field) to->field = (uint8_t)from->field;
#define PUT_reason PUT_verdict
#define PUT_entries(field)                                                                         \
	*entries = from->field;                                                                    \
	*count = from->field##_count;                                                              \
	to->count = (uint32_t)*count;                                                              \
	to->field = (struct wire_bytes){NULL, wire_entries_size(*entries, *count)};

#define GET_u64 PUT_u64
#define GET_opt PUT_u64
#define GET_flag PUT_u64
#define GET_pos PUT_u64
#define GET_id PUT_u64
#define GET_verdict(field)                                                                         \
	if (from->field >= RAFT_VERDICTS_COUNT)                                                    \
		return false;                                                                      \
	to->field = (enum raft_verdict)from->field;
#define GET_reason(field)                                                                          \
	if (from->field >= RAFT_REASONS_COUNT)                                                     \
		return false;                                                                      \
	to->field = (enum raft_reason)from->field;
#define GET_entries(field)                                                                         \
	if (from->field.size > CODEC_ENTRIES_MAX ||                                                \
	    !wire_entries_get(from->field, from->count, &in->entries, &in->chunk))                 \
		return false;                                                                      \
	to->field = in->entries;                                                                   \
	to->field##_count = from->count;

void
codec_put(struct wire_buf *out, const struct raft_message *message,
    const struct raft_entry **entries, size_t *count)
{
	*entries = NULL;
	*count = 0;
	switch (message->type) {
#define X(F, type, field) PUT_##type(field)
#define M(NAME, name, text)                                                                        \
	case RAFT_MSG_##NAME: {                                                                    \
		const struct raft_##name *from = &message->name;                                   \
		struct msg_raft_##name m, *to = &m;                                                \
		(void)from;                                                                        \
		m.term = message->term;                                                            \
		RAFT_FIELDS_##name(X, ) msg_raft_##name##_put(out, to);                            \
		break;                                                                             \
	}
		RAFT_MESSAGES(M)
#undef M
#undef X
	case RAFT_MESSAGES_COUNT:
		must(message->type != RAFT_MESSAGES_COUNT);
	}
}

#define X(F, type, field) GET_##type(field)
#define M(NAME, name, text)                                                                        \
	static bool codec_get_##name(struct codec_message *in, const uint8_t *body, size_t size)   \
	{                                                                                          \
		struct msg_raft_##name m, *from = &m;                                              \
		struct raft_##name *to = &in->message.name;                                        \
		(void)to;                                                                          \
		if (!msg_raft_##name##_get(from, body, size))                                      \
			return false;                                                              \
		in->message.type = RAFT_MSG_##NAME;                                                \
		in->message.term = m.term;                                                         \
		RAFT_FIELDS_##name(X, ) return true;                                               \
	}
RAFT_MESSAGES(M)
#undef M
#undef X

bool
codec_get(struct codec_message *in, const struct wire_frame *frame)
{
	*in = (struct codec_message){0};
	switch (frame->number) {
		/* A proposal of nothing is none. */
#define M(NAME, name, text)                                                                        \
	case MSG_RAFT_##NAME:                                                                      \
		return codec_get_##name(in, frame->body, frame->size) &&                           \
		       (RAFT_MSG_##NAME != RAFT_MSG_PROPOSE || in->entries != NULL);
		RAFT_MESSAGES(M)
#undef M
	default:
		return false;
	}
}

void
codec_drop(struct codec_message *in)
{
	free(in->entries);
	raft_chunk_unref(in->chunk);
}
