/* SPDX-License-Identifier: MIT */
/*
 * anthropic.c - Anthropic Messages: read with the real server's rules, and answered.
 *
 * Owns:   nothing.
 * Called: by main.c through the wire_anthropic row.
 * Fails:  a request that the real server would refuse is refused with its words (400).
 */
#include "config.h"

#include "tests/support/llm_stub/chat.h"

#include <errno.h>
#include <string.h>

static int
refuse(const char **param, const char *name, struct err *err, const char *message)
{
	*param = name;
	(void)err_set(err, -EINVAL, "%s: %s", name, message);
	return 400;
}

/* ---- reading ---- */

static struct chat_message *
add_message(struct chat *chat, enum chat_role role, struct text text)
{
	struct chat_message *m = &chat->messages[chat->n_messages++];

	*m = (struct chat_message){ role, text, 0 };
	return m;
}

static struct text
text_of_blocks(struct chat *chat, const struct json *blocks, const char *type)
{
	struct text all = { "", 0 };

	if (json_is(blocks, JSON_STRING))
		return strcmp(type, "text") == 0 ? text_of(blocks) : all;
	for (uint32_t i = 0; json_is(blocks, JSON_ARRAY) && i < blocks->len; i++)
		if (json_eq_str(json_get(&blocks->items[i], "type"), type))
			all = text_join(chat->arena, all,
			    text_of(json_get(&blocks->items[i], "text")));
	return all;
}

static unsigned
count_blocks(const struct json *blocks, const char *type)
{
	unsigned n = 0;

	for (uint32_t i = 0; json_is(blocks, JSON_ARRAY) && i < blocks->len; i++)
		n += json_eq_str(json_get(&blocks->items[i], "type"), type);
	return n;
}

static int
read_assistant(struct chat *chat, const struct json *content, const char **param,
    struct err *err)
{
	struct chat_message *m =
	    add_message(chat, CHAT_ASSISTANT, text_of_blocks(chat, content, "text"));

	m->n_calls = count_blocks(content, "tool_use");
	chat->turn++;
	for (uint32_t i = 0; json_is(content, JSON_ARRAY) && i < content->len; i++)
		if (json_eq_str(json_get(&content->items[i], "type"), "tool_use") &&
		    !json_is(json_get(&content->items[i], "input"), JSON_OBJECT))
			return refuse(param, "messages", err,
			    "tool_use.input: Input should be a valid dictionary");
	return 0;
}

/* Every call of the answer before needs its result here, before any other words. */
static int
read_user(struct chat *chat, const struct json *content, unsigned calls,
    const char **param, struct err *err)
{
	bool has_words = false;
	struct text words;

	if (count_blocks(content, "tool_result") != calls)
		return refuse(param, "messages", err,
		    "`tool_use` ids were found without `tool_result` blocks immediately "
		    "after");
	for (uint32_t i = 0; json_is(content, JSON_ARRAY) && i < content->len; i++) {
		const struct json *b = &content->items[i];
		const struct json *text = json_get(b, "text");

		if (json_eq_str(json_get(b, "type"), "tool_result")) {
			if (has_words)
				return refuse(param, "messages", err,
				    "tool_result blocks must come first");
			(void)add_message(chat, CHAT_TOOL,
			    text_of(json_get(b, "content")));
			continue;
		}
		has_words = true;
		if (text != NULL && text->len == 0)
			return refuse(param, "messages", err,
			    "text content blocks must be non-empty");
	}
	words = text_of_blocks(chat, content, "text");
	if (words.len > 0) {
		(void)add_message(chat, CHAT_USER, words);
		chat->prompt = chat_prompt_of(words);
	}
	return 0;
}

static int
read_messages(struct chat *chat, const char **param, struct err *err)
{
	const struct json *list = json_get_typed(chat->body, "messages", JSON_ARRAY);
	size_t most = 1;
	unsigned calls = 0;

	if (list == NULL || list->len == 0)
		return refuse(param, "messages", err,
		    "at least one message is required");
	for (uint32_t i = 0; i < list->len; i++) {
		const struct json *content = json_get(&list->items[i], "content");

		most += 1 + (json_is(content, JSON_ARRAY) ? content->len : 0);
	}
	chat->messages = arena_alloc(chat->arena, most * sizeof(*chat->messages));
	ASSERT(chat->messages != NULL);
	(void)add_message(chat, CHAT_SYSTEM,
	    text_of_blocks(chat, json_get(chat->body, "system"), "text"));
	for (uint32_t i = 0; i < list->len; i++) {
		const struct json *role = json_get(&list->items[i], "role");
		const struct json *content = json_get(&list->items[i], "content");
		bool is_user = json_eq_str(role, "user");
		int r;

		if (is_user != (i % 2 == 0) ||
		    (!is_user && !json_eq_str(role, "assistant")))
			return refuse(param, "messages", err,
			    "roles must alternate between \"user\" and \"assistant\"");
		r = is_user ? read_user(chat, content, calls, param, err)
			    : read_assistant(chat, content, param, err);
		if (r != 0)
			return r;
		calls = count_blocks(content, "tool_use");
	}
	return 0;
}

