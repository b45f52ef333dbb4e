/* SPDX-License-Identifier: MIT */
/* test_llm.c - providers' bodies, waits, prices, and the call over a scripted
   network. */
#include "config.h"

#include "common/clock.h"
#include "worker/llm/error_body.h"
#include "worker/llm/llm_call.h"
#include "worker/llm/prices.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#define expect_str(got, want) \
 cr_expect(strcmp(got, want) == 0, "'%s' is not '%s'", got, want)
#define expect_text(t, want)                                  \
 cr_expect((t).len == strlen(want) &&                         \
	 ((t).len == 0 || memcmp((t).s, want, (t).len) == 0), \
     "'%.*s' is not '%s'", (int)(t).len, (t).s, want)

/* ---- error types ---- */

Test(error_types, names_and_numbers_agree)
{
	for (unsigned t = ERROR_TYPE_NONE + 1; t < ERROR_TYPE_COUNT; t++) {
		const char *name = error_type_name((enum error_type)t);

		cr_expect(strlen(name) > 0);
		cr_expect(
		    error_type_from_name(name, strlen(name)) == (enum error_type)t);
	}
	cr_expect(error_type_from_name("nonsense", 8) == ERROR_TYPE_NONE);
	cr_expect(error_type_from_name("", 0) == ERROR_TYPE_NONE);
	cr_expect(error_type_is_retryable(ERROR_TYPE_TIMEOUT));
	cr_expect(!error_type_is_retryable(ERROR_TYPE_LLM_QUOTA_EXHAUSTED));
}

/* ---- answers ---- */

#define CALL(id, name, args)                                               \
 "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
 "\",\"arguments\":" args "}}"
#define CALLS(list)                                                   \
 "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[" list \
 "]},\"finish_reason\":\"tool_calls\"}]}"

Test(openai, reads_text_usage_and_model)
{
	static const char body[] =
	    "{\"model\":\"gpt-4o-2024\",\"choices\":[{\"message\":{\"role\":\"assistant\","
	    "\"content\":\"h\\u00e9llo\"},\"finish_reason\":\"stop\"}],\"usage\":{"
	    "\"prompt_tokens\":1200,\"completion_tokens\":7,\"prompt_tokens_details\":{"
	    "\"cached_tokens\":1024}}}";
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct llm_answer out;
	struct llm_error e;

	cr_assert(llm_provider_type_find("openai")->answer(a, 200, body, strlen(body),
		      &out, &e) == 0);
	expect_text(out.text, "h\xC3\xA9llo");
	expect_text(out.model, "gpt-4o-2024");
	cr_expect(out.finish == LLM_FINISH_STOP);
	cr_expect(out.usage.input == 1200);
	cr_expect(out.usage.output == 7);
	cr_expect(out.usage.cached == 1024);
}

Test(openai, reads_several_calls_also_of_sloppy_servers)
{
	static const char body[] =
	    CALLS(CALL("a", "f", "\"{\\\"x\\\":1}\"") "," CALL("a", "g",
		"{\"y\": 2}") ","
			      "{\"function\":{\"name\":\"h\"}}");
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct llm_answer out;
	struct llm_error e;

	cr_assert(llm_provider_type_find("openai")->answer(a, 200, body, strlen(body),
		      &out, &e) == 0);
	cr_expect(out.finish == LLM_FINISH_TOOL_CALLS);
	cr_assert(out.n_calls == 3);
	expect_text(out.calls[0].id, "a");
	expect_text(out.calls[0].arguments, "{\"x\":1}");
	expect_text(out.calls[1].id, "call_1");
	expect_text(out.calls[1].arguments, "{\"y\":2}");
	expect_text(out.calls[2].id, "call_2");
	cr_expect(out.calls[2].arguments.len == 0);
}

