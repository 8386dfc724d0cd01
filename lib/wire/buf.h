/* SPDX-License-Identifier: ISC */
/* A growing run of bytes: what is to be written.  Memory failure ends the process (EX_OSERR). */
#ifndef WIRE_BUF_H
#define WIRE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct wire_buf {
	uint8_t *bytes;
	size_t size;
	size_t room;
};

void wire_buf_free(struct wire_buf *buf);
/* Room for `size` bytes more at the end; returns where they go and counts them in. */
uint8_t *wire_buf_add(struct wire_buf *buf, size_t size);
void wire_buf_put(struct wire_buf *buf, const void *bytes, size_t size);
/* Drops the first `size` bytes. */
void wire_buf_drop(struct wire_buf *buf, size_t size);

void wire_put_u16(uint8_t *out, uint16_t v);
void wire_put_u32(uint8_t *out, uint32_t v);
void wire_put_u64(uint8_t *out, uint64_t v);
uint16_t wire_get_u16(const uint8_t *in);
uint32_t wire_get_u32(const uint8_t *in);
uint64_t wire_get_u64(const uint8_t *in);

#endif
