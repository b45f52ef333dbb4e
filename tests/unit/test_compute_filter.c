/* SPDX-License-Identifier: MIT */
/*
 * test_compute_filter.c - table_filter: every op, combinations, and unlike values.
 */
#include "config.h"

#include "tests/unit/compute_support.h"

#include <criterion/criterion.h>

#define FILTER(condition) "{\"step\":\"table_filter\",\"condition\":" condition "}"
#define IS(field, op, value) \
 FILTER("{\"field\":\"" field "\",\"op\":\"" op "\",\"value\":" value "}")
#define F                                                                   \
 "[{\"p\":100,\"c\":\"A\"},{\"p\":50,\"c\":\"B\"},{\"p\":150,\"c\":\"A\"}," \
 "{\"p\":75,\"c\":\"B\"},{\"p\":200,\"c\":\"A\"}]"
#define MIXED                                                                \
 "[{\"a\":3},{\"a\":\"3\"},{\"a\":3.0},{\"a\":null},{\"a\":true},{\"b\":3}," \
 "{\"a\":[3]},{\"a\":{}},{\"a\":5}]"

/* clang-format off */
static const struct compute_case cases[] = {
	/* the origin's cases */
	{ IS("p", "<", "100"), F, "[{\"p\":50,\"c\":\"B\"},{\"p\":75,\"c\":\"B\"}]", NULL, NULL, NULL },
	{ IS("p", ">", "100"), F, "[{\"p\":150,\"c\":\"A\"},{\"p\":200,\"c\":\"A\"}]", NULL, NULL, NULL },
	{ IS("c", "==", "\"A\""), F, "[{\"p\":100,\"c\":\"A\"},{\"p\":150,\"c\":\"A\"},{\"p\":200,\"c\":\"A\"}]", NULL, NULL, NULL },
	{ IS("c", "!=", "\"A\""), F, "[{\"p\":50,\"c\":\"B\"},{\"p\":75,\"c\":\"B\"}]", NULL, NULL, NULL },
	{ IS("p", "<", "100"), "[{\"p\":25},{\"p\":75},{\"p\":150}]", "[{\"p\":25},{\"p\":75}]", NULL, NULL, NULL },
	{ IS("p", "<=", "75"), F, "[{\"p\":50,\"c\":\"B\"},{\"p\":75,\"c\":\"B\"}]", NULL, NULL, NULL },
	{ IS("p", ">=", "150.0"), F, "[{\"p\":150,\"c\":\"A\"},{\"p\":200,\"c\":\"A\"}]", NULL, NULL, NULL },
	/* unlike values are dropped and counted; missing and null only dropped */
	{ IS("a", "==", "3"), MIXED, "[{\"a\":3},{\"a\":3.0}]", "4 rows dropped because unlike values were compared: 'a' is text where the condition has a number", NULL, NULL },
	{ IS("a", "!=", "3"), MIXED, "[{\"a\":5}]", "4 rows dropped", NULL, NULL },
	{ IS("a", "<", "4"), MIXED, "[{\"a\":3},{\"a\":3.0}]", "4 rows dropped", NULL, NULL },
	{ IS("a", ">", "\"2\""), MIXED, "[{\"a\":\"3\"}]", "6 rows dropped", NULL, NULL },
	{ IS("a", "==", "null"), MIXED, "[{\"a\":null}]", "\"notes\":[]", NULL, NULL },
	{ IS("a", "!=", "null"), MIXED, "[{\"a\":3},{\"a\":\"3\"},{\"a\":3.0},{\"a\":true},{\"a\":[3]},{\"a\":{}},{\"a\":5}]", "\"notes\":[]", NULL, NULL },
	{ FILTER("{\"field\":\"a\",\"op\":\"exists\"}"), MIXED, "[{\"a\":3},{\"a\":\"3\"},{\"a\":3.0},{\"a\":null},{\"a\":true},{\"a\":[3]},{\"a\":{}},{\"a\":5}]", NULL, NULL, NULL },
	{ IS("a", "exists", "true"), "[{\"a\":null},{\"b\":1}]", "[{\"a\":null}]", NULL, NULL, NULL },
	{ IS("a", "exists", "false"), MIXED, "[{\"b\":3}]", NULL, NULL, NULL },
	{ IS("a", "==", "0"), "[{\"a\":null},{\"a\":0},{\"a\":0.0},{\"a\":-0}]", "[{\"a\":0},{\"a\":0.0},{\"a\":-0}]", NULL, NULL, NULL },
	{ IS("a", "==", "\"\""), "[{\"a\":\"\"},{\"a\":\"x\"}]", "[{\"a\":\"\"}]", NULL, NULL, NULL },
	{ IS("a", "==", "false"), "[{\"a\":false},{\"a\":true},{\"a\":0}]", "[{\"a\":false}]", "1 row dropped", NULL, NULL },
	{ IS("a", "<", "true"), "[{\"a\":false},{\"a\":true}]", "[{\"a\":false}]", NULL, NULL, NULL },
	{ IS("a", "==", "[1,{\"x\":2}]"), "[{\"a\":[1.0,{\"x\":2}]},{\"a\":[1]}]", "[{\"a\":[1.0,{\"x\":2}]}]", NULL, NULL, NULL },
	{ IS("a", "==", "9007199254740993"), "[{\"a\":9007199254740992},{\"a\":9007199254740993}]", "[{\"a\":9007199254740993}]", NULL, NULL, NULL },
	{ IS("d", ">=", "\"2024-02-01\""), "[{\"d\":\"2024-01-31\"},{\"d\":\"2024-02-01\"}]", "[{\"d\":\"2024-02-01\"}]", NULL, NULL, NULL },
	/* lists */
	{ IS("c", "in", "[\"A\",\"C\"]"), "[{\"c\":\"A\"},{\"c\":\"B\"},{\"c\":null},{},{\"c\":1}]", "[{\"c\":\"A\"}]", "1 row dropped", NULL, NULL },
	{ IS("c", "not_in", "[\"A\",\"C\"]"), "[{\"c\":\"A\"},{\"c\":\"B\"},{\"c\":null},{},{\"c\":1}]", "[{\"c\":\"B\"}]", "1 row dropped", NULL, NULL },
	{ IS("c", "in", "[]"), "[{\"c\":1}]", "[]", "\"notes\":[]", NULL, NULL },
	{ IS("c", "not_in", "[]"), "[{\"c\":1},{}]", "[{\"c\":1}]", NULL, NULL, NULL },
	{ IS("c", "in", "[1,\"1\"]"), "[{\"c\":1.0},{\"c\":\"1\"},{\"c\":2}]", "[{\"c\":1.0},{\"c\":\"1\"}]", NULL, NULL, NULL },
	/* text */
	{ IS("t", "contains", "\"b\""), "[{\"t\":\"abc\"},{\"t\":\"ABC\"},{\"t\":[\"b\"]},{\"t\":[\"ab\"]},{\"t\":5}]", "[{\"t\":\"abc\"},{\"t\":[\"b\"]}]", "1 row dropped", NULL, NULL },
	{ IS("t", "contains", "3"), "[{\"t\":[1,3.0]},{\"t\":\"3\"}]", "[{\"t\":[1,3.0]}]", "1 row dropped", NULL, NULL },
	{ IS("t", "starts_with", "\"ab\""), "[{\"t\":\"abc\"},{\"t\":\"a\"},{\"t\":\"bab\"},{\"t\":1}]", "[{\"t\":\"abc\"}]", "1 row dropped", NULL, NULL },
	{ IS("t", "ends_with", "\"bc\""), "[{\"t\":\"abc\"},{\"t\":\"c\"},{\"t\":\"bca\"},{}]", "[{\"t\":\"abc\"}]", "\"notes\":[]", NULL, NULL },
	{ IS("t", "starts_with", "\"\""), "[{\"t\":\"\"},{\"t\":\"x\"}]", "[{\"t\":\"\"},{\"t\":\"x\"}]", NULL, NULL, NULL },
	{ IS("t", "matches", "\"^a.*\\\\d$\""), "[{\"t\":\"ab1\"},{\"t\":\"b1\"},{\"t\":7}]", "[{\"t\":\"ab1\"}]", "1 row dropped", NULL, NULL },
	{ IS("t", "matches", "\"(?i)CAF\xc3\x89\""), "[{\"t\":\"un caf\xc3\xa9\"}]", "[{\"t\":\"un caf\xc3\xa9\"}]", NULL, NULL, NULL },
	{ IS("t", "matches", "\"(\""), "[{\"t\":\"x\"}]", NULL, "invalid_step: the pattern is wrong at byte 1", NULL, NULL },
	{ IS("t", "matches", "\"(\""), "[]", NULL, "invalid_step: the pattern is wrong", NULL, NULL },
	{ IS("t", "matches", "\"^(a+)+$\""), "[{\"t\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}]", NULL, "step_limit: the pattern gave up", NULL, NULL },
	/* combinations */
	{ FILTER("{\"all\":[{\"field\":\"p\",\"op\":\">\",\"value\":60},{\"field\":\"c\",\"op\":\"==\",\"value\":\"B\"}]}"), F, "[{\"p\":75,\"c\":\"B\"}]", NULL, NULL, NULL },
	{ FILTER("{\"any\":[{\"field\":\"p\",\"op\":\">\",\"value\":160},{\"field\":\"c\",\"op\":\"==\",\"value\":\"B\"}]}"), F, "[{\"p\":50,\"c\":\"B\"},{\"p\":75,\"c\":\"B\"},{\"p\":200,\"c\":\"A\"}]", NULL, NULL, NULL },
	{ FILTER("{\"not\":{\"field\":\"c\",\"op\":\"==\",\"value\":\"A\"}}"), F, "[{\"p\":50,\"c\":\"B\"},{\"p\":75,\"c\":\"B\"}]", NULL, NULL, NULL },
	{ FILTER("{\"not\":{\"any\":[{\"field\":\"a\",\"op\":\"==\",\"value\":1},{\"not\":{\"field\":\"b\",\"op\":\"==\",\"value\":2}}]}}"), "[{\"a\":1,\"b\":2},{\"a\":2,\"b\":2},{\"a\":2,\"b\":3}]", "[{\"a\":2,\"b\":2}]", NULL, NULL, NULL },
	/* not of a missing field keeps the row, not of unlike values does not */
	{ FILTER("{\"not\":{\"field\":\"a\",\"op\":\"==\",\"value\":1}}"), "[{\"a\":1},{},{\"a\":\"1\"},{\"a\":null}]", "[{},{\"a\":null}]", "1 row dropped", NULL, NULL },
	{ FILTER("{\"any\":[{\"field\":\"a\",\"op\":\"<\",\"value\":1},{\"field\":\"b\",\"op\":\"==\",\"value\":2}]}"), "[{\"a\":\"x\",\"b\":2},{\"a\":\"x\",\"b\":3}]", "[{\"a\":\"x\",\"b\":2}]", "1 row dropped", NULL, NULL },
	{ FILTER("{\"all\":[{\"field\":\"a\",\"op\":\"<\",\"value\":1},{\"field\":\"b\",\"op\":\"==\",\"value\":2}],\"any\":null,\"not\":null,\"field\":null}"), "[{\"a\":0,\"b\":2}]", "[{\"a\":0,\"b\":2}]", NULL, NULL, NULL },
	{ IS("a.b", "==", "1"), "[{\"a\":{\"b\":1}},{\"a.b\":2,\"a\":{\"b\":1}},{\"a\":[{\"b\":1}]}]", "[{\"a\":{\"b\":1}}]", NULL, NULL, NULL },
	{ IS("a", "==", "1"), "[]", "[]", NULL, NULL, NULL },
	{ IS("a", "==", "1"), "[null]", NULL, "row 0 of the input is null", NULL, NULL },
	/* wrong conditions, on empty data too */
	{ IS("a", "~", "1"), "[]", NULL, "is no known op: ~", NULL, NULL },
	{ IS("a", "<", "null"), "[]", NULL, "op < wants a number, a text or a boolean as 'value', got null", NULL, NULL },
	{ IS("a", "in", "3"), "[]", NULL, "op in wants a list", NULL, NULL },
	{ IS("a", "starts_with", "3"), "[]", NULL, "wants a text", NULL, NULL },
	{ FILTER("{\"field\":\"a\",\"op\":\"<\"}"), "[]", NULL, "got none", NULL, NULL },
	{ FILTER("{\"op\":\"<\",\"value\":1}"), "[]", NULL, "the parameter 'condition.field' is missing", NULL, NULL },
	{ FILTER("{\"field\":\"a\",\"value\":1}"), "[]", NULL, "the parameter 'condition.op' is missing", NULL, NULL },
	{ FILTER("{\"all\":[]}"), "[]", NULL, "'condition.all' is not a non-empty list", NULL, NULL },
	{ FILTER("{\"any\":[{\"field\":\"a\"}]}"), "[]", NULL, "'condition.any[0].op' is missing", NULL, NULL },
	{ FILTER("\"price < 100\""), "[]", NULL, "'condition' is not an object", NULL, NULL },
	{ FILTER("{\"all\":[{\"field\":\"a\",\"op\":\"exists\"}],\"not\":{\"field\":\"a\",\"op\":\"exists\"}}"), "[]", NULL, "is several of", NULL, NULL },
	{ FILTER("{\"field\":\"a\",\"op\":\"==\",\"val\":1}"), "[]", NULL, "a condition has no 'val'", NULL, NULL },
	{ "{\"step\":\"table_filter\"}", "[]", NULL, "the parameter 'condition' is missing", NULL, NULL },
};
/* clang-format on */

Test(compute_filter, conditions)
{
	compute_check(cases, ARRAY_LEN(cases));
}

Test(compute_filter, every_op_has_a_name)
{
	for (int i = 0; i < FILTER_OP_COUNT; i++)
		cr_expect(filter_op_name((enum filter_op)i) != NULL);
}
