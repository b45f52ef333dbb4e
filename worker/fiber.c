/* SPDX-License-Identifier: MIT */
/*
 * fiber.c - coroutines: born by makecontext, switched by setjmp; the only file that knows.
 *
 * Owns:   stacks, the ready list, the list of idle stacks.
 * Called: by the worker's loop thread only.
 * Fails:  fiber_start for want of memory; everything else cannot.
 *
 * swapcontext would ask the kernel for the signal mask at each switch, some twenty times
 * a job; all fibers have the same mask. A jump leads only to a frame that has not returned.
 *
 * AddressSanitizer is told of each switch (sanitizer/common_interface_defs.h): a switch
 * is announced before, and finished as the first thing on the new stack.
 */
#include "config.h"

#undef _FORTIFY_SOURCE /* its longjmp takes another stack for a mistake */

#include "worker/fiber.h"

#include "common/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <ucontext.h>

#ifdef WITH_SANITIZERS
# include <sanitizer/common_interface_defs.h>
#endif

enum {
	GUARD_BYTES = 4096,
	PAGE_BYTES = 4096,
	TRIM_SLACK_BYTES = 512 /* below the frame that trims: its calls */
};

struct fiber {
	jmp_buf place; /* where it goes on, once it has begun */
	struct fibers *set;
	char *map; /* guard page, then the stack */
	fiber_fn *fn;
	void *ctx;
	uint32_t tag;
	bool is_ready; /* stands in the ready list */
	bool has_begun;
	bool is_done;
	bool is_masked;
	bool is_interrupted;
	struct wait *waiting_for; /* NULL: not in a wait */
	fiber_fn *call;           /* to be run on the loop's stack, or NULL */
	void *call_ctx;
	struct loop_timer timer;
	bool has_timed_out;
	void *fake_stack;        /* AddressSanitizer's */
	TAILQ_ENTRY(fiber) link; /* ready or idle */
};

TAILQ_HEAD(fiber_list, fiber);

struct fibers {
	struct loop *loop;
	jmp_buf main_place; /* where the loop goes on while a fiber runs */
	struct fiber_list ready, idle;
	_Atomic uint32_t *shown; /* tag of the fiber that runs, for others to see */
	size_t n_idle, max_idle, alive;
	size_t deepest_trimmed; /* of what fiber_trim gave back */
	void *main_fake_stack;
	const void *main_stack;
	size_t main_stack_bytes;
};

static struct fiber *running;

struct fiber *
fiber_self(void)
{
	return running;
}

/* One plain store a switch: it must stand when the process dies in the next moment, and
   nobody orders anything by it. */
