/* SPDX-License-Identifier: MIT */
/*
 * pipeline.c - the run of one pipeline: current data, I/O steps, runs of compute steps.
 *
 * Owns:   the current data while it runs.
 * Called: by the tool execute_pipeline and by agentctl pipeline.
 * Fails:  with a result that names step, reason and hint; negative only when the job
 *         itself must stop.
 */
#include "config.h"

#include "worker/pipeline/pipeline.h"

#include "common/pipeline/compute_proto.h"
#include "common/pipeline/fetch_proto.h"
#include "common/pipeline/steps.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

enum {
	ANSWER_MARGIN_MS = 2000,
	FETCH_BODY_TRIES = 2
};

struct pipeline {
	const struct pipeline_env *env;
	struct arena *arena;
	struct step_list steps;
	struct pipeline_data data; /* current */
	bool has_data;
	struct json_builder *trace;
	/* of the last http_request: its rows are known when compute has read the
	   body; or NULL */
	struct json_builder *fetch_entry;
	uint64_t due_ms;
	struct pipeline_result *result;
};

void
pipeline_data_release(struct pipeline_data *d)
{
	free(d->bytes);
	closep(&d->fd);
	*d = (struct pipeline_data)PIPELINE_DATA_INIT;
}

void
pipeline_result_init(struct pipeline_result *r)
{
	*r = (struct pipeline_result){ .index = -1,
		.rows = -1,
		.data = PIPELINE_DATA_INIT };
}

void
pipeline_result_release(struct pipeline_result *r)
{
	pipeline_data_release(&r->data);
}

/* Private status: the pipeline has failed, result says how. */
enum {
	FAILED = 1
};

