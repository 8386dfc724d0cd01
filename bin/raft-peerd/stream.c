/* SPDX-License-Identifier: ISC */
/*
 * NNG's byte streams.
 *
 * Ours: a send is tried from the loop with an aio that has no callback, is cancelled at once, and
 * so never waits: where the kernel has room, and that is the rule, no other thread is woken.  Only
 * what it does not take goes to an aio with a callback.
 *
 * Ours: a dialer makes one attempt.  One whose dial was aborted cannot be used again.
 */
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nng/nng.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "unix/sock.h"

enum {
	ACCEPT_PAUSE_MS = 50,
	/* What waits in the kernel cannot be overtaken: not much more than the network takes. */
	UNSENT_MAX = 128 << 10,
	/* Above any descriptor: the lowest are taken first, and connections are few. */
	FDS_MAX = 1024
};

struct stream {
	struct streams *streams;
	const struct stream_calls *calls;
	void *arg;
	nng_stream_dialer *dialer; /* while it is dialled */
	nng_stream *nng;           /* NULL: not connected */
	nng_aio *dial;
	nng_aio *receive;
	nng_aio *send;
	nng_aio *rest;
	atomic_int error; /* NNG's number */
	/* Under the mutex of streams. */
	struct stream *next;
	bool woken;
	bool dialed;
	bool sent;
};

struct streams {
	uv_async_t async;
	uv_timer_t pause;
	const struct streams_calls *calls;
	void *arg;
	nng_stream_listener *listener;
	nng_aio *accept;
	uv_mutex_t mutex;
	struct stream *first, **last; /* woken ones, in order */
	bool accepted;
};

/* ------- from NNG's threads to the loop ------------------------------------------- */

void
stream_wake(struct stream *stream)
{
	struct streams *streams = stream->streams;
	uv_mutex_lock(&streams->mutex);
	if (!stream->woken) {
		stream->woken = true;
		stream->next = NULL;
		*streams->last = stream;
		streams->last = &stream->next;
	}
	uv_mutex_unlock(&streams->mutex);
	uv_async_send(&streams->async);
}

static void
stream_unlink(struct streams *streams, struct stream *stream)
{
	for (struct stream **at = &streams->first; *at; at = &(*at)->next)
		if (*at == stream) {
			*at = stream->next;
			if (*at == NULL)
				streams->last = at;
			break;
		}
	stream->woken = false;
}

/* The first of those that are woken; NULL: none is. */
static struct stream *
streams_next(struct streams *streams)
{
	uv_mutex_lock(&streams->mutex);
	struct stream *stream = streams->first;
	if (stream)
		stream_unlink(streams, stream);
	uv_mutex_unlock(&streams->mutex);
	return stream;
}

static size_t
streams_woken(struct streams *streams)
{
	size_t count = 0;
	uv_mutex_lock(&streams->mutex);
	for (const struct stream *stream = streams->first; stream; stream = stream->next)
		count++;
	uv_mutex_unlock(&streams->mutex);
	return count;
}

static void streams_take_accepted(struct streams *streams);

static void
streams_on_async(uv_async_t *async)
{
	struct streams *streams = async->data;
	streams_take_accepted(streams);
	/* Those that are woken again meanwhile are for the next turn; any may be freed meanwhile.
	 */
	for (size_t count = streams_woken(streams); count > 0; count--) {
		struct stream *stream = streams_next(streams);
		if (stream == NULL)
			return;
		stream->calls->woken(stream->arg);
	}
}

/* ------- a stream ------------------------------------------------------------------ */

static void
stream_on_dialed(void *arg)
{
	struct stream *stream = arg;
	uv_mutex_lock(&stream->streams->mutex);
	stream->dialed = true;
	uv_mutex_unlock(&stream->streams->mutex);
	stream_wake(stream);
}

static void
stream_on_received(void *arg)
{
	struct stream *stream = arg;
	int result = nng_aio_result(stream->receive);
	if (result != 0)
		stream->error = result;
	stream->calls->received(result == 0 ? nng_aio_count(stream->receive) : 0, stream->arg);
}

