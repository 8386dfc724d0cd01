/* SPDX-License-Identifier: ISC */
/*
 * The mark file: two slots.  First byte: bits 0 and 1, the slot's checksums are put right; then
 * the slots, one after the other.
 */
#include "../../bin/raft-logd/mark.h"
#include "seal/seal.h"
#include "fuzz.h"

#include <unistd.h>

enum {
	SLOT_APART = 4096,
	OLD_SIZE = 8 + 16 + 24 + 32 + 32 + 32 + 32,
	SLOT_SIZE = OLD_SIZE + 16 + 32
};

static const uint8_t directory[MARK_DIRECTORY_SIZE] = {'d'};

/* Nothing is to survive here. */
int
fsync(int fd)
{
	(void)fd;
	return 0;
}

static void
path_of(char path[4096])
{
	snprintf(path, 4096, "%s/mark", fuzz_folder());
}

static void
sum_put(uint8_t *slot, size_t end)
{
	struct raft_hash sum = seal_hash(&(struct seal_part){slot, end - 32}, 1);
	memcpy(slot + end - 32, sum.b, 32);
}

static size_t
file_make(uint8_t file[SLOT_APART + SLOT_SIZE], const uint8_t *bytes, size_t size)
{
	struct fuzz_input in = {bytes, size};
	uint8_t flags = fuzz_u8(&in);
	size_t end = 0;

	memset(file, 0, SLOT_APART + SLOT_SIZE);
	for (size_t i = 0; i < 2; i++) {
		uint8_t *slot = file + i * SLOT_APART;
		const uint8_t *from;
		size_t taken = fuzz_bytes(&in, &from, SLOT_SIZE);

		if (taken == 0)
			break;
		memcpy(slot, from, taken);
		end = i * SLOT_APART + taken;
		if ((flags & 1 << i) == 0)
			continue;
		sum_put(slot, OLD_SIZE);
		sum_put(slot, SLOT_SIZE);
		end = i * SLOT_APART + SLOT_SIZE;
	}
	return end;
}

/* What was found can be written, and is then found again. */
static void
write_back(struct mark *mark, const struct mark_note *note)
{
	struct mark_note newer = *note, found;

	newer.transactions++;
	mark_write(mark, &newer);
	close(mark->fd);
	must(mark_open(mark, fuzz_folder(), directory, &found) == MARK_VALID);
	/* No transaction comes after the last number there is. */
	if (note->transactions != UINT64_MAX)
		must(memcmp(&found, &newer, sizeof found) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static uint8_t file[SLOT_APART + SLOT_SIZE];
	char path[4096];
	struct mark mark;
	struct mark_note note;

	path_of(path);
	fuzz_write(path, file, file_make(file, bytes, size));
	if (mark_open(&mark, fuzz_folder(), directory, &note) == MARK_VALID) {
		must(raft_id_valid(&note.vote));
		write_back(&mark, &note);
	}
	close(mark.fd);
	return 0;
}

static void
seeds(void)
{
	char path[4096];
	uint8_t file[SLOT_APART + SLOT_SIZE] = {0}, seed[1 + 2 * SLOT_SIZE] = {3};
	struct mark mark;
	struct mark_note note;

	path_of(path);
	unlink(path);
	must(mark_open(&mark, fuzz_folder(), directory, &note) == MARK_MISSING);
	note = (struct mark_note){
	    .transactions = 5, .term = 2, .vote = {"n1"}, .last.pos = {4, 2}, .final = true};
	mark_settle(&mark, fuzz_folder(), &note);
	must(pread(mark.fd, file, sizeof file, 0) == (ssize_t)sizeof file);
	memcpy(seed + 1, file, SLOT_SIZE);
	memcpy(seed + 1 + SLOT_SIZE, file + SLOT_APART, SLOT_SIZE);
	fuzz_seed(seed, sizeof seed);
	seed[0] = 0;
	fuzz_seed(seed, 1 + SLOT_SIZE + 3);
	close(mark.fd);
}