/* A bounded printf may have cut the last character. */
static void
end_whole(char *text)
{
	size_t n = strlen(text), lead = n;

	while (lead > 0 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
		lead--;
	if (lead > 0 && !json_is_utf8(text + lead - 1, n - lead + 1))
		text[lead - 1] = '\0';
}

PRINTF_LIKE(5, 6)
static int
fails(struct pipeline *p, enum error_type type, const struct step *step,
    const char *hint, const char *fmt, ...)
{
	struct pipeline_result *r = p->result;
	va_list ap;

	r->error = type;
	r->index = step != NULL ? (int64_t)step->index : -1;
	(void)snprintf(r->step, sizeof(r->step), "%s",
	    step != NULL ? step_name(step->kind) : "");
	va_start(ap, fmt);
	(void)vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
	va_end(ap);
	end_whole(r->reason);
	(void)snprintf(r->hint, sizeof(r->hint), "%s", hint);
	end_whole(r->hint);
	return FAILED;
}

/* Cut between characters; what a server sent may hold U+0000. */
static void
copy_text(char *out, size_t size, const struct json *v)
{
	size_t n;

	if (!json_is(v, JSON_STRING) || v->len == 0)
		return;
	n = v->len < size ? v->len : size - 1;
	while (n > 0 && n < v->len && ((unsigned char)v->text[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++)
		out[i] = v->text[i] != '\0' ? v->text[i] : ' ';
	out[n] = '\0';
}

/* ---- arguments ---- */

/* All problems in one text; the first one decides index and step. */
static int
report_problems(struct pipeline *p, const struct json *problems)
{
	struct pipeline_result *r = p->result;
	CLEANUP_BUF struct buf text = BUF_INIT;
	int64_t index = -1;

	for (uint32_t i = 0; i < problems->len; i++) {
		const struct json *v = &problems->items[i];
		char reason[300] = "", field[64] = "", name[40] = "";

		(void)json_int64(json_get(v, "index"), &index);
		copy_text(reason, sizeof(reason), json_get(v, "reason"));
		copy_text(field, sizeof(field), json_get(v, "field"));
		copy_text(name, sizeof(name), json_get(v, "step"));
		buf_adds(&text, i > 0 ? "; " : "");
		if (name[0] == '\0') /* the list of steps itself */
			buf_addf(&text, "%s: %s", field, reason);
		else
			buf_addf(&text, "step %lld (%s)%s%s: %s", (long long)index,
			    name, field[0] != '\0' ? ", " : "", field, reason);
	}
	(void)fails(p, ERROR_TYPE_INVALID_STEP, NULL, "", "%.880s", buf_str(&text));
	(void)json_int64(json_get(&problems->items[0], "index"), &r->index);
	copy_text(r->step, sizeof(r->step), json_get(&problems->items[0], "step"));
	if (r->step[0] == '\0')
		r->index = -1;
	copy_text(r->hint, sizeof(r->hint), json_get(&problems->items[0], "hint"));
	return FAILED;
}

static int
check_args(struct pipeline *p, const struct json *args)
{
	const struct json *steps = json_get(args, "pipeline");
	const struct json *ref = json_get(args, "input_ref");
	int r;

	if (!json_is(args, JSON_OBJECT))
		return fails(p, ERROR_TYPE_INVALID_STEP, NULL, "",
		    "the arguments must be an object with a pipeline");
	if (!json_is(steps, JSON_ARRAY) || steps->len == 0)
		return fails(p, ERROR_TYPE_INVALID_STEP, NULL,
		    "give it as [{\"step\": \"http_request\", \"url\": \"...\"}, ...]",
		    "pipeline must be a list of at least one step");
	if (ref != NULL && !json_is(ref, JSON_STRING) && !json_is(ref, JSON_NULL))
		return fails(p, ERROR_TYPE_INVALID_STEP, NULL,
		    "use a result_ref such as artifact://...",
		    "input_ref must be text");
	r = steps_parse(p->arena, steps, &p->steps);
	if (r < 0)
		return r;
	if (p->steps.problems->len > 0)
		return report_problems(p, p->steps.problems);
	return 0;
}

/* ---- references ---- */

static int
resolve(struct pipeline *p, const struct step *step, const char *ref,
    struct pipeline_data *out)
{
	struct err err = ERR_INIT;
	int r = p->env->resolve != NULL
	    ? p->env->resolve(p->env->ctx, ref, out, &err)
	    : err_set(&err, -ENOENT, "there is no store here");

	switch (r) {
	case 0:
		return 0;
	case -ECANCELED:
	case -ENOMEM:
		return r;
	case -EACCES:
		return fails(p, ERROR_TYPE_FORBIDDEN_REFERENCE, step,
		    "use a reference of this job's context, or fetch the data again",
		    "%s belongs to somebody else", ref);
	case -ENOENT:
		return fails(p, ERROR_TYPE_INVALID_STEP, step,
		    "use a reference of this job's context, or begin with http_request",
		    "there is no result %s", ref);
	case -EFBIG:
		return fails(p, ERROR_TYPE_STEP_LIMIT, step, "", "%s is too large: %s",
		    ref, err_text(&err));
	case -EBADMSG:
		return fails(p, ERROR_TYPE_STORAGE_ERROR, step, "fetch the data again",
		    "%s was damaged in the store: %s", ref, err_text(&err));
	default:
		return fails(p, ERROR_TYPE_EXECUTION_ERROR, step, "",
		    "%s cannot be read: %s", ref, err_text(&err));
	}
}

/* ---- answers ---- */

static enum error_type
type_of(const struct json *error, enum error_type otherwise)
{
	const struct json *v = json_get_typed(error, "type", JSON_STRING);
	enum error_type type =
	    v != NULL ? error_type_from_name(v->text, v->len) : ERROR_TYPE_NONE;

	return type != ERROR_TYPE_NONE ? type : otherwise;
}

static int
call(struct pipeline *p, enum pipeline_peer peer, const struct lane_part *parts,
    size_t n, bool may_repeat, uint64_t own_ms, struct lane_reply *out, struct err *err)
{
	uint64_t due = p->env->now_ms(p->env->ctx) + own_ms + ANSWER_MARGIN_MS;
	uint16_t cancel = peer == PIPELINE_FETCH ? FETCH_CANCEL : COMPUTE_CANCEL;
	int r = -ECONNRESET;

	if (p->due_ms != 0 && p->due_ms < due)
		due = p->due_ms;
	for (int i = 0; r == -ECONNRESET && i < (may_repeat ? FETCH_BODY_TRIES : 1);
	     i++)
		r = p->env->call(p->env->ctx, peer, parts, n, cancel, due, out, err);
	return r;
}

static const struct json *
read_meta(struct pipeline *p, const struct lane_reply *reply)
{
	const char *copy = arena_strndup(p->arena, reply->meta, reply->meta_len);
	const struct json *v = NULL;

	if (copy == NULL || json_read(p->arena, copy, reply->meta_len, 0, &v, NULL) < 0)
		return NULL;
	return v;
}

static uint64_t
left_ms(const struct pipeline *p, uint64_t own_ms)
{
	uint64_t now = p->env->now_ms(p->env->ctx);

	if (p->due_ms == 0)
		return own_ms;
	if (p->due_ms <= now)
		return 1;
	return p->due_ms - now < own_ms ? p->due_ms - now : own_ms;
}

static void
take_data(struct pipeline *p, struct lane_reply *reply, const char *format)
{
	pipeline_data_release(&p->data);
	p->data.bytes = TAKE_PTR(reply->data);
	p->data.len = reply->data_len;
	p->data.fd = TAKE_FD(reply->data_fd);
	p->data.format = format;
	p->has_data = true;
}

/* ---- http_request ---- */

static const struct {
	const char *type;
	const char *format;
} formats[] = {
	{ "text/csv", "csv" },
	{ "application/csv", "csv" },
	{ "application/x-ndjson", "ndjson" },
	{ "application/ndjson", "ndjson" },
	{ "application/jsonl", "ndjson" },
	{ "application/x-jsonlines", "ndjson" },
	{ "application/jsonlines", "ndjson" },
	{ "application/json", "json" },
	{ "text/json", "json" },
};

/* CSV and NDJSON are known by their type. JSON is known by its content, whatever its
   type says; but what says it is JSON and is none is broken, not a text. */
static const char *
format_of(const struct json *meta)
{
	const struct json *type = json_get_typed(meta, "content_type", JSON_STRING);

	for (size_t i = 0; type != NULL && i < ARRAY_LEN(formats); i++) {
		size_t n = strlen(formats[i].type);

		if (type->len >= n &&
		    strncasecmp(type->text, formats[i].type, n) == 0 &&
		    (type->len == n || type->text[n] == ';' || type->text[n] == ' '))
			return formats[i].format;
	}
	return "auto";
}

static void
write_fetch_meta(struct pipeline *p, const struct http_args *h, struct buf *out)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "url");
	jw_cstr(&w, h->url);
	jw_key(&w, "method");
	jw_cstr(&w, h->method);
	if (h->params != NULL) {
		jw_key(&w, "params");
		jw_value(&w, h->params);
	}
	if (h->headers != NULL) {
		jw_key(&w, "headers");
		jw_value(&w, h->headers);
	}
	if (h->auth_profile != NULL) {
		jw_key(&w, "auth_profile");
		jw_cstr(&w, h->auth_profile);
	}
	jw_key(&w, "timeout_ms");
	jw_uint(&w, left_ms(p, (uint64_t)p->env->limits.fetch_timeout_ms));
	jw_object_end(&w);
}

static int
fetch_failed(struct pipeline *p, const struct step *step, const struct json *error)
{
	struct pipeline_result *r = p->result;
	int64_t after = 0;

	(void)fails(p, type_of(error, ERROR_TYPE_EXECUTION_ERROR), step, "", "%s",
	    "the request failed");
	copy_text(r->reason, sizeof(r->reason), json_get(error, "message"));
	copy_text(r->hint, sizeof(r->hint), json_get(error, "hint"));
	if (json_int64(json_get(error, "retry_after_ms"), &after) == 0 && after >= 0) {
		r->has_retry_after = true;
		r->retry_after_ms = (uint64_t)after;
	}
	return FAILED;
}

/* The trace entry of the last http_request, now that its rows are known (-1: never). */
static void
end_fetch_entry(struct pipeline *p, int64_t rows)
{
	if (p->fetch_entry == NULL)
		return;
	json_object_add(p->fetch_entry, "rows_out",
	    rows >= 0 ? json_new_int(p->arena, rows) : json_new_null(p->arena));
	json_array_add(p->trace, json_end(p->fetch_entry));
	p->fetch_entry = NULL;
}

static void
begin_fetch_entry(struct pipeline *p, const struct step *step, const struct json *meta,
    uint64_t started_ms)
{
	struct json_builder *o = json_object_begin(p->arena);
	struct json_builder *notes = json_array_begin(p->arena);
	CLEANUP_BUF struct buf note = BUF_INIT;
	int64_t status = 0, bytes = 0;
	const struct json *type = json_get_typed(meta, "content_type", JSON_STRING);

	(void)json_int64(json_get(meta, "status"), &status);
	(void)json_int64(json_get(meta, "bytes"), &bytes);
	buf_addf(&note, "HTTP %lld, %lld bytes, %.*s", (long long)status,
	    (long long)bytes, type != NULL ? (int)type->len : 0,
	    type != NULL ? type->text : "");
	json_array_add(notes, json_new_cstr(p->arena, buf_str(&note)));
	json_object_add(o, "step", json_new_cstr(p->arena, step_name(step->kind)));
	json_object_add(o, "index", json_new_int(p->arena, step->index));
	json_object_add(o, "ms",
	    json_new_int(p->arena,
		(int64_t)(p->env->now_ms(p->env->ctx) - started_ms)));
	json_object_add(o, "notes", json_end(notes));
	json_object_add(o, "rows_in", json_new_int(p->arena, 0));
	end_fetch_entry(p, -1); /* of a body that no step looked at */
	p->fetch_entry = o;
}

static int
run_fetch(struct pipeline *p, const struct step *step)
{
	CLEANUP_BUF struct buf meta = BUF_INIT;
	CLEANUP(lane_reply_release) struct lane_reply reply = LANE_REPLY_INIT;
	bool is_get = strcasecmp(step->http.method, "GET") == 0;
	uint64_t started = p->env->now_ms(p->env->ctx);
	struct err err = ERR_INIT;
	const struct json *v;
	int r;

	write_fetch_meta(p, &step->http, &meta);
	if (buf_status(&meta) != 0)
		return -ENOMEM;
	if (meta.len > LANE_META_MAX)
		return fails(p, ERROR_TYPE_INVALID_STEP, step, "send less in params",
		    "the request is longer than %d bytes", LANE_META_MAX);
	r = call(p, PIPELINE_FETCH,
	    &(struct lane_part){ FETCH_REQUEST, buf_str(&meta), meta.len, NULL, 0, -1 },
	    1, is_get, (uint64_t)p->env->limits.fetch_timeout_ms, &reply, &err);
	if (r == -ECANCELED || r == -ENOMEM)
		return r;
	if (r == -ECONNRESET && !is_get)
		return fails(p, ERROR_TYPE_OUTCOME_UNKNOWN, step,
		    "find out by reading before you send it again",
		    "the connection broke after the request was sent");
	if (r < 0)
		return fails(p, ERROR_TYPE_EXECUTION_ERROR, step, "", "%s",
		    err_text(&err));
	v = read_meta(p, &reply);
	if (v == NULL)
		return fails(p, ERROR_TYPE_INTERNAL, step, "", "fetch gave no answer");
	if (!json_is_true(json_get(v, "ok")))
		return fetch_failed(p, step, json_get(v, "error"));
	begin_fetch_entry(p, step, v, started);
	take_data(p, &reply, format_of(v));
	return 0;
}

/* ---- runs of compute steps ---- */

struct run_inputs {
	struct pipeline_data data[COMPUTE_INPUTS_MAX];
	struct buf meta[COMPUTE_INPUTS_MAX];
	struct lane_part parts[COMPUTE_INPUTS_MAX + 1];
	size_t n;
};

static void
inputs_release(struct run_inputs *in)
{
	for (size_t i = 0; i < in->n; i++) {
		pipeline_data_release(&in->data[i]);
		buf_release(&in->meta[i]);
	}
}

static bool
has_input(const struct run_inputs *in, const char *ref)
{
	CLEANUP_BUF struct buf quoted = BUF_INIT;

	json_write_string(&quoted, ref, strlen(ref));
	for (size_t i = 0; i < in->n; i++)
		if (strstr(buf_str(&in->meta[i]), buf_str(&quoted)) != NULL)
			return true;
	return false;
}

static int
add_input(struct pipeline *p, const struct step *step, const char *ref,
    struct run_inputs *in)
{
	struct json_writer w;
	int r;

	if (ref == NULL || has_input(in, ref))
		return 0;
	if (in->n == COMPUTE_INPUTS_MAX)
		return fails(p, ERROR_TYPE_INVALID_STEP, step, "",
		    "more than %d references in a row of steps", COMPUTE_INPUTS_MAX);
	in->data[in->n] = (struct pipeline_data)PIPELINE_DATA_INIT;
	in->meta[in->n] = (struct buf)BUF_INIT;
	r = resolve(p, step, ref, &in->data[in->n]);
	in->n++;
	if (r != 0)
		return r;
	jw_init(&w, &in->meta[in->n - 1]);
	jw_object_begin(&w);
	jw_key(&w, "name");
	jw_cstr(&w, ref);
	jw_key(&w, "format");
	jw_cstr(&w, in->data[in->n - 1].format);
	jw_object_end(&w);
	return 0;
}

static struct lane_part
part_of(uint16_t op, const struct buf *meta, const struct pipeline_data *d)
{
	return (struct lane_part){ op, buf_str(meta), meta->len, d->bytes,
		(size_t)d->len, d->fd };
}

static void
write_run_meta(struct pipeline *p, size_t first, size_t end, size_t n_inputs,
    struct buf *out)
{
	const struct pipeline_limits *l = &p->env->limits;
	struct json_writer w;
	bool is_fresh = false;

	for (size_t i = first; i < end; i++)
		is_fresh |= p->steps.v[i].carries_program;
	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "steps");
	jw_array_begin(&w);
	for (size_t i = first; i < end; i++)
		jw_value(&w, p->steps.v[i].args);
	jw_array_end(&w);
	jw_key(&w, "first_index");
	jw_uint(&w, first);
	jw_key(&w, "owner");
	jw_cstr(&w, p->env->owner);
	jw_key(&w, "format");
	jw_cstr(&w, p->data.format);
	jw_key(&w, "cpu_sec");
	jw_int(&w, l->cpu_sec);
	jw_key(&w, "memory_mb");
	jw_int(&w, l->memory_mb);
	jw_key(&w, "output_mb");
	jw_int(&w, l->output_mb);
	jw_key(&w, "wall_ms");
	jw_uint(&w, left_ms(p, COMPUTE_WALL_MS));
	jw_key(&w, "fresh");
	jw_bool(&w, is_fresh);
	jw_key(&w, "inputs");
	jw_uint(&w, n_inputs);
	jw_object_end(&w);
}

