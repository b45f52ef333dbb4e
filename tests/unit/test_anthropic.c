/* SPDX-License-Identifier: MIT */
/* test_anthropic.c - Anthropic Messages: bodies, answers, errors. */
#include "config.h"

#include "worker/llm/provider.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define expect_text(t, want)                                  \
 cr_expect((t).len == strlen(want) &&                         \
	 ((t).len == 0 || memcmp((t).s, want, (t).len) == 0), \
     "'%.*s' is not '%s'", (int)(t).len, (t).s, want)

static const struct llm_provider_type *type;
static struct arena *a;

static void
setup(void)
{
	type = llm_provider_type_find("anthropic");
	a = arena_new(0);
	cr_assert(type != NULL && a != NULL);
}

static void
teardown(void)
{
	arena_free(a);
}

TestSuite(anthropic, .init = setup, .fini = teardown, .timeout = 30);

/* ---- requests ---- */

static struct llm_message *
say(struct llm_messages *list, enum llm_role role, const char *text)
{
	struct llm_message *m = llm_messages_add(a, list, role);

	m->text = llm_text_of(text);
	return m;
}

static const char *
request(const struct llm_messages *messages, const struct llm_params *params,
    bool has_tools)
{
	static const struct llm_tool_spec tool = { "f", "does", "{\"type\":\"object\"}",
		false };
	CLEANUP(llm_prefix_freep) struct llm_prefix *prefix = NULL;
	CLEANUP_BUF struct buf body = BUF_INIT;
	const struct json *v = NULL;

	cr_assert(llm_prefix_new(type, "sys", &tool, has_tools, &prefix) == 0);
	type->request(&body, prefix, messages, params);
	cr_assert(buf_status(&body) == 0);
	cr_assert(json_read(a, buf_str(&body), body.len, 0, &v, NULL) == 0, "%s",
	    buf_str(&body));
	return arena_strndup(a, buf_str(&body), body.len);
}

Test(anthropic, results_of_tools_come_first_in_one_message)
{
	struct llm_messages list = { NULL, NULL, 0 };
	const struct llm_tool_call calls[] = {
		{ llm_text_of("t1"), llm_text_of("f"), llm_text_of("{\"x\":1}") },
		{ llm_text_of("t2"), llm_text_of("f"), llm_text_of("5") },
	};
	const struct llm_params params = { "claude", 0.1, 200,
		LLM_TOOL_CHOICE_REQUIRED };
	struct llm_message *m;
	const char *body;

	(void)say(&list, LLM_ROLE_USER, "context");
	(void)say(&list, LLM_ROLE_USER, "task");
	m = say(&list, LLM_ROLE_ASSISTANT, NULL);
	m->calls = calls;
	m->n_calls = 2;
	m = say(&list, LLM_ROLE_TOOL, "one");
	m->call_id = llm_text_of("t1");
	(void)say(&list, LLM_ROLE_USER, "go on");
	m = say(&list, LLM_ROLE_TOOL, "two");
	m->call_id = llm_text_of("t2");
	m->is_error = true;
	body = request(&list, &params, true);
	cr_expect_str_eq(body,
	    "{\"model\":\"claude\",\"max_tokens\":200,\"tools\":[{\"name\":\"f\","
	    "\"description\":\"does\",\"input_schema\":{\"type\":\"object\"}}],"
	    "\"tool_choice\":{\"type\":\"any\"},\"system\":[{\"type\":\"text\",\"text\":"
	    "\"sys\",\"cache_control\":{\"type\":\"ephemeral\"}}],\"messages\":["
	    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"context\"},"
	    "{\"type\":\"text\",\"text\":\"task\"}]},"
	    "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t1\","
	    "\"name\":\"f\",\"input\":{\"x\":1}},{\"type\":\"tool_use\",\"id\":\"t2\","
	    "\"name\":\"f\",\"input\":{\"value\":5}}]},"
	    "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":"
	    "\"t1\",\"content\":\"one\"},{\"type\":\"tool_result\",\"tool_use_id\":\"t2\","
	    "\"content\":\"two\",\"is_error\":true},{\"type\":\"text\",\"text\":\"go on\"}]}]"
	    ",\"temperature\":0.1}");
}

Test(anthropic, a_request_without_tools_and_bounds_is_whole)
{
	struct llm_messages list = { NULL, NULL, 0 };
	const struct llm_params params = { "claude", NAN, 0, LLM_TOOL_CHOICE_AUTO };
	const char *body;

	(void)say(&list, LLM_ROLE_USER, "");
	body = request(&list, &params, false);
	cr_expect(strstr(body, "tools") == NULL && strstr(body, "tool_choice") == NULL);
	cr_expect(strstr(body, "temperature") == NULL);
	cr_expect(strstr(body, "\"max_tokens\":4096") != NULL, "it is demanded");
	cr_expect(strstr(body, "\"text\":\"\"") == NULL, "an empty text is refused");
}

