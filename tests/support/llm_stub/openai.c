/* SPDX-License-Identifier: MIT */
/*
 * openai.c - OpenAI Chat Completions: read with the real server's rules, and answered.
 *
 * Owns:   nothing.
 * Called: by main.c through the wire_openai row.
 * Fails:  a request that the real server would refuse is refused with its words (400).
 */
#include "config.h"

#include "tests/support/llm_stub/chat.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *name;
	enum chat_role role;
} roles[] = {
	{ "system", CHAT_SYSTEM },
	{ "developer", CHAT_SYSTEM },
	{ "user", CHAT_USER },
	{ "assistant", CHAT_ASSISTANT },
	{ "tool", CHAT_TOOL },
};

static const char *const known_params[] = { "model", "messages", "tools", "tool_choice",
	"parallel_tool_calls", "temperature", "top_p", "n", "max_tokens",
	"max_completion_tokens", "response_format", "seed", "stop", "stream", "user",
	"metadata", "store", "logprobs", "top_logprobs", "logit_bias",
	"presence_penalty", "frequency_penalty", "service_tier", "reasoning_effort",
	"prompt_cache_key", "safety_identifier", "prompt_cache_retention",
	"verbosity" };

static int
refuse(const char **param, const char *name, struct err *err, const char *message)
{
	*param = name;
	(void)err_set(err, -EINVAL, "%s", message);
	return 400;
}

/* ---- messages ---- */

/* The text of content: a string, or an array of parts of which the texts are joined. */
static int
read_content(struct chat *chat, const struct json *content, struct text *out)
{
	if (json_is(content, JSON_STRING)) {
		*out = text_of(content);
		return 0;
	}
	if (!json_is(content, JSON_ARRAY) || content->len == 0)
		return -EINVAL;
	for (uint32_t i = 0; i < content->len; i++) {
		const struct json *part = &content->items[i];
		const struct json *type = json_get_typed(part, "type", JSON_STRING);

		if (type == NULL)
			return -EINVAL;
		if (json_eq_str(type, "text")) {
			const struct json *t =
			    json_get_typed(part, "text", JSON_STRING);

			if (t == NULL)
				return -EINVAL;
			*out = text_join(chat->arena, *out, text_of(t));
		}
	}
	return 0;
}

static int
check_call(const struct json *call)
{
	const struct json *fn = json_get_typed(call, "function", JSON_OBJECT);
	const struct json *id = json_get_typed(call, "id", JSON_STRING);
	const struct json *name = json_get_typed(fn, "name", JSON_STRING);

	return id != NULL && id->len > 0 &&
		json_eq_str(json_get(call, "type"), "function") && name != NULL &&
		name->len > 0 && json_get_typed(fn, "arguments", JSON_STRING) != NULL
	    ? 0
	    : -EINVAL;
}

/* Ids of the last assistant message's calls that no tool message has answered yet. */
struct open_calls {
	struct text ids[CHAT_CALLS_MAX * 4];
	size_t n;
};

static int
note_calls(struct chat *chat, struct chat_message *m, const struct json *calls,
    struct open_calls *open, const char **param, struct err *err)
{
	(void)chat;
	if (calls == NULL || json_is(calls, JSON_NULL))
		return 0;
	if (!json_is(calls, JSON_ARRAY) || calls->len == 0)
		return refuse(param, "messages", err,
		    "[] is too short - 'messages.tool_calls': expected a non-empty array");
	if (calls->len > ARRAY_LEN(open->ids))
		return refuse(param, "messages", err, "too many tool_calls");
	for (uint32_t i = 0; i < calls->len; i++) {
		if (check_call(&calls->items[i]) < 0)
			return refuse(param, "messages", err,
			    "Invalid 'messages.tool_calls': each wants id, type 'function', "
			    "function.name and function.arguments as a string");
		open->ids[open->n++] = text_of(json_get(&calls->items[i], "id"));
	}
	m->n_calls = calls->len;
	return 0;
}

