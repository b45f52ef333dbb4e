/* SPDX-License-Identifier: MIT */
/*
 * test_providers.c - providers that are away, that refuse us, that limit the rate.
 *
 * AGENT_RUNNER_LONG=1 makes the outages ten minutes long.
 */
#include "config.h"

#include "common/clock.h"
#include "tests/e2e/e2e.h"

#include <signal.h>
#include <stdlib.h>

enum {
	JOBS_BEFORE = 40,
	JOBS_MEANWHILE = 40,
	OUTAGE_SEC = 12,
	LONG_OUTAGE_SEC = 600,
	PLACES = 2 * 8, /* of the harness' workers */
	BACK_MS = 60000
};

static struct harness *h;

TestSuite(providers, .timeout = 900);

static void
stop(void)
{
	harness_stop(h);
	harness_free(h);
}

static unsigned
outage_sec(void)
{
	const char *is_long = getenv("AGENT_RUNNER_LONG");

	return is_long != NULL && is_long[0] == '1' ? LONG_OUTAGE_SEC : OUTAGE_SEC;
}

/* Every job takes two answers: a pipeline, then words. */
#define ANSWERS                                                                  \
 "{\"when\":{\"turn\":0},\"reply\":{\"delay_ms\":300,\"tool_calls\":[{\"name\":" \
 "\"execute_pipeline\",\"arguments\":{\"pipeline\":[{\"step\":\"http_request\"," \
 "\"url\":\"{{data_api}}/users\"}]}}]}},{\"reply\":{\"content\":\"done\","       \
 "\"delay_ms\":300}}"

static void
push_some(const char *prefix, unsigned n)
{
	char id[32];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(id, sizeof(id), "%s%u", prefix, i);
		harness_push_job(h, id, "go", ",\"timeout_sec\":20");
	}
}

/* Completed, by the first attempt, and blamed for nothing. */
static void
expect_some(const char *prefix, unsigned n)
{
	char id[32];

	for (unsigned i = 0; i < n; i++) {
		const struct json *r;

		(void)snprintf(id, sizeof(id), "%s%u", prefix, i);
		r = harness_result(h, id, BACK_MS);
		cr_assert_str_eq(text_at(h, r, "status"), "completed", "%s: %s", id,
		    text_at(h, r, "error.message"));
		cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1), "%s", id);
		cr_expect(eq(i64, int_at(r, "metadata.turns"), 2), "%s", id);
		harness_clear(h);
	}
}

/* Each job is one of 4 workers', the second half after a reload. */
static void
run_for_prefix(const char *agent, unsigned n, unsigned generation)
{
	char id[32], prompt[64], extra[64];

	(void)snprintf(extra, sizeof(extra), ",\"agent\":\"%s\"", agent);
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(id, sizeof(id), "%s%u-%u", agent, generation, i);
		(void)snprintf(prompt, sizeof(prompt), "task %u of %s", i, id);
		harness_push_job(h, id, prompt, extra);
	}
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(id, sizeof(id), "%s%u-%u", agent, generation, i);
		(void)harness_expect(h, id, "completed");
	}
}

static bool
has_reloaded(struct harness *hh, void *ctx)
{
	(void)ctx;
	return harness_log_has(hh, "generation 2 is in use");
}

static void
add_member(struct buf *out, const struct json *body, const char *name)
{
	const struct json *v = json_get(body, name);

	if (v != NULL)
		json_write(out, v, JSON_COMPACT);
}

/* What providers cache: the tools and the system text, of the same agent always the same
   bytes. */
