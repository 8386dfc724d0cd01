/* SPDX-License-Identifier: ISC */
/* The mark file: slots on pages of their own, so that a torn write spoils one at most. */
#include "mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/text.h"
#include "seal/seal.h"
#include "unix/exit.h"
#include "unix/file.h"
#include "unix/log.h"
#include "wire/buf.h"

/*
 * A slot: magic 8 bytes, directory 16, transactions u64, truncations u64, term u64,
 * vote 32, last (index u64, term u64), commit (index u64, term u64), chain 32, checksum 32.
 *
 * After it: boot id 16, checksum 32 over all before.  A slot of an older raft-logd ends without
 * them and counts as one without a boot id; an older raft-logd reads what it knows of a newer slot.
 */
enum {
	SLOTS_COUNT = 2,
	SLOT_APART = 4096,
	BODY_SIZE = 8 + MARK_DIRECTORY_SIZE + 3 * 8 + RAFT_ID_SIZE + 4 * 8 + RAFT_HASH_SIZE,
	OLD_SIZE = BODY_SIZE + RAFT_HASH_SIZE,
	BOOT_AT = OLD_SIZE,
	SLOT_SIZE = OLD_SIZE + MARK_BOOT_SIZE + RAFT_HASH_SIZE
};
static const char magic[8] = {'r', 'a', 'f', 't', 'm', 'r', 'k', '1'};

_Noreturn static void
mark_die(const struct mark *mark, const char *what)
{
	enum exit_status status = exit_of_errno(errno);
	log_error("exit", "status=%d why=%s detail=%s path=%s", (int)status, log_q(what),
	    log_q(strerror(errno)), log_q(mark->path));
	_exit((int)status);
}

static uint8_t *
put_bytes(uint8_t *at, const void *bytes, size_t size)
{
	memcpy(at, bytes, size);
	return at + size;
}

static uint8_t *
mark_put_u64(uint8_t *at, uint64_t value)
{
	bytes_put_u64(at, value);
	return at + 8;
}

static const uint8_t *
get_u64(const uint8_t *at, uint64_t *value)
{
	*value = bytes_get_u64(at);
	return at + 8;
}

/* The sum over the slot's first `size` bytes goes after them. */
static void
slot_sum_put(uint8_t *slot, size_t size)
{
	struct raft_hash sum = seal_hash(&(struct seal_part){slot, size}, 1);
	memcpy(slot + size, sum.b, sizeof sum.b);
}

static bool
slot_sum_fits(const uint8_t *slot, size_t size)
{
	struct raft_hash sum = seal_hash(&(struct seal_part){slot, size}, 1);
	return memcmp(sum.b, slot + size, sizeof sum.b) == 0;
}

static void
slot_encode(uint8_t *out, const struct mark *mark, const struct mark_note *note)
{
	uint8_t *at = put_bytes(out, magic, sizeof magic);
	at = put_bytes(at, mark->directory, sizeof mark->directory);
	at = mark_put_u64(at, note->transactions);
	at = mark_put_u64(at, note->truncations);
	at = mark_put_u64(at, note->term);
	at = put_bytes(at, note->vote.s, sizeof note->vote.s);
	at = mark_put_u64(at, note->last.pos.index);
	at = mark_put_u64(at, note->last.pos.term);
	at = mark_put_u64(at, note->commit.index);
	at = mark_put_u64(at, note->commit.term);
	at = put_bytes(at, note->last.chain.b, sizeof note->last.chain.b);
	must(at == out + BODY_SIZE);
	slot_sum_put(out, BODY_SIZE);
	memset(out + BOOT_AT, 0, MARK_BOOT_SIZE);
	if (note->final)
		memcpy(out + BOOT_AT, mark->boot, MARK_BOOT_SIZE);
	slot_sum_put(out, BOOT_AT + MARK_BOOT_SIZE);
}

