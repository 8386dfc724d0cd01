/* SPDX-License-Identifier: ISC */
/*
 * TCP connections through NNG's byte streams, and the only file that knows NNG.
 *
 * All functions are called from the loop, but where something else is said.  NNG has threads of its
 * own: on one of these `received` is called.  There it is forbidden to free a stream, to wait and
 * to log.
 */
#ifndef PEERD_STREAM_H
#define PEERD_STREAM_H

#include "unix/loop.h"
#include "resolve.h"

struct streams;
struct stream;

/* What has happened on a thread of NNG's. */
enum stream_event {
	STREAM_LATER =
	    1, /* the dial has ended, or what stream_send could not send at once has gone */
	STREAM_RECEIVED = 2 /* stream_wake was called */
};

struct streams_calls {
	/* A connection was accepted; it is the callee's. */
	void (*accepted)(struct stream *stream, void *arg);
	/* Some streams may have events. */
	void (*woken)(void *arg);
};

/*
 * Whether there are threads enough for NNG.  Ours: NNG up to 1.10 crashes at its start when it
 * cannot make one of its threads.
 */
bool streams_threads(void);
/* One a process. */
struct streams *streams_new(struct loop *loop, const struct streams_calls *calls, void *arg);
/*
 * Listens.  url: tcp://HOST:PORT with a numeric host.  False with errno, and one sentence in why (1
 * KiB). Accepting starts with the loop, and pauses for a moment when the process is short of
 * descriptors.
 */
bool streams_listen(struct streams *streams, const char *url, char *why);

/* Starts to connect to the url, as above.  NULL with one sentence in why (1 KiB). */
struct stream *stream_dial(struct streams *streams, const char *url, char *why);
/*
 * The first call.  received: on a thread of NNG's, once for each stream_receive: that many bytes
 * have come.  0: the connection has ended, and stream_why says why.
 */
void stream_use(struct stream *stream, void (*received)(size_t size, void *arg), void *arg);
/* Closes the connection; when it returns nothing is called any more.  Takes NULL. */
void stream_free(struct stream *stream);

/* The events since the last call, a set of enum stream_event. */
unsigned stream_events(struct stream *stream);
/* From any thread: such an event. */
void stream_wake(struct stream *stream, enum stream_event event);
/* After STREAM_LATER, once: whether the dial has succeeded; if not, stream_why says why. */
bool stream_dialed(struct stream *stream);
/* Why the last call or operation failed; one sentence that is valid until the next. */
const char *stream_why(const struct stream *stream);

/*
 * Receives into the place, which must stay until `received` is called; one at a time.
 * From the thread that receives.
 */
void stream_receive(struct stream *stream, void *at, size_t room);
/*
 * Sends what can be sent at once, and returns how much that was.  The rest must stay: at
 * STREAM_LATER some of it has gone, and stream_sent says how much of these `size` bytes.  On a
 * connection that has ended all bytes go.  The receiving side finds the end.
 */
size_t stream_send(struct stream *stream, const uint8_t *bytes, size_t size);
size_t stream_sent(struct stream *stream, size_t size);

/* The other end as text. */
enum { STREAM_ADDRESS_SIZE = 64 };
void stream_address(const struct stream *stream, char text[STREAM_ADDRESS_SIZE]);
struct in6_addr stream_host(const struct stream *stream);
/*
 * Limits what waits in the kernel, which urgent frames cannot overtake.  rate: bytes a second that
 * the kernel sends at most, evenly; 0: no limit.
 */
void stream_limit(struct stream *stream, uint64_t rate);

#endif
