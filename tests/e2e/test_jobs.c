/* SPDX-License-Identifier: MIT */
/*
 * test_jobs.c - the protocol of jobs and results, over the real daemon, with both
 * stores.
 */
#include "config.h"

#include "tests/e2e/e2e.h"

TestSuite(jobs, .timeout = 120);

static struct harness *h;

static void
start(bool with_postgres)
{
	h = e2e_new();
	if (with_postgres)
		harness_use_postgres(h);
	harness_start(h);
}

static void
stop(void)
{
	harness_stop(h);
	harness_free(h);
}

#define BOTH_STORES(name)       \
 static void name##_with(void); \
 Test(jobs, name##_sqlite)      \
 {                              \
  start(false);                 \
  name##_with();                \
  stop();                       \
 }                              \
 Test(jobs, name##_postgresql)  \
 {                              \
  start(true);                  \
  name##_with();                \
  stop();                       \
 }                              \
 static void name##_with(void)

static const char text_rules[] =
    "{\"rules\":[{\"reply\":{\"content\":\"hello \\u00e9\","
    "\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"cached_tokens\":5}}}]}";

BOTH_STORES(a_text_job_completes_with_every_field)
{
	const struct json *r;

	harness_llm_script(h, text_rules);
	harness_push_job(h, "t1", "say hello",
	    ",\"run_id\":\"r\",\"node_id\":\"n\",\"user_id\":\"u\","
	    "\"created_at\":\"2026-01-01T00:00:00Z\"");
	r = harness_expect(h, "t1", "completed");
	cr_expect_str_eq(text_at(h, r, "version"), "1.0");
	cr_expect(strncmp(text_at(h, r, "result_ref"), "artifact://", 11) == 0);
	cr_expect_str_eq(text_at(h, r, "result_preview.type"), "text");
	cr_expect_str_eq(text_at(h, r, "result_preview.text"), "hello \xc3\xa9");
	cr_expect(eq(i64, int_at(r, "metadata.tokens_used"), 18));
	cr_expect(eq(i64, int_at(r, "metadata.tokens.input"), 11));
	cr_expect(eq(i64, int_at(r, "metadata.tokens.output"), 7));
	cr_expect(eq(i64, int_at(r, "metadata.tokens.cached"), 5));
	cr_expect(json_is_true(json_path(r, "metadata.cache_hit", 18)));
	cr_expect(eq(i64, int_at(r, "metadata.turns"), 1));
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
	cr_expect(gt(i64, int_at(r, "metadata.queue_ms"), 0));
	cr_expect(json_get(json_get(r, "metadata"), "limit_hit") != NULL);
	cr_expect(text_at(h, r, "completed_at")[0] != '\0');
	cr_expect(json_eq_str(harness_value(h, "t1"), "hello \xc3\xa9"));
	cr_expect_str_eq(
	    harness_sql(h, "SELECT run_id, node_id, owner, status FROM agent_results"),
	    "r\tn\tu\tcompleted\n");
	cr_expect(gt(i64, harness_redis_int(h, "TTL agent:job:t1"), 0));
}

BOTH_STORES(a_pipeline_job_returns_the_data)
{
	const struct json *r, *v;

	harness_push_job(h, "p1",
	    "fetch flights from NYC to LAX, sort by price, show cheapest 3", "");
	r = harness_expect(h, "p1", "completed");
	cr_expect_str_eq(text_at(h, r, "result_preview.type"), "dataset");
	cr_expect(eq(i64, int_at(r, "result_preview.row_count"), 3));
	cr_expect_str_eq(text_at(h, r, "metadata.tool_calls.0.tool"),
	    "execute_pipeline");
	cr_expect_str_eq(text_at(h, r, "metadata.intent"), "execute");
	v = harness_value(h, "p1");
	cr_assert(json_is(v, JSON_ARRAY) && v->len == 3);
	for (uint32_t i = 0; i + 1 < v->len; i++)
		cr_expect(le(i64, int_at(&v->items[i], "price"),
		    int_at(&v->items[i + 1], "price")));
}

BOTH_STORES(a_copy_of_a_finished_job_gets_the_stored_message_without_a_call)
{
	long long calls;
	const struct json *first, *again;
	CLEANUP_BUF struct buf a = BUF_INIT;
	CLEANUP_BUF struct buf b = BUF_INIT;

	harness_llm_script(h, text_rules);
	harness_push_job(h, "d1", "say hello", "");
	first = harness_expect(h, "d1", "completed");
	json_write(&a, first, JSON_COMPACT);
	calls = harness_llm_stat(h, "answers");
	harness_push_job(h, "d1", "say hello", "");
	again = harness_expect(h, "d1", "completed");
	json_write(&b, again, JSON_COMPACT);
	cr_expect_str_eq(buf_str(&a), buf_str(&b));
	/* the same without Redis' memory of it */
	freeReplyObject(harness_redis(h, "DEL agent:job:d1"));
	harness_push_job(h, "d1", "say hello", "");
	buf_clear(&b);
	json_write(&b, harness_expect(h, "d1", "completed"), JSON_COMPACT);
	cr_expect_str_eq(buf_str(&a), buf_str(&b));
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), calls));
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), "1\n");
}

