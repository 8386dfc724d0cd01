/* SPDX-License-Identifier: ISC */
/* Gathers the parts of the log's state, and checks that they fit together. */
#include "load.h"

#include <stdlib.h>
#include <string.h>

/* The arrays are buffers of whole structs: memory of a wire_buf is aligned for any of them. */
struct load {
	bool have_state;
	struct msg_log_state state;
	struct wire_buf terms;   /* struct raft_term_start */
	struct wire_buf configs; /* struct raft_config_at */
	struct wire_buf entries; /* struct raft_entry */
	struct wire_buf chunks;  /* struct raft_chunk * */
	struct raft_sessions *sessions;
	uint64_t level;
	uint64_t time;
	struct raft_contract_at contract;
};

struct load *
load_new(void)
{
	struct load *load = calloc(1, sizeof *load);
	must(load != NULL);
	load->level = 1;
	load->sessions = raft_sessions_new();
	must(load->sessions != NULL);
	return load;
}

static size_t
chunks_count(const struct load *load)
{
	return load->chunks.size / sizeof(struct raft_chunk *);
}

static size_t
entries_count(const struct load *load)
{
	return load->entries.size / sizeof(struct raft_entry);
}

void
load_free(struct load *load)
{
	if (load == NULL)
		return;
	struct raft_chunk **chunks = (void *)load->chunks.bytes;
	for (size_t i = 0; i < chunks_count(load); i++)
		raft_chunk_unref(chunks[i]);
	wire_buf_free(&load->terms);
	wire_buf_free(&load->configs);
	wire_buf_free(&load->entries);
	wire_buf_free(&load->chunks);
	raft_sessions_free(load->sessions);
	free(load);
}

const char *
load_state(struct load *load, const struct msg_log_state *state)
{
	if (load->have_state)
		return "it tells the state of its log twice";
	if (state->before.index > state->commit.index || state->commit.index > state->last.index)
		return "the places in its log are out of order";
	if (state->last.index > INT64_MAX)
		return "its log is longer than any can be";
	if ((state->before.index == 0) != (state->before.term == 0) ||
	    state->last.term < state->before.term || state->term < state->last.term)
		return "the terms in its log are out of order";
	load->have_state = true;
	load->state = *state;
	return NULL;
}

static const char *
part_terms(struct load *load, struct wire_bytes run)
{
	if (run.size % 16 != 0)
		return "a malformed list of terms";
	for (size_t at = 0; at < run.size; at += 16) {
		struct raft_term_start start = {
		    bytes_get_u64(run.bytes + at), bytes_get_u64(run.bytes + at + 8)};
		wire_buf_put(&load->terms, &start, sizeof start);
	}
	return NULL;
}

static const char *
part_configs(struct load *load, struct wire_bytes run)
{
	while (run.size > 0) {
		struct raft_config_at *at = (void *)wire_buf_add(&load->configs, sizeof *at);
		if (run.size < 12)
			return "a malformed list of configurations";
		size_t size = bytes_get_u32(run.bytes + 8);
		at->index = bytes_get_u64(run.bytes);
		if (size > run.size - 12 || !raft_config_decode(&at->config, run.bytes + 12, size))
			return "a malformed configuration";
		run.bytes += 12 + size;
		run.size -= 12 + size;
	}
	return NULL;
}

static const char *
part_sessions(struct load *load, struct wire_bytes run)
{
	while (run.size > 0) {
		struct raft_session session;
		if (!wire_session_get(&session, &run))
			return "a malformed session";
		if (session.last_index > load->state.commit.index)
			return "a session is ahead of its commit index";
		if (!raft_sessions_restore(load->sessions, &session))
			return "its sessions are out of order";
	}
	return NULL;
}

static const char *
part_level(struct load *load, struct wire_bytes run)
{
	if (run.size != 16)
		return "a malformed level";
	load->level = bytes_get_u64(run.bytes);
	load->time = bytes_get_u64(run.bytes + 8);
	if (load->level < 1 || load->level > RAFT_LEVEL_MAX || load->time > RAFT_TIME_MAX)
		return "a level or a time that no log has";
	return NULL;
}

static const char *
part_contract(struct load *load, struct wire_bytes run)
{
	if (!wire_contract_get(&load->contract, &run) || run.size > 0)
		return "a malformed contract";
	if (load->contract.index > load->state.commit.index)
		return "its contract is ahead of its commit index";
	return NULL;
}

