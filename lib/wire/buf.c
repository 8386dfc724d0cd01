/* SPDX-License-Identifier: ISC */
/* Growing buffers, and integers as big-endian bytes. */
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

void
wire_put_u16(uint8_t *out, uint16_t v)
{
	out[0] = (uint8_t)(v >> 8);
	out[1] = (uint8_t)v;
}

void
wire_put_u32(uint8_t *out, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(v >> (24 - 8 * i));
}

void
wire_put_u64(uint8_t *out, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (56 - 8 * i));
}

uint16_t
wire_get_u16(const uint8_t *in)
{
	return (uint16_t)(in[0] << 8 | in[1]);
}

uint32_t
wire_get_u32(const uint8_t *in)
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

uint64_t
wire_get_u64(const uint8_t *in)
{
	return (uint64_t)wire_get_u32(in) << 32 | wire_get_u32(in + 4);
}
