/* SPDX-License-Identifier: MIT */
/*
 * test_json.c - the reader's verdict on the classes of the public JSON suites,
 * byte-exact round trips, numbers, look-ups, building and writing.
 */
#include "config.h"

#include "common/json/json.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

/* cr_expect(eq(str, ...)) wants pointers to char that is not const. */
#define TEXT(s) ((char *)(uintptr_t)(s))

static struct arena *arena;

static void
setup(void)
{
	arena = arena_new(0);
}

static void
teardown(void)
{
	arena_freep(&arena);
}

TestSuite(json, .init = setup, .fini = teardown);

static const struct json *
read_n(const char *text, size_t n)
{
	const struct json *v = NULL;
	struct err err = ERR_INIT;
	int r = json_read(arena, text, n, 0, &v, &err);

	cr_expect(eq(int, r, 0), "%.*s: %s", (int)n, text, err_text(&err));
	return v;
}

static const struct json *
read_text(const char *text)
{
	return read_n(text, strlen(text));
}

static char *
compact(const struct json *v)
{
	struct buf b = BUF_INIT;

	json_write(&b, v, JSON_COMPACT);
	return buf_take(&b, NULL);
}

/* ---- what is accepted: text, and how it is written again (NULL: the same bytes)
   ---- */

/* clang-format off */
static const struct {
	const char *text, *written;
} accepted[] = {
	{ "null", NULL }, { "true", NULL }, { "false", NULL }, { "[]", NULL }, { "{}", NULL },
	{ " [] ", "[]" }, { "\t\n\r {} \r\n\t", "{}" }, { "\"\"", NULL }, { "[ ]", "[]" },
	{ "[[]   ]", "[[]]" }, { "[\"\"]", NULL }, { "[\"a\"]", NULL }, { "[false]", NULL },
	{ "[null, 1, \"1\", {}]", "[null,1,\"1\",{}]" }, { "[1\n]", "[1]" }, { " [1]", "[1]" },
	{ "[1,null,null,null,2]", NULL }, { "[2] ", "[2]" }, { "[true]", NULL },
	/* numbers keep their text */
	{ "0", NULL }, { "-0", NULL }, { "-1", NULL }, { "42", NULL }, { "0.1", NULL }, { "-0.0", NULL },
	{ "1.10", NULL }, { "1e5", NULL }, { "1E5", NULL }, { "1e+5", NULL }, { "1e-2", NULL }, { "0e1", NULL },
	{ "0E+00", NULL }, { "123.456e78", NULL }, { "-123123123123123123123123123123", NULL },
	{ "12345678901234567890", NULL }, { "1e9999999999999999999", NULL }, { "123123e-10000000", NULL },
	{ "-0.000000000000000000000000000000000000000000000000000000000000000000000000000000000001", NULL },
	{ "[0e+1]", NULL }, { "[ 4]", "[4]" }, { "1.7976931348623157e309", NULL },
	/* strings */
	{ "\"\\u0060\\u012a\\u12AB\"", "\"`\xc4\xaa\xe1\x8a\xab\"" }, { "\"\\uD801\\udc37\"", "\"\xf0\x90\x90\xb7\"" },
	{ "\"\\ud83d\\ude39\\ud83d\\udc8d\"", "\"\xf0\x9f\x98\xb9\xf0\x9f\x92\x8d\"" },
	{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" }, { "\"\\\\u0000\"", NULL },
	{ "\"\\u0000\"", NULL }, { "\"a\\u0000b\"", NULL }, { "\"\\u001f\"", NULL }, { "\"\\u0012\"", NULL },
	{ "\"a/*b*/c\"", NULL }, { "\"\xe2\x82\xac\xf0\x9d\x84\x9e\"", NULL }, { "\"\x7f\"", NULL },
	{ "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"", NULL },
	{ "\"\\uFFFF\\uDBFF\\uDFFE\"", "\"\xef\xbf\xbf\xf4\x8f\xbf\xbe\"" }, { "\"\\u0022\"", "\"\\\"\"" },
	{ "\"\\u005C\"", "\"\\\\\"" }, { "\"\xe2\x80\xa8\xe2\x80\xa9\"", NULL }, { "\" \"", NULL },
	{ "\"0123456\\u0041\"", "\"0123456A\"" }, { "\"01234567\\n89abcdef\"", NULL },
	/* objects: order and duplicates stay */
	{ "{\"b\":1,\"a\":2}", NULL }, { "{\"a\":1,\"a\":2}", NULL }, { "{\"\":0}", NULL },
	{ "{\"a\\u0000b\":0}", NULL }, { "{\"\\u0061\":1}", "{\"a\":1}" }, { "{\"a\":[]}", NULL },
	{ "{ \"min\": -1.0e+28, \"max\": 1.0e+28 }", "{\"min\":-1.0e+28,\"max\":1.0e+28}" },
	{ "{\"x\":[{\"id\": \"aaaa\"}], \"id\": \"b\"}", "{\"x\":[{\"id\":\"aaaa\"}],\"id\":\"b\"}" },
	{ "{\"title\":\"\\u041f\"}", "{\"title\":\"\xd0\x9f\"}" }, { "{\n\"a\": \"b\"\n}", "{\"a\":\"b\"}" },
};

/* ---- what is refused ---- */

#define REFUSED(text) { text, sizeof(text) - 1 }
static const struct {
	const char *text;
	size_t n;
} refused[] = {
	REFUSED(""), REFUSED(" "), REFUSED("\n"), REFUSED("\xef\xbb\xbf{}"), REFUSED("\xef\xbb\xbf"), REFUSED("\0"),
	REFUSED("[1 true]"), REFUSED("[a\xe5]"), REFUSED("[\"\": 1]"), REFUSED("[\"\"],"), REFUSED("[,1]"),
	REFUSED("[1,,2]"), REFUSED("[\"x\",,]"), REFUSED("[\"x\"]]"), REFUSED("[\"\",]"), REFUSED("[\"x\""),
	REFUSED("[x"), REFUSED("[3[4]]"), REFUSED("[\xff]"), REFUSED("[1:2]"), REFUSED("[,]"), REFUSED("[-]"),
	REFUSED("[   , \"\"]"), REFUSED("[\"a\",\n4\n,1,"), REFUSED("[1,]"), REFUSED("[\"\v\"]"), REFUSED("[*]"),
	REFUSED("[\"\""), REFUSED("[1,"), REFUSED("[1,\n1\n,1"), REFUSED("[{}"), REFUSED("[fals]"), REFUSED("[nul]"),
	REFUSED("[tru]"), REFUSED("123\0"), REFUSED("[++1234]"), REFUSED("[+1]"), REFUSED("[+Inf]"), REFUSED("[-01]"),
	REFUSED("[-1.0.]"), REFUSED("[-2.]"), REFUSED("[-NaN]"), REFUSED("[.-1]"), REFUSED("[.2e-3]"), REFUSED("[0.1.2]"),
	REFUSED("[0.3e+]"), REFUSED("[0.3e]"), REFUSED("[0.e1]"), REFUSED("[0E+]"), REFUSED("[0E]"), REFUSED("[1.0e+]"),
	REFUSED("[1.0e-]"), REFUSED("[1.0e]"), REFUSED("[1 000.0]"), REFUSED("[1eE2]"), REFUSED("[2.e+3]"),
	REFUSED("[9.e+]"), REFUSED("[Inf]"), REFUSED("[NaN]"), REFUSED("[\xef\xbc\x91]"), REFUSED("[1+2]"),
	REFUSED("[0x1]"), REFUSED("[Infinity]"), REFUSED("[-Infinity]"), REFUSED("[-foo]"), REFUSED("[- 1]"),
	REFUSED("[-012]"), REFUSED("[-.123]"), REFUSED("[-1x]"), REFUSED("[1ea]"), REFUSED("[1e\xe5]"), REFUSED("[1.]"),
	REFUSED("[.123]"), REFUSED("[1.2a-3]"), REFUSED("[012]"), REFUSED("[\"x\", truth]"), REFUSED("{[: \"x\"}\n"),
	REFUSED("{\"x\", null}"), REFUSED("{\"x\"::\"b\"}"), REFUSED("{\"a\":\"a\" 123}"), REFUSED("{key: 'value'}"),
	REFUSED("{\"\xb9\":\"0\",}"), REFUSED("{\"a\" b}"), REFUSED("{:\"b\"}"), REFUSED("{\"a\" \"b\"}"), REFUSED("{\"a\":"),
	REFUSED("{\"a\""), REFUSED("{1:1}"), REFUSED("{null:null}"), REFUSED("{\"id\":0,,,,,}"), REFUSED("{'a':0}"),
	REFUSED("{\"id\":0,}"), REFUSED("{\"a\":\"b\"}/**/"), REFUSED("{\"a\":\"b\"}#"), REFUSED("{\"a\":\"b\",,\"c\":\"d\"}"),
	REFUSED("{a: \"b\"}"), REFUSED("{\"a\":\"a"), REFUSED("{ \"foo\" : \"bar\", \"a\" }"), REFUSED("{\"a\":\"b\"}}"),
	REFUSED("[\"\\uD800\"]"), REFUSED("[\"\\uD800\\\"]"), REFUSED("[\"\\uD800\\u\"]"), REFUSED("[\"\\uD800\\u1\"]"),
	REFUSED("[\"\\uD800\\u1x\"]"), REFUSED("[\"\\uD800\\uD800\"]"), REFUSED("[\"\\uDC00\"]"), REFUSED("[\"\\ud800abc\"]"),
	REFUSED("[\xc3\xa9]"), REFUSED("[\"\\\0\"]"), REFUSED("[\"\\x00\"]"), REFUSED("[\"\\\\\\\"]"), REFUSED("[\"\\\t\"]"),
	REFUSED("[\"\\\xf0\x9f\x8c\x80\"]"), REFUSED("[\"\\\"]"), REFUSED("[\"\\u00A\"]"), REFUSED("[\"\\uD834\\uDd\"]"),
	REFUSED("[\"\\a\"]"), REFUSED("[\"\\uqqqq\"]"), REFUSED("[\"\\\xe5\"]"), REFUSED("[\\u0020\"asd\"]"), REFUSED("[\\n]"),
	REFUSED("\""), REFUSED("['single quote']"), REFUSED("abc"), REFUSED("[\"\\"), REFUSED("[\"a\0a\"]"),
	REFUSED("[\"new\nline\"]"), REFUSED("[\"\t\"]"), REFUSED("\"\\UA66D\""), REFUSED("\"\"x"), REFUSED("[\xe2\x81\xa0]"),
	REFUSED("<.>"), REFUSED("[<null>]"), REFUSED("[1]x"), REFUSED("[1]]"), REFUSED("[\"asd]"), REFUSED("a\xc3\xa5"),
	REFUSED("[True]"), REFUSED("1]"), REFUSED("{\"x\": true,"), REFUSED("[][]"), REFUSED("]"), REFUSED("\xef\xbb{}"),
	REFUSED("\xe5"), REFUSED("["), REFUSED("{"), REFUSED("2@"), REFUSED("{}}"), REFUSED("{\"\":"), REFUSED("{\"a\":/*c*/\"b\"}"),
	REFUSED("{\"a\": true} \"x\""), REFUSED("[\"a"), REFUSED("[\"a\","), REFUSED("{,"), REFUSED("{\"a"), REFUSED("{'a'"),
	REFUSED("[\"\\{[\"\\{["), REFUSED("*"), REFUSED("{\"a\":\"b\"}#{}"), REFUSED("[\\u000A\"\"]"), REFUSED("[1"),
	REFUSED("[ false, nul"), REFUSED("[ true, fals"), REFUSED("{\"asd\":\"asd\""), REFUSED("\xc3\xa5"), REFUSED("[\f]"),
	REFUSED("nulll"), REFUSED("-"), REFUSED("00"), REFUSED("1e"), REFUSED("\"\\u\""), REFUSED("\"\\u12"),
	/* bytes that are not UTF-8 */
	REFUSED("\"\x80\""), REFUSED("\"\xc0\xaf\""), REFUSED("\"\xc1\xbf\""), REFUSED("\"\xe0\x80\xaf\""), REFUSED("\"\xed\xa0\x80\""),
	REFUSED("\"\xed\xbf\xbf\""), REFUSED("\"\xf0\x80\x80\xaf\""), REFUSED("\"\xf4\x90\x80\x80\""), REFUSED("\"\xf5\x80\x80\x80\""),
	REFUSED("\"\xff\""), REFUSED("\"\xe2\x82\""), REFUSED("\"\xf0\x9d\x84\""), REFUSED("\"abcdefg\xc3\""), REFUSED("\"\xc3"),
	REFUSED("\"\\n\xe2\x82\""), REFUSED("\"\\n\xff\""), REFUSED("\"\\n\n\""), REFUSED("{\"\xff\":1}"), REFUSED("\"\xfc\x83\xbf\xbf\xbf\xbf\""),
	REFUSED("[\0]"), REFUSED("\xff\xfe[\0\"\0"), REFUSED("\0[\0\"\0\xe9\0\"\0]"),
};
/* clang-format on */

Test(json, accepted_texts_are_written_again)
{
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		const struct json *v = read_text(accepted[i].text);
		CLEANUP(freep) char *out = compact(v);
		const char *want = accepted[i].written;

		cr_expect(eq(str, out, TEXT(want ? want : accepted[i].text)));
	}
}

