/* SPDX-License-Identifier: MIT */
/*
 * conversation_end.c - how a conversation ends, and with which value.
 *
 * Owns:   the choice of the value, and the words of failures.
 * Called: by the conversation's other files.
 * Fails:  with a negative errno when the end cannot be journalled or memory is short.
 */
#include "config.h"

#include "worker/agent/conversation_private.h"

#include "common/fault_point.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* ---- failing ---- */

static const struct {
	enum error_type type;
	const char *text;
} advice[] = {
	{ ERROR_TYPE_LLM_AUTH, "check the provider's api_key, base_url and model" },
	{ ERROR_TYPE_LLM_QUOTA_EXHAUSTED,
	    "check the provider's billing, or add a provider" },
	{ ERROR_TYPE_LLM_UNAVAILABLE,
	    "send the job again later, or add a provider to fall back on" },
	{ ERROR_TYPE_LLM_RATE_LIMITED,
	    "send the job again later, or add a provider to fall back on" },
	{ ERROR_TYPE_LLM_BAD_RESPONSE,
	    "check that the provider's base_url speaks its type's protocol" },
	{ ERROR_TYPE_LLM_LENGTH, "raise the provider's max_tokens, or ask for less" },
	{ ERROR_TYPE_LLM_REFUSED, "rephrase the prompt" },
	{ ERROR_TYPE_LIMIT_EXCEEDED,
	    "raise max_turns or max_tokens, or split the task" },
	{ ERROR_TYPE_BUDGET_EXCEEDED,
	    "raise the budget that the message names, or wait until it renews" },
	{ ERROR_TYPE_TIMEOUT, "raise timeout_sec, or ask for less" },
	{ ERROR_TYPE_LOOP_DETECTED,
	    "say in the prompt what to do when the tool fails" },
	{ ERROR_TYPE_SCHEMA_VIOLATION,
	    "loosen output_schema, or describe it in the prompt" },
};

static void
advise(struct conversation_error *e)
{
	for (size_t i = 0; i < ARRAY_LEN(advice); i++)
		if (advice[i].type == e->type && e->suggestion[0][0] == '\0')
			(void)snprintf(e->suggestion[0], sizeof(e->suggestion[0]), "%s",
			    advice[i].text);
}

/* Another attempt must know that this one ended, and what it cost. */
static int
journal_end(struct conversation *c)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct json_writer w;
	int r;

	journal_begin(&w, &text, RECORD_END, 0, 0);
	jw_key(&w, "error");
	jw_cstr(&w, error_type_name(c->result->error.type));
	journal_write_usage(&w, &c->loose, c->loose_cost);
	FAULT_POINT_OF(JOURNAL_END_SEND, c->job->job_id);
	r = journal_append(&c->journal, &w, &text, UINT32_MAX);
	FAULT_POINT_OF(JOURNAL_END_REPLY, c->job->job_id);
	return r == -ECANCELED ? 0 : r;
}

static int
end_failed(struct conversation *c)
{
	advise(&c->result->error);
	c->result->is_completed = false;
	if (error_type_is_retryable(c->result->error.type)) {
		int r = journal_end(c);

		if (r < 0)
			return r;
	}
	return CONVERSATION_OVER;
}

int
conversation_fail_as(struct conversation *c, const struct conversation_error *e)
{
	c->result->error = *e;
	return end_failed(c);
}

int
conversation_fail(struct conversation *c, enum error_type type, const char *fmt, ...)
{
	struct conversation_error *e = &c->result->error;
	va_list ap;

	memset(e, 0, sizeof(*e));
	e->type = type;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return end_failed(c);
}

/* ---- values ---- */

static bool
satisfies(struct conversation *c, const struct tool_data *data)
{
	CLEANUP(arena_freep) struct arena *scratch = arena_new(0);
	const struct json *v = NULL;
	struct tool_view view;
	bool is_good;

	if (scratch == NULL || tool_data_open(data, &view) < 0)
		return false;
	is_good = json_read(scratch, view.text, view.len, 0, &v, NULL) == 0 &&
	    json_schema_check(c->output_schema, v, NULL) == 0;
	tool_view_release(&view);
	return is_good;
}

