/* SPDX-License-Identifier: ISC */
/*
 * What it costs to encode or to decode the messages by which entries get from a client to a
 * follower's disk, and the replies to them:
 *
 *     codec put|get [ENTRIES [BATCH [SIZE]]]
 */
#include "../../bin/raft-elect/codec.h"
#include "entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void
put_message(struct wire_buf *out, const struct raft_message *message)
{
	const struct raft_entry *entries;
	size_t count;

	codec_put(out, message, &entries, &count);
	wire_entries_put(out, entries, count);
}

static void
put_all(struct wire_buf *out, const struct raft_entry *entries, uint32_t count)
{
	struct wire_bytes later = {NULL, wire_entries_size(entries, count)};

	msg_propose_put(out, &(struct msg_propose){.request = 1, .count = count, .entries = later});
	wire_entries_put(out, entries, count);
	msg_log_write_put(
	    out, &(struct msg_log_write){
		     .number = 1, .term = 1, .first_index = 1, .count = count, .entries = later});
	wire_entries_put(out, entries, count);
	put_message(out, &(struct raft_message){.type = RAFT_MSG_APPEND,
			     .term = 1,
			     .append = {.entries = entries, .entries_count = count}});
	put_message(out, &(struct raft_message){.type = RAFT_MSG_APPEND_REPLY, .term = 1});
	msg_log_stored_put(out, &(struct msg_log_stored){.number = 1});
	msg_log_commit_put(out, &(struct msg_log_commit){.start = 1});
	msg_answer_put(out, &(struct msg_answer){.request = 1, .serial = 1, .count = count});
}

static void
get_entries(struct wire_bytes run, uint32_t count)
{
	struct raft_entry *entries;
	struct raft_chunk *chunk;

	must(wire_entries_get(run, count, &entries, &chunk));
	free(entries);
	raft_chunk_unref(chunk);
}

static void
get_one(const struct wire_frame *frame)
{
	struct codec_message in;
	struct msg_propose propose;
	struct msg_log_write write;
	struct msg_log_stored stored;
	struct msg_log_commit commit;
	struct msg_answer answer;

	switch (frame->number) {
	case MSG_PROPOSE:
		must(msg_propose_get(&propose, frame->body, frame->size));
		get_entries(propose.entries, propose.count);
		break;
	case MSG_LOG_WRITE:
		must(msg_log_write_get(&write, frame->body, frame->size));
		get_entries(write.entries, write.count);
		break;
	case MSG_LOG_STORED:
		must(msg_log_stored_get(&stored, frame->body, frame->size));
		break;
	case MSG_LOG_COMMIT:
		must(msg_log_commit_get(&commit, frame->body, frame->size));
		break;
	case MSG_ANSWER:
		must(msg_answer_get(&answer, frame->body, frame->size));
		break;
	default:
		must(codec_get(&in, frame));
		codec_drop(&in);
	}
}

static void
get_all(const struct wire_buf *frames)
{
	struct wire_frame frame;

	for (size_t at = 0; at < frames->size; at += frame.whole.size) {
		must(frame_get(frames->bytes + at, frames->size - at, FRAME_SIZE_MAX, &frame) == 1);
		get_one(&frame);
	}
}

int
main(int argc, char **argv)
{
	bool get = argc > 1 && strcmp(argv[1], "get") == 0;
	uint64_t total = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000000;
	uint32_t batch = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 64;
	uint32_t size = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 256;
	struct raft_entry *entries = calloc(batch, sizeof *entries);
	struct raft_chunk *chunk = bench_entries(entries, batch, size, 1);
	struct wire_buf frames = {0};
	clock_t began = clock();

	put_all(&frames, entries, batch);
	for (uint64_t done = 0; done < total; done += batch)
		if (get) {
			get_all(&frames);
		} else {
			frames.size = 0;
			put_all(&frames, entries, batch);
		}
	printf("entries=%llu batch=%u size=%u bytes=%zu %s_ns=%.1f\n", (unsigned long long)total,
	    batch, size, frames.size, get ? "get" : "put",
	    (double)(clock() - began) / CLOCKS_PER_SEC / (double)total * 1e9);
	wire_buf_free(&frames);
	raft_chunk_unref(chunk);
	free(entries);
	return 0;
}
