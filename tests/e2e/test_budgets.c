/* SPDX-License-Identifier: MIT */
/*
 * test_budgets.c - what jobs cost, over the real daemon: an owner's day that many jobs
 * draw on at once, workers that die with a call under way, prices of cached tokens.
 */
#include "config.h"

#include "tests/e2e/e2e.h"
#ifdef WITH_FAULT_POINTS
# include "tests/e2e/faults.h"
#endif

#include <signal.h>
#include <time.h>

enum {
	JOBS = 20,
	CAP = 10000,    /* micro-USD a day */
	CALL = 60 + 800 /* what the scripted call costs; it may come to a little more */
};

TestSuite(budgets, .timeout = 180);

static struct harness *h;

/* 60 input tokens, 400 output tokens: 860 micro-USD. */
#define USAGE "\"usage\":{\"prompt_tokens\":60,\"completion_tokens\":400}"

static void
prepare(const char *prices)
{
	h = e2e_new();
	harness_servers(h);
	harness_set(h, "llm.providers",
	    "( { name = \"stub\"; type = \"openai\"; base_url = \"http://%s/v1\"; "
	    "api_key = \"sk-test-0123456789\"; model = \"scripted\"; max_tokens = 400; "
	    "timeout_sec = 60; } )",
	    harness_llm_address(h));
	harness_set(h, "llm.prices", "( { model = \"script*\"; %s } )", prices);
	harness_set(h, "service.workers", "4");
	harness_write_file(h, "agents.d/small.txt", "Answer in words.");
	harness_write_file(h, "agents.d/small.conf",
	    "system_prompt_file = \"small.txt\"; tools = ( );");
	harness_write_file(h, "agents.d/two.conf",
	    "tools = ( \"execute_pipeline\" ); finish_tools = ( );");
}

static void
run_daemon(void)
{
	harness_write_conf(h);
	harness_daemon(h);
}

static void
start_with_cap(double cap)
{
	prepare("input = 1.0; output = 2.0;");
	harness_set(h, "limits.owner_usd_per_day", "%f", cap / 1e6);
	run_daemon();
}

static void
stop(void)
{
	harness_stop(h);
	harness_free(h);
}

static void
push(const char *prefix, unsigned i, const char *agent, const char *owner)
{
	char id[32], extra[128];

	(void)snprintf(id, sizeof(id), "%s%u", prefix, i);
	(void)snprintf(extra, sizeof(extra),
	    ",\"agent\":\"%s\",\"workflow_owner\":\"%s\"", agent, owner);
	harness_push_job(h, id, "say something", extra);
}

static const struct json *
result(const char *prefix, unsigned i)
{
	char id[32];

	(void)snprintf(id, sizeof(id), "%s%u", prefix, i);
	return harness_result(h, id, 60000);
}

/* agentctl budget OWNER --json: its one row. */
static const struct json *
day_of(const char *owner)
{
	const char *argv[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "--json", "budget", owner, NULL };
	CLEANUP_BUF struct buf out = BUF_INIT;
	static struct arena *arena;
	const struct json *doc = NULL;

	arena_free(arena);
	arena = arena_new(0);
	cr_assert(harness_run(h, argv, &out) == 0, "%s", buf_str(&out));
	cr_assert(json_read(arena, arena_strndup(arena, buf_str(&out), out.len),
		      out.len, 0, &doc, NULL) == 0,
	    "%s", buf_str(&out));
	cr_assert(json_get(doc, "owners")->len == 1);
	return &json_get(doc, "owners")->items[0];
}

static double
number_at(const struct json *v, const char *path)
{
	double d = -1;

	(void)json_double(json_path(v, path, strlen(path)), &d);
	return d;
}

static long long
micro(const struct json *v, const char *path)
{
	return (long long)(number_at(v, path) * 1e6 + 0.5);
}

/* What the provider would put on its bill. */
static long long
bill(void)
{
	return harness_llm_stat(h, "prompt_tokens") +
	    2 * harness_llm_stat(h, "completion_tokens");
}