/* Shapes of other servers: what is read of them, in one line. */
static const struct {
	const char *body, *text, *call, *arguments;
	enum llm_finish finish;
	unsigned input, output;
} shapes[] = {
	{ "{\"choices\":[{\"message\":{\"content\":null,\"function_call\":{\"name\":\"f\","
	  "\"arguments\":\"{}\"}},\"finish_reason\":\"function_call\"}]}",
	    "", "f", "{}", LLM_FINISH_TOOL_CALLS, 0, 0 },
	{ "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{"
	  "\"type\":\"image\"},{\"type\":\"text\",\"text\":\"b\"}],\"tool_calls\":[],"
	  "\"function_call\":null},\"finish_reason\":\"eos\"}],\"usage\":null}",
	    "ab", NULL, NULL, LLM_FINISH_STOP, 0, 0 },
	{ "{\"choices\":[{\"message\":{\"content\":\"x\",\"tool_calls\":null},"
	  "\"finish_reason\":null,\"logprobs\":null}],\"error\":null,\"usage\":{"
	  "\"prompt_tokens\":7,\"completion_tokens\":2,\"prompt_tokens_details\":null},"
	  "\"timings\":{\"prompt_n\":1}}",
	    "x", NULL, NULL, LLM_FINISH_STOP, 7, 2 },
	{ "{\"choices\":[{\"message\":{\"content\":\"\",\"reasoning_content\":\"hm\","
	  "\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}}]},"
	  "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7}}",
	    "", "f", "{\"x\":1}", LLM_FINISH_TOOL_CALLS, 7, 0 },
	/* the names of other interfaces, or the sum alone */
	{ "{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":{\"input_tokens\":7,"
	  "\"output_tokens\":2}}",
	    "x", NULL, NULL, LLM_FINISH_STOP, 7, 2 },
	{ "{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":null,"
	  "\"total_tokens\":9}}",
	    "x", NULL, NULL, LLM_FINISH_STOP, 9, 0 },
	{ "{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":{\"completion_tokens\":2,"
	  "\"total_tokens\":9}}",
	    "x", NULL, NULL, LLM_FINISH_STOP, 7, 2 },
	/* the model has nothing to add */
	{ "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}",
	    "", NULL, NULL, LLM_FINISH_STOP, 0, 0 },
};

Test(openai, reads_the_shapes_of_many_servers)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		struct llm_answer out;
		struct llm_error e;

		cr_assert(llm_provider_type_find("openai")->answer(a, 200,
			      shapes[i].body, strlen(shapes[i].body), &out, &e) == 0,
		    "%zu: %s", i, e.text);
		expect_text(out.text, shapes[i].text);
		cr_expect(out.finish == shapes[i].finish, "%zu", i);
		cr_expect(out.usage.input == shapes[i].input &&
			out.usage.output == shapes[i].output,
		    "%zu", i);
		cr_assert(out.n_calls == (shapes[i].call != NULL ? 1 : 0), "%zu", i);
		if (out.n_calls == 0)
			continue;
		expect_text(out.calls[0].id, "call_0");
		expect_text(out.calls[0].name, shapes[i].call);
		expect_text(out.calls[0].arguments, shapes[i].arguments);
	}
}

Test(openai, the_journal_gives_the_same_answer_back)
{
	static const char body[] =
	    "{\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"a\\u0000b\","
	    "\"tool_calls\":[" CALL("1", "f",
		"\"{not json\"") "]},\"finish_reason\":"
				 "\"tool_calls\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}";
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf once = BUF_INIT;
	CLEANUP_BUF struct buf twice = BUF_INIT;
	struct llm_answer out, back;
	struct llm_error e;
	struct json_writer w;
	const struct json *v = NULL;

	cr_assert(llm_provider_type_find("openai")->answer(a, 200, body, strlen(body),
		      &out, &e) == 0);
	jw_init(&w, &once);
	llm_answer_write(&w, &out);
	cr_assert(json_read(a, buf_str(&once), once.len, 0, &v, NULL) == 0);
	cr_assert(llm_answer_read(a, v, &back) == 0);
	jw_init(&w, &twice);
	llm_answer_write(&w, &back);
	expect_str(buf_str(&twice), buf_str(&once));
	cr_expect(back.text.len == 3);
	expect_text(back.calls[0].arguments, "{not json");
}

#define ERR(message, type, code) \
 "{\"error\":{\"message\":\"" message "\",\"type\":\"" type "\",\"code\":\"" code "\"}}"

