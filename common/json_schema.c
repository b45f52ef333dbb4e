/* SPDX-License-Identifier: MIT */
/*
 * json_schema.c - compile a schema of our subset, check values against it.
 *
 * Owns:   the arena of each compiled schema, the copy of its source, its patterns.
 * Called: at start for tools and agents, in jobs for their output_schema and for every
 *         argument text of a model; recursion follows the schema and is capped.
 * Fails:  on a keyword outside the subset, by the table below; a pattern that exceeds
 * its match limits is a violation, not an error.
 */
#include "config.h"

#include "common/json_schema.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
	SCHEMA_DEPTH_MAX = 64,
	PATTERN_BYTES_MAX = 4096,
	CHECK_MAX_MS = 500, /* of one value: the caller runs other jobs, too */
	STEPS_PER_LOOK = 1 << 14,
	MATCH_LIMIT = 200000,
	MATCH_DEPTH_LIMIT = 2000,
	MATCH_HEAP_KIB = 4096,
	TYPE_INTEGER = JSON_TYPE_COUNT /* a type of schemas only */
};

/* Where we are: a chain on the stack, written out as a JSON Pointer only for errors. */
struct trail {
	const struct trail *up;
	const char *name; /* NULL: index */
	size_t name_len;
	size_t index;
};

struct property {
	const char *name;
	size_t name_len;
	struct node *node;
};

struct node {
	bool is_never;  /* the schema false */
	bool is_closed; /* additionalProperties false */
	unsigned types; /* bits by enum json_type and TYPE_INTEGER; 0: any */
	struct property *properties;
	size_t n_properties;
	const struct json *required;
	struct node *additional;
	struct node *items;
	const struct json *choices; /* enum */
	const struct json *minimum, *maximum;
	const struct json *pattern_text;
	pcre2_code *pattern;
	struct node *next_with_pattern;
};

struct json_schema {
	struct arena *arena;
	char *text; /* owned: what source points into */
	const struct json *source;
	struct node *root;
	struct node *with_pattern;
};

struct compiler {
	struct json_schema *schema;
	struct err *err;
	unsigned depth;
};

struct checker {
	struct json_schema_errors *errors;
	bool is_bad;
	uint64_t steps;    /* since the clock was last read */
	uint64_t until_us; /* of this thread's CPU time; 0: not read yet */
	bool is_out_of_time;
};

/* ---- JSON Pointers ---- */

static size_t
put_escaped(char *out, size_t cap, size_t at, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *s = name[i] == '~' ? "~0" : name[i] == '/' ? "~1" : NULL;

		if (s != NULL && at + 2 < cap) {
			out[at++] = s[0];
			out[at++] = s[1];
		} else if (s == NULL && at + 1 < cap) {
			out[at++] = (unsigned char)name[i] < 0x20 ? '?' : name[i];
		}
	}
	return at;
}

/* A cut may not leave half of a UTF-8 sequence behind. */
static void
trim_utf8(char *text, size_t len)
{
	size_t start = len;

	while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
		start--;
	if (start == 0)
		return;
	start--;
	unsigned char lead = (unsigned char)text[start];
	size_t want = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;

	if (len - start < want)
		text[start] = '\0';
}

static void
pointer_write(const struct trail *t, char *out, size_t cap)
{
	const struct trail *steps[2 * SCHEMA_DEPTH_MAX + 2];
	size_t n = 0, at = 0;

	for (; t != NULL && n < ARRAY_LEN(steps); t = t->up)
		steps[n++] = t;
	while (n-- > 0) {
		if (at + 1 < cap)
			out[at++] = '/';
		if (steps[n]->name != NULL) {
			at = put_escaped(out, cap, at, steps[n]->name,
			    steps[n]->name_len);
		} else {
			int w = snprintf(out + at, cap - at, "%zu", steps[n]->index);

			at = (size_t)w < cap - at ? at + (size_t)w : cap - 1;
		}
	}
	out[at] = '\0';
	trim_utf8(out, at);
}

