/* SPDX-License-Identifier: MIT */
/*
 * test_pipeline_steps.c - the arguments of every step, checked without running
 * anything.
 */
#include "config.h"

#include "common/pipeline/steps.h"

#include <criterion/criterion.h>
#include <string.h>

/* clang-format off */
static const struct {
	const char *step;    /* the step's JSON */
	const char *problem; /* a part of the problems' text; NULL: none */
} cases[] = {
	{ "{\"step\":\"http_request\",\"url\":\"api.flights.com/search\",\"params\":{\"origin\":\"NYC\",\"n\":[1,2],\"x\":null}}", NULL },
	{ "{\"step\":\"http_request\",\"url\":\"https://x/\",\"method\":\"post\",\"params\":{\"a\":{\"b\":1}}}", NULL },
	{ "{\"step\":\"http_request\",\"url\":\"x\",\"params\":[{\"name\":\"a\",\"value\":1}],\"headers\":[{\"name\":\"Accept\",\"value\":\"text/csv\"}]}", NULL },
	{ "{\"step\":\"http_request\",\"url\":\"http://x/?u=ftp://y\",\"method\":null,\"headers\":{},\"auth_profile\":\"\"}", NULL },
	{ "{\"step\":\"http_request\"}", "the parameter 'url' is missing" },
	{ "{\"step\":\"http_request\",\"url\":\"\"}", "'url' is empty" },
	{ "{\"step\":\"http_request\",\"url\":5}", "'url' is number, not a text" },
	{ "{\"step\":\"http_request\",\"url\":\"a b\"}", "the url holds a blank" },
	{ "{\"step\":\"http_request\",\"url\":\"ftp://x\"}", "the scheme 'ftp' is not offered" },
	{ "{\"step\":\"http_request\",\"url\":\"file:///etc/passwd\"}", "the scheme 'file' is not offered" },
	{ "{\"step\":\"http_request\",\"url\":\"x\",\"method\":\"DELETE\"}", "method 'DELETE' is not offered" },
	{ "{\"step\":\"http_request\",\"url\":\"x\",\"params\":\"a=b\"}", "'params' is string, not an object" },
	{ "{\"step\":\"http_request\",\"url\":\"x\",\"params\":[1]}", "'params' item 0 lacks a name or a value" },
	{ "{\"step\":\"http_request\",\"url\":\"x\",\"params\":{\"a\":{\"b\":1}}}", "params.a cannot stand in a query" },
	{ "{\"step\":\"http_request\",\"url\":\"x\",\"headers\":{\"A\":\"b\\r\\nC: d\"}}", "headers.A is not one line" },
	{ "{\"step\":\"http_request\",\"url\":\"x\",\"headers\":{\"A B\":\"b\"}}", "'A B' is no name of a header" },
	{ "{\"step\":\"http_request\",\"url\":\"x\",\"headers\":{\"A\":1}}", "headers.A is not one line" },
	{ "{\"step\":\"http_request\",\"url\":\"a\\u0000b\"}", "'url' holds U+0000" },
	{ "{\"step\":\"table_sort\",\"field\":\"price\",\"order\":null}", NULL },
	{ "{\"step\":\"table_sort\"}", "the parameter 'field' is missing" },
	{ "{\"step\":\"table_sort\",\"field\":\"\"}", "'field' is empty" },
	{ "{\"step\":\"table_sort\",\"field\":[]}", "'field' is empty" },
	{ "{\"step\":\"table_sort\",\"field\":\"a\",\"order\":\"down\"}", "'order' is neither asc nor desc" },
	{ "{\"step\":\"table_sort\",\"field\":\"a\",\"order\":1}", "'order' is neither asc nor desc" },
	{ "{\"step\":\"table_sort\",\"fields\":[\"a\",{\"field\":\"b\",\"order\":\"up\"}]}", "'fields[1].order' is neither" },
	{ "{\"step\":\"table_sort\",\"fields\":[\"a\",{\"order\":\"asc\"}]}", "'fields[1].field' is missing" },
	{ "{\"step\":\"table_sort\",\"field\":\"a\",\"direction\":\"desc\"}", "table_sort has no parameter 'direction'" },
	{ "{\"step\":\"table_sort\",\"field\":\"a\",\"direction\":null,\"k\":null,\"by\":[],\"query\":\"\",\"comment\":\"x\",\"description\":\"y\"}", NULL },
	{ "{\"step\":\"table_sort\",\"field\":\"a\",\"k\":3}", "table_sort has no parameter 'k'" },
	{ "{\"step\":\"table_select\",\"fields\":\"name\"}", "'fields' is not a non-empty list" },
	{ "{\"step\":\"table_select\",\"fields\":[]}", "'fields' is not a non-empty list" },
	{ "{\"step\":\"table_select\"}", "the parameter 'fields' is missing" },
	{ "{\"step\":\"table_select\",\"fields\":[\"a\",1]}", "'fields[1]' is number" },
	{ "{\"step\":\"table_select\",\"fields\":[\"a\",{\"from\":\"b\",\"as\":\"a\"}]}", "the column 'a' is given twice" },
	{ "{\"step\":\"table_select\",\"fields\":[{\"as\":\"a\"}]}", "'fields[0].from' is missing" },
	{ "{\"step\":\"top_k\",\"k\":3}", NULL },
	{ "{\"step\":\"top_k\",\"k\":3.0}", NULL },
	{ "{\"step\":\"top_k\",\"k\":3,\"field\":\"\",\"order\":\"\"}", NULL },
	{ "{\"step\":\"top_k\",\"k\":0}", "'k' is not a whole number of 1 or more" },
	{ "{\"step\":\"top_k\",\"k\":-1}", "'k' is not a whole number" },
	{ "{\"step\":\"top_k\",\"k\":\"2\"}", "'k' is not a whole number" },
	{ "{\"step\":\"top_k\",\"k\":true}", "'k' is not a whole number" },
	{ "{\"step\":\"top_k\",\"k\":2.5}", "'k' is not a whole number" },
	{ "{\"step\":\"top_k\"}", "the parameter 'k' is missing" },
	{ "{\"step\":\"top_k\",\"k\":1,\"order\":\"desc\"}", "'order' without 'field'" },
	{ "{\"step\":\"regex_extract\",\"field\":\"a\",\"pattern\":\"x\",\"as\":[\"a\",\"a\"]}", "the column 'a' is given twice" },
	{ "{\"step\":\"jq_transform\",\"query\":\".\"}", NULL },
	{ "{\"step\":\"sort\"}", "step 0 is unknown: 'sort'" },
	{ "{\"field\":\"a\"}", "step 0 does not say which 'step' it is" },
	{ "{\"step\":7}", "step 0 does not say which 'step' it is" },
	{ "[1]", "step 0 is array, not an object" },
	{ "\"top_k\"", "step 0 is string, not an object" },
};
/* clang-format on */

