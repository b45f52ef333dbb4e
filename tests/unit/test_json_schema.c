/* SPDX-License-Identifier: MIT */
/*
 * test_json_schema.c - the subset accepts, refuses and points at the right place.
 *
 * Where the public suite is installed, its groups that stay inside the subset run too.
 */
#include "config.h"

#include "common/json_schema.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define expect_str(got, want) \
 cr_expect(strcmp(got, want) == 0, "'%s' is not '%s'", got, want)

#define SUITE_DIR "/usr/share/json-schema-test-suite/tests/draft7/"

static const struct json *
read_json(struct arena *a, const char *text)
{
	const struct json *v = NULL;
	struct err err = ERR_INIT;

	cr_assert(json_read(a, text, strlen(text), 0, &v, &err) == 0, "%s: %s", text,
	    err_text(&err));
	return v;
}

static const struct {
	const char *schema, *value;
	const char *path; /* of the first error; NULL: valid */
	const char *says;
} checks[] = {
	{ "{}", "1", NULL, NULL },
	{ "true", "null", NULL, NULL },
	{ "false", "null", "", "not allowed" },
	{ "{\"type\":\"integer\"}", "3", NULL, NULL },
	{ "{\"type\":\"integer\"}", "3.0", NULL, NULL },
	{ "{\"type\":\"integer\"}", "12345678901234567890123", NULL, NULL },
	{ "{\"type\":\"integer\"}", "3.5", "", "must be integer, not number" },
	{ "{\"type\":\"number\"}", "3", NULL, NULL },
	{ "{\"type\":[\"string\",\"null\"]}", "null", NULL, NULL },
	{ "{\"type\":[\"string\",\"null\"]}", "[]", "", "null or string, not array" },
	{ "{\"type\":\"boolean\"}", "0", "", "must be boolean, not number" },
	{ "{\"required\":[\"a\",\"b\"]}", "{\"a\":1}", "/b", "required and missing" },
	{ "{\"required\":[\"a\"]}", "[]", NULL, NULL },
	{ "{\"properties\":{\"a\":{\"minimum\":1}}}", "{\"a\":0}", "/a", "at least 1" },
	{ "{\"properties\":{\"a\":{\"maximum\":1.5}}}", "{\"a\":1.6}", "/a",
	    "at most 1.5" },
	{ "{\"minimum\":9223372036854775807}", "9223372036854775806", "", "at least" },
	{ "{\"properties\":{\"a\":{}},\"additionalProperties\":false}",
	    "{\"a\":1,\"b\":2}", "/b", "not known here; known: a" },
	{ "{\"additionalProperties\":{\"type\":\"string\"}}", "{\"x/y~\":1}", "/x~1y~0",
	    "must be string" },
	{ "{\"items\":{\"properties\":{\"k\":{\"type\":\"integer\"}}}}",
	    "[{\"k\":1},{\"k\":\"1\"}]", "/1/k", "must be integer, not string" },
	{ "{\"enum\":[\"asc\",\"desc\",1]}", "\"up\"", "",
	    "one of \"asc\", \"desc\", 1" },
	{ "{\"enum\":[{\"a\":[1.0]}]}", "{\"a\":[1]}", NULL, NULL },
	{ "{\"enum\":[0]}", "false", "", "must be one of 0" },
	{ "{\"pattern\":\"^a+$\"}", "\"aaa\"", NULL, NULL },
	{ "{\"pattern\":\"^a+$\"}", "\"aab\"", "", "must match the pattern ^a+$" },
	{ "{\"pattern\":\"^a+$\"}", "7", NULL, NULL },
	{ "{\"pattern\":\"^.$\"}", "\"\xC3\xA9\"", NULL, NULL },
	{ "{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"",
	    "", "" },
	{ "{\"pattern\":\"^((a|aa)+)+x\"}",
	    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaxb\"", NULL, NULL },
	{ "{\"title\":\"t\",\"description\":\"d\",\"default\":1,\"examples\":[],\"$comment\":"
	  "\"c\",\"$schema\":\"s\",\"$id\":\"i\"}",
	    "1", NULL, NULL },
};

