/* SPDX-License-Identifier: ISC */
/* Noise KK between two nodes, and the explicit counter. */
#include "channel.h"

#include <string.h>

#include "wire/buf.h"

#ifdef SEAL_CLEAR
enum { CLEAR = 1 };
#else
enum { CLEAR = 0 };
#endif

static const char domain[] = "raft-tools peer";

enum { PROLOGUE_SIZE = sizeof domain + 1 + RAFT_HASH_SIZE + 2 * RAFT_ID_SIZE + 1 };

bool
channel_clear(void)
{
	return CLEAR;
}

static void
channel_start(struct noise *noise, const struct channel_names *names, bool initiator,
    const struct seal_pair *self, const uint8_t peer_key[SEAL_KEY_SIZE])
{
	uint8_t prologue[PROLOGUE_SIZE], *at = prologue;
	memcpy(at, domain, sizeof domain);
	at += sizeof domain;
	*at++ = CHANNEL_VERSION;
	memcpy(at, names->cluster.b, RAFT_HASH_SIZE);
	at += RAFT_HASH_SIZE;
	memcpy(at, names->initiator.s, RAFT_ID_SIZE);
	at += RAFT_ID_SIZE;
	memcpy(at, names->responder.s, RAFT_ID_SIZE);
	at += RAFT_ID_SIZE;
	*at++ = names->class;
	must(at == prologue + sizeof prologue);
	noise_start(noise, initiator, self, peer_key, prologue, sizeof prologue);
}

bool
channel_hello(struct channel_pending *pending, const struct channel_names *names,
    const struct seal_pair *self, const uint8_t peer_key[SEAL_KEY_SIZE],
    uint8_t out[CHANNEL_HELLO_SIZE])
{
	channel_start(&pending->noise, names, true, self, peer_key);
	if (noise_write(&pending->noise, NULL, 0, out))
		return true;
	seal_wipe(pending, sizeof *pending);
	return false;
}

bool
channel_answer(const struct channel_names *names, const struct seal_pair *self,
    const uint8_t peer_key[SEAL_KEY_SIZE], const uint8_t hello[CHANNEL_HELLO_SIZE],
    const struct channel_reply *reply, uint8_t out[CHANNEL_REPLY_SIZE], struct channel_rx *rx)
{
	struct noise noise;
	struct noise_cipher unused;
	uint8_t payload[CHANNEL_PAYLOAD_SIZE];
	bytes_put_u64(payload, reply->session);
	bytes_put_u64(payload + 8, reply->start);
	channel_start(&noise, names, false, self, peer_key);
	bool ok = noise_read(&noise, hello, CHANNEL_HELLO_SIZE, NULL) &&
		  noise_write(&noise, payload, sizeof payload, out);
	if (ok) {
		noise_split(&noise, &rx->cipher, &unused);
		seal_wipe(&unused, sizeof unused);
	}
	seal_wipe(&noise, sizeof noise);
	return ok;
}

bool
channel_finish(struct channel_pending *pending, const uint8_t message[CHANNEL_REPLY_SIZE],
    struct channel_reply *reply, struct channel_tx *tx)
{
	/* On a copy: a forged reply must not end the handshake. */
	struct noise noise = pending->noise;
	struct noise_cipher unused;
	uint8_t payload[CHANNEL_PAYLOAD_SIZE];
	bool ok = noise_read(&noise, message, CHANNEL_REPLY_SIZE, payload);
	if (ok) {
		reply->session = bytes_get_u64(payload);
		reply->start = bytes_get_u64(payload + 8);
		noise_split(&noise, &tx->cipher, &unused);
		seal_wipe(&unused, sizeof unused);
		seal_wipe(pending, sizeof *pending);
	}
	seal_wipe(&noise, sizeof noise);
	return ok;
}

uint64_t
channel_counter(const struct channel_tx *tx)
{
	return tx->cipher.n;
}

void
channel_seal(struct channel_tx *tx, const void *ad, size_t ad_size, uint8_t *bytes, size_t size)
{
	/* 2^64 - 1 is not for messages (4.2); a session is renewed long before. */
	must(tx->cipher.n < UINT64_MAX - 1);
	uint64_t n = tx->cipher.n++;
	if (CLEAR)
		memset(bytes + size, 0, CHANNEL_TAG_SIZE);
	else
		noise_encrypt(&tx->cipher, n, ad, ad_size, bytes, size, bytes);
}

enum channel_verdict
channel_open(struct channel_rx *rx, uint64_t counter, const void *ad, size_t ad_size,
    uint8_t *bytes, size_t size)
{
	if (size < CHANNEL_TAG_SIZE || counter >= UINT64_MAX - 1)
		return CHANNEL_FORGED;
	if (counter < rx->cipher.n)
		return CHANNEL_OLD;
	if (!CLEAR && !noise_decrypt(&rx->cipher, counter, ad, ad_size, bytes, size, bytes))
		return CHANNEL_FORGED;
	rx->cipher.n = counter + 1;
	return CHANNEL_OPENED;
}
