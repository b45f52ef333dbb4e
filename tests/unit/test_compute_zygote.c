/* SPDX-License-Identifier: MIT */
/*
 * test_compute_zygote.c - requests over a lane, every limit, and that nothing a child
 * does ends the zygote or its neighbours.
 */
#include "config.h"

#include "tests/unit/zygote_support.h"

#include "common/clock.h"
#include "common/json/json.h"
#include "common/pipeline/compute_proto.h"

#include <criterion/criterion.h>
#include <string.h>

static struct test_zygote zygote;

static void
setup(void)
{
	zygote = zygote_start(&(struct zygote_options){ .max_children = 2 });
}

static void
teardown(void)
{
	zygote_stop(&zygote);
}

TestSuite(compute_zygote, .init = setup, .fini = teardown, .timeout = 60);

#define SORT "[{\"step\":\"table_sort\",\"field\":\"a\"}]"
#define JQ(query) "[{\"step\":\"jq_transform\",\"query\":\"" query "\"}]"
#define FRESH ",\"fresh\":true"

static struct test_reply
ask(const char *owner, const char *steps, const char *more, const char *data)
{
	static uint64_t id = 100;

	zygote_run(&zygote, ++id, owner, steps, more, data, strlen(data));
	return zygote_receive(&zygote);
}

static void
expect_data(struct test_reply r, const char *want)
{
	cr_expect(strcmp(r.data, want) == 0, "%s, want %s (%s)", r.data, want, r.meta);
	test_reply_release(&r);
}

static void
expect_meta(struct test_reply r, const char *part)
{
	cr_expect(strstr(r.meta, part) != NULL, "'%s' is not in %s", part, r.meta);
	test_reply_release(&r);
}

/* It still answers, and right. */
static void
expect_alive(void)
{
	expect_data(ask("alive", SORT, "", "[{\"a\":2},{\"a\":1}]"),
	    "[{\"a\":1},{\"a\":2}]");
}

Test(compute_zygote, answers_with_data_and_trace)
{
	struct test_reply r =
	    ask("o", SORT, ",\"first_index\":3", "[{\"a\":2},{\"a\":1}]");

	cr_expect(strcmp(r.data, "[{\"a\":1},{\"a\":2}]") == 0, "%s", r.data);
	cr_expect(strstr(r.meta,
		      "{\"ok\":true,\"trace\":[{\"step\":\"table_sort\",\"index\":3,"
		      "\"rows_in\":2,\"rows_out\":2,\"ms\":") == r.meta,
	    "%s", r.meta);
	cr_expect(strstr(r.meta, "\"rows\":2}") != NULL, "%s", r.meta);
	test_reply_release(&r);
}

/* The parser's memory and calls under the jail's limits and filter. */
Test(compute_zygote, yaml_is_read_in_the_jail)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct test_reply r =
	    ask("o", SORT, ",\"format\":\"yaml\"", "- a: 2\n- {a: 1}\n");

	cr_expect(strcmp(r.data, "[{\"a\":1},{\"a\":2}]") == 0, "%s %s", r.meta,
	    r.data);
	test_reply_release(&r);
	for (int i = 0; i < 20000; i++)
		buf_addf(&text, "- {a: %d, b: \"text %d\"}\n", 20000 - i, i);
	r = ask("o", SORT, ",\"format\":\"yaml\"", text.data);
	cr_expect(strstr(r.meta, "\"rows\":20000") != NULL, "%s", r.meta);
	test_reply_release(&r);
	expect_alive();
}

Test(compute_zygote, many_requests_over_the_life_of_a_child)
{
	for (int i = 0; i < 250; i++)
		expect_alive();
}

Test(compute_zygote, requests_wait_in_a_line_and_each_gets_its_own_answer)
{
	bool seen[40] = { false };

	for (int round = 0; round < 10; round++) {
		for (uint64_t i = 0; i < 4; i++) {
			char data[64];
			int n = snprintf(data, sizeof(data), "[{\"a\":%d}]",
			    round * 4 + (int)i);

			zygote_run(&zygote, (uint64_t)round * 4 + i,
			    i % 2 != 0 ? "x" : "y", i == 3 ? JQ(".[0]") : SORT,
			    i == 3 ? FRESH : "", data, (size_t)n);
		}
		for (int i = 0; i < 4; i++) {
			struct test_reply r = zygote_receive(&zygote);
			char want[64];

			(void)snprintf(want, sizeof(want), "{\"a\":%d}", (int)r.id);
			cr_expect(strstr(r.data, want) != NULL, "%s %s", r.data,
			    r.meta);
			seen[r.id] = true;
			test_reply_release(&r);
		}
	}
	for (int i = 0; i < 40; i++)
		cr_expect(seen[i], "%d", i);
}

