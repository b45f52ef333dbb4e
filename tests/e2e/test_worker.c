/* SPDX-License-Identifier: MIT */
/*
 * test_worker.c - what goes wrong inside a worker ends as a result, not as a loop, and
 * its fibers keep away from the end of their stacks.
 */
#include "config.h"

#include "tests/e2e/e2e.h"
#include "tests/support/proc.h"
#include "worker/fiber.h"

#include <signal.h>

TestSuite(worker, .timeout = 120);

static struct harness *h;

static void
begin(void)
{
	h = e2e_new();
	harness_set(h, "service.workers", "1");
}

static void
stop(void)
{
	harness_stop(h);
	harness_free(h);
}

/* The journal says that the model has answered, but not what: no attempt can go on. */
Test(worker, a_job_that_breaks_at_every_attempt_ends_as_a_failed_result)
{
	const struct json *r;

	begin();
	harness_start(h);
	(void)harness_redis_int(h, "RPUSH agent:journal:broken %s",
	    "{\"kind\":\"answer\",\"turn\":0,\"answer\":7}");
	harness_push_job(h, "broken", "go", "");
	r = harness_expect(h, "broken", "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "internal");
	cr_expect_eq(int_at(r, "metadata.attempts"), 3);
	cr_expect(harness_redis_int(h, "LLEN agent:jobs") == 0);
	/* its neighbours never noticed */
	harness_push_job(h, "sound", "go", "");
	(void)harness_expect(h, "sound", "completed");
	stop();
}

/* The deepest stack that the worker tells of at its end, in bytes. */
static long
deepest_stack(void)
{
	static const char phrase[] = "deepest stack of a job was ";
	CLEANUP_BUF struct buf log = BUF_INIT;
	const char *at;

	proc_output(harness_proc(h), &log, 16 * 1024 * 1024);
	at = strstr(buf_str(&log), phrase);
	return at != NULL ? strtol(at + sizeof(phrase) - 1, NULL, 10) : -1;
}

Test(worker, whole_jobs_leave_a_half_of_their_stacks_unused)
{
	long deepest;

	begin();
	harness_start(h);
	for (int i = 0; i < 3; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "j%d", i);
		harness_push_job(h, id,
		    "fetch https://api.example.com/flights, show cheapest 3",
		    i == 2 ? ",\"output_schema\":{\"type\":\"object\"}" : "");
	}
	for (int i = 0; i < 3; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "j%d", i);
		(void)harness_result(h, id, 30000);
	}
	harness_stop(h);
	deepest = deepest_stack();
	cr_log_info("the deepest stack had %ld bytes", deepest);
	cr_expect_gt(deepest, 1000);
#ifndef WITH_SANITIZERS
	cr_expect_lt(deepest, FIBER_STACK_BYTES / 2);
#endif
	harness_free(h);
}
