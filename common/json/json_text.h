/* SPDX-License-Identifier: MIT */
/*
 * json_text.h - what reader, values and writer share: flags of values, bytes of text.
 * Private to common/json.
 */
#ifndef COMMON_JSON_JSON_TEXT_H
#define COMMON_JSON_JSON_TEXT_H

#include "common/json/json.h"

#include <string.h>

enum {
	JSON_FLAG_INTEGER = 1, /* number: no fraction, no exponent */
	JSON_FLAG_PLAIN = 2    /* string: checked UTF-8 that needs no escape */
};

/* Bytes that end the plain part of a string: control, quote, backslash, not ASCII. */
static inline uint64_t
json_special_bytes(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
	uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');

	return ((word - ones * 0x20) | (quote - ones) | (slash - ones) | word) & high;
}

/* The first byte at or after p that is special, or end. */
static inline const char *
json_plain_end(const char *p, const char *end)
{
	while (end - p >= 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		if (json_special_bytes(word) != 0)
			break;
		p += 8;
	}
	while (p < end) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x20 || c == '"' || c == '\\' || c >= 0x80)
			break;
		p++;
	}
	return p;
}

/* Bytes of the UTF-8 sequence at p whose first byte is not ASCII; 0 when it is none. */
unsigned json_utf8_len(const char *p, const char *end);

/* The end of the number that starts at p, or NULL; *is_integer as JSON_FLAG_INTEGER. */
const char *json_number_end(const char *p, const char *end, bool *is_integer);

/* For qsort of struct json_member pointers: by code point, of duplicates the last
   last. */
int json_member_compare(const void *a, const void *b);

/* The shortest text that reads back as the finite d; returns its length. */
size_t json_double_text(double d, char text[32]);

#endif
