/* SPDX-License-Identifier: MIT */
/*
 * test_compute_text.c - regex_extract, parse_date, and the formats of the input.
 */
#include "config.h"

#include "tests/unit/compute_support.h"

#include "compute/iso_date.h"

#include <criterion/criterion.h>
#include <string.h>

#define REGEX(pattern, rest) \
 "{\"step\":\"regex_extract\",\"field\":\"t\",\"pattern\":\"" pattern "\"" rest "}"
#define DATE(rest) "{\"step\":\"parse_date\",\"field\":\"d\"" rest "}"

/* clang-format off */
static const struct compute_case regex_cases[] = {
	{ "{\"step\":\"regex_extract\",\"pattern\":\"(\\\\d{3})-(\\\\d{3})-(\\\\d{4})\",\"field\":\"phone\"}", "[{\"phone\":\"call 555-123-4567\"},{\"phone\":\"none\"}]",
	  "[{\"phone\":\"call 555-123-4567\",\"phone_1\":\"555\",\"phone_2\":\"123\",\"phone_3\":\"4567\"},{\"phone\":\"none\",\"phone_1\":null,\"phone_2\":null,\"phone_3\":null}]", "1 rows did not match", NULL, NULL },
	{ REGEX("(?<year>\\\\d{4})-(?<month>\\\\d\\\\d)", ""), "[{\"t\":\"2024-05\"}]", "[{\"t\":\"2024-05\",\"year\":\"2024\",\"month\":\"05\"}]", NULL, NULL, NULL },
	{ REGEX("(\\\\d+)", ",\"as\":\"n\""), "[{\"t\":\"a12b\"},{\"t\":null},{},{\"t\":345},{\"t\":[1]}]", "[{\"t\":\"a12b\",\"n\":\"12\"},{\"t\":null,\"n\":null},{\"n\":null},{\"t\":345,\"n\":\"345\"},{\"t\":[1],\"n\":null}]", "1 rows hold neither text nor a number", NULL, NULL },
	{ REGEX("(a)|(b)", ",\"as\":[\"x\",\"y\"]"), "[{\"t\":\"b\",\"x\":0}]", "[{\"t\":\"b\",\"x\":null,\"y\":\"b\"}]", NULL, NULL, NULL },
	{ REGEX("\\\\w+", ""), "[{\"t\":\"hello world\"}]", "[{\"t\":\"hello world\",\"t_match\":\"hello\"}]", NULL, NULL, NULL },
	{ REGEX("\\\\w+$", ",\"as\":\"t\""), "[{\"t\":\"hello w\xc3\xb6rld\",\"z\":1}]", "[{\"t\":\"w\xc3\xb6rld\",\"z\":1}]", NULL, NULL, NULL },
	{ REGEX("x*", ""), "[{\"t\":\"\"}]", "[{\"t\":\"\",\"t_match\":\"\"}]", NULL, NULL, NULL },
	{ REGEX("(a)(b)", ",\"as\":\"x\""), "[]", NULL, "'as' names 1 columns but the pattern has 2 groups", NULL, NULL },
	{ REGEX("(unclosed", ""), "[]", NULL, "invalid_step: the pattern is wrong at byte 9", NULL, NULL },
	{ REGEX("\\\\C", ""), "[{\"t\":\"a\"}]", NULL, "invalid_step: the pattern is wrong", NULL, NULL },
	{ REGEX("^(a+)+$", ""), "[{\"t\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}]", NULL, "step_limit: the pattern gave up", NULL, NULL },
	{ REGEX("(*LIMIT_MATCH=4000000000)^(a+)+$", ""), "[{\"t\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}]", NULL, "step_limit", NULL, NULL },
	{ "{\"step\":\"regex_extract\",\"field\":\"t\"}", "[]", NULL, "the parameter 'pattern' is missing", NULL, NULL },
	{ "{\"step\":\"regex_extract\",\"pattern\":\"a\"}", "[]", NULL, "the parameter 'field' is missing", NULL, NULL },
};

