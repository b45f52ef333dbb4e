/* SPDX-License-Identifier: MIT */
/*
 * test_compute_table.c - table_sort, table_select, top_k, and what counts as a table.
 */
#include "config.h"

#include "tests/unit/compute_support.h"

#include <criterion/criterion.h>
#include <string.h>

#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789"
#define F                                                            \
 "[{\"id\":1,\"name\":\"Alice\",\"price\":100,\"category\":\"A\"},"  \
 "{\"id\":2,\"name\":\"Bob\",\"price\":50,\"category\":\"B\"},"      \
 "{\"id\":3,\"name\":\"Charlie\",\"price\":150,\"category\":\"A\"}," \
 "{\"id\":4,\"name\":\"David\",\"price\":75,\"category\":\"B\"},"    \
 "{\"id\":5,\"name\":\"Eve\",\"price\":200,\"category\":\"A\"}]"

/* clang-format off */
static const struct compute_case sort_cases[] = {
	{ "[{\"step\":\"table_sort\",\"field\":\"price\"},{\"step\":\"table_select\",\"fields\":[\"price\"]}]", F,
	  "[{\"price\":50},{\"price\":75},{\"price\":100},{\"price\":150},{\"price\":200}]", "\"rows_in\":5,\"rows_out\":5", NULL, NULL },
	{ "[{\"step\":\"table_sort\",\"field\":\"price\",\"order\":\"desc\"},{\"step\":\"top_k\",\"k\":1},{\"step\":\"table_select\",\"fields\":[\"price\"]}]", F,
	  "[{\"price\":200}]", NULL, NULL, NULL },
	{ "[{\"step\":\"table_sort\",\"field\":\"name\"},{\"step\":\"table_select\",\"fields\":[\"name\"]}]", F,
	  "[{\"name\":\"Alice\"},{\"name\":\"Bob\"},{\"name\":\"Charlie\"},{\"name\":\"David\"},{\"name\":\"Eve\"}]", NULL, NULL, NULL },
	/* stable, both ways */
	{ "{\"step\":\"table_sort\",\"field\":\"a\"}", "[{\"a\":1,\"i\":0},{\"a\":0,\"i\":1},{\"a\":1,\"i\":2},{\"a\":0,\"i\":3}]",
	  "[{\"a\":0,\"i\":1},{\"a\":0,\"i\":3},{\"a\":1,\"i\":0},{\"a\":1,\"i\":2}]", NULL, NULL, NULL },
	{ "{\"step\":\"table_sort\",\"field\":\"a\",\"order\":\"desc\"}", "[{\"a\":1,\"i\":0},{\"a\":0,\"i\":1},{\"a\":1,\"i\":2},{\"a\":0,\"i\":3}]",
	  "[{\"a\":1,\"i\":0},{\"a\":1,\"i\":2},{\"a\":0,\"i\":1},{\"a\":0,\"i\":3}]", NULL, NULL, NULL },
	/* numbers, text, booleans; missing and null last in input order */
	{ "{\"step\":\"table_sort\",\"field\":\"a\"}", "[{\"a\":true},{\"b\":1},{\"a\":\"x\"},{\"a\":null},{\"a\":2},{\"a\":false},{\"a\":\"A\"},{\"a\":-1}]",
	  "[{\"a\":-1},{\"a\":2},{\"a\":\"A\"},{\"a\":\"x\"},{\"a\":false},{\"a\":true},{\"b\":1},{\"a\":null}]", NULL, NULL, NULL },
	{ "{\"step\":\"table_sort\",\"field\":\"a\",\"order\":\"desc\"}", "[{\"a\":true},{\"b\":1},{\"a\":\"x\"},{\"a\":null},{\"a\":2},{\"a\":false},{\"a\":\"A\"},{\"a\":-1}]",
	  "[{\"a\":true},{\"a\":false},{\"a\":\"x\"},{\"a\":\"A\"},{\"a\":2},{\"a\":-1},{\"b\":1},{\"a\":null}]", NULL, NULL, NULL },
	/* exact numbers, beyond doubles */
	{ "{\"step\":\"table_sort\",\"field\":\"a\"}", "[{\"a\":9007199254740993},{\"a\":9007199254740992},{\"a\":1e400},{\"a\":-1e400},{\"a\":0.10},{\"a\":0.1},{\"a\":-0}]",
	  "[{\"a\":-1e400},{\"a\":-0},{\"a\":0.10},{\"a\":0.1},{\"a\":9007199254740992},{\"a\":9007199254740993},{\"a\":1e400}]", NULL, NULL, NULL },
	{ "{\"step\":\"table_sort\",\"field\":\"a\",\"order\":\"desc\"}", "[{\"a\":9007199254740992},{\"a\":9007199254740993},{\"a\":\"abcdefgh1\"},{\"a\":\"abcdefgh2\"},{\"a\":\"\"}]",
	  "[{\"a\":\"abcdefgh2\"},{\"a\":\"abcdefgh1\"},{\"a\":\"\"},{\"a\":9007199254740993},{\"a\":9007199254740992}]", NULL, NULL, NULL },
	/* text by code point; a prefix first; long common beginnings */
	{ "{\"step\":\"table_sort\",\"field\":\"a\"}", "[{\"a\":\"\xc3\xa9\"},{\"a\":\"b\"},{\"a\":\"a\"},{\"a\":\"B\"},{\"a\":\"aa\"},{\"a\":\"a\\u0000\"},{\"a\":\"\xf0\x9f\x98\x80\"},{\"a\":\"\xef\xbf\xbd\"},{\"a\":\"12345678b\"},{\"a\":\"12345678a\"}]",
	  "[{\"a\":\"12345678a\"},{\"a\":\"12345678b\"},{\"a\":\"B\"},{\"a\":\"a\"},{\"a\":\"a\\u0000\"},{\"a\":\"aa\"},{\"a\":\"b\"},{\"a\":\"\xc3\xa9\"},{\"a\":\"\xef\xbf\xbd\"},{\"a\":\"\xf0\x9f\x98\x80\"}]", NULL, NULL, NULL },
	/* several fields, each its own way */
	{ "{\"step\":\"table_sort\",\"fields\":[\"c\",{\"field\":\"p\",\"order\":\"desc\"}]}", "[{\"c\":\"B\",\"p\":1},{\"c\":\"A\",\"p\":1},{\"c\":\"A\",\"p\":2},{\"c\":\"A\"},{\"c\":\"B\",\"p\":3}]",
	  "[{\"c\":\"A\",\"p\":2},{\"c\":\"A\",\"p\":1},{\"c\":\"A\"},{\"c\":\"B\",\"p\":3},{\"c\":\"B\",\"p\":1}]", NULL, NULL, NULL },
	{ "{\"step\":\"table_sort\",\"field\":[\"c\",\"p\"],\"order\":\"DESC\"}", "[{\"c\":1,\"p\":1},{\"c\":2,\"p\":1},{\"c\":2,\"p\":2}]",
	  "[{\"c\":2,\"p\":2},{\"c\":2,\"p\":1},{\"c\":1,\"p\":1}]", NULL, NULL, NULL },
	/* dotted paths; a literal key wins */
	{ "{\"step\":\"table_sort\",\"field\":\"a.b\"}", "[{\"a\":{\"b\":3}},{\"a.b\":2,\"a\":{\"b\":9}},{\"a\":{\"b\":1}},{\"a\":5}]",
	  "[{\"a\":{\"b\":1}},{\"a.b\":2,\"a\":{\"b\":9}},{\"a\":{\"b\":3}},{\"a\":5}]", NULL, NULL, NULL },
	{ "{\"step\":\"table_sort\",\"field\":[\"a\",\"i\"]}", "[{\"a\":\"0123456789abcdef\",\"i\":2},{\"a\":\"01234567\\u0000\"},{\"a\":\"0123456789abcdef\",\"i\":1},{\"a\":\"01234567\"},{\"a\":\"0123456789abcde\"},{\"a\":\"0123456789abcdeg\"}]",
	  "[{\"a\":\"01234567\"},{\"a\":\"01234567\\u0000\"},{\"a\":\"0123456789abcde\"},{\"a\":\"0123456789abcdef\",\"i\":1},{\"a\":\"0123456789abcdef\",\"i\":2},{\"a\":\"0123456789abcdeg\"}]", NULL, NULL, NULL },
	{ "{\"step\":\"table_sort\",\"field\":\"a\",\"order\":\"desc\"}", "[{\"a\":\"" LONG "a\"},{\"a\":\"" LONG "\\u0000\"},{\"a\":\"" LONG "c\"},{\"a\":\"" LONG "\"},{\"a\":\"" LONG "c\",\"i\":1}]",
	  "[{\"a\":\"" LONG "c\"},{\"a\":\"" LONG "c\",\"i\":1},{\"a\":\"" LONG "a\"},{\"a\":\"" LONG "\\u0000\"},{\"a\":\"" LONG "\"}]", NULL, NULL, NULL },
	{ "{\"step\":\"table_sort\",\"field\":\"x\"}", "[{\"a\":2},{\"a\":1}]", "[{\"a\":2},{\"a\":1}]", "no row has the field 'x'", NULL, NULL },
	{ "{\"step\":\"table_sort\",\"field\":\"x\"}", "[]", "[]", NULL, NULL, NULL },
	/* what is no table */
	{ "{\"step\":\"table_sort\",\"field\":\"x\"}", "[1,2]", NULL, "invalid_step: row 0 of the input is number", NULL, NULL },
	{ "{\"step\":\"table_sort\",\"field\":\"x\"}", "{\"a\":1}", NULL, "object without a list", NULL, NULL },
	{ "{\"step\":\"table_sort\",\"field\":\"x\"}", "{\"a\":[],\"b\":[]}", NULL, "2 lists (a, b)", NULL, NULL },
	{ "{\"step\":\"table_sort\",\"field\":\"x\"}", "\"text\"", NULL, "not a list but string", NULL, NULL },
	{ "{\"step\":\"table_sort\",\"field\":\"x\"}", "null", NULL, "not a list but null", NULL, NULL },
	{ "{\"step\":\"table_sort\",\"field\":\"x\"}", "{\"status\":\"ok\",\"rows\":[{\"x\":2},{\"x\":1}]}", "[{\"x\":1},{\"x\":2}]", "its only list 'rows' is taken", NULL, NULL },
};

