/* SPDX-License-Identifier: MIT */
/*
 * script.c - reads the rules, finds the one that holds, makes what it says.
 *
 * Owns:   the rules, their compiled patterns and counters.
 * Called: by main.c for each request and at SIGHUP.
 * Fails:  a bad script is refused as a whole and the former one stays.
 */
#include "config.h"

#include "tests/support/llm_stub/script.h"

#include "tests/support/llm_stub/rules.h"

#include <errno.h>
#include <string.h>

struct script {
	char *data_api;
	struct rules *rules;
};

struct script *
script_new(const char *data_api)
{
	struct script *s = calloc(1, sizeof(*s));
	size_t n;

	ASSERT(s != NULL);
	s->data_api = strdup(data_api != NULL ? data_api : "");
	ASSERT(s->data_api != NULL);
	n = strlen(s->data_api);
	if (n > 0 && s->data_api[n - 1] == '/')
		s->data_api[n - 1] = '\0';
	return s;
}

void
script_free(struct script *s)
{
	if (s == NULL)
		return;
	rules_free(s->rules);
	free(s->data_api);
	free(s);
}

const char *
script_data_api(const struct script *s)
{
	return s->data_api;
}

int
script_load_text(struct script *s, const char *text, size_t n, struct err *err)
{
	struct rules *rules = NULL;
	int r = rules_read(text, n, &rules, err);

	if (r < 0)
		return r;
	rules_free(s->rules);
	s->rules = rules;
	return 0;
}

int
script_load_file(struct script *s, const char *path, struct err *err)
{
	CLEANUP(fclosep) FILE *f = fopen(path, "re");
	CLEANUP_BUF struct buf text = BUF_INIT;
	char piece[4096];
	size_t n;
	int r;

	if (f == NULL)
		return err_set(err, -errno, "cannot open the script %s", path);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(&text, piece, n);
	r = script_load_text(s, buf_str(&text), text.len, err);
	return r < 0 ? err_prefix(err, r, "script %s", path) : 0;
}

/* ---- templates ---- */

static struct text
turn_text(const struct chat *chat)
{
	char *text = arena_alloc(chat->arena, 16);

	if (text == NULL)
		return TEXT("");
	return (struct text){ text, (size_t)snprintf(text, 16, "%u", chat->turn) };
}

static struct text
serial_text(const struct chat *chat)
{
	char *text = arena_alloc(chat->arena, 24);

	if (text == NULL)
		return TEXT("");
	return (struct text){ text,
		(size_t)snprintf(text, 24, "%llu", (unsigned long long)chat->serial) };
}

static struct text
tool_result(const struct chat *chat)
{
	const struct chat_message *last = chat_last(chat);

	return last != NULL && last->role == CHAT_TOOL ? last->text : TEXT("");
}

static bool
value_of(const struct script *s, const struct chat *chat, struct text name,
    struct text *out)
{
	if (text_is(name, "data_api"))
		*out = (struct text){ s->data_api, strlen(s->data_api) };
	else if (text_is(name, "prompt"))
		*out = chat->prompt;
	else if (text_is(name, "model"))
		*out = chat->model;
	else if (text_is(name, "turn"))
		*out = turn_text(chat);
	else if (text_is(name, "serial"))
		*out = serial_text(chat);
	else if (text_is(name, "tool_result"))
		*out = tool_result(chat);
	else if (text_is(name, "last_ref"))
		*out = demo_last_ref(chat);
	else
		return false;
	return true;
}

static void
add_value(struct buf *out, struct text value, bool is_json)
{
	size_t at = out->len;

	if (!is_json) {
		buf_add(out, value.data, value.len);
		return;
	}
	json_write_string(out, value.data, value.len);
	if (buf_status(out) != 0)
		return;
	out->len--; /* the quotes are there already */
	memmove(out->data + at, out->data + at + 1, out->len - at - 1);
	out->data[--out->len] = '\0';
}

struct text
script_expand(const struct script *s, const struct chat *chat, struct text template,
    bool is_json)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *p = template.data, *end = template.data + template.len, *open,
		   *close;
	char *copy;

	while ((open = memmem(p, (size_t)(end - p), "{{", 2)) != NULL &&
	    (close = memmem(open, (size_t)(end - open), "}}", 2)) != NULL) {
		struct text name = { open + 2, (size_t)(close - open - 2) }, value;

		buf_add(&out, p, (size_t)(open - p));
		if (value_of(s, chat, name, &value)) {
			add_value(&out, value, is_json);
			p = close + 2;
		} else {
			buf_add(&out, open, 2);
			p = open + 2;
		}
	}
	buf_add(&out, p, (size_t)(end - p));
	copy = arena_strndup(chat->arena, buf_str(&out), out.len);
	return copy == NULL ? TEXT("") : (struct text){ copy, out.len };
}

/* ---- what a rule says ---- */

