/* SPDX-License-Identifier: ISC */
/*
 * Preloaded into raft-peerd: randomness of libsodium that is the same each time, so that its
 * handshakes have known bytes.  Secrets are 50 51 52 ...; the first number of 8 bytes is another
 * than all that follow.
 */
#include <stddef.h>
#include <stdint.h>

void randombytes_buf(void *out, size_t size);

void
randombytes_buf(void *out, size_t size)
{
	static uint64_t number = 0x0102030405060708;
	if (size == sizeof number) {
		*(uint64_t *)out = number;
		number = 0x1112131415161718;
		return;
	}
	for (size_t i = 0; i < size; i++)
		((uint8_t *)out)[i] = (uint8_t)(0x50 + i);
}
