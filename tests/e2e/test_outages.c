/* SPDX-License-Identifier: MIT */
/*
 * test_outages.c - Redis or the store away, or refusing to write: that costs time, and
 * neither an attempt nor a job's running time. And cancels, wherever the job is.
 */
#include "config.h"

#include "common/clock.h"
#include "tests/e2e/e2e.h"
#include "tests/support/postgres_server.h"
#include "tests/support/redis_server.h"

#include <signal.h>

enum {
	JOBS = 12
};

static struct harness *h;

TestSuite(outages, .timeout = 120);

static void
begin(void)
{
	h = e2e_new();
	harness_set(h, "queue.lease_sec", "3");
}

static void
end(void)
{
	harness_stop(h);
	harness_free(h);
}

static void
answer_after(unsigned ms)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":%u}}]}", ms);
	harness_llm_script(h, text);
}

static void
push_some(const char *prefix, const char *extra)
{
	char id[32];

	for (int i = 0; i < JOBS; i++) {
		(void)snprintf(id, sizeof(id), "%s%d", prefix, i);
		harness_push_job(h, id, "go", extra);
	}
}

/* Completed at the first attempt, and nobody is suspected of anything. */
static void
expect_some(const char *prefix)
{
	char id[32];

	for (int i = 0; i < JOBS; i++) {
		const struct json *r;

		(void)snprintf(id, sizeof(id), "%s%d", prefix, i);
		r = harness_expect(h, id, "completed");
		cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1), "%s", id);
		cr_expect(harness_redis_int(h, "HEXISTS agent:job:%s suspicions", id) ==
			    0 &&
			harness_redis_int(h, "HEXISTS agent:job:%s crashes", id) == 0,
		    "%s was blamed", id);
		harness_clear(h);
	}
}

static bool
model_is_asked(struct harness *unused, void *n)
{
	(void)unused;
	return harness_llm_stat(h, "answers") >= *(long long *)n;
}

static void
wait_asked(long long n)
{
	harness_wait_until(h, model_is_asked, &n, HARNESS_WAIT_MS,
	    "the model is asked");
}

/* Longer away than the job may run. */
Test(outages, of_redis_are_no_running_time)
{
	begin();
	harness_start(h);
	answer_after(500);
	push_some("r", ",\"timeout_sec\":3");
	wait_asked(1);
	redis_server_kill(harness_redis_server(h));
	harness_sleep(6000);
	cr_assert(redis_server_restart(harness_redis_server(h)));
	expect_some("r");
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), "12\n");
	end();
}

static bool
nothing_is_held(struct harness *unused, void *arg)
{
	redisReply *keys = harness_redis(h, "KEYS agent:held:*");
	bool is_so = keys->elements == 0;

	(void)unused;
	(void)arg;
	freeReplyObject(keys);
	return is_so;
}

static bool
all_are_held(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_redis_int(h, "LLEN agent:jobs") == 0 &&
	    !nothing_is_held(NULL, NULL);
}

/* Jobs that have not asked the model yet go back; what is away is not asked for more.
 */
Test(outages, of_the_store_hand_jobs_back_uncounted)
{
	struct err err = ERR_INIT;
	struct postgres_server *pg;

	begin();
	harness_use_postgres(h);
	harness_start(h);
	harness_wait_log(h, "worker/0: ready"); /* readiness needs only one of them */
	harness_wait_log(h, "worker/1: ready");
	answer_after(0);
	pg = harness_postgres_server(h);
	cr_assert(postgres_server_stop(pg, SIGINT, &err) == 0, "%s", err_text(&err));
	push_some("s", ",\"timeout_sec\":3");
	harness_wait_until(h, all_are_held, NULL, HARNESS_WAIT_MS,
	    "the jobs are taken");
	harness_wait_until(h, nothing_is_held, NULL, HARNESS_WAIT_MS,
	    "the jobs are handed back");
	cr_expect(eq(llong,
	    harness_redis_int(h, "LLEN agent:jobs") +
		harness_redis_int(h, "ZCARD agent:delayed"),
	    JOBS));
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 0));
	cr_assert(postgres_server_start(pg, &err) == 0, "%s", err_text(&err));
	expect_some("s");
	end();
}

