/* SPDX-License-Identifier: MIT */
/*
 * clock.h - monotonic milliseconds for durations and deadlines, wall time for people.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_ms(void); /* CLOCK_MONOTONIC in ms */
uint64_t clock_mono_us(void); /* CLOCK_MONOTONIC in us */
int64_t clock_wall_ms(void);  /* ms since 1970-01-01T00:00:00Z */

enum {
	CLOCK_ISO_MAX = 32
};

/* Writes "2026-01-31T12:00:00.123Z" (RFC 3339, UTC) and returns out. */
char *clock_iso(int64_t wall_ms, char out[CLOCK_ISO_MAX]);

/*
 * Reads an RFC 3339 date-time of n bytes ("Z" or offset, optional fraction; a blank for
 * 'T' is allowed). Returns 0, or -EINVAL with *wall_ms untouched.
 */
int clock_parse_iso(const char *text, size_t n, int64_t *wall_ms);

#endif