Test(json, refused_texts_leave_out_alone_and_say_why)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		/* exactly n bytes on the heap: an over-read is seen */
		CLEANUP(freep) char *copy = malloc(refused[i].n + !refused[i].n);
		const struct json *v = (const struct json *)&v;
		struct err err = ERR_INIT;
		int r;

		memcpy(copy, refused[i].text, refused[i].n);
		r = json_read(arena, copy, refused[i].n, 0, &v, &err);
		cr_expect(eq(int, r, -EINVAL), "'%s'", refused[i].text);
		cr_expect(v == (const struct json *)&v);
		cr_expect(strstr(err.text, " at byte ") != NULL, "'%s'",
		    refused[i].text);
	}
}

Test(json, every_cut_of_a_text_is_refused)
{
	static const char text[] =
	    "{\"k\\u00e9y\":[1.5e3,\"\\ud83d\\ude39\xe2\x82\xac\",true,null,{}],\"b\":\"x\"}";

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		CLEANUP(freep) char *copy = malloc(n + 1);
		const struct json *v = NULL;

		memcpy(copy, text, n);
		cr_expect(json_read(arena, copy, n, 0, &v, NULL) < 0, "%zu bytes", n);
	}
}

Test(json, errors_name_the_byte)
{
	struct err err = ERR_INIT;
	const struct json *v;

	cr_expect(eq(int, json_read(arena, "[1, nan]", 8, 0, &v, &err), -EINVAL));
	cr_expect(eq(str, err.text, TEXT("an unknown word at byte 4")));
}

