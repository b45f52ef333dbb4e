/* SPDX-License-Identifier: MIT */
/* settings.h - a configuration file made of dotted settings, so that tests say only
 * theirs. */
#ifndef TESTS_SUPPORT_SETTINGS_H
#define TESTS_SUPPORT_SETTINGS_H

#include "common/buf.h"

#include <stdarg.h>

enum {
	SETTINGS_MAX = 128
};

struct settings {
	struct {
		char *path;  /* "queue.lease_sec" */
		char *value; /* libconfig text: 6, "text", ( 80, 443 ), { a = 1; } */
	} at[SETTINGS_MAX];
	size_t n;
};

/* Sets or replaces. A value of NULL takes the setting away. */
void settings_set(struct settings *s, const char *path, const char *value);
void settings_setf(struct settings *s, const char *path, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void settings_vsetf(struct settings *s, const char *path, const char *fmt, va_list ap)
    PRINTF_LIKE(3, 0);
const char *settings_get(const struct settings *s, const char *path); /* or NULL */

/* The libconfig text. */
void settings_write(const struct settings *s, struct buf *out);
void settings_release(struct settings *s);

#endif
