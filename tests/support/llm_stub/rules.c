/* SPDX-License-Identifier: MIT */
/*
 * rules.c - reads rules strictly, so that a misspelt condition never passes unseen.
 *
 * Owns:   the rules, their text, their patterns, their counters.
 * Called: by script.c.
 * Fails:  unknown or ill-typed members are -EINVAL with the rule's number.
 */
#include "config.h"

#include "tests/support/llm_stub/rules.h"

#include <errno.h>
#include <regex.h>
#include <string.h>

struct rule {
	char name[64];
	const struct json *when, *reply, *fault;
	int64_t times, used; /* times 0: no bound */
	regex_t pattern;
	bool has_pattern;
};

struct rules {
	char *text;
	struct arena *arena;
	struct rule *list;
	size_t n;
	bool is_closed;
};

typedef bool condition(const struct chat *chat, const struct rule *rule,
    const struct json *want);

/* ---- conditions ---- */

static bool
contains_all(struct text t, const struct json *want)
{
	if (json_is(want, JSON_STRING))
		return text_contains(t, text_of(want));
	for (uint32_t i = 0; i < want->len; i++)
		if (!text_contains(t, text_of(&want->items[i])))
			return false;
	return true;
}

static bool
prompt_contains(const struct chat *chat, const struct rule *rule UNUSED,
    const struct json *want)
{
	return contains_all(chat->prompt, want);
}

static bool
prompt_regex(const struct chat *chat, const struct rule *rule,
    const struct json *want UNUSED)
{
	const char *text =
	    arena_strndup(chat->arena, chat->prompt.data, chat->prompt.len);

	return text != NULL && regexec(&rule->pattern, text, 0, NULL, 0) == 0;
}

static bool
any_contains(const struct chat *chat, const struct rule *rule UNUSED,
    const struct json *want)
{
	for (size_t i = 0; i < chat->n_messages; i++)
		if (contains_all(chat->messages[i].text, want))
			return true;
	return false;
}

static bool
turn_is(const struct chat *chat, const struct rule *rule UNUSED,
    const struct json *want)
{
	int64_t turn = -1;

	(void)json_int64(want, &turn);
	return turn == (int64_t)chat->turn;
}

static bool
last_role(const struct chat *chat, const struct rule *rule UNUSED,
    const struct json *want)
{
	static const char *const names[CHAT_ROLE_COUNT] = {
		[CHAT_SYSTEM] = "system",
		[CHAT_USER] = "user",
		[CHAT_ASSISTANT] = "assistant",
		[CHAT_TOOL] = "tool",
	};
	const struct chat_message *last = chat_last(chat);

	return last != NULL && json_eq_str(want, names[last->role]);
}

/* Any of the tool messages that end the conversation. */
static bool
tool_result_contains(const struct chat *chat, const struct rule *rule UNUSED,
    const struct json *want)
{
	for (size_t i = chat->n_messages; i > 0; i--) {
		if (chat->messages[i - 1].role != CHAT_TOOL)
			return false;
		if (contains_all(chat->messages[i - 1].text, want))
			return true;
	}
	return false;
}

static bool
header_has(const struct chat *chat, const struct rule *rule UNUSED,
    const struct json *want)
{
	for (uint32_t i = 0; i < want->len; i++) {
		const struct json_member *m = &want->members[i];
		const char *value = http_request_header(chat->rq, m->name);

		if (json_is(&m->value, JSON_NULL) != (value == NULL))
			return false;
		if (value != NULL &&
		    !text_contains((struct text){ value, strlen(value) },
			text_of(&m->value)))
			return false;
	}
	return true;
}

static bool
model_is(const struct chat *chat, const struct rule *rule UNUSED,
    const struct json *want)
{
	struct text t = text_of(want);

	return t.len == chat->model.len && memcmp(t.data, chat->model.data, t.len) == 0;
}

static bool
tool_offered(const struct chat *chat, const struct rule *rule UNUSED,
    const struct json *want)
{
	return chat_tool_find(chat, text_of(want)) != NULL;
}

static bool
always(const struct chat *chat UNUSED, const struct rule *rule UNUSED,
    const struct json *want UNUSED)
{
	return true; /* times is counted by rules_next */
}

enum {
	STRING = 1 << JSON_STRING,
	LIST = 1 << JSON_ARRAY,
	NUMBER = 1 << JSON_NUMBER,
	OBJECT = 1 << JSON_OBJECT,
	BOOL = 1 << JSON_BOOL,
	ANY = 0xff
};