static unsigned
n_different(const char *path, unsigned *n)
{
	const struct json *log = harness_llm_log(h);
	CLEANUP_BUF struct buf first = BUF_INIT;
	unsigned different = 0;

	*n = 0;
	for (uint32_t i = 0; i < log->len; i++) {
		const struct json *sent = json_get(&log->items[i], "body");
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP_BUF struct buf text = BUF_INIT;
		const struct json *body = NULL, *messages;

		if (!json_eq_str(json_get(&log->items[i], "path"), path))
			continue;
		cr_assert(json_read(a, sent->text, sent->len, 0, &body, NULL) == 0);
		messages = json_get(body, "messages");
		add_member(&text, body, "tools");
		add_member(&text, body, "system");
		if (json_get(body, "system") == NULL)
			json_write(&text, &messages->items[0], JSON_COMPACT);
		if ((*n)++ == 0)
			buf_add(&first, buf_str(&text), text.len);
		different += first.len != text.len ||
		    strcmp(buf_str(&first), buf_str(&text)) != 0;
	}
	return different;
}

Test(providers, the_prefix_has_the_same_bytes_for_all_jobs_workers_and_generations)
{
	static const char *const paths[] = { "/v1/chat/completions", "/v1/messages" };

	h = e2e_new();
	harness_llm_arg(h, "--log-bodies");
	harness_servers(h);
	harness_set(h, "service.workers", "4");
	harness_set(h, "llm.providers",
	    "( { name = \"a\"; type = \"openai\"; base_url = \"http://%s/v1\"; model = "
	    "\"m\"; }, { name = \"b\"; type = \"anthropic\"; base_url = \"http://%s/v1\"; "
	    "model = \"m\"; } )",
	    harness_llm_address(h), harness_llm_address(h));
	harness_write_file(h, "agents.d/one.conf", "providers = ( \"a\" );");
	harness_write_file(h, "agents.d/two.conf", "providers = ( \"b\" );");
	harness_write_conf(h);
	harness_daemon(h);
	harness_llm_script(h, "{\"rules\":[{\"reply\":{\"content\":\"fine\"}}]}");
	for (unsigned generation = 0; generation < 2; generation++) {
		run_for_prefix("one", 40, generation);
		run_for_prefix("two", 40, generation);
		if (generation == 0) {
			harness_set(h, "limits.max_turns", "11");
			harness_write_conf(h);
			harness_signal(h, SIGHUP);
			harness_wait_until(h, has_reloaded, NULL, HARNESS_WAIT_MS,
			    "the reload");
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		unsigned n;

		cr_expect(eq(uint, n_different(paths[i], &n), 0), "%s", paths[i]);
		cr_expect(eq(uint, n, 80), "%s", paths[i]);
	}
	stop();
}

static bool
answers_reach(struct harness *unused, void *n)
{
	(void)unused;
	return harness_llm_stat(h, "answers") >= *(long long *)n;
}

static bool
is_unready(struct harness *unused, void *arg)
{
	CLEANUP_BUF struct buf body = BUF_INIT;

	(void)unused;
	(void)arg;
	return harness_http(h, "GET", "/health?ready=1", NULL, &body) == 503 &&
	    strstr(buf_str(&body), "no provider of agent workflow") != NULL;
}

static bool
breaker_is_open(void)
{
	CLEANUP_BUF struct buf body = BUF_INIT;
	const char *line;

	cr_assert(eq(int, harness_http(h, "GET", "/metrics", NULL, &body), 200));
	line = strstr(buf_str(&body),
	    "\nagent_runner_llm_breaker_state{provider=\"stub\"");
	return line != NULL && strtol(strchr(line, '}') + 1, NULL, 10) > 0;
}

static bool
status_tells(void)
{
	const char *argv[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "status", NULL };
	CLEANUP_BUF struct buf out = BUF_INIT;

	(void)harness_run(h, argv, &out);
	return strstr(buf_str(&out), "stub") != NULL;
}

/* fault NULL: nobody listens. */
static void
outage(const char *fault)
{
	long long first = JOBS_BEFORE / 4, asked;
	CLEANUP_BUF struct buf rules = BUF_INIT;
	unsigned sec = outage_sec();

	h = e2e_new();
	harness_llm_timeout(h, 2);
	harness_set(h, "llm.breaker_open_sec", "1");
	harness_write_file(h, "agents.d/workflow.conf",
	    "name = \"workflow\"; tools = ( \"execute_pipeline\" );");
	harness_start(h);
	harness_llm_script(h, "{\"rules\":[" ANSWERS "]}");
	push_some("b", JOBS_BEFORE);
	harness_wait_until(h, answers_reach, &first, HARNESS_WAIT_MS,
	    "some answers are given");
	if (fault != NULL) {
		buf_addf(&rules, "{\"rules\":[{\"fault\":%s}]}", fault);
		harness_llm_script(h, buf_str(&rules));
	} else {
		harness_llm_kill(h);
	}
	push_some("m", JOBS_MEANWHILE);
	harness_wait_until(h, is_unready, NULL, BACK_MS, "/health tells of it");
	cr_expect(breaker_is_open());
	cr_expect(status_tells());
	harness_sleep(sec * 1000);
	cr_expect(harness_redis_int(h, "LLEN agent:jobs") > 0, "nobody claims them");
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), 0));
	if (fault == NULL) {
		harness_llm_restart(h);
	} else {
		/* three times in hand, then one job at a time, of all workers */
		asked = harness_llm_stat(h, "faults");
		cr_expect(asked <= 3 * PLACES + (long long)sec, "%lld", asked);
	}
	harness_llm_script(h, "{\"rules\":[" ANSWERS "]}");
	expect_some("b", JOBS_BEFORE);
	expect_some("m", JOBS_MEANWHILE);
	asked = harness_llm_stat(h, "answers");
	if (fault != NULL &&
	    strstr(fault, "hang") != NULL) /* never given, but counted */
		asked -= harness_llm_stat(h, "faults");
	if (fault != NULL) /* what was journalled before is not paid again */
		cr_expect(eq(llong, asked, 2 * (JOBS_BEFORE + JOBS_MEANWHILE)));
	stop();
}