static char *
problems_of(const char *text, struct step_list *list, struct arena *a)
{
	const struct json *v = NULL;
	struct buf b = BUF_INIT;

	cr_assert(json_read(a, text, strlen(text), 0, &v, NULL) == 0, "%s", text);
	cr_assert(steps_parse(a, v, list) == 0);
	json_write(&b, list->problems, JSON_COMPACT);
	return buf_take(&b, NULL);
}

Test(pipeline_steps, arguments)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP_BUF struct buf text = BUF_INIT;
		CLEANUP(freep) char *got = NULL;
		struct step_list list;

		buf_addf(&text, "[%s]", cases[i].step);
		got = problems_of(text.data, &list, a);
		if (cases[i].problem == NULL)
			cr_expect(list.problems->len == 0, "%s: %s", cases[i].step,
			    got);
		else
			cr_expect(strstr(got, cases[i].problem) != NULL,
			    "%s: '%s' is not in %s", cases[i].step, cases[i].problem,
			    got);
	}
}

Test(pipeline_steps, every_problem_of_every_step_is_named)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct step_list list;
	CLEANUP(freep)
	char *got = problems_of(
	    "[{\"step\":\"top_k\"},{\"step\":\"table_sort\",\"order\":\"x\"},{\"step\":\"groupby\"}]",
	    &list, a);

	cr_expect(list.problems->len == 4, "%s", got);
	cr_expect(
	    strncmp(got,
		"[{\"index\":0,\"step\":\"top_k\",\"field\":\"k\",\"type\":"
		"\"invalid_step\",\"reason\":\"the parameter 'k' is missing\",\"hint\":"
		"\"say how many rows: 1 or more\"},",
		strlen("[{\"index\":0")) == 0,
	    "%s", got);
	cr_expect(
	    strstr(got, "{\"index\":2,\"step\":\"groupby\",\"field\":\"agg\"") != NULL);
}

