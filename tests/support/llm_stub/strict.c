/* SPDX-License-Identifier: MIT */
/*
 * strict.c - the strict rules of tool schemas: checked as the real server does, and
 * kept when scripted arguments are written.
 *
 * Owns:   nothing.
 * Called: by openai.c for each strict tool, by script.c for each scripted call.
 * Fails:  a schema that breaks a rule is -EINVAL with the place.
 */
#include "config.h"

#include "tests/support/llm_stub/chat.h"

#include <errno.h>
#include <string.h>

enum {
	DEPTH_MAX = 10
}; /* the real server's bound, of objects in objects */

static int check(const struct json *schema, unsigned depth, struct err *err);

static bool
list_has(const struct json *list, const char *name, size_t n)
{
	for (uint32_t i = 0; json_is(list, JSON_ARRAY) && i < list->len; i++)
		if (json_is(&list->items[i], JSON_STRING) && list->items[i].len == n &&
		    memcmp(list->items[i].text, name, n) == 0)
			return true;
	return false;
}

static bool
type_has(const struct json *schema, const char *name)
{
	const struct json *type = json_get(schema, "type");

	return json_eq_str(type, name) || list_has(type, name, strlen(name));
}

static int
check_object(const struct json *schema, unsigned depth, struct err *err)
{
	const struct json *properties =
	    json_get_typed(schema, "properties", JSON_OBJECT);
	const struct json *required = json_get(schema, "required");
	const struct json *more = json_get(schema, "additionalProperties");

	if (!json_is(more, JSON_BOOL) || json_is_true(more))
		return err_set(err, -EINVAL,
		    "'additionalProperties' is required to be supplied and to be false");
	if (properties == NULL)
		return err_set(err, -EINVAL, "object schema missing properties");
	for (uint32_t i = 0; i < properties->len; i++) {
		const struct json_member *m = &properties->members[i];
		int r;

		if (!list_has(required, m->name, m->name_len))
			return err_set(err, -EINVAL,
			    "'required' is required to be supplied and to be an array "
			    "including every key in properties. Missing '%s'",
			    m->name);
		r = check(&m->value, depth + 1, err);
		if (r < 0)
			return err_prefix(err, r, "%s", m->name);
	}
	return 0;
}

