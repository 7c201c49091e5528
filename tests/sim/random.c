/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * random.c: the one generator of a run: xoshiro256**, seeded by splitmix64 (both by Blackman and
 * Vigna, public domain algorithms). Nothing else in the simulator is random.
 */
#include "sim.h"

void random_seed(struct random *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = (seed += 0x9E3779B97F4A7C15U);

		z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
		z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
		r->s[i] = z ^ (z >> 31);
	}
}

static uint64_t rotate(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t random_next(struct random *r)
{
	uint64_t result = rotate(r->s[1] * 5, 7) * 9, t = r->s[1] << 17;

	r->s[2] ^= r->s[0];
	r->s[3] ^= r->s[1];
	r->s[1] ^= r->s[2];
	r->s[0] ^= r->s[3];
	r->s[2] ^= t;
	r->s[3] = rotate(r->s[3], 45);
	return result;
}

uint32_t sim_below(struct sim *s, uint32_t n)
{
	return n == 0 ? 0 : (uint32_t)(((random_next(&s->random) >> 32) * n) >> 32);
}

bool sim_chance(struct sim *s, uint32_t percent)
{
	return sim_below(s, 100) < percent;
}

uint64_t sim_between(struct sim *s, uint64_t a, uint64_t b)
{
	return a >= b ? a : a + random_next(&s->random) % (b - a + 1);
}

uint64_t sim_lateness(struct sim *s)
{
	if (!s->is_late || s->is_healing || random_next(&s->delays) % 2 == 0)
		return 0;
	return random_next(&s->delays) % (s->timeout_ms * 6000ULL);
}

uint64_t sim_delay(struct sim *s, uint64_t typical_us)
{
	uint32_t kind = sim_below(s, 64);

	if (kind == 0)
		return sim_between(s, 0, typical_us * 30);
	if (kind < 8)
		return sim_between(s, 0, typical_us * 5);
	return sim_between(s, 0, typical_us);
}