static int
close_call(struct open_calls *open, const struct json *id)
{
	struct text want = text_of(id);

	for (size_t i = 0; i < open->n; i++)
		if (open->ids[i].len == want.len &&
		    memcmp(open->ids[i].data, want.data, want.len) == 0) {
			open->ids[i] = open->ids[--open->n];
			return 0;
		}
	return -EINVAL;
}

static int
read_role(const struct json *m, enum chat_role *out)
{
	const struct json *role = json_get_typed(m, "role", JSON_STRING);

	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (json_eq_str(role, roles[i].name)) {
			*out = roles[i].role;
			return 0;
		}
	return -EINVAL;
}

static int
read_message(struct chat *chat, const struct json *m, struct open_calls *open,
    const char **param, struct err *err)
{
	struct chat_message *out = &chat->messages[chat->n_messages];
	const struct json *content = json_get(m, "content");
	int r;

	out->text = TEXT("");
	if (!json_is(m, JSON_OBJECT) || read_role(m, &out->role) < 0)
		return refuse(param, "messages", err,
		    "Invalid value for 'messages.role': supported values are 'system', "
		    "'developer', 'user', 'assistant' and 'tool'");
	if (out->role != CHAT_TOOL && open->n > 0)
		return refuse(param, "messages", err,
		    "An assistant message with 'tool_calls' must be followed by tool "
		    "messages responding to each 'tool_call_id'");
	if (out->role == CHAT_TOOL && close_call(open, json_get(m, "tool_call_id")) < 0)
		return refuse(param, "messages", err,
		    "messages with role 'tool' must be a response to a preceeding message "
		    "with 'tool_calls'");
	if (out->role == CHAT_ASSISTANT) {
		r = note_calls(chat, out, json_get(m, "tool_calls"), open, param, err);
		if (r != 0)
			return r;
		chat->turn++;
		if (out->n_calls > 0 &&
		    (content == NULL || json_is(content, JSON_NULL)))
			return 0;
		if (content == NULL && json_get(m, "refusal") != NULL)
			return 0;
	} else if (json_get(m, "tool_calls") != NULL) {
		return refuse(param, "messages", err,
		    "'tool_calls' belongs to messages with role 'assistant'");
	}
	if (read_content(chat, content, &out->text) < 0)
		return refuse(param, "messages", err,
		    "Invalid value for 'content': expected a string or an array of parts");
	return 0;
}

static int
read_messages(struct chat *chat, const char **param, struct err *err)
{
	const struct json *messages = json_get(chat->body, "messages");
	struct open_calls open = { .n = 0 };

	if (!json_is(messages, JSON_ARRAY) || messages->len == 0)
		return refuse(param, "messages", err,
		    "Invalid 'messages': expected a non-empty array");
	chat->messages =
	    arena_alloc(chat->arena, messages->len * sizeof(*chat->messages));
	if (chat->messages == NULL)
		return refuse(param, "messages", err, "no memory");
	memset(chat->messages, 0, messages->len * sizeof(*chat->messages));
	for (uint32_t i = 0; i < messages->len; i++) {
		int r = read_message(chat, &messages->items[i], &open, param, err);

		if (r != 0)
			return r;
		if (chat->messages[chat->n_messages].role == CHAT_USER)
			chat->prompt =
			    chat_prompt_of(chat->messages[chat->n_messages].text);
		chat->n_messages++;
	}
	if (open.n > 0)
		return refuse(param, "messages", err,
		    "An assistant message with 'tool_calls' must be followed by tool "
		    "messages responding to each 'tool_call_id'");
	return 0;
}

/* ---- tools and the rest ---- */

static bool
is_tool_name(const struct json *name)
{
	if (!json_is(name, JSON_STRING) || name->len == 0 || name->len > 64)
		return false;
	for (uint32_t i = 0; i < name->len; i++)
		if (strchr(
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
			name->text[i]) == NULL ||
		    name->text[i] == '\0')
			return false;
	return true;
}

