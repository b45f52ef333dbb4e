/* SPDX-License-Identifier: MIT */
/*
 * shape.c - takes a pipeline's literals out, and puts others in.
 *
 * Owns:   nothing; everything lives in the arena.
 * Called: after a pipeline succeeded, and when a composite tool is called.
 * Fails:  -EINVAL for what cannot be a tool; -ENOMEM.
 */
#include "config.h"

#include "worker/pipeline/shape.h"

#include "common/store/digest.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

enum {
	DEPTH_MAX = 32,
	PARAMETER_NAME_MAX = 40,
	DESCRIPTION_MAX = 600, /* bytes */
	WORD_MAX = 60,
	RANDOM_RUN_MIN = 20 /* letters and digits in a row that no word has */
};

#define PLACE "$parameter"

struct shaping {
	struct arena *arena;
	struct json_builder *parameters;
	char names[SHAPE_PARAMETERS_MAX][PARAMETER_NAME_MAX + 8];
	size_t n;
	bool is_refused; /* too many, or nested too deeply */
	bool looks_secret;
};

/* ---- texts that look like secrets ---- */

/* A long run of letters and digits mixed is no word, no date and no place. */
static bool
looks_random(const char *s, size_t n)
{
	size_t run = 0, digits = 0, letters = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (!isalnum(c)) {
			run = digits = letters = 0;
			continue;
		}
		run++;
		digits += isdigit(c) != 0;
		letters += isalpha(c) != 0;
		if (run >= RANDOM_RUN_MIN && digits >= 2 && letters >= 2)
			return true;
	}
	return false;
}

static void
look_at(struct shaping *s, const struct json *v, unsigned depth)
{
	if (depth > DEPTH_MAX)
		s->is_refused = true;
	else if (v->type == JSON_STRING)
		s->looks_secret |= looks_random(v->text, v->len);
	else if (v->type == JSON_ARRAY)
		for (uint32_t i = 0; i < v->len; i++)
			look_at(s, &v->items[i], depth + 1);
	else if (v->type == JSON_OBJECT)
		for (uint32_t i = 0; i < v->len; i++)
			look_at(s, &v->members[i].value, depth + 1);
}

/* Who writes the mark of a place into arguments wants something else than a tool. */
static bool
holds_mark(const struct json *v, unsigned depth)
{
	bool is_marked = depth > DEPTH_MAX || json_get(v, PLACE) != NULL;

	if (v->type == JSON_ARRAY)
		for (uint32_t i = 0; !is_marked && i < v->len; i++)
			is_marked = holds_mark(&v->items[i], depth + 1);
	if (v->type == JSON_OBJECT)
		for (uint32_t i = 0; !is_marked && i < v->len; i++)
			is_marked = holds_mark(&v->members[i].value, depth + 1);
	return is_marked;
}

/* ---- parameters ---- */

/* Lower-case words joined by '_'; what is neither letter nor digit parts words. */
static size_t
slug(char *out, size_t size, const char *text, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n && len + 1 < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x80 && isalnum(c))
			out[len++] = (char)tolower(c);
		else if (len > 0 && out[len - 1] != '_')
			out[len++] = '_';
	}
	while (len > 0 && out[len - 1] == '_')
		len--;
	out[len] = '\0';
	return len;
}

static bool
is_taken(const struct shaping *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->names[i], name) == 0)
			return true;
	return false;
}

static const char *
new_name(struct shaping *s, const char *hint, size_t n)
{
	char base[PARAMETER_NAME_MAX];
	char *name = s->names[s->n];

	if (slug(base, sizeof(base), hint, n) == 0)
		(void)snprintf(base, sizeof(base), "value");
	(void)snprintf(name, sizeof(s->names[0]), "%s", base);
	for (unsigned k = 2; is_taken(s, name); k++)
		(void)snprintf(name, sizeof(s->names[0]), "%s_%u", base, k);
	s->n++;
	return name;
}

/* A place in the template; literal NULL: the parameter has no default. */
static const struct json *
place(struct shaping *s, const char *hint, size_t n, const char *type,
    const char *about, const struct json *literal)
{
	struct json_builder *o = json_object_begin(s->arena);
	struct json_builder *p = json_object_begin(s->arena);
	const char *name;

	if (s->n == SHAPE_PARAMETERS_MAX) {
		s->is_refused = true;
		return literal;
	}
	name = new_name(s, hint, n);
	json_object_add(o, PLACE, json_new_cstr(s->arena, name));
	json_object_add(o, "type", json_new_cstr(s->arena, type));
	json_object_add(p, "name", json_new_cstr(s->arena, name));
	json_object_add(p, "type", json_new_cstr(s->arena, type));
	if (literal != NULL)
		json_object_add(p, "default", literal);
	json_object_add(p, "description", json_new_cstr(s->arena, about));
	json_array_add(s->parameters, json_end(p));
	return json_end(o);
}

