/* SPDX-License-Identifier: MIT */
/*
 * test_nodes.c - several daemons on one Redis and one PostgreSQL: they share the work,
 * and one takes over what a dead one held; who has another store is turned away.
 */
#include "config.h"

#include "common/clock.h"
#include "tests/e2e/e2e.h"

#include <signal.h>

enum {
	JOBS = 60
};

static struct harness *one, *two;

static void
begin(const char *name_of_two)
{
	one = e2e_new();
	harness_use_postgres(one);
	harness_set(one, "queue.lease_sec", "3");
	harness_set(one, "service.node", "\"one\"");
	harness_start(one);
	two = e2e_new();
	harness_use_servers_of(two, one);
	harness_set(two, "service.node", "\"%s\"", name_of_two);
	harness_start(two);
}

static void
end(void)
{
	harness_free(two);
	harness_free(one);
}

static void
push_all(const char *prefix)
{
	char id[32];

	for (int i = 0; i < JOBS; i++) {
		(void)snprintf(id, sizeof(id), "%s%d", prefix, i);
		harness_push_job(one, id, "go", "");
	}
}

static void
expect_all(const char *prefix)
{
	char id[32];

	for (int i = 0; i < JOBS; i++) {
		(void)snprintf(id, sizeof(id), "%s%d", prefix, i);
		cr_expect(eq(i64,
			      int_at(harness_expect(one, id, "completed"),
				  "metadata.attempts"),
			      1),
		    "%s", id);
		harness_clear(one);
	}
	for (int i = 0; i < JOBS; i++) {
		(void)snprintf(id, sizeof(id), "%s%d", prefix, i);
		cr_expect(harness_redis_int(one, "LLEN agent:results:%s", id) == 0,
		    "%s was published twice", id);
	}
}

static bool
both_hold(struct harness *h, void *arg)
{
	redisReply *keys = harness_redis(h, "KEYS agent:held:*");
	bool has_one = false, has_two = false;

	(void)arg;
	for (size_t i = 0; i < keys->elements; i++) {
		has_one |= strstr(keys->element[i]->str, ":one.") != NULL;
		has_two |= strstr(keys->element[i]->str, ":two.") != NULL;
	}
	freeReplyObject(keys);
	return has_one && has_two;
}

static const char slow[] =
    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":1500}}]}";

TestSuite(nodes, .timeout = 120);

Test(nodes, share_the_jobs_and_take_over_those_of_a_dead_one)
{
	begin("two");
	harness_llm_script(one, slow);
	push_all("j");
	harness_wait_until(one, both_hold, NULL, HARNESS_WAIT_MS,
	    "both nodes hold jobs");
	harness_crash(two);
	expect_all("j");
	cr_expect_str_eq(harness_sql(one, "SELECT count(*) FROM agent_results"),
	    "60\n");
	harness_stop(one);
	end();
}

/* The boot is part of a holder's name: neither takes the other's for its own dead. */
Test(nodes, of_the_same_name_leave_each_other_alone)
{
	begin("one");
	harness_llm_script(one,
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":300}}]}");
	push_all("s");
	expect_all("s");
	cr_expect(harness_redis_int(one, "ZCARD agent:holders") == 4);
	cr_expect(harness_redis_int(one, "ZCARD agent:fenced") == 0,
	    "a living worker was fenced");
	harness_stop(two);
	harness_stop(one);
	end();
}

Test(nodes, with_another_store_are_refused_and_told_why)
{
	struct harness *other;

	one = e2e_new();
	harness_start(one);
	other = e2e_new();
	harness_use_servers_of(other, one);
	harness_set(other, "service.node", "\"other\"");
	harness_set(other, "database.url", "\"sqlite\""); /* of its own state_dir */
	harness_servers(other);
	harness_launch(other);
	cr_assert(proc_wait(harness_proc(other), HARNESS_WAIT_MS) == 0,
	    "it did not end");
	cr_expect(harness_log_has(other, "serves another queue"));
	cr_expect(harness_log_has(other, "store"));
	/* and the first goes on */
	harness_push_job(one, "after", "say hello", "");
	(void)harness_expect(one, "after", "completed");
	harness_free(other);
	harness_stop(one);
	harness_free(one);
}

/* As another host does that has seen no beat for a lease, and long ago. */
static void
fence_all(void)
{
	redisReply *names = harness_redis(one, "ZRANGE agent:holders 0 -1");
	long long hours_ago = (long long)(clock_wall_ms() - 3 * 3600 * 1000);

	for (size_t i = 0; i < names->elements; i++) {
		freeReplyObject(harness_redis(one, "ZREM agent:holders %s",
		    names->element[i]->str));
		freeReplyObject(harness_redis(one, "ZADD agent:fenced %lld %s",
		    hours_ago, names->element[i]->str));
	}
	freeReplyObject(names);
}

static bool
workers_are_new(struct harness *h, void *former)
{
	struct process *list = former, p;

	for (int slot = 0; slot < 2; slot++)
		if (!harness_find_child(h, "worker", slot, &p) ||
		    p.pid == list[slot].pid)
			return false;
	return harness_redis_int(h, "ZCARD agent:holders") == 2;
}

/* What it claims before it knows must not lie in a list that nobody sweeps any more. */
Test(nodes, find_out_that_they_were_fenced_long_ago)
{
	struct process former[2];

	one = e2e_new();
	harness_start(one);
	for (int round = 0; round < 2; round++) {
		for (int slot = 0; slot < 2; slot++)
			cr_assert(
			    harness_find_child(one, "worker", slot, &former[slot]));
		fence_all();
		if (round == 0) { /* busy: an open claim takes it */
			push_all("f");
			expect_all("f");
		}
		if (round == 1) /* idle */
			harness_wait_until(one, workers_are_new, former,
			    HARNESS_WAIT_MS, "both workers took new names");
	}
	harness_stop(one);
	harness_free(one);
}

static const char *const unfit[][3] = {
	/* CONFIG SET, value, what the daemon says */
	{ "maxmemory-policy", "allkeys-lru", "maxmemory-policy is allkeys-lru" },
};

Test(nodes, refuse_a_redis_that_may_throw_jobs_away)
{
	for (size_t i = 0; i < ARRAY_LEN(unfit); i++) {
		one = e2e_new();
		harness_servers(one);
		freeReplyObject(
		    harness_redis(one, "CONFIG SET %s %s", unfit[i][0], unfit[i][1]));
		harness_launch(one);
		cr_assert(proc_wait(harness_proc(one), HARNESS_WAIT_MS) == 0,
		    "it did not end");
		cr_expect(harness_log_has(one, unfit[i][2]));
		harness_free(one);
	}
}

Test(nodes, are_warned_of_a_redis_without_a_log)
{
	one = e2e_new();
	harness_servers(one);
	freeReplyObject(harness_redis(one, "CONFIG SET appendonly no"));
	harness_daemon(one);
	harness_wait_log(one, "keeps no append-only file");
	harness_stop(one);
	harness_free(one);
}
