/* SPDX-License-Identifier: MIT */
/*
 * json_build.c - making values in an arena.
 *
 * Owns:   nothing; a builder lives in the arena and leaves its smaller arrays there.
 * Called: by everything that answers with JSON trees.
 * Fails:  with NULL, which later calls hand through: check the last result only.
 */
#include "config.h"

#include "common/json/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

enum {
	BUILDER_FIRST = 8
};

static const struct json *
value_new(struct arena *a, struct json value)
{
	struct json *v = arena_alloc(a, sizeof(*v));

	if (v != NULL)
		*v = value;
	return v;
}

const struct json *
json_new_null(struct arena *a)
{
	return value_new(a, (struct json){ .type = JSON_NULL });
}

const struct json *
json_new_bool(struct arena *a, bool b)
{
	return value_new(a, (struct json){ .type = JSON_BOOL, .len = b });
}

const struct json *
json_new_number(struct arena *a, const char *text, size_t n)
{
	bool is_integer;

	if (text == NULL || n > UINT32_MAX ||
	    json_number_end(text, text + n, &is_integer) != text + n)
		return NULL;
	return value_new(a,
	    (struct json){ .type = JSON_NUMBER,
		.flags = is_integer ? JSON_FLAG_INTEGER : 0,
		.len = (uint32_t)n,
		.text = text });
}

const struct json *
json_new_int(struct arena *a, int64_t i)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRId64, i);

	return json_new_number(a, arena_strndup(a, text, (size_t)n), (size_t)n);
}

size_t
json_double_text(double d, char text[32])
{
	int n = 0;

	if (fabs(d) < 0x1p53 && d == floor(d) && !(d == 0 && signbit(d)))
		return (size_t)snprintf(text, 32, "%.0f", d);
	for (int digits = 15; digits <= 17; digits++) {
		n = snprintf(text, 32, "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	return (size_t)n;
}

const struct json *
json_new_double(struct arena *a, double d)
{
	char text[32];
	size_t n;

	if (!isfinite(d))
		return json_new_null(a);
	n = json_double_text(d, text);
	return json_new_number(a, arena_strndup(a, text, n), n);
}

const struct json *
json_new_string(struct arena *a, const char *text, size_t n)
{
	char *copy;

	if (text == NULL || n > UINT32_MAX)
		return NULL;
	copy = arena_strndup(a, text, n);
	if (copy == NULL)
		return NULL;
	return value_new(a,
	    (struct json){ .type = JSON_STRING, .len = (uint32_t)n, .text = copy });
}

const struct json *
json_new_cstr(struct arena *a, const char *text)
{
	return text == NULL ? NULL : json_new_string(a, text, strlen(text));
}

const struct json *
json_new_array(struct arena *a, struct json *items, size_t n)
{
	if (n > UINT32_MAX || (items == NULL && n > 0))
		return NULL;
	return value_new(a,
	    (struct json){ .type = JSON_ARRAY, .len = (uint32_t)n, .items = items });
}

/* ---- growing containers ---- */

struct json_builder {
	struct arena *arena;
	char *items; /* struct json or struct json_member */
	uint32_t n, cap;
	uint8_t type;
	bool has_failed;
};

static struct json_builder *
builder_new(struct arena *a, enum json_type type)
{
	struct json_builder *b = arena_alloc(a, sizeof(*b));

	if (b != NULL)
		*b = (struct json_builder){ .arena = a, .type = (uint8_t)type };
	return b;
}

struct json_builder *
json_array_begin(struct arena *a)
{
	return builder_new(a, JSON_ARRAY);
}

struct json_builder *
json_object_begin(struct arena *a)
{
	return builder_new(a, JSON_OBJECT);
}

/* Room for one more; NULL and a mark when there is none. */
static void *
builder_push(struct json_builder *b, size_t size)
{
	size_t cap = b->cap == 0 ? BUILDER_FIRST : 2 * (size_t)b->cap;
	char *items;

	if (b->has_failed)
		return NULL;
	if (b->n < b->cap)
		return b->items + size * b->n++;
	items = cap > UINT32_MAX ? NULL : arena_alloc(b->arena, cap * size);
	if (items == NULL) {
		b->has_failed = true;
		return NULL;
	}
	if (b->n > 0)
		memcpy(items, b->items, size * b->n);
	b->items = items;
	b->cap = (uint32_t)cap;
	return b->items + size * b->n++;
}

void
json_array_add(struct json_builder *b, const struct json *v)
{
	struct json *item;

	if (b == NULL)
		return;
	ASSERT(b->type == JSON_ARRAY);
	if (v == NULL)
		b->has_failed = true;
	item = builder_push(b, sizeof(*item));
	if (item != NULL)
		*item = *v;
}

void
json_object_add_n(struct json_builder *b, const char *name, size_t n,
    const struct json *v)
{
	uint32_t hash;
	const char *own;
	struct json_member *m;

	if (b == NULL)
		return;
	ASSERT(b->type == JSON_OBJECT);
	if (v == NULL || name == NULL || n > UINT32_MAX) {
		b->has_failed = true;
		return;
	}
	hash = json_name_hash(name, n);
	own = arena_intern(b->arena, name, n, hash);
	m = own == NULL ? NULL : builder_push(b, sizeof(*m));
	if (m == NULL) {
		b->has_failed = true;
		return;
	}
	*m = (struct json_member){ .value = *v,
		.name = own,
		.name_len = (uint32_t)n,
		.name_hash = hash };
}

void
json_object_add(struct json_builder *b, const char *name, const struct json *v)
{
	json_object_add_n(b, name, name == NULL ? 0 : strlen(name), v);
}

const struct json *
json_end(struct json_builder *b)
{
	if (b == NULL || b->has_failed)
		return NULL;
	return value_new(b->arena,
	    (struct json){ .type = b->type,
		.len = b->n,
		.items = (struct json *)(void *)b->items });
}