Test(compute_zygote, large_inputs_and_results_travel_as_files)
{
	struct buf in = BUF_INIT;
	struct test_reply r;

	buf_addc(&in, '[');
	for (int i = 0; i < 50000; i++)
		buf_addf(&in, "%s{\"a\":%d}", i > 0 ? "," : "", i);
	buf_addc(&in, ']');
	zygote_run(&zygote, 1, "o", SORT, "", in.data, in.len);
	r = zygote_receive(&zygote);
	cr_expect(r.came_as_file, "%s", r.meta);
	cr_expect(r.data_len == in.len && memcmp(r.data, in.data, in.len) == 0);
	test_reply_release(&r);
	buf_release(&in);
	expect_alive();
}

Test(compute_zygote, small_inputs_may_have_large_results)
{
	struct test_reply r = ask("o", JQ("[range(100000)]"), FRESH, "null");

	cr_expect(r.came_as_file, "%s", r.meta);
	cr_expect(r.data_len == 588891, "%zu", r.data_len);
	test_reply_release(&r);
	expect_alive();
}

Test(compute_zygote, a_join_takes_further_inputs)
{
	zygote_send(&zygote, COMPUTE_INPUT, 7,
	    "{\"name\":\"cas://r\",\"format\":\"csv\"}", "a,b\n1,x\n", 8);
	zygote_run(&zygote, 7, "o",
	    "[{\"step\":\"join\",\"right\":\"cas://r\",\"on\":\"a\"}]", ",\"inputs\":1",
	    "[{\"a\":1}]", 9);
	expect_data(zygote_receive(&zygote), "[{\"a\":1,\"b\":\"x\"}]");
}

Test(compute_zygote, failing_steps_say_which_and_why)
{
	expect_meta(
	    ask("o",
		"[{\"step\":\"top_k\",\"k\":1},{\"step\":\"table_sort\",\"field\":\"a\"}]",
		",\"first_index\":1", "[1]"),
	    "\"error\":{\"index\":2,\"step\":\"table_sort\",\"type\":\"invalid_step\",\"reason\":"
	    "\"row 0 of the input is number");
	expect_meta(ask("o", SORT, "", "[1"),
	    "{\"index\":null,\"step\":\"\",\"type\":\"invalid_step\"");
	expect_meta(ask("o", SORT, ",\"format\":\"xml\"", "[]"), "unknown format");
	expect_meta(ask("o", "5", "", "[]"), "the pipeline is not a list");
	zygote_send(&zygote, COMPUTE_RUN, 1, "{", "[]", 2);
	expect_meta(zygote_receive(&zygote), "compute: the request cannot be read");
	expect_alive();
}

Test(compute_zygote, a_program_needs_a_fresh_child)
{
	expect_meta(ask("o", JQ("."), "", "1"), "a program in a child that is shared");
	expect_data(ask("o", JQ("."), FRESH, "1"), "1");
	expect_data(ask("", JQ("."), "", "1"), "1"); /* no owner: nothing is shared */
}

Test(compute_zygote, cpu_time_is_bounded)
{
	uint64_t began_ms = clock_mono_ms();

	expect_meta(ask("o", JQ("def f: f; f"), FRESH ",\"cpu_sec\":1", "1"),
	    "{\"index\":0,\"step\":\"jq_transform\",\"type\":\"step_limit\",\"reason\":\"more "
	    "than 1 s of CPU time\"");
	cr_expect(clock_mono_ms() - began_ms < 20000);
	expect_alive();
}

Test(compute_zygote, wall_time_is_bounded)
{
	expect_meta(ask("o", JQ("[range(1e12)]"), FRESH ",\"wall_ms\":200", "1"),
	    "\"type\":\"step_limit\",\"reason\":\"more than 200 ms\"");
	expect_alive();
}

Test(compute_zygote, waiting_counts_as_wall_time)
{
	for (uint64_t i = 1; i <= 3; i++)
		zygote_run(&zygote, i, "o", JQ("def f: f; f"),
		    i == 3 ? FRESH ",\"wall_ms\":100" : FRESH ",\"wall_ms\":700", "1",
		    1);
	expect_meta(zygote_receive(&zygote),
	    "no compute child became free within 100 ms");
	expect_meta(zygote_receive(&zygote), "more than 700 ms");
	expect_meta(zygote_receive(&zygote), "more than 700 ms");
	expect_alive();
}

