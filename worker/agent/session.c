/* SPDX-License-Identifier: MIT */
/*
 * session.c - writes and reads the turns of sessions.
 *
 * Owns:   nothing; values live in the caller's arena.
 * Called: when a job of a session begins, and when it ends.
 * Fails:  a turn that cannot be read is left out.
 */
#include "config.h"

#include "worker/agent/session.h"

#include "common/clock.h"
#include "common/store/store.h"

#include <errno.h>
#include <string.h>

enum {
	PROMPT_BYTES_MAX = 1000,
	ERROR_BYTES_MAX = 300,
	PIPELINE_BYTES_MAX = 2000,
	GIVEN_REFS_MAX = 50
};

/* ---- writing ---- */

/* At most max bytes of a text, cut at a whole character. */
static void
write_cut(struct json_writer *w, const char *key, const char *s, size_t n, size_t max)
{
	if (n > max) {
		n = max;
		while (n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80)
			n--;
	}
	jw_key(w, key);
	jw_string(w, s, n);
}

static void
write_member(struct json_writer *w, const char *key, const struct json *v)
{
	if (v == NULL)
		return;
	jw_key(w, key);
	jw_value(w, v);
}

static void
write_error(struct json_writer *w, const struct json *error)
{
	const struct json *text = json_get_typed(error, "message", JSON_STRING);

	if (error == NULL)
		return;
	jw_key(w, "error");
	jw_object_begin(w);
	write_member(w, "type", json_get_typed(error, "type", JSON_STRING));
	if (text != NULL)
		write_cut(w, "message", text->text, text->len, ERROR_BYTES_MAX);
	jw_object_end(w);
}

/* The last pipeline, as the metadata tells it (secrets masked); its steps' names alone
   when it is long. */
static int
write_pipeline(struct json_writer *w, const struct json *calls)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	const struct json *steps = NULL, *args = NULL;

	for (uint32_t i = 0; calls != NULL && i < calls->len; i++)
		if (json_eq_str(json_get(&calls->items[i], "tool"), "execute_pipeline"))
			args = json_get(&calls->items[i], "args");
	steps = json_get_typed(args, "pipeline", JSON_ARRAY);
	if (steps == NULL)
		return 0;
	json_write(&text, args, JSON_COMPACT);
	if (buf_status(&text) != 0)
		return buf_status(&text);
	jw_key(w, "pipeline");
	if (text.len <= PIPELINE_BYTES_MAX) {
		jw_raw(w, buf_str(&text), text.len);
		return 0;
	}
	jw_array_begin(w);
	for (uint32_t i = 0; i < steps->len && i < 32; i++) {
		const struct json *name =
		    json_get_typed(&steps->items[i], "step", JSON_STRING);

		if (name != NULL)
			jw_string(w, name->text, name->len < 40 ? name->len : 40);
	}
	jw_array_end(w);
	return 0;
}

static void
write_given(struct json_writer *w, const struct json *results)
{
	uint32_t first;

	if (results == NULL || results->len == 0)
		return;
	first = results->len > GIVEN_REFS_MAX ? results->len - GIVEN_REFS_MAX : 0;
	jw_key(w, "given");
	jw_array_begin(w);
	for (uint32_t i = first; i < results->len; i++) {
		const struct json *ref =
		    json_get_typed(&results->items[i], "result_ref", JSON_STRING);

		if (ref != NULL && ref->len < STORE_REF_MAX)
			jw_value(w, ref);
	}
	jw_array_end(w);
}

int
session_turn_write(struct buf *out, const struct session_job *job, const char *message,
    size_t n, int64_t *at_ms)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	const struct json *m = NULL, *at;
	struct json_writer w;
	int64_t ms;
	int r;

	if (a == NULL)
		return -ENOMEM;
	r = json_read(a, message, n, 0, &m, NULL);
	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	at = json_get_typed(m, "completed_at", JSON_STRING);
	if (at == NULL || clock_parse_iso(at->text, at->len, &ms) < 0)
		return -EINVAL;
	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "job_id");
	jw_cstr(&w, job->job_id);
	jw_key(&w, "at_ms");
	jw_int(&w, ms);
	write_cut(&w, "prompt", job->prompt, job->prompt_len, PROMPT_BYTES_MAX);
	write_member(&w, "status", json_get_typed(m, "status", JSON_STRING));
	write_member(&w, "result_ref", json_get_typed(m, "result_ref", JSON_STRING));
	write_member(&w, "preview", json_get(m, "result_preview"));
	write_error(&w, json_get_typed(m, "error", JSON_OBJECT));
	r = write_pipeline(&w,
	    json_get_typed(json_get(m, "metadata"), "tool_calls", JSON_ARRAY));
	write_given(&w, job->previous_results);
	jw_object_end(&w);
	*at_ms = ms;
	return r < 0 ? r : buf_status(out);
}

/* ---- reading ---- */

/* Can the next job work on it, as on rows or an object? "Thank you" in between does not
   take the place of the flights. */
static bool
has_data(const struct json *turn)
{
	const struct json *type = json_get(json_get(turn, "preview"), "type");

	return json_eq_str(type, "dataset") || json_eq_str(type, "object");
}

const struct json *
session_read(struct arena *a, const struct session_text *turns, size_t n)
{
	struct json_builder *history = json_array_begin(a);
	struct json_builder *session = json_object_begin(a);
	const struct json *last = NULL;
	size_t n_turns = 0;

	for (size_t i = 0; i < n; i++) {
		const struct json *turn = NULL;

		if (json_read(a, turns[i].p, turns[i].n, 0, &turn, NULL) < 0 ||
		    json_get_typed(turn, "prompt", JSON_STRING) == NULL)
			continue;
		json_array_add(history, turn);
		n_turns++;
		if (json_get_typed(turn, "result_ref", JSON_STRING) != NULL &&
		    (last == NULL || has_data(turn) || !has_data(last)))
			last = turn;
	}
	if (n_turns == 0)
		return NULL;
	json_object_add(session, "history", json_end(history));
	if (last != NULL)
		json_object_add(session, "last_result", last);
	return json_end(session);
}

const char *
session_last_ref(struct arena *a, const struct json *session)
{
	const struct json *last = json_get(session, "last_result");

	return json_cstr(a, json_get_typed(last, "result_ref", JSON_STRING));
}

bool
session_names_ref(const struct json *session, const char *ref)
{
	const struct json *history = json_get_typed(session, "history", JSON_ARRAY);

	for (uint32_t i = 0; history != NULL && i < history->len; i++) {
		const struct json *turn = &history->items[i];
		const struct json *given = json_get_typed(turn, "given", JSON_ARRAY);

		if (json_eq_str(json_get(turn, "result_ref"), ref))
			return true;
		for (uint32_t k = 0; given != NULL && k < given->len; k++)
			if (json_eq_str(&given->items[k], ref))
				return true;
	}
	return false;
}
