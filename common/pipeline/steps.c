/* SPDX-License-Identifier: MIT */
/*
 * steps.c - the table of steps, and the reading of a whole pipeline.
 *
 * Owns:   nothing; everything read lives in the caller's arena.
 * Called: by the worker's plan (and agentctl) and, again, by compute.
 * Fails:  -ENOMEM only; wrong arguments are a list of problems.
 */
#include "config.h"

#include "common/pipeline/steps_private.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum {
	ARGUMENTS_MAX = 8,
	REASON_MAX = 512
};

/* clang-format off */
static const struct step_type {
	const char *name;
	void (*check)(struct checker *c, struct step *s);
	bool is_io;
	bool carries_program; /* always; a filter may by its condition */
	const char *arguments[ARGUMENTS_MAX];
} types[STEP_KIND_COUNT] = {
	[STEP_HTTP_REQUEST]  = { "http_request",  check_http,   true,  false, { "url", "method", "params", "headers", "auth_profile" } },
	[STEP_TABLE_SORT]    = { "table_sort",    check_sort,   false, false, { "field", "fields", "order" } },
	[STEP_TABLE_FILTER]  = { "table_filter",  check_filter, false, false, { "condition" } },
	[STEP_TABLE_SELECT]  = { "table_select",  check_select, false, false, { "fields" } },
	[STEP_TOP_K]         = { "top_k",         check_top,    false, false, { "k", "field", "fields", "order" } },
	[STEP_GROUPBY]       = { "groupby",       check_group,  false, false, { "by", "agg", "field", "as" } },
	[STEP_JOIN]          = { "join",          check_join,   false, false, { "left", "right", "on", "how" } },
	[STEP_JQ_TRANSFORM]  = { "jq_transform",  check_jq,     false, true,  { "query" } },
	[STEP_REGEX_EXTRACT] = { "regex_extract", check_regex,  false, true,  { "pattern", "field", "as" } },
	[STEP_PARSE_DATE]    = { "parse_date",    check_date,   false, false, { "field", "format", "as" } },
};
/* clang-format on */

static const char *const free_arguments[] = { "step", "comment", "description" };

const char *
step_name(enum step_kind kind)
{
	return (unsigned)kind < STEP_KIND_COUNT ? types[kind].name : "unknown";
}

int
step_from_name(const struct json *name)
{
	for (int i = 0; i < STEP_KIND_COUNT; i++)
		if (json_eq_str(name, types[i].name))
			return i;
	return -EINVAL;
}

bool
step_is_io(enum step_kind kind)
{
	return types[kind].is_io;
}

/* ---- what the readers share ---- */

void
problem(struct checker *c, const char *arg, const char *hint, const char *fmt, ...)
{
	struct json_builder *o = json_object_begin(c->arena);
	char reason[REASON_MAX];
	size_t n;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	n = strlen(reason);
	while (n > 0 && !json_is_utf8(reason, n)) /* a cut may leave half a character */
		n--;
	json_object_add(o, "index", json_new_int(c->arena, (int64_t)c->index));
	json_object_add(o, "step", json_new_cstr(c->arena, c->name));
	json_object_add(o, "field", json_new_cstr(c->arena, arg));
	json_object_add(o, "type", json_new_cstr(c->arena, "invalid_step"));
	json_object_add(o, "reason", json_new_string(c->arena, reason, n));
	json_object_add(o, "hint", json_new_cstr(c->arena, hint));
	json_array_add(c->problems, json_end(o));
}

const struct json *
argument(const struct checker *c, const char *name)
{
	const struct json *v = json_get(c->args, name);

	return json_is(v, JSON_NULL) ? NULL : v;
}

void *
checker_alloc(struct checker *c, size_t n, size_t size)
{
	void *p = n > UINT32_MAX ? NULL : arena_alloc(c->arena, n * size);

	if (p != NULL)
		memset(p, 0, n * size);
	return p;
}

const char *
take_text(struct checker *c, const struct json *v, const char *where)
{
	const char *text;

	if (v == NULL || v->type == JSON_NULL) {
		problem(c, where, "give it as a non-empty text",
		    "the parameter '%s' is missing", where);
		return NULL;
	}
	if (!json_is(v, JSON_STRING) || v->len == 0) {
		problem(c, where, "give it as a non-empty text",
		    "'%s' is %s, not a text", where,
		    v->len == 0 && v->type == JSON_STRING
			? "empty"
			: json_type_name((enum json_type)v->type));
		return NULL;
	}
	text = json_cstr(c->arena, v);
	if (text == NULL && !arena_failed(c->arena))
		problem(c, where, "leave out U+0000", "'%s' holds U+0000", where);
	return text;
}

struct column
column_of(const char *name, size_t n)
{
	return (struct column){ .name = name,
		.len = (uint32_t)n,
		.hash = json_name_hash(name, n) };
}

