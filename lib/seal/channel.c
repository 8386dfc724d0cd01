/* SPDX-License-Identifier: ISC */
/* Noise KK between two nodes, and records with implicit counters. */
#include "channel.h"

#include <string.h>

#include "raft/bytes.h"

#ifdef SEAL_CLEAR
enum { CLEAR = 1 };
#else
enum { CLEAR = 0 };
#endif

static const char domain[] = "raft-tools peer", domain_renewal[] = "raft-tools renewal";

enum { PROLOGUE_SIZE = sizeof domain + RAFT_HASH_SIZE + CHANNEL_CLEAR_SIZE };

/* NNG's, of push0 and of pull0. */
const uint8_t channel_preamble_dialer[CHANNEL_PREAMBLE_SIZE] = {0, 'S', 'P', 0, 0, 0x50, 0, 0};
const uint8_t channel_preamble_acceptor[CHANNEL_PREAMBLE_SIZE] = {0, 'S', 'P', 0, 0, 0x51, 0, 0};

bool
channel_clear(void)
{
	return CLEAR;
}

const char *
channel_reason_text(unsigned reason)
{
	static const char *const texts[] = {
#define R(NAME, text) text,
	    CHANNEL_REASONS(R)
#undef R
	};
	return texts[reason < CHANNEL_REASONS_COUNT ? reason : CHANNEL_REASON_NONE];
}

const char *
channel_error_text(enum channel_error error)
{
	static const char *const texts[] = {
#define E(NAME, text) text,
	    CHANNEL_ERRORS(E)
#undef E
	};
	return texts[error];
}

/* ------- hello ------------------------------------------------------------------- */

void
channel_hello_put(uint8_t out[CHANNEL_HELLO_SIZE], const struct channel_hello *hello)
{
	bytes_put_u64(out, CHANNEL_HELLO_SIZE - 8);
	out[8] = CHANNEL_HELLO_VERSION;
	out[9] = hello->low;
	out[10] = hello->high;
	out[11] = hello->class;
	memcpy(out + 12, hello->from.s, RAFT_ID_SIZE);
	memcpy(out + 12 + RAFT_ID_SIZE, hello->to.s, RAFT_ID_SIZE);
	memcpy(out + 12 + 2 * RAFT_ID_SIZE, hello->tag, CHANNEL_TAG_SIZE);
}

static bool
get_id(struct raft_id *id, const uint8_t *bytes)
{
	memcpy(id->s, bytes, RAFT_ID_SIZE);
	if (raft_id_valid(id) && !raft_id_none(id))
		return true;
	*id = (struct raft_id){0};
	return false;
}

enum channel_error
channel_hello_get(struct channel_hello *hello, const uint8_t bytes[CHANNEL_HELLO_SIZE])
{
	*hello = (struct channel_hello){.low = bytes[9], .high = bytes[10], .class = bytes[11]};
	memcpy(hello->tag, bytes + 12 + 2 * RAFT_ID_SIZE, CHANNEL_TAG_SIZE);
	if (bytes[8] != CHANNEL_HELLO_VERSION || hello->low > hello->high ||
	    hello->high < CHANNEL_VERSION_LOW || hello->low > CHANNEL_VERSION_HIGH)
		return CHANNEL_VERSION;
	if (bytes_get_u64(bytes) != CHANNEL_HELLO_SIZE - 8)
		return CHANNEL_FORM;
	if (hello->class > 1)
		return CHANNEL_CLASS;
	if (!get_id(&hello->from, bytes + 12) || !get_id(&hello->to, bytes + 12 + RAFT_ID_SIZE))
		return CHANNEL_ID;
	return CHANNEL_OK;
}

/* ------- handshake --------------------------------------------------------------- */