static const struct compute_case top_cases[] = {
	{ "[{\"step\":\"top_k\",\"k\":3},{\"step\":\"table_select\",\"fields\":[\"id\"]}]", F, "[{\"id\":1},{\"id\":2},{\"id\":3}]", NULL, NULL, NULL },
	{ "[{\"step\":\"top_k\",\"k\":10},{\"step\":\"table_select\",\"fields\":[\"id\"]}]", F, "[{\"id\":1},{\"id\":2},{\"id\":3},{\"id\":4},{\"id\":5}]", NULL, NULL, NULL },
	{ "[{\"step\":\"top_k\",\"k\":1},{\"step\":\"table_select\",\"fields\":[\"id\"]}]", F, "[{\"id\":1}]", NULL, NULL, NULL },
	{ "{\"step\":\"top_k\",\"k\":2.0}", "[1,2,3]", "[1,2]", NULL, NULL, NULL },
	{ "{\"step\":\"top_k\",\"k\":2}", "{\"rows\":[1,2,3]}", "[1,2]", "only list", NULL, NULL },
	{ "{\"step\":\"top_k\",\"k\":2,\"field\":\"a\"}", "[{\"a\":3},{\"a\":1},{\"a\":2}]", "[{\"a\":1},{\"a\":2}]", NULL, NULL, NULL },
	{ "{\"step\":\"top_k\",\"k\":3,\"field\":\"a\",\"order\":\"desc\"}", "[{\"a\":3,\"i\":1},{\"b\":0},{\"a\":9},{\"a\":null},{\"a\":3,\"i\":2},{\"a\":4}]", "[{\"a\":9},{\"a\":4},{\"a\":3,\"i\":1}]", NULL, NULL, NULL },
	{ "{\"step\":\"top_k\",\"k\":1}", "null", NULL, "invalid_step", NULL, NULL },
};

