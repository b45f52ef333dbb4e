/* SPDX-License-Identifier: MIT */
/*
 * printable.c - keeps foreign text from giving orders to a terminal.
 *
 * Owns:   nothing.
 * Called: for log lines, for what children show in their slot files, for secrets.
 * Fails:  never.
 */
#include "config.h"

#include "common/printable.h"

#include <string.h>

size_t
utf8_next(const char *text, size_t n, uint32_t *out)
{
	const unsigned char *s = (const unsigned char *)text;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t want = s[0] < 0x80   ? 1
	    : (s[0] & 0xe0) == 0xc0 ? 2
	    : (s[0] & 0xf0) == 0xe0 ? 3
	    : (s[0] & 0xf8) == 0xf0 ? 4
				    : 0;
	uint32_t cp = want == 1 ? s[0] : s[0] & (0x7fu >> want);

	if (want == 0 || want > n)
		return 0;
	for (size_t i = 1; i < want; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3f);
	}
	if (cp < least[want] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*out = cp;
	return want;
}

size_t
printable_length(const char *s, size_t n)
{
	uint32_t cp = 0;
	size_t len = utf8_next(s, n, &cp);

	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) ? 0 : len;
}

size_t
printable_in_line(const char *s, size_t n)
{
	uint32_t cp = 0;

	(void)utf8_next(s, n, &cp);
	if (cp == 0x2028 || cp == 0x2029 || (cp >= 0x202a && cp <= 0x202e) ||
	    (cp >= 0x2066 && cp <= 0x2069))
		return 0;
	return printable_length(s, n);
}

void
printable_make(char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0, len; i < n; i += len) {
		len = printable_length(text + i, n - i);
		if (len == 0) {
			text[i] = '?';
			len = 1;
		}
	}
}