static const struct {
	const char *id, *payload, *type, *names;
} bad_jobs[] = {
	{ "b1", "{\"job_id\":\"b1\"}", "invalid_message", "prompt" },
	{ "b2", "{\"job_id\":\"b2\",\"prompt\":5,\"timeout_sec\":\"x\"}",
	    "invalid_message", "timeout_sec" },
	{ "b3", "{\"job_id\":\"b3\",\"prompt\":\"p\",\"version\":\"2.0\"}",
	    "unsupported_version", "2.0" },
	{ "b4", "{\"job_id\":\"b4\",\"prompt\":\"p\",\"agent\":\"nobody\"}",
	    "unknown_agent", "nobody" },
	{ "b5",
	    "{\"job_id\":\"b5\",\"prompt\":\"p\",\"output_schema\":{\"oneOf\":[{}]}}",
	    "invalid_message", "oneOf" },
};

BOTH_STORES(bad_input_never_vanishes)
{
	CLEANUP_BUF struct buf big = BUF_INIT;
	const struct json *r;

	for (size_t i = 0; i < ARRAY_LEN(bad_jobs); i++) {
		harness_push(h, bad_jobs[i].payload);
		r = harness_expect(h, bad_jobs[i].id, "failed");
		cr_expect_str_eq(text_at(h, r, "error.type"), bad_jobs[i].type);
		cr_expect(strstr(text_at(h, r, "error.message"), bad_jobs[i].names) !=
			NULL,
		    "%s", text_at(h, r, "error.message"));
		cr_expect(json_is(json_path(r, "error.retryable", 15), JSON_BOOL));
	}
	buf_adds(&big, "{\"job_id\":\"big\",\"prompt\":\"");
	for (int i = 0; i < 1100; i++)
		for (int k = 0; k < 16; k++)
			buf_adds(&big,
			    "0123456789012345678901234567890123456789012345678901"
			    "23456789012");
	buf_adds(&big, "\"}");
	harness_push(h, buf_str(&big));
	r = harness_expect(h, "big", "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "payload_too_large");
	harness_push(h, "not json at all");
	harness_push(h, "{\"prompt\":\"no id\"}");
	harness_push_job(h, "after", "say hello", "");
	(void)harness_expect(h, "after", "completed");
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), 2));
}

BOTH_STORES(the_same_id_with_other_content_is_a_dead_letter)
{
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":700}}]}");
	harness_push_job(h, "c1", "one thing", "");
	while (harness_llm_stat(h, "answers") == 0)
		usleep(10000);
	harness_push_job(h, "c1", "one thing", "");
	harness_push_job(h, "c1", "another thing", "");
	(void)harness_expect(h, "c1", "completed");
	while (harness_redis_int(h, "LLEN agent:dead") == 0 ||
	    harness_redis_int(h, "LLEN agent:jobs") > 0)
		usleep(20000);
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), 1));
	cr_expect(eq(llong, harness_redis_int(h, "EXISTS agent:results:c1"), 0));
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), "1\n");
}

BOTH_STORES(a_failed_job_runs_again_only_with_a_higher_retry_count)
{
	const struct json *r;

	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"times\":1},\"fault\":{\"status\":401,\"message\":"
	    "\"bad key\"}},{\"reply\":{\"content\":\"now it works\"}}]}");
	harness_push_job(h, "f1", "try", "");
	r = harness_expect(h, "f1", "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "llm_auth");
	harness_push_job(h, "f1", "try", "");
	r = harness_expect(h, "f1", "failed");
	harness_push_job(h, "f1", "try", ",\"retry_count\":1");
	r = harness_expect(h, "f1", "completed");
	cr_expect_str_eq(harness_sql(h,
			     "SELECT status, retry_count FROM agent_results"),
	    "completed\t1\n");
}