static int
read_tool(struct chat *chat, const struct json *tool, const char **param,
    struct err *err)
{
	const struct json *fn = json_get_typed(tool, "function", JSON_OBJECT);
	const struct json *p = json_get(fn, "parameters");
	const struct json *description = json_get(fn, "description");
	struct chat_tool *out = &chat->tools[chat->n_tools];

	if (!json_eq_str(json_get(tool, "type"), "function") || fn == NULL)
		return refuse(param, "tools", err,
		    "Invalid 'tools': each wants type 'function' and an object 'function'");
	if (!is_tool_name(json_get(fn, "name")))
		return refuse(param, "tools", err,
		    "Invalid 'tools.function.name': does not match '^[a-zA-Z0-9_-]{1,64}$'");
	if (description != NULL && !json_is(description, JSON_STRING))
		return refuse(param, "tools", err,
		    "Invalid 'tools.function.description': not a string");
	if (p != NULL &&
	    (!json_is(p, JSON_OBJECT) || !json_eq_str(json_get(p, "type"), "object")))
		return refuse(param, "tools", err,
		    "Invalid schema for function: schema must be a JSON Schema of 'type: "
		    "\"object\"'");
	out->name = text_of(json_get(fn, "name"));
	out->parameters = p;
	out->is_strict = json_is_true(json_get(fn, "strict"));
	if (chat_tool_find(chat, out->name) != NULL)
		return refuse(param, "tools", err, "Invalid 'tools': two of one name");
	chat->n_tools++;
	if (out->is_strict && strict_schema_check(p, err) < 0) {
		(void)err_prefix(err, -EINVAL, "Invalid schema for function '%.*s'",
		    (int)out->name.len, out->name.data);
		*param = "tools";
		return 400;
	}
	return 0;
}

static int
read_tools(struct chat *chat, const char **param, struct err *err)
{
	const struct json *tools = json_get(chat->body, "tools");

	if (tools == NULL)
		return 0;
	if (!json_is(tools, JSON_ARRAY) || tools->len == 0 ||
	    tools->len > CHAT_TOOLS_MAX)
		return refuse(param, "tools", err,
		    "Invalid 'tools': expected an array of 1 to 128 tools");
	for (uint32_t i = 0; i < tools->len; i++) {
		int r = read_tool(chat, &tools->items[i], param, err);

		if (r != 0)
			return r;
	}
	return 0;
}

static int
check_tool_choice(const struct chat *chat, const char **param, struct err *err)
{
	const struct json *choice = json_get(chat->body, "tool_choice"), *name;

	if (choice == NULL && json_get(chat->body, "parallel_tool_calls") == NULL)
		return 0;
	if (chat->n_tools == 0)
		return refuse(param, "tool_choice", err,
		    "'tool_choice' and 'parallel_tool_calls' are only allowed when 'tools' "
		    "are specified");
	if (choice == NULL || json_eq_str(choice, "none") ||
	    json_eq_str(choice, "auto") || json_eq_str(choice, "required"))
		return 0;
	name = json_get(json_get(choice, "function"), "name");
	if (!json_is(name, JSON_STRING) || chat_tool_find(chat, text_of(name)) == NULL)
		return refuse(param, "tool_choice", err,
		    "Tool choice not found in 'tools' parameter");
	return 0;
}

static bool
number_is_bad(const struct json *body, const char *name, double low, double high)
{
	const struct json *v = json_get(body, name);
	double d;

	return v != NULL && !json_is(v, JSON_NULL) &&
	    (json_double(v, &d) < 0 || d < low || d > high);
}

static bool
param_is_known(const struct json_member *m)
{
	for (size_t i = 0; i < ARRAY_LEN(known_params); i++)
		if (strlen(known_params[i]) == m->name_len &&
		    memcmp(known_params[i], m->name, m->name_len) == 0)
			return true;
	return false;
}

