/* SPDX-License-Identifier: MIT */
/*
 * run.c - the loop over steps, their trace and their failures.
 *
 * Owns:   nothing; a run and all its values live in the caller's arena.
 * Called: by answer.c in a jailed child, and by tests.
 * Fails:  with -ECANCELED, the reason in run->failure.
 */
#include "config.h"

#include "compute/run.h"

#include "common/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>

static int (*const runners[STEP_KIND_COUNT])(struct run *r, struct step *s) = {
	[STEP_TABLE_SORT] = step_table_sort,
	[STEP_TABLE_FILTER] = step_table_filter,
	[STEP_TABLE_SELECT] = step_table_select,
	[STEP_TOP_K] = step_top_k,
	[STEP_GROUPBY] = step_groupby,
	[STEP_JOIN] = step_join,
	[STEP_JQ_TRANSFORM] = step_jq_transform,
	[STEP_REGEX_EXTRACT] = step_regex_extract,
	[STEP_PARSE_DATE] = step_parse_date,
};

const char *
failure_type_name(enum failure_type type)
{
	static const char *const names[FAILURE_TYPE_COUNT] = { [FAILURE_NONE] = "none",
		[FAILURE_INVALID_STEP] = "invalid_step",
		[FAILURE_STEP_LIMIT] = "step_limit",
		[FAILURE_EXECUTION] = "execution_error" };

	return (unsigned)type < FAILURE_TYPE_COUNT ? names[type] : "none";
}

int
run_init(struct run *r, struct arena *a)
{
	*r = (struct run){ .arena = a, .failure = { .step = "" } };
	r->trace = json_array_begin(a);
	r->notes = json_array_begin(a);
	if (getrandom(&r->seed, sizeof(r->seed), 0) != (ssize_t)sizeof(r->seed))
		r->seed =
		    0x51ed270b; /* only the guard against aimed collisions is lost */
	return r->trace == NULL || r->notes == NULL ? -ENOMEM : 0;
}

/* Bytes of text that are whole characters: a bounded printf may have cut one. */
static size_t
whole_characters(const char *text)
{
	size_t n = strlen(text);

	for (size_t cut = 0; cut < 4 && cut < n; cut++)
		if (json_is_utf8(text, n - cut))
			return n - cut;
	return n; /* foreign bytes: the writer replaces them */
}

