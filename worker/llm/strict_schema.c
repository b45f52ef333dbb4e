/* SPDX-License-Identifier: MIT */
/*
 * strict_schema.c - from a plain schema to its strict form, and arguments the way back.
 *
 * Owns:   nothing.
 * Called: when agents are defined, and for the arguments of each tool call.
 * Fails:  with -E2BIG beyond the depth of schemas; restoring never fails but for
 * memory.
 */
#include "config.h"

#include "worker/llm/strict_schema.h"

#include <errno.h>
#include <string.h>

enum {
	/* Providers take ten levels. The writer nests up to five for each of them, and
	   has 64. */
	DEPTH_MAX = 10
};

/* ---- looking at a schema ---- */

static bool
type_is(const struct json *schema, const char *name)
{
	const struct json *type = json_get(schema, "type");

	if (json_is(type, JSON_STRING))
		return json_eq_str(type, name);
	for (uint32_t i = 0; json_is(type, JSON_ARRAY) && i < type->len; i++)
		if (json_eq_str(&type->items[i], name))
			return true;
	return false;
}

static const struct json *
properties_of(const struct json *schema)
{
	const struct json *p = json_get_typed(schema, "properties", JSON_OBJECT);

	return p != NULL && p->len > 0 ? p : NULL;
}

static bool
is_required(const struct json *schema, const struct json_member *m)
{
	const struct json *list = json_get_typed(schema, "required", JSON_ARRAY);

	for (uint32_t i = 0; list != NULL && i < list->len; i++)
		if (json_is(&list->items[i], JSON_STRING) &&
		    list->items[i].len == m->name_len &&
		    memcmp(list->items[i].text, m->name, m->name_len) == 0)
			return true;
	return false;
}

/* An object whose members have no names beforehand. */
static bool
is_free_map(const struct json *schema)
{
	return type_is(schema, "object") && properties_of(schema) == NULL;
}

/* ---- writing ---- */

static int write_schema(struct json_writer *w, const struct json *schema,
    bool is_nullable, unsigned depth);

static void
write_type(struct json_writer *w, const char *name)
{
	jw_object_begin(w);
	jw_key(w, "type");
	jw_cstr(w, name);
	jw_object_end(w);
}

/* Any value that strict rules can express: a scalar, or a list of scalars. */
static void
write_any(struct json_writer *w)
{
	static const char *const scalars[] = { "string", "number", "boolean", "null" };

	jw_key(w, "anyOf");
	jw_array_begin(w);
	for (size_t i = 0; i < ARRAY_LEN(scalars); i++)
		write_type(w, scalars[i]);
	jw_object_begin(w);
	jw_key(w, "type");
	jw_cstr(w, "array");
	jw_key(w, "items");
	jw_object_begin(w);
	jw_key(w, "type");
	jw_array_begin(w);
	for (size_t i = 0; i < ARRAY_LEN(scalars); i++)
		jw_cstr(w, scalars[i]);
	jw_array_end(w);
	jw_object_end(w);
	jw_object_end(w);
	jw_array_end(w);
}

static int
write_value_schema(struct json_writer *w, const struct json *schema, unsigned depth)
{
	if (json_is(schema, JSON_OBJECT))
		return write_schema(w, schema, false, depth);
	jw_object_begin(w);
	write_any(w);
	jw_object_end(w);
	return 0;
}

/* {"type":"array","items":{name, value}} in place of a free map. */
static int
write_free_map(struct json_writer *w, const struct json *schema, unsigned depth)
{
	int r;

	jw_key(w, "type");
	jw_cstr(w, "array");
	jw_key(w, "items");
	jw_object_begin(w);
	jw_key(w, "type");
	jw_cstr(w, "object");
	jw_key(w, "properties");
	jw_object_begin(w);
	jw_key(w, "name");
	write_type(w, "string");
	jw_key(w, "value");
	r = write_value_schema(w, json_get(schema, "additionalProperties"), depth + 1);
	jw_object_end(w);
	jw_key(w, "required");
	jw_array_begin(w);
	jw_cstr(w, "name");
	jw_cstr(w, "value");
	jw_array_end(w);
	jw_key(w, "additionalProperties");
	jw_bool(w, false);
	jw_object_end(w);
	return r;
}