/* n openings and closings */
static char *
nested(size_t n, const char *open, const char *close)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < n; i++)
		buf_adds(&b, open);
	buf_adds(&b, "1");
	for (size_t i = 0; i < n; i++)
		buf_adds(&b, close);
	return buf_take(&b, NULL);
}

Test(json, depth_is_capped_where_asked)
{
	static const struct {
		size_t levels;
		unsigned depth;
		int want;
	} cases[] = { { 64, 0, 0 }, { 65, 0, -E2BIG }, { 3, 3, 0 }, { 4, 3, -E2BIG },
		{ 512, 512, 0 }, { 513, 512, -E2BIG }, { 1024, 5000, 0 },
		{ 1025, 5000, -E2BIG }, { 100000, 0, -E2BIG } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(freep) char *a = nested(cases[i].levels, "[", "]");
		CLEANUP(freep) char *o = nested(cases[i].levels, "{\"a\":", "}");
		const struct json *v = NULL;

		cr_expect(
		    eq(int, json_read(arena, a, strlen(a), cases[i].depth, &v, NULL),
			cases[i].want));
		cr_expect(
		    eq(int, json_read(arena, o, strlen(o), cases[i].depth, &v, NULL),
			cases[i].want));
		if (cases[i].want == 0) {
			CLEANUP(freep) char *out = compact(v);

			cr_expect(eq(str, out, o));
		}
	}
}