static int
compute_failed(struct pipeline *p, const struct json *error)
{
	struct pipeline_result *r = p->result;

	(void)fails(p, type_of(error, ERROR_TYPE_EXECUTION_ERROR), NULL, "", "%s",
	    "the computation failed");
	(void)json_int64(json_get(error, "index"), &r->index);
	copy_text(r->step, sizeof(r->step), json_get(error, "step"));
	copy_text(r->reason, sizeof(r->reason), json_get(error, "reason"));
	copy_text(r->hint, sizeof(r->hint), json_get(error, "hint"));
	return FAILED;
}

static void
add_trace(struct pipeline *p, const struct json *trace, const struct json *rows)
{
	const struct json *first = json_is(trace, JSON_ARRAY) && trace->len > 0
	    ? json_get(&trace->items[0], "rows_in")
	    : rows;
	int64_t n = -1;

	(void)json_int64(first, &n);
	end_fetch_entry(p, n);
	for (uint32_t i = 0; json_is(trace, JSON_ARRAY) && i < trace->len; i++)
		json_array_add(p->trace, &trace->items[i]);
}

static int
send_run(struct pipeline *p, size_t first, size_t end, struct run_inputs *in)
{
	CLEANUP_BUF struct buf meta = BUF_INIT;
	CLEANUP(lane_reply_release) struct lane_reply reply = LANE_REPLY_INIT;
	const struct step *step = end > first ? &p->steps.v[first] : NULL;
	struct err err = ERR_INIT;
	const struct json *v;
	int r;

	write_run_meta(p, first, end, in->n, &meta);
	for (size_t i = 0; i < in->n; i++)
		in->parts[i] = part_of(COMPUTE_INPUT, &in->meta[i], &in->data[i]);
	in->parts[in->n] = part_of(COMPUTE_RUN, &meta, &p->data);
	if (buf_status(&meta) != 0)
		return -ENOMEM;
	if (meta.len > LANE_META_MAX)
		return fails(p, ERROR_TYPE_INVALID_STEP, step,
		    "shorten conditions and lists",
		    "the steps are longer than %d bytes", LANE_META_MAX);
	r = call(p, PIPELINE_COMPUTE, in->parts, in->n + 1, true, COMPUTE_WALL_MS,
	    &reply, &err);
	if (r == -ECANCELED || r == -ENOMEM)
		return r;
	if (r < 0)
		return fails(p, ERROR_TYPE_EXECUTION_ERROR, step, "", "%s",
		    err_text(&err));
	v = read_meta(p, &reply);
	if (v == NULL)
		return fails(p, ERROR_TYPE_INTERNAL, step, "",
		    "compute gave no answer");
	add_trace(p, json_get(v, "trace"), json_get(v, "rows"));
	if (!json_is_true(json_get(v, "ok")))
		return compute_failed(p, json_get(v, "error"));
	(void)json_int64(json_get(v, "rows"), &p->result->rows);
	take_data(p, &reply, "json");
	return 0;
}