Test(pipeline_steps, a_pipeline_is_a_list_of_bounded_length)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct step_list list;
	CLEANUP(freep)
	char *got = problems_of("{\"step\":\"top_k\",\"k\":1}", &list, a);
	CLEANUP(freep) char *none = problems_of("[]", &list, a);
	CLEANUP(freep) char *many = NULL;

	cr_expect(strstr(got, "the pipeline is not a list") != NULL);
	cr_expect(strcmp(none, "[]") == 0);
	for (int i = 0; i <= STEPS_MAX; i++)
		buf_adds(&text, i > 0 ? ",{}" : "[{}");
	buf_addc(&text, ']');
	many = problems_of(text.data, &list, a);
	cr_expect(strstr(many, "65 steps are more than 64") != NULL, "%s", many);
}

Test(pipeline_steps, what_carries_a_program_is_known)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct step_list list;
	CLEANUP(freep)
	char *got = problems_of(
	    "[{\"step\":\"table_sort\",\"field\":\"a\"},"
	    "{\"step\":\"jq_transform\",\"query\":\".\"},"
	    "{\"step\":\"table_filter\",\"condition\":{\"field\":\"a\",\"op\":\"==\",\"value\":1}},"
	    "{\"step\":\"table_filter\",\"condition\":{\"not\":{\"any\":[{\"field\":\"a\",\"op\":"
	    "\"matches\",\"value\":\"x\"}]}}}]",
	    &list, a);

	cr_assert(list.problems->len == 0, "%s", got);
	for (size_t i = 0; i < list.n; i++)
		cr_expect(list.v[i].carries_program == (i % 2 == 1), "%zu", i);
}

Test(pipeline_steps, defaults_and_renames_reach_the_reader)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct step_list list;
	CLEANUP(freep)
	char *got = problems_of(
	    "[{\"step\":\"groupby\",\"by\":\"a\",\"agg\":[{\"agg\":\"count\"},{\"agg\":\"sum\","
	    "\"field\":\"x.y\"}]},{\"step\":\"join\",\"right\":\"cas://x\",\"on\":\"id\"}]",
	    &list, a);

	cr_assert(list.problems->len == 0, "%s", got);
	cr_expect_str_eq(list.v[0].group.aggs[0].as.name, "count");
	cr_expect_str_eq(list.v[0].group.aggs[1].as.name, "sum_x.y");
	cr_expect(list.v[0].group.aggs[1].field.is_dotted);
	cr_expect(list.v[1].join.left == NULL);
	cr_expect_str_eq(list.v[1].join.right, "cas://x");
	cr_expect(!list.v[1].join.is_left_join);
}

Test(pipeline_steps, a_full_arena_is_enomem)
{
	CLEANUP(arena_freep) struct arena *roomy = arena_new(0);
	CLEANUP(arena_freep) struct arena *tight = arena_new(64);
	const char *text =
	    "[{\"step\":\"top_k\",\"k\":1},{\"step\":\"top_k\",\"k\":1}]";
	const struct json *v = NULL;
	struct step_list list;

	cr_assert(json_read(roomy, text, strlen(text), 0, &v, NULL) == 0);
	cr_expect(steps_parse(tight, v, &list) < 0);
}

Test(pipeline_steps, every_kind_has_a_name_that_leads_back)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);

	for (int i = 0; i < STEP_KIND_COUNT; i++)
		cr_expect(step_from_name(
			      json_new_cstr(a, step_name((enum step_kind)i))) == i);
}
