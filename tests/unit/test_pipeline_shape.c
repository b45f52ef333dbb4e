/* SPDX-License-Identifier: MIT */
/* test_pipeline_shape.c - pipelines without their literals, and with others. */
#include "config.h"

#include "common/json_schema.h"
#include "worker/pipeline/shape.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

static const struct json *
json_of(struct arena *a, const char *text)
{
	const struct json *v = NULL;

	cr_assert(json_read(a, text, strlen(text), 0, &v, NULL) == 0, "%s", text);
	return v;
}

static const char *
text_of(struct arena *a, const struct json *v)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	json_write(&text, v, JSON_COMPACT);
	return arena_strndup(a, buf_str(&text), text.len);
}

static int
shape(struct arena *a, const char *args, struct pipeline_shape *out)
{
	const struct json *v = json_of(a, args);
	struct pipeline_facts f;

	cr_assert(eq(int, pipeline_facts_read(a, v, &f), 0));
	cr_assert(f.is_sound, "%s: %s", args, text_of(a, f.steps.problems));
	return pipeline_shape_of(a, v, &f, out);
}

#define STEPS(text) "{\"pipeline\":[" text "]}"
#define P(name, type) "{\"$parameter\":\"" name "\",\"type\":\"" type "\"}"
#define GET "{\"step\":\"http_request\",\"url\":\"api.example/f\""

/* clang-format off */
static const struct {
	const char *args, *template;
} cases[] = {
	{ STEPS("{\"step\":\"top_k\",\"k\":3,\"field\":\"a\",\"comment\":\"best\",\"order\":null}"),
	  STEPS("{\"step\":\"top_k\",\"k\":" P("k", "integer") ",\"field\":\"a\"}") },
	{ "{\"session_id\":\"s\",\"input_ref\":\"artifact://1\",\"pipeline\":[{\"step\":\"table_sort\",\"field\":\"a\"}]}",
	  "{\"input_ref\":" P("input_ref", "string") ",\"pipeline\":[{\"step\":\"table_sort\",\"field\":\"a\"}]}" },
	{ STEPS("{\"step\":\"table_filter\",\"condition\":{\"all\":[{\"field\":\"a.b\",\"op\":\">\",\"value\":1},{\"not\":{\"field\":\"c\",\"op\":\"in\",\"value\":[\"x\"]}},{\"field\":\"d\",\"op\":\"exists\",\"value\":true},{\"field\":\"e\",\"op\":\"matches\",\"value\":\"^x\"},{\"field\":\"f\",\"op\":\"==\",\"value\":null}]}}"),
	  STEPS("{\"step\":\"table_filter\",\"condition\":{\"all\":[{\"field\":\"a.b\",\"op\":\">\",\"value\":" P("a_b", "number") "},{\"not\":{\"field\":\"c\",\"op\":\"in\",\"value\":" P("c", "array") "}},{\"field\":\"d\",\"op\":\"exists\",\"value\":true},{\"field\":\"e\",\"op\":\"matches\",\"value\":\"^x\"},{\"field\":\"f\",\"op\":\"==\",\"value\":null}]}}") },
	{ STEPS("{\"step\":\"join\",\"left\":\"artifact://1\",\"right\":\"cas://sha256:x\",\"on\":\"id\",\"how\":\"left\"}"),
	  STEPS("{\"step\":\"join\",\"left\":" P("left", "string") ",\"right\":" P("right", "string") ",\"on\":\"id\",\"how\":\"left\"}") },
	{ STEPS(GET ",\"params\":{\"From City\":\"NYC\",\"n\":1,\"list\":[1,2]},\"headers\":{\"Accept\":\"text/csv\"},\"auth_profile\":\"w\"}"),
	  STEPS("{\"step\":\"http_request\",\"url\":\"api.example/f\",\"method\":\"GET\",\"params\":{\"From City\":" P("from_city", "string") ",\"n\":" P("n", "number") ",\"list\":" P("list", "array") "},\"headers\":{\"Accept\":\"text/csv\"},\"auth_profile\":\"w\"}") },
	/* the query of the address, when it needs no decoding */
	{ STEPS("{\"step\":\"http_request\",\"url\":\"x.example/?a=1&b=two\",\"params\":{\"c\":3}}"),
	  STEPS("{\"step\":\"http_request\",\"url\":\"x.example/\",\"method\":\"GET\",\"params\":{\"a\":" P("a", "string") ",\"b\":" P("b", "string") ",\"c\":" P("c", "number") "}}") },
	{ STEPS("{\"step\":\"http_request\",\"url\":\"x.example/?a=%20\"}"),
	  STEPS("{\"step\":\"http_request\",\"url\":\"x.example/?a=%20\",\"method\":\"GET\"}") },
	{ STEPS("{\"step\":\"http_request\",\"url\":\"x.example/?a=1&a=2\"}"),
	  STEPS("{\"step\":\"http_request\",\"url\":\"x.example/?a=1&a=2\",\"method\":\"GET\"}") },
	{ STEPS("{\"step\":\"http_request\",\"url\":\"x.example/?a=1\",\"params\":{\"a\":2}}"),
	  STEPS("{\"step\":\"http_request\",\"url\":\"x.example/?a=1\",\"method\":\"GET\",\"params\":{\"a\":" P("a", "number") "}}") },
	{ STEPS("{\"step\":\"http_request\",\"url\":\"x.example/?flag\"}"),
	  STEPS("{\"step\":\"http_request\",\"url\":\"x.example/?flag\",\"method\":\"GET\"}") },
	/* names that meet twice */
	{ STEPS("{\"step\":\"top_k\",\"k\":3},{\"step\":\"top_k\",\"k\":2},{\"step\":\"table_filter\",\"condition\":{\"field\":\"K!\",\"op\":\"<\",\"value\":\"x\"}}"),
	  STEPS("{\"step\":\"top_k\",\"k\":" P("k", "integer") "},{\"step\":\"top_k\",\"k\":" P("k_2", "integer") "},{\"step\":\"table_filter\",\"condition\":{\"field\":\"K!\",\"op\":\"<\",\"value\":" P("k_3", "string") "}}") },
};
/* clang-format on */

