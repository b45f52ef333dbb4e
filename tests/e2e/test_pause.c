/* SPDX-License-Identifier: MIT */
/*
 * test_pause.c - agentctl queue pause and resume: on all hosts, through restarts, told
 * everywhere.
 */
#include "config.h"

#include "common/clock.h"
#include "tests/e2e/e2e.h"
#include "tests/support/redis_server.h"

#include <signal.h>

enum {
	JOBS = 12
};

TestSuite(pause, .timeout = 180);

static struct harness *h;

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

static int
ctl(struct buf *out, const char *const *words)
{
	const char *argv[16] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h) };
	size_t n = 3;

	for (; *words != NULL; words++)
		argv[n++] = *words;
	buf_clear(out);
	return harness_run(h, argv, out);
}

#define CTL(out, ...) ctl(out, (const char *const[]){ __VA_ARGS__, NULL })

static void
push_some(const char *prefix)
{
	char id[32];

	for (int i = 0; i < JOBS; i++) {
		(void)snprintf(id, sizeof(id), "%s%d", prefix, i);
		harness_push_job(h, id, "go", "");
	}
}

static void
expect_some(const char *prefix)
{
	char id[32];

	for (int i = 0; i < JOBS; i++) {
		(void)snprintf(id, sizeof(id), "%s%d", prefix, i);
		(void)harness_expect(h, id, "completed");
	}
}

/* How many clients of Redis wait in a blocking command: idle workers, each in its claim. */
static long long
blocked_clients(void)
{
	redisReply *info = harness_redis(h, "INFO clients");
	const char *at = strstr(info->str, "blocked_clients:");
	long long n = at != NULL ? atoll(at + strlen("blocked_clients:")) : -1;

	freeReplyObject(info);
	return n;
}

static bool
are_blocked(struct harness *unused, void *n)
{
	(void)unused;
	return blocked_clients() == *(long long *)n;
}

static void
wait_blocked(long long n, const char *text)
{
	harness_wait_until(h, are_blocked, &n, 60000, text);
}

static bool
is_ready_as(struct harness *unused, void *want)
{
	CLEANUP_BUF struct buf body = BUF_INIT;
	int status = harness_http(h, "GET", "/health?ready=1", NULL, &body);

	(void)unused;
	return want == NULL ? status == 200
			    : status == 503 && strstr(buf_str(&body), want) != NULL;
}

static bool
metric_says(struct harness *unused, void *arg)
{
	CLEANUP_BUF struct buf body = BUF_INIT;

	(void)unused;
	(void)arg;
	return harness_http(h, "GET", "/metrics", NULL, &body) == 200 &&
	    strstr(buf_str(&body), "\nagent_runner_queue_paused 1\n") != NULL;
}

static void
wait_ready_as(const char *reason, const char *text)
{
	char want[128];

	(void)snprintf(want, sizeof(want), "%s", reason);
	harness_wait_until(h, is_ready_as, want, 60000, text);
}

/* Workers of two hosts stand in their BLMOVEs when the pause comes, and take nothing that
   is pushed after it. */
Test(pause, stops_the_claims_of_every_host)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct harness *other;
	uint64_t begun;

	begin();
	harness_use_postgres(h); /* hosts share one store */
	harness_start(h);
	harness_llm_script(h, "{\"rules\":[{\"reply\":{\"content\":\"x\"}}]}");
	other = harness_new();
	harness_use_servers_of(other, h);
	harness_set(other, "service.node", "\"other\"");
	harness_start(other);
	wait_blocked(4, "four workers wait for a job");
	begun = clock_mono_ms();
	cr_assert(eq(int, CTL(&out, "queue", "pause"), 0), "%s", buf_str(&out));
	push_some("p"); /* at once: the claims may still be open */
	wait_blocked(0, "all claims are let go");
	(void)fprintf(stderr,
	    "all claims let go %llu ms after the call of agentctl queue pause\n",
	    (unsigned long long)(clock_mono_ms() - begun));
	harness_sleep(1500); /* two looks at the flag: nobody thinks again */
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:jobs"), JOBS));
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 0));
	cr_expect(eq(int, CTL(&out, "queue", "resume"), 0), "%s", buf_str(&out));
	expect_some("p");
	harness_stop(other);
	harness_free(other);
	end();
}

Test(pause, outlives_restarts_and_is_told_everywhere)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	begin();
	harness_start(h);
	harness_llm_script(h, "{\"rules\":[{\"reply\":{\"content\":\"x\"}}]}");
	cr_assert(eq(int, CTL(&out, "queue", "pause"), 0), "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), "paused since 20") != NULL, "%s",
	    buf_str(&out));
	push_some("r");
	wait_ready_as("the queue is paused since 20", "health tells of the pause");
	harness_wait_until(h, metric_says, NULL, 60000,
	    "the metric tells of the pause");
	harness_wait_log(h, "the queue is paused since 20");
	cr_expect(eq(int, CTL(&out, "status"), 0));
	cr_expect(strstr(buf_str(&out), "paused since 20") != NULL, "%s",
	    buf_str(&out));
	/* the daemon, then Redis */
	harness_stop(h);
	harness_launch(h);
	harness_wait_log(h, "gateway/0: ready");
	wait_ready_as("[\"the queue is paused since 20",
	    "the new daemon is ready but for the pause");
	redis_server_kill(harness_redis_server(h));
	cr_assert(redis_server_restart(harness_redis_server(h)));
	wait_ready_as("[\"the queue is paused since 20", "Redis is back, paused");
	harness_sleep(1500);
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:jobs"), JOBS));
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 0));
	cr_expect(eq(int, CTL(&out, "--json", "queue"), 0));
	cr_expect(strstr(buf_str(&out), "\"paused\":{\"since_ms\":1") != NULL, "%s",
	    buf_str(&out));
	cr_expect(eq(int, CTL(&out, "queue", "resume"), 0), "%s", buf_str(&out));
	expect_some("r");
	harness_wait_until(h, is_ready_as, NULL, 60000, "ready again");
	harness_wait_log(h, "the queue goes on");
	cr_expect(eq(int, CTL(&out, "--json", "queue"), 0));
	cr_expect(strstr(buf_str(&out), "\"paused\":null") != NULL, "%s",
	    buf_str(&out));
	cr_expect(eq(int, CTL(&out, "queue", "resume"), 0));
	cr_expect_str_eq(buf_str(&out), "the queue was not paused\n");
	end();
}

static bool
model_is_asked(struct harness *unused, void *n)
{
	(void)unused;
	return harness_llm_stat(h, "answers") >= *(long long *)n;
}

Test(pause, lets_running_jobs_finish_and_waits_for_them)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	long long one = 1;

	begin();
	harness_start(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":3000}}]}");
	harness_push_job(h, "running", "go", "");
	harness_wait_until(h, model_is_asked, &one, 60000, "the model is asked");
	cr_expect(eq(int, CTL(&out, "queue", "pause", "--wait", "--timeout", "1"), 4),
	    "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), "jobs still running: 1") != NULL, "%s",
	    buf_str(&out));
	harness_push_job(h, "next", "go", "");
	cr_expect(eq(int, CTL(&out, "queue", "pause", "--wait"), 0), "%s",
	    buf_str(&out));
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:results:running"), 1));
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:jobs"), 1));
	(void)harness_expect(h, "running", "completed");
	cr_expect(eq(int, CTL(&out, "queue", "resume"), 0));
	(void)harness_expect(h, "next", "completed");
	end();
}