static void
channel_start(struct noise *noise, bool dialer, const struct raft_hash *cluster,
    const struct seal_pair *self, const uint8_t peer_key[SEAL_KEY_SIZE],
    const uint8_t hello[CHANNEL_HELLO_SIZE])
{
	uint8_t prologue[PROLOGUE_SIZE];
	memcpy(prologue, domain, sizeof domain);
	memcpy(prologue + sizeof domain, cluster->b, RAFT_HASH_SIZE);
	memcpy(prologue + sizeof domain + RAFT_HASH_SIZE, hello, CHANNEL_CLEAR_SIZE);
	noise_start(noise, dialer, self, peer_key, prologue, sizeof prologue);
}

static void
channel_split(struct noise *noise, struct channel *channel)
{
	memcpy(channel->binding, noise->h, sizeof channel->binding);
	if (noise->initiator)
		noise_split(noise, &channel->tx, &channel->rx);
	else
		noise_split(noise, &channel->rx, &channel->tx);
}

bool
channel_dial(struct noise *pending, const struct raft_hash *cluster, const struct seal_pair *self,
    const uint8_t peer_key[SEAL_KEY_SIZE], const struct channel_offer *offer,
    uint8_t hello[CHANNEL_HELLO_SIZE])
{
	uint8_t payload[CHANNEL_OFFER_SIZE];
	bytes_put_u64(payload, offer->start);
	bytes_put_u64(payload + 8, offer->id);
	bytes_put_u64(payload + 16, offer->seen);
	channel_start(pending, true, cluster, self, peer_key, hello);
	if (noise_write(pending, payload, sizeof payload, hello + CHANNEL_CLEAR_SIZE))
		return true;
	seal_wipe(pending, sizeof *pending);
	return false;
}

bool
channel_accept(struct channel *channel, const struct raft_hash *cluster,
    const struct seal_pair *self, const uint8_t peer_key[SEAL_KEY_SIZE],
    const uint8_t hello[CHANNEL_HELLO_SIZE], struct channel_offer *offer,
    const struct channel_answer *answer, uint8_t reply[CHANNEL_REPLY_SIZE])
{
	struct noise noise;
	uint8_t theirs[CHANNEL_OFFER_SIZE], ours[CHANNEL_ANSWER_SIZE];
	ours[0] = answer->version;
	bytes_put_u64(ours + 1, answer->start);
	channel_start(&noise, false, cluster, self, peer_key, hello);
	bool ok = noise_read(&noise, hello + CHANNEL_CLEAR_SIZE,
		      CHANNEL_HELLO_SIZE - CHANNEL_CLEAR_SIZE, theirs) &&
		  noise_write(&noise, ours, sizeof ours, reply + 2);
	if (ok) {
		reply[0] = answer->version;
		reply[1] = CHANNEL_REASON_NONE;
		*offer = (struct channel_offer){
		    bytes_get_u64(theirs), bytes_get_u64(theirs + 8), bytes_get_u64(theirs + 16)};
		channel_split(&noise, channel);
	}
	seal_wipe(&noise, sizeof noise);
	return ok;
}

void
channel_refusal_put(uint8_t reply[CHANNEL_REPLY_SIZE], enum channel_reason reason)
{
	memset(reply, 0, CHANNEL_REPLY_SIZE);
	reply[1] = (uint8_t)reason;
}

bool
channel_refused(const uint8_t reply[CHANNEL_REPLY_SIZE], unsigned *reason)
{
	*reason = reply[1];
	return reply[0] == 0;
}

bool
channel_finish(struct noise *pending, const uint8_t reply[CHANNEL_REPLY_SIZE],
    struct channel *channel, struct channel_answer *answer)
{
	uint8_t theirs[CHANNEL_ANSWER_SIZE];
	bool ok = noise_read(pending, reply + 2, CHANNEL_REPLY_SIZE - 2, theirs) &&
		  theirs[0] == reply[0] && reply[1] == CHANNEL_REASON_NONE &&
		  theirs[0] >= CHANNEL_VERSION_LOW && theirs[0] <= CHANNEL_VERSION_HIGH;
	if (ok) {
		*answer = (struct channel_answer){theirs[0], bytes_get_u64(theirs + 1)};
		channel_split(pending, channel);
	}
	seal_wipe(pending, sizeof *pending);
	return ok;
}

