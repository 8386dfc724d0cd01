/* SPDX-License-Identifier: ISC */
/* Names into addresses, without delaying anybody. */
#ifndef PEERD_RESOLVE_H
#define PEERD_RESOLVE_H

#include <netinet/in.h>

#include "unix/loop.h"

enum { RESOLVE_MAX = 16, RESOLVE_URL_SIZE = 80 };

/* An end of a connection: an IPv6 address, into which IPv4 is mapped, and a port as on the network.
 */
struct resolve_end {
	struct in6_addr host;
	in_port_t port;
};
/* Of a struct sockaddr_in, sockaddr_in6 or sockaddr_storage; all zero for another family. */
struct resolve_end resolve_end(const void *sockaddr);

struct resolve_result {
	struct in6_addr hosts[RESOLVE_MAX];
	char urls[RESOLVE_MAX]
		 [RESOLVE_URL_SIZE]; /* tcp://HOST:PORT with a numeric host, the best first */
	size_t count;
	const char *why; /* when there are none */
};
typedef void resolve_call(const struct resolve_result *result, void *arg);

/*
 * Looks up tcp://HOST:PORT, and calls in the loop, later.  Each name has a thread of its own, so
 * one that takes long delays no other.  NULL with errno: there is no thread to be had.
 */
struct resolve *resolve_start(
    struct loop *loop, const char *address, resolve_call *call, void *arg);
/* It is not called any more.  Takes NULL. */
void resolve_cancel(struct resolve *resolve);
/* As above, at once; for the address to listen at, before the loop runs. */
void resolve_now(const char *address, struct resolve_result *result);

#endif
