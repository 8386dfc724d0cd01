/* SPDX-License-Identifier: ISC */
/* A growing run of bytes.  A failed allocation ends the process through raft_must_fail. */
#ifndef WIRE_BUF_H
#define WIRE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "raft/bytes.h"

struct wire_buf {
	uint8_t *bytes;
	size_t size;
	size_t room;
};

void wire_buf_free(struct wire_buf *buf);
/* Room for `size` bytes more at the end; returns where they go and counts them in. */
uint8_t *wire_buf_add(struct wire_buf *buf, size_t size);
void wire_buf_put(struct wire_buf *buf, const void *bytes, size_t size);
/* Text without a NUL at the end. */
__attribute__((format(printf, 2, 3))) void wire_buf_printf(
    struct wire_buf *buf, const char *format, ...);
/* Drops the first `size` bytes. */
void wire_buf_drop(struct wire_buf *buf, size_t size);

/* Writes the number in decimal, without a NUL; much cheaper than printf.  Bytes written. */
enum { WIRE_NUMBER_MAX = 20 };
size_t wire_number_put(char *out, uint64_t number);

#endif
