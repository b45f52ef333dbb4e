/* SPDX-License-Identifier: MIT */
/*
 * conversation_outcome.c - the outcome of a tool call as a journal record, and back.
 *
 * Owns:   nothing; small data goes into the record, large data to where the worker
 *         keeps it.
 * Called: by conversation_tools.c.
 * Fails:  towards running a call again: what cannot be kept or brought back is lost data.
 */
#include "config.h"

#include "worker/agent/conversation_private.h"

#include <errno.h>
#include <string.h>

enum {
	DATA_INLINE_MAX = 16 * 1024, /* bytes of data inside a journal record */
	REF_MAX = 256
};

/* ---- writing ---- */

static void
write_buf(struct json_writer *w, const char *key, const struct buf *text)
{
	if (text->len == 0)
		return;
	jw_key(w, key);
	jw_string(w, buf_str(text), text->len);
}

/* Data goes into the record when it is small, else to where the worker keeps it. A
   record that says "lost" makes a later replay run the call again. */
static void
write_data(struct json_writer *w, const struct conversation_env *env,
    const struct tool_data *d)
{
	char ref[REF_MAX];

	if (!tool_data_is_set(d))
		return;
	if (d->text != NULL && d->len <= DATA_INLINE_MAX) {
		jw_key(w, "data");
		jw_string(w, d->text, d->len);
	} else if (env->keep != NULL && env->keep(env->ctx, d, ref, sizeof(ref)) == 0) {
		jw_key(w, "data_ref");
		jw_cstr(w, ref);
	} else {
		jw_key(w, "data_lost");
		jw_bool(w, true);
	}
}

void
outcome_write(struct json_writer *w, const struct conversation_env *env,
    const struct tool_outcome *o, uint64_t ms)
{
	jw_key(w, "ms");
	jw_uint(w, ms);
	if (o->error != ERROR_TYPE_NONE) {
		jw_key(w, "error");
		jw_cstr(w, error_type_name(o->error));
	}
	if (o->step[0] != '\0') {
		jw_key(w, "step");
		jw_cstr(w, o->step);
	}
	write_buf(w, "message", &o->message);
	write_buf(w, "report", &o->report);
	jw_key(w, "suggestions");
	jw_array_begin(w);
	for (size_t i = 0; i < TOOL_SUGGESTIONS_MAX && o->suggestion[i][0] != '\0'; i++)
		jw_cstr(w, o->suggestion[i]);
	jw_array_end(w);
	if (o->has_retry_after) {
		jw_key(w, "retry_after_ms");
		jw_uint(w, o->retry_after_ms);
	}
	write_data(w, env, &o->data);
}

/* ---- reading ---- */

static void
read_buf(struct buf *out, const struct json *doc, const char *key)
{
	const struct json *t = json_get_typed(doc, key, JSON_STRING);

	buf_clear(out);
	if (t != NULL)
		buf_add(out, t->text, t->len);
}

static int
copy_data(struct tool_data *d, const struct json *t)
{
	d->text = malloc((size_t)t->len + 1);
	if (d->text == NULL)
		return -ENOMEM;
	memcpy(d->text, t->text, t->len);
	d->text[t->len] = '\0';
	d->len = t->len;
	return 1;
}

int
outcome_read_data(const struct conversation_env *env, const struct json *doc,
    struct tool_data *out)
{
	const struct json *data = json_get_typed(doc, "data", JSON_STRING);
	const struct json *ref = json_get_typed(doc, "data_ref", JSON_STRING);
	char name[REF_MAX];

	if (data != NULL)
		return copy_data(out, data);
	if (ref == NULL)
		return json_is_true(json_get(doc, "data_lost")) ? 0 : 1;
	if (ref->len >= sizeof(name) || env->load == NULL)
		return 0;
	memcpy(name, ref->text, ref->len);
	name[ref->len] = '\0';
	return env->load(env->ctx, name, out) == 0;
}

static void
read_small(struct tool_outcome *o, const struct json *doc)
{
	const struct json *step = json_get_typed(doc, "step", JSON_STRING);
	const struct json *list = json_get_typed(doc, "suggestions", JSON_ARRAY);
	int64_t wait = 0;

	if (step != NULL)
		(void)snprintf(o->step, sizeof(o->step), "%.*s", (int)step->len,
		    step->text);
	for (uint32_t i = 0; list != NULL && i < list->len && i < TOOL_SUGGESTIONS_MAX;
	     i++)
		if (json_is(&list->items[i], JSON_STRING))
			(void)snprintf(o->suggestion[i], sizeof(o->suggestion[i]),
			    "%.*s", (int)list->items[i].len, list->items[i].text);
	o->has_retry_after = json_int64(json_get(doc, "retry_after_ms"), &wait) == 0;
	o->retry_after_ms = wait > 0 ? (uint64_t)wait : 0;
}

void
outcome_read(const struct json *doc, struct tool_outcome *o, uint64_t *took_ms)
{
	const struct json *error = json_get_typed(doc, "error", JSON_STRING);
	int64_t ms = 0;

	o->error = ERROR_TYPE_NONE;
	if (error != NULL) {
		o->error = error_type_from_name(error->text, error->len);
		if (o->error == ERROR_TYPE_NONE)
			o->error = ERROR_TYPE_INTERNAL;
	}
	read_small(o, doc);
	read_buf(&o->message, doc, "message");
	read_buf(&o->report, doc, "report");
	(void)json_int64(json_get(doc, "ms"), &ms);
	*took_ms = ms > 0 ? (uint64_t)ms : 0;
}
