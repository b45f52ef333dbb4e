/* SPDX-License-Identifier: MIT */
/*
 * test_compute_group.c - groupby and join.
 */
#include "config.h"

#include "tests/unit/compute_support.h"

#include <criterion/criterion.h>
#include <string.h>

#define GROUP(rest) "{\"step\":\"groupby\"," rest "}"
#define JOIN(rest) "{\"step\":\"join\",\"right\":\"ref://right\"," rest "}"

/* clang-format off */
static const struct compute_case group_cases[] = {
	{ GROUP("\"by\":[\"c\"],\"agg\":\"sum\",\"field\":\"r\""), "[{\"c\":\"B\",\"r\":1},{\"c\":\"A\",\"r\":2},{\"c\":\"B\",\"r\":3}]",
	  "[{\"c\":\"B\",\"sum_r\":4},{\"c\":\"A\",\"sum_r\":2}]", "\"rows_in\":3,\"rows_out\":2", NULL, NULL },
	{ GROUP("\"by\":\"c\",\"agg\":\"count\""), "[{\"c\":1},{\"c\":1.0},{\"c\":\"1\"},{\"c\":true},{},{\"c\":null},{\"c\":1e0}]",
	  "[{\"c\":1,\"count\":3},{\"c\":\"1\",\"count\":1},{\"c\":true,\"count\":1},{\"c\":null,\"count\":2}]", NULL, NULL, NULL },
	{ GROUP("\"by\":[\"c\"],\"agg\":\"count\",\"field\":\"x\",\"as\":\"n\""), "[{\"c\":1,\"x\":1},{\"c\":1,\"x\":null},{\"c\":1},{\"c\":1,\"x\":\"t\"}]", "[{\"c\":1,\"n\":2}]", NULL, NULL, NULL },
	{ GROUP("\"by\":[\"c\"],\"agg\":[{\"agg\":\"avg\",\"field\":\"x\",\"as\":\"mean\"},{\"agg\":\"min\",\"field\":\"x\"},{\"agg\":\"max\",\"field\":\"x\"},{\"agg\":\"count\"}]"),
	  "[{\"c\":1,\"x\":1},{\"c\":1,\"x\":2},{\"c\":1,\"x\":6},{\"c\":2}]",
	  "[{\"c\":1,\"mean\":3,\"min_x\":1,\"max_x\":6,\"count\":3},{\"c\":2,\"mean\":null,\"min_x\":null,\"max_x\":null,\"count\":1}]", NULL, NULL, NULL },
	/* integers stay integers until they overflow; decimals are summed with care */
	{ GROUP("\"by\":[\"c\"],\"agg\":\"sum\",\"field\":\"x\""), "[{\"c\":1,\"x\":9007199254740993},{\"c\":1,\"x\":9007199254740993}]", "[{\"c\":1,\"sum_x\":18014398509481986}]", NULL, NULL, NULL },
	{ GROUP("\"by\":[\"c\"],\"agg\":\"sum\",\"field\":\"x\""), "[{\"c\":1,\"x\":9223372036854775807},{\"c\":1,\"x\":1}]", "[{\"c\":1,\"sum_x\":9.223372036854776e+18}]", NULL, NULL, NULL },
	{ GROUP("\"by\":[\"c\"],\"agg\":\"sum\",\"field\":\"x\""), "[{\"c\":1,\"x\":0.1},{\"c\":1,\"x\":0.2},{\"c\":1,\"x\":0.3},{\"c\":1,\"x\":4}]", "[{\"c\":1,\"sum_x\":4.6}]", NULL, NULL, NULL },
	{ GROUP("\"by\":[\"c\"],\"agg\":\"sum\",\"field\":\"x\""), "[{\"c\":1,\"x\":1e308},{\"c\":1,\"x\":1e308}]", "[{\"c\":1,\"sum_x\":null}]", NULL, NULL, NULL },
	{ GROUP("\"by\":[\"c\"],\"agg\":\"sum\",\"field\":\"x\""), "[{\"c\":1,\"x\":\"5\"},{\"c\":1,\"x\":5},{\"c\":1,\"x\":true}]", "[{\"c\":1,\"sum_x\":5}]", "2 values are not numbers and were skipped", NULL, NULL },
	{ GROUP("\"by\":[\"c\"],\"agg\":\"sum\",\"field\":\"x\""), "[{\"c\":1,\"x\":\"5\"}]", "[{\"c\":1,\"sum_x\":null}]", "1 value is not numbers", NULL, NULL },
	{ GROUP("\"by\":[\"c\"],\"agg\":\"min\",\"field\":\"x\""), "[{\"c\":1,\"x\":\"b\"},{\"c\":1,\"x\":\"a\"},{\"c\":1,\"x\":7}]", "[{\"c\":1,\"min_x\":7}]", NULL, NULL, NULL },
	{ GROUP("\"by\":[\"c\"],\"agg\":\"avg\",\"field\":\"x\""), "[{\"c\":1,\"x\":1},{\"c\":1,\"x\":2}]", "[{\"c\":1,\"avg_x\":1.5}]", NULL, NULL, NULL },
	{ GROUP("\"by\":[\"a.b\",\"c\"],\"agg\":\"count\""), "[{\"a\":{\"b\":1},\"c\":[1]},{\"a.b\":1,\"c\":[1.0]},{\"a\":{\"b\":2},\"c\":{\"x\":1,\"y\":2}},{\"a\":{\"b\":2},\"c\":{\"y\":2,\"x\":1}}]",
	  "[{\"a.b\":1,\"c\":[1],\"count\":2},{\"a.b\":2,\"c\":{\"x\":1,\"y\":2},\"count\":2}]", NULL, NULL, NULL },
	{ GROUP("\"by\":[\"c\"],\"agg\":\"count\""), "[]", "[]", NULL, NULL, NULL },
	{ GROUP("\"by\":[\"c\"],\"agg\":\"median\",\"field\":\"x\""), "[]", NULL, "none of count, sum, avg, min, max", NULL, NULL },
	{ GROUP("\"by\":[\"c\"],\"agg\":\"sum\""), "[]", NULL, "sum needs the parameter 'field'", NULL, NULL },
	{ GROUP("\"agg\":\"count\""), "[]", NULL, "the parameter 'by' is missing", NULL, NULL },
	{ GROUP("\"by\":[\"c\"]"), "[]", NULL, "the parameter 'agg' is missing", NULL, NULL },
	{ GROUP("\"by\":[\"c\"],\"agg\":\"count\",\"as\":\"c\""), "[]", NULL, "the column 'c' is given twice", NULL, NULL },
};