Test(json, prefix_tells_what_it_used)
{
	static const char text[] = " {\"a\":1} {\"b\":2}";
	const struct json *v = NULL;
	size_t used = 0;

	cr_expect(eq(int,
	    json_read_prefix(arena, text, sizeof(text) - 1, 0, &v, &used, NULL), 0));
	cr_expect(eq(sz, used, 8));
	cr_expect(json_get(v, "a") != NULL);
}

Test(json, plain_strings_and_numbers_point_into_the_text)
{
	static const char text[] = "[\"plain\",12,\"esc\\n\"]";
	const struct json *v = read_text(text);

	cr_expect(v->items[0].text == text + 2);
	cr_expect(v->items[1].text == text + 9);
	cr_expect(v->items[2].text < text || v->items[2].text > text + sizeof(text));
}

Test(json, equal_keys_share_one_address)
{
	const struct json *v =
	    read_text("[{\"price\":1},{\"price\":2},{\"pr\\u0069ce\":3}]");

	cr_expect(v->items[0].members->name == v->items[1].members->name);
	cr_expect(v->items[0].members->name == v->items[2].members->name);
}

Test(json, thousands_of_keys_stay_right)
{
	struct buf b = BUF_INIT;
	const struct json *v;

	buf_adds(&b, "{");
	for (int i = 0; i < 20000; i++)
		buf_addf(&b, "%s\"key%d\":%d", i > 0 ? "," : "", i, i);
	buf_adds(&b, "}");
	v = read_n(b.data, b.len);
	for (int i = 0; i < 20000; i += 999) {
		char name[16];
		int64_t n = -1;

		(void)snprintf(name, sizeof(name), "key%d", i);
		cr_expect(eq(int, json_int64(json_get(v, name), &n), 0));
		cr_expect(eq(i64, n, i));
	}
	buf_release(&b);
}