Test(shape, takes_literals_out_and_leaves_the_rest)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		struct pipeline_shape s;

		cr_assert(eq(int, shape(a, cases[i].args, &s), 0), "%s", cases[i].args);
		cr_expect_str_eq(text_of(a, s.template), cases[i].template);
	}
}

/* Filled with its defaults a shape is the pipeline that it was made of. */
Test(shape, of_what_it_makes_is_itself)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		struct pipeline_shape s, again;
		struct err err = ERR_INIT;
		const struct json *args;

		cr_assert(eq(int, shape(a, cases[i].args, &s), 0));
		args = pipeline_shape_fill(a, s.template, s.parameters,
		    json_of(a,
			"{\"input_ref\":\"artifact://2\",\"left\":\"artifact://3\","
			"\"right\":\"artifact://4\"}"),
		    &err);
		cr_assert(args != NULL, "%s: %s", cases[i].args, err_text(&err));
		cr_assert(eq(int, shape(a, text_of(a, args), &again), 0));
		cr_expect_str_eq(s.digest, again.digest);
		cr_expect_str_eq(s.name, again.name);
	}
}

Test(shape, is_one_for_other_literals_and_another_for_other_work)
{
	static const struct {
		const char *a, *b;
		bool is_same;
	} pairs[] = {
		{ STEPS(GET ",\"params\":{\"a\":1}}"),
		    STEPS(GET ",\"params\":{\"a\":2.5},\"method\":\"get\"}"), true },
		{ STEPS(GET ",\"params\":{\"a\":1}}"),
		    STEPS(GET ",\"params\":{\"a\":\"1\"}}"), false },
		{ STEPS(GET ",\"params\":{\"a\":1}}"),
		    STEPS(GET ",\"params\":{\"b\":1}}"), false },
		{ STEPS(GET "}"), STEPS(GET ",\"auth_profile\":\"p\"}"), false },
		{ STEPS(GET ",\"auth_profile\":\"q\"}"),
		    STEPS(GET ",\"auth_profile\":\"p\"}"), false },
		{ STEPS(GET "}"),
		    STEPS("{\"step\":\"http_request\",\"url\":\"other.example/f\"}"),
		    false },
		{ STEPS("{\"step\":\"top_k\",\"k\":1}"),
		    STEPS("{\"k\":9,\"step\":\"top_k\"}"), true },
		{ STEPS("{\"step\":\"jq_transform\",\"query\":\".a\"}"),
		    STEPS("{\"step\":\"jq_transform\",\"query\":\".b\"}"), false },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		struct pipeline_shape one, two;

		cr_assert(eq(int, shape(a, pairs[i].a, &one), 0));
		cr_assert(eq(int, shape(a, pairs[i].b, &two), 0));
		cr_expect(eq(int, strcmp(one.digest, two.digest) == 0,
			      pairs[i].is_same),
		    "%zu", i);
		cr_expect(eq(int, strcmp(one.name, two.name) == 0, pairs[i].is_same),
		    "%zu: %s %s", i, one.name, two.name);
	}
}

