/* SPDX-License-Identifier: MIT */
/*
 * anthropic.c - requests in the form of Anthropic Messages.
 *
 * Owns:   nothing but its tables.
 * Called: through the row llm_anthropic.
 * Fails:  with -ENOMEM, or stickily in the body's buffer.
 *
 * The system text carries the mark up to which the provider caches; tools stand before it
 * there, so both are cached. All that comes between two answers of the model is one user
 * message: results of tools first, as the provider demands.
 */
#include "config.h"

#include "worker/llm/anthropic.h"

#include "worker/llm/answer_part.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum {
	MAX_TOKENS = 4096 /* it wants a bound; when nobody set one */
};

/* ---- the prefix ---- */

static void
write_tool(struct json_writer *w, const struct llm_tool_spec *tool)
{
	jw_object_begin(w);
	jw_key(w, "name");
	jw_cstr(w, tool->name);
	jw_key(w, "description");
	jw_cstr(w, tool->description);
	jw_key(w, "input_schema");
	jw_raw(w, tool->parameters, strlen(tool->parameters));
	if (tool->is_strict) {
		jw_key(w, "strict");
		jw_bool(w, true);
	}
	jw_object_end(w);
}

static int
anthropic_prefix(const char *system_text, const struct llm_tool_spec *tools,
    size_t n_tools, struct buf *head, struct buf *tools_out)
{
	struct json_writer w;

	buf_adds(head, "\"system\":[{\"type\":\"text\",\"text\":");
	json_write_string(head, system_text, strlen(system_text));
	buf_adds(head, ",\"cache_control\":{\"type\":\"ephemeral\"}}]");
	if (n_tools > 0) {
		buf_adds(tools_out, "\"tools\":");
		jw_init(&w, tools_out);
		jw_array_begin(&w);
		for (size_t i = 0; i < n_tools; i++)
			write_tool(&w, &tools[i]);
		jw_array_end(&w);
	}
	return buf_status(head) != 0 ? buf_status(head) : buf_status(tools_out);
}

/* ---- messages ---- */

static void
write_text(struct json_writer *w, struct llm_text t)
{
	jw_object_begin(w);
	jw_key(w, "type");
	jw_cstr(w, "text");
	jw_key(w, "text");
	if (t.len > 0)
		jw_string(w, t.s, t.len);
	else
		jw_cstr(w, "(nothing)"); /* an empty text is refused */
	jw_object_end(w);
}

/* The input must be an object; the conversation has seen to it that it is JSON. */
static void
write_input(struct json_writer *w, struct llm_text arguments)
{
	size_t at = 0;

	while (at < arguments.len && strchr(" \t\r\n", arguments.s[at]) != NULL)
		at++;
	jw_key(w, "input");
	if (at < arguments.len && arguments.s[at] == '{') {
		jw_raw(w, arguments.s, arguments.len);
		return;
	}
	jw_object_begin(w);
	if (at < arguments.len) {
		jw_key(w, "value");
		jw_raw(w, arguments.s, arguments.len);
	}
	jw_object_end(w);
}

static void
write_call(struct json_writer *w, const struct llm_tool_call *call)
{
	jw_object_begin(w);
	jw_key(w, "type");
	jw_cstr(w, "tool_use");
	jw_key(w, "id");
	jw_string(w, call->id.s, call->id.len);
	jw_key(w, "name");
	jw_string(w, call->name.s, call->name.len);
	write_input(w, call->arguments);
	jw_object_end(w);
}

static void
write_result(struct json_writer *w, const struct llm_message *m)
{
	jw_object_begin(w);
	jw_key(w, "type");
	jw_cstr(w, "tool_result");
	jw_key(w, "tool_use_id");
	jw_string(w, m->call_id.s, m->call_id.len);
	jw_key(w, "content");
	jw_string(w, m->text.s != NULL ? m->text.s : "", m->text.len);
	if (m->is_error) {
		jw_key(w, "is_error");
		jw_bool(w, true);
	}
	jw_object_end(w);
}

static bool
is_ours(const struct llm_message *m)
{
	return m != NULL && m->role != LLM_ROLE_ASSISTANT;
}

