/* SPDX-License-Identifier: MIT */
/*
 * test_main_job.c - the main job, end to end: a prompt on a list, three flights on
 * another.
 *
 * The real daemon with each kind of Redis and of database; the model is scripted, the
 * data come over HTTP from the data API.
 */
#include "config.h"

#include "tests/e2e/e2e.h"

#include "tests/support/http_client.h"
#include "tests/support/postgres_server.h"
#include "tests/support/redis_server.h"

#include <criterion/parameterized.h>

static const char prompt[] =
    "fetch flights from NYC to LAX, sort by price, show cheapest 3";

struct surroundings {
	char name[32];
	bool uses_postgres, uses_embedded_redis;
};

static struct surroundings all[] = {
	{ "sqlite", false, false },
	{ "postgresql", true, false },
	{ "embedded redis and sqlite", false, true },
};

ParameterizedTestParameters(main_job, gives_the_three_cheapest_flights)
{
	return cr_make_param_array(struct surroundings, all, ARRAY_LEN(all));
}

static double
price(const struct json *flight)
{
	double d = -1;

	(void)json_double(json_get(flight, "price"), &d);
	return d;
}

/* The three lowest prices that the API has, by looking at all of them. */
static void
cheapest(struct harness *h, struct arena *a, double out[3])
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	const struct json *v = NULL;

	cr_assert(http_get(harness_data_api(h) + strlen("http://"),
		      "/flights/search?origin=NYC&dest=LAX", &text, NULL) == 200);
	cr_assert(json_read(a, arena_strndup(a, text.data, text.len), text.len, 0, &v,
		      NULL) == 0);
	out[0] = out[1] = out[2] = 1e9;
	for (uint32_t i = 0; i < v->len; i++) {
		double d = price(&v->items[i]);

		for (int k = 0; k < 3; k++)
			if (d < out[k]) {
				double other = out[k];

				out[k] = d;
				d = other;
			}
	}
}

ParameterizedTest(struct surroundings *s, main_job, gives_the_three_cheapest_flights)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	const struct json *result, *value;
	double want[3];
	CLEANUP(harness_freep) struct harness *h = e2e_new();

	if (s->uses_postgres) {
		if (!postgres_server_is_installed())
			cr_skip_test("PostgreSQL is not installed");
		harness_use_postgres(h);
	}
	if (s->uses_embedded_redis)
		harness_use_embedded_redis(h);
	harness_start(h);
	harness_push_job(h, "job-1", prompt, "");
	result = harness_expect(h, "job-1", "completed");
	cr_expect_str_eq(text_at(h, result, "result_preview.type"), "dataset");
	cr_expect(int_at(result, "result_preview.row_count") == 3);
	cr_expect_str_eq(text_at(h, result, "metadata.tool_calls.0.tool"),
	    "execute_pipeline");
	cr_expect_str_eq(text_at(h, result, "metadata.intent"), "execute");
	cr_expect(int_at(result, "metadata.attempts") == 1);
	cr_expect(strncmp(text_at(h, result, "result_ref"), "artifact://", 11) == 0);

	value = harness_value(h, "job-1");
	cr_assert(json_is(value, JSON_ARRAY));
	cr_assert(value->len == 3);
	cheapest(h, a, want);
	for (uint32_t i = 0; i < 3; i++)
		cr_expect(price(&value->items[i]) == want[i], "%s: flight %u", s->name,
		    i);
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), "1\n");
	cr_expect(harness_llm_stat(h, "answers") == 1);
	cr_expect(harness_llm_stat(h, "refused") == 0);
	harness_stop(h);
}

/* Under the strict rules the stand-in refuses any schema that breaks one, and answers
   with every property present and maps as lists. */
Test(main_job, works_under_the_strict_rules, .timeout = 60)
{
	CLEANUP(harness_freep) struct harness *h = e2e_new();
	const struct json *value;

	harness_servers(h);
	harness_set(h, "llm.providers",
	    "( { name = \"stub\"; base_url = \"http://%s/v1\"; strict = true; } )",
	    harness_llm_address(h));
	harness_write_conf(h);
	harness_daemon(h);
	harness_push_job(h, "strict", prompt, "");
	(void)harness_expect(h, "strict", "completed");
	value = harness_value(h, "strict");
	cr_assert(json_is(value, JSON_ARRAY));
	cr_expect(value->len == 3);
	cr_expect(harness_llm_stat(h, "refused") == 0);
	harness_stop(h);
}

/* A thousand jobs: each has its own result, none is lost, none is paid twice. */
Test(main_job, a_thousand_jobs_have_a_thousand_results)
{
	enum {
		JOBS = 1000
	};
	CLEANUP(harness_freep) struct harness *h = e2e_new();

	harness_set(h, "service.jobs_per_worker", "32");
	harness_start(h);
	for (int i = 0; i < JOBS; i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "many-%d", i);
		harness_push_job(h, id, prompt, "");
	}
	for (int i = 0; i < JOBS; i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "many-%d", i);
		(void)harness_expect(h, id, "completed");
		harness_clear(h);
	}
	cr_expect_str_eq(harness_sql(h,
			     "SELECT count(DISTINCT job_id) FROM agent_results"),
	    "1000\n");
	cr_expect(harness_llm_stat(h, "answers") == JOBS);
	cr_expect(harness_redis_int(h, "LLEN agent:jobs") == 0);
	cr_expect(harness_redis_int(h, "EXISTS agent:dead") == 0);
	harness_stop(h);
}

/* The model is told of the error, gives up, and the job has failed: never completed. */
Test(main_job, a_tool_error_that_is_not_repaired_fails_the_job)
{
	const struct json *result;
	CLEANUP(harness_freep) struct harness *h = e2e_new();

	harness_set(h, "queue.max_attempts", "1");
	harness_start(h);
	harness_llm_script(h,
	    "[{\"when\":{\"turn\":0},\"reply\":{\"tool_calls\":[{\"name\":"
	    "\"execute_pipeline\",\"arguments\":{\"pipeline\":[{\"step\":\"http_request\","
	    "\"url\":\"{{data_api}}/status/503\"}]}}]}}]");
	harness_push_job(h, "broken", "fetch flights", "");
	result = harness_expect(h, "broken", "failed");
	cr_expect_str_eq(text_at(h, result, "error.type"), "execution_error");
	cr_expect_str_eq(text_at(h, result, "error.tool"), "execute_pipeline");
	cr_expect(json_is_true(json_path(result, "error.retryable", 15)));
	harness_stop(h);
}

/* The model is told what was wrong with its call, calls again, and the job
   completes. */
Test(main_job, a_repaired_call_completes_the_job)
{
	CLEANUP(harness_freep) struct harness *h = e2e_new();

	harness_start(h);
	harness_llm_script(h,
	    "[{\"when\":{\"turn\":0},\"reply\":{\"tool_calls\":[{\"name\":"
	    "\"execute_pipeline\",\"arguments\":\"{garbage\"}]}},"
	    "{\"when\":{\"turn\":1,\"tool_result_contains\":\"ERROR\"},\"reply\":"
	    "{\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{\"pipeline\":"
	    "[{\"step\":\"http_request\",\"url\":\"{{data_api}}/users\"},"
	    "{\"step\":\"top_k\",\"k\":5}]}}]}}]");
	harness_push_job(h, "repaired", "list five users", "");
	(void)harness_expect(h, "repaired", "completed");
	cr_expect(harness_value(h, "repaired")->len == 5);
	cr_expect(harness_llm_stat(h, "refused") == 0);
	harness_stop(h);
}
