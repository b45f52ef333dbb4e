/* SPDX-License-Identifier: MIT */
/*
 * test_owner_kills.c - sessions and counts of uses while workers die: a job has one turn
 * and one use, wherever its worker was when it was killed.
 */
#include "config.h"

#include "tests/e2e/faults.h"
#include "tests/e2e/owner_support.h"

#include <hiredis.h>
#include <signal.h>

TestSuite(owner_kills, .timeout = 300);

static struct fault_page *page;

static void
start(void)
{
	h = e2e_new();
	harness_set(h, "sessions.max_turns", "200");
	page = faults_new(h);
	harness_start(h);
}

/* By job id; each must stand there once. */
static void
expect_turns(const char *key, unsigned n)
{
	redisReply *reply = harness_redis(h, "LRANGE %s 0 -1", key);

	cr_assert(reply->type == REDIS_REPLY_ARRAY);
	cr_expect(eq(sz, reply->elements, n));
	for (size_t i = 0; i < reply->elements; i++)
		for (size_t k = 0; k < i; k++)
			cr_expect_str_neq(reply->element[i]->str,
			    reply->element[k]->str);
	freeReplyObject(reply);
}

static const struct {
	const char *name;
	enum fault_point point;
} places[] = {
#define PLACE(name)         \
 {                          \
#  name, FAULT_POINT_##name \
 }
	PLACE(BEGIN_REPLY),
	PLACE(LLM_ANSWER),
	PLACE(JOURNAL_TOOL_SEND),
	PLACE(JOURNAL_TOOL_REPLY),
	PLACE(STORE_SEND),
	PLACE(ROW_WRITTEN),
	PLACE(STORE_DONE),
	PLACE(FINISH_SEND),
	PLACE(FINISH_REPLY),
};

static bool
was_struck(struct harness *unused, void *arg)
{
	(void)unused;
	return faults_struck(page, *(const enum fault_point *)arg) == 1;
}

Test(owner_kills, a_job_has_one_turn_wherever_its_worker_was_killed)
{
	struct buf rules = BUF_INIT;
	char id[32], key[64];

	start();
	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	script(&rules);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		(void)snprintf(id, sizeof(id), "k%zu", i);
		(void)snprintf(key, sizeof(key), "agent:session:bob:s%zu", i);
		faults_arm(h, page, "%s:kill:once:job=%s", places[i].name, id);
		expect_completed(
		    run(id, "make", "bob", key + strlen("agent:session:bob:")));
		/* the reply to finish comes after the result is there to be read */
		harness_wait_until(h, was_struck, (void *)(uintptr_t)&places[i].point,
		    60000, places[i].name);
		expect_turns(key, 1);
	}
	harness_stop(h);
	harness_free(h);
}

/* The tool ran and its use was counted, but the journal does not know: it runs again. */
Test(owner_kills, a_job_that_ran_twice_has_used_its_pipeline_once)
{
	struct buf rules = BUF_INIT;

	start();
	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	script(&rules);
	faults_arm(h, page, "JOURNAL_TOOL_SEND:kill:once:job=one");
	expect_completed(run("one", "make", "bob", ""));
	cr_expect(eq(uint, faults_struck(page, FAULT_POINT_JOURNAL_TOOL_SEND), 1));
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM composite_tools"), "0\n");
	faults_disarm(page);
	expect_completed(run("two", "make", "bob", ""));
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM composite_tools"), "1\n");
	harness_stop(h);
	harness_free(h);
}

enum {
	MANY = 60,
	KILLS = 4
};

Test(owner_kills, a_session_of_many_jobs_has_a_turn_for_each)
{
	struct buf rules = BUF_INIT;
	char id[32];

	start();
	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	script(&rules);
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(id, sizeof(id), "m%u", i);
		harness_push_job(h, id, "the data of #make#",
		    ",\"workflow_owner\":\"bob\",\"context\":{\"session_id\":\"many\"}");
		if (i % (MANY / KILLS) == MANY / KILLS - 1) {
			(void)harness_wait_child(h, "worker", (int)(i % 2), NULL);
			(void)harness_kill_child(h, "worker", (int)(i % 2), SIGKILL);
		}
	}
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(id, sizeof(id), "m%u", i);
		expect_completed(harness_result(h, id, 120000));
	}
	expect_turns("agent:session:bob:many", MANY);
	harness_stop(h);
	harness_free(h);
}