/* ------- records ------------------------------------------------------------------ */

size_t
channel_seal(struct noise_cipher *tx, uint8_t kind, const void *bytes, size_t size, uint8_t *out)
{
	must(size <= CHANNEL_PLAIN_MAX);
	/* 2^64 - 1 is not for messages (4.2); a connection is renewed long before. */
	must(tx->n < UINT64_MAX - 1);
	bytes_put_u32(out, (uint32_t)kind << 24 | (uint32_t)size);
	uint8_t *at = out + CHANNEL_HEAD_SIZE;
	if (CLEAR) {
		memcpy(at, bytes, size);
		memset(at + size, 0, NOISE_TAG_SIZE);
	} else {
		noise_encrypt(tx, tx->n, out, CHANNEL_HEAD_SIZE, bytes, size, at);
	}
	tx->n++;
	return size + CHANNEL_RECORD_EXTRA;
}

size_t
channel_record_size(const uint8_t head[CHANNEL_HEAD_SIZE])
{
	size_t size = bytes_get_u32(head) & 0xffffff;
	return size <= CHANNEL_PLAIN_MAX ? size + CHANNEL_RECORD_EXTRA : 0;
}

bool
channel_open(struct noise_cipher *rx, uint8_t *record, size_t size)
{
	uint8_t *at = record + CHANNEL_HEAD_SIZE;
	if (size < CHANNEL_RECORD_EXTRA || rx->n >= UINT64_MAX - 1)
		return false;
	if (!CLEAR &&
	    !noise_decrypt(rx, rx->n, record, CHANNEL_HEAD_SIZE, at, size - CHANNEL_HEAD_SIZE, at))
		return false;
	rx->n++;
	return true;
}

/* ------- renewal ------------------------------------------------------------------ */

static void
channel_start_renewal(struct noise *noise, bool dialer, const struct channel *channel,
    const struct seal_pair *self, const uint8_t peer_key[SEAL_KEY_SIZE])
{
	uint8_t prologue[sizeof domain_renewal + RAFT_HASH_SIZE];
	memcpy(prologue, domain_renewal, sizeof domain_renewal);
	memcpy(prologue + sizeof domain_renewal, channel->binding, RAFT_HASH_SIZE);
	noise_start(noise, dialer, self, peer_key, prologue, sizeof prologue);
}

bool
channel_renew(struct noise *pending, const struct channel *channel, const struct seal_pair *self,
    const uint8_t peer_key[SEAL_KEY_SIZE], uint8_t out[CHANNEL_RENEWAL_SIZE])
{
	channel_start_renewal(pending, true, channel, self, peer_key);
	return noise_write(pending, NULL, 0, out);
}

bool
channel_renew_answer(struct channel *fresh, const struct channel *channel,
    const struct seal_pair *self, const uint8_t peer_key[SEAL_KEY_SIZE],
    const uint8_t message[CHANNEL_RENEWAL_SIZE], uint8_t out[CHANNEL_RENEWAL_SIZE])
{
	struct noise noise;
	channel_start_renewal(&noise, false, channel, self, peer_key);
	bool ok = noise_read(&noise, message, CHANNEL_RENEWAL_SIZE, NULL) &&
		  noise_write(&noise, NULL, 0, out);
	if (ok)
		channel_split(&noise, fresh);
	seal_wipe(&noise, sizeof noise);
	return ok;
}

bool
channel_renew_finish(
    struct noise *pending, const uint8_t message[CHANNEL_RENEWAL_SIZE], struct channel *fresh)
{
	bool ok = noise_read(pending, message, CHANNEL_RENEWAL_SIZE, NULL);
	if (ok)
		channel_split(pending, fresh);
	seal_wipe(pending, sizeof *pending);
	return ok;
}