Test(anthropic, a_query_stays_behind_the_path)
{
	static const struct {
		const char *base, *url;
	} cases[] = {
		{ "http://gw/anthropic/v1/?beta=true",
		    "http://gw/anthropic/v1/messages?beta=true" },
		{ "http://gw/v1/messages", "http://gw/v1/messages" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf_provider p = { .base_url =
					       (char *)(uintptr_t)cases[i].base };
		CLEANUP_BUF struct buf url = BUF_INIT;

		type->url(&url, &p);
		cr_expect_str_eq(buf_str(&url), cases[i].url);
	}
}

Test(anthropic, addresses_and_headers)
{
	char base[] = "https://api.anthropic.com/v1", key[] = "k";
	struct conf_provider p = { .base_url = base, .api_key = key };
	struct llm_headers h = { .n = 0 };
	CLEANUP_BUF struct buf url = BUF_INIT;

	type->url(&url, &p);
	cr_expect_str_eq(buf_str(&url), "https://api.anthropic.com/v1/messages");
	cr_assert(type->headers(&h, &p) == 0);
	cr_assert(h.n == 3);
	cr_expect_str_eq(h.at[1].name, "anthropic-version");
	cr_expect_str_eq(h.at[2].name, "x-api-key");
	cr_expect_str_eq(h.at[2].value, "k");
	llm_headers_release(&h);
}

/* ---- answers ---- */

#define BODY(content, reason)                                                        \
 "{\"model\":\"claude-x\",\"content\":[" content "],\"stop_reason\":\"" reason "\"," \
 "\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":100,"                   \
 "\"cache_creation_input_tokens\":7,\"output_tokens\":5}}"
#define WORDS(t) "{\"type\":\"text\",\"text\":\"" t "\"}"
#define USE(id) \
 "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"f\",\"input\":{\"x\":1}}"

static const struct {
	const char *body;
	enum llm_finish finish;
	const char *text;
	size_t calls;
} answers[] = {
	{ BODY(WORDS("a") "," WORDS("b"), "end_turn"), LLM_FINISH_STOP, "ab", 0 },
	{ BODY("{\"type\":\"thinking\",\"thinking\":\"hm\"}," WORDS("a"),
	      "stop_sequence"),
	    LLM_FINISH_STOP, "a", 0 },
	{ BODY(WORDS("a") "," USE("1") "," USE("2"), "tool_use"), LLM_FINISH_TOOL_CALLS,
	    "a", 2 },
	{ BODY(WORDS("half"), "max_tokens"), LLM_FINISH_LENGTH, "half", 0 },
	{ BODY(WORDS("x"), "model_context_window_exceeded"), LLM_FINISH_LENGTH, "x",
	    0 },
	{ BODY("", "refusal"), LLM_FINISH_CONTENT_FILTER, "", 0 },
	{ BODY(USE("1"), "strange"), LLM_FINISH_TOOL_CALLS, "", 1 },
	{ BODY(WORDS("x"), "pause_turn"), LLM_FINISH_STOP, "x", 0 },
	/* the model has nothing to add */
	{ BODY("", "end_turn"), LLM_FINISH_STOP, "", 0 },
};

Test(anthropic, reads_answers)
{
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct llm_answer out;
		struct llm_error e;

		cr_assert(type->answer(a, 200, answers[i].body, strlen(answers[i].body),
			      &out, &e) == 0,
		    "%zu: %s", i, e.text);
		cr_expect(out.finish == answers[i].finish, "%zu", i);
		expect_text(out.text, answers[i].text);
		cr_assert(out.n_calls == answers[i].calls, "%zu", i);
		if (out.n_calls > 0)
			expect_text(out.calls[0].arguments, "{\"x\":1}");
		expect_text(out.model, "claude-x");
		cr_expect(out.usage.input == 117 && out.usage.cached == 100 &&
		    out.usage.output == 5);
	}
}

#define ERR(t, m) \
 "{\"type\":\"error\",\"error\":{\"type\":\"" t "\",\"message\":\"" m "\"}}"

static const struct {
	int status;
	const char *body;
	enum error_type want;
} failures[] = {
	{ 529, ERR("overloaded_error", "Overloaded"), ERROR_TYPE_LLM_UNAVAILABLE },
	{ 200, ERR("overloaded_error", "Overloaded"), ERROR_TYPE_LLM_UNAVAILABLE },
	{ 429, ERR("rate_limit_error", "slow down"), ERROR_TYPE_LLM_RATE_LIMITED },
	{ 401, ERR("authentication_error", "bad key"), ERROR_TYPE_LLM_AUTH },
	{ 403, ERR("permission_error", "no"), ERROR_TYPE_LLM_AUTH },
	{ 404, ERR("not_found_error", "model: x"), ERROR_TYPE_LLM_AUTH },
	{ 400, ERR("invalid_request_error", "prompt is too long: 9 tokens"),
	    ERROR_TYPE_LLM_LENGTH },
	{ 400, ERR("invalid_request_error", "Your credit balance is too low"),
	    ERROR_TYPE_LLM_QUOTA_EXHAUSTED },
	{ 400, ERR("invalid_request_error", "messages: bad"), ERROR_TYPE_LLM_REFUSED },
	{ 402, ERR("billing_error", "pay"), ERROR_TYPE_LLM_QUOTA_EXHAUSTED },
	{ 413, ERR("request_too_large", "x"), ERROR_TYPE_LLM_LENGTH },
	{ 500, ERR("api_error", "x"), ERROR_TYPE_LLM_UNAVAILABLE },
	{ 200, "", ERROR_TYPE_LLM_BAD_RESPONSE },
	{ 200, "{}", ERROR_TYPE_LLM_BAD_RESPONSE },
	{ 200, "{\"content\":[{\"type\":\"tool_use\",\"name\":\"f\"}]}",
	    ERROR_TYPE_LLM_BAD_RESPONSE },
};

Test(anthropic, tells_failures_apart)
{
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		struct llm_answer out;
		struct llm_error e;

		cr_assert(type->answer(a, failures[i].status, failures[i].body,
			      strlen(failures[i].body), &out, &e) < 0);
		cr_expect(e.type == failures[i].want, "%zu: %s: %s", i,
		    error_type_name(e.type), e.text);
	}
}

Test(anthropic, survives_every_cut_of_a_good_answer)
{
	const char *whole = answers[2].body;

	for (size_t n = 0; n < strlen(whole); n++) {
		struct llm_answer out;
		struct llm_error e;

		cr_expect(type->answer(a, 200, whole, n, &out, &e) < 0);
	}
}