Test(providers, an_outage_of_connections_spends_nothing)
{
	outage(NULL);
}

Test(providers, an_outage_of_silence_spends_nothing)
{
	outage("{\"hang\":true}");
}

Test(providers, an_outage_of_500s_spends_nothing)
{
	outage("{\"status\":500}");
}

Test(providers, an_outage_of_503s_spends_nothing)
{
	outage("{\"status\":503,\"body\":\"<html>busy</html>\"}");
}

Test(providers, a_storm_of_429s_spends_nothing)
{
	outage("{\"status\":429}");
}

Test(providers, a_storm_of_429s_that_ask_for_patience_spends_nothing)
{
	outage("{\"status\":429,\"headers\":{\"Retry-After\":\"3\"}}");
}

/* ---- falling back ---- */

static void
start_two(void)
{
	h = e2e_new();
	harness_servers(h);
	harness_set(h, "llm.providers",
	    "( { name = \"first\"; base_url = \"http://%s/v1\"; api_key = \"k\"; model = "
	    "\"one\"; timeout_sec = 5; }, { name = \"second\"; base_url = "
	    "\"http://%s/v1\"; api_key = \"k\"; model = \"two\"; timeout_sec = 5; } )",
	    harness_llm_address(h), harness_llm_address(h));
	harness_write_conf(h);
	harness_daemon(h);
}

static const struct {
	const char *fault, *type;
} refusals[] = {
	{ "{\"status\":401,\"message\":\"no such key\"}", "llm_auth" },
	{ "{\"status\":403,\"body\":\"\"}", "llm_auth" },
	{ "{\"status\":429,\"body\":{\"error\":{\"code\":\"insufficient_quota\"}}}",
	    "llm_quota_exhausted" },
};

static long long
count_in_log(const char *model)
{
	const struct json *log = harness_llm_log(h);
	long long n = 0;

	for (uint32_t i = 0; i < log->len; i++)
		n += json_eq_str(json_get(&log->items[i], "model"), model);
	return n;
}

