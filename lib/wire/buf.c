/* SPDX-License-Identifier: ISC */
/* Growing buffers. */
#include "buf.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

void
wire_buf_free(struct wire_buf *buf)
{
	free(buf->bytes);
	*buf = (struct wire_buf){0};
}

uint8_t *
wire_buf_add(struct wire_buf *buf, size_t size)
{
	if (size > buf->room - buf->size) {
		size_t room = buf->room ? buf->room : 4096;
		while (size > room - buf->size)
			room *= 2;
		uint8_t *bytes = realloc(buf->bytes, room);
		if (bytes == NULL)
			err(EX_OSERR, "no memory for a buffer of %zu bytes", room);
		buf->bytes = bytes;
		buf->room = room;
	}
	uint8_t *at = buf->bytes + buf->size;
	buf->size += size;
	return at;
}

void
wire_buf_put(struct wire_buf *buf, const void *bytes, size_t size)
{
	if (size > 0)
		memcpy(wire_buf_add(buf, size), bytes, size);
}

void
wire_buf_drop(struct wire_buf *buf, size_t size)
{
	if (size == 0)
		return;
	memmove(buf->bytes, buf->bytes + size, buf->size - size);
	buf->size -= size;
}
