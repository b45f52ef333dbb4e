/* SPDX-License-Identifier: MIT */
/* test_pipeline_facts.c - what a pipeline's arguments say before it runs. */
#include "config.h"

#include "worker/pipeline/facts.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static const struct json *
args_of(struct arena *a, const char *text)
{
	const struct json *v = NULL;

	cr_assert(json_read(a, text, strlen(text), 0, &v, NULL) == 0, "%s", text);
	return v;
}

#define TOP "{\"step\":\"top_k\",\"k\":1}"
#define GET "{\"step\":\"http_request\",\"url\":\"x.example\"}"
#define POST "{\"step\":\"http_request\",\"url\":\"x.example\",\"method\":\"POST\"}"

/* clang-format off */
static const struct {
	const char *args;
	bool is_sound, needs_input, has_fetch, has_post;
	const char *refs; /* one a line */
} cases[] = {
	{ "{\"pipeline\":[" TOP "]}", true, true, false, false, "" },
	{ "{\"pipeline\":[" TOP "],\"input_ref\":null}", true, true, false, false, "" },
	{ "{\"pipeline\":[" TOP "],\"input_ref\":\"\"}", true, true, false, false, "" },
	{ "{\"pipeline\":[" TOP "],\"input_ref\":\"r\"}", true, false, false, false, "r\n" },
	{ "{\"pipeline\":[" GET "," TOP "]}", true, false, true, false, "" },
	{ "{\"pipeline\":[" TOP "," GET "]}", true, true, true, false, "" },
	{ "{\"pipeline\":[" GET "," POST "]}", true, false, true, true, "" },
	{ "{\"pipeline\":[{\"step\":\"join\",\"left\":\"artifact://l\",\"right\":\"artifact://r\",\"on\":\"id\"}," TOP "]}", true, false, false, false, "artifact://l\nartifact://r\n" },
	{ "{\"pipeline\":[{\"step\":\"join\",\"right\":\"artifact://r\",\"on\":\"id\"}]}", true, true, false, false, "artifact://r\n" },
	{ "{\"pipeline\":[{\"step\":\"join\",\"right\":\"artifact://r\",\"on\":\"id\"}],\"input_ref\":\"i\"}", true, false, false, false, "i\nartifact://r\n" },
	{ "{\"pipeline\":[]}", false, false, false, false, "" },
	{ "{\"pipeline\":{}}", false, false, false, false, "" },
	{ "{\"pipeline\":[{\"step\":\"shell\"}]}", false, false, false, false, "" },
	{ "{}", false, false, false, false, "" },
	{ "[]", false, false, false, false, "" },
};
/* clang-format on */

Test(facts, of_each_kind_of_pipeline)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP_BUF struct buf refs = BUF_INIT;
		struct pipeline_facts f;
		const char *text = cases[i].args;

		cr_assert(eq(int, pipeline_facts_read(a, args_of(a, text), &f), 0));
		cr_expect(eq(int, f.is_sound, cases[i].is_sound), "%s", text);
		cr_expect(eq(int, f.needs_input, cases[i].needs_input), "%s", text);
		cr_expect(eq(int, f.has_fetch, cases[i].has_fetch), "%s", text);
		cr_expect(eq(int, f.has_post, cases[i].has_post), "%s", text);
		for (size_t k = 0; k < f.n_refs; k++)
			buf_addf(&refs, "%s\n", f.refs[k]);
		cr_expect_str_eq(buf_str(&refs), cases[i].refs, "%s", text);
	}
}

Test(facts, equal_work_has_one_digest_and_other_work_another)
{
	static const struct {
		const char *a, *b;
		bool is_same;
	} pairs[] = {
		{ "{\"pipeline\":[" TOP "],\"input_ref\":\"r\",\"session_id\":\"s\"}",
		    "{\"input_ref\":\"r\",\"pipeline\":[{\"k\":1,\"step\":\"top_k\"}]}",
		    true },
		{ "{\"pipeline\":[" TOP "],\"input_ref\":\"r\"}",
		    "{\"pipeline\":[" TOP "],\"input_ref\":\"q\"}", false },
		{ "{\"pipeline\":[" TOP "],\"input_ref\":\"r\"}",
		    "{\"pipeline\":[" TOP "," TOP "],\"input_ref\":\"r\"}", false },
		{ "{\"pipeline\":[" GET "]}", "{\"pipeline\":[" POST "]}", false },
		{ "{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"x\",\"auth_profile\":\"a\"}]}",
		    "{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"x\",\"auth_profile\":\"b\"}]}",
		    false },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		char one[PIPELINE_DIGEST_MAX], two[PIPELINE_DIGEST_MAX];

		cr_assert(
		    eq(int, pipeline_facts_digest(args_of(a, pairs[i].a), one), 0));
		cr_assert(
		    eq(int, pipeline_facts_digest(args_of(a, pairs[i].b), two), 0));
		cr_expect(eq(int, strcmp(one, two) == 0, pairs[i].is_same), "%zu", i);
	}
}
