/* SPDX-License-Identifier: ISC */
/*
 * Random numbers of the simulator: xoshiro256**, seeded by splitmix64.
 *
 * Everything random in a run comes from here, so that a seed is a run.
 */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
/* In [0, limit); limit must not be 0. */
uint64_t rng_below(struct rng *rng, uint64_t limit);
/* In [low, high]. */
uint64_t rng_range(struct rng *rng, uint64_t low, uint64_t high);
/* True in `ppm` of a million cases. */
bool rng_chance(struct rng *rng, uint32_t ppm);
/* A good hash of two words: the simulator's only hash function. */
uint64_t rng_mix(uint64_t a, uint64_t b);

#endif