static void
stream_on_sent(void *arg)
{
	struct stream *stream = arg;
	uv_mutex_lock(&stream->streams->mutex);
	stream->sent = true;
	uv_mutex_unlock(&stream->streams->mutex);
	stream_wake(stream);
}

static struct stream *
stream_new(struct streams *streams)
{
	struct stream *stream = calloc(1, sizeof *stream);
	must(stream != NULL);
	stream->streams = streams;
	must(nng_aio_alloc(&stream->dial, stream_on_dialed, stream) == 0);
	must(nng_aio_alloc(&stream->receive, stream_on_received, stream) == 0);
	must(nng_aio_alloc(&stream->send, NULL, NULL) == 0);
	must(nng_aio_alloc(&stream->rest, stream_on_sent, stream) == 0);
	return stream;
}

struct stream *
stream_dial(struct streams *streams, const char *url, const struct stream_calls *calls, void *arg,
    char *why)
{
	struct stream *stream = stream_new(streams);
	stream_use(stream, calls, arg);
	int result = nng_stream_dialer_alloc(&stream->dialer, url);
	if (result != 0) {
		snprintf(why, SOCK_WHY_SIZE, "%s: cannot dial: %s", url, nng_strerror(result));
		stream_free(stream);
		return NULL;
	}
	nng_stream_dialer_set_bool(stream->dialer, NNG_OPT_TCP_NODELAY, true);
	nng_stream_dialer_dial(stream->dialer, stream->dial);
	return stream;
}

void
stream_use(struct stream *stream, const struct stream_calls *calls, void *arg)
{
	stream->calls = calls;
	stream->arg = arg;
}

/* A dial that has succeeded and was not looked at has a connection to be closed. */
static void
stream_stop_dial(struct stream *stream)
{
	if (stream->dialer == NULL)
		return;
	nng_stream_dialer_close(stream->dialer);
	nng_aio_stop(stream->dial);
	if (stream->nng == NULL && nng_aio_result(stream->dial) == 0)
		stream->nng = nng_aio_get_output(stream->dial, 0);
	nng_stream_dialer_free(stream->dialer);
	stream->dialer = NULL;
}

void
stream_free(struct stream *stream)
{
	if (stream == NULL)
		return;
	stream_stop_dial(stream);
	if (stream->nng)
		nng_stream_close(stream->nng);
	/* Waits for callbacks, and none begins after that. */
	nng_aio_stop(stream->receive);
	nng_aio_stop(stream->rest);
	if (stream->nng)
		nng_stream_free(stream->nng);
	uv_mutex_lock(&stream->streams->mutex);
	if (stream->woken)
		stream_unlink(stream->streams, stream);
	uv_mutex_unlock(&stream->streams->mutex);
	nng_aio_free(stream->dial);
	nng_aio_free(stream->receive);
	nng_aio_free(stream->send);
	nng_aio_free(stream->rest);
	free(stream);
}

/* Whether the flag, which is set on another thread, was set; it is cleared. */
static bool
stream_take_flag(struct stream *stream, bool *flag)
{
	uv_mutex_lock(&stream->streams->mutex);
	bool was = *flag;
	*flag = false;
	uv_mutex_unlock(&stream->streams->mutex);
	return was;
}

int
stream_dialed(struct stream *stream)
{
	if (stream->nng)
		return 1;
	if (stream->dialer == NULL)
		return -1;
	if (!stream_take_flag(stream, &stream->dialed))
		return 0;
	stream->error = nng_aio_result(stream->dial);
	stream_stop_dial(stream);
	return stream->nng ? 1 : -1;
}

const char *
stream_why(const struct stream *stream)
{
	return nng_strerror(atomic_load(&stream->error));
}

void
stream_receive(struct stream *stream, void *at, size_t room)
{
	nng_iov iov = {.iov_buf = at, .iov_len = room};
	must(room > 0);
	nng_aio_set_iov(stream->receive, 1, &iov);
	nng_stream_recv(stream->nng, stream->receive);
}

