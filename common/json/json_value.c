/* SPDX-License-Identifier: MIT */
/*
 * json_value.c - looking at values: members, paths, equality.
 *
 * Owns:   nothing; values belong to their arena.
 * Called: by everything that reads JSON.
 * Fails:  a missing thing is NULL, a wrong type -EINVAL; nothing here allocates but
 *         json_cstr (arena) and json_equal on large objects (heap, slower without).
 */
#include "config.h"

#include "common/json/json_text.h"

#include <errno.h>

enum {
	EQUAL_SORTS_FROM = 16
}; /* members from which equality sorts instead of searching */

const char *
json_type_name(enum json_type type)
{
	static const char *const names[JSON_TYPE_COUNT] = { [JSON_NULL] = "null",
		[JSON_BOOL] = "boolean",
		[JSON_NUMBER] = "number",
		[JSON_STRING] = "string",
		[JSON_ARRAY] = "array",
		[JSON_OBJECT] = "object" };

	return (unsigned)type < JSON_TYPE_COUNT ? names[type] : "unknown";
}

/* Eight bytes at a time; names are short and only ever filtered by this. */
uint32_t
json_name_hash(const char *name, size_t n)
{
	const uint64_t k = 0x9e3779b97f4a7c15u;
	uint64_t h = (uint64_t)n * k, word;

	for (; n >= 8; name += 8, n -= 8) {
		memcpy(&word, name, 8);
		h = (h ^ word) * k;
		h ^= h >> 32;
	}
	word = 0;
	for (size_t i = 0; i < n; i++)
		word = word << 8 | (unsigned char)name[i];
	h = (h ^ word) * k;
	return (uint32_t)(h >> 32);
}

const struct json *
json_get_hashed(const struct json *object, const char *name, size_t n, uint32_t hash)
{
	const struct json_member *m;

	if (!json_is(object, JSON_OBJECT))
		return NULL;
	for (uint32_t i = object->len; i > 0; i--) {
		m = &object->members[i - 1];
		if (m->name_hash == hash && m->name_len == n &&
		    (n == 0 || memcmp(m->name, name, n) == 0))
			return &m->value;
	}
	return NULL;
}

const struct json *
json_get_n(const struct json *object, const char *name, size_t n)
{
	return json_get_hashed(object, name, n, json_name_hash(name, n));
}

const struct json *
json_get(const struct json *object, const char *name)
{
	return json_get_n(object, name, strlen(name));
}

const struct json *
json_get_typed(const struct json *object, const char *name, enum json_type type)
{
	const struct json *v = json_get(object, name);

	return json_is(v, type) ? v : NULL;
}

/* One step of a path: a member, or an array's item by its decimal number. */
static const struct json *
step_into(const struct json *v, const char *name, size_t n)
{
	uint64_t index = 0;

	if (!json_is(v, JSON_ARRAY))
		return json_get_n(v, name, n);
	if (n == 0 || n > 10 || (name[0] == '0' && n > 1))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (name[i] < '0' || name[i] > '9')
			return NULL;
		index = index * 10 + (uint64_t)(name[i] - '0');
	}
	return index < v->len ? &v->items[index] : NULL;
}

const struct json *
json_path(const struct json *v, const char *path, size_t n)
{
	const struct json *found = v == NULL ? NULL : step_into(v, path, n);

	for (size_t i = n; found == NULL && v != NULL && i > 0; i--) {
		const struct json *below;

		if (path[i - 1] != '.')
			continue;
		below = step_into(v, path, i - 1);
		if (below != NULL)
			found = json_path(below, path + i, n - i);
	}
	return found;
}

bool
json_is_true(const struct json *v)
{
	return json_is(v, JSON_BOOL) && v->len != 0;
}

bool
json_eq_str(const struct json *v, const char *text)
{
	size_t n = strlen(text);

	return json_is(v, JSON_STRING) && v->len == n &&
	    (n == 0 || memcmp(v->text, text, n) == 0);
}

