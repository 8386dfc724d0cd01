/* SPDX-License-Identifier: ISC */
/* Standard output, a piece at a time. */
#include "output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "prog/tool.h"

void
output_start(struct append_output *output, struct loop *loop)
{
	output->polled = loop_poll_output(loop, &output->poll, STDOUT_FILENO);
	if (output->polled)
		uv_unref((uv_handle_t *)&output->poll);
}

static void
output_on_room(uv_poll_t *poll, int status, int events)
{
	/* The turn that it begins writes, and sees an error. */
	(void)poll, (void)status, (void)events;
}

static void
output_await_room(struct append_output *output)
{
	if (!output->polled)
		return;
	if (output->buf.size > 0)
		uv_poll_start(&output->poll, UV_WRITABLE, output_on_room);
	else
		uv_poll_stop(&output->poll);
}

/* A pipe that has room at all has room for PIPE_BUF bytes. */
bool
output_flush(struct append_output *output)
{
	struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
	struct wire_buf *buf = &output->buf;
	size_t at = 0, piece;
	bool ok = true;
	for (; at < buf->size && ok && poll(&room, 1, 0) == 1; at += piece) {
		piece = buf->size - at < PIPE_BUF ? buf->size - at : PIPE_BUF;
		ok = tool_output(buf->bytes + at, piece);
	}
	int saved = errno;
	wire_buf_drop(buf, ok ? at : buf->size);
	output_await_room(output);
	errno = saved;
	return ok;
}