Test(json, the_last_duplicate_wins_on_lookup)
{
	const struct json *v = read_text("{\"a\":1,\"b\":0,\"a\":2}");
	int64_t n = 0;

	cr_expect(eq(int, json_int64(json_get(v, "a"), &n), 0));
	cr_expect(eq(i64, n, 2));
	cr_expect(json_get(v, "c") == NULL);
	cr_expect(json_get(NULL, "a") == NULL);
	cr_expect(json_get(read_text("[1]"), "a") == NULL);
}

Test(json, paths_prefer_literal_keys)
{
	static const struct {
		const char *json, *path, *want;
	} cases[] = {
		{ "{\"a\":{\"b\":1}}", "a.b", "1" },
		{ "{\"a\":{\"b\":1},\"a.b\":2}", "a.b", "2" },
		{ "{\"a\":{\"b.c\":3,\"b\":{\"c\":4}}}", "a.b.c", "3" },
		{ "{\"a.b\":{\"c\":5},\"a\":{\"b\":{\"c\":6}}}", "a.b.c", "5" },
		{ "{\"a.b\":{},\"a\":{\"b\":{\"c\":6}}}", "a.b.c", "6" },
		{ "{\"a\":[{\"b\":7},{\"b\":8}]}", "a.1.b", "8" },
		{ "{\"a\":[1]}", "a.1", NULL },
		{ "{\"a\":[1]}", "a.00", NULL },
		{ "{\"a\":[1]}", "a.99999999999", NULL },
		{ "{\"a\":null}", "a", "null" },
		{ "{\"a\":null}", "a.b", NULL },
		{ "{\"\":{\"\":9}}", ".", "9" },
		{ "{\"a.\":1}", "a.", "1" },
		{ "3", "a", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct json *v = json_path(read_text(cases[i].json),
		    cases[i].path, strlen(cases[i].path));
		CLEANUP(freep) char *out = v == NULL ? NULL : compact(v);

		cr_expect(eq(int, out == NULL, cases[i].want == NULL), "%s in %s",
		    cases[i].path, cases[i].json);
		if (out != NULL && cases[i].want != NULL)
			cr_expect(eq(str, out, TEXT(cases[i].want)));
	}
}

Test(json, integers)
{
	static const struct {
		const char *text;
		int want;
		int64_t value;
	} cases[] = { { "0", 0, 0 }, { "-0", 0, 0 }, { "-17", 0, -17 }, { "5.0", 0, 5 },
		{ "1e3", 0, 1000 }, { "1200e-2", 0, 12 }, { "0.5e1", 0, 5 },
		{ "0e99", 0, 0 }, { "9223372036854775807", 0, INT64_MAX },
		{ "-9223372036854775808", 0, INT64_MIN },
		{ "9.223372036854775807e18", 0, INT64_MAX },
		{ "9223372036854775808", -ERANGE, 7 },
		{ "-9223372036854775809", -ERANGE, 7 }, { "1e400", -ERANGE, 7 },
		{ "1e99999999999999999999", -ERANGE, 7 }, { "1.5", -EINVAL, 7 },
		{ "1e-1", -EINVAL, 7 }, { "\"1\"", -EINVAL, 7 },
		{ "null", -EINVAL, 7 } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t n = 7;

		cr_expect(eq(int, json_int64(read_text(cases[i].text), &n),
			      cases[i].want),
		    "%s", cases[i].text);
		cr_expect(eq(i64, n, cases[i].value), "%s", cases[i].text);
	}
}

Test(json, doubles_are_the_nearest)
{
	static const char *const cases[] = { "0", "-0.0", "0.1", "1.10",
		"123456789012345678", "9007199254740993", "1e22", "1e23", "4.35",
		"2.2250738585072014e-308", "5e-324", "1.7976931348623157e308", "1e400",
		"-1e400", "1e-400", "0.000001e6", "100000000000000000000000e-23",
		"3.14159265358979323846264", "179769313486231580793e289",
		"12345678901234567890123456789.5e-10" };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		double d = 7, want = strtod(cases[i], NULL);

		cr_expect(eq(int, json_double(read_text(cases[i]), &d), 0));
		cr_expect(d == want && signbit(d) == signbit(want), "%s: %a", cases[i],
		    d);
	}
}

