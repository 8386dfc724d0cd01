/* SPDX-License-Identifier: ISC */
/* Pieces of JSON, appended to a buffer. */
#ifndef CLIENT_JSON_H
#define CLIENT_JSON_H

#include "wire/buf.h"

#include <stdbool.h>

/* Well-formed UTF-8 without surrogates (RFC 3629). */
bool json_utf8(const uint8_t *bytes, size_t size);
/* A string with its quotes.  Before: json_utf8. */
void json_put_string(struct wire_buf *out, const uint8_t *bytes, size_t size);
/* The same with the base64 of any bytes (RFC 4648, padded). */
void json_put_base64(struct wire_buf *out, const uint8_t *bytes, size_t size);
void json_put_u64(struct wire_buf *out, uint64_t number);
/* As it is. */
void json_put_raw(struct wire_buf *out, const char *text);

#endif