static void
message_begin(struct json_writer *w, const char *role)
{
	jw_object_begin(w);
	jw_key(w, "role");
	jw_cstr(w, role);
	jw_key(w, "content");
	jw_array_begin(w);
}

static void
message_end(struct json_writer *w)
{
	jw_array_end(w);
	jw_object_end(w);
}

static void
write_assistant(struct json_writer *w, const struct llm_message *m)
{
	message_begin(w, "assistant");
	if (m->text.len > 0 || m->n_calls == 0)
		write_text(w, m->text);
	for (size_t i = 0; i < m->n_calls; i++)
		write_call(w, &m->calls[i]);
	message_end(w);
}

/* From m up to the next answer; returns what follows. */
static const struct llm_message *
write_ours(struct json_writer *w, const struct llm_message *m)
{
	const struct llm_message *end = m;

	message_begin(w, "user");
	for (; is_ours(end); end = end->next)
		if (end->role == LLM_ROLE_TOOL)
			write_result(w, end);
	for (const struct llm_message *t = m; t != end; t = t->next)
		if (t->role != LLM_ROLE_TOOL)
			write_text(w, t->text);
	message_end(w);
	return end;
}

static void
write_messages(struct buf *body, const struct llm_messages *messages)
{
	const struct llm_message *m = messages->first;
	struct json_writer w;

	jw_init(&w, body);
	jw_array_begin(&w);
	while (m != NULL) {
		if (is_ours(m)) {
			m = write_ours(&w, m);
			continue;
		}
		write_assistant(&w, m);
		m = m->next;
	}
	jw_array_end(&w);
}

/* ---- the body ---- */

static const char *const tool_choices[] = {
	[LLM_TOOL_CHOICE_AUTO] = "auto",
	[LLM_TOOL_CHOICE_REQUIRED] = "any",
	[LLM_TOOL_CHOICE_NONE] = "none",
};
_Static_assert(ARRAY_LEN(tool_choices) == LLM_TOOL_CHOICE_COUNT,
    "every choice has a name");

static void
anthropic_request(struct buf *body, const struct llm_prefix *prefix,
    const struct llm_messages *messages, const struct llm_params *p)
{
	CLEANUP_BUF struct buf number = BUF_INIT;
	struct json_writer w;

	buf_adds(body, "{\"model\":");
	json_write_string(body, p->model, strlen(p->model));
	buf_addf(body, ",\"max_tokens\":%lld,",
	    (long long)(p->max_tokens > 0 ? p->max_tokens : MAX_TOKENS));
	if (prefix->tools_len > 0) {
		buf_add(body, prefix->tools, prefix->tools_len);
		buf_addf(body, ",\"tool_choice\":{\"type\":\"%s\"},",
		    tool_choices[p->tool_choice]);
	}
	buf_add(body, prefix->head, prefix->head_len);
	buf_adds(body, ",\"messages\":");
	write_messages(body, messages);
	if (!isnan(p->temperature)) {
		jw_init(&w, &number);
		jw_double(&w, p->temperature < 1 ? p->temperature : 1); /* its bound */
		buf_addf(body, ",\"temperature\":%s", buf_str(&number));
	}
	buf_addc(body, '}');
}

/* ---- address and headers ---- */

static void
anthropic_url(struct buf *url, const struct conf_provider *provider)
{
	llm_part_url(url, provider->base_url, "/messages");
}

static int
anthropic_headers(struct llm_headers *h, const struct conf_provider *provider)
{
	int r = llm_headers_add(h, "Content-Type", "", "application/json");

	if (r == 0)
		r = llm_headers_add(h, "anthropic-version", "", "2023-06-01");
	if (r == 0 && provider->api_key[0] != '\0')
		r = llm_headers_add(h, "x-api-key", "", provider->api_key);
	return r;
}

const struct llm_provider_type llm_anthropic = {
	.name = "anthropic",
	.prefix = anthropic_prefix,
	.request = anthropic_request,
	.url = anthropic_url,
	.headers = anthropic_headers,
	.answer = anthropic_answer,
};