static int
check_format(const struct json *body, const char **param, struct err *err)
{
	const struct json *format = json_get(body, "response_format"), *type, *schema;

	if (format == NULL)
		return 0;
	type = json_get(format, "type");
	if (json_eq_str(type, "text") || json_eq_str(type, "json_object"))
		return 0;
	schema = json_get_typed(format, "json_schema", JSON_OBJECT);
	if (!json_eq_str(type, "json_schema") || schema == NULL ||
	    !is_tool_name(json_get(schema, "name")))
		return refuse(param, "response_format", err,
		    "Invalid 'response_format': type and json_schema {name, schema}");
	if (!json_is_true(json_get(schema, "strict")))
		return 0;
	if (strict_schema_check(json_get(schema, "schema"), err) < 0) {
		(void)err_prefix(err, -EINVAL, "Invalid schema for response_format");
		*param = "response_format";
		return 400;
	}
	return 0;
}

static int
check_params(const struct json *body, const char **param, struct err *err)
{
	for (uint32_t i = 0; i < body->len; i++)
		if (!param_is_known(&body->members[i])) {
			*param = body->members[i].name;
			(void)err_set(err, -EINVAL,
			    "Unrecognized request argument supplied: %s",
			    body->members[i].name);
			return 400;
		}
	if (number_is_bad(body, "temperature", 0, 2))
		return refuse(param, "temperature", err,
		    "Invalid 'temperature': decimal between 0 and 2");
	if (number_is_bad(body, "max_tokens", 1, 1e9) ||
	    number_is_bad(body, "max_completion_tokens", 1, 1e9))
		return refuse(param, "max_tokens", err,
		    "Invalid 'max_tokens': a positive integer");
	if (json_get(body, "max_tokens") != NULL &&
	    json_get(body, "max_completion_tokens") != NULL)
		return refuse(param, "max_tokens", err,
		    "Setting 'max_tokens' and 'max_completion_tokens' at the same time is "
		    "not supported.");
	if (json_is_true(json_get(body, "stream")))
		return refuse(param, "stream", err, "this stand-in does not stream");
	return check_format(body, param, err);
}

static int
openai_read(struct chat *chat, const struct json *body, const char **param,
    struct err *err)
{
	const struct json *model;
	int r;

	if (!json_is(body, JSON_OBJECT))
		return refuse(param, NULL, err, "the body must be a JSON object");
	chat->body = body;
	model = json_get_typed(body, "model", JSON_STRING);
	if (model == NULL || model->len == 0)
		return refuse(param, "model", err,
		    "you must provide a model parameter");
	chat->model = text_of(model);
	r = check_params(body, param, err);
	if (r == 0)
		r = read_messages(chat, param, err);
	if (r == 0)
		r = read_tools(chat, param, err);
	if (r == 0)
		r = check_tool_choice(chat, param, err);
	return r;
}

/* ---- answers ---- */

static void
write_calls(struct json_writer *w, const struct chat_reply *reply, uint64_t id)
{
	jw_key(w, "tool_calls");
	jw_array_begin(w);
	for (size_t i = 0; i < reply->n_calls; i++) {
		char call_id[40];

		(void)snprintf(call_id, sizeof(call_id), "call_%012llx%02zu",
		    (unsigned long long)id, i);
		jw_object_begin(w);
		jw_key(w, "id");
		jw_cstr(w, call_id);
		jw_key(w, "type");
		jw_cstr(w, "function");
		jw_key(w, "function");
		jw_object_begin(w);
		jw_key(w, "name");
		jw_string(w, reply->calls[i].name.data, reply->calls[i].name.len);
		jw_key(w, "arguments");
		jw_string(w, reply->calls[i].arguments.data,
		    reply->calls[i].arguments.len);
		jw_object_end(w);
		jw_object_end(w);
	}
	jw_array_end(w);
}