static struct text
call_arguments(const struct script *s, const struct chat *chat, const struct json *call)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	const struct json *args = json_get(call, "arguments");
	const struct chat_tool *tool =
	    chat_tool_find(chat, text_of(json_get(call, "name")));
	char *copy;

	if (json_is(args, JSON_STRING))
		return script_expand(s, chat, text_of(args), false);
	if (args == NULL)
		return TEXT("{}");
	if (tool != NULL && tool->is_strict && !json_is_true(json_get(call, "exact")))
		args = strict_arguments(chat->arena, tool->parameters, args);
	json_write(&text, args, JSON_COMPACT);
	copy = arena_strndup(chat->arena, buf_str(&text), text.len);
	return script_expand(s, chat, (struct text){ copy, text.len }, true);
}

static int64_t
count_of(const struct json *usage, const char *name)
{
	int64_t n = -1;

	(void)json_int64(json_get(usage, name), &n);
	return n;
}

static void
make_reply(const struct script *s, const struct chat *chat, const struct json *want,
    struct chat_reply *reply)
{
	const struct json *calls = json_get(want, "tool_calls");
	const struct json *usage = json_get(want, "usage");

	if (json_is(json_get(want, "content"), JSON_STRING))
		reply->content =
		    script_expand(s, chat, text_of(json_get(want, "content")), false);
	if (json_is(json_get(want, "refusal"), JSON_STRING))
		reply->refusal = text_of(json_get(want, "refusal"));
	for (uint32_t i = 0; calls != NULL && i < calls->len && i < CHAT_CALLS_MAX; i++)
		reply->calls[reply->n_calls++] = (struct chat_call){
			text_of(json_get(&calls->items[i], "name")),
			call_arguments(s, chat, &calls->items[i]),
		};
	reply->finish_reason = json_cstr(chat->arena, json_get(want, "finish_reason"));
	reply->prompt_tokens = count_of(usage, "prompt_tokens");
	reply->completion_tokens = count_of(usage, "completion_tokens");
	reply->cached_tokens = count_of(usage, "cached_tokens");
}

static uint64_t
ms_of(const struct json *v, const char *name)
{
	int64_t ms = 0;

	(void)json_int64(json_get(v, name), &ms);
	return ms < 0 ? 0 : (uint64_t)ms;
}

static struct text
fault_body(const struct script *s, const struct chat *chat, const struct json *body)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	char *copy;

	if (body == NULL)
		return (struct text){ NULL, 0 };
	if (json_is(body, JSON_STRING))
		return script_expand(s, chat, text_of(body), false);
	json_write(&text, body, JSON_COMPACT);
	copy = arena_strndup(chat->arena, buf_str(&text), text.len);
	return script_expand(s, chat, (struct text){ copy, text.len }, true);
}

static void
make_fault(const struct script *s, const struct chat *chat, const struct json *fault,
    struct outcome *out)
{
	const struct json *cut = json_get(fault, "cut");

	if (fault == NULL)
		return;
	out->status = (int)ms_of(fault, "status");
	out->body = fault_body(s, chat, json_get(fault, "body"));
	if (out->body.data != NULL && out->status == 0)
		out->status = 200;
	out->message = json_cstr(chat->arena, json_get(fault, "message"));
	out->headers = json_get(fault, "headers");
	out->delay_ms = ms_of(fault, "delay_ms");
	out->piece_bytes = ms_of(fault, "piece_bytes");
	out->pause_ms = ms_of(fault, "pause_ms");
	out->is_garbled = json_is_true(json_get(fault, "garble"));
	out->is_hang = json_is_true(json_get(fault, "hang"));
	if (cut != NULL)
		out->cut = (enum http_cut)http_cut_parse(cut->text, cut->len);
}

static void
reply_init(struct chat_reply *reply)
{
	reply->prompt_tokens = reply->completion_tokens = reply->cached_tokens = -1;
}

void
script_run(struct script *s, const struct chat *chat, struct outcome *out)
{
	const struct rule *rule = NULL;
	bool has_transport = false;

	reply_init(&out->reply);
	out->rule = "demo";
	while ((rule = rules_next(s->rules, rule, chat)) != NULL) {
		if (rule_fault(rule) != NULL && has_transport &&
		    rule_reply(rule) == NULL)
			continue;
		rules_use(s->rules, rule);
		out->rule = rule_name(rule);
		if (!has_transport)
			make_fault(s, chat, rule_fault(rule), out);
		if (rule_reply(rule) != NULL)
			make_reply(s, chat, rule_reply(rule), &out->reply);
		if (out->delay_ms == 0)
			out->delay_ms = ms_of(rule_reply(rule), "delay_ms");
		if (rule_reply(rule) != NULL || out->status != 0)
			return;
		has_transport = true;
	}
	if (rules_are_closed(s->rules)) {
		out->status = 500;
		out->rule = "none";
		out->message = "no rule of the script holds for this request";
		return;
	}
	demo_run(s, chat, &out->reply);
}
