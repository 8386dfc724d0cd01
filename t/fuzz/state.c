/* SPDX-License-Identifier: ISC */
/* The state file of raft-follow. */
#include "../../bin/raft-follow/state.h"
#include "fuzz.h"

static void
state_path(char path[4096])
{
	snprintf(path, 4096, "%s/state", fuzz_folder());
}

/* What is read can be written, and is then read as the same. */
int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char path[4096], why[STATE_WHY_SIZE];
	struct follow_state state = {0}, again = {0};
	struct wire_buf text = {0}, second = {0};

	state_path(path);
	fuzz_write(path, bytes, size);
	if (state_read(&state, path, why)) {
		state_print(&state, &text);
		fuzz_write(path, text.bytes, text.size);
		must(state_read(&again, path, why));
		state_print(&again, &second);
		must(text.size == second.size && memcmp(text.bytes, second.bytes, text.size) == 0);
		must(state_find(&state, UINT64_MAX) != NULL || state.count == 0);
		state_trim(&state, UINT64_MAX);
		must(state.count <= 1);
	}
	wire_buf_free(&text);
	wire_buf_free(&second);
	free(state.places);
	free(again.places);
	return 0;
}

static void
seeds(void)
{
	struct follow_state state = {.session = "web1/messages"};
	struct wire_buf text = {0};
	struct follow_place place = {
	    .serial = 7, .spot = {.at = {.inode = 5, .born = 6, .head = 4096, .offset = 9}}};

	state_print(&state, &text);
	fuzz_seed(text.bytes, text.size);
	for (int i = SPOT_NONE; i <= SPOT_AHEAD; i++) {
		place.spot.which = (enum spot_other)i;
		state_add(&state, &place);
		place.serial++;
	}
	text.size = 0;
	state_print(&state, &text);
	fuzz_seed(text.bytes, text.size);
	wire_buf_free(&text);
	free(state.places);
}
