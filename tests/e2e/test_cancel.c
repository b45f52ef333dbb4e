/* SPDX-License-Identifier: MIT */
/*
 * test_cancel.c - agentctl cancel, wherever a job is: how soon its result is there, what
 * it says, and what agentctl answers.
 *
 * Every wait that is cut short here would last half a minute; the promise is two seconds,
 * and a busy machine is given five times that. The times are logged.
 */
#include "config.h"

#include "common/clock.h"
#include "tests/e2e/e2e.h"
#include "tests/support/postgres_server.h"

#include <signal.h>

enum {
	BOUND_MS = 10000,
	MANY = 60
};

TestSuite(cancel, .timeout = 180);

static struct harness *h;

/* One job at a time, so that it is known where each of them is. */
static void
begin(void)
{
	h = e2e_new();
	harness_set(h, "queue.lease_sec", "3");
	harness_set(h, "service.workers", "1");
	harness_set(h, "service.jobs_per_worker", "1");
	harness_set(h, "limits.step_cpu_sec", "100");
	harness_set(h, "network.timeout_sec", "60");
	harness_llm_timeout(h, 60);
}

static void
end(void)
{
	harness_stop(h);
	harness_free(h);
}

static void
script(void)
{
	harness_llm_script(h,
	    "{\"rules\":["
	    "{\"when\":{\"prompt_contains\":\"later\",\"turn\":0},"
	    "\"reply\":{\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{"
	    "\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\","
	    "\"url\":\"{{data_api}}/status/503?retry_after=60\"}]}}]}},"
	    "{\"when\":{\"prompt_contains\":\"later\"},\"reply\":{\"content\":\"no\"}},"
	    "{\"when\":{\"prompt_contains\":\"fetch\",\"turn\":0},"
	    "\"reply\":{\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{"
	    "\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\","
	    "\"url\":\"{{data_api}}/slow?ms=30000\"}]}}]}},"
	    "{\"when\":{\"prompt_contains\":\"compute\",\"turn\":0},"
	    "\"reply\":{\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{"
	    "\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\","
	    "\"url\":\"{{data_api}}/items\"},{\"step\":\"jq_transform\","
	    "\"query\":\"last(range(1e15))\"}]}}]}},"
	    "{\"when\":{\"prompt_contains\":\"again\",\"turn\":0},"
	    "\"reply\":{\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{"
	    "\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\","
	    "\"url\":\"{{data_api}}/status/404\"}]}}]}},"
	    "{\"reply\":{\"content\":\"x\",\"delay_ms\":30000}}]}");
}

static int
ctl(struct buf *out, const char *const *words)
{
	const char *argv[16] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h) };
	size_t n = 3;

	for (; *words != NULL; words++)
		argv[n++] = *words;
	return harness_run(h, argv, out);
}

static void
cancel(const char *id)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	cr_expect(eq(int, ctl(&out, (const char *const[]){ "cancel", id, NULL }), 0),
	    "%s: %s", id, buf_str(&out));
}

/* Its result, which must be there in time. */
static const struct json *
expect_cancelled(const char *where, const char *id, uint64_t since_ms)
{
	const struct json *r = harness_expect(h, id, "failed");
	uint64_t took = clock_mono_ms() - since_ms;

	cr_expect_str_eq(text_at(h, r, "error.type"), "cancelled", "%s", where);
	cr_expect(lt(u64, took, BOUND_MS), "%s", where);
	(void)fprintf(stderr,
	    "cancelled %s: %llu ms from the call of agentctl to the result\n", where,
	    (unsigned long long)took);
	return r;
}

static const struct json *
cancel_in_time(const char *where, const char *id)
{
	uint64_t since = clock_mono_ms();

	cancel(id);
	return expect_cancelled(where, id, since);
}

/* ---- conditions ---- */

static bool
model_is_asked(struct harness *unused, void *n)
{
	(void)unused;
	return harness_llm_stat(h, "answers") >= *(long long *)n;
}

static void
wait_asked(long long n)
{
	harness_wait_until(h, model_is_asked, &n, 60000, "the model is asked");
}

static bool
has_answer(struct harness *unused, void *id)
{
	(void)unused;
	return harness_redis_int(h, "LLEN agent:journal:%s", (const char *)id) >= 1;
}

static bool
has_state(struct harness *unused, void *words)
{
	const char *const *w = words; /* id, state */
	redisReply *reply = harness_redis(h, "HGET agent:job:%s state", w[0]);
	bool is_so = reply->type == REDIS_REPLY_STRING && strcmp(reply->str, w[1]) == 0;

	(void)unused;
	freeReplyObject(reply);
	return is_so;
}

