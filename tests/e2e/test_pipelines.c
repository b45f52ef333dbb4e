/* SPDX-License-Identifier: MIT */
/*
 * test_pipelines.c - execute_pipeline inside jobs: references and owners, the guard,
 * the jail's limits, large results.
 */
#include "config.h"

#include "tests/e2e/e2e.h"

#include <sys/stat.h>

TestSuite(pipelines, .timeout = 180);

static struct harness *h;

static void
start(void)
{
	h = e2e_new();
	harness_set(h, "limits.step_cpu_sec", "1");
	harness_set(h, "storage.max_inline_bytes", "65536");
	harness_start(h);
}

static void
stop(void)
{
	harness_stop(h);
	harness_free(h);
}

/* The model answers the prompt "#NAME" with this pipeline, and gives up on an error. */
static void
script(const char *const *rules, size_t n)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_adds(&text, "{\"rules\":[");
	for (size_t i = 0; i < n; i += 2)
		buf_addf(&text,
		    "{\"when\":{\"prompt_contains\":\"#%s#\",\"turn\":0},\"reply\":{\"tool_calls\":"
		    "[{\"name\":\"execute_pipeline\",\"arguments\":%s}]}},",
		    rules[i], rules[i + 1]);
	buf_adds(&text, "{\"reply\":{\"content\":\"I give up\"}}]}");
	harness_llm_script(h, buf_str(&text));
}

static const struct json *
run(const char *id, const char *name, const char *extra)
{
	char prompt[64];

	(void)snprintf(prompt, sizeof(prompt), "show the data of #%s#", name);
	harness_push_job(h, id, prompt, extra);
	return harness_result(h, id, 60000);
}

#define ROWS "{\"step\":\"http_request\",\"url\":\"{{data_api}}/orders\"}"

static const char *const shop[] = {
	"orders",
	"{\"session_id\":\"s\",\"pipeline\":[" ROWS "]}",
	"users",
	"{\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\",\"url\":"
	"\"{{data_api}}/users\"}]}",
	"all",
	"{\"session_id\":\"s\",\"pipeline\":[" ROWS
	",{\"step\":\"table_filter\",\"condition\":"
	"{\"field\":\"id\",\"op\":\"exists\"}},{\"step\":\"table_sort\",\"field\":\"id\","
	"\"order\":\"desc\"},{\"step\":\"regex_extract\",\"field\":\"id\",\"pattern\":"
	"\"([0-9]+)\",\"as\":[\"digits\"]},{\"step\":\"jq_transform\",\"query\":"
	"\"map(. + {n: 1})\"},{\"step\":\"groupby\",\"by\":[\"n\"],\"agg\":\"count\"},"
	"{\"step\":\"table_select\",\"fields\":[\"n\",\"count\"]},{\"step\":\"top_k\",\"k\":1}]}",
	"forbidden",
	"{\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\",\"url\":"
	"\"http://169.254.169.254/latest/meta-data\"}]}",
	"port",
	"{\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\",\"url\":"
	"\"http://127.0.0.1:22/\"}]}",
	"endless",
	"{\"session_id\":\"s\",\"pipeline\":[" ROWS
	",{\"step\":\"jq_transform\",\"query\":"
	"\"def f: f; f\"}]}",
	"big",
	"{\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\",\"url\":"
	"\"{{data_api}}/big?rows=5000\"}]}",
	"missing",
	"{\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\",\"url\":"
	"\"{{data_api}}/status/404\"}]}",
	"binary",
	"{\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\",\"url\":"
	"\"{{data_api}}/binary\"}]}",
	"csv",
	"{\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\",\"url\":"
	"\"{{data_api}}/flights.csv?origin=NYC&dest=LAX\"},{\"step\":\"top_k\",\"k\":2,\"field\":\"price\","
	"\"order\":\"asc\"}]}",
};

Test(pipelines, eight_steps_in_a_row_give_one_row)
{
	const struct json *r, *v;

	start();
	script(shop, ARRAY_LEN(shop));
	r = run("all", "all", "");
	cr_expect_str_eq(text_at(h, r, "status"), "completed", "%s",
	    text_at(h, r, "error.message"));
	v = harness_value(h, "all");
	cr_assert(json_is(v, JSON_ARRAY) && v->len == 1);
	cr_expect(gt(i64, int_at(&v->items[0], "count"), 1));
	r = run("csv", "csv", "");
	cr_expect_str_eq(text_at(h, r, "status"), "completed", "%s",
	    text_at(h, r, "error.message"));
	v = harness_value(h, "csv");
	cr_assert(json_is(v, JSON_ARRAY) && v->len == 2);
	cr_expect(json_is(json_get(&v->items[0], "price"), JSON_NUMBER));
	stop();
}

