/* SPDX-License-Identifier: ISC */
/*
 * What each stand-in for bin/raft-peerd/stream.c and main.c does alike.  It is included after
 * struct stream, which has at least `received`, `arg` and `events`.
 */
#ifndef UNIT_PEERD_STUB_H
#define UNIT_PEERD_STUB_H

void
stream_use(struct stream *stream, void (*received)(size_t size, void *arg), void *arg)
{
	stream->received = received;
	stream->arg = arg;
}

unsigned
stream_events(struct stream *stream)
{
	unsigned events = stream->events;
	stream->events = 0;
	return events;
}

void
stream_wake(struct stream *stream, enum stream_event event)
{
	stream->events |= event;
}

const char *
stream_why(const struct stream *stream)
{
	(void)stream;
	return "closed";
}

/* stream_send takes all at once, so nothing is left to be sent later. */
size_t
stream_sent(struct stream *stream, size_t size)
{
	(void)stream, (void)size;
	must(false);
	return 0;
}

void
stream_limit(struct stream *stream, uint64_t rate)
{
	(void)stream, (void)rate;
}

void
peerd_hurry(struct peerd *peerd)
{
	(void)peerd;
}

void
peerd_fingerprint(char out[FINGERPRINT_SIZE], const uint8_t key[SEAL_KEY_SIZE])
{
	seal_hex(out, key, (FINGERPRINT_SIZE - 1) / 2);
}

static void
on_drained(void *arg)
{
	connections_resume(arg);
}

#endif