static const struct {
	int status;
	const char *body;
	enum error_type want;
	bool tries_next, may_repeat;
	const char *says;
} failures[] = {
	{ 429,
	    ERR("You exceeded your current quota", "insufficient_quota",
		"insufficient_quota"),
	    ERROR_TYPE_LLM_QUOTA_EXHAUSTED, true, false,
	    "exceeded your current quota" },
	{ 429,
	    ERR("Rate limit reached; see billing to raise your quota", "requests",
		"rate_limit_exceeded"),
	    ERROR_TYPE_LLM_RATE_LIMITED, true, true, "Rate limit reached" },
	{ 429, ERR("x", "tokens", "billing_hard_limit_reached"),
	    ERROR_TYPE_LLM_QUOTA_EXHAUSTED, true, false, "x" },
	{ 429, "", ERROR_TYPE_LLM_RATE_LIMITED, true, true, "without a word" },
	{ 429,
	    "[{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota\","
	    "\"status\":\"RESOURCE_EXHAUSTED\"}}]",
	    ERROR_TYPE_LLM_RATE_LIMITED, true, true, "quota" },
	{ 402, ERR("Insufficient Balance", "unknown_error", "invalid_request_error"),
	    ERROR_TYPE_LLM_QUOTA_EXHAUSTED, true, false, "Insufficient Balance" },
	{ 401, ERR("Incorrect API key", "invalid_request_error", "invalid_api_key"),
	    ERROR_TYPE_LLM_AUTH, true, false, "Incorrect API key" },
	{ 403,
	    "<html><head><title>403 Forbidden</title><style>p{}</style></head></html>",
	    ERROR_TYPE_LLM_AUTH, true, false, "403 Forbidden" },
	{ 400,
	    ERR("This model's maximum context length is 8192", "invalid_request_error",
		"context_length_exceeded"),
	    ERROR_TYPE_LLM_LENGTH, true, false, "8192" },
	{ 400,
	    "{\"object\":\"error\",\"message\":\"This model's maximum context length is 4096 "
	    "tokens\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}",
	    ERROR_TYPE_LLM_LENGTH, true, false, "4096" },
	{ 400, ERR("filtered", "", "content_filter"), ERROR_TYPE_LLM_REFUSED, false,
	    false, "filtered" },
	{ 400,
	    ERR("Unknown parameter: 'x'", "invalid_request_error", "unknown_parameter"),
	    ERROR_TYPE_LLM_REFUSED, true, false, "Unknown parameter" },
	{ 422, "{\"detail\":\"no such field\"}", ERROR_TYPE_LLM_REFUSED, true, false,
	    "no such field" },
	{ 404, "{\"error\":\"model 'llama9' not found, try pulling it first\"}",
	    ERROR_TYPE_LLM_AUTH, true, false, "llama9" },
	{ 500, "Internal Server Error", ERROR_TYPE_LLM_UNAVAILABLE, true, true,
	    "Internal Server Error" },
	{ 502,
	    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>",
	    ERROR_TYPE_LLM_UNAVAILABLE, true, true, "502 Bad Gateway nginx" },
	{ 503, ERR("The engine is overloaded", "server_error", ""),
	    ERROR_TYPE_LLM_UNAVAILABLE, true, true, "overloaded" },
	{ 301, "", ERROR_TYPE_LLM_UNAVAILABLE, true, false, "base_url" },
	{ 200, "", ERROR_TYPE_LLM_BAD_RESPONSE, true, true, "empty" },
	{ 200, "<html>hello</html>", ERROR_TYPE_LLM_BAD_RESPONSE, true, true, "" },
	{ 200, "{\"choices\":[{\"message\":{\"content\":\"hel",
	    ERROR_TYPE_LLM_BAD_RESPONSE, true, true, "" },
	{ 200, "{\"choices\":[]}", ERROR_TYPE_LLM_BAD_RESPONSE, true, true, "choices" },
	{ 200, "{\"choices\":[{}]}", ERROR_TYPE_LLM_BAD_RESPONSE, true, true,
	    "message" },
	{ 200, "[1,2]", ERROR_TYPE_LLM_BAD_RESPONSE, true, true, "choices" },
	/* the status of what stood behind a gateway that had said 200 already */
	{ 200, "{\"error\":{\"message\":\"Rate limited upstream\",\"code\":429}}",
	    ERROR_TYPE_LLM_RATE_LIMITED, true, true, "Rate limited upstream" },
	{ 200, "{\"error\":{\"message\":\"No endpoints\",\"code\":502}}",
	    ERROR_TYPE_LLM_UNAVAILABLE, true, true, "No endpoints" },
	{ 200, "{\"error\":{\"message\":\"User not found.\",\"code\":401}}",
	    ERROR_TYPE_LLM_AUTH, true, false, "User not found" },
	{ 200, "{\"error\":{\"message\":\"odd\",\"code\":7}}",
	    ERROR_TYPE_LLM_BAD_RESPONSE, true, true, "odd" },
	{ 200,
	    "{\"object\":\"error\",\"message\":\"maximum context length is 4096\","
	    "\"type\":\"BadRequestError\",\"param\":null,\"code\":400}",
	    ERROR_TYPE_LLM_LENGTH, true, false, "4096" },
	{ 429,
	    "{\"error\":{\"message\":\"Rate limit reached for requests. Add a payment "
	    "method at https://x/account/billing\",\"type\":\"requests\",\"code\":null}}",
	    ERROR_TYPE_LLM_RATE_LIMITED, true, true, "Rate limit reached" },
	{ 200, CALLS("{\"function\":{\"arguments\":\"{}\"}}"),
	    ERROR_TYPE_LLM_BAD_RESPONSE, true, true, "without a name" },
	{ 200, ERR("upstream is down", "server_error", ""), ERROR_TYPE_LLM_UNAVAILABLE,
	    true, true, "upstream is down" },
	{ 999, "x", ERROR_TYPE_LLM_BAD_RESPONSE, true, true, "strange" },
};