/* ---- compiling ---- */

static int compile(struct compiler *c, const struct json *s, const struct trail *at,
    struct node **out);

static int refuse(struct compiler *c, int code, const struct trail *at, const char *fmt,
    ...) PRINTF_LIKE(4, 5);

static int
refuse(struct compiler *c, int code, const struct trail *at, const char *fmt, ...)
{
	char path[JSON_SCHEMA_PATH_MAX], what[JSON_SCHEMA_MESSAGE_MAX];
	va_list ap;

	pointer_write(at, path, sizeof(path));
	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(c->err, code, "%s: %s", path[0] != '\0' ? path : "/", what);
}

static void *
take(struct compiler *c, size_t n)
{
	void *p = arena_alloc(c->schema->arena, n > 0 ? n : 1);

	if (p != NULL)
		memset(p, 0, n);
	return p;
}

static int
type_bit(struct compiler *c, const struct json *v, const struct trail *at,
    unsigned *bits)
{
	if (json_eq_str(v, "integer")) {
		*bits |= 1U << TYPE_INTEGER;
		return 0;
	}
	for (unsigned t = 0; t < JSON_TYPE_COUNT; t++)
		if (json_eq_str(v, json_type_name((enum json_type)t))) {
			*bits |= 1U << t;
			return 0;
		}
	return refuse(c, -EINVAL, at, "names no JSON type");
}

static int
key_type(struct compiler *c, struct node *node, const struct json *v,
    const struct trail *at)
{
	if (!json_is(v, JSON_ARRAY))
		return type_bit(c, v, at, &node->types);
	if (v->len == 0)
		return refuse(c, -EINVAL, at, "an empty list of types allows nothing");
	for (uint32_t i = 0; i < v->len; i++) {
		int r = type_bit(c, &v->items[i], at, &node->types);

		if (r < 0)
			return r;
	}
	return 0;
}

static int
key_properties(struct compiler *c, struct node *node, const struct json *v,
    const struct trail *at)
{
	if (!json_is(v, JSON_OBJECT))
		return refuse(c, -EINVAL, at, "must be an object of schemas");
	node->properties = take(c, v->len * sizeof(*node->properties));
	if (node->properties == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < v->len; i++) {
		struct property *p = &node->properties[node->n_properties];
		const struct json_member *m = &v->members[i];
		struct trail here = { at, m->name, m->name_len, 0 };
		int r = compile(c, &m->value, &here, &p->node);

		if (r < 0)
			return r;
		p->name = m->name;
		p->name_len = m->name_len;
		node->n_properties++;
	}
	return 0;
}

static int
key_required(struct compiler *c, struct node *node, const struct json *v,
    const struct trail *at)
{
	if (!json_is(v, JSON_ARRAY))
		return refuse(c, -EINVAL, at, "must be a list of names");
	for (uint32_t i = 0; i < v->len; i++)
		if (!json_is(&v->items[i], JSON_STRING))
			return refuse(c, -EINVAL, at, "must be a list of names");
	node->required = v;
	return 0;
}

static int
key_additional(struct compiler *c, struct node *node, const struct json *v,
    const struct trail *at)
{
	if (json_is(v, JSON_BOOL)) {
		node->is_closed = !json_is_true(v);
		return 0;
	}
	return compile(c, v, at, &node->additional);
}

static int
key_items(struct compiler *c, struct node *node, const struct json *v,
    const struct trail *at)
{
	if (json_is(v, JSON_ARRAY))
		return refuse(c, -ENOTSUP, at, "a list of schemas is not supported");
	return compile(c, v, at, &node->items);
}

static int
key_enum(struct compiler *c, struct node *node, const struct json *v,
    const struct trail *at)
{
	if (!json_is(v, JSON_ARRAY) || v->len == 0)
		return refuse(c, -EINVAL, at, "must be a list of values, not empty");
	node->choices = v;
	return 0;
}