/* A result in hand is kept until the store takes it, and is not paid again. */
Test(outages, of_the_store_keep_a_result_in_hand)
{
	struct err err = ERR_INIT;
	struct postgres_server *pg;

	begin();
	harness_use_postgres(h);
	harness_start(h);
	answer_after(1500);
	pg = harness_postgres_server(h);
	push_some("k", ",\"timeout_sec\":5");
	wait_asked(JOBS);
	cr_assert(postgres_server_stop(pg, SIGINT, &err) == 0, "%s", err_text(&err));
	harness_sleep(7000);
	cr_assert(postgres_server_start(pg, &err) == 0, "%s", err_text(&err));
	expect_some("k");
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), JOBS));
	end();
}

static const struct {
	const char *name;
	const char *away[4], *back[4];
} refusals[] = {
	{ "READONLY", { "REPLICAOF", "127.0.0.1", "1", NULL },
	    { "REPLICAOF", "NO", "ONE", NULL } },
	{ "OOM", { "CONFIG", "SET", "maxmemory", "1" },
	    { "CONFIG", "SET", "maxmemory", "0" } },
	{ "NOREPLICAS", { "CONFIG", "SET", "min-replicas-to-write", "3" },
	    { "CONFIG", "SET", "min-replicas-to-write", "0" } },
};

static void
tell_redis(const char *const words[4])
{
	const char *argv[4] = { words[0], words[1], words[2], words[3] };

	harness_redis_argv(h, words[3] != NULL ? 4 : 3, argv);
}

/* Such an answer means that Redis is away, never that the job has failed. */
Test(outages, refusals_of_redis_fail_no_job)
{
	begin();
	harness_start(h);
	answer_after(300);
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		long long asked = harness_llm_stat(h, "answers");

		push_some(refusals[i].name, "");
		wait_asked(asked + 1);
		tell_redis(refusals[i].away);
		harness_sleep(2500);
		tell_redis(refusals[i].back);
		expect_some(refusals[i].name);
	}
	end();
}

/* What comes in while the daemon drains, through an open claim too, stays in the queue.
 */
Test(outages, a_drain_loses_nothing_that_comes_in_meanwhile)
{
	begin();
	harness_start(h);
	answer_after(50);
	for (int round = 0; round < 5; round++) {
		char id[32];
		long long done, left;

		for (int i = 0; i < 40; i++) {
			(void)snprintf(id, sizeof(id), "d%d-%d", round, i);
			harness_push_job(h, id, "go", "");
			if (i == 20)
				harness_signal(h, SIGTERM);
		}
		cr_assert(proc_wait(harness_proc(h), HARNESS_WAIT_MS) == 0,
		    "the daemon did not end");
		cr_expect(nothing_is_held(NULL, NULL), "round %d", round);
		done = atoll(harness_sql(h, "SELECT count(*) FROM agent_results"));
		left = harness_redis_int(h, "LLEN agent:jobs") +
		    harness_redis_int(h, "ZCARD agent:delayed");
		cr_expect(eq(llong, done + left, 40LL * (round + 1)), "round %d",
		    round);
		harness_daemon(h);
	}
	harness_wait_until(h, nothing_is_held, NULL, HARNESS_WAIT_MS,
	    "all are through");
	end();
}

/* ---- cancels ---- */

static void
cancel(const char *id)
{
	const char *argv[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "cancel", id, NULL };
	CLEANUP_BUF struct buf out = BUF_INIT;

	cr_expect(eq(int, harness_run(h, argv, &out), 0), "%s: %s", id, buf_str(&out));
}

static void
expect_cancelled(const char *id)
{
	const struct json *r = harness_expect(h, id, "failed");

	cr_expect_str_eq(text_at(h, r, "error.type"), "cancelled", "%s", id);
}

