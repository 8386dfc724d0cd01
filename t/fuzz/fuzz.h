/* SPDX-License-Identifier: ISC */
/*
 * What the fuzzers share.  Each is a libFuzzer target: one file, one decoder.
 *
 * What must hold is said with must(), in the fuzzers as in the programs; here it aborts, so
 * that libFuzzer keeps the input.  With $FUZZ_SEEDS a fuzzer writes the seeds that
 * it can make into that folder, and ends.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "raft/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Calls fuzz_seed for each; each fuzzer has one. */
static void seeds(void);

void
raft_must_fail(const char *cond, const char *file, int line)
{
	fprintf(stderr, "bug: %s at %s:%d\n", cond, file, line);
	abort();
}

/* What is left of the input; zeros follow its end. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t
fuzz_u8(struct fuzz_input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

static inline uint64_t
fuzz_u64(struct fuzz_input *in)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | fuzz_u8(in);
	return v;
}

/* The next bytes, `size` of them or what is left. */
static inline size_t
fuzz_bytes(struct fuzz_input *in, const uint8_t **bytes, size_t size)
{
	if (size > in->left)
		size = in->left;
	*bytes = in->at;
	in->at += size;
	in->left -= size;
	return size;
}

/* A path that reads as these bytes, until the next call with the same slot. */
static inline const char *
fuzz_file(int slot, const void *bytes, size_t size)
{
	static int fds[2] = {-1, -1};
	static char paths[2][64];

	if (fds[slot] < 0)
		fds[slot] = memfd_create("fuzz", MFD_CLOEXEC);
	must(fds[slot] >= 0);
	must(ftruncate(fds[slot], 0) == 0);
	must(pwrite(fds[slot], bytes, size, 0) == (ssize_t)size);
	snprintf(paths[slot], sizeof paths[slot], "/proc/self/fd/%d", fds[slot]);
	return paths[slot];
}

/* A folder of its own, for decoders that look for a file by name. */
static inline const char *
fuzz_folder(void)
{
	const char *folder = getenv("FUZZ_FOLDER");

	must(folder != NULL);
	return folder;
}

static inline void
fuzz_write(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "we");

	must(file != NULL);
	must(fwrite(bytes, 1, size, file) == size);
	must(fclose(file) == 0);
}

static inline void
fuzz_seed(const void *bytes, size_t size)
{
	static int number;
	char path[4096];

	snprintf(path, sizeof path, "%s/made-%d", getenv("FUZZ_SEEDS"), ++number);
	fuzz_write(path, bytes, size);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (getenv("FUZZ_SEEDS") != NULL) {
		seeds();
		exit(0);
	}
	return 0;
}

#endif