/* clang-format off */
static const struct {
	const char *name;
	unsigned types;
	condition *holds;
} conditions[] = {
	{ "prompt_contains",      STRING | LIST, prompt_contains },
	{ "prompt_regex",         STRING,        prompt_regex },
	{ "any_contains",         STRING | LIST, any_contains },
	{ "turn",                 NUMBER,        turn_is },
	{ "last_role",            STRING,        last_role },
	{ "tool_result_contains", STRING | LIST, tool_result_contains },
	{ "header",               OBJECT,        header_has },
	{ "model",                STRING,        model_is },
	{ "tool_offered",         STRING,        tool_offered },
	{ "times",                NUMBER,        always },
};

/* What may stand in a reply, a call, a fault. */
static const struct member_type {
	const char *name;
	unsigned types;
} rule_members[] = {
	{ "name", STRING }, { "when", OBJECT }, { "reply", OBJECT }, { "fault", OBJECT },
}, reply_members[] = {
	{ "content", STRING | 1 << JSON_NULL }, { "tool_calls", LIST }, { "finish_reason", STRING },
	{ "usage", OBJECT }, { "refusal", STRING }, { "delay_ms", NUMBER },
}, fault_members[] = {
	{ "status", NUMBER }, { "headers", OBJECT }, { "body", ANY }, { "message", STRING },
	{ "delay_ms", NUMBER }, { "cut", STRING }, { "garble", BOOL }, { "hang", BOOL },
	{ "piece_bytes", NUMBER }, { "pause_ms", NUMBER },
}, call_members[] = {
	{ "name", STRING }, { "arguments", ANY }, { "exact", BOOL },
};
/* clang-format on */

/* ---- reading ---- */

static int
check_members(const struct json *v, const struct member_type *types, size_t n,
    struct err *err)
{
	for (uint32_t i = 0; i < v->len; i++) {
		const struct json_member *m = &v->members[i];
		size_t k = 0;

		while (k < n && strcmp(types[k].name, m->name) != 0)
			k++;
		if (k == n)
			return err_set(err, -EINVAL, "unknown member '%s'", m->name);
		if ((types[k].types & 1u << m->value.type) == 0)
			return err_set(err, -EINVAL,
			    "'%s' may not be a value of type %s", m->name,
			    json_type_name(m->value.type));
	}
	return 0;
}

static int
compile_pattern(struct rule *rule, const struct json *pattern, struct err *err)
{
	CLEANUP(freep) char *text = strndup(pattern->text, pattern->len);
	char why[128];
	int r;

	ASSERT(text != NULL);
	r = regcomp(&rule->pattern, text, REG_EXTENDED | REG_ICASE | REG_NOSUB);
	if (r != 0) {
		(void)regerror(r, &rule->pattern, why, sizeof(why));
		return err_set(err, -EINVAL, "prompt_regex: %s", why);
	}
	rule->has_pattern = true;
	return 0;
}

static int
read_when(struct rule *rule, struct err *err)
{
	for (uint32_t i = 0; rule->when != NULL && i < rule->when->len; i++) {
		const struct json_member *m = &rule->when->members[i];
		size_t k = 0;

		while (k < ARRAY_LEN(conditions) &&
		    strcmp(conditions[k].name, m->name) != 0)
			k++;
		if (k == ARRAY_LEN(conditions) ||
		    (conditions[k].types & 1u << m->value.type) == 0)
			return err_set(err, -EINVAL,
			    "when: no condition '%s' of type %s", m->name,
			    json_type_name(m->value.type));
		if (conditions[k].holds == prompt_regex &&
		    compile_pattern(rule, &m->value, err) < 0)
			return -EINVAL;
	}
	(void)json_int64(json_get(rule->when, "times"), &rule->times);
	return 0;
}