static const char *
part_entries(struct load *load, uint64_t first_index, struct wire_bytes run)
{
	if (first_index != load->state.commit.index + 1 + entries_count(load))
		return "its entries have a gap";
	struct raft_chunk *chunk = raft_chunk_new(run.size);
	must(chunk != NULL);
	wire_buf_put(&load->chunks, &chunk, sizeof chunk);
	if (run.size > 0)
		memcpy(chunk->bytes, run.bytes, run.size);
	for (size_t at = 0; at < run.size;) {
		struct raft_entry entry;
		if (!raft_entry_decode(&entry, chunk, chunk->bytes + at, run.size - at))
			return "a malformed entry";
		wire_buf_put(&load->entries, &entry, sizeof entry);
		at += entry.size;
	}
	return NULL;
}

const char *
load_part(struct load *load, const struct msg_log_part *part)
{
	if (!load->have_state)
		return "it tells parts of its log before its state";
	switch (part->what) {
	case WIRE_TERMS:
		return part_terms(load, part->records);
	case WIRE_CONFIGS:
		return part_configs(load, part->records);
	case WIRE_SESSIONS:
		return part_sessions(load, part->records);
	case WIRE_ENTRIES:
		return part_entries(load, part->first_index, part->records);
	case WIRE_LEVEL:
		return part_level(load, part->records);
	case WIRE_CONTRACT:
		return part_contract(load, part->records);
	default:
		return "it tells an unknown part of its log";
	}
}

/* The runs of terms rise in both, and begin with the first entry. */
static const char *
check_terms(const struct msg_log_state *state, const struct raft_term_start *terms, size_t count)
{
	bool empty = state->last.index == state->before.index;
	if ((count == 0) != empty || (empty && state->last.term != state->before.term))
		return "the list of terms does not fit the log";
	if (count > 0 && (terms[0].index != state->before.index + 1 || terms[0].term == 0 ||
			     terms[0].term < state->before.term))
		return "the list of terms does not begin with the log";
	for (size_t i = 1; i < count; i++)
		if (terms[i].index <= terms[i - 1].index || terms[i].term <= terms[i - 1].term)
			return "the list of terms does not rise";
	if (count > 0 && (terms[count - 1].index > state->last.index ||
			     terms[count - 1].term != state->last.term))
		return "the list of terms does not end with the log";
	return NULL;
}

/* Each entry is of the term that its run says. */
static const char *
load_check_entries(const struct raft_start *start)
{
	size_t run = 0;
	for (size_t i = 0; i < start->entries_count; i++) {
		uint64_t index = start->commit.index + 1 + i;
		while (run + 1 < start->terms_count && start->terms[run + 1].index <= index)
			run++;
		if (start->entries[i].term != start->terms[run].term)
			return "its entries do not have the terms that it lists";
	}
	return NULL;
}

static const char *
check_configs(const struct msg_log_state *state, const struct raft_config_at *configs, size_t count)
{
	if (count == 0 || configs[0].index > state->commit.index)
		return "it has no configuration";
	for (size_t i = 1; i < count; i++)
		if (configs[i].index <= configs[i - 1].index ||
		    configs[i].index > state->last.index)
			return "the list of configurations does not rise";
	return NULL;
}

const char *
load_end(struct load *load, struct raft_start *start)
{
	const struct msg_log_state *state = &load->state;
	if (!load->have_state)
		return "it does not tell the state of its log";
	*start = (struct raft_start){
	    .term = state->term,
	    .vote = state->vote,
	    .before = state->before,
	    .last = state->last,
	    .commit = state->commit,
	    .terms = (void *)load->terms.bytes,
	    .terms_count = load->terms.size / sizeof(struct raft_term_start),
	    .level = load->level,
	    .time = load->time,
	    .contract = load->contract,
	    .configs = (void *)load->configs.bytes,
	    .configs_count = load->configs.size / sizeof(struct raft_config_at),
	    .entries = (void *)load->entries.bytes,
	    .entries_count = entries_count(load),
	    .recovering = state->flags & WIRE_RECOVERING,
	    .mark_valid = state->flags & WIRE_MARK_VALID,
	    .mark_term = state->mark_term,
	    .full = state->flags & WIRE_FULL,
	};
	if (start->entries_count != state->last.index - state->commit.index)
		return "entries above its commit index are missing";
	const char *wrong = check_terms(state, start->terms, start->terms_count);
	if (wrong == NULL)
		wrong = load_check_entries(start);
	if (wrong == NULL)
		wrong = check_configs(state, start->configs, start->configs_count);
	if (wrong)
		return wrong;
	start->sessions = load->sessions;
	load->sessions = NULL;
	return NULL;
}
