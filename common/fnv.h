/* SPDX-License-Identifier: MIT */
/*
 * fnv.h - FNV-1a with 128 bits: names for byte strings that we made ourselves (prompt
 * hashes, idempotency keys). Not for anything that an enemy may want to collide.
 */
#ifndef COMMON_FNV_H
#define COMMON_FNV_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct fnv {
	unsigned __int128 h;
};

static inline void
fnv_init(struct fnv *f)
{
	f->h = (unsigned __int128)0x6c62272e07bb0142 << 64 | 0x62b821756295c58d;
}

static inline void
fnv_add(struct fnv *f, const void *bytes, size_t n)
{
	const unsigned char *p = (const unsigned char *)bytes;
	const unsigned __int128 prime =
	    (unsigned __int128)0x0000000001000000 << 64 | 0x13b;

	for (size_t i = 0; i < n; i++)
		f->h = (f->h ^ p[i]) * prime;
}

/* A string with its end, so that "ab","c" and "a","bc" differ. */
static inline void
fnv_adds(struct fnv *f, const char *s)
{
	fnv_add(f, s, strlen(s) + 1);
}

static inline void
fnv_hex(const struct fnv *f, char out[33])
{
	(void)snprintf(out, 33, "%016llx%016llx", (unsigned long long)(f->h >> 64),
	    (unsigned long long)f->h);
}

#endif
