/* SPDX-License-Identifier: ISC */
/* pull0 on the loop, by NNG's own descriptor and an aio without callback, as in push.c. */
#include "pull.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "unix/sock.h"

/* In one turn, so that the elector's frames get their turn too. */
enum { MESSAGES_A_TURN = 64, BYTES_A_TURN = 8 << 20 };

/* Above any descriptor: the least are taken first, and connections are few. */
enum { FDS_MAX = 1024 };

struct pull {
	uv_poll_t poll;
	struct nng_events *events;
	const struct pull_calls *calls;
	void *arg;
	nng_socket socket;
	nng_aio *aio;
	int fd;
	bool paused;
	unsigned pipes_max;
	atomic_uint pipes; /* counted on NNG's threads */
};

static void
pull_on_note(uint32_t pipe, bool come, void *arg)
{
	struct pull *pull = arg;
	pull->calls->pipe(pipe, come, pull->arg);
}

/* On a thread of NNG's.  One pipe too many is closed before it can send a byte. */
static void
pull_on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct pull *pull = arg;
	if (event == NNG_PIPE_EV_ADD_PRE) {
		if (atomic_fetch_add(&pull->pipes, 1) >= pull->pipes_max)
			nng_pipe_close(pipe);
		return;
	}
	if (event == NNG_PIPE_EV_REM_POST)
		atomic_fetch_sub(&pull->pipes, 1);
	nng_events_put(pull->events, pull_on_note, pull, (uint32_t)nng_pipe_id(pipe),
	    event == NNG_PIPE_EV_ADD_POST);
}

/* NULL: none is there. */
static nng_msg *
pull_take(struct pull *pull)
{
	nng_recv_aio(pull->socket, pull->aio);
	nng_aio_wait(pull->aio);
	if (nng_aio_result(pull->aio) != 0)
		return NULL;
	nng_msg *message = nng_aio_get_msg(pull->aio);
	nng_aio_set_msg(pull->aio, NULL);
	return message;
}

static void
pull_on_poll(uv_poll_t *poll, int status, int events)
{
	struct pull *pull = poll->data;
	size_t bytes = 0;
	(void)status;
	(void)events;
	for (int i = 0; i < MESSAGES_A_TURN && bytes < BYTES_A_TURN && !pull->paused; i++) {
		nng_msg *message = pull_take(pull);
		if (message == NULL)
			return;
		bytes += nng_msg_len(message);
		nng_pipe pipe = nng_msg_get_pipe(message);
		pull->calls->message(
		    pipe.id, nng_msg_body(message), nng_msg_len(message), pull->arg);
		nng_msg_free(message);
	}
}

static int
start_listening(struct pull *pull, const char *url, size_t size_max)
{
	nng_listener listener;
	int rv = nng_listener_create(&listener, pull->socket, url);
	if (rv != 0)
		return rv;
	if ((rv = nng_listener_set_size(listener, NNG_OPT_RECVMAXSZ, size_max)) != 0)
		return rv;
	return nng_listener_start(listener, 0);
}

static int
pull_open_socket(struct pull *pull, const char *url, size_t size_max)
{
	int rv = nng_pull0_open(&pull->socket);
	if (rv != 0)
		return rv;
	if ((rv = nng_pipe_notify(pull->socket, NNG_PIPE_EV_ADD_PRE, pull_on_pipe, pull)) != 0 ||
	    (rv = nng_pipe_notify(pull->socket, NNG_PIPE_EV_ADD_POST, pull_on_pipe, pull)) != 0 ||
	    (rv = nng_pipe_notify(pull->socket, NNG_PIPE_EV_REM_POST, pull_on_pipe, pull)) != 0 ||
	    (rv = nng_socket_get_int(pull->socket, NNG_OPT_RECVFD, &pull->fd)) != 0 ||
	    (rv = nng_aio_alloc(&pull->aio, NULL, NULL)) != 0 ||
	    (rv = start_listening(pull, url, size_max)) != 0) {
		nng_close(pull->socket);
		nng_aio_free(pull->aio);
		return rv;
	}
	nng_aio_set_timeout(pull->aio, NNG_DURATION_ZERO);
	return 0;
}

/* NNG has numbers of its own: those that exit_of_errno tells from a shortage. */
static int
errno_of(int rv)
{
	if (rv & NNG_ESYSERR)
		return rv & ~NNG_ESYSERR;
	switch (rv) {
	case NNG_EADDRINUSE:
		return EADDRINUSE;
	case NNG_EADDRINVAL: /* also a name that does not resolve yet; its form was checked with the
				configuration */
		return EADDRNOTAVAIL;
	case NNG_EPERM:
		return EACCES;
	default:
		return ENOBUFS;
	}
}

