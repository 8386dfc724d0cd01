/* SPDX-License-Identifier: ISC */
/*
 * Snapshot heads.  Integers big-endian:
 *
 *   "raftsnap", version u32, size of the head u32,
 *   index u64, term u64, chain 32, cluster 32, size u16 and name, size u16 and format,
 *   file size u64, file hash 32, size u32 and configuration, size u32 and sessions,
 *   size u32 and further fields, BLAKE2b-256 of all of the head before it
 *
 * The further fields are level u64, time u64 and, where there is a contract, index u64, size u32
 * and contract; there are none where the level is 1 and there is no contract.  A head that has
 * more, or a level that is not supported, needs a newer reader and is refused. Version 1 ends with
 * the sessions.  It is read, and never written.  Each version after 2 begins with the same three
 * fields and ends with the same hash, which distinguishes it from damage.
 */
#include "snapshot.h"

#include <string.h>

#include "raft/session.h"
#include "seal.h"

static const char magic[] = "raftsnap";
enum { MAGIC_SIZE = 8, VERSION_1 = 1, MORE_IN_2 = 4 + RAFT_HASH_SIZE, FURTHER_SIZE = 16 };

static void
snapshot_put_u64(struct wire_buf *out, uint64_t value)
{
	bytes_put_u64(wire_buf_add(out, 8), value);
}

static void
put_short(struct wire_buf *out, struct wire_bytes bytes)
{
	must(bytes.size <= SNAPSHOT_TEXT_MAX);
	bytes_put_u16(wire_buf_add(out, 2), (uint16_t)bytes.size);
	wire_buf_put(out, bytes.bytes, bytes.size);
}

static void
put_long(struct wire_buf *out, struct wire_bytes bytes)
{
	must(bytes.size <= SNAPSHOT_HEAD_MAX);
	bytes_put_u32(wire_buf_add(out, 4), (uint32_t)bytes.size);
	wire_buf_put(out, bytes.bytes, bytes.size);
}

static void
put_further(struct wire_buf *out, const struct snapshot_head *head)
{
	struct wire_buf further = {0};
	if (head->level > 1 || head->contract.index > 0) {
		snapshot_put_u64(&further, head->level);
		snapshot_put_u64(&further, head->time);
	}
	if (head->contract.index > 0)
		wire_contract_put(&further, &head->contract);
	put_long(out,
	    (struct wire_bytes){further.bytes ? further.bytes : (const uint8_t *)"", further.size});
	wire_buf_free(&further);
}

void
snapshot_head_put(struct wire_buf *out, const struct snapshot_head *head)
{
	size_t start = out->size;
	wire_buf_put(out, magic, MAGIC_SIZE);
	bytes_put_u32(wire_buf_add(out, 4), SNAPSHOT_VERSION);
	bytes_put_u32(wire_buf_add(out, 4), 0);
	snapshot_put_u64(out, head->pos.index);
	snapshot_put_u64(out, head->pos.term);
	wire_buf_put(out, head->chain.b, sizeof head->chain.b);
	wire_buf_put(out, head->cluster.b, sizeof head->cluster.b);
	put_short(out, head->name);
	put_short(out, head->format);
	snapshot_put_u64(out, head->file_size);
	wire_buf_put(out, head->file_hash.b, sizeof head->file_hash.b);
	put_long(out, head->config);
	put_long(out, head->sessions);
	put_further(out, head);
	size_t size = out->size - start;
	must(size + RAFT_HASH_SIZE <= SNAPSHOT_HEAD_MAX);
	bytes_put_u32(out->bytes + start + MAGIC_SIZE + 4, (uint32_t)(size + RAFT_HASH_SIZE));
	struct raft_hash hash = seal_hash(&(struct seal_part){out->bytes + start, size}, 1);
	wire_buf_put(out, hash.b, sizeof hash.b);
}

static uint32_t
head_version(const uint8_t *bytes)
{
	return bytes_get_u32(bytes + MAGIC_SIZE);
}

size_t
snapshot_head_size(const uint8_t prefix[SNAPSHOT_PREFIX_SIZE])
{
	size_t size = bytes_get_u32(prefix + MAGIC_SIZE + 4);
	uint32_t version = head_version(prefix);
	/* One of version 1 can be written again as the present version. */
	size_t size_max = version == VERSION_1 ? SNAPSHOT_HEAD_MAX - MORE_IN_2 : SNAPSHOT_HEAD_MAX;
	bool good = memcmp(prefix, magic, MAGIC_SIZE) == 0 && version >= VERSION_1 &&
		    size > SNAPSHOT_PREFIX_SIZE && size <= size_max;
	return good ? size : 0;
}

/* ------------------------------------------------------------- reading */

struct cut {
	const uint8_t *at;
	size_t left;
	bool ok;
};

static const uint8_t *
snapshot_take(struct cut *cut, size_t size)
{
	static const uint8_t zeros[32];
	const uint8_t *at = cut->at;
	if (!cut->ok || size > cut->left) {
		cut->ok = false;
		return zeros;
	}
	cut->at += size;
	cut->left -= size;
	return at;
}

static uint64_t
take_u64(struct cut *cut)
{
	return bytes_get_u64(snapshot_take(cut, 8));
}

static struct raft_hash
take_hash(struct cut *cut)
{
	struct raft_hash hash;
	memcpy(hash.b, snapshot_take(cut, sizeof hash.b), sizeof hash.b);
	return hash;
}

static struct wire_bytes
take_bytes(struct cut *cut, size_t size, size_t max)
{
	cut->ok = cut->ok && size <= max;
	const uint8_t *at = snapshot_take(cut, cut->ok ? size : 0);
	return (struct wire_bytes){at, cut->ok ? size : 0};
}

