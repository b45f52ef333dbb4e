/* SPDX-License-Identifier: MIT */
/*
 * test_owner_cache.c - results of pipelines that are remembered stay with their owner,
 * and are given out only to who may read what they were made of.
 */
#include "config.h"

#include "tests/e2e/owner_support.h"

TestSuite(owner_cache, .timeout = 240);

/* ---- remembered pipelines ---- */

/* "first" makes data; "work" works on it. */
static void
script_work(const char *ref, const char *steps)
{
	struct buf rules = BUF_INIT;
	CLEANUP_BUF struct buf args = BUF_INIT;

	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	buf_addf(&args, "{\"input_ref\":\"%s\",\"pipeline\":[%s]}", ref, steps);
	rule(&rules, "work", "execute_pipeline", buf_str(&args));
	script(&rules);
}

#define TOP_2 "{\"step\":\"top_k\",\"k\":2}"
#define LARGE "{\"step\":\"jq_transform\",\"query\":\"[range(20000)]\"}"

static const char *
made(const char *id, const char *owner)
{
	static char ref[128];
	const struct json *r;

	script_work("artifact://none", TOP_2);
	r = run(id, "make", owner, "");
	expect_completed(r);
	(void)snprintf(ref, sizeof(ref), "%s", text_at(h, r, "result_ref"));
	return ref;
}

static bool
was_remembered(const char *id)
{
	char sql[128];

	(void)snprintf(sql, sizeof(sql),
	    "SELECT trace FROM agent_results WHERE job_id = '%s'", id);
	return strstr(harness_sql(h, sql), "from the cache") != NULL;
}

static bool
metric_is(const char *line)
{
	CLEANUP_BUF struct buf page = BUF_INIT;

	return harness_http(h, "GET", "/metrics", NULL, &page) == 200 &&
	    strstr(buf_str(&page), line) != NULL;
}

static bool
has_one_hit(struct harness *unused, void *arg)
{
	(void)unused;
	return metric_is(arg);
}

/* The key of one remembered result; *n: how many there are. */
static const char *
cache_key(size_t *n)
{
	static char key[200];
	redisReply *reply = harness_redis(h, "KEYS agent:cache:*");

	*n = 0;
	key[0] = '\0';
	for (size_t i = 0; i < reply->elements; i++)
		if (strstr(reply->element[i]->str, ":use:") == NULL && (*n)++ == 0)
			(void)snprintf(key, sizeof(key), "%s", reply->element[i]->str);
	freeReplyObject(reply);
	return key;
}

Test(owner_cache, the_same_steps_over_the_same_result_are_remembered)
{
	static const char *const steps[] = { TOP_2, LARGE };
	size_t n;

	owner_start();
	const char *ref = made("b0", "bob");

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		char one[16], two[16];

		(void)snprintf(one, sizeof(one), "one%zu", i);
		(void)snprintf(two, sizeof(two), "two%zu", i);
		script_work(ref, steps[i]);
		expect_completed(run(one, "work", "bob", ""));
		expect_completed(run(two, "work", "bob", ""));
		cr_expect(not(was_remembered(one)));
		cr_expect(was_remembered(two), "%s", steps[i]);
		cr_expect(json_equal(harness_value(h, one), harness_value(h, two)));
	}
	{
		long long ttl = harness_redis_int(h, "TTL %s", cache_key(&n));

		cr_expect(ttl > 0 && ttl <= 3600, "%lld", ttl);
	}
	expect_completed(run("b9", "make", "bob", "")); /* as b0 did: it fetches */
	cr_expect(not(was_remembered("b9")));
	harness_wait_until(h, has_one_hit,
	    (void *)(uintptr_t) "\nagent_runner_pipeline_cache_hits_total 2\n", 60000,
	    "two hits in the metrics");
	cr_expect(metric_is("\nagent_runner_pipeline_cache_misses_total 2\n"));
	owner_stop();
}

/* Bob's job over his result is remembered; the same words of another owner are not. */
Test(owner_cache, what_is_remembered_for_one_owner_is_not_for_another)
{
	static const char *const others[] = { "ann", "", "bob:", "bob%" };

	owner_start();
	script_work(made("b0", "bob"), TOP_2);
	expect_completed(run("b1", "work", "bob", ""));
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "a%zu", i);
		expect_refused(run(id, "work", others[i], ""), "forbidden_reference",
		    others[i]);
	}
	owner_stop();
}

/* One job of ann's was given the reference, and its work is remembered. The next one was
   not given it. */
