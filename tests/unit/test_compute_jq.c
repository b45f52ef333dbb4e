/* SPDX-License-Identifier: MIT */
/*
 * test_compute_jq.c - jq_transform: values in and out, several outputs, errors.
 */
#include "config.h"

#include "tests/unit/compute_support.h"

#include <criterion/criterion.h>
#include <string.h>

#define JQ(query) "{\"step\":\"jq_transform\",\"query\":\"" query "\"}"

/* clang-format off */
static const struct compute_case cases[] = {
	{ JQ(".items[] | select(.price < 100)"), "{\"items\":[{\"price\":50},{\"price\":150},{\"price\":75}]}", "[{\"price\":50},{\"price\":75}]", "2 outputs, as a list", NULL, NULL },
	{ JQ("."), "{\"b\":[1,2.5,\"\xc3\xa9\\u0000\",true,false,null,{}],\"a\":-0.1}", "{\"b\":[1,2.5,\"\xc3\xa9\\u0000\",true,false,null,{}],\"a\":-0.1}", "\"notes\":[]", NULL, NULL },
	{ JQ(".[0]"), "[7]", "7", NULL, NULL, NULL },
	{ JQ("empty"), "[7]", "[]", "0 outputs", NULL, NULL },
	{ JQ(".[]"), "[7]", "7", NULL, NULL, NULL },
	{ JQ("map(.a) | add"), "[{\"a\":1},{\"a\":2}]", "3", NULL, NULL, NULL },
	{ JQ("."), "[12345678901234567890,9007199254740992,9007199254740993,1e17]", "[1.2345678901234567e+19,9007199254740992,9007199254740992,1e+17]", "2 integers in the input are beyond 2^53", NULL, NULL },
	{ JQ("[infinite,-infinite,nan]"), "null", "[1.7976931348623157e+308,-1.7976931348623157e+308,null]", NULL, NULL, NULL },
	{ JQ(".a.b"), "{\"a\":5}", NULL, "invalid_step: jq stopped: Cannot index number with", NULL, NULL },
	{ JQ(".a["), "{}", NULL, "invalid_step: jq does not compile: syntax error", NULL, NULL },
	{ JQ("nosuch(1)"), "{}", NULL, "nosuch/1 is not defined", NULL, NULL },
	{ JQ("error(\\\"mine\\\")"), "{}", NULL, "jq stopped: mine", NULL, NULL },
	{ JQ("error({\\\"a\\\":1})"), "{}", NULL, "{\"a\":1}", NULL, NULL },
	{ JQ("1, 2, halt, 3"), "{}", "[1,2]", NULL, NULL, NULL },
	{ JQ("\\\"bad\\\" | halt_error"), "{}", NULL, "jq halted: bad", NULL, NULL },
	{ JQ("input"), "{}", NULL, "No more inputs", NULL, NULL },
	{ JQ("[inputs]"), "{}", "[]", NULL, NULL, NULL },
	{ JQ("debug"), "1", "1", NULL, NULL, NULL },
	{ JQ("import \\\"a\\\" as a; ."), "1", NULL, "does not compile", NULL, NULL },
	{ JQ("reduce range(300) as $i (null; [.])"), "null", NULL, "step_limit: the result is nested deeper than 256", NULL, NULL },
	{ JQ("test(\\\"^a+$\\\")"), "\"aaa\"", "true", NULL, NULL, NULL },
	{ JQ("to_entries"), "{\"z\":1,\"a\":2}", "[{\"key\":\"z\",\"value\":1},{\"key\":\"a\",\"value\":2}]", NULL, NULL, NULL },
	{ "{\"step\":\"jq_transform\"}", "1", NULL, "the parameter 'query' is missing", NULL, NULL },
};
/* clang-format on */

Test(compute_jq, queries)
{
	compute_check(cases, ARRAY_LEN(cases));
}

Test(compute_jq, a_program_needs_a_child_of_its_own)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	const char *text = "[{\"step\":\"jq_transform\",\"query\":\".\"}]";
	const struct json *v = NULL;
	struct step_list steps;
	struct run r;

	cr_assert(json_read(a, text, strlen(text), 0, &v, NULL) == 0);
	cr_assert(steps_parse(a, v, &steps) == 0);
	cr_expect(steps.v[0].carries_program);
	cr_assert(run_init(&r, a) == 0);
	r.data = v;
	cr_expect(run_steps(&r, &steps) < 0);
	cr_expect(r.failure.type == FAILURE_EXECUTION);
}