Test(json_schema, says_what_is_wrong_and_where)
{
	struct json_schema_errors *errors = malloc(sizeof(*errors));

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP(json_schema_freep) struct json_schema *s = NULL;
		struct err err = ERR_INIT;
		int r;

		r = json_schema_compile(read_json(a, checks[i].schema), &s, &err);
		cr_assert(r == 0, "%s: %s", checks[i].schema, err_text(&err));
		r = json_schema_check(s, read_json(a, checks[i].value), errors);
		cr_expect(r == (checks[i].path == NULL ? 0 : -EBADMSG), "%s of %s",
		    checks[i].value, checks[i].schema);
		cr_expect(
		    json_schema_check(s, read_json(a, checks[i].value), NULL) == r);
		if (checks[i].path == NULL || errors->n == 0)
			continue;
		expect_str(errors->at[0].path, checks[i].path);
		cr_expect(strstr(errors->at[0].message, checks[i].says) != NULL,
		    "'%s' does not say '%s'", errors->at[0].message, checks[i].says);
	}
	free(errors);
}

static const struct {
	const char *schema;
	int want;
	const char *says;
} refusals[] = {
	{ "{\"anyOf\":[]}", -ENOTSUP, "/anyOf: keyword is not supported" },
	{ "{\"properties\":{\"a/b\":{\"format\":\"date\"}}}", -ENOTSUP,
	    "/properties/a~1b/format: keyword is not supported" },
	{ "{\"items\":[{}]}", -ENOTSUP, "/items:" },
	{ "{\"items\":{\"$ref\":\"#\"}}", -ENOTSUP, "/items/$ref:" },
	{ "{\"minLength\":1}", -ENOTSUP, "/minLength:" },
	{ "{\"additionalProperties\":{\"const\":1}}", -ENOTSUP,
	    "/additionalProperties/const:" },
	{ "{\"type\":\"int\"}", -EINVAL, "/type: names no JSON type" },
	{ "{\"type\":[]}", -EINVAL, "/type:" },
	{ "{\"type\":3}", -EINVAL, "/type:" },
	{ "{\"properties\":[]}", -EINVAL, "/properties:" },
	{ "{\"properties\":{\"a\":1}}", -EINVAL, "/properties/a:" },
	{ "{\"required\":\"a\"}", -EINVAL, "/required:" },
	{ "{\"required\":[1]}", -EINVAL, "/required:" },
	{ "{\"enum\":[]}", -EINVAL, "/enum:" },
	{ "{\"minimum\":\"1\"}", -EINVAL, "/minimum:" },
	{ "{\"maximum\":null}", -EINVAL, "/maximum:" },
	{ "{\"pattern\":\"(\"}", -EINVAL, "/pattern: is no regular expression" },
	{ "{\"pattern\":\"a\\\\Z\"}", -EINVAL, "/pattern:" },
	{ "{\"pattern\":1}", -EINVAL, "/pattern:" },
	{ "[]", -EINVAL, "/:" },
};

Test(json_schema, refuses_what_it_does_not_know_and_names_its_path)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		char place;
		struct json_schema *s = (struct json_schema *)&place;
		struct err err = ERR_INIT;
		int r = json_schema_compile(read_json(a, refusals[i].schema), &s, &err);

		cr_expect(r == refusals[i].want, "%s", refusals[i].schema);
		cr_expect(s == (struct json_schema *)&place, "untouched");
		cr_expect(strncmp(err.text, refusals[i].says,
			      strlen(refusals[i].says)) == 0,
		    "'%s' does not begin with '%s'", err.text, refusals[i].says);
	}
}

Test(json_schema, refuses_a_schema_that_is_too_deep)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct json_schema *s = NULL;
	struct err err = ERR_INIT;

	for (int i = 0; i < 70; i++)
		buf_adds(&text, "{\"items\":");
	buf_adds(&text, "{}");
	for (int i = 0; i < 70; i++)
		buf_adds(&text, "}");
	cr_expect(
	    json_schema_compile_text(buf_str(&text), text.len, &s, &err) == -E2BIG);
	cr_expect(s == NULL);
}

Test(json_schema, reports_at_most_eight_errors_in_document_order)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP(json_schema_freep) struct json_schema *s = NULL;
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct json_schema_errors errors;

	cr_assert(json_schema_compile(read_json(a, "{\"items\":{\"type\":\"string\"}}"),
		      &s, NULL) == 0);
	cr_expect(json_schema_check(s, read_json(a, "[1,2,3,4,5,6,7,8,9,10]"),
		      &errors) == -EBADMSG);
	cr_expect(errors.n == 8);
	expect_str(errors.at[7].path, "/7");
	errors.n = 2;
	json_schema_errors_write(&text, &errors);
	expect_str(buf_str(&text),
	    "/0: must be string, not number; /1: must be string, not number");
}