static const struct compute_case date_cases[] = {
	{ "{\"step\":\"parse_date\",\"field\":\"created_at\",\"format\":\"%Y-%m-%d\"}", "[{\"created_at\":\"2024-02-29\",\"x\":1}]", "[{\"created_at\":\"2024-02-29T00:00:00Z\",\"x\":1}]", NULL, NULL, NULL },
	{ DATE(",\"format\":\"%d/%m/%Y %H:%M\""), "[{\"d\":\"31/12/1999 23:59\"},{\"d\":\"31/12/1999\"},{\"d\":\"30/02/2000 00:00\"},{\"d\":\"31/12/1999 23:59 x\"},{\"d\":null},{}]",
	  "[{\"d\":\"1999-12-31T23:59:00Z\"},{\"d\":null},{\"d\":null},{\"d\":null},{\"d\":null},{\"d\":null}]", "3 values of 'd' could not be read as %d/%m/%Y %H:%M and are null now, the first: '31/12/1999'", NULL, NULL },
	{ DATE(",\"format\":\"%d %b %Y %H:%M:%S %z\""), "[{\"d\":\"02 Jan 2006 15:04:05 -0700\"}]", "[{\"d\":\"2006-01-02T22:04:05Z\"}]", NULL, NULL, NULL },
	{ DATE(",\"format\":\"%s\""), "[{\"d\":0},{\"d\":\"1700000000\"}]", "[{\"d\":\"1970-01-01T00:00:00Z\"},{\"d\":\"2023-11-14T22:13:20Z\"}]", NULL, NULL, NULL },
	{ DATE(",\"as\":\"when\""), "[{\"d\":\"2024-01-31T10:20:30.250+02:00\"},{\"d\":\"yesterday\"},{\"d\":true}]", "[{\"d\":\"2024-01-31T10:20:30.250+02:00\",\"when\":\"2024-01-31T08:20:30.25Z\"},{\"d\":\"yesterday\",\"when\":null},{\"d\":true,\"when\":null}]", "2 values", NULL, NULL },
	{ "{\"step\":\"parse_date\",\"field\":\"a.b\",\"as\":\"t\"}", "[{\"a\":{\"b\":\"20240131\"}}]", "[{\"a\":{\"b\":\"20240131\"},\"t\":\"2024-01-31T00:00:00Z\"}]", NULL, NULL, NULL },
	{ "{\"step\":\"parse_date\"}", "[]", NULL, "the parameter 'field' is missing", NULL, NULL },
	{ "{\"step\":\"parse_date\",\"field\":\"d\",\"format\":5}", "[]", NULL, "'format' is number, not a text", NULL, NULL },
};

static const struct compute_case format_cases[] = {
	{ "[]", "id,name,zip\n1,Ann,007\n2.50,\"B, \"\"x\"\"\",\n", "[{\"id\":1,\"name\":\"Ann\",\"zip\":\"007\"},{\"id\":2.50,\"name\":\"B, \\\"x\\\"\",\"zip\":\"\"}]", NULL, "csv", NULL },
	{ "[]", "\xef\xbb\xbf" "a,a,,b\r\n-1,1e3,true,\"line\nbreak\"\r\n", "[{\"a\":-1,\"a_2\":1e3,\"column_3\":\"true\",\"b\":\"line\\nbreak\"}]", NULL, "csv", NULL },
	{ "{\"step\":\"top_k\",\"k\":9}", "a,b\n1\n2,3,\n", "[{\"a\":1,\"b\":null},{\"a\":2,\"b\":3}]", "1 CSV records are shorter than the header", "csv", NULL },
	{ "{\"step\":\"top_k\",\"k\":9}", "a;b\n1;2\n", "[{\"a\":1,\"b\":2}]", "separated by semicolons", "csv", NULL },
	{ "{\"step\":\"top_k\",\"k\":9}", "a\tb\n1\t2", "[{\"a\":1,\"b\":2}]", "separated by tabs", "csv", NULL },
	{ "[]", "a,b\n1,2,3\n", NULL, "CSV record 2 has more than the header's 2 fields", "csv", NULL },
	{ "[]", "a,b\n1,\"2\n", NULL, "invalid_step: CSV record 2", "csv", NULL },
	{ "[]", "a,b\n1,2\"3\n", NULL, "invalid_step: CSV record 2", "csv", NULL },
	{ "[]", "a\n\xe9\n", NULL, "CSV record 2 is not UTF-8", "csv", NULL },
	{ "[]", "", "[]", NULL, "csv", NULL },
	{ "[]", "a,b\n", "[]", NULL, "csv", NULL },
	{ "[]", "{\"a\":1}\r\n\n  {\"a\":2} \n[3]", "[{\"a\":1},{\"a\":2},[3]]", NULL, "ndjson", NULL },
	{ "[]", "{\"a\":1}\n{\"a\":\n", NULL, "not NDJSON: line 2:", "ndjson", NULL },
	{ "[]", "", "[]", NULL, "ndjson", NULL },
	{ "[]", " {\"a\":1} ", "{\"a\":1}", NULL, "auto", NULL },
	{ "[]", "hello \xe2\x82\xac\n", "\"hello \xe2\x82\xac\\n\"", NULL, "auto", NULL },
	{ "{\"step\":\"jq_transform\",\"query\":\"length\"}", "<html>", "6", "taken as text", "auto", NULL },
	{ "[]", "\x89PNG\r\n\xff", NULL, "binary", "auto", NULL },
	{ "[]", "hello", NULL, "the input is not JSON: a value is missing or malformed at byte 0", "json", NULL },
	{ "[]", "", NULL, "invalid_step: the input is not JSON", "json", NULL },
	{ "[]", "\xef\xbb\xbf[1]", "[1]", NULL, "json", NULL },
};
/* clang-format on */

