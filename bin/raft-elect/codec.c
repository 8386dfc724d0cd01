/* SPDX-License-Identifier: ISC */
/* One encoder and one decoder for each message of the core, by its name in the two lists. */
#include "codec.h"

#include <stdlib.h>

static struct wire_bytes
entries_later(const struct raft_entry *entries, size_t count)
{
	return (struct wire_bytes){NULL, wire_entries_size(entries, count)};
}

static void
put_vote(struct wire_buf *out, const struct raft_message *m)
{
	msg_raft_vote_put(out, &(struct msg_raft_vote){
				   .term = m->term,
				   .pre = m->vote.pre,
				   .transfer = m->vote.transfer,
				   .last = m->vote.last,
			       });
}

static void
put_vote_reply(struct wire_buf *out, const struct raft_message *m)
{
	msg_raft_vote_reply_put(out, &(struct msg_raft_vote_reply){
					 .term = m->term,
					 .pre = m->vote_reply.pre,
					 .granted = m->vote_reply.granted,
					 .recovering = m->vote_reply.recovering,
				     });
}

static void
put_append(struct wire_buf *out, const struct raft_message *m)
{
	const struct raft_append *append = &m->append;
	msg_raft_append_put(
	    out, &(struct msg_raft_append){
		     .term = m->term,
		     .prev = append->prev,
		     .commit = append->commit,
		     .round = append->round,
		     .last = append->last,
		     .echo = append->echo,
		     .clean_commit = append->clean_commit,
		     .count = (uint32_t)append->entries_count,
		     .entries = entries_later(append->entries, append->entries_count),
		 });
}

static void
put_append_reply(struct wire_buf *out, const struct raft_message *m)
{
	const struct raft_append_reply *reply = &m->append_reply;
	msg_raft_append_reply_put(out, &(struct msg_raft_append_reply){
					   .term = m->term,
					   .ok = reply->ok,
					   .recovering = reply->recovering,
					   .mark_valid = reply->mark_valid,
					   .round = reply->round,
					   .start_number = reply->start_number,
					   .match = reply->match,
					   .hint = reply->hint,
				       });
}

static void
put_propose(struct wire_buf *out, const struct raft_message *m)
{
	const struct raft_propose *propose = &m->propose;
	msg_raft_propose_put(
	    out, &(struct msg_raft_propose){
		     .term = m->term,
		     .start_number = propose->start_number,
		     .request = propose->request,
		     .fence = propose->fence,
		     .epoch = propose->epoch,
		     .seen = propose->seen,
		     .count = (uint32_t)propose->entries_count,
		     .entries = entries_later(propose->entries, propose->entries_count),
		 });
}

static void
put_answer(struct wire_buf *out, const struct raft_message *m)
{
	const struct raft_answer *answer = &m->answer;
	msg_raft_answer_put(out, &(struct msg_raft_answer){
				     .term = m->term,
				     .start_number = answer->start_number,
				     .request = answer->request,
				     .verdict = (uint8_t)answer->verdict,
				     .reason = (uint8_t)answer->reason,
				     .serial = answer->serial,
				     .count = answer->count,
				     .pos = answer->pos,
				     .epoch = answer->epoch,
				     .last_serial = answer->last_serial,
				 });
}

static void
put_read(struct wire_buf *out, const struct raft_message *m)
{
	msg_raft_read_put(out, &(struct msg_raft_read){
				   .term = m->term,
				   .start_number = m->read.start_number,
				   .request = m->read.request,
			       });
}

static void
put_read_reply(struct wire_buf *out, const struct raft_message *m)
{
	msg_raft_read_reply_put(out, &(struct msg_raft_read_reply){
					 .term = m->term,
					 .start_number = m->read_reply.start_number,
					 .request = m->read_reply.request,
					 .ok = m->read_reply.ok,
					 .index = m->read_reply.index,
				     });
}

static void
put_timeout_now(struct wire_buf *out, const struct raft_message *m)
{
	msg_raft_timeout_now_put(out, &(struct msg_raft_timeout_now){.term = m->term});
}

static void
put_transfer(struct wire_buf *out, const struct raft_message *m)
{
	msg_raft_transfer_put(out, &(struct msg_raft_transfer){
				       .term = m->term,
				       .start_number = m->transfer.start_number,
				       .request = m->transfer.request,
				       .target = m->transfer.target,
				   });
}

void
codec_put(struct wire_buf *out, const struct raft_message *message,
    const struct raft_entry **entries, size_t *count)
{
	*entries = NULL;
	*count = 0;
	switch (message->type) {
#define M(NAME, name, text)                                                                        \
	case RAFT_MSG_##NAME:                                                                      \
		put_##name(out, message);                                                          \
		break;
		RAFT_MESSAGES(M)
#undef M
	case RAFT_MESSAGES_COUNT:
		must(message->type != RAFT_MESSAGES_COUNT);
	}
	if (message->type == RAFT_MSG_APPEND) {
		*entries = message->append.entries;
		*count = message->append.entries_count;
	} else if (message->type == RAFT_MSG_PROPOSE) {
		*entries = message->propose.entries;
		*count = message->propose.entries_count;
	}
}

