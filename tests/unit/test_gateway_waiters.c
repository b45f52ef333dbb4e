/* SPDX-License-Identifier: MIT */
/* test_gateway_waiters.c - jobs into a real Redis, results back to who waits. */
#include "config.h"

#include "gateway/waiters.h"

#include "common/queue/redis_sync.h"
#include "common/queue/redis_target.h"
#include "tests/support/redis_server.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static struct redis_server *redis;
static struct redis_sync *client;
static struct conf *conf;
static struct redis_target *target;
static struct waiters *waiters;

struct waited {
	atomic_bool is_done;
	enum wait_outcome outcome;
	char text[200];
};

static void
setup(void)
{
	char text[400];
	struct err err = ERR_INIT;

	(void)signal(SIGPIPE, SIG_IGN);
	if (!redis_server_is_installed())
		cr_skip_test("redis-server is not installed");
	redis = redis_server_start(NULL);
	cr_assert(redis != NULL);
	(void)snprintf(text, sizeof(text),
	    "redis: { url = \"%s\"; }; http: { max_waiting = 3; };",
	    redis_server_url(redis));
	cr_assert(eq(int, conf_read_role(text, strlen(text), &conf, &err), 0), "%s",
	    err.text);
	cr_assert(eq(int,
	    redis_sync_new(&(struct redis_sync_options){ .url =
							     redis_server_url(redis) },
		&client, &err),
	    0));
	cr_assert(eq(int, redis_target_from_conf(conf, &target, &err), 0));
	cr_assert(eq(int, waiters_new(conf, target, &waiters, &err), 0), "%s",
	    err.text);
}

static void
teardown(void)
{
	waiters_free(waiters);
	redis_sync_free(client);
	redis_target_free(target);
	conf_free(conf);
	redis_server_stop(redis);
}

TestSuite(waiters, .init = setup, .fini = teardown, .timeout = 60);

static void
on_done(void *ctx, enum wait_outcome outcome, const char *text, size_t n)
{
	struct waited *w = ctx;

	w->outcome = outcome;
	(void)snprintf(w->text, sizeof(w->text), "%.*s", (int)n, text);
	atomic_store(&w->is_done, true);
}

static int
submit(struct waited *w, char id[CHAT_ID_MAX])
{
	CLEANUP(chat_fields_release) struct chat_fields fields = { 0 };
	struct chat_job job;
	int r;

	buf_adds(&fields.prompt, "p");
	cr_assert(eq(int, chat_job_from_fields(&job, &fields, NULL), 0));
	(void)memcpy(id, job.id, CHAT_ID_MAX);
	r = waiters_submit(waiters, &job, on_done, w);
	chat_job_release(&job);
	return r;
}

static void
wait_done(struct waited *w)
{
	for (int i = 0; i < 2000 && !atomic_load(&w->is_done); i++)
		(void)poll(NULL, 0, 5);
	cr_assert(atomic_load(&w->is_done));
}

static int64_t
length(const char *key)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct queue_list all;

	/* a script, because its answer is an array */
	cr_assert(eq(int,
	    redis_sync_call(client, &reply, NULL, "EVAL",
		"return {redis.call('LLEN', KEYS[1])}", "1", key, NULL),
	    0));
	all = queue_list_of(reply);
	return queue_list_int(&all, 0);
}

static void
wait_length(const char *key, int64_t n)
{
	for (int i = 0; i < 2000 && length(key) != n; i++)
		(void)poll(NULL, 0, 5);
	cr_assert(eq(i64, length(key), n));
}

static void
push_result(const char *id, const char *text)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	char key[100];

	(void)snprintf(key, sizeof(key), "agent:results:%s", id);
	cr_assert(eq(int,
	    redis_sync_call(client, &reply, NULL, "RPUSH", key, text, NULL), 0));
}

Test(waiters, each_gets_its_own_result)
{
	struct waited a = { 0 }, b = { 0 };
	char id_a[CHAT_ID_MAX], id_b[CHAT_ID_MAX];

	cr_assert(eq(int, submit(&a, id_a), 0));
	cr_assert(eq(int, submit(&b, id_b), 0));
	wait_length("agent:jobs", 2);
	push_result(id_b, "for b");
	wait_done(&b);
	cr_expect(eq(int, b.outcome, WAIT_RESULT));
	cr_expect_str_eq(b.text, "for b");
	cr_expect(not(atomic_load(&a.is_done)));
	push_result(id_a, "for a");
	wait_done(&a);
	cr_expect_str_eq(a.text, "for a");
	cr_expect(eq(sz, waiters_count(waiters), 0));
}

Test(waiters, their_number_is_bounded)
{
	struct waited w[4] = { 0 };
	char id[CHAT_ID_MAX];

	for (int i = 0; i < 3; i++)
		cr_expect(eq(int, submit(&w[i], id), 0));
	cr_expect(eq(int, submit(&w[3], id), -EBUSY));
	waiters_close(waiters);
	cr_expect(eq(int, submit(&w[3], id), -ESHUTDOWN));
	waiters_stop(waiters);
	for (int i = 0; i < 3; i++)
		wait_done(&w[i]);
	cr_expect(not(atomic_load(&w[3].is_done)));
}

Test(waiters, who_leaves_frees_a_place_and_the_job_stays)
{
	struct waited w = { 0 };
	char id[CHAT_ID_MAX], key[100];

	cr_assert(eq(int, submit(&w, id), 0));
	waiters_abandon(waiters, &w);
	wait_done(&w);
	cr_expect(eq(int, w.outcome, WAIT_GONE));
	cr_expect(eq(i64, length("agent:jobs"), 1));
	push_result(id, "later");
	(void)poll(NULL, 0, 200);
	(void)snprintf(key, sizeof(key), "agent:results:%s", id);
	cr_expect(eq(i64, length(key), 1), "nobody takes it");
}

Test(waiters, a_redis_that_is_away_is_told_and_waited_for)
{
	struct waited a = { 0 }, b = { 0 };
	char id[CHAT_ID_MAX], id_b[CHAT_ID_MAX], why[256];

	cr_assert(eq(int, submit(&a, id), 0));
	wait_length("agent:jobs", 1);
	redis_server_kill(redis);
	for (int i = 0; i < 1000 && waiters_redis_is_up(waiters, why, sizeof(why)); i++)
		(void)poll(NULL, 0, 5);
	cr_expect(not(waiters_redis_is_up(waiters, why, sizeof(why))));
	cr_expect(why[0] != '\0');
	cr_assert(eq(int, submit(&b, id_b), 0));
	wait_done(&b);
	cr_expect(eq(int, b.outcome, WAIT_NOT_QUEUED));
	cr_expect(not(atomic_load(&a.is_done)));
	cr_assert(redis_server_restart(redis));
	redis_sync_close(client);
	for (int i = 0; i < 1000 && redis_sync_connect(client, NULL) < 0; i++)
		(void)poll(NULL, 0, 5);
	push_result(id, "after all");
	wait_done(&a);
	cr_expect_str_eq(a.text, "after all");
}

Test(waiters, redis_is_known_to_be_up_without_any_request)
{
	char why[256];

	for (int i = 0; i < 1000 && !waiters_redis_is_up(waiters, why, sizeof(why));
	     i++)
		(void)poll(NULL, 0, 5);
	cr_expect(waiters_redis_is_up(waiters, why, sizeof(why)));
}
