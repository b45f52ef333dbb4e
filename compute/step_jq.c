/* SPDX-License-Identifier: MIT */
/*
 * step_jq.c - jq_transform: the only file that knows libjq.
 *
 * libjq aborts where it cannot go on, reads modules below the working directory, and
 * shows the environment; so it runs only in a fresh jailed child without an environment
 * and without files. Its numbers are doubles: integers beyond 2^53 are counted in the
 * trace. One output is the result, several (or none) are a list.
 *
 * Owns:   the jq state while the step runs.
 * Called: by run.c through its table.
 * Fails:  compile and run errors are invalid_step; want of memory ends the process with
 *         CHILD_EXIT_MEMORY, because libjq would abort.
 */
#include "config.h"

#include "compute/child.h"
#include "compute/run.h"

#include <errno.h>
#include <float.h>
#include <jq.h>
#include <jv.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

struct jq_run {
	struct run *run;
	uint64_t n_large;  /* integers that a double cannot hold */
	struct buf errors; /* what the compiler said */
};

/* ---- values into jq ---- */

static jv jv_of(struct jq_run *q, const struct json *v);

static jv
jv_of_number(struct jq_run *q, const struct json *v)
{
	const int64_t exact = (int64_t)1 << 53;
	double d = 0;
	int64_t i;

	(void)json_double(v, &d);
	if (v->len >= 16 && json_is_integer(v) &&
	    (json_int64(v, &i) < 0 || i > exact || i < -exact))
		q->n_large++;
	return jv_number(d);
}

static jv
jv_of_text(const char *text, uint32_t n)
{
	return jv_string_sized(n == 0 ? "" : text, (int)n);
}

static jv
jv_of_array(struct jq_run *q, const struct json *v)
{
	jv a = jv_array_sized((int)v->len);

	for (uint32_t i = 0; i < v->len; i++)
		a = jv_array_append(a, jv_of(q, &v->items[i]));
	return a;
}

static jv
jv_of_object(struct jq_run *q, const struct json *v)
{
	jv o = jv_object();

	for (uint32_t i = 0; i < v->len; i++)
		o = jv_object_set(o,
		    jv_of_text(v->members[i].name, v->members[i].name_len),
		    jv_of(q, &v->members[i].value));
	return o;
}

static jv
jv_of(struct jq_run *q, const struct json *v)
{
	switch ((enum json_type)v->type) {
	case JSON_BOOL:
		return jv_bool(v->len != 0);
	case JSON_NUMBER:
		return jv_of_number(q, v);
	case JSON_STRING:
		return jv_of_text(v->text, v->len);
	case JSON_ARRAY:
		return jv_of_array(q, v);
	case JSON_OBJECT:
		return jv_of_object(q, v);
	case JSON_NULL:
	case JSON_TYPE_COUNT:
	default:
		return jv_null();
	}
}

/* ---- values out of jq; each consumes v ---- */

static int value_of(struct run *r, jv v, unsigned depth, struct json *out);

static int
take(struct run *r, const struct json *v, struct json *out)
{
	if (v == NULL)
		return run_no_memory(r);
	*out = *v;
	return 0;
}

/* As jq prints: not a number is null, the infinities are the largest double. */
static int
number_of(struct run *r, double d, struct json *out)
{
	if (isinf(d))
		d = d < 0 ? -DBL_MAX : DBL_MAX;
	return take(r, json_new_double(r->arena, d), out);
}

static int
array_of(struct run *r, jv v, unsigned depth, struct json *out)
{
	int n = jv_array_length(jv_copy(v)), e = 0;
	struct json *items = run_alloc(r, (size_t)n, sizeof(*items));

	if (items == NULL)
		e = run_no_memory(r);
	for (int i = 0; e == 0 && i < n; i++)
		e = value_of(r, jv_array_get(jv_copy(v), i), depth + 1, &items[i]);
	jv_free(v);
	if (e == 0)
		*out = (struct json){ .type = JSON_ARRAY,
			.len = (uint32_t)n,
			.items = items };
	return e;
}

static int
object_of(struct run *r, jv v, unsigned depth, struct json *out)
{
	int n = jv_object_length(jv_copy(v)), k = 0, e = 0;
	struct json_member *m = run_alloc(r, (size_t)n, sizeof(*m));

	if (m == NULL)
		e = run_no_memory(r);
	for (int i = jv_object_iter(v); e == 0 && jv_object_iter_valid(v, i);
	     i = jv_object_iter_next(v, i)) {
		jv name = jv_object_iter_key(v, i);
		const char *text = jv_string_value(name);
		size_t len = (size_t)jv_string_length_bytes(jv_copy(name));
		uint32_t hash = json_name_hash(text, len);

		m[k].name = arena_intern(r->arena, text, len, hash);
		m[k].name_len = (uint32_t)len;
		m[k].name_hash = hash;
		jv_free(name);
		if (m[k].name == NULL)
			e = run_no_memory(r);
		else
			e = value_of(r, jv_object_iter_value(v, i), depth + 1,
			    &m[k++].value);
	}
	jv_free(v);
	if (e == 0)
		*out = (struct json){ .type = JSON_OBJECT,
			.len = (uint32_t)k,
			.members = m };
	return e;
}

