/* SPDX-License-Identifier: ISC */
/*
 * xoshiro256** by Blackman and Vigna, written from its published description.
 */
#include "rng.h"

static uint64_t
rotate(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

static uint64_t
splitmix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void
rng_seed(struct rng *rng, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		rng->s[i] = splitmix(&seed);
}

uint64_t
rng_next(struct rng *rng)
{
	uint64_t *s = rng->s;
	uint64_t result = rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

/* The bias of a remainder is below 2^-40 for all limits used here. */
uint64_t
rng_below(struct rng *rng, uint64_t limit)
{
	return rng_next(rng) % limit;
}

uint64_t
rng_range(struct rng *rng, uint64_t low, uint64_t high)
{
	return low + rng_below(rng, high - low + 1);
}

bool
rng_chance(struct rng *rng, uint32_t ppm)
{
	return ppm > 0 && rng_below(rng, 1000000) < ppm;
}

uint64_t
rng_mix(uint64_t a, uint64_t b)
{
	uint64_t state = a ^ rotate(b, 32) * 0xd6e8feb86659fd93u;

	return splitmix(&state);
}