Test(json_schema, cuts_long_paths_at_whole_characters)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP(json_schema_freep) struct json_schema *s = NULL;
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct json_schema_errors errors;
	size_t n;

	buf_adds(&text, "{\"");
	for (int i = 0; i < 300; i++)
		buf_adds(&text, "\xE2\x82\xAC");
	buf_adds(&text, "\":1}");
	cr_assert(json_schema_compile(read_json(a, "{\"additionalProperties\":false}"),
		      &s, NULL) == 0);
	cr_expect(
	    json_schema_check(s, read_json(a, buf_str(&text)), &errors) == -EBADMSG);
	n = strlen(errors.at[0].path);
	cr_expect(n < JSON_SCHEMA_PATH_MAX && (n - 1) % 3 == 0, "%zu", n);
}

/* ---- the public suite ---- */

static char *
read_file(const char *path, size_t *n)
{
	CLEANUP(fclosep) FILE *f = fopen(path, "r");
	CLEANUP_BUF struct buf b = BUF_INIT;
	char chunk[4096];
	size_t got;

	if (f == NULL)
		return NULL;
	while ((got = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, chunk, got);
	return buf_take(&b, n);
}

static unsigned
run_group(const char *file, struct arena *a, const struct json *group)
{
	CLEANUP(json_schema_freep) struct json_schema *s = NULL;
	const struct json *tests = json_get(group, "tests");
	const char *about = json_cstr(a, json_get(group, "description"));
	struct err err = ERR_INIT;
	int r = json_schema_compile(json_get(group, "schema"), &s, &err);

	if (r == -ENOTSUP)
		return 0;
	cr_assert(r == 0, "%s: %s: %s", file, about, err.text);
	for (uint32_t i = 0; i < tests->len; i++) {
		const struct json *t = &tests->items[i];

		r = json_schema_check(s, json_get(t, "data"), NULL);
		cr_expect((r == 0) == json_is_true(json_get(t, "valid")), "%s: %s: %s",
		    file, about, json_cstr(a, json_get(t, "description")));
	}
	return tests->len;
}

Test(json_schema, agrees_with_the_public_suite)
{
	static const char *const files[] = { "type", "properties", "required",
		"additionalProperties", "items", "enum", "minimum", "maximum",
		"pattern", "boolean_schema", "default" };
	unsigned ran = 0;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP(freep) char *text = NULL;
		const struct json *groups = NULL;
		char path[200];
		size_t n = 0;

		(void)snprintf(path, sizeof(path), SUITE_DIR "%s.json", files[i]);
		text = read_file(path, &n);
		if (text == NULL)
			cr_skip_test("the suite is not installed");
		cr_assert(json_read(a, text, n, 0, &groups, NULL) == 0);
		for (uint32_t g = 0; g < groups->len; g++)
			ran += run_group(files[i], a, &groups->items[g]);
	}
	cr_expect(ran > 120, "only %u cases stay inside the subset", ran);
}

/* Schema and value may both be strangers': 10^10 comparisons are refused, not made. */
Test(json_schema, a_check_that_takes_too_long_is_a_violation)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP(json_schema_freep) struct json_schema *s = NULL;
	CLEANUP_BUF struct buf schema = BUF_INIT, value = BUF_INIT;
	struct json_schema_errors errors;
	const struct json *v;

	buf_adds(&schema, "{\"type\":\"array\",\"items\":{\"enum\":[0");
	buf_adds(&value, "[2");
	for (int i = 0; i < 100000; i++) {
		buf_adds(&schema, ",1");
		buf_adds(&value, ",2");
	}
	buf_adds(&schema, ",2]}}");
	buf_adds(&value, "]");
	cr_assert(
	    json_schema_compile_text(buf_str(&schema), schema.len, &s, NULL) == 0);
	cr_assert(json_read(a, buf_str(&value), value.len, 0, &v, NULL) == 0);
	cr_assert(json_schema_check(s, v, &errors) == -EBADMSG);
	cr_expect(strstr(errors.at[0].message, "too long") != NULL, "%s",
	    errors.at[0].message);
	cr_expect(json_schema_check(s, v, NULL) == -EBADMSG);
}