static ssize_t
stream_result(struct stream *stream, nng_aio *aio)
{
	int result = nng_aio_result(aio);
	if (result == 0)
		return (ssize_t)nng_aio_count(aio);
	stream->error = result;
	return -1;
}

ssize_t
stream_send(struct stream *stream, const void *bytes, size_t size)
{
	nng_iov iov = {.iov_buf = (void *)bytes, .iov_len = size};
	nng_aio_set_iov(stream->send, 1, &iov);
	nng_stream_send(stream->nng, stream->send);
	nng_aio_cancel(stream->send);
	nng_aio_wait(stream->send);
	if (nng_aio_result(stream->send) == NNG_ECANCELED)
		return 0;
	return stream_result(stream, stream->send);
}

void
stream_send_rest(struct stream *stream, const void *bytes, size_t size)
{
	nng_iov iov = {.iov_buf = (void *)bytes, .iov_len = size};
	nng_aio_set_iov(stream->rest, 1, &iov);
	nng_stream_send(stream->nng, stream->rest);
}

ssize_t
stream_sent(struct stream *stream)
{
	if (!stream_take_flag(stream, &stream->sent))
		return 0;
	return stream_result(stream, stream->rest);
}

/* ------- listening ----------------------------------------------------------------- */

static void
streams_on_accepted(void *arg)
{
	struct streams *streams = arg;
	uv_mutex_lock(&streams->mutex);
	streams->accepted = true;
	uv_mutex_unlock(&streams->mutex);
	uv_async_send(&streams->async);
}

static void
streams_on_pause(uv_timer_t *timer)
{
	struct streams *streams = timer->data;
	nng_stream_listener_accept(streams->listener, streams->accept);
}

static void
streams_take_accepted(struct streams *streams)
{
	uv_mutex_lock(&streams->mutex);
	bool accepted = streams->accepted;
	streams->accepted = false;
	uv_mutex_unlock(&streams->mutex);
	if (!accepted)
		return;
	/* Without a pause an accept that fails for want of descriptors would be tried all the time.
	 */
	if (nng_aio_result(streams->accept) != 0) {
		uv_timer_start(&streams->pause, streams_on_pause, ACCEPT_PAUSE_MS, 0);
		return;
	}
	struct stream *stream = stream_new(streams);
	stream->nng = nng_aio_get_output(streams->accept, 0);
	nng_stream_listener_accept(streams->listener, streams->accept);
	streams->calls->accepted(stream, streams->arg);
}

/* ------- threads --------------------------------------------------------------------- */

static void
streams_idle_thread(void *arg)
{
	uv_mutex_t *mutex = arg;
	uv_mutex_lock(mutex);
	uv_mutex_unlock(mutex);
}

bool
streams_threads(void)
{
	/* NNG's limits are 16 for tasks and 8 for time-outs, and it has 7 more. */
	enum { THREADS = 32 };
	uv_thread_t threads[THREADS];
	uv_mutex_t mutex;
	size_t count = 0;
	must(uv_mutex_init(&mutex) == 0);
	uv_mutex_lock(&mutex);
	while (
	    count < THREADS && uv_thread_create(&threads[count], streams_idle_thread, &mutex) == 0)
		count++;
	uv_mutex_unlock(&mutex);
	for (size_t i = 0; i < count; i++)
		uv_thread_join(&threads[i]);
	uv_mutex_destroy(&mutex);
	return count == THREADS;
}

struct streams *
streams_new(struct loop *loop, const struct streams_calls *calls, void *arg)
{
	struct streams *streams = calloc(1, sizeof *streams);
	must(streams != NULL);
	streams->calls = calls;
	streams->arg = arg;
	streams->last = &streams->first;
	must(uv_mutex_init(&streams->mutex) == 0);
	must(uv_async_init(loop_uv(loop), &streams->async, streams_on_async) == 0);
	must(uv_timer_init(loop_uv(loop), &streams->pause) == 0);
	streams->async.data = streams->pause.data = streams;
	return streams;
}

