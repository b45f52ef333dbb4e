/* SPDX-License-Identifier: MIT */
/*
 * anthropic_answer.c - from the body of an Anthropic message to the neutral form.
 *
 * Owns:   nothing; texts live in the caller's arena (the body need not outlive the call).
 * Called: by llm_call for every exchange that brought a status.
 * Fails:  with a typed error: what is not an answer to act upon is llm_bad_response.
 */
#include "config.h"

#include "worker/llm/answer_part.h"
#include "worker/llm/anthropic.h"
#include "worker/llm/error_body.h"

#include <errno.h>
#include <string.h>

/* input_tokens are those that were neither read from the cache nor written to it. */
static void
read_usage(const struct json *doc, struct llm_usage *usage)
{
	const struct json *u = json_get(doc, "usage");

	usage->cached = llm_part_count(u, "cache_read_input_tokens");
	usage->input = usage->cached + llm_part_count(u, "input_tokens") +
	    llm_part_count(u, "cache_creation_input_tokens");
	usage->output = llm_part_count(u, "output_tokens");
}

static int
read_call(struct arena *a, const struct json *block, struct llm_tool_call *call)
{
	const struct json *name = json_get_typed(block, "name", JSON_STRING);
	const struct json *id = json_get_typed(block, "id", JSON_STRING);
	const struct json *input = json_get(block, "input");
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (name == NULL || name->len == 0 || id == NULL || id->len == 0)
		return -EINVAL;
	call->name = llm_part_text(a, name);
	call->id = llm_part_text(a, id);
	if (input != NULL)
		json_write(&text, input, JSON_COMPACT);
	call->arguments = llm_text_dup(a, buf_str(&text), text.len);
	return buf_status(&text);
}

/* Texts are joined; blocks of other types (thinking) are the model's own affair. */
static int
read_blocks(struct arena *a, const struct json *content, struct llm_answer *out)
{
	struct llm_tool_call *calls =
	    arena_alloc(a, LLM_PART_CALLS_MAX * sizeof(*calls));
	CLEANUP_BUF struct buf all = BUF_INIT;

	if (calls == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < content->len; i++) {
		const struct json *block = &content->items[i];
		const struct json *type = json_get(block, "type");
		const struct json *text = json_get_typed(block, "text", JSON_STRING);

		if (json_eq_str(type, "text") && text != NULL)
			buf_add(&all, text->text, text->len);
		if (!json_eq_str(type, "tool_use"))
			continue;
		if (out->n_calls == LLM_PART_CALLS_MAX)
			return -E2BIG;
		if (read_call(a, block, &calls[out->n_calls]) < 0)
			return -EINVAL;
		out->n_calls++;
	}
	out->calls = calls;
	if (all.len > 0)
		out->text = llm_text_dup(a, buf_str(&all), all.len);
	return buf_status(&all);
}

static const struct llm_part_finish finishes[] = {
	{ "end_turn", LLM_FINISH_STOP },
	{ "stop_sequence", LLM_FINISH_STOP },
	{ "tool_use", LLM_FINISH_TOOL_CALLS },
	{ "max_tokens", LLM_FINISH_LENGTH },
	{ "model_context_window_exceeded", LLM_FINISH_LENGTH },
	{ "refusal", LLM_FINISH_CONTENT_FILTER },
};

static int
read_document(struct arena *a, int status, const struct json *doc,
    struct llm_answer *out, struct llm_error *e)
{
	const struct json *content = json_get_typed(doc, "content", JSON_ARRAY);
	int r;

	read_usage(doc, &out->usage);
	out->model = llm_part_model(a, json_get(doc, "model"));
	if (content == NULL)
		return llm_part_bad(e, status, "no content in it");
	r = read_blocks(a, content, out);
	if (r == -E2BIG)
		return llm_part_bad(e, status, "more tool calls than can be meant");
	if (r == -EINVAL)
		return llm_part_bad(e, status, "a tool call without name or id");
	out->finish = llm_part_finish_read(json_get(doc, "stop_reason"), finishes,
	    ARRAY_LEN(finishes), out);
	if (r < 0 || arena_failed(a))
		return llm_error_set(e, ERROR_TYPE_INTERNAL, status,
		    "no memory for an answer");
	return 0;
}

int
anthropic_answer(struct arena *a, int status, const char *body, size_t n,
    struct llm_answer *out, struct llm_error *e)
{
	return llm_part_read(a, status, body, n, read_usage, read_document, out, e);
}