static const struct {
	const char *name, *type, *step;
} failures[] = {
	{ "forbidden", "forbidden_address", "http_request" },
	{ "port", "forbidden_address", "http_request" },
	{ "missing", "invalid_step", "http_request" },
	{ "endless", "step_limit", "jq_transform" },
	{ "binary", "invalid_step", "" },
};

Test(pipelines, a_step_that_fails_names_itself_and_its_type)
{
	start();
	script(shop, ARRAY_LEN(shop));
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		const struct json *r = run(failures[i].name, failures[i].name, "");

		cr_expect_str_eq(text_at(h, r, "status"), "failed", "%s",
		    failures[i].name);
		cr_expect_str_eq(text_at(h, r, "error.type"), failures[i].type,
		    "%s: %s", failures[i].name, text_at(h, r, "error.message"));
		cr_expect_str_eq(text_at(h, r, "error.tool"), "execute_pipeline");
		if (failures[i].step[0] != '\0')
			cr_expect_str_eq(text_at(h, r, "error.step"), failures[i].step);
	}
	stop();
}

/* A reference is read by its owner, and by a job whose own message names it. */
Test(pipelines, references_belong_to_their_owner)
{
	char ref[128], rules[400], extra[300];
	const char *with_ref[] = { "ref", rules };
	const struct json *r;

	start();
	script(shop, ARRAY_LEN(shop));
	r = run("a1", "orders", ",\"workflow_owner\":\"ann\"");
	cr_expect_str_eq(text_at(h, r, "status"), "completed", "%s",
	    text_at(h, r, "error.message"));
	(void)snprintf(ref, sizeof(ref), "%s", text_at(h, r, "result_ref"));
	(void)snprintf(rules, sizeof(rules),
	    "{\"session_id\":\"s\",\"input_ref\":\"%s\",\"pipeline\":[{\"step\":\"top_k\","
	    "\"k\":1}]}",
	    ref);
	script(with_ref, 2);
	r = run("a2", "ref", ",\"workflow_owner\":\"ann\"");
	cr_expect_str_eq(text_at(h, r, "status"), "completed", "%s",
	    text_at(h, r, "error.message"));
	r = run("b1", "ref", ",\"workflow_owner\":\"bob\"");
	cr_expect_str_eq(text_at(h, r, "error.type"), "forbidden_reference");
	(void)snprintf(extra, sizeof(extra),
	    ",\"workflow_owner\":\"bob\",\"context\":{\"previous_results\":[{\"node_id\":\"x\","
	    "\"result_ref\":\"%s\"}]}",
	    ref);
	r = run("b2", "ref", extra);
	cr_expect_str_eq(text_at(h, r, "status"), "completed", "%s",
	    text_at(h, r, "error.message"));
	stop();
}

Test(pipelines, a_join_takes_the_results_of_two_jobs)
{
	char left[128], rules[600];
	const char *join[] = { "join", rules };
	const struct json *r, *v;

	start();
	script(shop, ARRAY_LEN(shop));
	(void)snprintf(left, sizeof(left), "%s",
	    text_at(h, run("j1", "orders", ""), "result_ref"));
	r = run("j2", "users", "");
	(void)snprintf(rules, sizeof(rules),
	    "{\"session_id\":\"s\",\"pipeline\":[{\"step\":\"join\",\"left\":\"%s\",\"right\":"
	    "\"%s\",\"on\":{\"left\":\"user_id\",\"right\":\"id\"}}]}",
	    left, text_at(h, r, "result_ref"));
	script(join, 2);
	r = run("j3", "join", "");
	cr_expect_str_eq(text_at(h, r, "status"), "completed", "%s",
	    text_at(h, r, "error.message"));
	v = harness_value(h, "j3");
	cr_expect(json_is(v, JSON_ARRAY) && v->len > 0);
	stop();
}

Test(pipelines, a_large_result_goes_to_the_content_store)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const struct json *r;
	char ref[128];

	start();
	script(shop, ARRAY_LEN(shop));
	r = run("big", "big", "");
	cr_expect_str_eq(text_at(h, r, "status"), "completed", "%s",
	    text_at(h, r, "error.message"));
	(void)snprintf(ref, sizeof(ref), "%s", text_at(h, r, "result_ref"));
	cr_expect(strncmp(ref, "cas://sha256:", 13) == 0, "%s", ref);
	cr_expect(eq(i64, int_at(r, "result_preview.row_count"), 5000));
	cr_expect_str_eq(
	    harness_sql(h,
		"SELECT count(*) FROM agent_results WHERE result_data IS NULL "
		"AND cas_id IS NOT NULL"),
	    "1\n");
	{
		const char *argv[] = { harness_program(h, "agentctl"), "-c",
			harness_conf_path(h), "result", ref, "--raw", NULL };

		cr_expect(eq(int, harness_run(h, argv, &out), 0));
		cr_expect(gt(sz, out.len, 65536));
	}
	stop();
}
