/* SPDX-License-Identifier: MIT */
/*
 * value.h - the order of values in tables, and their hashes.
 */
#ifndef COMPUTE_VALUE_H
#define COMPUTE_VALUE_H

#include "common/json/json.h"

/* Numbers, then text, then booleans, then lists and objects (which are all equal). */
enum value_rank {
	RANK_NUMBER,
	RANK_TEXT,
	RANK_BOOL,
	RANK_OTHER,
	RANK_NONE, /* null and missing */
	RANK_COUNT
};

enum value_rank value_rank(const struct json *v); /* NULL is missing */

/* Below 0, 0, above 0; both of the same rank. Numbers by exact value, text by code
 * point. */
int value_compare_same_rank(const struct json *a, const struct json *b);

/* The total order; null and missing last. */
int value_compare(const struct json *a, const struct json *b);

/* Eight bytes that order values of one rank as far as they reach. */
uint64_t value_prefix(const struct json *v, enum value_rank rank);

/* Equal values (json_equal) have equal hashes; null and missing too. */
uint64_t value_hash(uint64_t seed, const struct json *v);

/* json_equal, but null and missing are equal. */
bool value_same(const struct json *a, const struct json *b);

static inline bool
value_is_none(const struct json *v)
{
	return v == NULL || v->type == JSON_NULL;
}

#endif
