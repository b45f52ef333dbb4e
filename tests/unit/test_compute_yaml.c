/* SPDX-License-Identifier: MIT */
/*
 * test_compute_yaml.c - YAML documents: what they mean, and what they may not cost.
 */
#include "config.h"

#include "tests/unit/compute_support.h"

#include "common/clock.h"
#include "compute/read.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define YAML(input, want)               \
 {                                      \
  "[]", input, want, NULL, "yaml", NULL \
 }
#define BAD(input, says)                \
 {                                      \
  "[]", input, NULL, says, "yaml", NULL \
 }

/* clang-format off */
static const struct compute_case cases[] = {
	YAML("", "null"), YAML("# nothing\n", "null"), YAML("---\n...\n", "null"), YAML("~", "null"),
	YAML("a: 1\nb:\n  - x\n  - {c: d, e: [1, 2]}\n", "{\"a\":1,\"b\":[\"x\",{\"c\":\"d\",\"e\":[1,2]}]}"),
	YAML("%YAML 1.1\n---\na: 1\n", "{\"a\":1}"),
	YAML("\xef\xbb\xbf" "a: \xc3\xa9\n", "{\"a\":\"\xc3\xa9\"}"),
	YAML("- |\n  two\n  lines\n- >\n  one\n  line\n- 'it''s'\n- \"\\u00e9\\n\"\n", "[\"two\\nlines\\n\",\"one line\\n\",\"it's\",\"\xc3\xa9\\n\"]"),
	/* JSON is YAML, and is read as JSON: numbers as written */
	YAML(" {\"a\": 1.50, \"b\": [1e3]}", "{\"a\":1.50,\"b\":[1e3]}"),
	YAML("{a: 1.50, 'b': [x]}", "{\"a\":1.50,\"b\":[\"x\"]}"),
	/* the core schema of YAML 1.2 */
	YAML("[null, Null, NULL, ~, nUll, 'null']", "[null,null,null,null,\"nUll\",\"null\"]"),
	YAML("[true, True, TRUE, false, tRue, yes, no, on, off, y, n]", "[true,true,true,false,\"tRue\",\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\"]"),
	YAML("[0, 1, -1, +1, 007, -0, 12345678901234567890123]", "[0,1,-1,1,7,-0,12345678901234567890123]"),
	YAML("[0o17, 0x1F, 0xff, 0o8, 0x, 0xg, 0xffffffffffffffffff, 017]", "[15,31,255,\"0o8\",\"0x\",\"0xg\",\"0xffffffffffffffffff\",17]"),
	YAML("[1.5, .5, 5., -.5, +1.50, 1e3, 1.E+3, 1e, ., -, +, '1']", "[1.5,0.5,5,-0.5,1.50,1e3,1E+3,\"1e\",\".\",\"-\",\"+\",\"1\"]"),
	YAML("[.inf, -.Inf, .nan, 1_000, 1:30, 2024-01-31, 1.2.3]", "[\".inf\",\"-.Inf\",\".nan\",\"1_000\",\"1:30\",\"2024-01-31\",\"1.2.3\"]"),
	YAML("[!!str 1, ! 1, !!int \"7\", !!float '1.5', !!null '', !!bool 'true', !own 5, !!binary aGk=]", "[\"1\",\"1\",7,1.5,null,true,5,\"aGk=\"]"),
	/* keys are text as written */
	YAML("200: ok\n0x10: h\nyes: y\ntrue: t\n~: n\n'': e2\n", "{\"200\":\"ok\",\"0x10\":\"h\",\"yes\":\"y\",\"true\":\"t\",\"~\":\"n\",\"\":\"e2\"}"),
	YAML("? a\n: b\n? |\n  c\n: d\n", "{\"a\":\"b\",\"c\\n\":\"d\"}"),
	BAD("? [a]\n: b\n", "a key must be a scalar"), BAD("{{a: b}: c}", "a key must be a scalar"),
	BAD("a: 1\nb: 2\na: 3\n", "line 4: the map that ends here has the key 'a' twice"),
	BAD("x: {a: 1, \"a\": 2}\n", "has the key 'a' twice"),
	/* anchors and aliases */
	YAML("a: &x [1, 2]\nb: *x\nc: *x\n", "{\"a\":[1,2],\"b\":[1,2],\"c\":[1,2]}"),
	YAML("- &x 1\n- *x\n- &x 2\n- *x\n", "[1,1,2,2]"),
	YAML("- &k key\n- {*k : v}\n", "[\"key\",{\"key\":\"v\"}]"),
	BAD("a: *x\n", "line 1: an alias without its anchor"),
	BAD("a: &x [1, *x]\n", "an alias inside of what it stands for"),
	BAD("&x a: {b: &y [*y]}\n", "an alias inside of what it stands for"),
	BAD("- &k [a]\n- {*k : v}\n", "must stand for text"),
	/* merge keys: the map's own members win, then the first that has one */
	YAML("base: &b {x: 1, y: 2}\nthing:\n  <<: *b\n  y: 3\n", "{\"base\":{\"x\":1,\"y\":2},\"thing\":{\"y\":3,\"x\":1}}"),
	YAML("- &a {x: 1}\n- &b {x: 2, z: 3}\n- <<: [*a, *b, {w: 4}]\n  v: 0\n", "[{\"x\":1},{\"x\":2,\"z\":3},{\"v\":0,\"x\":1,\"z\":3,\"w\":4}]"),
	YAML("{<<: {a: 1}, <<: {b: 2}}", "{\"a\":1,\"b\":2}"),
	YAML("{'<<': {a: 1}}", "{\"<<\":{\"a\":1}}"),
	BAD("{<<: 5}", "'<<' wants a map"), BAD("{<<: [5]}", "'<<' wants a map"),
	/* what is not one document */
	BAD("a: 1\n---\nb: 2\n", "a second document"),
	BAD("a: [1, 2\n", "the input is not YAML: line"), BAD("a: \"x\n", "the input is not YAML"),
	BAD("a: b: c\n", "the input is not YAML"), BAD("\t- a\n", "the input is not YAML"), BAD("a: \xff\n", "the input is not YAML"),
	BAD("a: `b`\n", "the input is not YAML"), BAD("- a\nb: c\n", "the input is not YAML"),
	BAD("%YAML 2.0\n--- a\n", "the input is not YAML"), BAD("!x!y a\n", "the input is not YAML"),
};
/* clang-format on */