Test(jobs, a_retryable_failure_is_tried_three_times)
{
	const struct json *r;

	h = e2e_new();
	harness_set(h, "llm.breaker_failures", "0"); /* else it is an outage */
	harness_start(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"fault\":{\"status\":503,\"body\":\"busy\","
	    "\"headers\":{\"Retry-After\":\"0\"}}}]}");
	harness_push_job(h, "r1", "try", "");
	r = harness_result(h, "r1", 60000);
	cr_expect_str_eq(text_at(h, r, "status"), "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "llm_unavailable");
	cr_expect(json_is_true(json_path(r, "error.retryable", 15)));
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 3));
	stop();
}

Test(jobs, a_cancel_ends_a_job_in_its_call_to_the_model)
{
	const struct json *r;

	start(false);
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":30000}}]}");
	harness_push_job(h, "k1", "think long", "");
	while (harness_llm_stat(h, "answers") == 0)
		usleep(20000);
	{
		const char *argv[] = { harness_program(h, "agentctl"), "-c",
			harness_conf_path(h), "cancel", "k1", NULL };
		CLEANUP_BUF struct buf out = BUF_INIT;

		cr_expect(eq(int, harness_run(h, argv, &out), 0), "%s", buf_str(&out));
	}
	r = harness_result(h, "k1", 5000);
	cr_expect_str_eq(text_at(h, r, "error.type"), "cancelled");
	stop();
}

Test(jobs, running_time_is_bounded)
{
	const struct json *r;

	start(false);
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":20000}}]}");
	harness_push_job(h, "w1", "think long", ",\"timeout_sec\":1");
	r = harness_result(h, "w1", 10000);
	cr_expect_str_eq(text_at(h, r, "error.type"), "timeout");
	stop();
}

Test(jobs, an_output_schema_is_demanded_of_the_model)
{
	const struct json *r;
	static const char schema[] =
	    ",\"output_schema\":{\"type\":\"object\",\"required\":[\"n\"],\"properties\":"
	    "{\"n\":{\"type\":\"integer\",\"minimum\":1}},\"additionalProperties\":false}";

	start(false);
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"times\":1},\"reply\":{\"content\":\"{\\\"n\\\":0}\"}},"
	    "{\"when\":{\"times\":1},\"reply\":{\"content\":\"{\\\"n\\\":7}\"}},"
	    "{\"reply\":{\"content\":\"no json\"}}]}");
	harness_push_job(h, "s1", "count", schema);
	r = harness_expect(h, "s1", "completed");
	cr_expect_str_eq(text_at(h, r, "result_preview.type"), "object");
	cr_expect(eq(i64, int_at(harness_value(h, "s1"), "n"), 7));
	harness_push_job(h, "s2", "count", schema);
	r = harness_expect(h, "s2", "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "schema_violation");
	stop();
}

Test(jobs, a_completion_queue_gets_a_copy)
{
	redisReply *reply;

	h = e2e_new();
	harness_set(h, "queue.completion_queue", "\"all:results\"");
	harness_start(h);
	harness_llm_script(h, text_rules);
	harness_push_job(h, "q1", "say hello", "");
	(void)harness_expect(h, "q1", "completed");
	reply = harness_redis(h, "BLPOP all:results 5");
	cr_assert(reply != NULL && reply->type == REDIS_REPLY_ARRAY);
	cr_expect(strstr(reply->element[1]->str, "\"job_id\":\"q1\"") != NULL);
	freeReplyObject(reply);
	stop();
}

Test(jobs, many_jobs_run_at_once_and_none_is_lost)
{
	char id[32];

	start(false);
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":50}}]}");
	for (int i = 0; i < 300; i++) {
		(void)snprintf(id, sizeof(id), "m%d", i);
		harness_push_job(h, id, "go", "");
	}
	for (int i = 0; i < 300; i++) {
		(void)snprintf(id, sizeof(id), "m%d", i);
		(void)harness_expect(h, id, "completed");
		harness_clear(h);
	}
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), "300\n");
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:jobs"), 0));
	stop();
}