Test(json, a_thousand_digits_decide_by_the_last)
{
	struct buf b = BUF_INIT;
	double d = 0;

	buf_adds(&b,
	    "1.00000000000000011102230246251565404236316680908203125"); /* a tie */
	for (int i = 0; i < 1000; i++)
		buf_adds(&b, "0");
	cr_expect(eq(int, json_double(read_n(b.data, b.len), &d), 0));
	cr_expect(eq(dbl, d, 1.0));
	buf_adds(&b, "1");
	cr_expect(eq(int, json_double(read_n(b.data, b.len), &d), 0));
	cr_expect(eq(dbl, d, 1.0 + 0x1p-52));
	buf_release(&b);
}

Test(json, equality)
{
	static const struct {
		const char *a, *b;
		bool want;
	} cases[] = { { "1", "1.0", true }, { "1", "1e0", true },
		{ "100", "1e2", true }, { "0.001", "1e-3", true }, { "-0", "0", true },
		{ "1", "-1", false }, { "9007199254740993", "9007199254740992", false },
		{ "12345678901234567890", "12345678901234567890.0", true },
		{ "1e400", "2e400", false }, { "1", "\"1\"", false },
		{ "true", "1", false }, { "\"a\"", "\"\\u0061\"", true },
		{ "[1,2]", "[1,2]", true }, { "[1,2]", "[2,1]", false },
		{ "[1]", "[1,1]", false },
		{ "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1.0}", true },
		{ "{\"a\":1}", "{\"a\":1,\"b\":2}", false },
		{ "{\"a\":1,\"b\":2}", "{\"a\":1}", false },
		{ "{\"a\":0,\"a\":1}", "{\"a\":1}", true },
		{ "{\"a\":null}", "{\"b\":null}", false }, { "null", "false", false } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_expect(eq(int,
			      json_equal(read_text(cases[i].a), read_text(cases[i].b)),
			      cases[i].want),
		    "%s and %s", cases[i].a, cases[i].b);
}

Test(json, large_objects_are_equal_in_any_order)
{
	struct buf a = BUF_INIT, b = BUF_INIT;

	for (int i = 0; i < 1000; i++) {
		buf_addf(&a, "%s\"k%d\":%d", i > 0 ? "," : "{", i, i);
		buf_addf(&b, "%s\"k%d\":%d", i > 0 ? "," : "{", 999 - i, 999 - i);
	}
	buf_adds(&a, "}");
	buf_adds(&b, ",\"k5\":5}");
	cr_expect(json_equal(read_n(a.data, a.len), read_n(b.data, b.len)));
	b.data[b.len - 2] = '6';
	cr_expect(not(json_equal(read_n(a.data, a.len), read_n(b.data, b.len))));
	buf_release(&a);
	buf_release(&b);
}

Test(json, numbers_compare_by_value)
{
	static const char *const rising[] = { "-1e400", "-12", "-11.5", "-0.1", "0",
		"1e-400", "0.09", "0.1", "0.11", "1", "2", "9.99", "10",
		"9007199254740992", "9007199254740993", "1e17", "1e400" };

	for (size_t i = 0; i < ARRAY_LEN(rising); i++) {
		for (size_t k = 0; k < ARRAY_LEN(rising); k++) {
			int c = json_number_compare(read_text(rising[i]),
			    read_text(rising[k]));

			cr_expect(eq(int, (c > 0) - (c < 0), (i > k) - (i < k)),
			    "%s, %s", rising[i], rising[k]);
		}
	}
}

Test(json, c_strings_refuse_a_nul)
{
	cr_expect(
	    eq(str, TEXT(json_cstr(arena, read_text("\"a\\u0062\""))), TEXT("ab")));
	cr_expect(json_cstr(arena, read_text("\"a\\u0000\"")) == NULL);
	cr_expect(json_cstr(arena, read_text("1")) == NULL);
}

Test(json, builders_make_trees)
{
	struct json_builder *o = json_object_begin(arena);
	struct json_builder *a = json_array_begin(arena);
	CLEANUP(freep) char *out = NULL;

	for (int i = 0; i < 20; i++)
		json_array_add(a, json_new_int(arena, i * 1000000007LL));
	json_object_add(o, "list", json_end(a));
	json_object_add(o, "text", json_new_string(arena, "a\0\"b", 4));
	json_object_add(o, "yes", json_new_bool(arena, true));
	json_object_add(o, "nothing", json_new_null(arena));
	json_object_add(o, "number", json_new_number(arena, "1.50", 4));
	out = compact(json_get(json_end(o), "text"));
	cr_expect(eq(str, out, TEXT("\"a\\u0000\\\"b\"")));
	cr_expect(eq(u32, json_get(json_end(o), "list")->len, 20));
	cr_expect(json_new_number(arena, "1.", 2) == NULL);
	cr_expect(json_new_number(arena, "1 ", 2) == NULL);
}

Test(json, doubles_are_written_shortest)
{
	static const struct {
		double d;
		const char *want;
	} cases[] = { { 0.1, "0.1" }, { 5, "5" }, { -0.0, "-0" },
		{ 1e15, "1000000000000000" }, { 1e16, "1e+16" },
		{ 1.0 / 3, "0.3333333333333333" }, { 1e300, "1e+300" },
		{ 0.1 + 0.2, "0.30000000000000004" }, { INFINITY, "null" },
		{ NAN, "null" }, { 9007199254740991.0, "9007199254740991" },
		{ -2.5, "-2.5" } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(freep) char *out = compact(json_new_double(arena, cases[i].d));

		cr_expect(eq(str, out, TEXT(cases[i].want)));
	}
}

Test(json, a_failed_part_fails_the_whole)
{
	struct json_builder *o = json_object_begin(arena);

	json_object_add(o, "a", NULL);
	json_object_add(o, "b", json_new_null(arena));
	cr_expect(json_end(o) == NULL);
	json_array_add(NULL, NULL);
	cr_expect(json_end(NULL) == NULL);
}

Test(json, an_arena_cap_is_enomem)
{
	struct arena *small = arena_new(4096);
	struct buf b = BUF_INIT;
	const struct json *v = NULL;

	for (int i = 0; i < 1000; i++)
		buf_adds(&b, i > 0 ? ",1" : "[1");
	buf_adds(&b, "]");
	cr_expect(eq(int, json_read(small, b.data, b.len, 0, &v, NULL), -ENOMEM));
	cr_expect(arena_failed(small));
	cr_expect(v == NULL);
	arena_clear(small);
	cr_expect(not(arena_failed(small)));
	cr_expect(eq(int, json_read(small, "[1,{\"a\":2}]", 11, 0, &v, NULL), 0));
	arena_free(small);
	buf_release(&b);
}

Test(json, pretty_form)
{
	struct buf b = BUF_INIT;

	json_write(&b, read_text("{\"a\":[1,{}],\"b\":[]}"), JSON_PRETTY);
	cr_expect(eq(str, b.data,
	    TEXT("{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}")));
	buf_release(&b);
}

Test(json, canonical_form_sorts_names_at_every_level)
{
	struct buf b = BUF_INIT;

	json_write_canonical(&b,
	    read_text(
		"{\"b\":[{\"z\":1.0,\"a\":2}],\"\xc3\xa9\":1,\"ab\":1,\"a\":1,\"B\":1,\"a\":3}"));
	cr_expect(eq(str, b.data,
	    TEXT("{\"B\":1,\"a\":3,\"ab\":1,\"b\":[{\"a\":2,\"z\":1.0}],"
		 "\"\xc3\xa9\":1}")));
	buf_release(&b);
}

Test(json, written_strings_are_always_utf8)
{
	struct buf b = BUF_INIT;

	json_write_string(&b, "a\xff\xe2\x82\x01\x7f", 6);
	cr_expect(eq(str, b.data,
	    TEXT("\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\u0001\x7f\"")));
	cr_expect(eq(int, json_is_utf8("a\xff", 2), 0));
	cr_expect(eq(int, json_is_utf8("\xe2\x82\xac", 3), 1));
	buf_release(&b);
}

Test(json, a_bounded_buffer_tells)
{
	struct buf b = { .max_len = 4 };

	json_write(&b, read_text("[1,2,3,4]"), JSON_COMPACT);
	cr_expect(eq(int, buf_status(&b), -EFBIG));
	buf_release(&b);
}

Test(json, the_streaming_writer_knows_its_commas)
{
	struct buf b = BUF_INIT;
	struct json_writer w;

	jw_init(&w, &b);
	jw_object_begin(&w);
	jw_key(&w, "a");
	jw_array_begin(&w);
	jw_int(&w, -1);
	jw_uint(&w, UINT64_MAX);
	jw_array_begin(&w);
	jw_array_end(&w);
	jw_object_begin(&w);
	jw_object_end(&w);
	jw_double(&w, 0.5);
	jw_double(&w, NAN);
	jw_array_end(&w);
	jw_key(&w, "b\n");
	jw_cstr(&w, NULL);
	jw_key(&w, "c");
	jw_bool(&w, true);
	jw_key(&w, "d");
	jw_value(&w, read_text("{\"x\":[1.0]}"));
	jw_key(&w, "e");
	jw_raw(&w, "[]", 2);
	jw_key(&w, "f");
	jw_cstr(&w, "t");
	jw_object_end(&w);
	cr_expect(eq(str, b.data,
	    TEXT("{\"a\":[-1,18446744073709551615,[],{},0.5,null],"
		 "\"b\\n\":null,\"c\":true,\"d\":{\"x\":[1.0]},\"e\":[],"
		 "\"f\":\"t\"}")));
	buf_release(&b);
}

Test(json, every_type_has_a_name)
{
	for (int i = 0; i < JSON_TYPE_COUNT; i++)
		cr_expect(strcmp(json_type_name((enum json_type)i), "unknown") != 0);
}