Test(owner_cache, a_remembered_result_is_given_to_who_may_read_its_origin)
{
	char extra[300];

	owner_start();
	const char *ref = made("b0", "bob");

	script_work(ref, TOP_2);
	(void)snprintf(extra, sizeof(extra),
	    ",\"workflow_owner\":\"ann\",\"context\":{\"previous_results\":[{\"node_id\":"
	    "\"x\",\"result_ref\":\"%s\"}]}",
	    ref);
	harness_push_job(h, "a1", "the #work#", extra);
	expect_completed(harness_result(h, "a1", 60000));
	harness_push_job(h, "a2", "the #work# again", extra);
	expect_completed(harness_result(h, "a2", 60000));
	cr_expect(was_remembered("a2"));
	expect_refused(run("a3", "work", "ann", ""), "forbidden_reference", "a3");
	/* nor is it given when what it was made of is no more */
	(void)harness_sql(h, "DELETE FROM agent_results WHERE job_id = 'b0'");
	harness_push_job(h, "a4", "the #work#, a last time", extra);
	expect_refused(harness_result(h, "a4", 60000), "invalid_step", "a4");
	owner_stop();
}

#define NO_BLOB                                                                     \
 "{\"ref\":\"cas://sha256:00000000000000000000000000000000000000000000000000000000" \
 "00000000\"}"

Test(owner_cache, a_record_that_is_not_whole_is_a_miss)
{
	static const char *const records[] = { "", "garbage", "{}", "[]",
		"{\"data\":\"[1]\"}",
		"{\"sha256\":\"00\",\"data\":\"[\\\"MARKER\\\"]\",\"rows\":1}", NO_BLOB,
		"{\"ref\":\"cas://sha256:/etc/passwd\"}", "{\"ref\":7,\"data\":null}" };
	char key[200], id[16];
	size_t n;

	owner_start();
	script_work(made("b0", "bob"), TOP_2);
	expect_completed(run("b1", "work", "bob", ""));
	(void)snprintf(key, sizeof(key), "%s", cache_key(&n));
	cr_assert(eq(sz, n, 1));
	cr_assert(strncmp(key, "agent:cache:bob:", 16) == 0, "%s", key);
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		const char *argv[] = { "SET", key, records[i] };

		harness_redis_argv(h, 3, argv);
		(void)snprintf(id, sizeof(id), "t%zu", i);
		expect_completed(run(id, "work", "bob", ""));
		cr_expect(not(was_remembered(id)), "%s", records[i]);
	}
	const char *argv[] = { "DEL", key };
	const char *push[] = { "RPUSH", key, "x" };

	harness_redis_argv(h, 2, argv);
	harness_redis_argv(h, 3, push); /* and is a list now */
	expect_completed(run("list", "work", "bob", ""));
	cr_expect(not(was_remembered("list")));
	owner_stop();
}

#define FETCH(profile)                                                         \
 "{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/private\"," \
 "\"auth_profile\":\"" profile "\"}]}"
#define POST                                                                           \
 "{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/echo\",\"method\":" \
 "\"POST\",\"params\":{\"a\":1}}]}"

Test(owner_cache, answers_to_get_are_remembered_only_when_configured_and_by_profile)
{
	static const struct {
		const char *rule, *owner;
		bool is_hit;
	} steps[] = {
		{ "one", "bob", false },
		{ "one", "bob", true },
		{ "two", "bob", false }, /* another profile may see other things */
		{ "two", "bob", true },
		{ "one", "ann", false },
		{ "one", "", false },
		{ "post", "bob", false },
		{ "post", "bob", false },
	};
	struct buf rules = BUF_INIT;
	char id[16];

	h = e2e_new();
	harness_set(h, "pipeline.cache_get", "true");
	harness_set(h, "auth_profiles",
	    "{ one = { type = \"api_key\"; header = \"X-API-Key\"; value = \"demo-key\"; "
	    "hosts = ( \"127.0.0.1\" ); }; two = { type = \"bearer\"; token = "
	    "\"demo-token\"; hosts = ( \"127.0.0.1\" ); }; }");
	harness_start(h);
	rule(&rules, "one", "execute_pipeline", FETCH("one"));
	rule(&rules, "two", "execute_pipeline", FETCH("two"));
	rule(&rules, "post", "execute_pipeline", POST);
	script(&rules);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		(void)snprintf(id, sizeof(id), "g%zu", i);
		expect_completed(run(id, steps[i].rule, steps[i].owner, ""));
		cr_expect(eq(int, was_remembered(id), steps[i].is_hit), "%zu", i);
	}
	owner_stop();
}

Test(owner_cache, what_is_switched_off_remembers_and_promotes_nothing)
{
	char id[16];
	size_t n;

	h = e2e_new();
	harness_set(h, "pipeline.cache_ttl_sec", "0");
	harness_set(h, "pipeline.promote_after", "0");
	harness_start(h);
	script_work(made("b0", "bob"), TOP_2);
	for (int i = 0; i < 4; i++) {
		(void)snprintf(id, sizeof(id), "w%d", i);
		expect_completed(run(id, "work", "bob", ""));
		cr_expect(not(was_remembered(id)));
	}
	(void)cache_key(&n);
	cr_expect(eq(sz, n, 0));
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM composite_tools"), "0\n");
	owner_stop();
}
