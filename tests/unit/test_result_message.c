/* SPDX-License-Identifier: MIT */
/* test_result_message.c - every member of a result message, in order, and what is cut. */
#include "config.h"

#include "common/json/json.h"
#include "worker/result_message.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct conversation_tool_call second_call = {
	.tool = { "execute_pipeline", 16 },
	.args = { "{\"n\":2}", 7 },
};
static struct conversation_tool_call first_call = {
	.next = &second_call,
	.tool = { "search_tools", 12 },
	.args = { "{\"n\":1}", 7 },
};

static struct conversation_result
a_result(void)
{
	return (struct conversation_result){ .message = { "here you are", 12 },
		.limit_hit = "max_turns",
		.calls = &first_call,
		.n_calls = 2,
		.usage = { .input = 100, .output = 20, .cached = 64 },
		.cost_microusd = 1500,
		.turns = 3 };
}

static struct result_facts
facts_of(const struct conversation_result *r)
{
	return (struct result_facts){ .job_id = "j-1",
		.result_ref = "artifact://x",
		.preview = "{\"type\":\"dataset\"}",
		.intent = "execute",
		.model = "gpt-4o",
		.attempts = 2,
		.execution_ms = 1234,
		.queue_ms = 56,
		.completed_at_ms = 1769860800123,
		.result = r };
}

static char *
completed(const struct result_facts *f)
{
	struct buf b = BUF_INIT;

	result_message_completed(&b, f);
	return buf_take(&b, NULL);
}

static char *
failed(const struct result_facts *f)
{
	struct buf b = BUF_INIT;

	result_message_failed(&b, f);
	return buf_take(&b, NULL);
}

Test(result_message, a_completed_one_has_every_member_in_order)
{
	struct conversation_result r = a_result();
	struct result_facts f = facts_of(&r);
	CLEANUP(freep) char *text = completed(&f);

	cr_expect(
	    strcmp(text,
		"{\"version\":\"1.0\",\"job_id\":\"j-1\",\"status\":\"completed\","
		"\"result_ref\":\"artifact://x\",\"result_preview\":{\"type\":\"dataset\"},"
		"\"metadata\":{\"tool_calls\":[{\"tool\":\"search_tools\",\"args\":{\"n\":1}},"
		"{\"tool\":\"execute_pipeline\",\"args\":{\"n\":2}}],\"tokens_used\":120,"
		"\"tokens\":{\"input\":100,\"output\":20,\"cached\":64},\"cost_usd\":0.0015,"
		"\"cache_hit\":true,\"execution_time_ms\":1234,\"queue_ms\":56,"
		"\"llm_model\":\"gpt-4o\",\"intent\":\"execute\",\"turns\":3,\"attempts\":2,"
		"\"message\":\"here you are\",\"limit_hit\":\"max_turns\"},"
		"\"completed_at\":\"2026-01-31T12:00:00.123Z\"}") == 0);
}

Test(result_message, a_failed_one_has_every_member_in_order)
{
	struct conversation_result r = a_result();
	struct result_facts f = facts_of(&r);
	CLEANUP(freep) char *text = NULL;

	r.calls = NULL;
	f.error.type = ERROR_TYPE_CRASHED;
	f.error.message = "it \"broke\"";
	f.error.tool = "execute_pipeline";
	f.error.step = "top_k";
	f.error.suggestions[0] = "try less";
	f.error.suggestions[1] = "or more";
	f.error.evidence = "{\"signal\":11}";
	text = failed(&f);
	cr_expect(
	    strcmp(text,
		"{\"version\":\"1.0\",\"job_id\":\"j-1\",\"status\":\"failed\","
		"\"error\":{\"type\":\"crashed\",\"message\":\"it \\\"broke\\\"\","
		"\"retryable\":false,\"tool\":\"execute_pipeline\",\"step\":\"top_k\","
		"\"suggestions\":[\"try less\",\"or more\"],\"evidence\":{\"signal\":11}},"
		"\"metadata\":{\"tool_calls\":[],\"tokens_used\":120,"
		"\"tokens\":{\"input\":100,\"output\":20,\"cached\":64},\"cost_usd\":0.0015,"
		"\"cache_hit\":true,\"execution_time_ms\":1234,\"queue_ms\":56,"
		"\"llm_model\":\"gpt-4o\",\"intent\":\"execute\",\"turns\":3,\"attempts\":2,"
		"\"message\":\"here you are\",\"limit_hit\":\"max_turns\"},"
		"\"completed_at\":\"2026-01-31T12:00:00.123Z\"}") == 0);
}