static void
show_tag(const struct fibers *fs, uint32_t tag)
{
	if (fs->shown != NULL)
		atomic_store_explicit(fs->shown, tag, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

void
fiber_set_tag(struct fiber *f, uint32_t tag)
{
	f->tag = tag;
	if (f == running)
		show_tag(f->set, tag);
}

uint32_t
fiber_running_tag(void)
{
	return running != NULL ? running->tag : 0;
}

void
fibers_show_tag(struct fibers *fs, _Atomic uint32_t *shown)
{
	fs->shown = shown;
	show_tag(fs, 0);
}

/* ---- the switch ---- */

static void
announce_switch(void **fake_stack UNUSED, const void *stack UNUSED, size_t n UNUSED)
{
#ifdef WITH_SANITIZERS
	__sanitizer_start_switch_fiber(fake_stack, stack, n);
#endif
}

static void
finish_switch(void *fake_stack UNUSED, const void **stack UNUSED, size_t *n UNUSED)
{
#ifdef WITH_SANITIZERS
	__sanitizer_finish_switch_fiber(fake_stack, stack, n);
#endif
}

static void
switch_to_loop(struct fiber *f)
{
	struct fibers *fs = f->set;

	announce_switch(f->is_done ? NULL : &f->fake_stack, fs->main_stack,
	    fs->main_stack_bytes);
	if (_setjmp(f->place) == 0)
		_longjmp(fs->main_place, 1);
	finish_switch(f->fake_stack, NULL, NULL);
}

static void fiber_entry(void);

/* Onto an empty stack. This frame is left and never returns, so it must have nothing that
   AddressSanitizer would take back at its end. */
__attribute__((noreturn, noinline, no_sanitize_address)) static void
enter(struct fiber *f)
{
	ucontext_t first;

	f->has_begun = true;
	ASSERT(getcontext(&first) == 0);
	first.uc_stack.ss_sp = f->map + GUARD_BYTES;
	first.uc_stack.ss_size = FIBER_STACK_BYTES;
	first.uc_link = NULL;
	makecontext(&first, fiber_entry, 0);
	(void)setcontext(&first);
	ASSERT(!"a fiber cannot be entered");
	__builtin_unreachable();
}

static void
switch_to_fiber(struct fiber *f)
{
	struct fibers *fs = f->set;

	running = f;
	show_tag(fs, f->tag);
	announce_switch(&fs->main_fake_stack, f->map + GUARD_BYTES, FIBER_STACK_BYTES);
	if (_setjmp(fs->main_place) == 0) {
		if (!f->has_begun)
			enter(f);
		_longjmp(f->place, 1);
	}
	finish_switch(fs->main_fake_stack, NULL, NULL);
	running = NULL;
	show_tag(fs, 0);
}

/* What a fiber runs on the loop's stack is still its own doing. */
static void
call_on_loop(struct fiber *f)
{
	show_tag(f->set, f->tag);
	TAKE_PTR(f->call)(f->call_ctx);
	show_tag(f->set, 0);
}

static void
fiber_entry(void)
{
	struct fiber *f = running;

	finish_switch(NULL, &f->set->main_stack, &f->set->main_stack_bytes);
	f->fn(f->ctx);
	f->is_done = true;
	switch_to_loop(f);
	ASSERT(!"a finished fiber runs");
}

/* ---- birth and death ---- */

static void on_timeout(void *ctx);

static void
fiber_destroy(struct fiber *f)
{
	(void)munmap(f->map, GUARD_BYTES + FIBER_STACK_BYTES);
	free(f);
}

static struct fiber *
fiber_new(struct fibers *fs)
{
	struct fiber *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->map = mmap(NULL, GUARD_BYTES + FIBER_STACK_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (f->map == MAP_FAILED) {
		free(f);
		return NULL;
	}
	if (mprotect(f->map, GUARD_BYTES, PROT_NONE) < 0) { /* never without it */
		fiber_destroy(f);
		return NULL;
	}
	f->set = fs;
	f->timer.fn = on_timeout;
	f->timer.ctx = f;
	return f;
}

static void
fiber_retire(struct fibers *fs, struct fiber *f)
{
	loop_timer_cancel(fs->loop, &f->timer);
	fs->alive--;
	if (fs->n_idle >= fs->max_idle) {
		fiber_destroy(f);
		return;
	}
	TAILQ_INSERT_HEAD(&fs->idle, f, link);
	fs->n_idle++;
}

static void
make_ready(struct fiber *f)
{
	if (f->is_ready || f == running)
		return;
	f->is_ready = true;
	TAILQ_INSERT_TAIL(&f->set->ready, f, link);
}

/* Runs what is ready now; what becomes ready meanwhile waits for the next turn. */
static bool
run_ready(void *ctx)
{
	struct fibers *fs = ctx;
	struct fiber_list now = TAILQ_HEAD_INITIALIZER(now);
	struct fiber *f;

	TAILQ_CONCAT(&now, &fs->ready, link);
	while ((f = TAILQ_FIRST(&now)) != NULL) {
		TAILQ_REMOVE(&now, f, link);
		f->is_ready = false;
		switch_to_fiber(f);
		while (f->call != NULL) {
			call_on_loop(f);
			switch_to_fiber(f);
		}
		if (f->is_done)
			fiber_retire(fs, f);
	}
	return !TAILQ_EMPTY(&fs->ready);
}

struct fibers *
fibers_new(struct loop *l, size_t max_idle)
{
	struct fibers *fs = calloc(1, sizeof(*fs));

	if (fs == NULL)
		return NULL;
	fs->loop = l;
	fs->max_idle = max_idle;
	TAILQ_INIT(&fs->ready);
	TAILQ_INIT(&fs->idle);
	loop_on_turn(l, run_ready, fs);
	return fs;
}

void
fibers_free(struct fibers *fs)
{
	struct fiber *f;

	if (fs == NULL)
		return;
	ASSERT(fs->alive == 0);
	while ((f = TAILQ_FIRST(&fs->idle)) != NULL) {
		TAILQ_REMOVE(&fs->idle, f, link);
		fiber_destroy(f);
	}
	loop_on_turn(fs->loop, NULL, NULL);
	free(fs);
}

size_t
fibers_alive(const struct fibers *fs)
{
	return fs->alive;
}

size_t
fibers_deepest_stack(const struct fibers *fs)
{
	size_t deepest = fs->deepest_trimmed;
	const struct fiber *f;

	TAILQ_FOREACH (f, &fs->idle, link) {
		const char *stack = f->map + GUARD_BYTES;
		size_t unused = 0;

		while (unused < FIBER_STACK_BYTES && stack[unused] == 0)
			unused++;
		if (FIBER_STACK_BYTES - unused > deepest)
			deepest = FIBER_STACK_BYTES - unused;
	}
	return deepest;
}

struct fiber *
fiber_start(struct fibers *fs, fiber_fn *fn, void *ctx)
{
	struct fiber *f = TAILQ_FIRST(&fs->idle);

	if (f != NULL) {
		TAILQ_REMOVE(&fs->idle, f, link);
		fs->n_idle--;
	} else if ((f = fiber_new(fs)) == NULL) {
		return NULL;
	}
	f->fn = fn;
	f->ctx = ctx;
	f->tag = 0;
	f->has_begun = f->is_done = false;
	f->is_masked = f->is_interrupted = f->has_timed_out = false;
	f->waiting_for = NULL;
	f->fake_stack = NULL;
	fs->alive++;
	make_ready(f);
	return f;
}

/* ---- waiting ---- */

static void
on_timeout(void *ctx)
{
	struct fiber *f = ctx;

	f->has_timed_out = true;
	make_ready(f);
}

void
fiber_interrupt(struct fiber *f)
{
	f->is_interrupted = true;
	if (f->waiting_for != NULL && !f->is_masked)
		make_ready(f);
}

bool
fiber_mask_interrupts(bool is_masked)
{
	bool before;

	ASSERT(running != NULL);
	before = running->is_masked;
	running->is_masked = is_masked;
	return before;
}

bool
fiber_is_interrupted(void)
{
	return running != NULL && running->is_interrupted;
}

void
wait_begin(struct wait *w)
{
	*w = (struct wait){ .fiber = running };
	ASSERT(running != NULL);
}

void
wait_done(struct wait *w, int status)
{
	w->is_done = true;
	w->status = status;
	if (w->fiber->waiting_for == w)
		make_ready(w->fiber);
}

int
wait_for(struct wait *w, uint64_t due_ms)
{
	struct fiber *f = running;
	int status = 0;

	ASSERT(f != NULL && f == w->fiber);
	f->has_timed_out = false;
	f->waiting_for = w;
	if (due_ms != 0 && !w->is_done &&
	    loop_timer_set(f->set->loop, &f->timer, due_ms) < 0)
		status = -ENOMEM;
	while (status == 0 && !w->is_done) {
		if (f->is_interrupted && !f->is_masked) {
			f->is_interrupted = false;
			status = -ECANCELED;
		} else if (f->has_timed_out) {
			status = -ETIMEDOUT;
		} else {
			switch_to_loop(f);
		}
	}
	loop_timer_cancel(f->set->loop, &f->timer);
	f->waiting_for = NULL;
	return w->is_done ? w->status : status;
}

int
fiber_sleep_until(uint64_t due_ms)
{
	struct wait w;
	int r;

	wait_begin(&w);
	r = wait_for(&w, due_ms);
	return r == -ETIMEDOUT ? 0 : r;
}

void
fiber_call_on_loop(fiber_fn *fn, void *ctx)
{
	struct fiber *f = running;

	ASSERT(f != NULL);
	f->call = fn;
	f->call_ctx = ctx;
	switch_to_loop(f);
}

static bool
page_is_zero(const char *page)
{
	static const char zero[PAGE_BYTES];

	return memcmp(page, zero, PAGE_BYTES) == 0;
}

/* Frames that have returned leave their pages behind: a call that runs deep for a moment
   would cost every waiting job its depth. */
__attribute__((noinline)) void
fiber_trim(void)
{
	struct fiber *f = running;
	char *stack, *top, *used;

	ASSERT(f != NULL);
	stack = f->map + GUARD_BYTES;
	top = stack + FIBER_STACK_BYTES;
	used = (char *)__builtin_frame_address(0) - TRIM_SLACK_BYTES;
	if (used < stack || used >= top) /* on a sanitizer's own stack */
		return;
	used -= (uintptr_t)used % PAGE_BYTES;
	for (char *page = used - PAGE_BYTES; page >= stack; page -= PAGE_BYTES) {
		if (page_is_zero(page))
			break;
		if ((size_t)(top - page) > f->set->deepest_trimmed)
			f->set->deepest_trimmed = (size_t)(top - page);
	}
	(void)madvise(stack, (size_t)(used - stack), MADV_DONTNEED);
}

void
fiber_yield(void)
{
	struct fiber *f = running;

	running = NULL; /* so that make_ready takes it */
	make_ready(f);
	running = f;
	switch_to_loop(f);
}
