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
	void (*received)(size_t size, void *arg);
	void *arg;
	nng_stream_dialer *dialer; /* while it is dialled */
	nng_stream *nng;           /* NULL: not connected */
	nng_aio *receive;
	nng_aio *send;
	nng_aio *later;   /* the dial; then what stream_send could not send at once */
	atomic_int error; /* NNG's number */
	atomic_uint events;
};

struct streams {
	uv_async_t async;
	uv_timer_t pause;
	const struct streams_calls *calls;
	void *arg;
	nng_stream_listener *listener;
	nng_aio *accept;
	atomic_bool accepted;
};

/* ------- from NNG's threads to the loop ------------------------------------------- */

void
stream_wake(struct stream *stream, enum stream_event event)
{
	atomic_fetch_or(&stream->events, event);
	uv_async_send(&stream->streams->async);
}

unsigned
stream_events(struct stream *stream)
{
	return atomic_exchange(&stream->events, 0);
}

static void streams_take_accepted(struct streams *streams);

static void
streams_on_async(uv_async_t *async)
{
	struct streams *streams = async->data;
	if (atomic_exchange(&streams->accepted, false))
		streams_take_accepted(streams);
	streams->calls->woken(streams->arg);
}

/* ------- a stream ------------------------------------------------------------------ */

static void
stream_on_received(void *arg)
{
	struct stream *stream = arg;
	int result = nng_aio_result(stream->receive);
	if (result != 0)
		stream->error = result;
	stream->received(result == 0 ? nng_aio_count(stream->receive) : 0, stream->arg);
}

static void
stream_on_later(void *arg)
{
	stream_wake(arg, STREAM_LATER);
}

static struct stream *
stream_new(struct streams *streams)
{
	struct stream *stream = calloc(1, sizeof *stream);
	must(stream != NULL);
	stream->streams = streams;
	must(nng_aio_alloc(&stream->receive, stream_on_received, stream) == 0);
	must(nng_aio_alloc(&stream->send, NULL, NULL) == 0);
	must(nng_aio_alloc(&stream->later, stream_on_later, stream) == 0);
	return stream;
}

struct stream *
stream_dial(struct streams *streams, const char *url, char *why)
{
	struct stream *stream = stream_new(streams);
	int result = nng_stream_dialer_alloc(&stream->dialer, url);
	if (result != 0) {
		snprintf(why, SOCK_WHY_SIZE, "%s: cannot dial: %s", url, nng_strerror(result));
		stream_free(stream);
		return NULL;
	}
	nng_stream_dialer_set_bool(stream->dialer, NNG_OPT_TCP_NODELAY, true);
	nng_stream_dialer_dial(stream->dialer, stream->later);
	return stream;
}

void
stream_use(struct stream *stream, void (*received)(size_t size, void *arg), void *arg)
{
	stream->received = received;
	stream->arg = arg;
}

/* Also after the aio was stopped: it keeps its result. */
bool
stream_dialed(struct stream *stream)
{
	int result = nng_aio_result(stream->later);
	if (result == 0)
		stream->nng = nng_aio_get_output(stream->later, 0);
	else
		stream->error = result;
	nng_stream_dialer_free(stream->dialer);
	stream->dialer = NULL;
	return result == 0;
}

