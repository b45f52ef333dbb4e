/* SPDX-License-Identifier: MIT */
/*
 * openai_answer.c - from the body of a Chat Completions answer to the neutral form.
 *
 * Owns:   nothing; texts live in the caller's arena (the body need not outlive the call).
 * Called: by llm_call for every exchange that brought a status.
 * Fails:  with a typed error: what is not an answer to act upon is llm_bad_response.
 */
#include "config.h"

#include "worker/llm/openai_answer.h"

#include "worker/llm/answer_part.h"

#include <errno.h>
#include <string.h>

/* The first of those names that has a number. */
static uint64_t
count_of(const struct json *usage, const char *name, const char *or_name)
{
	uint64_t n = llm_part_count(usage, name);

	return n > 0 ? n : llm_part_count(usage, or_name);
}

static void
read_usage(const struct json *doc, struct llm_usage *usage)
{
	const struct json *u = json_get(doc, "usage");
	uint64_t total = llm_part_count(u, "total_tokens");

	usage->input = count_of(u, "prompt_tokens", "input_tokens");
	usage->output = count_of(u, "completion_tokens", "output_tokens");
	if (usage->input == 0 && total > usage->output)
		usage->input = total - usage->output;
	usage->cached =
	    llm_part_count(json_get(u, "prompt_tokens_details"), "cached_tokens");
	if (usage->cached == 0)
		usage->cached = llm_part_count(u, "prompt_cache_hit_tokens");
	if (usage->cached > usage->input)
		usage->cached = usage->input;
}

/* content is a string, null, or a list of parts whose texts are joined. */
static struct llm_text
read_content(struct arena *a, const struct json *content)
{
	CLEANUP_BUF struct buf all = BUF_INIT;

	if (!json_is(content, JSON_ARRAY))
		return llm_part_text(a, content);
	for (uint32_t i = 0; i < content->len; i++) {
		const struct json *t =
		    json_get_typed(&content->items[i], "text", JSON_STRING);

		if (t != NULL)
			buf_add(&all, t->text, t->len);
	}
	return llm_text_dup(a, buf_str(&all), all.len);
}

/* arguments are JSON in a string; some servers send the object itself. */
static struct llm_text
read_arguments(struct arena *a, const struct json *v)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (v == NULL || json_is(v, JSON_STRING) || json_is(v, JSON_NULL))
		return llm_part_text(a, v);
	json_write(&text, v, JSON_COMPACT);
	return llm_text_dup(a, buf_str(&text), text.len);
}

static bool
id_is_taken(const struct llm_tool_call *calls, size_t n, const struct json *id)
{
	for (size_t i = 0; i < n; i++)
		if (calls[i].id.len == id->len &&
		    memcmp(calls[i].id.s, id->text, id->len) == 0)
			return true;
	return false;
}

static struct llm_text
read_id(struct arena *a, const struct json *v, const struct llm_tool_call *calls,
    size_t i)
{
	char own[32];

	if (v != NULL && json_is(v, JSON_STRING) && v->len > 0 &&
	    !id_is_taken(calls, i, v))
		return llm_part_text(a, v);
	return llm_text_dup(a, own, (size_t)snprintf(own, sizeof(own), "call_%zu", i));
}

/* Name and arguments of a call; its id is the caller's. */
static int
read_function(struct arena *a, const struct json *f, struct llm_tool_call *call)
{
	const struct json *name = json_get_typed(f, "name", JSON_STRING);

	if (name == NULL || name->len == 0)
		return -EINVAL;
	call->name = llm_part_text(a, name);
	call->arguments = read_arguments(a, json_get(f, "arguments"));
	return 0;
}

/* Before there were lists of them an answer held one call, without an id. */
static int
read_old_call(struct arena *a, const struct json *f, struct llm_answer *out)
{
	struct llm_tool_call *call;

	if (f == NULL)
		return 0;
	call = arena_alloc(a, sizeof(*call));
	if (call == NULL)
		return -ENOMEM;
	if (read_function(a, f, call) < 0)
		return -EINVAL;
	call->id = read_id(a, NULL, call, 0);
	out->calls = call;
	out->n_calls = 1;
	return 0;
}

static int
read_calls(struct arena *a, const struct json *list, struct llm_answer *out)
{
	struct llm_tool_call *calls;

	if (list == NULL || list->len == 0)
		return 0;
	if (list->len > LLM_PART_CALLS_MAX)
		return -E2BIG;
	calls = arena_alloc(a, list->len * sizeof(*calls));
	if (calls == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < list->len; i++) {
		if (read_function(a,
			json_get_typed(&list->items[i], "function", JSON_OBJECT),
			&calls[i]) < 0)
			return -EINVAL;
		calls[i].id = read_id(a, json_get(&list->items[i], "id"), calls, i);
	}
	out->calls = calls;
	out->n_calls = list->len;
	return 0;
}

static const struct llm_part_finish finishes[] = {
	{ "stop", LLM_FINISH_STOP },
	{ "tool_calls", LLM_FINISH_TOOL_CALLS },
	{ "function_call", LLM_FINISH_TOOL_CALLS },
	{ "length", LLM_FINISH_LENGTH },
	{ "max_tokens", LLM_FINISH_LENGTH },
	{ "content_filter", LLM_FINISH_CONTENT_FILTER },
};

static int
read_message(struct arena *a, const struct json *choice, struct llm_answer *out,
    const char **what)
{
	const struct json *m = json_get_typed(choice, "message", JSON_OBJECT);
	int r;

	if (m == NULL) {
		*what = "a choice without a message";
		return -EINVAL;
	}
	out->text = read_content(a, json_get(m, "content"));
	out->refusal = llm_part_text(a, json_get(m, "refusal"));
	r = read_calls(a, json_get_typed(m, "tool_calls", JSON_ARRAY), out);
	if (r == 0 && out->n_calls == 0)
		r = read_old_call(a, json_get_typed(m, "function_call", JSON_OBJECT),
		    out);
	if (r == -E2BIG)
		*what = "more tool calls than can be meant";
	else if (r < 0)
		*what = "a tool call without a name";
	if (r < 0)
		return r;
	out->finish = llm_part_finish_read(json_get(choice, "finish_reason"), finishes,
	    ARRAY_LEN(finishes), out);
	return 0;
}

static int
read_document(struct arena *a, int status, const struct json *doc,
    struct llm_answer *out, struct llm_error *e)
{
	const struct json *choices = json_get_typed(doc, "choices", JSON_ARRAY);
	const char *what = "no choices in it";

	read_usage(doc, &out->usage);
	out->model = llm_part_model(a, json_get(doc, "model"));
	if (choices == NULL || choices->len == 0)
		return llm_part_bad(e, status, what);
	if (read_message(a, &choices->items[0], out, &what) < 0)
		return llm_part_bad(e, status, what);
	if (arena_failed(a))
		return llm_error_set(e, ERROR_TYPE_INTERNAL, status,
		    "no memory for an answer");
	return 0;
}

int
openai_answer(struct arena *a, int status, const char *body, size_t n,
    struct llm_answer *out, struct llm_error *e)
{
	return llm_part_read(a, status, body, n, read_usage, read_document, out, e);
}
