/* SPDX-License-Identifier: ISC */
/*
 * Asks one daemon one question: ask SOCKET [WHAT].
 *
 * Prints the text of its answer, or its refusal and exits 1.  WHAT is "status" unless given.
 */
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "unix/exit.h"
#include "unix/sock.h"
#include "wire/message.h"

enum { PATIENCE_MS = 10000 };

static void
send_all(int fd, const struct wire_buf *out)
{
	if (send(fd, out->bytes, out->size, MSG_NOSIGNAL) != (ssize_t)out->size)
		err(EXIT_OS, "send");
}

/* The next frame's number; its body lies in `in`. */
static uint16_t
next_frame(int fd, struct wire_buf *in, const uint8_t **body, size_t *size)
{
	struct wire_frame frame;
	while (frame_get(in->bytes, in->size, FRAME_SIZE_MAX, &frame) == 0) {
		struct pollfd readable = {.fd = fd, .events = POLLIN};
		if (poll(&readable, 1, PATIENCE_MS) != 1)
			errx(EXIT_UNAVAILABLE, "no answer");
		uint8_t bytes[4096];
		ssize_t got = recv(fd, bytes, sizeof bytes, 0);
		if (got <= 0)
			errx(EXIT_UNAVAILABLE, "the connection was closed");
		wire_buf_put(in, bytes, (size_t)got);
	}
	*body = frame.body;
	*size = frame.size;
	return frame.number;
}

int
main(int argc, char **argv)
{
	char why[SOCK_WHY_SIZE];
	struct wire_buf out = {0}, in = {0};
	struct msg_hello_reply hello;
	struct msg_text_reply reply;
	struct msg_refusal refusal;
	const uint8_t *body;
	size_t size;
	if (argc < 2)
		errx(EXIT_USAGE, "usage: ask SOCKET [WHAT]");
	int fd = sock_connect(argv[1], why);
	if (fd < 0)
		errx(EXIT_UNAVAILABLE, "%s", why);
	msg_hello_put(&out, &(struct msg_hello){WIRE_VERSION_LOW, WIRE_VERSION_HIGH, WIRE_CLIENT,
				wire_text("ask")});
	send_all(fd, &out);
	if (next_frame(fd, &in, &body, &size) != MSG_HELLO_REPLY ||
	    !msg_hello_reply_get(&hello, body, size))
		errx(EXIT_BUG, "no hello came back");
	in.size = out.size = 0;
	msg_query_text_put(
	    &out, &(struct msg_query_text){1, wire_text(argc > 2 ? argv[2] : "status")});
	send_all(fd, &out);
	uint16_t number = next_frame(fd, &in, &body, &size);
	if (number == MSG_REFUSAL && msg_refusal_get(&refusal, body, size))
		errx(1, "refused: %.*s", (int)refusal.sentence.size,
		    (const char *)refusal.sentence.bytes);
	if (number != MSG_TEXT_REPLY || !msg_text_reply_get(&reply, body, size))
		errx(EXIT_BUG, "an unexpected %s", msg_name(number));
	fwrite(reply.lines.bytes, 1, reply.lines.size, stdout);
	wire_buf_free(&out);
	wire_buf_free(&in);
	return 0;
}