static int
write_properties(struct json_writer *w, const struct json *schema, unsigned depth)
{
	const struct json *p = properties_of(schema);

	jw_key(w, "type");
	jw_cstr(w, "object");
	jw_key(w, "properties");
	jw_object_begin(w);
	for (uint32_t i = 0; i < p->len; i++) {
		int r;

		jw_key_n(w, p->members[i].name, p->members[i].name_len);
		r = write_schema(w, &p->members[i].value,
		    !is_required(schema, &p->members[i]), depth + 1);
		if (r < 0)
			return r;
	}
	jw_object_end(w);
	jw_key(w, "required");
	jw_array_begin(w);
	for (uint32_t i = 0; i < p->len; i++)
		jw_string(w, p->members[i].name, p->members[i].name_len);
	jw_array_end(w);
	jw_key(w, "additionalProperties");
	jw_bool(w, false);
	return 0;
}

static int
write_items(struct json_writer *w, const struct json *schema, unsigned depth)
{
	jw_key(w, "type");
	jw_cstr(w, "array");
	jw_key(w, "items");
	return write_value_schema(w, json_get(schema, "items"), depth + 1);
}

static void
write_enum(struct json_writer *w, const struct json *choices, bool is_nullable)
{
	jw_key(w, "enum");
	jw_array_begin(w);
	for (uint32_t i = 0; i < choices->len; i++) {
		jw_value(w, &choices->items[i]);
		if (choices->items[i].type == JSON_NULL)
			is_nullable = false;
	}
	if (is_nullable)
		jw_null(w);
	jw_array_end(w);
}

/* The members of one branch: a schema that means one type. */
static int
write_branch(struct json_writer *w, const struct json *schema, const char *type,
    unsigned depth)
{
	static const char *const kept[] = { "minimum", "maximum", "pattern", "enum" };

	if (strcmp(type, "object") == 0)
		return properties_of(schema) != NULL
		    ? write_properties(w, schema, depth)
		    : write_free_map(w, schema, depth);
	if (strcmp(type, "array") == 0)
		return write_items(w, schema, depth);
	jw_key(w, "type");
	jw_cstr(w, type);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		const struct json *v = json_get(schema, kept[i]);

		if (v == NULL)
			continue;
		jw_key(w, kept[i]);
		jw_value(w, v);
	}
	return 0;
}

static const char *const type_names[] = { "string", "number", "integer", "boolean",
	"object", "array" };

static int
write_branches(struct json_writer *w, const struct json *schema, bool is_nullable,
    unsigned depth)
{
	jw_key(w, "anyOf");
	jw_array_begin(w);
	for (size_t i = 0; i < ARRAY_LEN(type_names); i++) {
		int r;

		if (!type_is(schema, type_names[i]))
			continue;
		jw_object_begin(w);
		r = write_branch(w, schema, type_names[i], depth);
		jw_object_end(w);
		if (r < 0)
			return r;
	}
	if (is_nullable)
		write_type(w, "null");
	jw_array_end(w);
	return 0;
}

/* A scalar that may be null needs no branches: a list of two types says it. */
static void
write_scalar(struct json_writer *w, const struct json *schema, const char *type,
    bool is_nullable)
{
	static const char *const kept[] = { "minimum", "maximum", "pattern" };
	const struct json *choices = json_get_typed(schema, "enum", JSON_ARRAY);

	jw_key(w, "type");
	if (is_nullable) {
		jw_array_begin(w);
		jw_cstr(w, type);
		jw_cstr(w, "null");
		jw_array_end(w);
	} else {
		jw_cstr(w, type);
	}
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (json_get(schema, kept[i]) != NULL) {
			jw_key(w, kept[i]);
			jw_value(w, json_get(schema, kept[i]));
		}
	if (choices != NULL)
		write_enum(w, choices, is_nullable);
}

static int
write_body(struct json_writer *w, const struct json *schema, bool is_nullable,
    unsigned depth)
{
	const char *only = NULL;
	size_t n = 0;

	is_nullable = is_nullable || type_is(schema, "null");
	for (size_t i = 0; i < ARRAY_LEN(type_names); i++)
		if (type_is(schema, type_names[i])) {
			only = type_names[i];
			n++;
		}
	if (n == 0) {
		if (type_is(schema, "null")) {
			jw_key(w, "type");
			jw_cstr(w, "null");
		} else {
			write_any(w);
		}
		return 0;
	}
	if (n > 1 ||
	    (is_nullable &&
		(strcmp(only, "object") == 0 || strcmp(only, "array") == 0)))
		return write_branches(w, schema, is_nullable, depth);
	if (strcmp(only, "object") == 0 || strcmp(only, "array") == 0)
		return write_branch(w, schema, only, depth);
	write_scalar(w, schema, only, is_nullable);
	return 0;
}

