/* SPDX-License-Identifier: MIT */
/* test_buffers.c - who waits when the jobs of a worker hold too much data. */
#include "config.h"

#include "common/clock.h"
#include "worker/buffers.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

enum {
	MIB = 1 << 20,
	LIMIT_MIB = 16,
	JOBS = 3
};

static struct conf conf;
static struct worker w;
static struct job jobs[JOBS];

static void
start(void)
{
	conf.limits.worker_buffer_mb = LIMIT_MIB;
	w.conf = &conf;
	w.loop = loop_new();
	w.fibers = fibers_new(w.loop, 4);
	TAILQ_INIT(&w.jobs);
	for (size_t i = 0; i < JOBS; i++) {
		jobs[i].worker = &w;
		TAILQ_INSERT_TAIL(&w.jobs, &jobs[i], link);
	}
}

static void
stop(void)
{
	fibers_free(w.fibers);
	loop_free(w.loop);
}

TestSuite(buffers, .init = start, .fini = stop, .timeout = 30);

struct waiter {
	struct job *job;
	uint64_t due_ms;
	int result;
	bool is_done;
	struct err err;
};

static void
waits(void *ctx)
{
	struct waiter *x = ctx;

	x->result = buffers_wait(x->job, x->due_ms, &x->err);
	x->is_done = true;
}

static struct waiter
wait_of(struct job *j)
{
	return (struct waiter){ .job = j };
}

static void
begin(struct waiter *x)
{
	x->job->fiber = fiber_start(w.fibers, waits, x);
	cr_assert(x->job->fiber != NULL);
	(void)loop_turn(w.loop, 0);
}

static void
finish(struct waiter *x)
{
	uint64_t end = clock_mono_ms() + 20000;

	while (x->is_done == false) {
		cr_assert(lt(u64, clock_mono_ms(), end));
		(void)loop_turn(w.loop, 20);
	}
}

Test(buffers, what_is_held_adds_up_and_is_given_back)
{
	buffers_hold(&jobs[0], 5);
	buffers_hold(&jobs[1], 7);
	buffers_hold(&jobs[0], 3);
	cr_expect(eq(u64, w.buffer_bytes, 10));
	buffers_hold(&jobs[1], 0);
	buffers_hold(&jobs[0], 0);
	cr_expect(eq(u64, w.buffer_bytes, 0));
}

Test(buffers, nobody_waits_below_the_limit_nor_for_his_own_data)
{
	struct waiter x = wait_of(&jobs[1]);

	buffers_hold(&jobs[0], LIMIT_MIB * MIB - 1);
	buffers_hold(&jobs[1], 100 * MIB);
	begin(&x);
	cr_expect(x.is_done);
	cr_expect(eq(int, x.result, 0));
}

Test(buffers, above_it_only_the_oldest_holder_goes_on)
{
	struct waiter first = wait_of(&jobs[0]), oldest = wait_of(&jobs[1]),
		      youngest = wait_of(&jobs[2]);

	buffers_hold(&jobs[1], LIMIT_MIB * MIB);
	buffers_hold(&jobs[2], LIMIT_MIB * MIB);
	begin(&first); /* older, but holds nothing */
	begin(&oldest);
	begin(&youngest);
	cr_expect(first.is_done == false);
	cr_expect(oldest.is_done);
	cr_expect(youngest.is_done == false);
	buffers_hold(&jobs[1], 0);
	finish(&youngest); /* the oldest now */
	cr_expect(eq(int, youngest.result, 0));
	cr_expect(first.is_done == false);
	buffers_hold(&jobs[2], 0);
	finish(&first);
	cr_expect(eq(int, first.result, 0));
}

Test(buffers, a_wait_ends_at_its_deadline_and_names_the_option)
{
	struct waiter x = wait_of(&jobs[0]);

	x.due_ms = clock_mono_ms() + 30;
	buffers_hold(&jobs[1], LIMIT_MIB * MIB);
	begin(&x);
	finish(&x);
	cr_expect(eq(int, x.result, -ETIMEDOUT));
	cr_expect(strstr(x.err.text, "limits.worker_buffer_mb") != NULL);
}

Test(buffers, a_wait_can_be_interrupted)
{
	struct waiter x = wait_of(&jobs[0]);

	buffers_hold(&jobs[1], LIMIT_MIB * MIB);
	begin(&x);
	fiber_interrupt(x.job->fiber);
	finish(&x);
	cr_expect(eq(int, x.result, -ECANCELED));
}
