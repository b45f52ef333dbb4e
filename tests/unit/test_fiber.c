/* SPDX-License-Identifier: MIT */
/* test_fiber.c - fibers on the loop: waiting, deadlines, interrupts, stacks. */
#include "config.h"

#include "common/clock.h"
#include "worker/fiber.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>

static struct loop *loop;
static struct fibers *fibers;

static void
start(void)
{
	loop = loop_new();
	fibers = fibers_new(loop, 8);
}

static void
stop(void)
{
	fibers_free(fibers);
	loop_free(loop);
}

TestSuite(fiber, .init = start, .fini = stop, .timeout = 30);

static void
run_all(void)
{
	while (fibers_alive(fibers) > 0)
		cr_assert(eq(int, loop_turn(loop, 100), 0));
}

struct shared {
	struct wait wait;
	struct fiber *sleeper;
	int result;
	int order[4], n;
};

static void
waits(void *ctx)
{
	struct shared *s = ctx;

	wait_begin(&s->wait);
	s->order[s->n++] = 1;
	s->result = wait_for(&s->wait, 0);
	s->order[s->n++] = 3;
}

static void
finishes(void *ctx)
{
	struct shared *s = ctx;

	s->order[s->n++] = 2;
	wait_done(&s->wait, 42);
}

Test(fiber, a_wait_ends_with_the_status_it_was_given)
{
	struct shared s = { 0 };

	cr_assert(fiber_start(fibers, waits, &s) != NULL);
	cr_assert(fiber_start(fibers, finishes, &s) != NULL);
	run_all();
	cr_expect(eq(int, s.result, 42));
	cr_expect(s.n == 3 && s.order[0] == 1 && s.order[1] == 2 && s.order[2] == 3);
}

static void
waits_in_vain(void *ctx)
{
	struct shared *s = ctx;

	wait_begin(&s->wait);
	s->result = wait_for(&s->wait, clock_mono_ms() + 5);
}

Test(fiber, a_wait_past_its_deadline_times_out)
{
	struct shared s = { 0 };

	cr_assert(fiber_start(fibers, waits_in_vain, &s) != NULL);
	run_all();
	cr_expect(eq(int, s.result, -ETIMEDOUT));
}

static void
interrupts(void *ctx)
{
	struct shared *s = ctx;

	fiber_interrupt(s->sleeper);
}

static void
sleeps_masked(void *ctx)
{
	struct shared *s = ctx;

	(void)fiber_mask_interrupts(true);
	s->order[0] = fiber_sleep_until(clock_mono_ms() + 5);
	(void)fiber_mask_interrupts(false);
	s->order[1] = fiber_sleep_until(clock_mono_ms() + 60000);
	s->order[2] = fiber_sleep_until(clock_mono_ms() + 1);
}

Test(fiber, an_interrupt_ends_one_wait_and_respects_the_mask)
{
	struct shared s = { 0 };

	s.sleeper = fiber_start(fibers, sleeps_masked, &s);
	cr_assert(fiber_start(fibers, interrupts, &s) != NULL);
	run_all();
	cr_expect(eq(int, s.order[0], 0));
	cr_expect(eq(int, s.order[1], -ECANCELED));
	cr_expect(eq(int, s.order[2], 0));
}

static void
uses_stack(void *ctx)
{
	volatile char deep[FIBER_STACK_BYTES / 2];

	for (size_t i = 0; i < sizeof(deep); i += 512)
		deep[i] = 1;
	*(int *)ctx += deep[0];
	fiber_yield();
	*(int *)ctx += deep[512];
}

Test(fiber, thousands_run_and_stacks_are_used_again)
{
	int total = 0;

	for (int i = 0; i < 2000; i++)
		cr_assert(fiber_start(fibers, uses_stack, &total) != NULL);
	cr_expect(eq(sz, fibers_alive(fibers), 2000));
	run_all();
	cr_expect(eq(int, total, 4000));
}

static _Atomic uint32_t shown;

struct sight {
	uint32_t at_first, in_call, after_yield;
};

static void
look_on_loop(void *ctx)
{
	((struct sight *)ctx)->in_call = shown;
}

static void
looks(void *ctx)
{
	struct sight *s = ctx;

	s->at_first = shown;
	fiber_call_on_loop(look_on_loop, s);
	fiber_yield();
	s->after_yield = shown;
}