Test(shape, what_has_none_is_refused)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf many = BUF_INIT;
	struct pipeline_shape s;

	cr_expect(eq(int,
	    shape(a, STEPS(GET ",\"method\":\"POST\",\"params\":{\"a\":1}}"), &s),
	    -EINVAL));
	cr_expect(eq(int,
	    shape(a,
		STEPS(
		    "{\"step\":\"table_filter\",\"condition\":{\"field\":\"a\",\"op\":\"==\","
		    "\"value\":{\"$parameter\":\"k\"}}}"),
		&s),
	    -EINVAL));
	buf_adds(&many, "{\"pipeline\":[" GET ",\"params\":{");
	for (int i = 0; i <= SHAPE_PARAMETERS_MAX; i++)
		buf_addf(&many, "%s\"p%d\":%d", i > 0 ? "," : "", i, i);
	buf_adds(&many, "}}]}");
	cr_expect(eq(int, shape(a, buf_str(&many), &s), -EINVAL));
}

Test(shape, knows_the_look_of_secrets)
{
	static const struct {
		const char *value;
		bool is_secret;
	} looks[] = {
		{ "NYC", false },
		{ "2026-01-31T12:00:00.000Z", false },
		{ "5c1b2f9e-7a3d-4c1b-9f2e-1a2b3c4d5e6f",
		    false }, /* an id has dashes */
		{ "internationalisation", false },
		{ "12345678901234567890123", false },
		{ "d41d8cd98f00b204e9800998ecf8427e", true },
		{ "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", true },
		{ "sk-proj-AAAA1111BBBB2222CCCC", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		char args[300];
		struct pipeline_shape s;

		(void)snprintf(args, sizeof(args),
		    STEPS(GET ",\"params\":{\"q\":\"%s\"}}"), looks[i].value);
		cr_assert(eq(int, shape(a, args, &s), 0));
		cr_expect(eq(int, s.looks_secret, looks[i].is_secret), "%s",
		    looks[i].value);
		(void)snprintf(args, sizeof(args),
		    STEPS("{\"step\":\"jq_transform\",\"query\":\"'%s'\"}"),
		    looks[i].value);
		cr_assert(eq(int, shape(a, args, &s), 0));
		cr_expect(eq(int, s.looks_secret, looks[i].is_secret), "%s",
		    looks[i].value);
	}
	{
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		struct pipeline_shape s;

		cr_assert(eq(int,
		    shape(a,
			STEPS(
			    "{\"step\":\"http_request\",\"url\":\"https://u:p@x.example/\"}"),
			&s),
		    0));
		cr_expect(s.looks_secret, "credentials in an address");
		cr_assert(eq(int,
		    shape(a,
			"{\"input_ref\":\"cas://sha256:d41d8cd98f00b204e9800998ecf8427e\","
			"\"pipeline\":[{\"step\":\"top_k\",\"k\":1}]}",
			&s),
		    0));
		cr_expect(not(s.looks_secret), "a reference is a parameter");
	}
}

Test(shape, has_a_name_and_words_to_be_found_by)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct pipeline_shape s;

	cr_assert(eq(int,
	    shape(a,
		STEPS(
		    "{\"step\":\"http_request\",\"url\":\"https://api.flights.example/search/"
		    "by/price/and/more\",\"params\":{\"from\":\"NYC\"}},{\"step\":\"table_sort\","
		    "\"field\":\"price\"},{\"step\":\"top_k\",\"k\":3}"),
		&s),
	    0));
	cr_expect(strncmp(s.name, "get_api_flights_example_search_", 31) == 0, "%s",
	    s.name);
	cr_expect(strstr(s.name, "_sort_top_") != NULL, "%s", s.name);
	cr_expect(lt(sz, strlen(s.name), 65));
	for (const char *p = s.name; *p != '\0'; p++)
		cr_expect(strchr("abcdefghijklmnopqrstuvwxyz0123456789_", *p) != NULL);
	cr_expect_str_eq(s.description,
	    "http_request https://api.flights.example/search/by/price/and/more GET {from}; "
	    "then table_sort price; then top_k {k}");
}

