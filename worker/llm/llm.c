/* SPDX-License-Identifier: MIT */
/*
 * llm.c - the neutral form of a conversation: lists, journal form, errors.
 *
 * Owns:   nothing; all texts are the arena's.
 * Called: by the providers and by the conversation.
 * Fails:  with NULL or -EINVAL; a journal record that is no answer is an error.
 */
#include "config.h"

#include "worker/llm/llm.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

struct llm_text
llm_text_of(const char *s)
{
	return (struct llm_text){ s, s != NULL ? strlen(s) : 0 };
}

struct llm_text
llm_text_dup(struct arena *a, const char *s, size_t n)
{
	struct llm_text t = { NULL, 0 };

	if (s == NULL)
		return t;
	t.s = arena_strndup(a, s, n);
	t.len = t.s != NULL ? n : 0;
	return t;
}

struct llm_message *
llm_messages_add(struct arena *a, struct llm_messages *list, enum llm_role role)
{
	struct llm_message *m = arena_alloc(a, sizeof(*m));

	if (m == NULL)
		return NULL;
	memset(m, 0, sizeof(*m));
	m->role = role;
	if (list->last != NULL)
		list->last->next = m;
	else
		list->first = m;
	list->last = m;
	list->n++;
	return m;
}

void
llm_usage_add(struct llm_usage *sum, const struct llm_usage *more)
{
	sum->input += more->input;
	sum->output += more->output;
	sum->cached += more->cached;
}

static const char *const finish_names[] = {
	[LLM_FINISH_STOP] = "stop",
	[LLM_FINISH_TOOL_CALLS] = "tool_calls",
	[LLM_FINISH_LENGTH] = "length",
	[LLM_FINISH_CONTENT_FILTER] = "content_filter",
};
_Static_assert(ARRAY_LEN(finish_names) == LLM_FINISH_COUNT, "every finish has a name");

const char *
llm_finish_name(enum llm_finish finish)
{
	ASSERT((unsigned)finish < LLM_FINISH_COUNT);
	return finish_names[finish];
}

bool
llm_answer_is_silent(const struct llm_answer *answer)
{
	return answer->finish == LLM_FINISH_STOP && answer->text.len == 0 &&
	    answer->refusal.len == 0;
}

/* ---- the journal's form ---- */

static void
write_text(struct json_writer *w, const char *key, struct llm_text t)
{
	if (t.s == NULL)
		return;
	jw_key(w, key);
	jw_string(w, t.s, t.len);
}

void
llm_usage_write(struct json_writer *w, const char *name, const struct llm_usage *u)
{
	jw_key(w, name);
	jw_object_begin(w);
	jw_key(w, "input");
	jw_uint(w, u->input);
	jw_key(w, "output");
	jw_uint(w, u->output);
	jw_key(w, "cached");
	jw_uint(w, u->cached);
	jw_object_end(w);
}

void
llm_answer_write(struct json_writer *w, const struct llm_answer *answer)
{
	jw_object_begin(w);
	write_text(w, "text", answer->text);
	if (answer->n_calls > 0) {
		jw_key(w, "calls");
		jw_array_begin(w);
		for (size_t i = 0; i < answer->n_calls; i++) {
			jw_object_begin(w);
			write_text(w, "id", answer->calls[i].id);
			write_text(w, "name", answer->calls[i].name);
			write_text(w, "arguments", answer->calls[i].arguments);
			jw_object_end(w);
		}
		jw_array_end(w);
	}
	jw_key(w, "finish");
	jw_cstr(w, llm_finish_name(answer->finish));
	write_text(w, "refusal", answer->refusal);
	llm_usage_write(w, "usage", &answer->usage);
	write_text(w, "model", answer->model);
	jw_object_end(w);
}

static struct llm_text
read_text(const struct json *v, const char *key)
{
	const struct json *t = json_get_typed(v, key, JSON_STRING);

	return t != NULL ? (struct llm_text){ t->text, t->len }
			 : (struct llm_text){ NULL, 0 };
}

static uint64_t
read_count(const struct json *v, const char *key)
{
	int64_t i = 0;

	return json_int64(json_get(v, key), &i) == 0 && i > 0 ? (uint64_t)i : 0;
}

static int
read_calls(struct arena *a, const struct json *list, struct llm_answer *out)
{
	struct llm_tool_call *calls;

	if (list == NULL || list->len == 0)
		return 0;
	calls = arena_alloc(a, list->len * sizeof(*calls));
	if (calls == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < list->len; i++) {
		calls[i].id = read_text(&list->items[i], "id");
		calls[i].name = read_text(&list->items[i], "name");
		calls[i].arguments = read_text(&list->items[i], "arguments");
		if (calls[i].id.s == NULL || calls[i].name.s == NULL)
			return -EINVAL;
	}
	out->calls = calls;
	out->n_calls = list->len;
	return 0;
}

int
llm_answer_read(struct arena *a, const struct json *v, struct llm_answer *out)
{
	struct llm_answer answer = { .finish = LLM_FINISH_COUNT };
	const struct json *usage = json_get(v, "usage");
	int r;

	if (!json_is(v, JSON_OBJECT))
		return -EINVAL;
	for (unsigned i = 0; i < LLM_FINISH_COUNT; i++)
		if (json_eq_str(json_get(v, "finish"), finish_names[i]))
			answer.finish = (enum llm_finish)i;
	if (answer.finish == LLM_FINISH_COUNT)
		return -EINVAL;
	r = read_calls(a, json_get_typed(v, "calls", JSON_ARRAY), &answer);
	if (r < 0)
		return r;
	answer.text = read_text(v, "text");
	answer.refusal = read_text(v, "refusal");
	answer.model = read_text(v, "model");
	answer.usage.input = read_count(usage, "input");
	answer.usage.output = read_count(usage, "output");
	answer.usage.cached = read_count(usage, "cached");
	*out = answer;
	return 0;
}

/* ---- errors ---- */

/* What another try of the same provider, or another provider, can change. */
static const struct {
	enum error_type type;
	bool may_repeat, tries_next;
} ways_on[] = {
	{ ERROR_TYPE_LLM_UNAVAILABLE, true, true },
	{ ERROR_TYPE_LLM_RATE_LIMITED, true, true },
	{ ERROR_TYPE_LLM_BAD_RESPONSE, true, true },
	{ ERROR_TYPE_LLM_QUOTA_EXHAUSTED, false, true },
	{ ERROR_TYPE_LLM_AUTH, false, true },
	{ ERROR_TYPE_LLM_LENGTH, false, true },
};

int
llm_error_set(struct llm_error *e, enum error_type type, int http_status,
    const char *fmt, ...)
{
	va_list ap;

	memset(e, 0, sizeof(*e));
	e->type = type;
	e->http_status = http_status;
	for (size_t i = 0; i < ARRAY_LEN(ways_on); i++)
		if (ways_on[i].type == type) {
			e->may_repeat = ways_on[i].may_repeat;
			e->tries_next = ways_on[i].tries_next;
		}
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -EIO;
}