static struct wire_bytes
take_short(struct cut *cut)
{
	return take_bytes(cut, bytes_get_u16(snapshot_take(cut, 2)), SNAPSHOT_TEXT_MAX);
}

static struct wire_bytes
take_long(struct cut *cut)
{
	return take_bytes(cut, bytes_get_u32(snapshot_take(cut, 4)), SNAPSHOT_HEAD_MAX);
}

static bool
sessions_good(struct wire_bytes run, uint64_t index)
{
	struct raft_session session;
	uint64_t last = 0;
	while (run.size > 0) {
		if (!wire_session_get(&session, &run) || session.last_index < last ||
		    session.last_index > index)
			return false;
		last = session.last_index;
	}
	return true;
}

static bool
config_good(struct wire_bytes bytes)
{
	struct raft_config config;
	return raft_config_decode(&config, bytes.bytes, bytes.size);
}

static bool
text_good(struct wire_bytes text)
{
	return memchr(text.bytes, '\0', text.size) == NULL;
}

/* What version 2 has more: further fields, and the hash, which must be right. */
static struct wire_bytes
take_end(struct cut *cut, const uint8_t *bytes)
{
	struct wire_bytes further = take_long(cut);
	struct raft_hash hash = seal_hash(&(struct seal_part){bytes, (size_t)(cut->at - bytes)}, 1);
	struct raft_hash written = take_hash(cut);
	cut->ok = cut->ok && raft_hash_equal(&hash, &written);
	return further;
}

/* Of the fields that this program knows: what is there has another size if it is of a newer level.
 */
static size_t
further_size(struct wire_bytes further)
{
	if (further.size < FURTHER_SIZE)
		return 0;
	if (further.size < FURTHER_SIZE + WIRE_CONTRACT_HEAD_SIZE)
		return FURTHER_SIZE;
	return FURTHER_SIZE + WIRE_CONTRACT_HEAD_SIZE +
	       bytes_get_u32(further.bytes + FURTHER_SIZE + 8);
}

/* False when it is none. */
static bool
take_contract(struct snapshot_head *head, struct wire_bytes further)
{
	head->contract = (struct raft_contract_at){0};
	if (further.size <= FURTHER_SIZE)
		return true;
	further = (struct wire_bytes){further.bytes + FURTHER_SIZE, further.size - FURTHER_SIZE};
	return wire_contract_get(&head->contract, &further) && further.size == 0 &&
	       head->contract.index <= head->pos.index;
}

/* False when it is no intact head of version 1 or 2; what its fields hold is not looked at. */
static bool
snapshot_take_all(
    struct snapshot_head *head, const uint8_t *bytes, size_t size, struct wire_bytes *further)
{
	struct cut cut = {bytes, size, true};
	*further = (struct wire_bytes){0};
	if (size < SNAPSHOT_PREFIX_SIZE || snapshot_head_size(bytes) != size ||
	    head_version(bytes) > SNAPSHOT_VERSION)
		return false;
	snapshot_take(&cut, SNAPSHOT_PREFIX_SIZE);
	head->pos.index = take_u64(&cut);
	head->pos.term = take_u64(&cut);
	head->chain = take_hash(&cut);
	head->cluster = take_hash(&cut);
	head->name = take_short(&cut);
	head->format = take_short(&cut);
	head->file_size = take_u64(&cut);
	head->file_hash = take_hash(&cut);
	head->config = take_long(&cut);
	head->sessions = take_long(&cut);
	if (head_version(bytes) > VERSION_1)
		*further = take_end(&cut, bytes);
	head->level = further->size < FURTHER_SIZE ? 1 : bytes_get_u64(further->bytes);
	head->time = further->size < FURTHER_SIZE ? 0 : bytes_get_u64(further->bytes + 8);
	return cut.ok && cut.left == 0;
}

bool
snapshot_head_get(struct snapshot_head *head, const uint8_t *bytes, size_t size)
{
	struct wire_bytes further;
	return snapshot_take_all(head, bytes, size, &further) && take_contract(head, further) &&
	       further.size == further_size(further) &&
	       (further.size > 0) == (head->level > 1 || head->contract.index > 0) &&
	       head->level >= 1 && head->level <= RAFT_LEVEL_MAX && head->time <= RAFT_TIME_MAX &&
	       head->pos.index > 0 && head->pos.index <= INT64_MAX && head->pos.term > 0 &&
	       head->pos.term <= INT64_MAX && head->file_size <= INT64_MAX &&
	       text_good(head->name) && text_good(head->format) && config_good(head->config) &&
	       sessions_good(head->sessions, head->pos.index);
}

bool
snapshot_head_newer(const uint8_t *bytes, size_t size)
{
	struct snapshot_head head;
	struct wire_bytes further;
	if (size < SNAPSHOT_PREFIX_SIZE + RAFT_HASH_SIZE || snapshot_head_size(bytes) != size)
		return false;
	if (head_version(bytes) <= SNAPSHOT_VERSION)
		return snapshot_take_all(&head, bytes, size, &further) &&
		       (further.size != further_size(further) || head.level > RAFT_LEVEL_MAX);
	struct raft_hash hash = seal_hash(&(struct seal_part){bytes, size - RAFT_HASH_SIZE}, 1);
	return memcmp(hash.b, bytes + size - RAFT_HASH_SIZE, RAFT_HASH_SIZE) == 0;
}

struct raft_sessions *
snapshot_sessions(const struct snapshot_head *head)
{
	struct raft_sessions *table = raft_sessions_new();
	struct wire_bytes run = head->sessions;
	struct raft_session session;
	while (table && run.size > 0 && wire_session_get(&session, &run))
		raft_sessions_restore(table, &session);
	return table;
}