static const struct compute_case join_cases[] = {
	{ JOIN("\"on\":\"id\""), "[{\"id\":1,\"a\":\"x\"},{\"id\":2,\"a\":\"y\"},{\"id\":3,\"a\":\"z\"}]", "[{\"id\":1,\"a\":\"x\",\"b\":10},{\"id\":3,\"a\":\"z\",\"b\":30},{\"id\":3,\"a\":\"z\",\"b\":31}]",
	  "2 of 3 left rows found a match among 4 right rows", NULL, "[{\"id\":3,\"b\":30},{\"id\":1.0,\"b\":10},{\"id\":3,\"b\":31},{\"id\":9,\"b\":0}]" },
	{ JOIN("\"on\":[\"id\"],\"how\":\"left\""), "[{\"id\":1},{\"id\":2}]", "[{\"id\":1,\"b\":10},{\"id\":2,\"b\":null,\"c\":null}]", NULL, NULL, "[{\"id\":1,\"b\":10},{\"id\":5,\"c\":1}]" },
	/* clashing names; a key of one name stands once */
	{ JOIN("\"on\":\"id\""), "[{\"id\":1,\"name\":\"l\",\"v_right\":0,\"v\":1}]", "[{\"id\":1,\"name\":\"l\",\"v_right\":0,\"v\":1,\"name_right\":\"r\",\"v_right_right\":2}]", NULL, NULL, "[{\"id\":1,\"name\":\"r\",\"v\":2}]" },
	{ JOIN("\"on\":{\"left\":\"a\",\"right\":\"b\"}"), "[{\"a\":1,\"x\":0}]", "[{\"a\":1,\"x\":0,\"b\":1,\"y\":2}]", NULL, NULL, "[{\"b\":1,\"y\":2}]" },
	{ JOIN("\"on\":[{\"left\":\"a.k\",\"right\":\"b\"},\"c\"]"), "[{\"a\":{\"k\":1},\"c\":2},{\"a\":{\"k\":1},\"c\":3}]", "[{\"a\":{\"k\":1},\"c\":3,\"b\":1,\"y\":2}]", NULL, NULL, "[{\"b\":1,\"c\":3,\"y\":2}]" },
	/* null and missing match nothing; text is no number */
	{ JOIN("\"on\":\"id\""), "[{\"id\":null},{},{\"id\":\"1\"}]", "[]", "0 of 3 left rows", NULL, "[{\"id\":null},{},{\"id\":1}]" },
	{ JOIN("\"on\":\"id\",\"how\":\"left\""), "[{\"id\":null,\"a\":1}]", "[{\"id\":null,\"a\":1,\"b\":null}]", NULL, NULL, "[{\"id\":null,\"b\":1}]" },
	{ JOIN("\"on\":\"id\",\"how\":\"left\""), "[{\"id\":1}]", "[{\"id\":1}]", NULL, NULL, "[]" },
	{ JOIN("\"on\":\"id\",\"left\":\"current\""), "[]", "[]", NULL, NULL, "[{\"id\":1}]" },
	{ "{\"step\":\"join\",\"left\":\"ref://right\",\"right\":\"current\",\"on\":\"id\"}", "[{\"id\":1,\"a\":1}]", "[{\"id\":1,\"b\":2,\"a\":1}]", NULL, NULL, "{\"rows\":[{\"id\":1,\"b\":2}]}" },
	{ "{\"step\":\"join\",\"left\":\"current\",\"right\":\"current\",\"on\":\"id\"}", "[{\"id\":1,\"a\":1}]", "[{\"id\":1,\"a\":1,\"a_right\":1}]", NULL, NULL, NULL },
	{ "{\"step\":\"join\",\"right\":\"cas://x\",\"on\":\"id\"}", "[]", NULL, "there is no data for 'cas://x'", NULL, NULL },
	{ JOIN("\"on\":\"id\""), "[]", NULL, "row 0 of the right side is number", NULL, "[1]" },
	{ JOIN("\"on\":\"id\",\"how\":\"outer\""), "[]", NULL, "'how' is neither inner nor left", NULL, "[]" },
	{ JOIN("\"how\":\"left\""), "[]", NULL, "the parameter 'on' is missing", NULL, "[]" },
	{ "{\"step\":\"join\",\"on\":\"id\"}", "[]", NULL, "the parameter 'right' is missing", NULL, NULL },
	{ "{\"step\":\"join\",\"right\":\"flights\",\"on\":\"id\"}", "[]", NULL, "'right' is no reference: flights", NULL, NULL },
};
/* clang-format on */