static void
wait_state(const char *id, const char *state)
{
	const char *words[] = { id, state };

	harness_wait_until(h, has_state, words, 60000, state);
}

static bool
is_computing(struct harness *unused, void *arg)
{
	struct process all[PROCESSES_MAX], zygote;
	size_t n = harness_children(h, all);

	(void)unused;
	if (!harness_find_child(h, "compute", -1, &zygote))
		return false;
	for (size_t i = 0; i < n; i++)
		if (all[i].parent == zygote.pid && all[i].cpu_ticks > 20) {
			*(struct process *)arg = all[i];
			return true;
		}
	return false;
}

static bool
is_gone(struct harness *unused, void *p)
{
	(void)unused;
	return !process_lives(p);
}

/* ---- running jobs ---- */

Test(cancel, ends_a_job_in_a_model_call)
{
	const struct json *r;

	begin();
	harness_start(h);
	script();
	harness_push_job(h, "asking", "go", "");
	wait_asked(1);
	(void)cancel_in_time("in a model call", "asking");
	/* what was paid before is told */
	harness_push_job(h, "second", "again", "");
	wait_asked(3);
	r = cancel_in_time("in the second model call", "second");
	cr_expect(gt(i64, int_at(r, "metadata.tokens_used"), 0));
	cr_expect(eq(i64, int_at(r, "metadata.turns"), 1));
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 3));
	end();
}

Test(cancel, ends_a_job_in_a_request)
{
	char fetching[] = "fetching";

	begin();
	harness_start(h);
	script();
	harness_push_job(h, "fetching", "fetch", "");
	harness_wait_until(h, has_answer, fetching, 60000, "the tool runs");
	(void)cancel_in_time("in fetch", "fetching");
	end();
}

/* The process that computes is killed, not waited for. */
Test(cancel, ends_a_job_in_a_computation)
{
	struct process child;

	begin();
	harness_start(h);
	script();
	harness_push_job(h, "computing", "compute", "");
	harness_wait_until(h, is_computing, &child, 60000, "a child computes");
	(void)cancel_in_time("in compute", "computing");
	harness_wait_until(h, is_gone, &child, BOUND_MS, "the child is killed");
	end();
}

/* ---- waiting jobs ---- */

/* All at once, with no place free. */
static void
cancel_many(void)
{
	const char *argv[MANY + 5] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "cancel" };
	CLEANUP_BUF struct buf out = BUF_INIT;
	char ids[MANY][16];
	uint64_t since;

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "many-%d", i);
		argv[4 + i] = ids[i];
		harness_push_job(h, ids[i], "go", "");
	}
	since = clock_mono_ms();
	cr_expect(eq(int, harness_run(h, argv, &out), 0), "%s", buf_str(&out));
	for (int i = 0; i + 1 < MANY; i++)
		cr_expect_str_eq(text_at(h, harness_expect(h, ids[i], "failed"),
				     "error.type"),
		    "cancelled");
	(void)expect_cancelled("as the last of many", ids[MANY - 1], since);
}

Test(cancel, ends_jobs_that_wait)
{
	const struct json *r;

	begin();
	harness_start(h);
	script();
	harness_push_job(h, "delayed", "later", "");
	wait_state("delayed", "delayed");
	r = cancel_in_time("in a retry's delay", "delayed");
	/* what its first attempt cost stands in the journal */
	cr_expect(gt(i64, int_at(r, "metadata.tokens_used"), 0));
	/* in the queue, behind a job that has the only place */
	harness_push_job(h, "long", "go", "");
	wait_state("long", "held");
	harness_push_job(h, "queued", "go", "");
	(void)cancel_in_time("in the queue, all places taken", "queued");
	cancel_many();
	(void)cancel_in_time("with the only place", "long");
	/* no provider answers, so nothing is claimed */
	harness_llm_script(h,
	    "{\"rules\":[{\"fault\":{\"status\":429,\"body\":\"busy\",\"headers\":{"
	    "\"Retry-After\":\"60\"}}}]}");
	harness_push_job(h, "limited", "go", "");
	wait_state("limited", "delayed");
	harness_push_job(h, "behind", "go", "");
	(void)cancel_in_time("behind a provider that wants no calls", "behind");
	end();
}

Test(cancel, ends_jobs_while_the_queue_is_paused)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	static const char *const pause[] = { "queue", "pause", NULL };

	begin();
	harness_start(h);
	script();
	cr_assert(eq(int, ctl(&out, pause), 0), "%s", buf_str(&out));
	harness_push_job(h, "first", "go", "");
	harness_push_job(h, "queued", "go", "");
	(void)cancel_in_time("in a paused queue", "queued");
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:jobs"), 1));
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 0));
	end();
}

