/* SPDX-License-Identifier: ISC */
/* Entries that are held, and a file of those that were skipped. */
#include "tee.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_SIZE = 64 << 10 };

/* A queue of bytes: those before `at` have been taken off. */
struct tee_queue {
	struct wire_buf buf;
	size_t at;
};

struct tee {
	enum framing framing;
	struct tee_queue held;  /* entries, framed */
	struct tee_queue sizes; /* of each: a size_t */
	FILE *skipped;          /* NULL: none were */
	struct wire_buf item;
	bool passing; /* the file is complete, and being read */
};

struct tee *
tee_new(enum framing framing)
{
	struct tee *tee = calloc(1, sizeof *tee);
	must(tee != NULL);
	tee->framing = framing;
	return tee;
}

/* ---------------------------------------------------- what was skipped */

static bool
tee_fail(const char *what, char *why)
{
	snprintf(why, FRAMING_WHY_SIZE, "%.512s: %s", what, strerror(errno));
	return false;
}

/* A file without a name, for what may be more than memory holds. */
static bool
tee_open(struct tee *tee, char *why)
{
	const char *folder = getenv("TMPDIR");
	char path[PATH_MAX];
	if (folder == NULL || folder[0] == '\0')
		folder = "/tmp";
	snprintf(path, sizeof path, "%s/raft-append.XXXXXX", folder);
	int fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return tee_fail(path, why);
	unlink(path);
	tee->skipped = fdopen(fd, "w+");
	must(tee->skipped != NULL);
	return true;
}

static const char temporary[] = "the temporary file of --tee";

bool
tee_skip(struct tee *tee, struct wire_bytes item, char why[FRAMING_WHY_SIZE])
{
	if (tee->skipped == NULL && !tee_open(tee, why))
		return false;
	tee->item.size = 0;
	framing_put_bytes(&tee->item, tee->framing, item);
	size_t written = fwrite(tee->item.bytes, 1, tee->item.size, tee->skipped);
	return written == tee->item.size || tee_fail(temporary, why);
}

bool
tee_skipped(struct tee *tee, char why[FRAMING_WHY_SIZE])
{
	if (fflush(tee->skipped) != 0 || fseeko(tee->skipped, 0, SEEK_SET) != 0)
		return tee_fail(temporary, why);
	tee->passing = true;
	return true;
}

bool
tee_more(const struct tee *tee)
{
	return tee->passing;
}

bool
tee_next(struct tee *tee, struct wire_buf *out, char why[FRAMING_WHY_SIZE])
{
	uint8_t piece[PIECE_SIZE];
	size_t size = fread(piece, 1, sizeof piece, tee->skipped);
	if (ferror(tee->skipped))
		return tee_fail(temporary, why);
	wire_buf_put(out, piece, size);
	if (feof(tee->skipped)) {
		fclose(tee->skipped);
		tee->passing = false;
	}
	return true;
}

/* ------------------------------------------------------- what is held */

/* Takes bytes off, and frees their room when half of the queue is such. */
static void
tee_queue_advance(struct tee_queue *queue, size_t size)
{
	queue->at += size;
	if (queue->at < queue->buf.size / 2)
		return;
	wire_buf_drop(&queue->buf, queue->at);
	queue->at = 0;
}

void
tee_take(struct tee *tee, struct wire_bytes item)
{
	size_t before = tee->held.buf.size;
	framing_put_bytes(&tee->held.buf, tee->framing, item);
	size_t size = tee->held.buf.size - before;
	wire_buf_put(&tee->sizes.buf, &size, sizeof size);
}

void
tee_committed(struct tee *tee, uint64_t count, struct wire_buf *out)
{
	size_t size = 0;
	for (uint64_t i = 0; i < count; i++) {
		size_t one;
		must(tee->sizes.at + sizeof one <= tee->sizes.buf.size);
		memcpy(&one, tee->sizes.buf.bytes + tee->sizes.at, sizeof one);
		tee_queue_advance(&tee->sizes, sizeof one);
		size += one;
	}
	wire_buf_put(out, tee->held.buf.bytes + tee->held.at, size);
	tee_queue_advance(&tee->held, size);
}