enum value_kind
conversation_in_hand(struct conversation *c)
{
	if (c->output_schema != NULL)
		return tool_data_is_set(&c->data) && satisfies(c, &c->data)
		    ? VALUE_OBJECT
		    : VALUE_NONE;
	if (tool_data_is_set(&c->data))
		return VALUE_DATA;
	return tool_data_is_set(&c->patch) ? VALUE_PATCH : VALUE_NONE;
}

static int
set_value(struct conversation *c, const char *text, size_t n)
{
	tool_data_release(&c->result->value);
	c->result->value.text = malloc(n + 1);
	if (c->result->value.text == NULL)
		return -ENOMEM;
	memcpy(c->result->value.text, text, n);
	c->result->value.text[n] = '\0';
	c->result->value.len = n;
	return 0;
}

static int
set_text_value(struct conversation *c, struct llm_text text)
{
	CLEANUP_BUF struct buf json = BUF_INIT;

	json_write_string(&json, text.s != NULL ? text.s : "", text.len);
	return buf_status(&json) != 0 ? buf_status(&json)
				      : set_value(c, buf_str(&json), json.len);
}

int
conversation_complete(struct conversation *c, enum value_kind kind,
    struct llm_text text)
{
	struct conversation_result *r = c->result;

	r->is_completed = true;
	r->value_kind = kind;
	if (kind == VALUE_TEXT && set_text_value(c, text) < 0)
		return -ENOMEM;
	if (kind == VALUE_DATA ||
	    (kind == VALUE_OBJECT && !tool_data_is_set(&r->value)))
		tool_data_move(&r->value, &c->data);
	if (kind == VALUE_PATCH)
		tool_data_move(&r->value, &c->patch);
	if (kind != VALUE_TEXT)
		r->message = text;
	return CONVERSATION_OVER;
}

/* ---- limits ---- */

int
conversation_limit(struct conversation *c, const char *name, enum error_type type,
    const char *fmt, ...)
{
	struct conversation_error *e = &c->result->error;
	enum value_kind kind = conversation_in_hand(c);
	size_t at;
	va_list ap;

	c->result->limit_hit = name;
	if (kind != VALUE_NONE)
		return conversation_complete(c, kind, (struct llm_text){ NULL, 0 });
	if (c->has_failed)
		*e = c->failed;
	else
		memset(e, 0, sizeof(*e));
	e->type = type;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	at = strlen(e->text);
	if (c->has_failed)
		(void)snprintf(e->text + at, sizeof(e->text) - at,
		    "; the last tool error was %s: %s", error_type_name(c->failed.type),
		    c->failed.text);
	return end_failed(c);
}

int
conversation_may_go_on(struct conversation *c)
{
	if (c->env->is_cancelled != NULL && c->env->is_cancelled(c->env->ctx))
		return conversation_fail(c, ERROR_TYPE_CANCELLED,
		    "the job was cancelled");
	if (c->job->deadline_ms != 0 &&
	    c->env->now_ms(c->env->ctx) >= c->job->deadline_ms)
		return conversation_limit(c, "timeout", ERROR_TYPE_TIMEOUT,
		    "the job's time is over");
	return 0;
}

/* ---- the final answer ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static struct llm_text
trimmed(struct llm_text t)
{
	while (t.len > 0 && is_blank(t.s[0])) {
		t.s++;
		t.len--;
	}
	while (t.len > 0 && is_blank(t.s[t.len - 1]))
		t.len--;
	return t;
}

/* Models like to wrap JSON in ```json fences, whatever they are told. */
static struct llm_text
unfenced(struct llm_text t)
{
	const char *line;

	t = trimmed(t);
	if (t.len < 6 || memcmp(t.s, "```", 3) != 0 ||
	    memcmp(t.s + t.len - 3, "```", 3) != 0)
		return t;
	line = memchr(t.s, '\n', t.len);
	if (line == NULL)
		return t;
	t.len = (size_t)(t.s + t.len - 3 - line);
	t.s = line;
	return trimmed(t);
}