/* The third suspicion puts a job alone. */
static void
send_alone(const char *id)
{
	harness_push_job(h, id, "go", "");
	wait_state(id, "held");
	freeReplyObject(harness_redis(h, "HSET agent:job:%s suspicions 2", id));
	(void)harness_kill_child(h, "worker", 0, SIGKILL);
}

static bool
is_quarantined(struct harness *unused, void *id)
{
	redisReply *reply =
	    harness_redis(h, "HMGET agent:job:%s state alone token", (const char *)id);
	bool is_so = reply->elements == 3 &&
	    reply->element[0]->type == REDIS_REPLY_STRING &&
	    strcmp(reply->element[0]->str, "held") == 0 &&
	    reply->element[1]->type == REDIS_REPLY_STRING;

	(void)unused;
	freeReplyObject(reply);
	return is_so;
}

Test(cancel, ends_jobs_in_quarantine)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	static const char *const pause[] = { "queue", "pause", NULL };
	char lonely[] = "lonely";

	begin();
	harness_start(h);
	script();
	send_alone("lonely");
	harness_wait_until(h, is_quarantined, lonely, 60000, "it runs alone");
	(void)cancel_in_time("in the quarantine worker", "lonely");
	/* and one that waits for that worker */
	harness_push_job(h, "waiting", "go", "");
	wait_state("waiting", "held");
	cr_assert(eq(int, ctl(&out, pause), 0), "%s", buf_str(&out));
	freeReplyObject(harness_redis(h, "HSET agent:job:waiting suspicions 2"));
	(void)harness_kill_child(h, "worker", 0, SIGKILL);
	wait_state("waiting", "alone");
	(void)harness_wait_child(h, "worker", 0, NULL);
	(void)cancel_in_time("waiting for the quarantine worker", "waiting");
	end();
}

/* No result can be stored while the store is away; the job does not run when it is back. */
Test(cancel, ends_a_job_that_waits_for_the_store)
{
	struct postgres_server *pg;
	struct err err = ERR_INIT;
	uint64_t back;

	begin();
	harness_use_postgres(h);
	harness_start(h);
	harness_wait_log(h, "worker/0: ready");
	script();
	pg = harness_postgres_server(h);
	cr_assert(postgres_server_stop(pg, SIGINT, &err) == 0, "%s", err_text(&err));
	harness_push_job(h, "storing", "go", "");
	wait_state("storing", "held");
	cancel("storing");
	cr_assert(postgres_server_start(pg, &err) == 0, "%s", err_text(&err));
	back = clock_mono_ms();
	(void)expect_cancelled("in a wait for the store (from its return)", "storing",
	    back);
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 0));
	end();
}

/* ---- what agentctl says ---- */

Test(cancel, says_what_became_of_each_job)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	/* the queued one before that which frees its place */
	static const char *const several[] = { "--json", "cancel", "ended", "queued",
		"asking", "stranger", NULL };
	static const char *const ended[] = { "cancel", "ended", NULL };

	begin();
	harness_start(h);
	harness_llm_script(h, "{\"rules\":[{\"reply\":{\"content\":\"x\"}}]}");
	harness_push_job(h, "ended", "go", "");
	(void)harness_expect(h, "ended", "completed");
	script();
	harness_push_job(h, "asking", "go", "");
	wait_state("asking", "held");
	harness_push_job(h, "queued", "go", "");
	cr_expect(eq(int, ctl(&out, several), 1));
	cr_expect_str_eq(buf_str(&out),
	    "{\"job_id\":\"ended\",\"state\":\"done\",\"cancel\":\"ended\"}\n"
	    "{\"job_id\":\"queued\",\"state\":\"queued\",\"cancel\":\"cancelled\"}\n"
	    "{\"job_id\":\"asking\",\"state\":\"held\",\"cancel\":\"stopping\"}\n"
	    "{\"job_id\":\"stranger\",\"state\":\"\",\"cancel\":\"unseen\"}\n");
	(void)harness_expect(h, "asking", "failed");
	(void)harness_expect(h, "queued", "failed");
	/* forgotten by Redis, known to the store */
	freeReplyObject(harness_redis(h, "DEL agent:job:ended"));
	buf_clear(&out);
	cr_expect(eq(int, ctl(&out, ended), 1));
	cr_expect(strstr(buf_str(&out), "has ended already") != NULL, "%s",
	    buf_str(&out));
	cr_expect(eq(llong, harness_redis_int(h, "EXISTS agent:job:ended"), 0));
	end();
}
