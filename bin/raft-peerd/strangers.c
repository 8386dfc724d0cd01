/* SPDX-License-Identifier: ISC */
/* Counted each time: they are few. */
#include "strangers.h"

#include <string.h>

#include "peer.h"

enum { STRANGERS_A_HOST = 8, STRANGERS_MAX = 32, RESERVED = 32 };

static bool
is_stranger(const struct connection *c)
{
	return !c->dialer && c->state < CONNECTION_OPEN;
}

/* The last in the list, which the newest begins.  host: NULL for any. */
static struct connection *
strangers_oldest(const struct peerd *peerd, const struct in6_addr *host, size_t *count)
{
	struct connection *found = NULL;
	*count = 0;
	for (struct connection *c = peerd->connections; c; c = c->next) {
		if (!is_stranger(c) || (host && memcmp(&c->host, host, sizeof *host) != 0))
			continue;
		(*count)++;
		found = c;
	}
	return found;
}

/* Whether a member has been looked up at that address. */
static bool
is_of_member(const struct peerd *peerd, const struct in6_addr *host)
{
	for (size_t i = 0; i < peerd->peers_count; i++) {
		const struct resolve_result *addresses =
		    &peerd->peers[i]->routes[WIRE_CONSENSUS].addresses;
		for (size_t a = 0; a < addresses->count; a++)
			if (memcmp(&addresses->hosts[a], host, sizeof *host) == 0)
				return true;
	}
	return false;
}

bool
strangers_admit(struct peerd *peerd, const struct stream *stream)
{
	struct in6_addr host = stream_host(stream);
	size_t count;
	struct connection *c = strangers_oldest(peerd, &host, &count);
	if (count >= STRANGERS_A_HOST) {
		connection_close(c);
		return true;
	}
	strangers_oldest(peerd, NULL, &count);
	return count < STRANGERS_MAX ||
	       (count < STRANGERS_MAX + RESERVED && is_of_member(peerd, &host));
}