struct pull *
pull_new(struct loop *loop, struct nng_events *events, const char *url, size_t size_max,
    unsigned pipes_max, const struct pull_calls *calls, void *arg, char *why)
{
	struct pull *pull = calloc(1, sizeof *pull);
	must(pull != NULL);
	pull->events = events;
	pull->calls = calls;
	pull->arg = arg;
	pull->pipes_max = pipes_max;
	int rv = pull_open_socket(pull, url, size_max);
	if (rv != 0) {
		snprintf(why, SOCK_WHY_SIZE, "%s: cannot listen: %s", url, nng_strerror(rv));
		nng_events_forget(events, pull);
		free(pull);
		errno = errno_of(rv);
		return NULL;
	}
	must(uv_poll_init(loop_uv(loop), &pull->poll, pull->fd) == 0);
	pull->poll.data = pull;
	uv_poll_start(&pull->poll, UV_READABLE, pull_on_poll);
	return pull;
}

void
pull_pause(struct pull *pull, bool pause)
{
	if (pull->paused == pause)
		return;
	pull->paused = pause;
	if (pause)
		uv_poll_stop(&pull->poll);
	else
		uv_poll_start(&pull->poll, UV_READABLE, pull_on_poll);
}

/* ------- closing ------------------------------------------------------------------- */

/* Of the two ends of a connection, as NNG and as the kernel tell them. */
static bool
same_end(const nng_sockaddr *theirs, const struct sockaddr_storage *ours)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)ours;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ours;
	if (theirs->s_family == NNG_AF_INET)
		return ours->ss_family == AF_INET && theirs->s_in.sa_port == in->sin_port &&
		       theirs->s_in.sa_addr == in->sin_addr.s_addr;
	return theirs->s_family == NNG_AF_INET6 && ours->ss_family == AF_INET6 &&
	       theirs->s_in6.sa_port == in6->sin6_port &&
	       memcmp(theirs->s_in6.sa_addr, &in6->sin6_addr, 16) == 0;
}

static bool
is_descriptor_of(int fd, const nng_sockaddr *local, const nng_sockaddr *remote)
{
	struct sockaddr_storage here, there;
	socklen_t here_size = sizeof here, there_size = sizeof there;
	return getpeername(fd, (struct sockaddr *)&there, &there_size) == 0 &&
	       same_end(remote, &there) &&
	       getsockname(fd, (struct sockaddr *)&here, &here_size) == 0 && same_end(local, &here);
}

int
pull_fd(uint32_t id)
{
	nng_pipe pipe = {.id = id};
	nng_sockaddr local, remote;
	if (nng_pipe_get_addr(pipe, NNG_OPT_LOCADDR, &local) != 0 ||
	    nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &remote) != 0)
		return -1;
	for (int fd = 0; fd < FDS_MAX; fd++)
		if (is_descriptor_of(fd, &local, &remote))
			return fd;
	return -1;
}

/*
 * Ours: not nng_pipe_close.  NNG up to 1.6 never finishes a pipe that it is told to close between
 * the two reads of a message, size and body, and its one reaper then waits for that pipe for ever
 * (its issue 1543): anybody who can connect could bring that about.  The connection is dissolved
 * beneath it instead, which on Linux is a connect to nowhere, and NNG finds out by itself.  (After
 * a shutdown, what a sender goes on sending would still be read.)
 */
void
pull_close(uint32_t id)
{
	const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	int fd = pull_fd(id);
	if (fd >= 0)
		connect(fd, &nowhere, sizeof nowhere);
}

void
pull_address(uint32_t id, char text[PULL_ADDRESS_SIZE])
{
	nng_pipe pipe = {.id = id};
	nng_sockaddr address;
	char host[INET6_ADDRSTRLEN] = "?";
	snprintf(text, PULL_ADDRESS_SIZE, "unknown");
	if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &address) != 0)
		return;
	if (address.s_family == NNG_AF_INET) {
		inet_ntop(AF_INET, &address.s_in.sa_addr, host, sizeof host);
		snprintf(text, PULL_ADDRESS_SIZE, "%s:%u", host, ntohs(address.s_in.sa_port));
	} else if (address.s_family == NNG_AF_INET6) {
		inet_ntop(AF_INET6, address.s_in6.sa_addr, host, sizeof host);
		snprintf(text, PULL_ADDRESS_SIZE, "[%s]:%u", host, ntohs(address.s_in6.sa_port));
	}
}
