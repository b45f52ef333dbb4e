/* SPDX-License-Identifier: MIT */
/*
 * openai.c - Chat Completions as OpenAI, Azure, vLLM, Ollama and llama.cpp speak it.
 *
 * Owns:   nothing but its tables.
 * Called: through the row llm_openai.
 * Fails:  with -ENOMEM, or stickily in the body's buffer.
 *
 * Bodies are spliced: model, then the prefix as it was escaped once, then the job's own
 * messages, then the tools as they were written once, then the parameters. Nothing that
 * differs from job to job stands before the prefix ends.
 */
#include "config.h"

#include "worker/llm/openai.h"

#include "worker/llm/answer_part.h"
#include "worker/llm/openai_answer.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* ---- the prefix ---- */

static void
write_tool(struct json_writer *w, const struct llm_tool_spec *tool)
{
	jw_object_begin(w);
	jw_key(w, "type");
	jw_cstr(w, "function");
	jw_key(w, "function");
	jw_object_begin(w);
	jw_key(w, "name");
	jw_cstr(w, tool->name);
	jw_key(w, "description");
	jw_cstr(w, tool->description);
	jw_key(w, "parameters");
	jw_raw(w, tool->parameters, strlen(tool->parameters));
	if (tool->is_strict) {
		jw_key(w, "strict");
		jw_bool(w, true);
	}
	jw_object_end(w);
	jw_object_end(w);
}

static int
openai_prefix(const char *system_text, const struct llm_tool_spec *tools,
    size_t n_tools, struct buf *head, struct buf *tools_out)
{
	struct json_writer w;

	buf_adds(head, "\"messages\":[{\"role\":\"system\",\"content\":");
	json_write_string(head, system_text, strlen(system_text));
	buf_addc(head, '}');
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

static const char *const roles[] = {
	[LLM_ROLE_SYSTEM] = "system",
	[LLM_ROLE_USER] = "user",
	[LLM_ROLE_ASSISTANT] = "assistant",
	[LLM_ROLE_TOOL] = "tool",
};
_Static_assert(ARRAY_LEN(roles) == LLM_ROLE_COUNT, "every role has a name");

static void
write_text(struct json_writer *w, const char *key, struct llm_text t)
{
	jw_key(w, key);
	if (t.s == NULL)
		jw_null(w);
	else
		jw_string(w, t.s, t.len);
}

static void
write_calls(struct json_writer *w, const struct llm_message *m)
{
	jw_key(w, "tool_calls");
	jw_array_begin(w);
	for (size_t i = 0; i < m->n_calls; i++) {
		jw_object_begin(w);
		write_text(w, "id", m->calls[i].id);
		jw_key(w, "type");
		jw_cstr(w, "function");
		jw_key(w, "function");
		jw_object_begin(w);
		write_text(w, "name", m->calls[i].name);
		jw_key(w, "arguments");
		jw_string(w,
		    m->calls[i].arguments.s != NULL ? m->calls[i].arguments.s : "",
		    m->calls[i].arguments.len);
		jw_object_end(w);
		jw_object_end(w);
	}
	jw_array_end(w);
}

static void
write_message(struct buf *body, const struct llm_message *m)
{
	struct json_writer w;

	jw_init(&w, body);
	jw_object_begin(&w);
	jw_key(&w, "role");
	jw_cstr(&w, roles[m->role]);
	if (m->role == LLM_ROLE_TOOL)
		write_text(&w, "tool_call_id", m->call_id);
	write_text(&w, "content", m->text);
	if (m->n_calls > 0)
		write_calls(&w, m);
	jw_object_end(&w);
}

/* ---- parameters ---- */

/* Reasoning models refuse max_tokens and every temperature but their own. */
static const char *const reasoning_models[] = { "o1", "o3", "o4", "gpt-5" };

static bool
is_reasoning(const char *model)
{
	const char *slash = strrchr(model, '/'); /* "openai/gpt-5" behind a router */

	if (slash != NULL)
		model = slash + 1;
	for (size_t i = 0; i < ARRAY_LEN(reasoning_models); i++)
		if (strncmp(model, reasoning_models[i], strlen(reasoning_models[i])) ==
		    0)
			return true;
	return false;
}

static const char *const tool_choices[] = {
	[LLM_TOOL_CHOICE_AUTO] = "auto",
	[LLM_TOOL_CHOICE_REQUIRED] = "required",
	[LLM_TOOL_CHOICE_NONE] = "none",
};
_Static_assert(ARRAY_LEN(tool_choices) == LLM_TOOL_CHOICE_COUNT,
    "every choice has a name");

static void
write_params(struct buf *body, const struct llm_params *p, bool has_tools)
{
	bool reasons = is_reasoning(p->model);
	CLEANUP_BUF struct buf number = BUF_INIT;
	struct json_writer w;

	if (has_tools)
		buf_addf(body, ",\"tool_choice\":\"%s\"", tool_choices[p->tool_choice]);
	if (!isnan(p->temperature) && !reasons) {
		jw_init(&w, &number);
		jw_double(&w, p->temperature);
		buf_addf(body, ",\"temperature\":%s", buf_str(&number));
	}
	if (p->max_tokens > 0)
		buf_addf(body, ",\"%s\":%lld",
		    reasons ? "max_completion_tokens" : "max_tokens",
		    (long long)p->max_tokens);
}

static void
openai_request(struct buf *body, const struct llm_prefix *prefix,
    const struct llm_messages *messages, const struct llm_params *params)
{
	buf_adds(body, "{\"model\":");
	json_write_string(body, params->model, strlen(params->model));
	buf_addc(body, ',');
	buf_add(body, prefix->head, prefix->head_len);
	for (const struct llm_message *m = messages->first; m != NULL; m = m->next) {
		buf_addc(body, ',');
		write_message(body, m);
	}
	buf_addc(body, ']');
	if (prefix->tools_len > 0) {
		buf_addc(body, ',');
		buf_add(body, prefix->tools, prefix->tools_len);
	}
	write_params(body, params, prefix->tools_len > 0);
	buf_addc(body, '}');
}

/* ---- address and headers ---- */

static void
openai_url(struct buf *url, const struct conf_provider *provider)
{
	llm_part_url(url, provider->base_url, "/chat/completions");
}

/* By its host, or behind another name by what only its addresses have. */
static bool
is_azure(const char *base_url)
{
	const char *host = strstr(base_url, "://");
	size_t n;

	if (strstr(base_url, "?api-version=") != NULL ||
	    strstr(base_url, "&api-version=") != NULL)
		return true;
	host = host != NULL ? host + 3 : base_url;
	n = strcspn(host, "/:?");
	return n > 10 && strncmp(host + n - 10, ".azure.com", 10) == 0;
}

static int
openai_headers(struct llm_headers *h, const struct conf_provider *provider)
{
	int r = llm_headers_add(h, "Content-Type", "", "application/json");

	if (r == 0)
		r = llm_headers_add(h, "Accept", "", "application/json");
	if (r == 0 && provider->api_key[0] != '\0')
		r = is_azure(provider->base_url)
		    ? llm_headers_add(h, "api-key", "", provider->api_key)
		    : llm_headers_add(h, "Authorization", "Bearer ", provider->api_key);
	return r;
}

const struct llm_provider_type llm_openai = {
	.name = "openai",
	.prefix = openai_prefix,
	.request = openai_request,
	.url = openai_url,
	.headers = openai_headers,
	.answer = openai_answer,
};