Test(providers, who_refuses_is_passed_over_and_asked_seldom)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		CLEANUP_BUF struct buf rules = BUF_INIT;
		char id[32];

		start_two();
		buf_addf(&rules,
		    "{\"rules\":[{\"when\":{\"model\":\"one\"},\"fault\":%s},{\"reply\":{"
		    "\"content\":\"by the second\"}}]}",
		    refusals[i].fault);
		harness_llm_script(h, buf_str(&rules));
		for (unsigned k = 0; k < 60; k++) {
			(void)snprintf(id, sizeof(id), "f%u", k);
			harness_push_job(h, id, "go", "");
		}
		for (unsigned k = 0; k < 60; k++) {
			const struct json *r;

			(void)snprintf(id, sizeof(id), "f%u", k);
			r = harness_expect(h, id, "completed");
			cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
			cr_expect_str_eq(text_at(h, r, "metadata.llm_model"), "two");
		}
		/* not repeated; asked by what was under way when each worker knew */
		cr_expect(count_in_log("one") <= 2 * (5 + 8), "%lld",
		    count_in_log("one"));
		cr_expect(strstr(harness_sql(h,
				     "SELECT trace FROM agent_results WHERE "
				     "trace IS NOT NULL LIMIT 1"),
			      refusals[i].type) != NULL,
		    "the reason stands in the trace: %s",
		    harness_sql(h,
			"SELECT count(*), count(trace), max(trace) FROM agent_results"));
		stop();
	}
}

/* A refusal is no outage: nobody waits for it. */
Test(providers, jobs_fail_at_once_when_all_refuse)
{
	CLEANUP_BUF struct buf rules = BUF_INIT;
	char id[32];

	start_two();
	buf_addf(&rules, "{\"rules\":[{\"fault\":%s}]}", refusals[2].fault);
	harness_llm_script(h, buf_str(&rules));
	for (unsigned k = 0; k < 40; k++) {
		(void)snprintf(id, sizeof(id), "q%u", k);
		harness_push_job(h, id, "go", "");
	}
	for (unsigned k = 0; k < 40; k++) {
		const struct json *r;

		(void)snprintf(id, sizeof(id), "q%u", k);
		r = harness_expect(h, id, "failed");
		cr_expect_str_eq(text_at(h, r, "error.type"), "llm_quota_exhausted");
		cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
	}
	stop();
}

static bool
is_put_off(struct harness *unused, void *id)
{
	(void)unused;
	return harness_redis_int(h, "HEXISTS agent:job:%s asked_ms",
		   (const char *)id) == 1 &&
	    harness_redis_int(h, "ZCARD agent:delayed") == 1;
}

/* Each of its questions opens the breaker, so that it looks like an outage to it; but
   others are answered in between. It ends, and only after many a question. */
Test(providers, who_alone_is_never_answered_does_not_wait_for_ever)
{
	const struct json *r = NULL;
	unsigned n = 0;
	char id[32];

	h = e2e_new();
	harness_set(h, "service.workers", "1");
	harness_set(h, "llm.breaker_failures", "1");
	harness_set(h, "llm.breaker_open_sec", "1");
	harness_start(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"prompt_contains\":\"poison\"},\"fault\":{\"status\":"
	    "500}},{\"reply\":{\"content\":\"fine\"}}]}");
	harness_push_job(h, "p", "poison", "");
	harness_wait_until(h, is_put_off, (void *)(uintptr_t) "p", HARNESS_WAIT_MS,
	    "it is put off");
	for (; r == NULL && n < 200; n++) {
		(void)snprintf(id, sizeof(id), "o%u", n);
		harness_push_job(h, id, "go", "");
		(void)harness_expect(h, id, "completed");
		r = harness_try_result(h, "p", 1000);
	}
	cr_assert(r != NULL);
	cr_expect_str_eq(text_at(h, r, "error.type"), "llm_unavailable");
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 3));
	cr_expect(eq(llong, harness_redis_int(h, "HGET agent:job:p unanswered"), 10));
	stop();
}