void
stream_free(struct stream *stream)
{
	if (stream == NULL)
		return;
	if (stream->dialer)
		nng_stream_dialer_close(stream->dialer);
	if (stream->nng)
		nng_stream_close(stream->nng);
	/* Waits for callbacks, and none begins after that. */
	nng_aio_stop(stream->receive);
	nng_aio_stop(stream->later);
	/* A dial that has succeeded and was not looked at has a connection to be closed. */
	if (stream->dialer)
		stream_dialed(stream);
	if (stream->nng)
		nng_stream_free(stream->nng);
	nng_aio_free(stream->receive);
	nng_aio_free(stream->send);
	nng_aio_free(stream->later);
	free(stream);
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

/* How much of `size` bytes need not be sent any longer: all, when the connection has ended. */
static size_t
stream_result(struct stream *stream, nng_aio *aio, size_t size)
{
	int result = nng_aio_result(aio);
	if (result == 0)
		return nng_aio_count(aio);
	stream->error = result;
	return size;
}

static void
stream_submit(struct stream *stream, nng_aio *aio, const uint8_t *bytes, size_t size)
{
	nng_iov iov = {.iov_buf = (void *)bytes, .iov_len = size};
	nng_aio_set_iov(aio, 1, &iov);
	nng_stream_send(stream->nng, aio);
}

size_t
stream_send(struct stream *stream, const uint8_t *bytes, size_t size)
{
	size_t sent = 0;
	stream_submit(stream, stream->send, bytes, size);
	nng_aio_cancel(stream->send);
	nng_aio_wait(stream->send);
	if (nng_aio_result(stream->send) != NNG_ECANCELED)
		sent = stream_result(stream, stream->send, size);
	if (sent < size)
		stream_submit(stream, stream->later, bytes + sent, size - sent);
	return sent;
}

size_t
stream_sent(struct stream *stream, size_t size)
{
	return stream_result(stream, stream->later, size);
}

/* ------- listening ----------------------------------------------------------------- */

static void
streams_on_accepted(void *arg)
{
	struct streams *streams = arg;
	atomic_store(&streams->accepted, true);
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

/* ------- its ends --------------------------------------------------------------------- */

static bool
stream_end(const struct stream *stream, const char *which, struct resolve_end *end)
{
	nng_sockaddr at;
	if (stream->nng == NULL || nng_stream_get_addr(stream->nng, which, &at) != 0)
		return false;
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_port = at.s_in.sa_port, .sin_addr = {at.s_in.sa_addr}};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = at.s_in6.sa_port};
	memcpy(&in6.sin6_addr, at.s_in6.sa_addr, sizeof in6.sin6_addr);
	*end = at.s_family == NNG_AF_INET ? resolve_end(&in) : resolve_end(&in6);
	return true;
}

void
stream_address(const struct stream *stream, char text[STREAM_ADDRESS_SIZE])
{
	struct resolve_end end;
	char host[INET6_ADDRSTRLEN] = "?";
	snprintf(text, STREAM_ADDRESS_SIZE, "unknown");
	if (!stream_end(stream, NNG_OPT_REMADDR, &end))
		return;
	bool four = IN6_IS_ADDR_V4MAPPED(&end.host);
	inet_ntop(four ? AF_INET : AF_INET6, end.host.s6_addr + (four ? 12 : 0), host, sizeof host);
	snprintf(text, STREAM_ADDRESS_SIZE, four ? "%s:%u" : "[%s]:%u", host, ntohs(end.port));
}

struct in6_addr
stream_host(const struct stream *stream)
{
	struct resolve_end end = {0};
	stream_end(stream, NNG_OPT_REMADDR, &end);
	return end.host;
}

static bool
fd_has_end(int fd, bool peer, const struct resolve_end *end)
{
	struct sockaddr_storage at;
	socklen_t size = sizeof at;
	if ((peer ? getpeername(fd, (struct sockaddr *)&at, &size)
		  : getsockname(fd, (struct sockaddr *)&at, &size)) != 0)
		return false;
	struct resolve_end found = resolve_end(&at);
	return found.port == end->port && IN6_ARE_ADDR_EQUAL(&found.host, &end->host);
}

/* NNG does not give its descriptor, so it is looked for.  -1: the connection has ended. */
static int
stream_fd(const struct stream *stream)
{
	struct resolve_end local, remote;
	if (!stream_end(stream, NNG_OPT_LOCADDR, &local) ||
	    !stream_end(stream, NNG_OPT_REMADDR, &remote))
		return -1;
	for (int fd = 0; fd < FDS_MAX; fd++)
		if (fd_has_end(fd, true, &remote) && fd_has_end(fd, false, &local))
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