static const char *
scalar_type(const struct json *v)
{
	switch (v->type) {
	case JSON_STRING:
		return "string";
	case JSON_NUMBER:
		return "number";
	case JSON_BOOL:
		return "boolean";
	default:
		return NULL;
	}
}

static bool
is_list_of_scalars(const struct json *v)
{
	if (v->type != JSON_ARRAY)
		return false;
	for (uint32_t i = 0; i < v->len; i++)
		if (scalar_type(&v->items[i]) == NULL)
			return false;
	return true;
}

/* A literal becomes a place; what is no scalar (and no list of them) stays. */
static const struct json *
literal_place(struct shaping *s, const char *hint, size_t n, const char *about,
    const struct json *v)
{
	const char *type = is_list_of_scalars(v) ? "array" : scalar_type(v);

	return type != NULL ? place(s, hint, n, type, about, v) : v;
}

/* ---- conditions ---- */

static const struct json *
shape_condition(struct shaping *s, const struct json *v, unsigned depth)
{
	const struct json *op = json_get(v, "op"), *field = json_get(v, "field");
	bool is_open = json_is(op, JSON_STRING) && json_is(field, JSON_STRING) &&
	    !json_eq_str(op, "exists") && !json_eq_str(op, "matches");
	struct json_builder *b;

	if (depth > DEPTH_MAX) {
		s->is_refused = true;
		return v;
	}
	if (v->type == JSON_ARRAY) {
		b = json_array_begin(s->arena);
		for (uint32_t i = 0; i < v->len; i++)
			json_array_add(b, shape_condition(s, &v->items[i], depth + 1));
		return json_end(b);
	}
	if (v->type != JSON_OBJECT)
		return v;
	b = json_object_begin(s->arena);
	for (uint32_t i = 0; i < v->len; i++) {
		const struct json_member *m = &v->members[i];

		if (strcmp(m->name, "value") == 0 && is_open)
			json_object_add(b, "value",
			    literal_place(s, field->text, field->len,
				"what the field is compared with", &m->value));
		else if (m->value.type != JSON_NULL)
			json_object_add_n(b, m->name, m->name_len,
			    shape_condition(s, &m->value, depth + 1));
	}
	return json_end(b);
}

/* ---- requests ---- */

static void
add_param(struct shaping *s, struct json_builder *params, const char *name, size_t n,
    const struct json *v)
{
	json_object_add_n(params, name, n,
	    literal_place(s, name, n, "parameter of the request", v));
}

static bool
is_plain_pair(const char *s, size_t n)
{
	const char *eq = memchr(s, '=', n);

	return eq != NULL && eq > s && memchr(s, '%', n) == NULL &&
	    memchr(s, '+', n) == NULL &&
	    memchr(eq + 1, '=', n - (size_t)(eq + 1 - s)) == NULL;
}

/* Can every member of this query stand in params instead? Only what needs no decoding
   and stands there once. */
static bool
is_plain_query(const char *query, const struct json *params)
{
	for (const char *at = query; *at != '\0';) {
		size_t n = strcspn(at, "&"), name = strcspn(at, "=");

		if (!is_plain_pair(at, n) || json_get_n(params, at, name) != NULL)
			return false;
		for (const char *other = at + n; *other == '&';) {
			size_t m = strcspn(other + 1, "&");

			if (strncmp(other + 1, at, name + 1) == 0)
				return false;
			other += 1 + m;
		}
		at += n;
		if (*at == '&' && at[1] == '\0')
			return false;
		at += *at == '&';
	}
	return query[0] != '\0';
}

/* The members of the query become parameters of the request; *url loses them. */
static void
move_query(struct shaping *s, const struct http_args *http, const char **url,
    struct json_builder *params)
{
	const char *mark = strchr(http->url, '?');

