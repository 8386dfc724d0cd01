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

/* A message has one form; an append has two, by the level in force. */
#define ONE_FORM(NAME, name, text) FORM(NAME, name, name)
#define FORMS RAFT_MESSAGES(ONE_FORM) FORM(APPEND, append, append_lead)

#define X(F, type, field) PUT_##type(field)
#define FORM(NAME, name, form)                                                                     \
	static void codec_put_##form(struct wire_buf *out, const struct raft_message *message,     \
	    const struct raft_entry **entries, size_t *count)                                      \
	{                                                                                          \
		const struct raft_##name *from = &message->name;                                   \
		struct msg_raft_##form m, *to = &m;                                                \
		(void)from, (void)entries, (void)count;                                            \
		m.term = message->term;                                                            \
		RAFT_FIELDS_##form(X, ) msg_raft_##form##_put(out, to);                            \
	}
FORMS
#undef FORM
#undef X

void
codec_put(struct wire_buf *out, const struct raft_message *message,
    const struct raft_entry **entries, size_t *count)
{
	*entries = NULL;
	*count = 0;
	if (message->type == RAFT_MSG_APPEND && message->append.timeout != 0) {
		codec_put_append_lead(out, message, entries, count);
		return;
	}
	switch (message->type) {
#define M(NAME, name, text)                                                                        \
	case RAFT_MSG_##NAME:                                                                      \
		codec_put_##name(out, message, entries, count);                                    \
		break;
		RAFT_MESSAGES(M)
#undef M
	case RAFT_MESSAGES_COUNT:
		must(message->type != RAFT_MESSAGES_COUNT);
	}
}

#define X(F, type, field) GET_##type(field)
#define FORM(NAME, name, form)                                                                     \
	static bool codec_get_##form(struct codec_message *in, const uint8_t *body, size_t size)   \
	{                                                                                          \
		struct msg_raft_##form m, *from = &m;                                              \
		struct raft_##name *to = &in->message.name;                                        \
		(void)to;                                                                          \
		if (!msg_raft_##form##_get(from, body, size))                                      \
			return false;                                                              \
		in->message.type = RAFT_MSG_##NAME;                                                \
		in->message.term = m.term;                                                         \
		RAFT_FIELDS_##form(X, ) return true;                                               \
	}
FORMS
#undef FORM
#undef X

/* The form for times without them is none. */
static bool
codec_get_lead(struct codec_message *in, const struct wire_frame *frame)
{
	if (!codec_get_append_lead(in, frame->body, frame->size))
		return false;
	if (in->message.append.timeout != 0)
		return true;
	codec_drop(in);
	return false;
}

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
	case MSG_RAFT_APPEND_LEAD:
		return codec_get_lead(in, frame);
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
