/* SPDX-License-Identifier: MIT */
/*
 * test_redis_proxy.c - the proxy cuts where it was told to: before a command reaches
 * Redis, or after Redis has carried it out and before anybody hears of it.
 */
#include "config.h"

#include "tests/support/harness.h"
#include "tests/support/harness_private.h"

#include <criterion/criterion.h>
#include <hiredis.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static struct harness *h;
static redisContext *c;

static void
fail_test(const char *text)
{
	cr_assert(false, "%s", text);
}

static redisContext *
through_proxy(void)
{
	char path[PROC_PATH_MAX];
	redisContext *context;

	(void)snprintf(path, sizeof(path), "%s/proxy.sock", harness_dir(h));
	context = redisConnectUnix(path);
	cr_assert(context != NULL && context->err == 0);
	return context;
}

static void
setup(void)
{
	if (!redis_server_is_installed())
		cr_skip_test("redis-server is not installed");
	harness_on_failure = fail_test;
	h = harness_new();
	harness_use_redis_proxy(h);
	harness_servers(h);
	c = through_proxy();
}

static void
teardown(void)
{
	if (c != NULL)
		redisFree(c);
	harness_free(h);
}

/* "ok", "cut", or the error. */
static const char *
incr(const char *key)
{
	redisReply *reply = redisCommand(c, "INCR %s", key);

	if (reply == NULL)
		return "cut";
	freeReplyObject(reply);
	return "ok";
}

static const struct {
	const char *order;
	const char *answers[3]; /* of three INCRs on one connection */
	long long value;        /* what Redis has counted then */
} cases[] = {
	{ "disarm", { "ok", "ok", "ok" }, 3 },
	{ "arm before 1", { "cut", "cut", "cut" }, 0 },
	{ "arm after 1", { "cut", "cut", "cut" }, 1 },
	{ "arm before 2", { "ok", "cut", "cut" }, 1 },
	{ "arm after 3", { "ok", "ok", "cut" }, 3 },
	{ "arm after 1 match=nowhere", { "ok", "ok", "ok" }, 3 },
	{ "arm after 1 role=worker", { "ok", "ok", "ok" }, 3 },
	{ "arm after 2 match=number", { "ok", "cut", "cut" }, 2 },
};

Test(redis_proxy, cuts_where_it_was_told_to, .init = setup, .fini = teardown)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cr_expect_str_eq(harness_proxy(h, "%s", cases[i].order), "ok");
		for (size_t k = 0; k < 3; k++)
			cr_expect_str_eq(incr("number"), cases[i].answers[k], "%s, %zu",
			    cases[i].order, k);
		(void)harness_proxy(h, "disarm");
		cr_expect_eq(harness_redis_int(h, "GETDEL number"),
		    cases[i].value == 0 ? -1 : cases[i].value, "%s", cases[i].order);
		redisFree(c);
		c = through_proxy();
	}
}

/* Replies of commands before the fatal one come back, even from one pipeline. */
Test(redis_proxy, keeps_order_in_a_pipeline, .init = setup, .fini = teardown)
{
	void *reply = NULL;

	cr_expect_str_eq(harness_proxy(h, "arm after 3"), "ok");
	for (int i = 0; i < 4; i++)
		(void)redisAppendCommand(c, "INCR number");
	for (int i = 0; i < 2; i++) {
		cr_assert(redisGetReply(c, &reply) == REDIS_OK);
		freeReplyObject(reply);
	}
	cr_expect(redisGetReply(c, &reply) == REDIS_ERR);
	cr_expect(harness_redis_int(h, "GET number") >= 3);
	cr_expect(strstr(harness_proxy(h, "stats"), "cuts=1 armed=0 links=0 at=INCR") !=
	    NULL);
	cr_expect_str_eq(harness_proxy(h, "log"), "-:INCR -:INCR -:INCR -:INCR");
}

Test(redis_proxy, plays_an_outage, .init = setup, .fini = teardown)
{
	cr_expect_str_eq(harness_proxy(h, "refuse on"), "ok");
	cr_expect_str_eq(harness_proxy(h, "drop"), "ok");
	cr_expect_str_eq(incr("number"), "cut");
	redisFree(c);
	c = through_proxy();
	cr_expect_str_eq(incr("number"), "cut");
	cr_expect_str_eq(harness_proxy(h, "refuse off"), "ok");
	redisFree(c);
	c = through_proxy();
	cr_expect_str_eq(incr("number"), "ok");
}

/* A process of its own that counts to three through the proxy. */
static pid_t
start_counting(void)
{
	char path[PROC_PATH_MAX];
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/proxy.sock", harness_dir(h));
	pid = fork();
	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	redisContext *own = redisConnectUnix(path);

	for (int i = 0; own != NULL && i < 3; i++)
		if (redisCommand(own, "INCR number") == NULL)
			_exit(1);
	_exit(0);
}

static const struct {
	const char *order;
	long long value; /* what Redis has counted when the process is dead */
} kills[] = {
	{ "arm before 2 do=kill", 1 },
	{ "arm after 2 do=kill", 2 },
};

Test(redis_proxy, kills_who_sent_it, .init = setup, .fini = teardown)
{
	for (size_t i = 0; i < sizeof(kills) / sizeof(kills[0]); i++) {
		int status = 0;

		(void)harness_proxy(h, "%s", kills[i].order);
		cr_assert(waitpid(start_counting(), &status, 0) > 0);
		cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		cr_expect_eq(harness_redis_int(h, "GETDEL number"), kills[i].value,
		    "%s", kills[i].order);
		cr_expect(strstr(harness_proxy(h, "stats"), "at=INCR") != NULL);
	}
}

/* Held until "go": the command before Redis hears of it, or the reply. */
Test(redis_proxy, stops_who_sent_it_until_told, .init = setup, .fini = teardown)
{
	for (int i = 0; i < 2; i++) {
		long long held = i == 0 ? 1 : 2;
		int status = 0;
		pid_t pid;

		(void)harness_proxy(h, "arm %s 2 do=stop", i == 0 ? "before" : "after");
		pid = start_counting();
		cr_assert(waitpid(pid, &status, WUNTRACED) == pid);
		cr_assert(WIFSTOPPED(status));
		while (harness_redis_int(h, "GET number") < held)
			harness_sleep(2);
		cr_expect_eq(harness_redis_int(h, "GET number"), held);
		(void)harness_proxy(h, "go");
		cr_assert(waitpid(pid, &status, 0) == pid);
		cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		cr_expect_eq(harness_redis_int(h, "GETDEL number"), 3);
	}
}