static const struct compute_case select_cases[] = {
	{ "[{\"step\":\"table_select\",\"fields\":[\"id\",\"name\"]},{\"step\":\"top_k\",\"k\":2}]", F, "[{\"id\":1,\"name\":\"Alice\"},{\"id\":2,\"name\":\"Bob\"}]", NULL, NULL, NULL },
	{ "[{\"step\":\"table_select\",\"fields\":[\"name\"]},{\"step\":\"top_k\",\"k\":1}]", F, "[{\"name\":\"Alice\"}]", NULL, NULL, NULL },
	{ "{\"step\":\"table_select\",\"fields\":[\"b\",\"a\",\"c\"]}", "[{\"a\":1,\"b\":2},{\"a\":null,\"z\":1}]", "[{\"b\":2,\"a\":1,\"c\":null},{\"b\":null,\"a\":null,\"c\":null}]", NULL, NULL, NULL },
	{ "{\"step\":\"table_select\",\"fields\":[{\"from\":\"a.b\",\"as\":\"x\"},\"a.b\",{\"from\":\"n\",\"as\":null}]}", "[{\"a\":{\"b\":1.50},\"n\":[1]}]", "[{\"x\":1.50,\"a.b\":1.50,\"n\":[1]}]", NULL, NULL, NULL },
	{ "{\"step\":\"table_select\",\"fields\":[\"a\"]}", "[{\"a\":1,\"a\":2}]", "[{\"a\":2}]", NULL, NULL, NULL },
	{ "{\"step\":\"table_select\",\"fields\":[\"a\"]}", "[1]", NULL, "row 0", NULL, NULL },
};