Test(result_message, what_is_not_known_is_null_and_not_left_out)
{
	struct result_facts f = facts_of(NULL);
	CLEANUP(freep) char *text = NULL;

	f.model = f.intent = "";
	f.queue_ms = -1;
	f.error.type = ERROR_TYPE_TIMEOUT;
	f.error.message = f.error.tool = f.error.step = "";
	text = failed(&f);
	cr_expect(strstr(text,
		      "\"retryable\":true,\"tool\":null,\"step\":null,"
		      "\"suggestions\":[]}") != NULL);
	cr_expect(strstr(text, "\"evidence\"") == NULL);
	cr_expect(strstr(text, "\"tool_calls\":[],\"tokens_used\":0") != NULL);
	cr_expect(strstr(text, "\"cost_usd\":0") != NULL);
	cr_expect(strstr(text, "\"cache_hit\":false") != NULL);
	cr_expect(strstr(text,
		      "\"queue_ms\":null,\"llm_model\":null,\"intent\":null") != NULL);
	cr_expect(strstr(text, "\"message\":null,\"limit_hit\":null") != NULL);
}

/* "xxx...x" of n characters of `bytes` bytes each. */
static struct llm_text
characters(char *out, const char *one, size_t bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		memcpy(out + i * bytes, one, bytes);
	return (struct llm_text){ out, n * bytes };
}

static const struct {
	const char *one;
	size_t bytes, n, want; /* characters before the ellipsis; 0: uncut */
} lengths[] = {
	{ "x", 1, 3999, 0 },
	{ "x", 1, 4000, 0 },
	{ "x", 1, 4001, 3999 },
	{ "\xc3\xa4", 2, 4000, 0 },
	{ "\xc3\xa4", 2, 4001, 3999 },
	{ "\xf0\x9f\x98\x80", 4, 9000, 3999 },
};

Test(result_message, the_final_text_is_cut_between_characters)
{
	static char bulk[9000 * 4];

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct conversation_result r = a_result();
		struct result_facts f = facts_of(&r);
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP(freep) char *text = NULL;
		const struct json *v = NULL;
		size_t keep = lengths[i].want * lengths[i].bytes;

		r.message =
		    characters(bulk, lengths[i].one, lengths[i].bytes, lengths[i].n);
		text = completed(&f);
		cr_assert(eq(int, json_read(a, text, strlen(text), 0, &v, NULL), 0));
		v = json_get(json_get(v, "metadata"), "message");
		cr_assert(json_is(v, JSON_STRING));
		if (lengths[i].want == 0) {
			cr_expect(eq(sz, v->len, r.message.len), "case %zu", i);
			continue;
		}
		cr_expect(eq(sz, v->len, keep + 3), "case %zu", i);
		cr_expect(memcmp(v->text, bulk, keep) == 0, "case %zu", i);
		cr_expect(memcmp(v->text + keep, "\xe2\x80\xa6", 3) == 0, "case %zu",
		    i);
	}
}

Test(result_message, the_row_repeats_parts_of_the_message)
{
	CLEANUP_BUF struct buf calls = BUF_INIT;
	CLEANUP_BUF struct buf error = BUF_INIT;
	struct conversation_result r = a_result();
	struct result_facts f = facts_of(&r);
	CLEANUP(freep) char *text = NULL;

	f.error.type = ERROR_TYPE_INTERNAL;
	f.error.message = "why";
	f.error.tool = f.error.step = "";
	text = failed(&f);
	result_message_tool_calls(&calls, &r);
	result_message_error(&error, &f);
	cr_expect(strstr(text, buf_str(&calls)) != NULL);
	cr_expect(strstr(text, buf_str(&error)) != NULL);
}