/* It has cost an answer, and then waits for longer than it may. */
Test(providers, waiting_with_an_answer_in_hand_is_bounded_too)
{
	const struct json *r;

	h = e2e_new();
	harness_set(h, "llm.breaker_open_sec", "1");
	harness_set(h, "queue.max_age_sec", "4");
	harness_write_file(h, "agents.d/workflow.conf",
	    "name = \"workflow\"; tools = ( \"execute_pipeline\" ); finish_tools = ( );");
	harness_start(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"turn\":0},\"reply\":{\"tool_calls\":[{\"name\":"
	    "\"execute_pipeline\",\"arguments\":{\"session_id\":\"s\",\"pipeline\":[{"
	    "\"step\":\"http_request\",\"url\":\"{{data_api}}/users\"}]}}]}},"
	    "{\"fault\":{\"status\":503}}]}");
	harness_push_job(h, "p", "go", "");
	r = harness_expect(h, "p", "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "llm_unavailable");
	cr_expect(strstr(text_at(h, r, "error.message"),
		      "longer than queue.max_age_sec") != NULL,
	    "%s", text_at(h, r, "error.message"));
	cr_expect(eq(i64, int_at(r, "metadata.turns"), 1));
	stop();
}

/* What one job's request brings about is charged to that job alone. */
Test(providers, the_failures_of_one_job_are_its_own)
{
	const struct json *r = NULL;
	unsigned n = 0;
	char id[32];

	h = e2e_new();
	harness_set(h, "service.workers", "1");
	harness_start(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"prompt_contains\":\"poison\"},\"fault\":{\"status\":"
	    "500}},{\"reply\":{\"content\":\"fine\",\"delay_ms\":100}}]}");
	harness_push_job(h, "p", "poison", "");
	while (r == NULL && n < 2000) { /* others are answered all the while */
		for (unsigned k = 0; k < 20; k++) {
			(void)snprintf(id, sizeof(id), "o%u", n++);
			harness_push_job(h, id, "go", "");
		}
		for (unsigned k = n - 20; k < n; k++) {
			(void)snprintf(id, sizeof(id), "o%u", k);
			cr_expect(eq(i64,
			    int_at(harness_expect(h, id, "completed"),
				"metadata.attempts"),
			    1));
		}
		harness_clear(h);
		r = harness_try_result(h, "p", 1);
	}
	cr_assert(r != NULL);
	cr_expect_str_eq(text_at(h, r, "error.type"), "llm_unavailable");
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 3));
	stop();
}

/* The whole conversation in the other vendor's words, tools included. */
Test(providers, anthropic_messages_run_a_job_with_tools)
{
	const struct json *r;

	h = e2e_new();
	harness_llm_arg(h, "--api-key");
	harness_llm_arg(h, "k");
	harness_servers(h);
	harness_set(h, "llm.providers",
	    "( { name = \"claude\"; type = \"anthropic\"; base_url = \"http://%s/v1\"; "
	    "api_key = \"k\"; model = \"claude-x\"; } )",
	    harness_llm_address(h));
	harness_write_file(h, "agents.d/workflow.conf",
	    "name = \"workflow\"; tools = ( \"execute_pipeline\" );");
	harness_write_conf(h);
	harness_daemon(h);
	harness_llm_script(h, "{\"rules\":[" ANSWERS "]}");
	harness_push_job(h, "a", "go", "");
	r = harness_expect(h, "a", "completed");
	cr_expect(eq(i64, int_at(r, "metadata.turns"), 2));
	cr_expect_str_eq(text_at(h, r, "metadata.llm_model"), "claude-x");
	cr_expect(eq(llong, harness_llm_stat(h, "refused"), 0));
	/* and its errors are its own */
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"times\":1},\"fault\":{\"status\":529}}," ANSWERS
	    "]}");
	harness_push_job(h, "b", "go", "");
	r = harness_expect(h, "b", "completed");
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
	harness_llm_script(h, "{\"rules\":[{\"fault\":{\"status\":401}}]}");
	harness_push_job(h, "c", "go", "");
	r = harness_expect(h, "c", "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "llm_auth");
	stop();
}

/* ---- rate limits ---- */