Test(fiber, the_tag_of_the_one_that_runs_is_shown_and_none_between)
{
	struct sight sights[3] = { { 0 } };

	fibers_show_tag(fibers, &shown);
	for (uint32_t i = 0; i < 3; i++)
		fiber_set_tag(fiber_start(fibers, looks, &sights[i]), i + 10);
	cr_expect(eq(u32, shown, 0));
	run_all();
	for (uint32_t i = 0; i < 3; i++) {
		cr_expect(eq(u32, sights[i].at_first, i + 10));
		cr_expect(eq(u32, sights[i].in_call, i + 10));
		cr_expect(eq(u32, sights[i].after_yield, i + 10));
	}
	cr_expect(eq(u32, shown, 0));
}

struct place {
	char *in_fiber, *in_call;
	struct fiber *self;
	int order[3], n;
};

static void
note_place(void *ctx)
{
	struct place *p = ctx;
	char here;

	p->in_call = &here;
	p->self = fiber_self();
	p->order[p->n++] = 2;
}

static void
calls_on_loop(void *ctx)
{
	struct place *p = ctx;
	char here;

	p->in_fiber = &here;
	p->order[p->n++] = 1;
	fiber_call_on_loop(note_place, p);
	p->order[p->n++] = 3;
}

Test(fiber, a_call_on_the_loop_has_the_loops_stack_and_comes_back)
{
	struct place p = { .n = 0 };

	cr_assert(fiber_start(fibers, calls_on_loop, &p) != NULL);
	run_all();
	cr_expect(p.n == 3 && p.order[0] == 1 && p.order[1] == 2 && p.order[2] == 3);
	cr_expect(p.self == NULL);
#ifndef WITH_SANITIZERS /* they keep locals elsewhere */
	cr_expect(p.in_call < p.in_fiber - FIBER_STACK_BYTES ||
	    p.in_call > p.in_fiber + FIBER_STACK_BYTES);
#endif
}

static void
count_timer(void *ctx)
{
	(*(int *)ctx)++;
}

Test(fiber, timers_fire_in_order_and_not_after_cancel)
{
	int fired = 0;
	struct loop_timer t[50];

	memset(t, 0, sizeof(t));
	for (size_t i = 0; i < 50; i++) {
		t[i].fn = count_timer;
		t[i].ctx = &fired;
		cr_assert(eq(int,
		    loop_timer_set(loop, &t[i], clock_mono_ms() + (i * 7) % 13), 0));
	}
	for (size_t i = 0; i < 50; i += 2)
		loop_timer_cancel(loop, &t[i]);
	while (fired < 25)
		cr_assert(eq(int, loop_turn(loop, 50), 0));
	for (size_t i = 0; i < 50; i++)
		cr_expect(eq(sz, t[i].place, 0));
}

/* ---- stacks that wait for long ---- */

enum {
	DEEP_BYTES = 40 * 1024,
	PAGE_BYTES = 4096
};

struct trim {
	uintptr_t deep; /* an address that only the deep call used */
	bool was_there, is_there;
	int sum;
};

__attribute__((noinline)) static void
go_deep(struct trim *t)
{
	volatile char local[DEEP_BYTES];

	for (size_t i = 0; i < sizeof(local); i += 512)
		local[i] = 'd';
	t->deep = (uintptr_t)&local[512];
}

static bool
is_resident(uintptr_t at)
{
	unsigned char page = 0;

	cr_assert(eq(int, mincore((void *)(at - at % PAGE_BYTES), 1, &page), 0));
	return (page & 1) != 0;
}

static void
trims(void *ctx)
{
	struct trim *t = ctx;
	volatile int kept[64];

	for (int i = 0; i < 64; i++)
		kept[i] = i;
	go_deep(t);
	t->was_there = is_resident(t->deep);
	fiber_trim();
	t->is_there = is_resident(t->deep);
	go_deep(t); /* the pages come back */
	fiber_trim();
	for (int i = 0; i < 64; i++)
		t->sum += kept[i];
}

Test(fiber, trimming_gives_back_what_a_deep_call_left_and_nothing_in_use)
{
	struct trim t = { .deep = 0 };

	cr_assert(fiber_start(fibers, trims, &t) != NULL);
	run_all();
	cr_expect(eq(int, t.sum, 63 * 64 / 2));
#ifndef WITH_SANITIZERS /* they keep locals elsewhere */
	cr_expect(t.was_there);
	cr_expect(not(t.is_there));
	/* how deep it was is still told */
	cr_expect(gt(sz, fibers_deepest_stack(fibers), DEEP_BYTES - PAGE_BYTES));
#endif
}