static bool
get_entries(struct codec_message *in, struct wire_bytes run, uint32_t count)
{
	return run.size <= CODEC_ENTRIES_MAX &&
	       wire_entries_get(run, count, &in->entries, &in->chunk);
}

static bool
get_vote(struct codec_message *in, const uint8_t *body, size_t size)
{
	struct msg_raft_vote m;
	if (!msg_raft_vote_get(&m, body, size))
		return false;
	in->message.term = m.term;
	in->message.vote = (struct raft_vote){m.pre, m.transfer, m.last};
	return true;
}

static bool
get_vote_reply(struct codec_message *in, const uint8_t *body, size_t size)
{
	struct msg_raft_vote_reply m;
	if (!msg_raft_vote_reply_get(&m, body, size))
		return false;
	in->message.term = m.term;
	in->message.vote_reply = (struct raft_vote_reply){m.pre, m.granted, m.recovering};
	return true;
}

static bool
get_append(struct codec_message *in, const uint8_t *body, size_t size)
{
	struct msg_raft_append m;
	if (!msg_raft_append_get(&m, body, size) || !get_entries(in, m.entries, m.count))
		return false;
	in->message.term = m.term;
	in->message.append = (struct raft_append){
	    .prev = m.prev,
	    .commit = m.commit,
	    .round = m.round,
	    .last = m.last,
	    .echo = m.echo,
	    .clean_commit = m.clean_commit,
	    .entries = in->entries,
	    .entries_count = m.count,
	};
	return true;
}

static bool
get_append_reply(struct codec_message *in, const uint8_t *body, size_t size)
{
	struct msg_raft_append_reply m;
	if (!msg_raft_append_reply_get(&m, body, size))
		return false;
	in->message.term = m.term;
	in->message.append_reply = (struct raft_append_reply){
	    .ok = m.ok,
	    .recovering = m.recovering,
	    .mark_valid = m.mark_valid,
	    .round = m.round,
	    .start_number = m.start_number,
	    .match = m.match,
	    .hint = m.hint,
	};
	return true;
}

static bool
get_propose(struct codec_message *in, const uint8_t *body, size_t size)
{
	struct msg_raft_propose m;
	if (!msg_raft_propose_get(&m, body, size) || m.count == 0 ||
	    !get_entries(in, m.entries, m.count))
		return false;
	in->message.term = m.term;
	in->message.propose = (struct raft_propose){
	    .start_number = m.start_number,
	    .request = m.request,
	    .fence = m.fence,
	    .epoch = m.epoch,
	    .seen = m.seen,
	    .entries = in->entries,
	    .entries_count = m.count,
	};
	return true;
}

static bool
get_answer(struct codec_message *in, const uint8_t *body, size_t size)
{
	struct msg_raft_answer m;
	if (!msg_raft_answer_get(&m, body, size) || m.verdict >= RAFT_VERDICTS_COUNT ||
	    m.reason >= RAFT_REASONS_COUNT)
		return false;
	in->message.term = m.term;
	in->message.answer = (struct raft_answer){
	    .start_number = m.start_number,
	    .request = m.request,
	    .verdict = (enum raft_verdict)m.verdict,
	    .reason = (enum raft_reason)m.reason,
	    .serial = m.serial,
	    .count = m.count,
	    .pos = m.pos,
	    .epoch = m.epoch,
	    .last_serial = m.last_serial,
	};
	return true;
}

static bool
get_read(struct codec_message *in, const uint8_t *body, size_t size)
{
	struct msg_raft_read m;
	if (!msg_raft_read_get(&m, body, size))
		return false;
	in->message.term = m.term;
	in->message.read = (struct raft_read){m.start_number, m.request};
	return true;
}

static bool
get_read_reply(struct codec_message *in, const uint8_t *body, size_t size)
{
	struct msg_raft_read_reply m;
	if (!msg_raft_read_reply_get(&m, body, size))
		return false;
	in->message.term = m.term;
	in->message.read_reply = (struct raft_read_reply){m.start_number, m.request, m.ok, m.index};
	return true;
}

static bool
get_timeout_now(struct codec_message *in, const uint8_t *body, size_t size)
{
	struct msg_raft_timeout_now m;
	if (!msg_raft_timeout_now_get(&m, body, size))
		return false;
	in->message.term = m.term;
	return true;
}

static bool
get_transfer(struct codec_message *in, const uint8_t *body, size_t size)
{
	struct msg_raft_transfer m;
	if (!msg_raft_transfer_get(&m, body, size))
		return false;
	in->message.term = m.term;
	in->message.transfer = (struct raft_transfer){m.start_number, m.request, m.target};
	return true;
}

bool
codec_get(struct codec_message *in, struct wire_bytes frame)
{
	uint16_t number;
	const uint8_t *body;
	size_t size, frame_size;
	*in = (struct codec_message){0};
	if (frame_get(
		frame.bytes, frame.size, FRAME_SIZE_MAX, &number, &body, &size, &frame_size) != 1 ||
	    frame_size != frame.size)
		return false;
	switch (number) {
#define M(NAME, name, text)                                                                        \
	case MSG_RAFT_##NAME:                                                                      \
		in->message.type = RAFT_MSG_##NAME;                                                \
		return get_##name(in, body, size);
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