Test(budgets, twenty_jobs_at_once_pass_the_owner_s_day_by_less_than_a_call)
{
	unsigned completed = 0;
	const struct json *day;

	start_with_cap(CAP);
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"fine\",\"delay_ms\":300," USAGE
	    "}}]}");
	for (unsigned i = 0; i < JOBS; i++)
		push("a", i, "small", "ann");
	for (unsigned i = 0; i < JOBS; i++) {
		const struct json *r = result("a", i);
		const char *why = text_at(h, r, "error.message");

		if (strcmp(text_at(h, r, "status"), "completed") == 0) {
			completed++;
			cr_expect(eq(llong, micro(r, "metadata.cost_usd"), CALL));
			continue;
		}
		cr_expect_str_eq(text_at(h, r, "error.type"), "budget_exceeded");
		cr_expect(strstr(why, "limits.owner_usd_per_day") != NULL, "%s", why);
		cr_expect(strstr(why, "it renews at 20") != NULL, "%s", why);
		cr_expect_str_eq(text_at(h, r, "metadata.limit_hit"),
		    "owner_budget_usd");
	}
	cr_expect(completed > 1 && completed < JOBS, "%u", completed);
	cr_expect(gt(llong, harness_llm_stat(h, "max_waiting"), 1));
	cr_expect(lt(llong, bill(), CAP + CALL));
	cr_expect(gt(llong, bill(), CAP - 2 * CALL));
	day = day_of("ann");
	cr_expect(eq(llong, micro(day, "used_usd"), bill()));
	cr_expect(eq(llong, micro(day, "reserved_usd"), 0));
	cr_expect(eq(i64, int_at(day, "reserved_tokens"), 0));
	/* another owner has another day */
	push("b", 0, "small", "bob");
	cr_expect_str_eq(text_at(h, result("b", 0), "status"), "completed");
	stop();
}

Test(budgets, a_day_that_ends_with_data_in_hand_completes_the_job)
{
	const struct json *r;

	start_with_cap(CAP);
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"turn\":0},\"reply\":{\"tool_calls\":[{\"name\":"
	    "\"execute_pipeline\",\"arguments\":{\"pipeline\":[{\"step\":\"http_request\","
	    "\"url\":\"{{data_api}}/users\"},{\"step\":\"top_k\",\"k\":2}]}}],"
	    "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":5000}}}]}");
	push("c", 0, "two", "carl");
	r = result("c", 0);
	cr_expect_str_eq(text_at(h, r, "status"), "completed");
	cr_expect_str_eq(text_at(h, r, "metadata.limit_hit"), "owner_budget_usd");
	cr_expect(eq(i64, int_at(r, "result_preview.row_count"), 2));
	cr_expect(eq(i64, int_at(r, "metadata.turns"), 1));
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 1));
	stop();
}

static bool
is_reserved(struct harness *hh, void *owner)
{
	(void)hh;
	return int_at(day_of(owner), "reserved_tokens") > 0;
}

Test(budgets, a_worker_that_dies_in_a_call_leaves_nothing_reserved)
{
	const struct json *day;

	start_with_cap(1e6);
	harness_llm_script(h, "{\"rules\":[{\"fault\":{\"hang\":true}}]}");
	for (unsigned i = 0; i < 8; i++)
		push("k", i, "small", "kim");
	harness_wait_until(h, is_reserved, (void *)(uintptr_t) "kim", HARNESS_WAIT_MS,
	    "a reservation");
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"fine\"," USAGE "}}]}");
	for (int slot = 0; slot < 4; slot++)
		(void)harness_kill_child(h, "worker", slot, SIGKILL);
	for (unsigned i = 0; i < 8; i++)
		cr_expect_str_eq(text_at(h, result("k", i), "status"), "completed");
	day = day_of("kim");
	cr_expect(eq(llong, micro(day, "used_usd"), 8 * CALL));
	cr_expect(eq(llong, micro(day, "reserved_usd"), 0));
	cr_expect(eq(i64, int_at(day, "reserved_tokens"), 0));
	stop();
}

#ifdef WITH_FAULT_POINTS
/* Where a worker dies with a call reserved, answered, journalled, or all over. */
static enum fault_point places[] = { FAULT_POINT_LLM_SEND, FAULT_POINT_LLM_ANSWER,
	FAULT_POINT_JOURNAL_ANSWER_SEND, FAULT_POINT_JOURNAL_ANSWER_REPLY,
	FAULT_POINT_STORE_SEND, FAULT_POINT_STORE_DONE, FAULT_POINT_FINISH_SEND,
	FAULT_POINT_FINISH_REPLY };

static struct fault_page *page;

static bool
is_struck(struct harness *hh, void *place)
{
	(void)hh;
	return faults_struck(page, *(enum fault_point *)place) > 0;
}