/* The sanitizers' allocators do not live under RLIMIT_AS. */
Test(compute_zygote, memory_is_bounded)
{
#ifndef WITH_SANITIZERS
	struct buf in = BUF_INIT;

	expect_meta(ask("o", JQ(".[1e9]=1"), FRESH ",\"memory_mb\":64", "[]"),
	    "\"step\":\"jq_transform\",\"type\":\"step_limit\",\"reason\":\"more than 64 MB of "
	    "memory\"");
	expect_alive();
	buf_addc(&in, '[');
	for (int i = 0; i < 1000000; i++)
		buf_adds(&in, i > 0 ? ",{\"a\":1}" : "{\"a\":1}");
	buf_addc(&in, ']');
	zygote_run(&zygote, 1, "o", SORT, ",\"memory_mb\":16", in.data, in.len);
	expect_meta(zygote_receive(&zygote),
	    "\"type\":\"step_limit\",\"reason\":\"the step "
	    "needs more memory");
	zygote_run(&zygote, 2, "o", "[{\"step\":\"top_k\",\"k\":1}]",
	    ",\"memory_mb\":128", in.data, in.len);
	expect_data(zygote_receive(&zygote), "[{\"a\":1}]");
	buf_release(&in);
	expect_alive();
#endif
}

Test(compute_zygote, output_is_bounded)
{
	expect_meta(ask("o", JQ("[range(1000000)]"), FRESH ",\"output_mb\":1", "1"),
	    "\"type\":\"step_limit\",\"reason\":\"the result is larger than 1 MB\"");
	expect_alive();
}

Test(compute_zygote, a_child_that_dies_costs_only_its_own_request)
{
	zygote_run(&zygote, 1, "o", JQ("def f: f; f"), FRESH ",\"wall_ms\":500", "1",
	    1);
	zygote_run(&zygote, 2, "o", JQ("1e300|todate"), FRESH, "1", 1);
	expect_meta(zygote_receive(&zygote),
	    "\"step\":\"jq_transform\",\"type\":\"execution_error\",\"reason\":\"compute died: "
	    "signal");
	expect_meta(zygote_receive(&zygote), "more than 500 ms");
	expect_alive();
}

Test(compute_zygote, jq_finds_neither_files_nor_secrets)
{
	expect_data(ask("o", JQ("env"), FRESH, "1"),
	    "{\"TZ\":\"UTC0\",\"HOME\":\"/nonexistent\"}");
	expect_meta(ask("o", JQ("import \\\"a\\\" as a; ."), FRESH, "1"),
	    "does not compile");
	expect_meta(ask("o", JQ("import \\\"a\\\" as a {search:\\\"/tmp\\\"}; ."),
			FRESH, "1"),
	    "jq");
	expect_meta(ask("o", JQ("include \\\"../a\\\"; ."), FRESH, "1"), "jq");
	expect_data(ask("o", JQ("\\\"x\\\" | stderr"), FRESH, "1"), "\"x\"");
	expect_alive();
}

Test(compute_zygote, a_cancelled_run_is_answered)
{
	zygote_run(&zygote, 1, "o", JQ("def f: f; f"), FRESH, "1", 1);
	zygote_run(&zygote, 2, "o", JQ("def f: f; f"), FRESH, "1", 1);
	zygote_run(&zygote, 3, "o", JQ("def f: f; f"), FRESH, "1", 1);
	zygote_send(&zygote, COMPUTE_INPUT, 4, "{}", "1", 1);
	for (uint64_t i = 1; i <= 5; i++)
		zygote_send(&zygote, COMPUTE_CANCEL, i, "", "", 0);
	for (int i = 0; i < 3; i++)
		expect_meta(zygote_receive(&zygote), "\"reason\":\"cancelled\"");
	expect_alive();
}

Test(compute_zygote, dates_are_utc_in_the_jail)
{
	expect_data(ask("o",
			"[{\"step\":\"parse_date\",\"field\":\"d\",\"format\":\"%s\"}]",
			"", "[{\"d\":86400}]"),
	    "[{\"d\":\"1970-01-02T00:00:00Z\"}]");
	expect_data(ask("o", JQ("86400 | todate"), FRESH, "1"),
	    "\"1970-01-02T00:00:00Z\"");
	expect_data(ask("o", JQ("86400 | strflocaltime(\\\"%H %Z\\\")"), FRESH, "1"),
	    "\"00 UTC\"");
}