static int
key_minimum(struct compiler *c, struct node *node, const struct json *v,
    const struct trail *at)
{
	if (!json_is(v, JSON_NUMBER))
		return refuse(c, -EINVAL, at, "must be a number");
	node->minimum = v;
	return 0;
}

static int
key_maximum(struct compiler *c, struct node *node, const struct json *v,
    const struct trail *at)
{
	if (!json_is(v, JSON_NUMBER))
		return refuse(c, -EINVAL, at, "must be a number");
	node->maximum = v;
	return 0;
}

/* PCRE2 knows \Z as an anchor; ECMA 262 does not, so the letter would mean itself
   there. Nobody means that: refuse it. */
static bool
has_escape_z(const char *s, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++)
		if (s[i] == '\\' && s[++i] == 'Z')
			return true;
	return false;
}

static int
compile_pattern(const char *s, size_t n, pcre2_code **out, PCRE2_UCHAR *why,
    size_t why_max)
{
	pcre2_compile_context *ctx = pcre2_compile_context_create(NULL);
	PCRE2_SIZE where;
	int code = 0;

	if (ctx == NULL)
		return -ENOMEM;
	(void)pcre2_set_compile_extra_options(ctx, PCRE2_EXTRA_ALT_BSUX);
	(void)pcre2_set_parens_nest_limit(ctx, 50);
	*out = pcre2_compile((PCRE2_SPTR)s, n,
	    PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_MATCH_UNSET_BACKREF |
		PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS |
		PCRE2_NEVER_BACKSLASH_C,
	    &code, &where, ctx);
	pcre2_compile_context_free(ctx);
	if (*out != NULL)
		return 0;
	(void)pcre2_get_error_message(code, why, why_max);
	return -EINVAL;
}

static int
key_pattern(struct compiler *c, struct node *node, const struct json *v,
    const struct trail *at)
{
	PCRE2_UCHAR why[120] = "";
	int r;

	if (!json_is(v, JSON_STRING))
		return refuse(c, -EINVAL, at,
		    "must be a regular expression in a string");
	if (v->len > PATTERN_BYTES_MAX)
		return refuse(c, -EINVAL, at, "is longer than %d bytes",
		    PATTERN_BYTES_MAX);
	if (has_escape_z(v->text, v->len))
		return refuse(c, -EINVAL, at, "\\Z is no part of the syntax; use $");
	r = compile_pattern(v->text, v->len, &node->pattern, why, sizeof(why));
	if (r == -EINVAL)
		return refuse(c, r, at, "is no regular expression: %s", (char *)why);
	if (r < 0)
		return err_set(c->err, r, "no memory for a pattern");
	node->pattern_text = v;
	node->next_with_pattern = c->schema->with_pattern;
	c->schema->with_pattern = node;
	return 0;
}

static int
key_annotation(struct compiler *c, struct node *node, const struct json *v,
    const struct trail *at)
{
	(void)c;
	(void)node;
	(void)v;
	(void)at;
	return 0;
}

static const struct {
	const char *name;
	int (*compile)(struct compiler *, struct node *, const struct json *,
	    const struct trail *);
} keywords[] = {
	{ "type", key_type },
	{ "properties", key_properties },
	{ "required", key_required },
	{ "additionalProperties", key_additional },
	{ "items", key_items },
	{ "enum", key_enum },
	{ "minimum", key_minimum },
	{ "maximum", key_maximum },
	{ "pattern", key_pattern },
	{ "title", key_annotation },
	{ "description", key_annotation },
	{ "default", key_annotation },
	{ "examples", key_annotation },
	{ "$schema", key_annotation },
	{ "$id", key_annotation },
	{ "$comment", key_annotation },
};

static int
compile_member(struct compiler *c, struct node *node, const struct json_member *m,
    const struct trail *up)
{
	struct trail here = { up, m->name, m->name_len, 0 };

	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (strlen(keywords[i].name) == m->name_len &&
		    memcmp(keywords[i].name, m->name, m->name_len) == 0)
			return keywords[i].compile(c, node, &m->value, &here);
	return refuse(c, -ENOTSUP, &here, "keyword is not supported");
}