	*url = http->url;
	if (mark == NULL || mark == http->url || /* nothing would be left of it */
	    strcasecmp(http->method, "GET") != 0 || strchr(mark, '#') != NULL ||
	    !is_plain_query(mark + 1, http->params))
		return;
	*url = arena_strndup(s->arena, http->url, (size_t)(mark - http->url));
	for (const char *at = mark + 1; *at != '\0';) {
		size_t n = strcspn(at, "&"), name = strcspn(at, "=");

		add_param(s, params, at, name,
		    json_new_string(s->arena, at + name + 1, n - name - 1));
		at += n;
		at += *at == '&';
	}
}

static bool
has_userinfo(const char *url)
{
	const char *authority = strstr(url, "://");

	authority = authority != NULL ? authority + 3 : url;
	return memchr(authority, '@', strcspn(authority, "/?#")) != NULL;
}

static void
shape_request(struct shaping *s, const struct step *step, struct json_builder *out)
{
	const struct http_args *http = &step->http;
	struct json_builder *params = json_object_begin(s->arena);
	const char *url = NULL;
	const struct json *made;

	s->looks_secret |= has_userinfo(http->url);
	move_query(s, http, &url, params);
	for (uint32_t i = 0; http->params != NULL && i < http->params->len; i++)
		add_param(s, params, http->params->members[i].name,
		    http->params->members[i].name_len, &http->params->members[i].value);
	made = json_end(params);
	json_object_add(out, "url", url != NULL ? json_new_cstr(s->arena, url) : NULL);
	json_object_add(out, "method", json_new_cstr(s->arena, "GET"));
	if (json_is(made, JSON_OBJECT) && made->len > 0)
		json_object_add(out, "params", made);
	if (http->headers != NULL && http->headers->len > 0)
		json_object_add(out, "headers", http->headers);
	if (http->auth_profile != NULL && http->auth_profile[0] != '\0')
		json_object_add(out, "auth_profile",
		    json_new_cstr(s->arena, http->auth_profile));
}

/* ---- steps ---- */

/* What of the other steps is a place; NULL: it stays. */
static const struct json *
place_of(struct shaping *s, const struct step *step, const struct json_member *m)
{
	if (step->kind == STEP_TOP_K && strcmp(m->name, "k") == 0)
		return place(s, "k", 1, "integer", "how many rows to keep", &m->value);
	if (step->kind == STEP_JOIN && m->value.type == JSON_STRING &&
	    (strcmp(m->name, "left") == 0 || strcmp(m->name, "right") == 0))
		return place(s, m->name, m->name_len, "string",
		    "reference to the table that is joined", NULL);
	if (step->kind == STEP_TABLE_FILTER && strcmp(m->name, "condition") == 0)
		return shape_condition(s, &m->value, 0);
	return NULL;
}

static bool
is_left_out(const struct json_member *m)
{
	return m->value.type == JSON_NULL || strcmp(m->name, "comment") == 0 ||
	    strcmp(m->name, "description") == 0 || strcmp(m->name, "step") == 0;
}

static const struct json *
shape_step(struct shaping *s, const struct step *step)
{
	struct json_builder *out = json_object_begin(s->arena);

	json_object_add(out, "step", json_new_cstr(s->arena, step_name(step->kind)));
	if (step->kind == STEP_HTTP_REQUEST) {
		shape_request(s, step, out);
		return json_end(out);
	}
	for (uint32_t i = 0; i < step->args->len; i++) {
		const struct json_member *m = &step->args->members[i];
		const struct json *v;

		if (is_left_out(m))
			continue;
		v = place_of(s, step, m);
		json_object_add_n(out, m->name, m->name_len, v != NULL ? v : &m->value);
	}
	return json_end(out);
}

/* ---- names and words ---- */

static const char *const verbs[STEP_KIND_COUNT] = {
	[STEP_TABLE_SORT] = "sort",
	[STEP_TABLE_FILTER] = "filter",
	[STEP_TABLE_SELECT] = "select",
	[STEP_TOP_K] = "top",
	[STEP_GROUPBY] = "group",
	[STEP_JOIN] = "join",
	[STEP_JQ_TRANSFORM] = "jq",
	[STEP_REGEX_EXTRACT] = "regex",
	[STEP_PARSE_DATE] = "date",
};

/* What is fetched first, the first verbs, and a piece of the digest: names differ where
   shapes do. */