Test(openai, tells_failures_apart)
{
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		struct llm_answer out;
		struct llm_error e;
		int r = llm_provider_type_find("openai")->answer(a, failures[i].status,
		    failures[i].body, strlen(failures[i].body), &out, &e);

		cr_expect(r == -EIO, "%s", failures[i].body);
		cr_expect(e.type == failures[i].want, "%d %s: %s, not %s",
		    failures[i].status, failures[i].body, error_type_name(e.type),
		    error_type_name(failures[i].want));
		cr_expect(e.tries_next == failures[i].tries_next, "%s",
		    failures[i].body);
		cr_expect(e.may_repeat == failures[i].may_repeat, "%s",
		    failures[i].body);
		cr_expect(strstr(e.text, failures[i].says) != NULL,
		    "'%s' does not say '%s'", e.text, failures[i].says);
	}
}

Test(openai, a_refusal_and_a_cut_answer_are_answers)
{
	static const char refusal[] =
	    "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"I will not\"},"
	    "\"finish_reason\":\"stop\"}]}";
	static const char cut[] =
	    "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"length\"}]}";
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct llm_answer out;
	struct llm_error e;

	cr_assert(llm_provider_type_find("openai")->answer(a, 200, refusal,
		      strlen(refusal), &out, &e) == 0);
	expect_text(out.refusal, "I will not");
	cr_assert(llm_provider_type_find("openai")->answer(a, 200, cut, strlen(cut),
		      &out, &e) == 0);
	cr_expect(out.finish == LLM_FINISH_LENGTH);
}

Test(openai, survives_every_cut_of_a_good_answer)
{
	static const char body[] =
	    "{\"model\":\"m\",\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\","
	    "\"text\":\"a\"}],\"tool_calls\":[" CALL("1", "f", "\"{}\"") "]}}]}";

	for (size_t n = 0; n < sizeof(body) - 1; n++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP(freep) char *copy = malloc(n + 1);
		struct llm_answer out;
		struct llm_error e;

		memcpy(copy, body, n);
		cr_expect(llm_provider_type_find("openai")->answer(a, 200, copy, n,
			      &out, &e) == -EIO);
		cr_expect(e.type == ERROR_TYPE_LLM_BAD_RESPONSE);
	}
}

/* ---- requests ---- */

static const struct llm_tool_spec two_tools[] = {
	{ "f", "does \"f\"", "{\"type\":\"object\"}", false },
	{ "g", "does g", "{}", true },
};

Test(openai, a_request_is_spliced_around_the_prefix)
{
	static const char want[] =
	    "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"system\",\"content\":\"be "
	    "\\\"good\\\"\"},{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\","
	    "\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{"
	    "\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"1\","
	    "\"content\":\"done\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
	    "\"f\",\"description\":\"does \\\"f\\\"\",\"parameters\":{\"type\":\"object\"}}},{"
	    "\"type\":\"function\",\"function\":{\"name\":\"g\",\"description\":\"does g\","
	    "\"parameters\":{},\"strict\":true}}],\"tool_choice\":\"auto\",\"temperature\":0.1,"
	    "\"max_tokens\":4000}";
	const struct llm_provider_type *type = llm_provider_type_find("openai");
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP(llm_prefix_freep) struct llm_prefix *prefix = NULL;
	CLEANUP_BUF struct buf body = BUF_INIT;
	struct llm_params params = { "gpt-4o", 0.1, 4000, LLM_TOOL_CHOICE_AUTO };
	struct llm_tool_call call = { llm_text_of("1"), llm_text_of("f"),
		llm_text_of("{}") };
	struct llm_messages list = { NULL, NULL, 0 };
	struct llm_message *m;
	const struct json *v;

	cr_assert(llm_prefix_new(type, "be \"good\"", two_tools, 2, &prefix) == 0);
	llm_messages_add(a, &list, LLM_ROLE_USER)->text = llm_text_of("hi");
	m = llm_messages_add(a, &list, LLM_ROLE_ASSISTANT);
	m->calls = &call;
	m->n_calls = 1;
	m = llm_messages_add(a, &list, LLM_ROLE_TOOL);
	m->call_id = llm_text_of("1");
	m->text = llm_text_of("done");
	type->request(&body, prefix, &list, &params);
	expect_str(buf_str(&body), want);
	cr_expect(json_read(a, buf_str(&body), body.len, 0, &v, NULL) == 0);
}

Test(openai, reasoning_models_get_their_own_parameters)
{
	const struct llm_provider_type *type = llm_provider_type_find("openai");
	CLEANUP(llm_prefix_freep) struct llm_prefix *prefix = NULL;
	CLEANUP_BUF struct buf body = BUF_INIT;
	struct llm_params params = { "openai/gpt-5-mini", 0.1, 50,
		LLM_TOOL_CHOICE_AUTO };
	struct llm_messages list = { NULL, NULL, 0 };

	cr_assert(llm_prefix_new(type, "s", NULL, 0, &prefix) == 0);
	type->request(&body, prefix, &list, &params);
	cr_expect(strstr(buf_str(&body), "temperature") == NULL);
	cr_expect(strstr(buf_str(&body), "\"max_completion_tokens\":50") != NULL);
	cr_expect(strstr(buf_str(&body), "tool_choice") == NULL);
}

