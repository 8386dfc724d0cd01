/* SPDX-License-Identifier: ISC */
/* The mark file: slots on pages of their own, so that a torn write spoils one at most. */
#include "mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/seal/seal.h"
#include "../../lib/unix/exit.h"
#include "../../lib/unix/file.h"
#include "../../lib/unix/log.h"
#include "../../lib/wire/buf.h"

/*
 * A slot: magic 8 bytes, directory 16, transactions u64, truncations u64, term u64,
 * vote 32, last (index u64, term u64), commit (index u64, term u64), chain 32, checksum 32.
 */
enum {
	SLOTS_COUNT = 2,
	SLOT_APART = 4096,
	BODY_SIZE = 8 + MARK_DIRECTORY_SIZE + 3 * 8 + RAFT_ID_SIZE + 4 * 8 + MARK_HASH_SIZE,
	SLOT_SIZE = BODY_SIZE + SEAL_HASH_SIZE
};
static const char magic[8] = {'r', 'a', 'f', 't', 'm', 'r', 'k', '1'};

_Noreturn static void
die(const struct mark *mark, const char *what)
{
	log_error("exit", "status=%d why=%s detail=%s path=%s", (int)EXIT_IO, log_q(what), log_q(strerror(errno)),
	    log_q(mark->path));
	_exit(EXIT_IO);
}

static uint8_t *
put_bytes(uint8_t *at, const void *bytes, size_t size)
{
	memcpy(at, bytes, size);
	return at + size;
}

static uint8_t *
put_u64(uint8_t *at, uint64_t value)
{
	wire_put_u64(at, value);
	return at + 8;
}

static const uint8_t *
get_u64(const uint8_t *at, uint64_t *value)
{
	*value = wire_get_u64(at);
	return at + 8;
}

static void
slot_encode(uint8_t *out, const struct mark *mark, const struct mark_note *note)
{
	uint8_t *at = put_bytes(out, magic, sizeof magic);
	at = put_bytes(at, mark->directory, sizeof mark->directory);
	at = put_u64(at, note->transactions);
	at = put_u64(at, note->truncations);
	at = put_u64(at, note->term);
	at = put_bytes(at, note->vote.s, sizeof note->vote.s);
	at = put_u64(at, note->last.index);
	at = put_u64(at, note->last.term);
	at = put_u64(at, note->commit.index);
	at = put_u64(at, note->commit.term);
	at = put_bytes(at, note->chain, sizeof note->chain);
	must(at == out + BODY_SIZE);
	seal_hash(at, &(struct seal_part){out, BODY_SIZE}, 1);
}

static bool
slot_decode(struct mark_note *note, const struct mark *mark, const uint8_t *slot)
{
	uint8_t sum[SEAL_HASH_SIZE];
	seal_hash(sum, &(struct seal_part){slot, BODY_SIZE}, 1);
	const uint8_t *at = slot + sizeof magic;
	if (memcmp(sum, slot + BODY_SIZE, sizeof sum) != 0 || memcmp(slot, magic, sizeof magic) != 0 ||
	    memcmp(at, mark->directory, sizeof mark->directory) != 0)
		return false;
	at = get_u64(at + sizeof mark->directory, &note->transactions);
	at = get_u64(at, &note->truncations);
	at = get_u64(at, &note->term);
	memcpy(note->vote.s, at, sizeof note->vote.s);
	at = get_u64(at + sizeof note->vote.s, &note->last.index);
	at = get_u64(at, &note->last.term);
	at = get_u64(at, &note->commit.index);
	at = get_u64(at, &note->commit.term);
	memcpy(note->chain, at, sizeof note->chain);
	return raft_id_valid(&note->vote);
}

/* The slot that is newest; true when one is valid.  The other one is written next. */
static bool
read_slots(struct mark *mark, struct mark_note *note)
{
	bool found = false;
	for (unsigned i = 0; i < SLOTS_COUNT; i++) {
		uint8_t slot[SLOT_SIZE];
		struct mark_note one;
		ssize_t size = pread(mark->fd, slot, sizeof slot, (off_t)i * SLOT_APART);
		if (size < 0)
			die(mark, "cannot read the mark file");
		if (size != SLOT_SIZE || !slot_decode(&one, mark, slot))
			continue;
		if (found && one.transactions <= note->transactions)
			continue;
		*note = one;
		mark->slot = (i + 1) % SLOTS_COUNT;
		found = true;
	}
	return found;
}

enum mark_found
mark_open(struct mark *mark, const char *data, const uint8_t directory[MARK_DIRECTORY_SIZE], struct mark_note *note)
{
	memset(note, 0, sizeof *note);
	memset(mark, 0, sizeof *mark);
	memcpy(mark->directory, directory, sizeof mark->directory);
	snprintf(mark->path, sizeof mark->path, "%s/mark", data);
	mark->fd = open(mark->path, O_RDWR | O_CLOEXEC);
	if (mark->fd < 0 && errno == ENOENT)
		return MARK_MISSING;
	if (mark->fd < 0)
		die(mark, "cannot open the mark file");
	return read_slots(mark, note) ? MARK_VALID : MARK_DAMAGED;
}

void
mark_write(struct mark *mark, const struct mark_note *note)
{
	uint8_t slot[SLOT_SIZE];
	slot_encode(slot, mark, note);
	ssize_t size = pwrite(mark->fd, slot, sizeof slot, (off_t)mark->slot * SLOT_APART);
	if (size >= 0 && size != SLOT_SIZE)
		errno = ENOSPC;
	if (size != SLOT_SIZE)
		die(mark, "cannot write the mark file");
	mark->slot = (mark->slot + 1) % SLOTS_COUNT;
}

void
mark_sync(struct mark *mark)
{
	if (fsync(mark->fd) < 0)
		die(mark, "cannot sync the mark file");
}

void
mark_settle(struct mark *mark, const char *data, const struct mark_note *note)
{
	if (mark->fd < 0)
		mark->fd = open(mark->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (mark->fd < 0)
		die(mark, "cannot create the mark file");
	mark_write(mark, note);
	mark_write(mark, note);
	mark_sync(mark);
	if (!file_sync_folder(data))
		die(mark, "cannot sync the data directory");
}