bool
take_column(struct checker *c, const struct json *v, const char *where,
    struct column *out)
{
	const char *text = take_text(c, v, where);

	if (text == NULL)
		return false;
	*out = column_of(text, v->len);
	return true;
}

bool
take_field(struct checker *c, const struct json *v, const char *where,
    struct field *out)
{
	if (!take_column(c, v, where, &out->key))
		return false;
	out->is_dotted = memchr(out->key.name, '.', out->key.len) != NULL;
	return true;
}

bool
take_field_argument(struct checker *c, struct field *out)
{
	return take_field(c, argument(c, "field"), "field", out);
}

const struct json *
field_get(const struct json *row, const struct field *f)
{
	const struct json *v =
	    json_get_hashed(row, f->key.name, f->key.len, f->key.hash);

	if (v == NULL && f->is_dotted && json_is(row, JSON_OBJECT))
		v = json_path(row, f->key.name, f->key.len);
	return v;
}

/* ---- one step ---- */

static bool
is_listed(const char *const *names, size_t n, const struct json_member *m)
{
	for (size_t i = 0; i < n && names[i] != NULL; i++)
		if (strlen(names[i]) == m->name_len &&
		    memcmp(names[i], m->name, m->name_len) == 0)
			return true;
	return false;
}

/* Null and empty values stand for "not used" in answers that must name every
   argument. */
static bool
is_blank(const struct json *v)
{
	return v->type == JSON_NULL ||
	    (v->type != JSON_BOOL && v->type != JSON_NUMBER && v->len == 0);
}

static void
list_of_arguments(const struct step_type *type, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < ARGUMENTS_MAX && type->arguments[i] != NULL; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s",
		    i == 0 ? "it takes " : ", ", type->arguments[i]);
}

static void
check_names(struct checker *c, const struct step_type *type)
{
	char hint[128];

	for (uint32_t i = 0; i < c->args->len; i++) {
		const struct json_member *m = &c->args->members[i];

		if (is_blank(&m->value) ||
		    is_listed(type->arguments, ARGUMENTS_MAX, m) ||
		    is_listed(free_arguments, ARRAY_LEN(free_arguments), m))
			continue;
		list_of_arguments(type, hint, sizeof(hint));
		problem(c, m->name, hint, "%s has no parameter '%.100s'", type->name,
		    m->name);
	}
}

static void
list_of_steps(char *out, size_t size)
{
	size_t n = 0;

	for (int i = 0; i < STEP_KIND_COUNT; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s",
		    i == 0 ? "use one of " : ", ", types[i].name);
}

static void
check_step(struct checker *c, const struct json *v, struct step *s)
{
	const struct json *name = json_get(v, "step");
	char hint[256];
	int kind = step_from_name(name);

	c->args = v;
	c->name = json_is(name, JSON_STRING) ? json_cstr(c->arena, name) : "";
	if (c->name == NULL)
		c->name = "";
	if (!json_is(v, JSON_OBJECT)) {
		problem(c, "", "a step is an object like {\"step\":\"top_k\",\"k\":3}",
		    "step %zu is %s, not an object", c->index,
		    json_type_name((enum json_type)v->type));
		return;
	}
	if (kind < 0) {
		list_of_steps(hint, sizeof(hint));
		problem(c, "step", hint,
		    c->name[0] == '\0' ? "step %zu does not say which 'step' it is%.0s"
				       : "step %zu is unknown: '%.100s'",
		    c->index, c->name);
		return;
	}
	s->kind = (enum step_kind)kind;
	s->args = v;
	s->carries_program = types[kind].carries_program;
	check_names(c, &types[kind]);
	types[kind].check(c, s);
}

static void
check_all(struct checker *c, const struct json *pipeline, struct step_list *out)
{
	if (!json_is(pipeline, JSON_ARRAY)) {
		problem(c, "pipeline", "give a list of steps",
		    "the pipeline is not a list");
		return;
	}
	if (pipeline->len > STEPS_MAX) {
		problem(c, "pipeline", "split it", "%u steps are more than %d",
		    pipeline->len, STEPS_MAX);
		return;
	}
	out->v = checker_alloc(c, pipeline->len, sizeof(*out->v));
	if (out->v == NULL)
		return;
	out->n = pipeline->len;
	for (uint32_t i = 0; i < pipeline->len; i++) {
		c->index = out->v[i].index = i;
		check_step(c, &pipeline->items[i], &out->v[i]);
	}
}

int
steps_parse(struct arena *a, const struct json *pipeline, struct step_list *out)
{
	struct checker c = { .arena = a, .problems = json_array_begin(a), .name = "" };
	struct step_list list = { NULL, 0, NULL };

	check_all(&c, pipeline, &list);
	list.problems = json_end(c.problems);
	if (list.problems == NULL || arena_failed(a))
		return -ENOMEM;
	*out = list;
	return 0;
}
