/* SPDX-License-Identifier: ISC */
/* getaddrinfo on a thread. */
#include "resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "unix/job.h"

static const char scheme[] = "tcp://";

struct resolve {
	resolve_call *call; /* NULL: cancelled */
	void *arg;
	char address[RAFT_ADDRESS_SIZE];
	struct resolve_result result;
};

struct resolve_end
resolve_end(const void *sockaddr)
{
	struct resolve_end end = {{{{[10] = 0xff, [11] = 0xff}}}, 0};
	const struct sockaddr_in *in = sockaddr;
	const struct sockaddr_in6 *in6 = sockaddr;
	if (in->sin_family == AF_INET6)
		return (struct resolve_end){in6->sin6_addr, in6->sin6_port};
	if (in->sin_family != AF_INET)
		return (struct resolve_end){0};
	memcpy(end.host.s6_addr + 12, &in->sin_addr, sizeof in->sin_addr);
	end.port = in->sin_port;
	return end;
}

static void
resolve_add(struct resolve_result *result, const struct addrinfo *info)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	if (result->count == RESOLVE_MAX ||
	    getnameinfo(info->ai_addr, info->ai_addrlen, host, sizeof host, port, sizeof port,
		NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	result->hosts[result->count] = resolve_end(info->ai_addr).host;
	int size = snprintf(result->urls[result->count], RESOLVE_URL_SIZE,
	    info->ai_family == AF_INET6 ? "tcp://[%s]:%s" : "tcp://%s:%s", host, port);
	if (size > 0 && size < RESOLVE_URL_SIZE)
		result->count++;
}

void
resolve_now(const char *address, struct resolve_result *result)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
	char host[RAFT_ADDRESS_SIZE];
	*result = (struct resolve_result){0};
	/* A members list of a peer may have any text here. */
	bool known = strncmp(address, scheme, strlen(scheme)) == 0;
	snprintf(host, sizeof host, "%s", known ? address + strlen(scheme) : "");
	char *port = strrchr(host, ':');
	if (port == NULL) {
		result->why = "not tcp://HOST:PORT";
		return;
	}
	*port++ = '\0';
	bool brackets = host[0] == '[';
	if (brackets)
		host[strlen(host) - 1] = '\0';
	int error = getaddrinfo(brackets ? host + 1 : host, port, &hints, &list);
	for (const struct addrinfo *info = list; info; info = info->ai_next)
		resolve_add(result, info);
	if (error == 0)
		freeaddrinfo(list);
	result->why = error == EAI_SYSTEM ? strerror(errno)
		      : error             ? gai_strerror(error)
					  : "it has no address";
}

static void
resolve_on_thread(void *arg)
{
	struct resolve *resolve = arg;
	resolve_now(resolve->address, &resolve->result);
}

static void
resolve_on_done(void *arg)
{
	struct resolve *resolve = arg;
	if (resolve->call)
		resolve->call(&resolve->result, resolve->arg);
	free(resolve);
}

struct resolve *
resolve_start(struct loop *loop, const char *address, resolve_call *call, void *arg)
{
	struct resolve *resolve = calloc(1, sizeof *resolve);
	must(resolve != NULL);
	resolve->call = call;
	resolve->arg = arg;
	snprintf(resolve->address, sizeof resolve->address, "%s", address);
	if (job_start(loop, resolve_on_thread, resolve_on_done, resolve, false))
		return resolve;
	int error = errno;
	free(resolve);
	errno = error;
	return NULL;
}

void
resolve_cancel(struct resolve *resolve)
{
	if (resolve)
		resolve->call = NULL;
}