Test(prefix, a_thousand_builds_are_byte_equal)
{
	const struct llm_provider_type *type;

	for (size_t t = 0; (type = llm_provider_type_at(t)) != NULL; t++) {
		CLEANUP(llm_prefix_freep) struct llm_prefix *first = NULL;

		cr_assert(llm_prefix_new(type, "system \xE2\x82\xAC", two_tools, 2,
			      &first) == 0);
		for (int i = 0; i < 1000; i++) {
			CLEANUP(llm_prefix_freep) struct llm_prefix *p = NULL;

			cr_assert(llm_prefix_new(type, "system \xE2\x82\xAC", two_tools,
				      2, &p) == 0);
			cr_assert(p->head_len == first->head_len &&
			    memcmp(p->head, first->head, p->head_len) == 0);
			cr_assert(p->tools_len == first->tools_len &&
			    memcmp(p->tools, first->tools, p->tools_len) == 0);
			cr_assert(strcmp(p->hash, first->hash) == 0);
		}
	}
}

/* Two jobs of different words and ways share all bytes up to the end of the prefix. */
Test(prefix, what_differs_from_job_to_job_comes_after_it)
{
	const struct llm_provider_type *type;
	struct llm_params params = { "m", 0.1, 400, LLM_TOOL_CHOICE_AUTO };

	for (size_t t = 0; (type = llm_provider_type_at(t)) != NULL; t++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP(llm_prefix_freep) struct llm_prefix *p = NULL;
		CLEANUP_BUF struct buf one = BUF_INIT;
		CLEANUP_BUF struct buf two = BUF_INIT;
		struct llm_messages first = { NULL, NULL, 0 };
		struct llm_messages second = { NULL, NULL, 0 };
		const char *head;
		size_t shared;

		cr_assert(llm_prefix_new(type, "system", two_tools, 2, &p) == 0);
		llm_messages_add(a, &first, LLM_ROLE_USER)->text = llm_text_of("a");
		llm_messages_add(a, &second, LLM_ROLE_USER)->text = llm_text_of("b");
		llm_messages_add(a, &second, LLM_ROLE_ASSISTANT)->text =
		    llm_text_of("c");
		llm_messages_add(a, &second, LLM_ROLE_USER)->text = llm_text_of("d");
		type->request(&one, p, &first, &params);
		type->request(&two, p, &second, &params);
		head = memmem(buf_str(&one), one.len, p->head, p->head_len);
		cr_assert(head != NULL);
		shared = (size_t)(head - buf_str(&one)) + p->head_len;
		cr_expect(two.len > shared &&
		    memcmp(buf_str(&one), buf_str(&two), shared) == 0);
	}
}

