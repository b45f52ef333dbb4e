/* SPDX-License-Identifier: MIT */
/*
 * value.c - the order of values in tables, and their hashes.
 *
 * Owns:   nothing.
 * Called: by sort, filter, groupby and join, for every row.
 * Fails:  never.
 */
#include "config.h"

#include "compute/value.h"

#include <string.h>

enum value_rank
value_rank(const struct json *v)
{
	static const uint8_t ranks[JSON_TYPE_COUNT] = { [JSON_NULL] = RANK_NONE,
		[JSON_BOOL] = RANK_BOOL,
		[JSON_NUMBER] = RANK_NUMBER,
		[JSON_STRING] = RANK_TEXT,
		[JSON_ARRAY] = RANK_OTHER,
		[JSON_OBJECT] = RANK_OTHER };

	return v == NULL ? RANK_NONE : (enum value_rank)ranks[v->type];
}

static int
compare_text(const struct json *a, const struct json *b)
{
	uint32_t n = a->len < b->len ? a->len : b->len;
	int c = n == 0 ? 0 : memcmp(a->text, b->text, n);

	return c != 0 ? c : a->len < b->len ? -1 : a->len > b->len;
}

int
value_compare_same_rank(const struct json *a, const struct json *b)
{
	switch (value_rank(a)) {
	case RANK_NUMBER:
		return json_number_compare(a, b);
	case RANK_TEXT:
		return compare_text(a, b);
	case RANK_BOOL:
		return (int)a->len - (int)b->len;
	case RANK_OTHER:
	case RANK_NONE:
	case RANK_COUNT:
	default:
		return 0;
	}
}

int
value_compare(const struct json *a, const struct json *b)
{
	enum value_rank x = value_rank(a), y = value_rank(b);

	return x != y ? (int)x - (int)y : value_compare_same_rank(a, b);
}

static double
double_of(const struct json *v)
{
	double d = 0;

	(void)json_double(v, &d);
	return d == 0 ? 0 : d; /* minus zero is zero */
}

/* Bits that rise with the number: the sign flips all, or itself only. */
static uint64_t
rising_bits(double d)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static uint64_t
text_prefix(const struct json *v)
{
	uint64_t bits = 0;

	memcpy(&bits, v->text, v->len < 8 ? v->len : 8);
	return __builtin_bswap64(bits);
}

uint64_t
value_prefix(const struct json *v, enum value_rank rank)
{
	switch (rank) {
	case RANK_NUMBER:
		return rising_bits(double_of(v));
	case RANK_TEXT:
		return v->len == 0 ? 0 : text_prefix(v);
	case RANK_BOOL:
		return v->len;
	case RANK_OTHER:
	case RANK_NONE:
	case RANK_COUNT:
	default:
		return 0;
	}
}

static uint64_t
mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static uint64_t
hash_bytes(uint64_t h, const char *p, size_t n)
{
	uint64_t word;

	h = mix(h, n);
	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&word, p, 8);
		h = mix(h, word);
	}
	word = 0;
	for (size_t i = 0; i < n; i++)
		word = word << 8 | (unsigned char)p[i];
	return mix(h, word);
}

/* Members in any order, of duplicates the last: the sum of their hashes. */
static uint64_t
hash_object(uint64_t seed, const struct json *v)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < v->len; i++) {
		const struct json_member *m = &v->members[i];

		if (json_get_hashed(v, m->name, m->name_len, m->name_hash) != &m->value)
			continue;
		sum += hash_bytes(value_hash(seed, &m->value), m->name, m->name_len);
	}
	return mix(seed, sum);
}

uint64_t
value_hash(uint64_t seed, const struct json *v)
{
	uint64_t h;

	if (value_is_none(v))
		return mix(seed, 0);
	h = mix(seed, v->type);
	switch ((enum json_type)v->type) {
	case JSON_BOOL:
		return mix(h, v->len);
	case JSON_NUMBER:
		return mix(h, rising_bits(double_of(v)));
	case JSON_STRING:
		return hash_bytes(h, v->text, v->len);
	case JSON_ARRAY:
		for (uint32_t i = 0; i < v->len; i++)
			h = mix(h, value_hash(seed, &v->items[i]));
		return h;
	case JSON_OBJECT:
		return mix(h, hash_object(seed, v));
	case JSON_NULL:
	case JSON_TYPE_COUNT:
	default:
		return h;
	}
}

bool
value_same(const struct json *a, const struct json *b)
{
	if (value_is_none(a) || value_is_none(b))
		return value_is_none(a) && value_is_none(b);
	return json_equal(a, b);
}