static void
write_name(const struct pipeline_facts *f, struct pipeline_shape *out)
{
	char words[57] = "";
	size_t used = 0;
	unsigned n_verbs = 0;

	for (size_t i = 0; i < f->steps.n; i++) {
		const struct step *s = &f->steps.v[i];

		if (s->kind == STEP_HTTP_REQUEST && used == 0) {
			const char *at = strstr(s->http.url, "://");
			char place_name[28];

			at = at != NULL ? at + 3 : s->http.url;
			(void)slug(place_name, sizeof(place_name), at,
			    strcspn(at, "?#"));
			used = (size_t)snprintf(words, sizeof(words), "get_%s_",
			    place_name);
		} else if (verbs[s->kind] != NULL && n_verbs < 3 &&
		    used + 9 < sizeof(words)) {
			used += (size_t)snprintf(words + used, sizeof(words) - used,
			    "%s_", verbs[s->kind]);
			n_verbs++;
		}
	}
	(void)snprintf(out->name, sizeof(out->name), "%s%.6s", words, out->digest);
}

/* The texts of a value, in their order; a place as its name in braces. */
static void
add_words(struct buf *out, const struct json *v, unsigned depth)
{
	const struct json *name = json_get_typed(v, PLACE, JSON_STRING);

	if (depth > DEPTH_MAX || out->len > DESCRIPTION_MAX)
		return;
	if (name != NULL)
		buf_addf(out, " {%.*s}", (int)name->len, name->text);
	else if (v->type == JSON_STRING && v->len <= WORD_MAX)
		buf_addf(out, " %.*s", (int)v->len, v->text);
	else if (v->type == JSON_ARRAY)
		for (uint32_t i = 0; i < v->len; i++)
			add_words(out, &v->items[i], depth + 1);
	else if (v->type == JSON_OBJECT)
		for (uint32_t i = 0; i < v->len; i++)
			add_words(out, &v->members[i].value, depth + 1);
}

static const char *
describe(struct arena *a, const struct json *steps)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	size_t n;

	for (uint32_t i = 0; i < steps->len && text.len <= DESCRIPTION_MAX; i++) {
		buf_adds(&text, i > 0 ? "; then" : "");
		add_words(&text, &steps->items[i], 0);
	}
	n = text.len < DESCRIPTION_MAX ? text.len : DESCRIPTION_MAX;
	while (
	    n > 0 && n < text.len && ((unsigned char)buf_str(&text)[n] & 0xC0) == 0x80)
		n--;
	/* each word brings the blank before it */
	return buf_status(&text) == 0 && n > 0
	    ? arena_strndup(a, buf_str(&text) + 1, n - 1)
	    : NULL;
}

/* ---- the shape ---- */

static int
finish_shape(struct shaping *s, struct json_builder *template, const struct json *steps,
    const struct pipeline_facts *facts, struct pipeline_shape *out)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	int r;

	out->template = json_end(template);
	out->parameters = json_end(s->parameters);
	out->looks_secret = s->looks_secret;
	if (arena_failed(s->arena) || steps == NULL || out->template == NULL ||
	    out->parameters == NULL)
		return -ENOMEM;
	json_write_canonical(&text, out->template);
	r = buf_status(&text);
	if (r == 0)
		r = digest_of(buf_str(&text), text.len, out->digest);
	if (r < 0)
		return r;
	write_name(facts, out);
	out->description = describe(s->arena, steps);
	return out->description != NULL ? 0 : -ENOMEM;
}

int
pipeline_shape_of(struct arena *a, const struct json *args,
    const struct pipeline_facts *facts, struct pipeline_shape *out)
{
	struct shaping *s = arena_alloc(a, sizeof(*s));
	struct json_builder *template = json_object_begin(a);
	struct json_builder *list = json_array_begin(a);
	const struct json *input = json_get_typed(args, "input_ref", JSON_STRING);
	const struct json *steps;

	*out = (struct pipeline_shape){ .name = "" };
	if (s == NULL)
		return -ENOMEM;
	if (!facts->is_sound || facts->has_post ||
	    holds_mark(json_get(args, "pipeline"), 0))
		return -EINVAL;
	*s = (struct shaping){ .arena = a, .parameters = json_array_begin(a) };
	for (size_t i = 0; i < facts->steps.n; i++)
		json_array_add(list, shape_step(s, &facts->steps.v[i]));
	if (input != NULL && input->len > 0)
		json_object_add(template, "input_ref",
		    place(s, "input_ref", 9, "string",
			"reference to the data that the first step works on", NULL));
	steps = json_end(list);
	json_object_add(template, "pipeline", steps);
	if (steps == NULL)
		return -ENOMEM;
	look_at(s, steps, 0);
	look_at(s, json_end(s->parameters), 0);
	if (s->is_refused)
		return -EINVAL;
	return finish_shape(s, template, steps, facts, out);
}

