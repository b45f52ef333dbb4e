/* SPDX-License-Identifier: MIT */
/*
 * resp.c - finds the ends of RESP2 values: commands one way, replies the other.
 *
 * Owns:   nothing.
 * Called: by redis_proxy.c.
 * Fails:  -EPROTO for what is no RESP2.
 */
#include "config.h"

#include "tests/support/redis_proxy/resp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ssize_t
resp_length(const char *text, size_t n)
{
	size_t at = 0;

	/* Each value takes one from what is left; an array adds its items. */
	for (long long left = 1; left > 0; left--) {
		const char *eol = memmem(text + at, n - at, "\r\n", 2);
		char type = at < n ? text[at] : '\0';
		long long len;

		if (eol == NULL)
			return n - at > 64 * 1024 ? -EPROTO : 0;
		len = strtoll(text + at + 1, NULL, 10);
		at = (size_t)(eol - text) + 2;
		switch (type) {
		case '+':
		case '-':
		case ':':
			break;
		case '*':
			left += len > 0 ? len : 0;
			break;
		case '$':
			if (len < 0)
				break;
			if (n - at < (size_t)len + 2)
				return 0;
			at += (size_t)len + 2;
			break;
		default:
			return -EPROTO;
		}
	}
	return (ssize_t)at;
}

void
resp_name(const char *text, size_t n, char *out, size_t max)
{
	const char *p = memchr(text, '$', n), *eol;
	size_t len;

	out[0] = '\0';
	if (p == NULL || (eol = memmem(p, n - (size_t)(p - text), "\r\n", 2)) == NULL)
		return;
	len = strtoul(p + 1, NULL, 10);
	if (len > n - (size_t)(eol + 2 - text))
		return;
	(void)snprintf(out, max, "%.*s", (int)(len < max ? len : max - 1), eol + 2);
}