Test(openai, addresses_and_headers)
{
	static const struct {
		const char *base, *key, *url, *header, *value;
	} cases[] = {
		{ "https://api.openai.com/v1", "k",
		    "https://api.openai.com/v1/chat/completions", "Authorization",
		    "Bearer k" },
		{ "http://localhost:11434/v1/", "",
		    "http://localhost:11434/v1/chat/completions", NULL, NULL },
		{ "https://x.openai.azure.com/openai/deployments/d?api-version=1", "k",
		    "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=1",
		    "api-key", "k" },
		/* as its portal shows it */
		{ "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=1",
		    "k",
		    "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=1",
		    "api-key", "k" },
		/* behind a gateway of one's own */
		{ "http://127.0.0.1:99/openai/deployments/d/?x=2&api-version=1", "k",
		    "http://127.0.0.1:99/openai/deployments/d/chat/completions?x=2&api-version=1",
		    "api-key", "k" },
		{ "https://gw.example/team/llm/v1///", "k",
		    "https://gw.example/team/llm/v1/chat/completions", "Authorization",
		    "Bearer k" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf_provider p = { .base_url = (char *)(uintptr_t)cases[i].base,
			.api_key = (char *)(uintptr_t)cases[i].key };
		struct llm_headers h = { .n = 0 };
		CLEANUP_BUF struct buf url = BUF_INIT;

		llm_provider_type_find("openai")->url(&url, &p);
		expect_str(buf_str(&url), cases[i].url);
		cr_assert(llm_provider_type_find("openai")->headers(&h, &p) == 0);
		cr_expect(h.n == (cases[i].header != NULL ? 3 : 2));
		if (cases[i].header != NULL) {
			expect_str(h.at[2].name, cases[i].header);
			expect_str(h.at[2].value, cases[i].value);
		}
		llm_headers_release(&h);
	}
}

#define WALL 784111777000 /* Sun, 06 Nov 1994 08:49:37 GMT */

/* ---- prices ---- */

Test(prices, cached_tokens_have_their_own)
{
	struct token_price p = { .input = 2.5, .output = 10, .cached = 1.25 };
	struct llm_usage u = { .input = 1000, .output = 100, .cached = 800 };

	cr_expect(llm_cost_microusd(&p, &u) == 500 + 1000 + 1000);
	p.cached = 0;
	cr_expect(llm_cost_microusd(&p, &u) == 500 + 1000, "a free cache is free");
	u.cached = 5000; /* a provider that says so counts no less than nothing */
	cr_expect(llm_cost_microusd(&p, &u) == 1000);
	p = (struct token_price){ 0, 0, 0 };
	cr_expect(llm_cost_microusd(&p, &u) == 0);
}

Test(prices, a_part_of_a_millionth_is_a_whole_one_and_a_whole_one_stays)
{
	struct token_price p = { .input = 0.15, .output = 0.6, .cached = 0.075 };

	cr_expect(llm_cost_microusd(&p, &(struct llm_usage){ .input = 1 }) == 1);
	cr_expect(llm_cost_microusd(&p, &(struct llm_usage){ .input = 20 }) == 3);
	cr_expect(llm_cost_microusd(&p, &(struct llm_usage){ .output = 5 }) == 3);
}

/* ---- the call ---- */

#define OK_BODY                                                                    \
 "{\"choices\":[{\"message\":{\"content\":\"fine\"},\"finish_reason\":\"stop\"}]," \
 "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5}}"

struct step {
	const char *url; /* which provider must be asked */
	int r;           /* of the transport */
	int status;
	const char *body;
	const char *retry_after;
	uint64_t takes_ms;
};

struct net {
	const struct step *steps;
	size_t n, at;
	uint64_t us, slept_ms;
	bool rests; /* the first provider's breaker is open */
	bool is_full;
	bool has_said; /* an answer without a word will do */
	bool opens;    /* it opens with its first failure */
	uint64_t full_ms, reserved;
	enum error_type gave_up[4];
	unsigned notes, n_gave_up;
	char body[4096];
};

static int
net_http(void *ctx, const struct llm_http_request *req, struct llm_http_response *res,
    struct err *err)
{
	struct net *net = ctx;
	const struct step *s;

	cr_assert(net->at < net->n, "one exchange more than expected");
	s = &net->steps[net->at++];
	cr_expect(strncmp(req->url, s->url, strlen(s->url)) == 0, "%s", req->url);
	cr_expect(req->timeout_ms > 0);
	(void)snprintf(net->body, sizeof(net->body), "%s", req->body);
	net->us += s->takes_ms * 1000;
	if (s->r < 0)
		return err_set(err, s->r, "no route");
	res->status = s->status;
	buf_adds(&res->body, s->body);
	if (s->retry_after != NULL)
		llm_wait_note(&res->wait, "retry-after", 11, s->retry_after,
		    strlen(s->retry_after));
	return 0;
}

static int
net_sleep(void *ctx, uint64_t ms)
{
	((struct net *)ctx)->us += ms * 1000;
	((struct net *)ctx)->slept_ms += ms;
	return 0;
}

static uint64_t
net_now(void *ctx)
{
	return ((struct net *)ctx)->us;
}

static int64_t
net_wall(void *ctx)
{
	(void)ctx;
	return WALL;
}

static double
net_random(void *ctx)
{
	(void)ctx;
	return 0.5;
}

static bool
net_may_ask(void *ctx, const struct llm_target *t)
{
	return !((struct net *)ctx)->rests || strcmp(t->provider->name, "a") != 0;
}

static void
net_note(void *ctx, const struct llm_exchange *x)
{
	struct net *net = ctx;

	net->notes++;
	cr_expect((x->failure == NULL) ==
	    (x->error == ERROR_TYPE_NONE || x->error == ERROR_TYPE_CANCELLED));
	net->rests |= net->opens && x->failure != NULL;
}

/* The first provider's limit may be full, or give way after a while. */
static int
net_reserve(void *ctx, const struct llm_target *t, uint64_t tokens, uint64_t *waited_ms,
    struct llm_error *e)
{
	struct net *net = ctx;

	net->reserved += tokens;
	if (strcmp(t->provider->name, "a") != 0)
		return 0;
	if (net->is_full)
		return llm_error_set(e, ERROR_TYPE_LLM_RATE_LIMITED, 0, "full");
	net->us += net->full_ms * 1000;
	*waited_ms = net->full_ms;
	return 0;
}

static void
net_gave_up(void *ctx, const struct llm_target *t, uint64_t began_us,
    const struct llm_error *e)
{
	struct net *net = ctx;

	(void)t;
	(void)began_us;
	net->gave_up[net->n_gave_up++ % 4] = e->type;
}

struct told {
	int r;
	struct llm_answer answer;
	struct llm_account account;
	struct llm_error e;
	struct arena *arena;
};

static struct told
ask(struct net *net, uint64_t deadline_ms)
{
	char a_url[] = "http://a/v1", b_url[] = "http://b/v1", key[] = "sk-secret",
	     none[] = "";
	char a_name[] = "a", b_name[] = "b";
	struct conf_provider providers[] = {
		{ .name = a_name,
		    .base_url = a_url,
		    .api_key = key,
		    .timeout_sec = 30,
		    .max_tokens = 400 },
		{ .name = b_name,
		    .base_url = b_url,
		    .api_key = none,
		    .timeout_sec = 10 },
	};
	const struct llm_provider_type *type = llm_provider_type_find("openai");
	struct llm_target targets[] = {
		{ type, &providers[0], "m1", NAN, 0, { 1, 2, 1 } },
		{ type, &providers[1], "m2", NAN, 1, { 0, 0, 0 } },
	};
	CLEANUP(llm_prefix_freep) struct llm_prefix *prefix = NULL;
	const struct llm_prefix *prefixes[2];
	struct llm_messages messages = { NULL, NULL, 0 };
	struct llm_call_env env = { .ctx = net,
		.http = net_http,
		.sleep_ms = net_sleep,
		.now_us = net_now,
		.wall_ms = net_wall,
		.random = net_random,
		.may_ask = net_may_ask,
		.reserve = net_reserve,
		.note = net_note,
		.gave_up = net_gave_up };
	CLEANUP(secrets_freep) struct secrets *secrets = secrets_new();
	struct told told = { .arena = arena_new(0) };

	cr_assert(secrets != NULL && secrets_add(secrets, key, strlen(key)) == 0);
	env.secrets = secrets;
	cr_assert(llm_prefix_new(type, "s", NULL, 0, &prefix) == 0);
	prefixes[0] = prefixes[1] = prefix;
	struct llm_call call = { targets, prefixes, 2, &messages, 100,
		LLM_TOOL_CHOICE_AUTO, net->has_said, deadline_ms };
	told.r =
	    llm_call(&env, &call, told.arena, &told.answer, &told.account, &told.e);
	cr_expect(net->at == net->n, "every step was taken");
	return told;
}

#define NET(...)                                     \
 static const struct step steps[] = { __VA_ARGS__ }; \
 struct net net = { .steps = steps, .n = ARRAY_LEN(steps), .us = 1000000 }

Test(llm_call, answers_and_accounts)
{
	NET({ "http://a/", 0, 200, OK_BODY, NULL, 100 });
	struct told t = ask(&net, 0);

	cr_expect(t.r == 0);
	expect_text(t.answer.text, "fine");
	cr_expect(t.account.usage.input == 10);
	cr_expect(t.account.cost_microusd == 20);
	cr_expect(strstr(net.body, "\"max_tokens\":100") != NULL, "%s", net.body);
	cr_expect(net.notes == 1);
	arena_free(t.arena);
}

#define SILENT_BODY \
 "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}"

Test(llm_call, an_answer_without_a_word_is_none_unless_all_is_said)
{
	NET({ "http://a/", 0, 200, SILENT_BODY, NULL, 10 },
	    { "http://a/", 0, 200, SILENT_BODY, NULL, 10 },
	    { "http://a/", 0, 200, OK_BODY, NULL, 10 });
	struct told t = ask(&net, 0);
	struct net done = { .steps = steps, .n = 1, .us = 1000000, .has_said = true };

	cr_expect(t.r == 0);
	expect_text(t.answer.text, "fine");
	arena_free(t.arena);
	t = ask(&done, 0);
	cr_expect(t.r == 0);
	cr_expect(t.answer.text.len == 0);
	arena_free(t.arena);
}

Test(llm_call, repeats_twice_then_asks_the_next)
{
	NET({ "http://a/", 0, 503, "", NULL, 10 },
	    { "http://a/", -ECONNRESET, 0, NULL, NULL, 10 },
	    { "http://a/", 0, 200, "{", NULL, 10 },
	    { "http://b/", 0, 200, OK_BODY, NULL, 10 });
	struct told t = ask(&net, 0);

	cr_expect(t.r == 0);
	cr_expect(t.account.target == 1);
	cr_expect(t.account.exchanges == 4);
	cr_expect(strstr(net.body, "\"m2\"") != NULL);
	arena_free(t.arena);
}

Test(llm_call, waits_as_long_as_asked_but_not_past_its_turn)
{
	NET({ "http://a/", 0, 429, "", "3", 0 }, { "http://a/", 0, 429, "", "60", 0 },
	    { "http://b/", 0, 200, OK_BODY, NULL, 0 });
	struct told t = ask(&net, 0);

	cr_expect(t.r == 0);
	cr_expect(net.slept_ms >= 3000 && net.slept_ms <= 4000, "%llu",
	    (unsigned long long)net.slept_ms);
	arena_free(t.arena);
}

Test(llm_call, reports_the_failure_that_time_may_heal)
{
	NET({ "http://a/", 0, 401, "", NULL, 0 },
	    { "http://b/", 0, 429, "", "120", 0 });
	struct told t = ask(&net, 0);

	cr_expect(t.r == -EIO);
	cr_expect(t.e.type == ERROR_TYPE_LLM_RATE_LIMITED);
	cr_expect(t.e.has_retry_after && t.e.retry_after_ms == 120000);
	arena_free(t.arena);
}

Test(llm_call, a_filter_ends_the_round)
{
	NET({ "http://a/", 0, 400, ERR("no", "", "content_filter"), NULL, 0 });
	struct told t = ask(&net, 0);

	cr_expect(t.e.type == ERROR_TYPE_LLM_REFUSED);
	arena_free(t.arena);
}

Test(llm_call, the_job_s_deadline_is_a_timeout)
{
	NET({ "http://a/", -ETIMEDOUT, 0, NULL, NULL, 5000 });
	struct told t = ask(&net, 6000);

	cr_expect(t.r == -EIO);
	cr_expect(t.e.type == ERROR_TYPE_TIMEOUT);
	arena_free(t.arena);
}

Test(llm_call, a_slow_provider_leaves_time_for_the_next)
{
	NET({ "http://a/", -ETIMEDOUT, 0, NULL, NULL, 30000 },
	    { "http://b/", 0, 200, OK_BODY, NULL, 10 });
	struct told t = ask(&net, 300000);

	cr_expect(t.r == 0);
	arena_free(t.arena);
}

Test(llm_call, cancellation_ends_at_once)
{
	NET({ "http://a/", -ECANCELED, 0, NULL, NULL, 0 });
	struct told t = ask(&net, 0);

	cr_expect(t.r == -ECANCELED);
	arena_free(t.arena);
}

Test(llm_call, passes_over_a_provider_that_rests)
{
	NET({ "http://b/", 0, 200, OK_BODY, NULL, 0 });
	struct told t;

	net.rests = true;
	t = ask(&net, 0);
	cr_expect(t.r == 0);
	arena_free(t.arena);
}

Test(llm_call, asks_no_more_once_the_breaker_is_open)
{
	NET({ "http://a/", 0, 503, "", NULL, 10 },
	    { "http://b/", 0, 200, OK_BODY, NULL, 10 });
	struct told t;

	net.opens = true;
	t = ask(&net, 0);
	cr_expect(t.r == 0);
	cr_expect(net.n_gave_up == 1);
	cr_expect(net.gave_up[0] == ERROR_TYPE_LLM_UNAVAILABLE);
	arena_free(t.arena);
}

Test(llm_call, goes_on_with_the_next_when_the_limit_is_full)
{
	NET({ "http://b/", 0, 200, OK_BODY, NULL, 0 });
	struct told t;

	net.is_full = true;
	t = ask(&net, 0);
	cr_expect(t.r == 0);
	cr_expect(net.gave_up[0] == ERROR_TYPE_LLM_RATE_LIMITED);
	cr_expect(net.reserved >= 2 * 100, "the bound of the answer is counted");
	arena_free(t.arena);
}

Test(llm_call, waiting_for_the_limit_is_taken_from_nobody_s_time)
{
	NET({ "http://a/", 0, 200, OK_BODY, NULL, 4000 });
	struct told t;

	net.full_ms =
	    100000; /* longer than the provider's turn, and than the job has */
	t = ask(&net, 6000);
	cr_expect(t.r == 0);
	arena_free(t.arena);
}

/* A proxy that echoes headers, in the words of an answer. */
Test(llm_call, a_key_in_an_answer_is_masked)
{
	NET({ "http://a/", 0, 200,
	    "{\"choices\":[{\"message\":{\"content\":\"you sent sk\\u002dsecret\"},"
	    "\"finish_reason\":\"stop\"}]}",
	    NULL, 0 });
	struct told t = ask(&net, 0);

	cr_expect(t.r == 0, "%s", t.e.text);
	cr_expect(t.answer.text.len == strlen("you sent [masked]") &&
	    memcmp(t.answer.text.s, "you sent [masked]", t.answer.text.len) == 0);
	arena_free(t.arena);
}

Test(llm_call, a_key_that_is_quoted_back_is_masked)
{
	NET({ "http://a/", 0, 401, ERR("bad key sk-secret here", "", ""), NULL, 0 },
	    { "http://b/", 0, 401, "", NULL, 0 });
	struct told t = ask(&net, 0);

	cr_expect(strstr(t.e.text, "sk-secret") == NULL);
	cr_expect(strstr(t.e.text, "bad key [masked] here") != NULL, "%s", t.e.text);
	arena_free(t.arena);
}