static int
check_each(const struct json *list, unsigned depth, struct err *err)
{
	for (uint32_t i = 0; json_is(list, JSON_ARRAY) && i < list->len; i++) {
		int r = check(&list->items[i], depth, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int
check(const struct json *schema, unsigned depth, struct err *err)
{
	const struct json *defs = json_get(schema, "$defs");
	int r = 0;

	if (!json_is(schema, JSON_OBJECT))
		return err_set(err, -EINVAL, "a schema must be an object");
	if (depth > DEPTH_MAX)
		return err_set(err, -EINVAL, "nested deeper than %d levels", DEPTH_MAX);
	if (json_get(schema, "oneOf") != NULL || json_get(schema, "allOf") != NULL)
		return err_set(err, -EINVAL, "'oneOf' and 'allOf' are not permitted");
	if (type_has(schema, "object"))
		r = check_object(schema, depth, err);
	if (r == 0 && type_has(schema, "array"))
		r = check(json_get(schema, "items"), depth, err);
	if (r == 0)
		r = check_each(json_get(schema, "anyOf"), depth, err);
	for (uint32_t i = 0; r == 0 && json_is(defs, JSON_OBJECT) && i < defs->len; i++)
		r = check(&defs->members[i].value, depth, err);
	return r;
}

int
strict_schema_check(const struct json *schema, struct err *err)
{
	if (!json_is(schema, JSON_OBJECT) || !type_has(schema, "object"))
		return err_set(err, -EINVAL,
		    "schema must have type 'object' at its root");
	return check(schema, 1, err);
}

/* ---- arguments under strict rules ---- */

/* Is it the form that stands for a free map: a list of {name, value}? */
static const struct json *
map_item(const struct json *schema)
{
	const struct json *items = json_get(schema, "items");
	const struct json *properties = json_get(items, "properties");

	return type_has(schema, "array") && json_is(properties, JSON_OBJECT) &&
		properties->len == 2 && json_get(properties, "name") != NULL &&
		json_get(properties, "value") != NULL
	    ? properties
	    : NULL;
}

static const struct json *
scalar_as_text(struct arena *a, const struct json *schema, const struct json *v)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (json_is(v, JSON_STRING) || !type_has(schema, "string") ||
	    (json_is(v, JSON_NUMBER) &&
		(type_has(schema, "number") || type_has(schema, "integer"))) ||
	    (json_is(v, JSON_BOOL) && type_has(schema, "boolean")) ||
	    (json_is(v, JSON_NULL) && type_has(schema, "null")))
		return v;
	json_write(&text, v, JSON_COMPACT);
	return json_new_string(a, buf_str(&text), text.len);
}

static const struct json *
map_as_list(struct arena *a, const struct json *item, const struct json *map)
{
	struct json_builder *list = json_array_begin(a);

	for (uint32_t i = 0; i < map->len; i++) {
		const struct json_member *m = &map->members[i];
		struct json_builder *pair = json_object_begin(a);

		json_object_add(pair, "name", json_new_string(a, m->name, m->name_len));
		json_object_add(pair, "value",
		    scalar_as_text(a, json_get(item, "value"), &m->value));
		json_array_add(list, json_end(pair));
	}
	return json_end(list);
}

static const struct json *
fill_object(struct arena *a, const struct json *schema, const struct json *v)
{
	const struct json *properties = json_get(schema, "properties");
	struct json_builder *out = json_object_begin(a);

	for (uint32_t i = 0; i < properties->len; i++) {
		const struct json_member *p = &properties->members[i];
		const struct json *have = json_get_n(v, p->name, p->name_len);

		json_object_add_n(out, p->name, p->name_len,
		    have == NULL ? json_new_null(a)
				 : strict_arguments(a, &p->value, have));
	}
	for (uint32_t i = 0; i < v->len; i++) {
		const struct json_member *m = &v->members[i];

		if (json_get_n(properties, m->name, m->name_len) == NULL)
			json_object_add_n(out, m->name, m->name_len, &m->value);
	}
	return json_end(out);
}

/* Of several forms the one whose "step" (or other single-valued member) is the
   value's. */
static const struct json *
pick_form(const struct json *forms, const struct json *v)
{
	const struct json *fallback = NULL;

	for (uint32_t i = 0; json_is(forms, JSON_ARRAY) && i < forms->len; i++) {
		const struct json *form = &forms->items[i];
		const struct json *step = json_path(form, "properties.step", 15);
		const struct json *mine = json_get(v, "step");
		const struct json *values = json_get(step, "enum");

		if (json_is(v, JSON_OBJECT) && type_has(form, "object") &&
		    fallback == NULL)
			fallback = form;
		if (json_is(v, JSON_ARRAY) && type_has(form, "array") &&
		    fallback == NULL)
			fallback = form;
		if (json_is(mine, JSON_STRING) &&
		    (json_equal(json_get(step, "const"), mine) ||
			list_has(values, mine->text, mine->len)))
			return form;
	}
	return fallback;
}

const struct json *
strict_arguments(struct arena *a, const struct json *schema, const struct json *v)
{
	const struct json *item = map_item(schema), *form;

	if (json_get(schema, "anyOf") != NULL) {
		form = pick_form(json_get(schema, "anyOf"), v);
		return form == NULL ? v : strict_arguments(a, form, v);
	}
	if (json_is(v, JSON_OBJECT) && item != NULL)
		return map_as_list(a, item, v);
	if (json_is(v, JSON_OBJECT) &&
	    json_is(json_get(schema, "properties"), JSON_OBJECT))
		return fill_object(a, schema, v);
	if (json_is(v, JSON_ARRAY) && json_get(schema, "items") != NULL) {
		struct json_builder *list = json_array_begin(a);

		for (uint32_t i = 0; i < v->len; i++)
			json_array_add(list,
			    strict_arguments(a, json_get(schema, "items"),
				&v->items[i]));
		return json_end(list);
	}
	return scalar_as_text(a, schema, v);
}