static int
run_compute(struct pipeline *p, size_t first, size_t end)
{
	CLEANUP(inputs_release) struct run_inputs in = { .n = 0 };
	bool needs_data = true;

	if (end > first && p->steps.v[first].kind == STEP_JOIN &&
	    p->steps.v[first].join.left != NULL && p->steps.v[first].join.right != NULL)
		needs_data = false;
	if (!p->has_data && needs_data)
		return fails(p, ERROR_TYPE_INVALID_STEP, &p->steps.v[first],
		    "begin with http_request, or give input_ref",
		    "there is no data to work on");
	if (!p->has_data) {
		p->data.bytes = strdup("null");
		p->data.len = 4;
		if (p->data.bytes == NULL)
			return -ENOMEM;
	}
	for (size_t i = first; i < end; i++) {
		const struct step *s = &p->steps.v[i];
		int r;

		if (s->kind != STEP_JOIN)
			continue;
		r = add_input(p, s, s->join.left, &in);
		if (r == 0)
			r = add_input(p, s, s->join.right, &in);
		if (r != 0)
			return r;
	}
	return send_run(p, first, end, &in);
}

static int
run_steps(struct pipeline *p)
{
	size_t i = 0;
	int r = 0;

	while (r == 0 && i < p->steps.n) {
		size_t end = i;

		while (end < p->steps.n && !step_is_io(p->steps.v[end].kind))
			end++;
		if (end > i) {
			r = run_compute(p, i, end);
			i = end;
		} else {
			r = run_fetch(p, &p->steps.v[i++]);
		}
	}
	/* a last body is not JSON until compute has read it */
	if (r == 0 && p->steps.n > 0 && step_is_io(p->steps.v[p->steps.n - 1].kind))
		r = run_compute(p, p->steps.n, p->steps.n);
	return r;
}