Test(budgets, each_journalled_answer_is_charged_once_wherever_the_worker_dies)
{
	const struct json *day, *r;
	long long cost = 0;

	prepare("input = 1.0; output = 2.0;");
	page = faults_new(h);
	harness_set(h, "limits.owner_usd_per_day", "1.0");
	run_daemon();
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"fine\"," USAGE "}}]}");
	for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
		faults_arm(h, page, "%s:kill:once", fault_point_name(places[i]));
		push("f", i, "small", "fay");
		r = result("f", i);
		cr_expect_str_eq(text_at(h, r, "status"), "completed", "%s",
		    fault_point_name(places[i]));
		harness_wait_until(h, is_struck, &places[i], HARNESS_WAIT_MS,
		    fault_point_name(places[i]));
		cost += micro(r, "metadata.cost_usd");
		day = day_of("fay");
		cr_expect(eq(llong, micro(day, "used_usd"), cost), "%s",
		    fault_point_name(places[i]));
		cr_expect(eq(llong, micro(day, "reserved_usd"), 0), "%s",
		    fault_point_name(places[i]));
	}
	faults_disarm(page);
	stop();
}
#endif

Test(budgets, a_job_that_waits_for_others_ends_at_its_own_deadline)
{
	const struct json *r;

	start_with_cap(CALL + 300);
	harness_llm_script(h, "{\"rules\":[{\"fault\":{\"hang\":true}}]}");
	push("first", 0, "small", "lou");
	harness_wait_until(h, is_reserved, (void *)(uintptr_t) "lou", HARNESS_WAIT_MS,
	    "a reservation");
	harness_push_job(h, "second", "say something",
	    ",\"agent\":\"small\",\"workflow_owner\":\"lou\",\"timeout_sec\":2");
	r = harness_expect(h, "second", "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "timeout");
	cr_expect(strstr(text_at(h, r, "error.message"), "its share of a budget") !=
		NULL,
	    "%s", text_at(h, r, "error.message"));
	cr_expect(eq(i64, int_at(r, "metadata.turns"), 0));
	stop();
}

static bool
has_data(struct harness *hh, void *ctx)
{
	(void)ctx;
	return harness_redis_int(hh, "LLEN agent:journal:late") >= 2;
}

/* A job whose time is over when it comes back knows what it did and what that cost. */
Test(budgets, time_used_up_by_former_attempts_loses_neither_data_nor_costs)
{
	const struct json *r;

	prepare("input = 1.0; output = 2.0;");
	run_daemon();
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"turn\":0},\"reply\":{\"tool_calls\":[{\"name\":"
	    "\"execute_pipeline\",\"arguments\":{\"pipeline\":[{\"step\":\"http_request\","
	    "\"url\":\"{{data_api}}/users\"}]}}]," USAGE
	    "}},{\"fault\":{\"hang\":true}}]}");
	harness_push_job(h, "late", "show the items", ",\"agent\":\"two\"");
	harness_wait_until(h, has_data, NULL, HARNESS_WAIT_MS, "the data");
	(void)harness_redis_int(h, "HSET agent:job:late run_ms 99999999");
	for (int slot = 0; slot < 4; slot++)
		(void)harness_kill_child(h, "worker", slot, SIGKILL);
	r = harness_expect(h, "late", "completed");
	cr_expect_str_eq(text_at(h, r, "metadata.limit_hit"), "timeout");
	cr_expect(eq(i64, int_at(r, "metadata.tokens_used"), 460));
	cr_expect(eq(llong, micro(r, "metadata.cost_usd"), CALL));
	stop();
}

Test(budgets, cached_tokens_cost_what_the_table_says_in_results_and_metrics)
{
	CLEANUP_BUF struct buf metrics = BUF_INIT;
	const struct json *r;

	prepare("input = 2.5; output = 10.0; cached = 1.25;");
	run_daemon();
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"fine\",\"usage\":{\"prompt_tokens\":1000,"
	    "\"completion_tokens\":100,\"cached_tokens\":800}}}]}");
	push("m", 0, "small", "mia");
	r = result("m", 0);
	cr_expect(eq(llong, micro(r, "metadata.cost_usd"), 500 + 1000 + 1000));
	cr_assert(harness_http(h, "GET", "/metrics", NULL, &metrics) == 200);
	cr_expect(
	    strstr(buf_str(&metrics),
		"agent_runner_llm_cost_usd_total{provider=\"stub\",model=\"scripted\"} "
		"0.0025") != NULL,
	    "%s", strstr(buf_str(&metrics), "cost"));
	/* without a cap Redis is not asked */
	cr_expect(eq(llong,
	    harness_redis_int(h, "EXISTS agent:limit:owner:mia:%lld",
		(long long)(time(NULL) / 86400)),
	    0));
	stop();
}