void
run_note(struct run *r, const char *fmt, ...)
{
	char text[RUN_TEXT_MAX];
	va_list ap;

	if (r->n_notes++ >= RUN_NOTES_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_add(r->notes,
	    json_new_string(r->arena, text, whole_characters(text)));
}

int
run_fail(struct run *r, enum failure_type type, const char *hint, const char *fmt, ...)
{
	struct failure *f = &r->failure;
	va_list ap;

	f->type = type;
	va_start(ap, fmt);
	(void)vsnprintf(f->reason, sizeof(f->reason), fmt, ap);
	va_end(ap);
	(void)snprintf(f->hint, sizeof(f->hint), "%s", hint);
	f->reason[whole_characters(f->reason)] = '\0';
	f->hint[whole_characters(f->hint)] = '\0';
	return -ECANCELED;
}

int
run_no_memory(struct run *r)
{
	return run_fail(r, FAILURE_STEP_LIMIT,
	    "filter or select earlier, or ask for less",
	    "the step needs more memory than limits.step_memory_mb allows");
}

void *
run_alloc(struct run *r, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return arena_alloc(r->arena, bytes == 0 ? 1 : bytes);
}

/* ---- tables ---- */

/* The only list among an object's members, NULL when there is none or several. */
static const struct json_member *
only_list(const struct json *v, uint32_t *n_lists)
{
	const struct json_member *found = NULL;

	*n_lists = 0;
	for (uint32_t i = 0; v->type == JSON_OBJECT && i < v->len; i++) {
		if (v->members[i].value.type != JSON_ARRAY)
			continue;
		found = &v->members[i];
		(*n_lists)++;
	}
	return *n_lists == 1 ? found : NULL;
}

uint32_t
run_count_rows(const struct json *v)
{
	const struct json_member *m;
	uint32_t n_lists;

	if (v == NULL || v->type == JSON_NULL)
		return 0;
	if (v->type == JSON_ARRAY)
		return v->len;
	m = only_list(v, &n_lists);
	return m != NULL ? m->value.len : 1;
}

/* The names of an object's lists, for a hint. */
static void
names_of_lists(const struct json *v, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (uint32_t i = 0; v->type == JSON_OBJECT && i < v->len && n + 80 < size; i++)
		if (v->members[i].value.type == JSON_ARRAY)
			n += (size_t)snprintf(out + n, size - n, "%s%.60s",
			    n > 0 ? ", " : "", v->members[i].name);
}

static int
no_table(struct run *r, const struct json *v, const char *what, uint32_t n_lists)
{
	char names[256];

	if (n_lists > 1) {
		names_of_lists(v, names, sizeof(names));
		return run_fail(r, FAILURE_INVALID_STEP,
		    "choose one with jq_transform, for example {\"query\":\".name\"}",
		    "%s is an object with %u lists (%s), not a table", what, n_lists,
		    names);
	}
	return run_fail(r, FAILURE_INVALID_STEP,
	    "table steps need a list of objects; jq_transform can make one",
	    v->type == JSON_OBJECT ? "%s is an object without a list, not a table%.0s"
				   : "%s is not a list but %s",
	    what, json_type_name((enum json_type)v->type));
}

int
run_table(struct run *r, const struct json *v, const char *what, bool wants_objects,
    struct table *out)
{
	const struct json_member *m = NULL;
	uint32_t n_lists = 0;

	if (!json_is(v, JSON_ARRAY)) {
		m = only_list(v, &n_lists);
		if (m == NULL)
			return no_table(r, v, what, n_lists);
		run_note(r, "%s is an object: its only list '%.100s' is taken", what,
		    m->name);
		v = &m->value;
	}
	for (uint32_t i = 0; wants_objects && i < v->len; i++)
		if (v->items[i].type != JSON_OBJECT)
			return run_fail(r, FAILURE_INVALID_STEP,
			    "rows must be objects; jq_transform can make them",
			    "row %u of %s is %s, not an object", i, what,
			    json_type_name((enum json_type)v->items[i].type));
	*out = (struct table){ v->items, v->len };
	return 0;
}

int
run_set_rows(struct run *r, struct json *items, size_t n)
{
	const struct json *v = json_new_array(r->arena, items, n);

	if (v == NULL)
		return run_no_memory(r);
	r->data = v;
	return 0;
}

/* ---- the loop ---- */

static void
add_trace(struct run *r, const struct step *s, uint32_t rows_in, uint64_t started_us)
{
	double ms = (double)(clock_mono_us() - started_us) / 1000;
	struct json_builder *o = json_object_begin(r->arena);
	char text[32];
	int n = snprintf(text, sizeof(text), "%.3f", ms);

	json_object_add(o, "step", json_new_cstr(r->arena, step_name(s->kind)));
	json_object_add(o, "index", json_new_int(r->arena, r->first_index + s->index));
	json_object_add(o, "rows_in", json_new_int(r->arena, rows_in));
	json_object_add(o, "rows_out", json_new_int(r->arena, run_count_rows(r->data)));
	json_object_add(o, "ms",
	    json_new_number(r->arena, arena_strndup(r->arena, text, (size_t)n),
		(size_t)n));
	json_object_add(o, "notes", json_end(r->notes));
	json_array_add(r->trace, json_end(o));
	r->notes = json_array_begin(r->arena);
	r->n_notes = 0;
}

static int
run_step(struct run *r, struct step *s)
{
	uint64_t started_us = clock_mono_us();
	uint32_t rows_in = run_count_rows(r->data);
	int e;

	if (r->progress != NULL) {
		r->progress->index = r->first_index + s->index;
		r->progress->kind = s->kind;
	}
	r->failure.index = r->first_index + s->index;
	r->failure.step = step_name(s->kind);
	if (runners[s->kind] == NULL)
		return run_fail(r, FAILURE_INVALID_STEP, "", "%s is not a computation",
		    r->failure.step);
	if (s->carries_program && !r->may_run_programs)
		return run_fail(r, FAILURE_EXECUTION, "",
		    "a program in a child that is shared");
	e = runners[s->kind](r, s);
	if (e < 0)
		return e;
	add_trace(r, s, rows_in, started_us);
	return arena_failed(r->arena) ? run_no_memory(r) : 0;
}

int
run_steps(struct run *r, const struct step_list *steps)
{
	for (size_t i = 0; i < steps->n; i++) {
		int e = run_step(r, &steps->v[i]);

		if (e < 0)
			return e;
	}
	r->failure.step = "";
	if (r->progress != NULL)
		r->progress->kind = STEP_KIND_COUNT;
	return 0;
}