static const struct compute_case chain_cases[] = {
	{ "[{\"step\":\"table_filter\",\"condition\":{\"field\":\"price\",\"op\":\">\",\"value\":50}},{\"step\":\"table_sort\",\"field\":\"price\",\"order\":\"asc\"},{\"step\":\"top_k\",\"k\":2},{\"step\":\"table_select\",\"fields\":[\"name\",\"price\"]}]",
	  F, "[{\"name\":\"David\",\"price\":75},{\"name\":\"Alice\",\"price\":100}]", "\"step\":\"table_filter\",\"index\":0,\"rows_in\":5,\"rows_out\":4", NULL, NULL },
	{ "[{\"step\":\"table_sort\",\"field\":\"price\",\"order\":\"asc\"},{\"step\":\"top_k\",\"k\":2},{\"step\":\"table_select\",\"fields\":[\"name\",\"price\"]}]",
	  "[{\"name\":\"A\",\"price\":150},{\"name\":\"B\",\"price\":50},{\"name\":\"C\",\"price\":100},{\"name\":\"D\",\"price\":200}]",
	  "[{\"name\":\"B\",\"price\":50},{\"name\":\"C\",\"price\":100}]", NULL, NULL, NULL },
	{ "[{\"step\":\"table_sort\",\"field\":\"value\",\"order\":\"desc\"},{\"step\":\"top_k\",\"k\":2}]", "[{\"value\":100},{\"value\":50},{\"value\":75}]", "[{\"value\":100},{\"value\":75}]", NULL, NULL, NULL },
	{ "[]", "{\"b\":[1.0,\"\\u0000\"],\"a\":1e5}", "{\"b\":[1.0,\"\\u0000\"],\"a\":1e5}", "[]", NULL, NULL },
	{ "{\"step\":\"http_request\",\"url\":\"x\"}", "null", NULL, "is not a computation", NULL, NULL },
};
/* clang-format on */

Test(compute_table, sort)
{
	compute_check(sort_cases, ARRAY_LEN(sort_cases));
}

Test(compute_table, top_k)
{
	compute_check(top_cases, ARRAY_LEN(top_cases));
}

Test(compute_table, select)
{
	compute_check(select_cases, ARRAY_LEN(select_cases));
}

Test(compute_table, chains)
{
	compute_check(chain_cases, ARRAY_LEN(chain_cases));
}

static char *
many_rows(unsigned n)
{
	struct buf b = BUF_INIT;
	uint32_t x = 12345;

	buf_addc(&b, '[');
	for (unsigned i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		buf_addf(&b, "%s{\"i\":%u,\"v\":%u}", i > 0 ? "," : "", i, x >> 24);
	}
	buf_addc(&b, ']');
	return buf_take(&b, NULL);
}

static uint32_t
number(const struct json *row, const char *name)
{
	int64_t i = -1;

	cr_assert(json_int64(json_get(row, name), &i) == 0);
	return (uint32_t)i;
}

Test(compute_table, many_rows_are_sorted_stably_and_top_k_agrees)
{
	CLEANUP(freep) char *input = many_rows(10007);
	CLEANUP(freep) char *t1 = NULL, *t2 = NULL;
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct compute_case c = { .input = input };
	CLEANUP(freep) char *whole = NULL, *top = NULL;
	const struct json *v = NULL;

	c.steps = "{\"step\":\"table_sort\",\"field\":\"v\",\"order\":\"desc\"}";
	whole = compute_run_case(&c, &t1);
	cr_assert(json_read(a, whole, strlen(whole), 0, &v, NULL) == 0);
	cr_assert(v->len == 10007);
	for (uint32_t i = 1; i < v->len; i++) {
		uint32_t x = number(&v->items[i - 1], "v"),
			 y = number(&v->items[i], "v");

		cr_assert(x > y ||
		    (x == y &&
			number(&v->items[i - 1], "i") < number(&v->items[i], "i")));
	}
	c.steps = "{\"step\":\"top_k\",\"k\":777,\"field\":\"v\",\"order\":\"desc\"}";
	top = compute_run_case(&c, &t2);
	cr_assert(strlen(top) > 2);
	cr_expect(strncmp(top, whole, strlen(top) - 1) == 0);
}