Test(compute_group, groupby)
{
	compute_check(group_cases, ARRAY_LEN(group_cases));
}

Test(compute_group, join)
{
	compute_check(join_cases, ARRAY_LEN(join_cases));
}

Test(compute_group, every_aggregate_has_a_name)
{
	for (int i = 0; i < AGG_KIND_COUNT; i++)
		cr_expect(agg_name((enum agg_kind)i) != NULL);
}

Test(compute_group, a_hundred_thousand_groups)
{
	struct buf in = BUF_INIT;
	struct compute_case c = { .steps =
				      "[{\"step\":\"groupby\",\"by\":[\"k\"],\"agg\":"
				      "\"sum\",\"field\":\"v\"},{\"step\":\"groupby\","
				      "\"by\":[\"sum_v\"],\"agg\":\"count\"}]" };
	CLEANUP(freep) char *told = NULL, *got = NULL;

	for (int i = 0; i < 200000; i++)
		buf_addf(&in, "%s{\"k\":\"key%d\",\"v\":%d}", i > 0 ? "," : "[",
		    i % 100000, i / 100000);
	buf_adds(&in, "]");
	c.input = in.data;
	got = compute_run_case(&c, &told);
	cr_expect(got != NULL && strcmp(got, "[{\"sum_v\":1,\"count\":100000}]") == 0,
	    "%s", got != NULL ? got : told);
	buf_release(&in);
}