static void
start_limited(const char *more)
{
	h = e2e_new();
	harness_set(h, "service.jobs_per_worker", "400");
	harness_servers(h);
	harness_set(h, "llm.providers",
	    "( { name = \"stub\"; base_url = \"http://%s/v1\"; api_key = \"k\"; model = "
	    "\"scripted\"; timeout_sec = 10; max_tokens = 100; %s } )",
	    harness_llm_address(h), more);
	harness_write_file(h, "agents.d/bulk.conf",
	    "name = \"bulk\"; class = \"batch\"; tools = ( \"execute_pipeline\" );");
	harness_write_conf(h);
	harness_daemon(h);
	harness_llm_script(h, "{\"rules\":[{\"reply\":{\"content\":\"done\"}}]}");
}

static void
push_as(const char *prefix, unsigned n, const char *extra)
{
	char id[32];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(id, sizeof(id), "%s%u", prefix, i);
		harness_push_job(h, id, "go", extra);
	}
}

static void
expect_all(const char *prefix, unsigned n)
{
	char id[32];

	for (unsigned i = 0; i < n; i++) {
		const struct json *r;

		(void)snprintf(id, sizeof(id), "%s%u", prefix, i);
		r = harness_result(h, id, BACK_MS);
		cr_assert_str_eq(text_at(h, r, "status"), "completed", "%s: %s", id,
		    text_at(h, r, "error.message"));
		cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1), "%s", id);
		harness_clear(h);
	}
}

Test(providers, without_a_limit_in_sight_redis_is_not_asked)
{
	redisReply *keys;

	start_limited("");
	push_as("n", 20, "");
	expect_all("n", 20);
	keys = harness_redis(h, "KEYS agent:limit:rate:*");
	cr_expect(keys->elements == 0);
	freeReplyObject(keys);
	stop();
}

/* 600 a minute: what the bucket held is gone at once, then ten come a second. */
Test(providers, a_configured_limit_holds_for_all_workers)
{
	uint64_t began;

	start_limited("requests_per_minute = 600;");
	began = clock_mono_ms();
	push_as("c", 640, "");
	expect_all("c", 640);
	cr_expect(clock_mono_ms() - began >= 3000, "faster than the limit");
	stop();
}

Test(providers, a_batch_leaves_room_for_one_interactive_job)
{
	uint64_t began;

	start_limited("requests_per_minute = 600;");
	push_as("b", 700, ",\"agent\":\"bulk\"");
	expect_all("b", 600); /* the bucket is empty now */
	push_as("m", 60, ",\"agent\":\"bulk\"");
	began = clock_mono_ms();
	push_as("i", 1, "");
	expect_all("i", 1);
	cr_expect(clock_mono_ms() - began < 60000, "not within one refill");
	harness_free(h);
}

Test(providers, the_limits_that_answers_tell_are_kept)
{
	uint64_t began;

	start_limited("");
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"times\":1},\"fault\":{\"headers\":{"
	    "\"x-ratelimit-limit-requests\":\"600\",\"x-ratelimit-remaining-requests\":"
	    "\"0\",\"x-ratelimit-reset-requests\":\"60s\"}}},{\"reply\":{\"content\":"
	    "\"done\"}}]}");
	harness_set(h, "service.workers", "1");
	push_as("f", 1, "");
	expect_all("f", 1);
	cr_expect(eq(llong,
	    harness_redis_int(h, "HGET agent:limit:rate:stub/scripted q_limit"), 600));
	began = clock_mono_ms();
	push_as("g", 60, "");
	expect_all("g", 60);
	cr_expect(clock_mono_ms() - began >= 1000, "the limit is not kept");
	stop();
}

/* Nothing of the waiting is the job's: 40 calls at 10 a second last longer than it may
   run. */
Test(providers, waiting_for_a_limit_is_no_running_time)
{
	start_limited("requests_per_minute = 600;");
	push_as("w", 600, "");
	expect_all("w", 600);
	push_as("x", 60, ",\"timeout_sec\":2");
	expect_all("x", 60);
	stop();
}
