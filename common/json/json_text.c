/* SPDX-License-Identifier: MIT */
/*
 * json_text.c - which bytes are UTF-8, and which are a number.
 *
 * Owns:   nothing.
 * Called: by reader, builder and writer.
 * Fails:  by saying that they are not.
 */
#include "config.h"

#include "common/json/json_text.h"

static inline bool
is_tail(const char *p)
{
	return ((unsigned char)*p & 0xc0) == 0x80;
}

unsigned
json_utf8_len(const char *p, const char *end)
{
	unsigned char c = (unsigned char)p[0];
	ptrdiff_t left = end - p;
	unsigned char d;

	if (c < 0xc2 || c > 0xf4 || left < 2 || !is_tail(p + 1))
		return 0;
	d = (unsigned char)p[1];
	if (c < 0xe0)
		return 2;
	if (left < 3 || !is_tail(p + 2))
		return 0;
	if (c < 0xf0)
		return (c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) ? 0 : 3;
	if (left < 4 || !is_tail(p + 3))
		return 0;
	return (c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f) ? 0 : 4;
}

bool
json_is_utf8(const char *text, size_t n)
{
	const char *end = text + n;

	while (text < end) {
		unsigned len = 1;

		if ((unsigned char)*text >= 0x80 &&
		    (len = json_utf8_len(text, end)) == 0)
			return false;
		text += len;
	}
	return true;
}

static inline const char *
digits_end(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

const char *
json_number_end(const char *p, const char *end, bool *is_integer)
{
	const char *q;

	*is_integer = true;
	if (p < end && *p == '-')
		p++;
	q = digits_end(p, end);
	if (q == p || (*p == '0' && q - p > 1))
		return NULL;
	p = q;
	if (p < end && *p == '.') {
		*is_integer = false;
		q = digits_end(p + 1, end);
		if (q == p + 1)
			return NULL;
		p = q;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		*is_integer = false;
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		q = digits_end(p, end);
		if (q == p)
			return NULL;
		p = q;
	}
	return p;
}

bool
json_is_number_text(const char *text, size_t n)
{
	bool is_integer;

	return n > 0 && json_number_end(text, text + n, &is_integer) == text + n;
}
