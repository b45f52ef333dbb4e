/* SPDX-License-Identifier: MIT */
/*
 * test_redis_cuts.c - the connection to Redis is cut after each command of a job, once
 * it was carried out and before its reply: the job has one result and is paid once.
 */
#include "config.h"

#include "tests/e2e/e2e.h"

enum {
	COMMANDS_MAX = 60
};

static const char prompt[] =
    "fetch flights from NYC to LAX, sort by price, show cheapest 3";

/* Redis knows of no job that is still somewhere: nothing queued, held, delayed. */
static bool
is_settled(struct harness *h, void *arg)
{
	redisReply *held = harness_redis(h, "KEYS agent:held:*");
	bool is_so = held->type == REDIS_REPLY_ARRAY && held->elements == 0 &&
	    harness_redis_int(h, "LLEN agent:jobs") == 0 &&
	    harness_redis_int(h, "ZCARD agent:delayed") == 0;

	(void)arg;
	freeReplyObject(held);
	return is_so;
}

/* True when the job was over before its Nth command. */
static bool
run_cut_job(struct harness *h, const char *where, const char *how, unsigned n)
{
	bool is_over;
	char id[32];

	(void)snprintf(id, sizeof(id), "%s-%s-%u", where, how, n);
	(void)harness_proxy(h, "reset");
	(void)harness_proxy(h, "arm %s %u role=worker do=%s", where, n, how);
	harness_push_job(h, id, prompt, "");
	(void)harness_expect(h, id, "completed");
	is_over = strstr(harness_proxy(h, "stats"), "cuts=0") != NULL;
	(void)harness_proxy(h, "disarm");
	harness_wait_until(h, is_settled, NULL, HARNESS_WAIT_MS,
	    "nothing left in Redis");
	cr_expect(harness_redis_int(h, "LLEN agent:results:%s", id) == 0,
	    "%s has a second result; commands: %s", id, harness_proxy(h, "log"));
	cr_expect(harness_llm_stat(h, "answers") == 1,
	    "%s was paid %lld times; commands: %s", id, harness_llm_stat(h, "answers"),
	    harness_proxy(h, "log"));
	return is_over;
}

static void
cut_everywhere(const char *where, const char *how)
{
	CLEANUP(harness_freep) struct harness *h = e2e_new();
	char count[32];
	unsigned n = 1;

	harness_use_redis_proxy(h);
	harness_set(h, "service.workers", "1");
	harness_start(h);
	for (; n <= COMMANDS_MAX; n++) {
		harness_llm_reset(h);
		if (run_cut_job(h, where, how, n))
			break;
		harness_clear(h);
	}
	cr_expect(n > 3, "a job of %u commands? nothing was cut", n - 1);
	cr_expect(n <= COMMANDS_MAX, "a job of more than %d commands", COMMANDS_MAX);
	(void)snprintf(count, sizeof(count), "%u\n", n);
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), count);
	harness_stop(h);
}

Test(redis_cuts, after_each_command_before_its_reply, .timeout = 300)
{
	cut_everywhere("after", "cut");
}

Test(redis_cuts, before_each_command, .timeout = 300)
{
	cut_everywhere("before", "cut");
}

Test(redis_cuts, in_the_middle_of_each_reply, .timeout = 300)
{
	cut_everywhere("after", "tear");
}
