/* SPDX-License-Identifier: MIT */
/*
 * err.c - error codes with a sentence.
 *
 * Owns:   nothing; the caller's struct err is written, cut at its size.
 * Called: by everything that can fail.
 * Fails:  never.
 */
#include "config.h"

#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

__attribute__((noreturn)) void
assert_failed(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
	abort();
}

int
err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return code;
	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

int
err_prefix(struct err *err, int code, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	va_list ap;
	int n;

	if (err == NULL)
		return code;
	(void)snprintf(old, sizeof(old), "%s", err_text(err));
	err->code = code;
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n + 2 < sizeof(err->text)) {
		size_t room = sizeof(err->text) - (size_t)n - 3, len = strlen(old);

		memcpy(err->text + n, ": ", 2);
		memcpy(err->text + n + 2, old, len < room ? len : room);
		err->text[(size_t)n + 2 + (len < room ? len : room)] = '\0';
	}
	return code;
}

const char *
err_text(const struct err *err)
{
	if (err == NULL)
		return "unknown error";
	return err->text[0] != '\0' ? err->text : strerror(-err->code);
}