static int
tell_violation(struct conversation *c, const char *what)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct llm_message *m;

	if (c->violations++ >= VIOLATIONS_TOLD_MAX)
		return conversation_fail(c, ERROR_TYPE_SCHEMA_VIOLATION,
		    "the answer does not satisfy the output schema, after two corrections: %s",
		    what);
	buf_addf(&text,
	    "Your answer does not satisfy the required JSON Schema: %s. Answer again with "
	    "the corrected JSON value alone.",
	    what);
	m = llm_messages_add(c->arena, &c->job->messages, LLM_ROLE_USER);
	if (m == NULL)
		return -ENOMEM;
	m->text = llm_text_dup(c->arena, buf_str(&text), text.len);
	return m->text.s != NULL ? 0 : -ENOMEM;
}

static int
check_object(struct conversation *c, struct llm_text json, const struct json *v)
{
	CLEANUP(freep) struct json_schema_errors *errors = malloc(sizeof(*errors));
	CLEANUP_BUF struct buf what = BUF_INIT;
	int r;

	if (errors == NULL)
		return -ENOMEM;
	if (json_schema_check(c->output_schema, v, errors) == 0) {
		r = set_value(c, json.s, json.len);
		return r < 0 ? r
			     : conversation_complete(c, VALUE_OBJECT,
				   (struct llm_text){ NULL, 0 });
	}
	json_schema_errors_write(&what, errors);
	return tell_violation(c, buf_str(&what));
}

static int
final_object(struct conversation *c, const struct llm_answer *answer)
{
	struct llm_text json = unfenced(answer->text);
	CLEANUP(freep) struct err *err = calloc(1, sizeof(*err));
	CLEANUP_BUF struct buf what = BUF_INIT;
	const struct json *v = NULL;

	if (err == NULL)
		return -ENOMEM;
	if (json_read(c->arena, json.s, json.len, 0, &v, err) == 0)
		return check_object(c, json, v);
	if (conversation_in_hand(c) == VALUE_OBJECT)
		return conversation_complete(c, VALUE_OBJECT, answer->text);
	buf_addf(&what, "it is not a JSON value (%s)", err_text(err));
	return tell_violation(c, buf_str(&what));
}

static int
final_cut(struct conversation *c)
{
	if (c->narrowed_by != NULL)
		return conversation_limit(c, c->narrowed_by,
		    strcmp(c->narrowed_by, LIMIT_TOKENS) == 0
			? ERROR_TYPE_LIMIT_EXCEEDED
			: ERROR_TYPE_BUDGET_EXCEEDED,
		    "the job's %s ended the model's answer", c->narrowed_by);
	return conversation_limit(c, "answer_length", ERROR_TYPE_LLM_LENGTH,
	    "the model's answer was cut at the bound of one answer");
}

int
conversation_final(struct conversation *c, const struct llm_answer *answer)
{
	enum value_kind kind;

	if (answer->refusal.len > 0)
		return conversation_fail(c, ERROR_TYPE_LLM_REFUSED,
		    "the model refused: %.*s",
		    (int)(answer->refusal.len < 900 ? answer->refusal.len : 900),
		    answer->refusal.s);
	if (answer->finish == LLM_FINISH_CONTENT_FILTER)
		return conversation_fail(c, ERROR_TYPE_LLM_REFUSED,
		    "the provider's content filter stopped the answer");
	if (answer->finish == LLM_FINISH_LENGTH)
		return final_cut(c);
	if (c->has_failed) {
		c->result->message = answer->text;
		return conversation_fail_as(c, &c->failed);
	}
	if (c->output_schema != NULL)
		return final_object(c, answer);
	kind = conversation_in_hand(c);
	return conversation_complete(c, kind == VALUE_NONE ? VALUE_TEXT : kind,
	    answer->text);
}
