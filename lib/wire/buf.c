/* SPDX-License-Identifier: ISC */
/* Growing buffers. */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raft/types.h"

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
		must(bytes != NULL);
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
wire_buf_printf(struct wire_buf *buf, const char *format, ...)
{
	enum { MOST_TEXTS = 256 };
	va_list args, again;
	size_t start = buf->size;
	va_start(args, format);
	va_copy(again, args);
	int size = vsnprintf((char *)wire_buf_add(buf, MOST_TEXTS), MOST_TEXTS, format, args);
	must(size >= 0);
	buf->size = start;
	if (size >= MOST_TEXTS)
		vsnprintf(
		    (char *)wire_buf_add(buf, (size_t)size + 1), (size_t)size + 1, format, again);
	buf->size = start + (size_t)size;
	va_end(again);
	va_end(args);
}

void
wire_buf_drop(struct wire_buf *buf, size_t size)
{
	if (size == 0)
		return;
	memmove(buf->bytes, buf->bytes + size, buf->size - size);
	buf->size -= size;
}

size_t
wire_number_put(char *out, uint64_t number)
{
	char digits[WIRE_NUMBER_MAX];
	size_t count = 0;
	do
		digits[count++] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	for (size_t i = 0; i < count; i++)
		out[i] = digits[count - 1 - i];
	return count;
}
