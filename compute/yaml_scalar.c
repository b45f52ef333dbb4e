/* SPDX-License-Identifier: MIT */
/*
 * yaml_scalar.c - null, booleans and numbers of YAML 1.2, as JSON has them.
 *
 * Owns:   nothing; values are the arena's.
 * Called: by read_yaml.c for each scalar.
 * Fails:  for want of memory; whatever is nothing else is text.
 */
#include "config.h"

#include "compute/yaml_scalar.h"

#include <inttypes.h>
#include <string.h>

#define TAG "tag:yaml.org,2002:"

enum {
	NUMBER_MAX = 400 /* bytes; longer digits are an identifier, not a number */
};

/* clang-format off */
static const struct {
	const char *text;
	enum json_type type;
	bool value;
} words[] = {
	{ "", JSON_NULL, false }, { "~", JSON_NULL, false },
	{ "null", JSON_NULL, false }, { "Null", JSON_NULL, false }, { "NULL", JSON_NULL, false },
	{ "true", JSON_BOOL, true }, { "True", JSON_BOOL, true }, { "TRUE", JSON_BOOL, true },
	{ "false", JSON_BOOL, false }, { "False", JSON_BOOL, false }, { "FALSE", JSON_BOOL, false },
};
/* clang-format on */

static size_t
digits(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && s[i] >= '0' && s[i] <= '9')
		i++;
	return i;
}

/* 0o17 and 0x1F, without a sign. */
static const struct json *
based_number(struct arena *a, const char *s, size_t n)
{
	int base = s[1] == 'o' ? 8 : 16;
	uint64_t value = 0;
	char text[24], *copy;

	for (size_t i = 2; i < n; i++) {
		const char *all = "0123456789abcdef";
		const char *at = s[i] != '\0'
		    ? strchr(all, s[i] >= 'A' && s[i] <= 'F' ? s[i] | 0x20 : s[i])
		    : NULL;

		if (at == NULL || at - all >= base ||
		    __builtin_mul_overflow(value, (uint64_t)base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(at - all), &value))
			return NULL;
	}
	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	copy = arena_strndup(a, text, strlen(text));
	return copy != NULL ? json_new_number(a, copy, strlen(copy)) : NULL;
}

/* [-+]? ( . [0-9]+ | [0-9]+ ( . [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?, written as JSON
   writes it: no plus, no zeros before, digits on both sides of the dot. */
static const struct json *
decimal_number(struct arena *a, const char *s, size_t n)
{
	char out[NUMBER_MAX + 8];
	size_t i = 0, whole, part = 0, at = 0;

	if (i < n && (s[i] == '-' || s[i] == '+')) {
		if (s[i] == '-')
			out[at++] = '-';
		i++;
	}
	whole = digits(s + i, n - i);
	while (whole > 1 && s[i] == '0') {
		i++;
		whole--;
	}
	if (whole == 0)
		out[at++] = '0';
	memcpy(out + at, s + i, whole);
	at += whole;
	i += whole;
	if (i < n && s[i] == '.') {
		part = digits(s + i + 1, n - i - 1);
		if (part > 0) {
			memcpy(out + at, s + i, part + 1);
			at += part + 1;
		}
		i += part + 1;
	}
	if (whole + part == 0)
		return NULL;
	if (i < n && (s[i] == 'e' || s[i] == 'E')) {
		memcpy(out + at, s + i, n - i);
		at += n - i;
		i = n;
	}
	if (i != n || !json_is_number_text(out, at))
		return NULL;
	s = arena_strndup(a, out, at);
	return s != NULL ? json_new_number(a, s, at) : NULL;
}

/* NULL when it is no number (or memory is short, which the arena knows). */
static const struct json *
number_value(struct arena *a, const char *s, size_t n)
{
	if (n == 0 || n > NUMBER_MAX || strchr("+-.0123456789", s[0]) == NULL)
		return NULL;
	if (n > 2 && s[0] == '0' && (s[1] == 'o' || s[1] == 'x'))
		return based_number(a, s, n);
	return decimal_number(a, s, n);
}

static const struct json *
plain_value(struct arena *a, const char *s, size_t n)
{
	const struct json *v;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i].text) == n && memcmp(words[i].text, s, n) == 0)
			return words[i].type == JSON_NULL
			    ? json_new_null(a)
			    : json_new_bool(a, words[i].value);
	v = number_value(a, s, n);
	return v != NULL ? v : json_new_string(a, s, n);
}

const struct json *
yaml_scalar_value(struct arena *a, const char *text, size_t n, const char *tag,
    bool is_plain)
{
	static const char *const resolved[] = { TAG "int", TAG "float", TAG "bool",
		TAG "null" };

	for (size_t i = 0; tag != NULL && i < ARRAY_LEN(resolved); i++)
		if (strcmp(tag, resolved[i]) == 0)
			return plain_value(a, text, n);
	/* "!" and !!str say text; a tag of somebody's own says nothing that we know */
	if (is_plain && (tag == NULL || strncmp(tag, TAG, strlen(TAG)) != 0) &&
	    (tag == NULL || strcmp(tag, "!") != 0))
		return plain_value(a, text, n);
	return json_new_string(a, text, n);
}
