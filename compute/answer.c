/* SPDX-License-Identifier: MIT */
/*
 * answer.c - a request's meta and texts to a run, and the run to an answer.
 *
 * Owns:   the arena of the run, while it runs.
 * Called: by child.c in the jail; answer_failure by the zygote, too.
 * Fails:  every failure becomes an answer, unless memory is too short even for that.
 */
#include "config.h"

#include "compute/answer.h"

#include "common/lane.h"
#include "compute/read.h"

#include <errno.h>

enum {
	MEGABYTE = 1024 * 1024
};

static void
write_trace(struct json_writer *w, const struct json *trace, bool with_notes)
{
	jw_array_begin(w);
	for (uint32_t i = 0; trace != NULL && i < trace->len; i++) {
		const struct json *entry = &trace->items[i];

		jw_object_begin(w);
		for (uint32_t k = 0; k < entry->len; k++) {
			jw_key_n(w, entry->members[k].name, entry->members[k].name_len);
			if (!with_notes && entry->members[k].value.type == JSON_ARRAY)
				jw_raw(w, "[]", 2);
			else
				jw_value(w, &entry->members[k].value);
		}
		jw_object_end(w);
	}
	jw_array_end(w);
}

static void
write_failure(struct json_writer *w, const struct failure *f)
{
	jw_object_begin(w);
	jw_key(w, "index");
	if (f->step[0] != '\0')
		jw_uint(w, f->index);
	else
		jw_null(w);
	jw_key(w, "step");
	jw_cstr(w, f->step);
	jw_key(w, "type");
	jw_cstr(w, failure_type_name(f->type));
	jw_key(w, "reason");
	jw_cstr(w, f->reason);
	jw_key(w, "hint");
	jw_cstr(w, f->hint);
	jw_object_end(w);
}

/* f is NULL for a success. */
static void
write_meta(struct buf *meta, const struct failure *f, const struct json *trace,
    uint32_t rows, bool with_notes)
{
	struct json_writer w;

	buf_clear(meta);
	jw_init(&w, meta);
	jw_object_begin(&w);
	jw_key(&w, "ok");
	jw_bool(&w, f == NULL);
	jw_key(&w, "trace");
	write_trace(&w, trace, with_notes);
	if (f != NULL) {
		jw_key(&w, "error");
		write_failure(&w, f);
	} else {
		jw_key(&w, "rows");
		jw_uint(&w, rows);
	}
	jw_object_end(&w);
}

void
answer_failure(struct buf *meta, const struct failure *f, const struct json *trace)
{
	write_meta(meta, f, trace, 0, true);
	if (meta->len > LANE_META_MAX)
		write_meta(meta, f, trace, 0, false);
}

/* ---- the request ---- */

static int
bad_request(struct run *r, const char *what)
{
	return run_fail(r, FAILURE_EXECUTION, "", "compute: %s", what);
}

static int
read_meta(struct run *r, const struct task_text *t, const struct json **out)
{
	struct err err = ERR_INIT;

	if (json_read(r->arena, t->meta, t->meta_len, 0, out, &err) < 0)
		return bad_request(r, err_text(&err));
	return 0;
}

static int
read_text(struct run *r, const struct task_text *t, const struct json *meta,
    const struct json **out)
{
	const struct json *name = json_get(meta, "format");
	int format = name == NULL ? FORMAT_JSON : format_from_name(name);

	if (format < 0)
		return bad_request(r, "an unknown format");
	return read_input(r, (enum input_format)format, t->data, t->data_len, out);
}

static int
read_inputs(struct run *r, const struct task *t)
{
	int e = 0;

	for (size_t i = 0; e == 0 && i < t->n_inputs; i++) {
		struct run_input *in = &r->inputs[i];
		const struct json *meta = NULL;

		e = read_meta(r, &t->inputs[i], &meta);
		if (e < 0)
			return e;
		in->name = json_cstr(r->arena, json_get(meta, "name"));
		if (in->name == NULL)
			return bad_request(r, "an input without a name");
		e = read_text(r, &t->inputs[i], meta, &in->value);
		r->n_inputs = i + 1;
	}
	return e;
}

/* The worker has checked the steps already: a problem here is the first one's. */
static int
read_steps(struct run *r, const struct json *meta, struct step_list *out)
{
	const struct json *first = json_get(meta, "first_index"), *p;
	int64_t first_index = 0;
	CLEANUP_BUF struct buf reason = BUF_INIT;

	if (first != NULL &&
	    (json_int64(first, &first_index) < 0 || first_index < 0 ||
		first_index > UINT16_MAX))
		return bad_request(r, "a wrong first_index");
	r->first_index = (uint32_t)first_index;
	if (steps_parse(r->arena, json_get(meta, "steps"), out) < 0)
		return run_no_memory(r);
	if (out->problems->len == 0)
		return 0;
	p = &out->problems->items[0];
	json_write(&reason, json_get(p, "reason"), JSON_COMPACT);
	return run_fail(r, FAILURE_INVALID_STEP, "", "%s", buf_str(&reason));
}

static int
run_task(struct run *r, const struct task *t)
{
	struct step_list steps = { 0 };
	const struct json *meta = NULL;
	int e = read_meta(r, &t->run, &meta);

	if (e == 0)
		e = read_steps(r, meta, &steps);
	if (e == 0)
		e = read_inputs(r, t);
	if (e == 0)
		e = read_text(r, &t->run, meta, &r->data);
	return e == 0 ? run_steps(r, &steps) : e;
}

static int
write_result(struct run *r, struct output *out)
{
	int e = output_value(out, r->data);

	switch (e) {
	case 0:
		return 0;
	case -EFBIG:
		return run_fail(r, FAILURE_STEP_LIMIT,
		    "filter, select fewer columns or take fewer rows",
		    "the result is larger than %llu MB",
		    (unsigned long long)(out->max / MEGABYTE));
	case -ENOMEM:
		return run_no_memory(r);
	case -E2BIG:
		return run_fail(r, FAILURE_STEP_LIMIT, "make the result flatter",
		    "the result is nested too deeply");
	default:
		return run_fail(r, FAILURE_EXECUTION, "",
		    "writing the result failed (%d)", -e);
	}
}

static int
answer_in(struct run *r, const struct task *t, struct buf *meta, struct output *out)
{
	int e = run_task(r, t);
	const struct json *trace;

	if (e == 0)
		e = write_result(r, out);
	trace = json_end(r->trace);
	if (e == 0) {
		write_meta(meta, NULL, trace, run_count_rows(r->data), true);
		if (meta->len > LANE_META_MAX)
			write_meta(meta, NULL, trace, run_count_rows(r->data), false);
	} else {
		answer_failure(meta, &r->failure, trace);
	}
	return buf_status(meta) < 0 ? buf_status(meta) : e < 0;
}

int
answer_task(const struct task *t, struct buf *meta, struct output *out)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct run r;

	if (a == NULL || run_init(&r, a) < 0)
		return -ENOMEM;
	r.may_run_programs = t->may_run_programs;
	r.progress = t->progress;
	if (r.progress != NULL)
		r.progress->kind = STEP_KIND_COUNT;
	return answer_in(&r, t, meta, out);
}