static void
text_or_null(struct json_writer *w, const char *key, struct text t)
{
	jw_key(w, key);
	if (t.data == NULL)
		jw_null(w);
	else
		jw_string(w, t.data, t.len);
}

static void
write_message(struct json_writer *w, const struct chat_reply *reply, uint64_t id)
{
	const char *reason = reply->n_calls > 0 ? "tool_calls" : "stop";

	jw_object_begin(w);
	jw_key(w, "index");
	jw_int(w, 0);
	jw_key(w, "message");
	jw_object_begin(w);
	jw_key(w, "role");
	jw_cstr(w, "assistant");
	text_or_null(w, "content", reply->content);
	text_or_null(w, "refusal", reply->refusal);
	if (reply->n_calls > 0)
		write_calls(w, reply, id);
	jw_object_end(w);
	jw_key(w, "logprobs");
	jw_null(w);
	jw_key(w, "finish_reason");
	jw_cstr(w, reply->finish_reason != NULL ? reply->finish_reason : reason);
	jw_object_end(w);
}

static void
write_usage(struct json_writer *w, const struct chat_reply *reply)
{
	jw_object_begin(w);
	jw_key(w, "prompt_tokens");
	jw_int(w, reply->prompt_tokens);
	jw_key(w, "completion_tokens");
	jw_int(w, reply->completion_tokens);
	jw_key(w, "total_tokens");
	jw_int(w, reply->prompt_tokens + reply->completion_tokens);
	jw_key(w, "prompt_tokens_details");
	jw_object_begin(w);
	jw_key(w, "cached_tokens");
	jw_int(w, reply->cached_tokens);
	jw_object_end(w);
	jw_object_end(w);
}

static void
openai_write(struct buf *out, const struct chat *chat, const struct chat_reply *reply,
    uint64_t id)
{
	struct json_writer w;
	char text[40];

	(void)snprintf(text, sizeof(text), "chatcmpl-stub%016llx",
	    (unsigned long long)id);
	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "id");
	jw_cstr(&w, text);
	jw_key(&w, "object");
	jw_cstr(&w, "chat.completion");
	jw_key(&w, "created");
	jw_int(&w, (int64_t)time(NULL));
	jw_key(&w, "model");
	jw_string(&w, chat->model.data, chat->model.len);
	jw_key(&w, "choices");
	jw_array_begin(&w);
	write_message(&w, reply, id);
	jw_array_end(&w);
	jw_key(&w, "usage");
	write_usage(&w, reply);
	jw_key(&w, "system_fingerprint");
	jw_cstr(&w, "fp_scripted");
	jw_object_end(&w);
}

static const struct {
	int status;
	const char *type;
	const char *code;
} error_types[] = {
	{ 400, "invalid_request_error", NULL },
	{ 401, "invalid_request_error", "invalid_api_key" },
	{ 404, "invalid_request_error", "model_not_found" },
	{ 429, "requests", "rate_limit_exceeded" },
	{ 500, "server_error", NULL },
	{ 503, "server_error", NULL },
};

static void
openai_write_error(struct buf *out, int status, const char *message, const char *param)
{
	const char *type = "server_error", *code = NULL;
	struct json_writer w;

	for (size_t i = 0; i < ARRAY_LEN(error_types); i++)
		if (error_types[i].status == status) {
			type = error_types[i].type;
			code = error_types[i].code;
		}
	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "error");
	jw_object_begin(&w);
	jw_key(&w, "message");
	jw_cstr(&w, message);
	jw_key(&w, "type");
	jw_cstr(&w, type);
	jw_key(&w, "param");
	jw_cstr(&w, param);
	jw_key(&w, "code");
	jw_cstr(&w, code);
	jw_object_end(&w);
	jw_object_end(&w);
}

const struct wire wire_openai = {
	.name = "openai",
	.suffix = "/chat/completions",
	.read = openai_read,
	.write = openai_write,
	.write_error = openai_write_error,
};