static int
value_of(struct run *r, jv v, unsigned depth, struct json *out)
{
	int e = 0;

	if (depth > RUN_DEPTH_MAX) {
		jv_free(v);
		return run_fail(r, FAILURE_STEP_LIMIT, "make the result flatter",
		    "the result is nested deeper than %d levels", RUN_DEPTH_MAX);
	}
	switch (jv_get_kind(v)) {
	case JV_KIND_ARRAY:
		return array_of(r, v, depth, out);
	case JV_KIND_OBJECT:
		return object_of(r, v, depth, out);
	case JV_KIND_NUMBER:
		e = number_of(r, jv_number_value(v), out);
		break;
	case JV_KIND_STRING:
		e = take(r,
		    json_new_string(r->arena, jv_string_value(v),
			(size_t)jv_string_length_bytes(jv_copy(v))),
		    out);
		break;
	case JV_KIND_TRUE:
	case JV_KIND_FALSE:
		*out = (struct json){ .type = JSON_BOOL,
			.len = jv_get_kind(v) == JV_KIND_TRUE };
		break;
	case JV_KIND_NULL:
	case JV_KIND_INVALID:
	default:
		*out = (struct json){ .type = JSON_NULL };
		break;
	}
	jv_free(v);
	return e;
}

/* ---- what jq calls ---- */

static void
collect_error(void *data, jv msg)
{
	struct jq_run *q = data;

	if (jv_get_kind(msg) == JV_KIND_STRING && q->errors.len < RUN_TEXT_MAX) {
		if (q->errors.len > 0)
			buf_adds(&q->errors, "; ");
		buf_adds(&q->errors, jv_string_value(msg));
	}
	jv_free(msg);
}

static void
ignore_debug(void *data, jv msg)
{
	(void)data;
	jv_free(msg);
}

static jv
no_input(jq_state *jq, void *data)
{
	(void)jq;
	(void)data;
	return jv_invalid();
}

static void
out_of_memory(void *data)
{
	(void)data;
	_exit(CHILD_EXIT_MEMORY);
}

/* ---- the step ---- */

/* One line, without jq's own prefix. */
static int
fail_with(struct run *r, const char *what, const char *text)
{
	static const char prefix[] = "jq: error: ";
	char line[RUN_TEXT_MAX];

	if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
		text += sizeof(prefix) - 1;
	(void)snprintf(line, sizeof(line), "%s", text);
	for (char *p = line; *p != '\0'; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	return run_fail(r, FAILURE_INVALID_STEP,
	    "the query is a jq 1.6 program; its input is the current data",
	    "jq %s: %.400s", what, line);
}

static int
fail_with_message(struct run *r, const char *what, jv msg)
{
	jv text = jv_get_kind(msg) == JV_KIND_STRING ? msg : jv_dump_string(msg, 0);
	const char *why = jv_string_value(text);
	int e; /* "break" is how input says that there is none */

	e = fail_with(r, what, strcmp(why, "break") == 0 ? "No more inputs" : why);

	jv_free(text);
	return e;
}

static void
prepare(struct jq_run *q, jq_state *jq)
{
	jq_set_nomem_handler(jq, out_of_memory, NULL);
	jq_set_error_cb(jq, collect_error, q);
	jq_set_debug_cb(jq, ignore_debug, NULL);
	jq_set_input_cb(jq, no_input, NULL);
	jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	jq_set_attr(jq, jv_string("JQ_ORIGIN"), jv_string(""));
	jq_set_attr(jq, jv_string("PROGRAM_ORIGIN"), jv_string(""));
}

/* The end of the outputs: nothing more, an error, or halt. Consumes last. */
static int
finish(struct run *r, jq_state *jq, jv last)
{
	int e = 0;

	if (jv_invalid_has_msg(jv_copy(last)))
		e = fail_with_message(r, "stopped", jv_invalid_get_msg(jv_copy(last)));
	jv_free(last);
	if (e == 0 && jq_halted(jq)) {
		jv code = jq_get_exit_code(jq);
		bool is_error =
		    jv_get_kind(code) == JV_KIND_NUMBER && jv_number_value(code) != 0;

		jv_free(code);
		if (is_error)
			e = fail_with_message(r, "halted", jq_get_error_message(jq));
	}
	return e;
}

static int
collect_outputs(struct run *r, jq_state *jq, jv input)
{
	struct json_builder *list = json_array_begin(r->arena);
	const struct json *all;
	jv v;
	int e = 0;

	jq_start(jq, input, 0);
	while (jv_is_valid(v = jq_next(jq))) {
		struct json value;

		e = value_of(r, v, 1, &value);
		if (e < 0)
			return e;
		json_array_add(list, &value);
	}
	e = finish(r, jq, v);
	if (e < 0)
		return e;
	all = json_end(list);
	if (all == NULL)
		return run_no_memory(r);
	r->data = all->len == 1 ? &all->items[0] : all;
	if (all->len != 1)
		run_note(r, "%u outputs, as a list", all->len);
	return 0;
}

static int
run_query(struct jq_run *q, jq_state *jq, const char *query)
{
	struct run *r = q->run;
	int e;

	prepare(q, jq);
	if (!jq_compile(jq, query))
		return fail_with(r, "does not compile", buf_str(&q->errors));
	e = collect_outputs(r, jq, jv_of(q, r->data));
	if (q->n_large > 0)
		run_note(r,
		    "%llu integers in the input are beyond 2^53: jq calculates with "
		    "doubles, their last digits may have changed",
		    (unsigned long long)q->n_large);
	return e;
}

int
step_jq_transform(struct run *r, struct step *s)
{
	struct jq_run q = { .run = r };
	jq_state *jq = jq_init();
	int e;

	if (jq == NULL)
		return run_no_memory(r);
	e = run_query(&q, jq, s->jq.query);
	jq_teardown(&jq);
	buf_release(&q.errors);
	return e;
}
