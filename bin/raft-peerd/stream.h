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

struct stream_calls {
	/*
	 * On a thread of NNG's, once for each stream_receive: that many bytes have come.  0: the
	 * connection has ended, and stream_why says why.
	 */
	void (*received)(size_t size, void *arg);
	/* In the loop: the dial has ended, what stream_send_rest was given has been sent, or after
	 * stream_wake. */
	void (*woken)(void *arg);
};

struct streams_calls {
	/* A connection was accepted; it is the callee's. */
	void (*accepted)(struct stream *stream, void *arg);
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
struct stream *stream_dial(struct streams *streams, const char *url,
    const struct stream_calls *calls, void *arg, char *why);
/* For one that was accepted. */
void stream_use(struct stream *stream, const struct stream_calls *calls, void *arg);
/* Closes the connection; when it returns nothing is called any more.  Takes NULL. */
void stream_free(struct stream *stream);

/* 0: the dial has not ended; 1: connected; -1: it has failed, and stream_why says why. */
int stream_dialed(struct stream *stream);
/* Why the last call or operation failed; one sentence that is valid until the next. */
const char *stream_why(const struct stream *stream);

/*
 * Receives into the place, which must stay until `received` is called; one at a time.
 * From the thread that receives.
 */
void stream_receive(struct stream *stream, void *at, size_t room);
/* Sends what can be sent at once: how much that was, or -1 when the connection has ended. */
ssize_t stream_send(struct stream *stream, const void *bytes, size_t size);
/*
 * Sends when there is room: at least one byte, perhaps not all.  The bytes must stay until
 * stream_sent says how much it was.
 */
void stream_send_rest(struct stream *stream, const void *bytes, size_t size);
/* What came of it: 0 not sent yet, otherwise as stream_send. */
ssize_t stream_sent(struct stream *stream);
/* From any thread: `woken` is called in the loop, once for any number of these. */
void stream_wake(struct stream *stream);

/* The other end as text. */
enum { STREAM_ADDRESS_SIZE = 64 };
void stream_address(const struct stream *stream, char text[STREAM_ADDRESS_SIZE]);
struct resolve_host stream_host(const struct stream *stream);
/*
 * Limits what waits in the kernel, which urgent frames cannot overtake.  rate: bytes a second that
 * the kernel sends at most, evenly; 0: no limit.
 */
void stream_limit(struct stream *stream, uint64_t rate);

#endif