static int
write_schema(struct json_writer *w, const struct json *schema, bool is_nullable,
    unsigned depth)
{
	const struct json *description = json_get(schema, "description");
	int r;

	if (depth > DEPTH_MAX)
		return -E2BIG;
	jw_object_begin(w);
	if (json_is(description, JSON_STRING)) {
		jw_key(w, "description");
		jw_value(w, description);
	}
	r = write_body(w, schema, is_nullable, depth);
	if (r == 0)
		jw_object_end(w);
	return r;
}

int
strict_schema_write(struct buf *out, const struct json *schema)
{
	struct json_writer w;
	int r;

	jw_init(&w, out);
	r = write_schema(&w, schema, false, 0);
	return r < 0 ? r : buf_status(out);
}

/* ---- restoring ---- */

static const struct json *restore(struct arena *a, const struct json *schema,
    const struct json *v, unsigned depth);

static bool
is_pair_list(const struct json *v)
{
	for (uint32_t i = 0; i < v->len; i++)
		if (!json_is(&v->items[i], JSON_OBJECT) || v->items[i].len != 2 ||
		    !json_is(json_get(&v->items[i], "name"), JSON_STRING) ||
		    json_get(&v->items[i], "value") == NULL)
			return false;
	return true;
}

static const struct json *
restore_map(struct arena *a, const struct json *schema, const struct json *v,
    unsigned depth)
{
	const struct json *each = json_get(schema, "additionalProperties");
	struct json_builder *b = json_object_begin(a);

	for (uint32_t i = 0; i < v->len; i++) {
		const struct json *name = json_get(&v->items[i], "name");

		json_object_add_n(b, name->text, name->len,
		    restore(a, each, json_get(&v->items[i], "value"), depth + 1));
	}
	return json_end(b);
}

static const struct json *
restore_list(struct arena *a, const struct json *schema, const struct json *v,
    unsigned depth)
{
	const struct json *items = json_get(schema, "items");
	struct json_builder *b;

	if (!json_is(items, JSON_OBJECT))
		return v;
	b = json_array_begin(a);
	for (uint32_t i = 0; i < v->len; i++)
		json_array_add(b, restore(a, items, &v->items[i], depth + 1));
	return json_end(b);
}

static const struct json *
restore_object(struct arena *a, const struct json *schema, const struct json *v,
    unsigned depth)
{
	const struct json *p = properties_of(schema);
	struct json_builder *b;

	if (p == NULL)
		return v;
	b = json_object_begin(a);
	for (uint32_t i = 0; i < v->len; i++) {
		const struct json_member *m = &v->members[i];
		const struct json *known = json_get_n(p, m->name, m->name_len);
		bool has_type = json_get(known, "type") != NULL;

		/* null for what may be absent, unless null itself is meant */
		if (known != NULL && has_type && m->value.type == JSON_NULL &&
		    !is_required(schema, m) && !type_is(known, "null"))
			continue;
		json_object_add_n(b, m->name, m->name_len,
		    restore(a, known, &m->value, depth + 1));
	}
	return json_end(b);
}

static const struct json *
restore(struct arena *a, const struct json *schema, const struct json *v,
    unsigned depth)
{
	if (depth > JSON_DEPTH_MAX || !json_is(schema, JSON_OBJECT))
		return v;
	if (v->type == JSON_ARRAY && v->len > 0 && is_free_map(schema) &&
	    is_pair_list(v))
		return restore_map(a, schema, v, depth);
	if (v->type == JSON_ARRAY && v->len == 0 && is_free_map(schema) &&
	    !type_is(schema, "array"))
		return json_end(json_object_begin(a));
	if (v->type == JSON_ARRAY)
		return restore_list(a, schema, v, depth);
	if (v->type == JSON_OBJECT)
		return restore_object(a, schema, v, depth);
	return v;
}

const struct json *
strict_args_restore(struct arena *a, const struct json *schema, const struct json *args)
{
	return restore(a, schema, args, 0);
}
