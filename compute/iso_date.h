/* SPDX-License-Identifier: MIT */
/* iso_date.h - dates and times of ISO 8601, and of strptime formats, as UTC. */
#ifndef COMPUTE_ISO_DATE_H
#define COMPUTE_ISO_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ISO_DATE_MAX = 48
};

struct instant {
	int64_t sec; /* since 1970-01-01T00:00:00Z */
	uint32_t nsec;
};

/*
 * ISO 8601 as people write it: 2024-01-31, 20240131, 2024-01, with a time after 'T' or
 * a blank (10, 10:20, 10:20:30, 10:20:30.5, 102030), with Z, +02, +02:00 or nothing
 * (UTC).
 */
bool iso_date_read(const char *text, size_t n, struct instant *out);

/* text must be NUL-terminated; the format must use it up; no offset means UTC. */
bool strptime_read(const char *text, const char *format, struct instant *out);

/* "2024-01-31T10:20:30Z", with a fraction only where there is one; returns the length.
   0 for a year beyond 0000 to 9999. */
size_t iso_date_write(const struct instant *t, char out[ISO_DATE_MAX]);

#endif