const char *
json_cstr(struct arena *a, const struct json *v)
{
	if (!json_is(v, JSON_STRING) ||
	    (v->len > 0 && memchr(v->text, 0, v->len) != NULL))
		return NULL;
	return arena_strndup(a, v->text, v->len);
}

/* ---- deep equality ---- */

int
json_member_compare(const void *a, const void *b)
{
	const struct json_member *const *x = a, *const *y = b;
	size_t n = (*x)->name_len < (*y)->name_len ? (*x)->name_len : (*y)->name_len;
	int c = memcmp((*x)->name, (*y)->name, n);

	if (c != 0)
		return c;
	if ((*x)->name_len != (*y)->name_len)
		return (*x)->name_len < (*y)->name_len ? -1 : 1;
	return *x < *y ? -1 : *x > *y; /* a duplicate: the last one last */
}

static bool
same_name(const struct json_member *a, const struct json_member *b)
{
	return a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0;
}

/* Members by name into list, of duplicates only the last; returns how many. */
static size_t
sorted_members(const struct json *v, const struct json_member **list)
{
	size_t n = 0;

	for (uint32_t i = 0; i < v->len; i++)
		list[i] = &v->members[i];
	qsort(list, v->len, sizeof(*list), json_member_compare);
	for (uint32_t i = 0; i < v->len; i++)
		if (i + 1 == v->len || !same_name(list[i], list[i + 1]))
			list[n++] = list[i];
	return n;
}

static bool
equal_sorted(const struct json *a, const struct json *b)
{
	CLEANUP(freep)
	const struct json_member **x = calloc((size_t)a->len + b->len, sizeof(*x));
	const struct json_member **y;
	size_t n;

	if (x == NULL)
		return false;
	y = x + a->len;
	n = sorted_members(a, x);
	if (sorted_members(b, y) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!same_name(x[i], y[i]) || !json_equal(&x[i]->value, &y[i]->value))
			return false;
	return true;
}

/* Every member that counts (the last of its name) of a equals b's. */
static bool
covers(const struct json *a, const struct json *b)
{
	for (uint32_t i = 0; i < a->len; i++) {
		const struct json_member *m = &a->members[i];
		const struct json *own =
		    json_get_hashed(a, m->name, m->name_len, m->name_hash);
		const struct json *other =
		    json_get_hashed(b, m->name, m->name_len, m->name_hash);

		if (other == NULL || !json_equal(own, other))
			return false;
	}
	return true;
}

static bool
has_all_names(const struct json *a, const struct json *b)
{
	for (uint32_t i = 0; i < b->len; i++) {
		const struct json_member *m = &b->members[i];

		if (json_get_hashed(a, m->name, m->name_len, m->name_hash) == NULL)
			return false;
	}
	return true;
}

static bool
equal_objects(const struct json *a, const struct json *b)
{
	if (a->len > EQUAL_SORTS_FROM || b->len > EQUAL_SORTS_FROM)
		return equal_sorted(a, b);
	return covers(a, b) && has_all_names(a, b);
}

static bool
equal_arrays(const struct json *a, const struct json *b)
{
	if (a->len != b->len)
		return false;
	for (uint32_t i = 0; i < a->len; i++)
		if (!json_equal(&a->items[i], &b->items[i]))
			return false;
	return true;
}

bool
json_equal(const struct json *a, const struct json *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (a->type != b->type)
		return false;
	switch ((enum json_type)a->type) {
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return a->len == b->len;
	case JSON_NUMBER:
		return json_number_compare(a, b) == 0;
	case JSON_STRING:
		return a->len == b->len &&
		    (a->len == 0 || memcmp(a->text, b->text, a->len) == 0);
	case JSON_ARRAY:
		return equal_arrays(a, b);
	case JSON_OBJECT:
		return equal_objects(a, b);
	default:
		return false;
	}
}
