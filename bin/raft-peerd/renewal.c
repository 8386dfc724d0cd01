/* SPDX-License-Identifier: ISC */
/* Three records: a message 1, a message 2, and the end of the dialer's old key. */
#include "renewal.h"

#include <string.h>

#include "peer.h"

/* Both directions use the fresh keys. */
static void
renewal_end(struct connection *c)
{
	memcpy(c->channel.binding, c->fresh.binding, sizeof c->channel.binding);
	seal_wipe(&c->fresh, sizeof c->fresh);
	c->renewing = false;
	c->renewed = mono_now();
	atomic_store(&c->received_records, 0);
	log_debug("renewed", "peer=%s class=%d", c->peer->member.id.s, c->class);
}

/* The dialer begins. */
static void
renewal_begin(struct connection *c)
{
	uint8_t message[CHANNEL_RENEWAL_SIZE];
	c->renewing = channel_renew(&c->noise, &c->channel, &c->peerd->pair, c->key, message) &&
		      connection_send(c, RECORD_RENEW, message, sizeof message);
}

/* RENEWED is the last record under the acceptor's old key, SWITCH that under the dialer's. */
static bool
renewal_on_renew(struct connection *c, const uint8_t *message, size_t size)
{
	uint8_t reply[CHANNEL_RENEWAL_SIZE];
	if (c->dialer || c->renewing || size != sizeof reply ||
	    !channel_renew_answer(
		&c->fresh, &c->channel, &c->peerd->pair, c->key, message, reply) ||
	    !connection_send(c, RECORD_RENEWED, reply, sizeof reply))
		return false;
	c->renewing = true;
	c->channel.tx = c->fresh.tx;
	return true;
}

static bool
renewal_on_renewed(struct connection *c, const uint8_t *message, size_t size)
{
	if (!c->dialer || !c->renewing || size != CHANNEL_RENEWAL_SIZE ||
	    !channel_renew_finish(&c->noise, message, &c->fresh) ||
	    !connection_send(c, RECORD_SWITCH, NULL, 0))
		return false;
	c->channel.tx = c->fresh.tx;
	c->channel.rx = c->fresh.rx;
	renewal_end(c);
	return true;
}

static bool
renewal_on_switch(struct connection *c, size_t size)
{
	if (c->dialer || !c->renewing || size != 0)
		return false;
	c->channel.rx = c->fresh.rx;
	renewal_end(c);
	return true;
}

bool
renewal_take(struct connection *c, uint8_t kind, const uint8_t *message, size_t size)
{
	switch (kind) {
	case RECORD_RENEW:
		return renewal_on_renew(c, message, size);
	case RECORD_RENEWED:
		return renewal_on_renewed(c, message, size);
	case RECORD_SWITCH:
		return renewal_on_switch(c, size);
	default:
		return false;
	}
}

void
renewal_tick(struct connection *c, struct mono_ms now)
{
	const struct peerd *peerd = c->peerd;
	bool old = now.ms - c->renewed.ms > peerd->renew_ms || c->channel.tx.n > peerd->renew ||
		   atomic_load(&c->received_records) > peerd->renew;
	if (c->dialer && old && !c->renewing)
		renewal_begin(c);
}