static int
check_calls(const struct json *calls, struct err *err)
{
	for (uint32_t i = 0; calls != NULL && i < calls->len; i++) {
		const struct json *call = &calls->items[i];
		int r;

		if (!json_is(call, JSON_OBJECT) ||
		    json_get_typed(call, "name", JSON_STRING) == NULL)
			return err_set(err, -EINVAL, "tool_calls: each wants a name");
		r = check_members(call, call_members, ARRAY_LEN(call_members), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
read_rule(struct rule *rule, const struct json *v, size_t number, struct err *err)
{
	const struct json *cut;
	struct text name;
	int r;

	if (!json_is(v, JSON_OBJECT))
		return err_set(err, -EINVAL, "a rule must be an object");
	r = check_members(v, rule_members, ARRAY_LEN(rule_members), err);
	if (r < 0)
		return r;
	rule->when = json_get(v, "when");
	rule->reply = json_get(v, "reply");
	rule->fault = json_get(v, "fault");
	name = text_of(json_get(v, "name"));
	(void)snprintf(rule->name, sizeof(rule->name), "%.*s", (int)name.len,
	    name.data);
	if (name.len == 0)
		(void)snprintf(rule->name, sizeof(rule->name), "rule %zu", number);
	if (rule->reply == NULL && rule->fault == NULL)
		return err_set(err, -EINVAL, "neither reply nor fault");
	cut = json_get(rule->fault, "cut");
	if (cut != NULL && http_cut_parse(cut->text, cut->len) < 0)
		return err_set(err, -EINVAL, "no such cut");
	r = read_when(rule, err);
	if (r == 0 && rule->reply != NULL)
		r = check_members(rule->reply, reply_members, ARRAY_LEN(reply_members),
		    err);
	if (r == 0 && rule->fault != NULL)
		r = check_members(rule->fault, fault_members, ARRAY_LEN(fault_members),
		    err);
	return r < 0 ? r : check_calls(json_get(rule->reply, "tool_calls"), err);
}

static int
read_list(struct rules *rules, const struct json *list, struct err *err)
{
	if (!json_is(list, JSON_ARRAY))
		return err_set(err, -EINVAL, "a list of rules is wanted");
	rules->list = calloc(list->len + 1, sizeof(*rules->list));
	ASSERT(rules->list != NULL);
	for (uint32_t i = 0; i < list->len; i++) {
		int r =
		    read_rule(&rules->list[rules->n++], &list->items[i], i + 1, err);

		if (r < 0)
			return err_prefix(err, r, "rule %u", i + 1);
	}
	return 0;
}

int
rules_read(const char *text, size_t n, struct rules **out, struct err *err)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	const struct json *v = NULL, *otherwise;
	int r;

	ASSERT(rules != NULL);
	rules->arena = arena_new(0);
	rules->text = malloc(n + 1);
	ASSERT(rules->arena != NULL && rules->text != NULL);
	memcpy(rules->text, text, n);
	r = json_read(rules->arena, rules->text, n, 0, &v, err);
	if (r == 0) {
		otherwise = json_get(v, "otherwise");
		rules->is_closed = json_eq_str(otherwise, "error");
		if (otherwise != NULL && !rules->is_closed &&
		    !json_eq_str(otherwise, "demo"))
			r = err_set(err, -EINVAL, "otherwise: 'demo' or 'error'");
		else
			r = read_list(rules,
			    json_is(v, JSON_OBJECT) ? json_get(v, "rules") : v, err);
	}
	if (r < 0) {
		rules_free(rules);
		return r;
	}
	*out = rules;
	return 0;
}

void
rules_free(struct rules *rules)
{
	if (rules == NULL)
		return;
	for (size_t i = 0; i < rules->n; i++)
		if (rules->list[i].has_pattern)
			regfree(&rules->list[i].pattern);
	arena_free(rules->arena);
	free(rules->list);
	free(rules->text);
	free(rules);
}

/* ---- matching ---- */

static bool
holds(const struct rule *rule, const struct chat *chat)
{
	if (rule->times > 0 && rule->used >= rule->times)
		return false;
	for (uint32_t i = 0; rule->when != NULL && i < rule->when->len; i++) {
		const struct json_member *m = &rule->when->members[i];

		for (size_t k = 0; k < ARRAY_LEN(conditions); k++)
			if (strcmp(conditions[k].name, m->name) == 0 &&
			    !conditions[k].holds(chat, rule, &m->value))
				return false;
	}
	return true;
}

const struct rule *
rules_next(const struct rules *rules, const struct rule *after, const struct chat *chat)
{
	size_t i =
	    after == NULL || rules == NULL ? 0 : (size_t)(after - rules->list) + 1;

	for (; rules != NULL && i < rules->n; i++)
		if (holds(&rules->list[i], chat))
			return &rules->list[i];
	return NULL;
}

void
rules_use(struct rules *rules, const struct rule *rule)
{
	rules->list[rule - rules->list].used++;
}

bool
rules_are_closed(const struct rules *rules)
{
	return rules != NULL && rules->is_closed;
}

const char *
rule_name(const struct rule *rule)
{
	return rule->name;
}

const struct json *
rule_reply(const struct rule *rule)
{
	return rule->reply;
}

const struct json *
rule_fault(const struct rule *rule)
{
	return rule->fault;
}