static int
read_tools(struct chat *chat, const char **param, struct err *err)
{
	const struct json *tools = json_get_typed(chat->body, "tools", JSON_ARRAY);

	for (uint32_t i = 0; tools != NULL && i < tools->len; i++) {
		const struct json *schema =
		    json_get_typed(&tools->items[i], "input_schema", JSON_OBJECT);
		struct text name = text_of(json_get(&tools->items[i], "name"));

		if (name.len == 0 || schema == NULL || i == CHAT_TOOLS_MAX)
			return refuse(param, "tools", err,
			    "each wants a name and an input_schema");
		chat->tools[chat->n_tools++] =
		    (struct chat_tool){ .name = name, .parameters = schema };
	}
	if (json_get(chat->body, "tool_choice") != NULL && chat->n_tools == 0)
		return refuse(param, "tool_choice", err, "only allowed with tools");
	return 0;
}

static int
anthropic_read(struct chat *chat, const struct json *body, const char **param,
    struct err *err)
{
	int64_t max_tokens = 0;
	int r;

	if (!json_is(body, JSON_OBJECT))
		return refuse(param, "body", err, "must be a JSON object");
	chat->body = body;
	chat->model = text_of(json_get(body, "model"));
	if (chat->model.len == 0)
		return refuse(param, "model", err, "Field required");
	if (http_request_header(chat->rq, "anthropic-version") == NULL)
		return refuse(param, "anthropic-version", err, "header is required");
	if (json_int64(json_get(body, "max_tokens"), &max_tokens) < 0 || max_tokens < 1)
		return refuse(param, "max_tokens", err, "Field required");
	r = read_messages(chat, param, err);
	return r != 0 ? r : read_tools(chat, param, err);
}

/* ---- answers ---- */

static void
write_blocks(struct json_writer *w, const struct chat_reply *reply, uint64_t id)
{
	if (reply->content.len > 0) {
		jw_object_begin(w);
		jw_key(w, "type");
		jw_cstr(w, "text");
		jw_key(w, "text");
		jw_string(w, reply->content.data, reply->content.len);
		jw_object_end(w);
	}
	for (size_t i = 0; i < reply->n_calls; i++) {
		char call_id[48];

		(void)snprintf(call_id, sizeof(call_id), "toolu_%012llx%02zu",
		    (unsigned long long)id, i);
		jw_object_begin(w);
		jw_key(w, "type");
		jw_cstr(w, "tool_use");
		jw_key(w, "id");
		jw_cstr(w, call_id);
		jw_key(w, "name");
		jw_string(w, reply->calls[i].name.data, reply->calls[i].name.len);
		jw_key(w, "input");
		jw_raw(w, reply->calls[i].arguments.data,
		    reply->calls[i].arguments.len);
		jw_object_end(w);
	}
}

static const struct {
	const char *name, *here;
} reasons[] = {
	{ "length", "max_tokens" },
	{ "content_filter", "refusal" },
	{ "stop", "end_turn" },
	{ "tool_calls", "tool_use" },
};

static const char *
reason_of(const struct chat_reply *reply)
{
	for (size_t i = 0; reply->finish_reason != NULL && i < ARRAY_LEN(reasons); i++)
		if (strcmp(reasons[i].name, reply->finish_reason) == 0)
			return reasons[i].here;
	return reply->n_calls > 0 ? "tool_use" : "end_turn";
}

static void
write_count(struct json_writer *w, const char *name, int64_t n)
{
	jw_key(w, name);
	jw_int(w, n);
}

static void
anthropic_write(struct buf *out, const struct chat *chat,
    const struct chat_reply *reply, uint64_t id)
{
	struct json_writer w;
	char text[40];

	(void)snprintf(text, sizeof(text), "msg_stub%016llx", (unsigned long long)id);
	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "id");
	jw_cstr(&w, text);
	jw_key(&w, "type");
	jw_cstr(&w, "message");
	jw_key(&w, "role");
	jw_cstr(&w, "assistant");
	jw_key(&w, "model");
	jw_string(&w, chat->model.data, chat->model.len);
	jw_key(&w, "content");
	jw_array_begin(&w);
	write_blocks(&w, reply, id);
	jw_array_end(&w);
	jw_key(&w, "stop_reason");
	jw_cstr(&w, reason_of(reply));
	jw_key(&w, "stop_sequence");
	jw_null(&w);
	jw_key(&w, "usage");
	jw_object_begin(&w);
	write_count(&w, "input_tokens", reply->prompt_tokens - reply->cached_tokens);
	write_count(&w, "cache_creation_input_tokens", 0);
	write_count(&w, "cache_read_input_tokens", reply->cached_tokens);
	write_count(&w, "output_tokens", reply->completion_tokens);
	jw_object_end(&w);
	jw_object_end(&w);
}

static const struct {
	int status;
	const char *type;
} error_types[] = {
	{ 400, "invalid_request_error" },
	{ 401, "authentication_error" },
	{ 403, "permission_error" },
	{ 404, "not_found_error" },
	{ 413, "request_too_large" },
	{ 429, "rate_limit_error" },
	{ 529, "overloaded_error" },
};

static void
anthropic_write_error(struct buf *out, int status, const char *message,
    const char *param UNUSED)
{
	const char *type = "api_error";
	struct json_writer w;

	for (size_t i = 0; i < ARRAY_LEN(error_types); i++)
		if (error_types[i].status == status)
			type = error_types[i].type;
	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "type");
	jw_cstr(&w, "error");
	jw_key(&w, "error");
	jw_object_begin(&w);
	jw_key(&w, "type");
	jw_cstr(&w, type);
	jw_key(&w, "message");
	jw_cstr(&w, message);
	jw_object_end(&w);
	jw_object_end(&w);
}

const struct wire wire_anthropic = {
	.name = "anthropic",
	.suffix = "/messages",
	.read = anthropic_read,
	.write = anthropic_write,
	.write_error = anthropic_write_error,
};