Test(compute_text, regex_extract)
{
	compute_check(regex_cases, ARRAY_LEN(regex_cases));
}

Test(compute_text, parse_date)
{
	compute_check(date_cases, ARRAY_LEN(date_cases));
}

Test(compute_text, formats)
{
	compute_check(format_cases, ARRAY_LEN(format_cases));
}

Test(compute_text, iso_dates)
{
	static const struct {
		const char *text, *want; /* NULL: no date */
	} cases[] = { { "2024-01-31", "2024-01-31T00:00:00Z" },
		{ "2024-01", "2024-01-01T00:00:00Z" },
		{ "20240131", "2024-01-31T00:00:00Z" },
		{ "2024-01-31T10", "2024-01-31T10:00:00Z" },
		{ "2024-01-31 10:20", "2024-01-31T10:20:00Z" },
		{ "2024-01-31t10:20:30z", "2024-01-31T10:20:30Z" },
		{ "20240131T102030Z", "2024-01-31T10:20:30Z" },
		{ "20240131T102030+0530", "2024-01-31T04:50:30Z" },
		{ "2024-01-31T10:20:30-08", "2024-01-31T18:20:30Z" },
		{ "2024-01-31 10:20:30 +02:00", "2024-01-31T08:20:30Z" },
		{ "2024-01-31T10:20:30.123456789Z", "2024-01-31T10:20:30.123456789Z" },
		{ "2024-01-31T10:20:30.100Z", "2024-01-31T10:20:30.1Z" },
		{ "2024-01-31T10:20:30,5Z", "2024-01-31T10:20:30.5Z" },
		{ "2024-01-31T10:20:30.0000000001Z", "2024-01-31T10:20:30Z" },
		{ "1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z" },
		{ "0001-01-01", "0001-01-01T00:00:00Z" },
		{ "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z" },
		{ "2024-01-31T24:00:00", "2024-02-01T00:00:00Z" },
		{ "2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z" },
		{ "2024-02-30", NULL }, { "2023-02-29", NULL }, { "2024-13-01", NULL },
		{ "2024-00-01", NULL }, { "2024-01-00", NULL }, { "2024-1-1", NULL },
		{ "24-01-01", NULL }, { "2024-01-31T25:00", NULL },
		{ "2024-01-31T24:00:01", NULL }, { "2024-01-31T10:60", NULL },
		{ "2024-01-31T", NULL }, { "2024-01-31x", NULL },
		{ "2024-01-31T10:20:30.Z", NULL }, { "2024-01-31T10:20:30+", NULL },
		{ "2024-01-31T10:20:30+2", NULL }, { "2024-01-31T10:20:30Zx", NULL },
		{ "", NULL }, { "now", NULL }, { "9999-12-31T23:59:59-01:00", NULL } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[ISO_DATE_MAX] = "";
		struct instant t;
		bool is_date =
		    iso_date_read(cases[i].text, strlen(cases[i].text), &t) &&
		    iso_date_write(&t, text) > 0;

		cr_expect(is_date == (cases[i].want != NULL), "'%s' gave '%s'",
		    cases[i].text, text);
		if (is_date && cases[i].want != NULL)
			cr_expect(strcmp(text, cases[i].want) == 0, "'%s' gave '%s'",
			    cases[i].text, text);
	}
}