TestSuite(yaml, .timeout = 240);

Test(yaml, means_what_version_1_2_says)
{
	compute_check(cases, ARRAY_LEN(cases));
}

/* ---- what is made to cost much ---- */

static int
read_all(const char *text, size_t n, char reason[512], const struct json **out)
{
	static struct arena *a;
	struct run r;
	int e;

	arena_free(a);
	a = arena_new(256 << 20);
	cr_assert(a != NULL && run_init(&r, a) == 0);
	*out = NULL;
	e = read_input(&r, FORMAT_YAML, text, n, out);
	(void)snprintf(reason, 512, "%s", e < 0 ? r.failure.reason : "");
	return e;
}

static void
repeat(struct buf *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_adds(out, text);
}

static void
expect_refused(const char *name, const struct buf *text, const char *says)
{
	const struct json *v;
	char reason[512];
	uint64_t began = clock_mono_ms();
	int e = read_all(text->data, text->len, reason, &v);

	cr_expect(lt(int, e, 0), "%s is read", name);
	cr_expect(strstr(reason, says) != NULL, "%s: %s", name, reason);
	/* without the caps these take minutes */
	cr_expect(lt(u64, clock_mono_ms() - began, 20000), "%s", name);
}

static const struct {
	const char *name, *text;
	size_t times;
	const char *says;
} bombs[] = {
	{ "brackets", "[", 400000, "deeper than 64" },
	{ "braces", "{a: ", 400000, "deeper than 64" },
	{ "dashes", "- ", 400000, "deeper than 64" },
	{ "questions", "? ", 400000, "deeper than 64" },
	{ "mixed", "[{a: [", 100000, "deeper than 64" },
	{ "values", "- a\n", 1100000, "more than 1000000 values" },
	{ "bytes", "# 0123456789012345678901234567890123456789\n", 900000,
	    "longer than" },
};

Test(yaml, a_cap_ends_what_would_take_minutes)
{
	for (size_t i = 0; i < ARRAY_LEN(bombs); i++) {
		CLEANUP_BUF struct buf text = BUF_INIT;

		repeat(&text, bombs[i].text, bombs[i].times);
		expect_refused(bombs[i].name, &text, bombs[i].says);
	}
}

/* Each line is nine of the one before: the tenth would be three and a half thousand
   million. */
Test(yaml, an_alias_counts_as_often_as_it_is_written_out)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_adds(&text, "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
	for (int i = 1; i < 10; i++) {
		buf_addf(&text, "a%d: &a%d [", i, i);
		for (int k = 0; k < 9; k++)
			buf_addf(&text, "%s*a%d", k > 0 ? ", " : "", i - 1);
		buf_adds(&text, "]\n");
	}
	expect_refused("lol", &text, "aliases written out");
}

Test(yaml, merged_maps_count_too)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_adds(&text, "base: &b {");
	for (int i = 0; i < 1000; i++)
		buf_addf(&text, "k%d: 1, ", i);
	buf_adds(&text, "}\nall:\n");
	repeat(&text, "  - <<: *b\n", 1100);
	expect_refused("merged", &text, "aliases written out");
}

Test(yaml, aliases_build_no_depth)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_adds(&text, "- &a0 x\n");
	for (int i = 1; i < 100; i++)
		buf_addf(&text, "- &a%d [*a%d]\n", i, i - 1);
	expect_refused("ladder", &text, "deeper than 64");
}

Test(yaml, anchors_are_counted)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	for (int i = 0; i < 5000; i++)
		buf_addf(&text, "- &anchor%d x\n", i);
	expect_refused("anchors", &text, "more than 4096 anchors");
}

Test(yaml, many_maps_in_one_are_merged_up_to_a_bound)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_adds(&text, "- &a {x: 1}\n- {");
	repeat(&text, "<<: *a, ", 65);
	buf_adds(&text, "}\n");
	expect_refused("merges", &text, "more than 64 maps");
}

/* Large but honest: a description of an interface of some megabytes. */
Test(yaml, a_large_document_is_read)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	const struct json *v;
	char reason[512];

	buf_adds(&text,
	    "openapi: 3.0.3\ninfo: {title: large, version: 1.0.0}\npaths:\n");
	for (int i = 0; i < 20000; i++)
		buf_addf(&text,
		    "  /things/%d/{id}:\n    get:\n      operationId: get_%d\n"
		    "      parameters:\n        - {name: id, in: path, required: true}\n"
		    "      responses:\n        200:\n          description: a thing\n",
		    i, i);
	cr_expect(eq(int, read_all(text.data, text.len, reason, &v), 0), "%s", reason);
	cr_assert(json_is(v, JSON_OBJECT));
	cr_expect(eq(u32, json_get(v, "paths")->len, 20000));
	cr_expect(json_is(json_path(v, "paths./things/7/{id}.get.responses.200", 38),
	    JSON_OBJECT));
}
