/* SPDX-License-Identifier: ISC */
/* Three records: a message 1, a message 2, and the end of the dialer's old key. */
#include "renewal.h"

#include <string.h>

#include "peer.h"

void
renewal_ended(struct connection *c)
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
	if (c->step != 0 ||
	    !channel_renew(&c->pending, &c->channel, &c->peerd->pair, c->key, c->step_bytes))
		return;
	c->renewing = true;
	connection_step(c, RECORD_RENEW, CHANNEL_RENEWAL_SIZE);
}

static bool
renewal_on_renew(struct connection *c, const uint8_t *message, size_t size)
{
	if (c->dialer || c->renewing || size != CHANNEL_RENEWAL_SIZE ||
	    !channel_renew_answer(
		&c->fresh, &c->channel, &c->peerd->pair, c->key, message, c->step_bytes))
		return false;
	c->renewing = true;
	connection_step(c, RECORD_RENEWED, CHANNEL_RENEWAL_SIZE);
	return true;
}

static bool
renewal_on_renewed(struct connection *c, const uint8_t *message, size_t size)
{
	if (!c->dialer || !c->renewing || c->step != 0 || size != CHANNEL_RENEWAL_SIZE ||
	    !channel_renew_finish(&c->pending, message, &c->fresh))
		return false;
	c->channel.rx = c->fresh.rx;
	connection_step(c, RECORD_SWITCH, 0);
	return true;
}

static bool
renewal_on_switch(struct connection *c, size_t size)
{
	if (c->dialer || !c->renewing || c->step != 0 || size != 0)
		return false;
	c->channel.rx = c->fresh.rx;
	renewal_ended(c);
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
