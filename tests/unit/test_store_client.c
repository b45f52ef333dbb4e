/* SPDX-License-Identifier: MIT */
/* test_store_client.c - fibers that wait for the store's helper thread. */
#include "config.h"

#include "tests/unit/store_fixture.h"

#include "common/clock.h"
#include "worker/worker.h"

#include <errno.h>
#include <string.h>

enum {
	PATIENCE_MS = 20000
};

/* The part of a worker that the store's client uses. */
static struct worker w;
static struct fixture fixture;
static uint64_t waited_ms;

/* The worker's own moves the clock of the job that waited. */
void
job_waited(struct worker *worker, uint64_t ms)
{
	(void)worker;
	waited_ms += ms;
}

static void
start_queue(void)
{
	struct err err = ERR_INIT;

	cr_assert(eq(int, store_queue_start(fixture.store, NULL, &w.store, &err), 0),
	    "%s", err.text);
	fixture.store = NULL;
	cr_assert(eq(int, store_client_watch(&w), 0));
}

static void
start(void)
{
	fixture_init(&fixture, "sqlite");
	w.loop = loop_new();
	w.fibers = fibers_new(w.loop, 4);
}

static void
stop(void)
{
	store_queue_stop(w.store, 0);
	fibers_free(w.fibers);
	loop_free(w.loop);
	fixture_release(&fixture);
}

TestSuite(store_client_ok, .init = start, .fini = stop, .timeout = 60);

static void
run_fiber(fiber_fn *fn, void *ctx)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;

	cr_assert(fiber_start(w.fibers, fn, ctx) != NULL);
	while (fibers_alive(w.fibers) > 0) {
		cr_assert(lt(u64, clock_mono_ms(), end));
		cr_assert(eq(int, loop_turn(w.loop, 20), 0));
	}
}

static void
puts_and_gets(void *ctx)
{
	struct fixture_row a, b;
	struct store_outcome out = { .verdict = STORE_AWAY };
	struct store_result got = STORE_RESULT_INIT;
	struct err err = ERR_INIT;

	(void)ctx;
	fixture_data(fixture_row(&a, "job-a", "{\"m\":1}"), "[1,2]");
	(void)fixture_row(&b, "job-b", "{\"m\":2}");
	cr_expect(eq(int, store_client_put(&w, &a.row, &out, 0, &err), 0));
	cr_expect(eq(int, out.verdict, STORE_STORED));
	store_outcome_release(&out);
	cr_expect(eq(int, store_client_put(&w, &b.row, &out, 0, &err), 0));
	store_outcome_release(&out);

	cr_expect(eq(int, store_client_get_by_job(&w, "job-a", 100, &got, 0, &err), 0));
	cr_expect(strcmp(got.data, "[1,2]") == 0);
	/* the former content is released, the new one takes its place */
	cr_expect(eq(int, store_client_get_by_job(&w, "job-b", 0, &got, 0, &err), 0));
	cr_expect(strcmp(got.job_id, "job-b") == 0);
	cr_expect(got.data == NULL);
	/* a failure leaves it as it was */
	cr_expect(
	    eq(int, store_client_get_by_job(&w, "job-c", 0, &got, 0, &err), -ENOENT));
	cr_expect(strcmp(got.job_id, "job-b") == 0);
	/* an argument may point into what is replaced */
	cr_expect(
	    eq(int, store_client_get_by_job(&w, got.job_id, 0, &got, 0, &err), 0));
	cr_expect(strcmp(got.job_id, "job-b") == 0);
	store_result_release(&got);
}

Test(store_client_ok, rows_are_put_and_read_back)
{
	start_queue();
	run_fiber(puts_and_gets, NULL);
}

static void
puts_refused_row(void *ctx)
{
	struct fixture_row a;
	struct store_outcome out = { .verdict = STORE_AWAY };
	struct err err = ERR_INIT;

	(void)ctx;
	(void)fixture_row(&a, "job-a", "{}");
	a.row.status = "neither";
	cr_expect(eq(int, store_client_put(&w, &a.row, &out, 0, &err), -EINVAL));
	cr_expect(eq(int, out.verdict, STORE_REFUSED));
	store_outcome_release(&out);
}

Test(store_client_ok, a_refused_row_says_so)
{
	start_queue();
	run_fiber(puts_refused_row, NULL);
}

static void
keeps_blobs(void *ctx)
{
	char ref[STORE_REF_MAX] = "";
	char *bytes = NULL;
	size_t n = 0;
	struct err err = ERR_INIT;

	(void)ctx;
	cr_expect(eq(int, store_client_put_blob(&w, "abc", 3, ref, 0, &err), 0));
	cr_expect(eq(int, store_client_get_blob(&w, ref, 10, &bytes, &n, 0, &err), 0));
	cr_expect(eq(sz, n, 3));
	cr_expect(strcmp(bytes, "abc") == 0);
	free(TAKE_PTR(bytes));
	cr_expect(
	    eq(int, store_client_get_blob(&w, ref, 2, &bytes, &n, 0, &err), -EFBIG));
	cr_expect(bytes == NULL);
}

Test(store_client_ok, blobs_come_back)
{
	start_queue();
	run_fiber(keeps_blobs, NULL);
}

/* ---- a store that is away ---- */

static void
away(void)
{
	struct err err = ERR_INIT;

	w.loop = loop_new();
	w.fibers = fibers_new(w.loop, 4);
	/* nobody listens there */
	cr_assert(eq(int,
		      store_open("postgresql:///x?host=/nonexistent", "/tmp", NULL,
			  &fixture.store, &err),
		      0),
	    "%s", err.text);
	start_queue();
}

TestSuite(store_client_away, .init = away, .timeout = 60);

struct asking {
	struct fiber *fiber;
	uint64_t due_ms;
	int result, next;
	struct err err;
	bool is_done;
};

static void
asks(void *ctx)
{
	struct asking *a = ctx;
	struct store_result got = STORE_RESULT_INIT;

	a->result = store_client_get_by_job(&w, "job", 0, &got, a->due_ms, &a->err);
	cr_expect(got.job_id == NULL);
	a->next = fiber_sleep_until(clock_mono_ms() + 1); /* not interrupted again */
	a->is_done = true;
}

Test(store_client_away, a_deadline_ends_the_wait)
{
	struct asking a = { .due_ms = clock_mono_ms() + 200 };

	run_fiber(asks, &a);
	cr_expect(eq(int, a.result, -ETIMEDOUT));
	cr_expect(a.err.text[0] != '\0');
}

Test(store_client_away, an_interrupt_ends_the_wait_without_one)
{
	struct asking a = { .due_ms = 0 };
	uint64_t end = clock_mono_ms() + PATIENCE_MS;

	a.fiber = fiber_start(w.fibers, asks, &a);
	cr_assert(a.fiber != NULL);
	(void)loop_turn(w.loop, 20);
	cr_expect(a.is_done == false);
	fiber_interrupt(a.fiber);
	while (!a.is_done) {
		cr_assert(lt(u64, clock_mono_ms(), end));
		(void)loop_turn(w.loop, 20);
	}
	cr_expect(eq(int, a.result, -ECANCELED));
	cr_expect(eq(int, a.next, 0));
}