static bool
is_delayed(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_redis_int(h, "ZCARD agent:delayed") == 1;
}

static bool
tool_runs(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_redis_int(h, "LLEN agent:journal:tool") >= 1;
}

/* One job at a time, so that it is known where each of them is. */
Test(outages, cancels_reach_a_job_wherever_it_is)
{
	long long calls;

	begin();
	harness_set(h, "service.workers", "1");
	harness_set(h, "service.jobs_per_worker", "1");
	harness_set(h, "llm.breaker_failures", "0"); /* a minute of rest for all */
	harness_start(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"prompt_contains\":\"later\",\"turn\":0},\"reply\":{"
	    "\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{\"session_id\":"
	    "\"s\",\"pipeline\":[{\"step\":\"http_request\",\"url\":"
	    "\"{{data_api}}/status/503?retry_after=60\"}]}}]}},"
	    "{\"when\":{\"prompt_contains\":\"later\"},\"reply\":{\"content\":\"no\"}},"
	    "{\"when\":{\"prompt_contains\":\"tool\",\"turn\":0},\"reply\":{\"tool_calls\":[{"
	    "\"name\":\"execute_pipeline\",\"arguments\":{\"session_id\":\"s\",\"pipeline\":[{"
	    "\"step\":\"http_request\",\"url\":\"{{data_api}}/slow?ms=9000\"}]}}]}},"
	    "{\"reply\":{\"content\":\"x\",\"delay_ms\":8000}}]}");
	/* delayed */
	harness_push_job(h, "delayed", "later", "");
	harness_wait_until(h, is_delayed, NULL, HARNESS_WAIT_MS, "the job is delayed");
	cancel("delayed");
	expect_cancelled("delayed");
	/* held, in a tool */
	harness_push_job(h, "tool", "tool", "");
	harness_wait_until(h, tool_runs, NULL, HARNESS_WAIT_MS, "the tool runs");
	cancel("tool");
	expect_cancelled("tool");
	/* held, in a call, with another queued behind it */
	calls = harness_llm_stat(h, "answers");
	harness_push_job(h, "asking", "go", "");
	wait_asked(calls + 1);
	harness_push_job(h, "queued", "go", "");
	cancel("queued");
	cancel("never-pushed");
	cancel("asking");
	expect_cancelled("asking");
	expect_cancelled("queued");
	/* cancelled before it came */
	harness_push_job(h, "never-pushed", "go", "");
	expect_cancelled("never-pushed");
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), calls + 1));
	end();
}

/* ---- waiting, and running again ---- */

Test(outages, who_waited_too_long_is_not_run)
{
	const struct json *r;

	begin();
	harness_set(h, "queue.max_age_sec", "60");
	harness_start(h);
	answer_after(0);
	harness_push_job(h, "old", "go", ",\"created_at\":\"2026-01-01T00:00:00Z\"");
	r = harness_expect(h, "old", "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "timeout");
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 0));
	end();
}

/* The journal that led to the failure would lead there again. */
Test(outages, what_failed_by_its_journal_starts_over)
{
	static const char schema[] =
	    ",\"output_schema\":{\"type\":\"object\",\"required\":[\"n\"],\"properties\":"
	    "{\"n\":{\"type\":\"integer\"}},\"additionalProperties\":false}";
	char extra[300];
	const struct json *r;

	begin();
	harness_start(h);
	harness_llm_script(h, "{\"rules\":[{\"reply\":{\"content\":\"no json\"}}]}");
	harness_push_job(h, "again", "count", schema);
	r = harness_expect(h, "again", "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "schema_violation");
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"{\\\"n\\\":7}\"}}]}");
	(void)snprintf(extra, sizeof(extra), "%s,\"retry_count\":1", schema);
	harness_push_job(h, "again", "count", extra);
	(void)harness_expect(h, "again", "completed");
	cr_expect(eq(i64, int_at(harness_value(h, "again"), "n"), 7));
	end();
}