static bool
slot_final(const struct mark *mark, const uint8_t slot[SLOT_SIZE])
{
	static const uint8_t none[MARK_BOOT_SIZE];
	return slot_sum_fits(slot, BOOT_AT + MARK_BOOT_SIZE) &&
	       memcmp(mark->boot, slot + BOOT_AT, MARK_BOOT_SIZE) == 0 &&
	       memcmp(mark->boot, none, MARK_BOOT_SIZE) != 0;
}

static bool
slot_decode(struct mark_note *note, const struct mark *mark, const uint8_t *slot)
{
	const uint8_t *at = slot + sizeof magic;
	if (!slot_sum_fits(slot, BODY_SIZE) || memcmp(slot, magic, sizeof magic) != 0 ||
	    memcmp(at, mark->directory, sizeof mark->directory) != 0)
		return false;
	at = get_u64(at + sizeof mark->directory, &note->transactions);
	at = get_u64(at, &note->truncations);
	at = get_u64(at, &note->term);
	memcpy(note->vote.s, at, sizeof note->vote.s);
	at = get_u64(at + sizeof note->vote.s, &note->last.pos.index);
	at = get_u64(at, &note->last.pos.term);
	at = get_u64(at, &note->commit.index);
	at = get_u64(at, &note->commit.term);
	memcpy(note->last.chain.b, at, sizeof note->last.chain.b);
	note->final = slot_final(mark, slot);
	return raft_id_valid(&note->vote);
}

/* The slot that is newest; true when one is valid.  The other one is written next. */
static bool
read_slots(struct mark *mark, struct mark_note *note)
{
	bool found = false;
	for (unsigned i = 0; i < SLOTS_COUNT; i++) {
		uint8_t slot[SLOT_SIZE] = {0};
		struct mark_note one = {0};
		ssize_t size = pread(mark->fd, slot, sizeof slot, (off_t)i * SLOT_APART);
		if (size < 0)
			mark_die(mark, "cannot read the mark file");
		if (size < OLD_SIZE || !slot_decode(&one, mark, slot))
			continue;
		if (found && one.transactions <= note->transactions)
			continue;
		*note = one;
		mark->slot = (i + 1) % SLOTS_COUNT;
		found = true;
	}
	return found;
}

/* All zero where there is none to read: then no mark is known to be of this boot. */
static void
read_boot(struct mark *mark)
{
	char text[64], digits[2 * MARK_BOOT_SIZE + 1];
	size_t count = 0;
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text);
	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i < size && count < sizeof digits - 1; i++)
		if (text[i] != '-' && text[i] != '\n')
			digits[count++] = text[i];
	digits[count] = '\0';
	if (!text_hex_parse(mark->boot, sizeof mark->boot, digits))
		memset(mark->boot, 0, sizeof mark->boot);
}

enum mark_found
mark_open(struct mark *mark, const char *data, const uint8_t directory[MARK_DIRECTORY_SIZE],
    struct mark_note *note)
{
	memset(note, 0, sizeof *note);
	memset(mark, 0, sizeof *mark);
	memcpy(mark->directory, directory, sizeof mark->directory);
	read_boot(mark);
	snprintf(mark->path, sizeof mark->path, "%s/mark", data);
	mark->fd = open(mark->path, O_RDWR | O_CLOEXEC);
	if (mark->fd < 0 && errno == ENOENT)
		return MARK_MISSING;
	if (mark->fd < 0)
		mark_die(mark, "cannot open the mark file");
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
		mark_die(mark, "cannot write the mark file");
	mark->slot = (mark->slot + 1) % SLOTS_COUNT;
}

void
mark_sync(struct mark *mark)
{
	if (fsync(mark->fd) < 0)
		mark_die(mark, "cannot sync the mark file");
}

void
mark_settle(struct mark *mark, const char *data, const struct mark_note *note)
{
	if (mark->fd < 0)
		mark->fd = open(mark->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (mark->fd < 0)
		mark_die(mark, "cannot create the mark file");
	mark_write(mark, note);
	mark_write(mark, note);
	mark_sync(mark);
	if (!file_sync_folder(data))
		mark_die(mark, "cannot sync the data directory");
}