Test(shape, schema_and_fill_agree)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP(json_schema_freep) struct json_schema *schema = NULL;
	struct pipeline_shape s;
	struct err err = ERR_INIT;
	static const struct {
		const char *values, *args; /* NULL: refused */
	} fills[] = {
		{ "{\"input_ref\":\"artifact://9\"}",
		    "{\"input_ref\":\"artifact://9\",\"pipeline\":[{\"step\":\"table_filter\","
		    "\"condition\":{\"field\":\"p\",\"op\":\"in\",\"value\":[1,2]}},{\"step\":"
		    "\"top_k\",\"k\":3}]}" },
		{ "{\"input_ref\":\"artifact://9\",\"k\":7,\"p\":[]}",
		    "{\"input_ref\":\"artifact://9\",\"pipeline\":[{\"step\":\"table_filter\","
		    "\"condition\":{\"field\":\"p\",\"op\":\"in\",\"value\":[]}},{\"step\":"
		    "\"top_k\",\"k\":7}]}" },
		{ "{}", NULL },
		{ "{\"input_ref\":null}", NULL },
	};

	cr_assert(eq(int,
	    shape(a,
		"{\"input_ref\":\"artifact://1\",\"pipeline\":[{\"step\":\"table_filter\","
		"\"condition\":{\"field\":\"p\",\"op\":\"in\",\"value\":[1,2]}},{\"step\":"
		"\"top_k\",\"k\":3}]}",
		&s),
	    0));
	pipeline_shape_schema(&text, s.parameters);
	cr_assert(eq(int,
		      json_schema_compile_text(buf_str(&text), text.len, &schema, &err),
		      0),
	    "%s: %s", buf_str(&text), err_text(&err));
	for (size_t i = 0; i < ARRAY_LEN(fills); i++) {
		const struct json *values = json_of(a, fills[i].values);
		const struct json *args =
		    pipeline_shape_fill(a, s.template, s.parameters, values, &err);

		cr_expect(eq(int, json_schema_check(schema, values, NULL) == 0,
		    fills[i].args != NULL));
		if (fills[i].args == NULL)
			cr_expect(args == NULL);
		else
			cr_expect_str_eq(text_of(a, args), fills[i].args);
	}
	cr_expect(json_schema_check(schema,
		      json_of(a, "{\"input_ref\":\"x\",\"k\":\"many\"}"), NULL) != 0);
	cr_expect(json_schema_check(schema,
		      json_of(a, "{\"input_ref\":\"x\",\"other\":1}"), NULL) != 0);
	cr_expect(pipeline_shape_fill(a, json_of(a, "[]"), s.parameters,
		      json_of(a, "{}"), &err) == NULL);
}