/* ---- the schema of the parameters ---- */

static void
write_about(struct json_writer *w, const struct json *p)
{
	const struct json *about = json_get_typed(p, "description", JSON_STRING);
	const struct json *otherwise = json_get(p, "default");
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (about != NULL)
		buf_add(&text, about->text, about->len);
	if (otherwise != NULL) {
		buf_adds(&text, "; when left out: ");
		json_write(&text, otherwise, JSON_COMPACT);
	}
	jw_key(w, "description");
	jw_string(w, buf_str(&text), text.len);
}

void
pipeline_shape_schema(struct buf *out, const struct json *parameters)
{
	static const char scalars[] = "{\"type\":[\"string\",\"number\",\"boolean\"]}";
	uint32_t n = json_is(parameters, JSON_ARRAY) ? parameters->len : 0;
	struct json_writer w;

	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "type");
	jw_cstr(&w, "object");
	jw_key(&w, "required");
	jw_array_begin(&w);
	for (uint32_t i = 0; i < n; i++)
		if (json_get(&parameters->items[i], "default") == NULL)
			jw_value(&w, json_get(&parameters->items[i], "name"));
	jw_array_end(&w);
	jw_key(&w, "additionalProperties");
	jw_bool(&w, false);
	jw_key(&w, "properties");
	jw_object_begin(&w);
	for (uint32_t i = 0; i < n; i++) {
		const struct json *p = &parameters->items[i];
		const struct json *name = json_get_typed(p, "name", JSON_STRING);
		const struct json *type = json_get_typed(p, "type", JSON_STRING);

		if (name == NULL || type == NULL)
			continue;
		jw_key_n(&w, name->text, name->len);
		jw_object_begin(&w);
		jw_key(&w, "type");
		jw_value(&w, type);
		if (json_eq_str(type, "array")) {
			jw_key(&w, "items");
			jw_raw(&w, scalars, sizeof(scalars) - 1);
		}
		write_about(&w, p);
		jw_object_end(&w);
	}
	jw_object_end(&w);
	jw_object_end(&w);
}

/* ---- filling in ---- */

struct filling {
	struct arena *arena;
	const struct json *parameters, *values;
	struct err *err;
	bool has_failed;
};

static const struct json *
value_of(struct filling *f, const struct json *name)
{
	const struct json *v = json_get_n(f->values, name->text, name->len);

	if (v != NULL && v->type != JSON_NULL)
		return v;
	for (uint32_t i = 0; i < f->parameters->len; i++) {
		const struct json *p = &f->parameters->items[i];
		const struct json *is = json_get_typed(p, "name", JSON_STRING);

		if (is != NULL && json_equal(is, name) &&
		    json_get(p, "default") != NULL)
			return json_get(p, "default");
	}
	(void)err_set(f->err, -EINVAL, "the parameter %.*s is missing", (int)name->len,
	    name->text);
	f->has_failed = true;
	return NULL;
}

static const struct json *
fill(struct filling *f, const struct json *v, unsigned depth)
{
	const struct json *name = json_get_typed(v, PLACE, JSON_STRING);
	struct json_builder *b;

	if (name != NULL)
		return value_of(f, name);
	if (depth > DEPTH_MAX || (v->type != JSON_ARRAY && v->type != JSON_OBJECT))
		return v;
	if (v->type == JSON_ARRAY) {
		b = json_array_begin(f->arena);
		for (uint32_t i = 0; i < v->len; i++)
			json_array_add(b, fill(f, &v->items[i], depth + 1));
		return json_end(b);
	}
	b = json_object_begin(f->arena);
	for (uint32_t i = 0; i < v->len; i++)
		json_object_add_n(b, v->members[i].name, v->members[i].name_len,
		    fill(f, &v->members[i].value, depth + 1));
	return json_end(b);
}

const struct json *
pipeline_shape_fill(struct arena *a, const struct json *template,
    const struct json *parameters, const struct json *values, struct err *err)
{
	struct filling f = { .arena = a,
		.parameters = parameters,
		.values = values,
		.err = err };
	const struct json *args;

	if (!json_is(template, JSON_OBJECT) || !json_is(parameters, JSON_ARRAY)) {
		(void)err_set(err, -EINVAL, "the tool's template is broken");
		return NULL;
	}
	args = fill(&f, template, 0);
	return f.has_failed ? NULL : args;
}