static int
first_data(struct pipeline *p, const struct json *args,
    const struct pipeline_data *input)
{
	const struct json *v = json_get_typed(args, "input_ref", JSON_STRING);
	const char *ref = json_cstr(p->arena, v);
	int r;

	if (input != NULL) {
		p->data.len = input->len;
		p->data.format = input->format;
		p->data.fd = input->fd >= 0 ? dup(input->fd) : -1;
		if (input->fd < 0) {
			p->data.bytes = malloc((size_t)input->len + 1);
			if (p->data.bytes == NULL)
				return -ENOMEM;
			memcpy(p->data.bytes, input->bytes, (size_t)input->len);
			p->data.bytes[input->len] = '\0';
		}
		p->has_data = true;
		return 0;
	}
	if (ref == NULL || ref[0] == '\0')
		return 0;
	r = resolve(p, NULL, ref, &p->data);
	p->has_data = r == 0;
	return r;
}

int
pipeline_run(const struct pipeline_env *env, struct arena *a, const struct json *args,
    const struct pipeline_data *input, uint64_t due_ms, struct pipeline_result *result)
{
	struct pipeline p = { .env = env,
		.arena = a,
		.data = PIPELINE_DATA_INIT,
		.trace = json_array_begin(a),
		.due_ms = due_ms,
		.result = result };
	int r = check_args(&p, args);

	if (r == 0)
		r = first_data(&p, args, input);
	if (r == 0)
		r = run_steps(&p);
	end_fetch_entry(&p, -1);
	result->trace = json_end(p.trace);
	if (r == 0) {
		result->data = p.data;
		p.data = (struct pipeline_data)PIPELINE_DATA_INIT;
	}
	pipeline_data_release(&p.data);
	if (arena_failed(a))
		return -ENOMEM;
	return r < 0 ? r : 0;
}
