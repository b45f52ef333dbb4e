/* SPDX-License-Identifier: MIT */
/*
 * fiber.h - coroutines on the worker's loop: straight-line job code that waits.
 *
 * A fiber runs on its own mapped stack with a guard page until it waits; the loop then
 * runs others. Nothing here is thread-safe. What finishes an operation calls
 * wait_done(); what stops a job calls fiber_interrupt(), and the present or next wait
 * of that fiber returns -ECANCELED.
 */
#ifndef WORKER_FIBER_H
#define WORKER_FIBER_H

#include "worker/loop.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	FIBER_STACK_BYTES = 64 * 1024
};

struct fiber;
struct fibers;

typedef void fiber_fn(void *ctx);

/* The set of fibers of one loop; it takes the loop's on-turn hook. Up to max_idle
   stacks are kept for re-use. NULL for want of memory. */
struct fibers *fibers_new(struct loop *l, size_t max_idle);
void fibers_free(struct fibers *fs); /* no fiber may be alive */
size_t fibers_alive(const struct fibers *fs);

/* How many bytes of a stack were used at most, judged by the idle stacks: what was never
   touched is still zero. Reads every one of them: for tests and the end of a process. */
size_t fibers_deepest_stack(const struct fibers *fs);

/* Starts fn(ctx) on a fiber at the next run of the ready list. NULL: errno tells. The
   pointer is valid until fn returns. */
struct fiber *fiber_start(struct fibers *fs, fiber_fn *fn, void *ctx);

struct fiber *fiber_self(void); /* NULL outside a fiber */

/* A number that the owner gives a fiber, for whoever asks which one runs. */
void fiber_set_tag(struct fiber *f, uint32_t tag);
uint32_t fiber_running_tag(void); /* 0 outside fibers */
/* From now on *shown is the tag of the fiber that runs (also while it runs something on
   the loop's stack), and 0 while none does. It outlives the set. */
void fibers_show_tag(struct fibers *fs, _Atomic uint32_t *shown);

/* Makes the present wait, or the next one, of f return -ECANCELED, once, unless
   masked. */
void fiber_interrupt(struct fiber *f);
/* In the running fiber: while the mask is on, interrupts are kept for later. Returns what
   the mask was before. */
bool fiber_mask_interrupts(bool is_masked);
bool fiber_is_interrupted(void);

/* One operation that a fiber waits for; lives on its stack. */
struct wait {
	struct fiber *fiber;
	bool is_done;
	int status;
};

void wait_begin(struct wait *w); /* in the fiber, before the operation starts */
void wait_done(struct wait *w, int status); /* from anywhere in the loop's thread */

/*
 * Waits until wait_done, at most until due_ms (monotonic; 0: no bound). Returns the
 * status given to wait_done; or -ETIMEDOUT or -ECANCELED, and then the caller must
 * withdraw the operation, because w dies with its frame.
 */
int wait_for(struct wait *w, uint64_t due_ms);

/* 0 after the time, -ECANCELED when interrupted. */
int fiber_sleep_until(uint64_t due_ms);

/* In a fiber: runs fn(ctx) on the loop's own stack, and goes on. For calls into libraries
   that may want more stack than a fiber has (TLS); fn must not wait. */
void fiber_call_on_loop(fiber_fn *fn, void *ctx);

/* For a function whose locals are large and that has returned before its fiber waits for
   long: inlined, they would stand on the stack of every job that waits. */
#define FIBER_APART __attribute__((noinline))

/* In a fiber that is about to wait for long: gives back the part of its stack that it does
   not use at the moment. Costs a system call and the pages' coming back. */
void fiber_trim(void);

/* Lets others run: for loops that compute. */
void fiber_yield(void);

#endif