static int
compile_object(struct compiler *c, const struct json *s, const struct trail *at,
    struct node *node)
{
	for (uint32_t i = 0; i < s->len; i++) {
		int r;

		/* of duplicate keys the last one counts */
		if (json_get_n(s, s->members[i].name, s->members[i].name_len) !=
		    &s->members[i].value)
			continue;
		r = compile_member(c, node, &s->members[i], at);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
compile(struct compiler *c, const struct json *s, const struct trail *at,
    struct node **out)
{
	struct node *node = take(c, sizeof(*node));
	int r = 0;

	if (node == NULL)
		return err_set(c->err, -ENOMEM, "no memory for a schema");
	if (++c->depth > SCHEMA_DEPTH_MAX)
		return refuse(c, -E2BIG, at, "nested deeper than %d", SCHEMA_DEPTH_MAX);
	if (json_is(s, JSON_BOOL))
		node->is_never = !json_is_true(s);
	else if (json_is(s, JSON_OBJECT))
		r = compile_object(c, s, at, node);
	else
		r = refuse(c, -EINVAL, at, "a schema is an object, true or false");
	c->depth--;
	if (r == 0)
		*out = node;
	return r;
}

int
json_schema_compile_text(const char *text, size_t n, struct json_schema **out,
    struct err *err)
{
	CLEANUP(json_schema_freep) struct json_schema *s = calloc(1, sizeof(*s));
	struct compiler c = { s, err, 0 };
	int r;

	if (s == NULL || (s->arena = arena_new(0)) == NULL ||
	    (s->text = malloc(n + 1)) == NULL)
		return err_set(err, -ENOMEM, "no memory for a schema");
	memcpy(s->text, text, n);
	s->text[n] = '\0';
	r = json_read(s->arena, s->text, n, 0, &s->source, err);
	if (r < 0)
		return r;
	r = compile(&c, s->source, NULL, &s->root);
	if (r < 0)
		return r;
	*out = TAKE_PTR(s);
	return 0;
}

int
json_schema_compile(const struct json *schema, struct json_schema **out,
    struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	json_write(&text, schema, JSON_COMPACT);
	if (buf_status(&text) != 0)
		return err_set(err, buf_status(&text), "no memory for a schema");
	return json_schema_compile_text(buf_str(&text), text.len, out, err);
}

void
json_schema_free(struct json_schema *s)
{
	if (s == NULL)
		return;
	for (struct node *n = s->with_pattern; n != NULL; n = n->next_with_pattern)
		pcre2_code_free(n->pattern);
	arena_free(s->arena);
	free(s->text);
	free(s);
}

void
json_schema_freep(struct json_schema **s)
{
	json_schema_free(*s);
}

const struct json *
json_schema_source(const struct json_schema *s)
{
	return s->source;
}

/* ---- checking ---- */

static void violate(struct checker *c, const struct trail *at, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

static void
violate(struct checker *c, const struct trail *at, const char *fmt, ...)
{
	struct json_schema_error *e;
	va_list ap;

	c->is_bad = true;
	if (c->errors == NULL || c->errors->n == JSON_SCHEMA_ERRORS_MAX)
		return;
	e = &c->errors->at[c->errors->n++];
	pointer_write(at, e->path, sizeof(e->path));
	va_start(ap, fmt);
	int n = vsnprintf(e->message, sizeof(e->message), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(e->message))
		trim_utf8(e->message, sizeof(e->message) - 1);
}

static uint64_t
cpu_us(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Long lists times long enumerations, or patterns that go astray in each of a hundred
   thousand texts: schema and value may both be strangers'. */
static void
count_steps(struct checker *c, const struct trail *at, uint64_t n)
{
	c->steps += n;
	if (c->steps < STEPS_PER_LOOK || c->is_out_of_time)
		return;
	c->steps = 0;
	if (c->until_us == 0)
		c->until_us = cpu_us() + CHECK_MAX_MS * 1000;
	if (cpu_us() < c->until_us)
		return;
	c->is_out_of_time = true;
	violate(c, at, "took too long to check; make the schema or the value smaller");
}

/* Nothing more to learn: all places for errors are taken, or nobody asked for them. */
static bool
is_enough(const struct checker *c)
{
	if (c->is_out_of_time)
		return true;
	return c->is_bad &&
	    (c->errors == NULL || c->errors->n == JSON_SCHEMA_ERRORS_MAX);
}

static bool
is_integer(const struct json *v)
{
	int64_t i;
	int r = json_is(v, JSON_NUMBER) ? json_int64(v, &i) : -EINVAL;

	return r == 0 || r == -ERANGE;
}

static bool
type_fits(unsigned types, const struct json *v)
{
	return types == 0 || (types & 1U << v->type) != 0 ||
	    ((types & 1U << TYPE_INTEGER) != 0 && is_integer(v));
}

static void
check_type(struct checker *c, const struct node *node, const struct json *v,
    const struct trail *at)
{
	CLEANUP_BUF struct buf want = BUF_INIT;

	for (unsigned t = 0; t <= TYPE_INTEGER; t++)
		if ((node->types & 1U << t) != 0)
			buf_addf(&want, "%s%s", want.len > 0 ? " or " : "",
			    t == TYPE_INTEGER ? "integer"
					      : json_type_name((enum json_type)t));
	violate(c, at, "must be %s, not %s", buf_str(&want),
	    json_type_name((enum json_type)v->type));
}

static int
compare_numbers(const struct json *a, const struct json *b)
{
	int64_t i, j;
	double x = 0, y = 0;

	if (json_int64(a, &i) == 0 && json_int64(b, &j) == 0)
		return (i > j) - (i < j);
	(void)json_double(a, &x);
	(void)json_double(b, &y);
	return (x > y) - (x < y);
}

static void
check_bounds(struct checker *c, const struct node *node, const struct json *v,
    const struct trail *at)
{
	if (node->minimum != NULL && compare_numbers(v, node->minimum) < 0)
		violate(c, at, "must be at least %.*s", (int)node->minimum->len,
		    node->minimum->text);
	if (node->maximum != NULL && compare_numbers(v, node->maximum) > 0)
		violate(c, at, "must be at most %.*s", (int)node->maximum->len,
		    node->maximum->text);
}

static int
pattern_match(const struct node *node, const struct json *v)
{
	pcre2_match_context *ctx = pcre2_match_context_create(NULL);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int r = PCRE2_ERROR_NOMEMORY;

	if (ctx != NULL && data != NULL) {
		(void)pcre2_set_match_limit(ctx, MATCH_LIMIT);
		(void)pcre2_set_depth_limit(ctx, MATCH_DEPTH_LIMIT);
		(void)pcre2_set_heap_limit(ctx, MATCH_HEAP_KIB);
		r = pcre2_match(node->pattern, (PCRE2_SPTR)v->text, v->len, 0, 0, data,
		    ctx);
	}
	pcre2_match_data_free(data);
	pcre2_match_context_free(ctx);
	return r;
}

static void
check_pattern(struct checker *c, const struct node *node, const struct json *v,
    const struct trail *at)
{
	int r = pattern_match(node, v);

	count_steps(c, at, STEPS_PER_LOOK / 16 + v->len);
	int shown = node->pattern_text->len > 100 ? 100 : (int)node->pattern_text->len;

	if (r >= 0)
		return;
	if (r == PCRE2_ERROR_NOMATCH)
		violate(c, at, "must match the pattern %.*s", shown,
		    node->pattern_text->text);
	else
		violate(c, at, "could not be matched against %.*s within the limits",
		    shown, node->pattern_text->text);
}

static void
check_enum(struct checker *c, const struct node *node, const struct json *v,
    const struct trail *at)
{
	CLEANUP_BUF struct buf all = BUF_INIT;

	for (uint32_t i = 0; i < node->choices->len; i++)
		if (json_equal(v, &node->choices->items[i])) {
			count_steps(c, at, i);
			return;
		}
	count_steps(c, at, node->choices->len);
	for (uint32_t i = 0; i < node->choices->len && all.len < 180; i++) {
		if (i > 0)
			buf_adds(&all, ", ");
		json_write(&all, &node->choices->items[i], JSON_COMPACT);
	}
	violate(c, at, "must be one of %s", buf_str(&all));
}

static void check(struct checker *c, const struct node *node, const struct json *v,
    const struct trail *at);

static const struct node *
property_find(const struct node *node, const struct json_member *m)
{
	for (size_t i = 0; i < node->n_properties; i++) {
		const struct property *p = &node->properties[i];

		if (p->name_len == m->name_len &&
		    memcmp(p->name, m->name, p->name_len) == 0)
			return p->node;
	}
	return NULL;
}

static void
check_unknown(struct checker *c, const struct node *node, const struct json_member *m,
    const struct trail *here)
{
	CLEANUP_BUF struct buf known = BUF_INIT;

	if (node->additional != NULL) {
		check(c, node->additional, &m->value, here);
		return;
	}
	if (!node->is_closed)
		return;
	for (size_t i = 0; i < node->n_properties && known.len < 160; i++)
		buf_addf(&known, "%s%s", i > 0 ? ", " : "", node->properties[i].name);
	if (known.len > 0)
		violate(c, here, "is not known here; known: %s", buf_str(&known));
	else
		violate(c, here, "is not known here");
}

static void
check_object(struct checker *c, const struct node *node, const struct json *v,
    const struct trail *at)
{
	for (uint32_t i = 0; node->required != NULL && i < node->required->len; i++) {
		const struct json *name = &node->required->items[i];
		struct trail here = { at, name->text, name->len, 0 };

		count_steps(c, at, v->len);
		if (is_enough(c))
			return;
		if (json_get_n(v, name->text, name->len) == NULL)
			violate(c, &here, "is required and missing");
	}
	for (uint32_t i = 0; i < v->len && !is_enough(c); i++) {
		const struct json_member *m = &v->members[i];
		struct trail here = { at, m->name, m->name_len, 0 };
		const struct node *known = property_find(node, m);

		count_steps(c, &here, node->n_properties);
		if (known != NULL)
			check(c, known, &m->value, &here);
		else
			check_unknown(c, node, m, &here);
	}
}

static void
check(struct checker *c, const struct node *node, const struct json *v,
    const struct trail *at)
{
	count_steps(c, at, 1);
	if (is_enough(c))
		return;
	if (node->is_never) {
		violate(c, at, "is not allowed");
		return;
	}
	if (!type_fits(node->types, v)) {
		check_type(c, node, v, at);
		return;
	}
	if (node->choices != NULL)
		check_enum(c, node, v, at);
	if (v->type == JSON_NUMBER)
		check_bounds(c, node, v, at);
	if (v->type == JSON_STRING && node->pattern != NULL)
		check_pattern(c, node, v, at);
	if (v->type == JSON_OBJECT)
		check_object(c, node, v, at);
	if (v->type == JSON_ARRAY && node->items != NULL)
		for (uint32_t i = 0; i < v->len && !is_enough(c); i++) {
			struct trail here = { at, NULL, 0, i };

			check(c, node->items, &v->items[i], &here);
		}
}

int
json_schema_check(const struct json_schema *s, const struct json *value,
    struct json_schema_errors *errors)
{
	struct checker c = { .errors = errors };

	if (errors != NULL)
		errors->n = 0;
	check(&c, s->root, value, NULL);
	return c.is_bad ? -EBADMSG : 0;
}

void
json_schema_errors_write(struct buf *out, const struct json_schema_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		buf_addf(out, "%s%s: %s", i > 0 ? "; " : "",
		    errors->at[i].path[0] != '\0' ? errors->at[i].path : "the value",
		    errors->at[i].message);
}