/* NNG has numbers of its own: those that exit_of_errno tells from a shortage. */
static int
errno_of(int result)
{
	if (result & NNG_ESYSERR)
		return result & ~NNG_ESYSERR;
	switch (result) {
	case NNG_EADDRINUSE:
		return EADDRINUSE;
	case NNG_EADDRINVAL:
		return EADDRNOTAVAIL;
	case NNG_EPERM:
		return EACCES;
	default:
		return ENOBUFS;
	}
}

bool
streams_listen(struct streams *streams, const char *url, char *why)
{
	int result = nng_stream_listener_alloc(&streams->listener, url);
	if (result == 0)
		result = nng_aio_alloc(&streams->accept, streams_on_accepted, streams);
	if (result == 0)
		result = nng_stream_listener_set_bool(streams->listener, NNG_OPT_TCP_NODELAY, true);
	if (result == 0)
		result = nng_stream_listener_listen(streams->listener);
	if (result != 0) {
		snprintf(why, SOCK_WHY_SIZE, "%s: cannot listen: %s", url, nng_strerror(result));
		nng_aio_free(streams->accept);
		nng_stream_listener_free(streams->listener);
		streams->accept = NULL;
		streams->listener = NULL;
		errno = errno_of(result);
		return false;
	}
	nng_stream_listener_accept(streams->listener, streams->accept);
	return true;
}

/* ------- the other end --------------------------------------------------------------- */

void
stream_address(const struct stream *stream, char text[STREAM_ADDRESS_SIZE])
{
	nng_sockaddr address;
	char host[INET6_ADDRSTRLEN] = "?";
	snprintf(text, STREAM_ADDRESS_SIZE, "unknown");
	if (stream->nng == NULL || nng_stream_get_addr(stream->nng, NNG_OPT_REMADDR, &address) != 0)
		return;
	struct resolve_host mapped = stream_host(stream);
	const struct in6_addr *in6 = (const struct in6_addr *)&mapped;
	uint16_t port =
	    ntohs(address.s_family == NNG_AF_INET ? address.s_in.sa_port : address.s_in6.sa_port);
	if (IN6_IS_ADDR_V4MAPPED(in6)) {
		inet_ntop(AF_INET, mapped.b + 12, host, sizeof host);
		snprintf(text, STREAM_ADDRESS_SIZE, "%s:%u", host, port);
	} else {
		inet_ntop(AF_INET6, mapped.b, host, sizeof host);
		snprintf(text, STREAM_ADDRESS_SIZE, "[%s]:%u", host, port);
	}
}

struct resolve_host
stream_host(const struct stream *stream)
{
	nng_sockaddr address;
	struct resolve_host host = {{[10] = 0xff, [11] = 0xff}};
	if (stream->nng == NULL || nng_stream_get_addr(stream->nng, NNG_OPT_REMADDR, &address) != 0)
		return host;
	if (address.s_family == NNG_AF_INET)
		memcpy(host.b + 12, &address.s_in.sa_addr, 4);
	else
		memcpy(host.b, address.s_in6.sa_addr, sizeof host.b);
	return host;
}

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

/* NNG does not tell its descriptor, which is its own: it is looked for.  -1: the connection has
 * ended. */
static int
stream_fd(const struct stream *stream)
{
	nng_sockaddr local, remote;
	if (nng_stream_get_addr(stream->nng, NNG_OPT_LOCADDR, &local) != 0 ||
	    nng_stream_get_addr(stream->nng, NNG_OPT_REMADDR, &remote) != 0)
		return -1;
	for (int fd = 0; fd < FDS_MAX; fd++)
		if (is_descriptor_of(fd, &local, &remote))
			return fd;
	return -1;
}

void
stream_limit(struct stream *stream, uint64_t rate)
{
	int fd = stream_fd(stream), size = UNSENT_MAX;
	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &size, sizeof size);
	if (rate > 0)
		setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof rate);
}
