/* SPDX-License-Identifier: MIT */
/*
 * loop.h - the worker's one event loop: descriptors, timers, and a hook per turn.
 *
 * One thread. Callbacks run from loop_turn only; they may watch, unwatch, set and
 * cancel anything, their own registration included.
 */
#ifndef WORKER_LOOP_H
#define WORKER_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

typedef void loop_fd_fn(void *ctx, uint32_t events); /* EPOLLIN, EPOLLOUT, ... */
typedef void loop_timer_fn(void *ctx);

/* Zero-initialised by its owner, who keeps it alive while it is set. */
struct loop_timer {
	uint64_t due_ms; /* monotonic */
	loop_timer_fn *fn;
	void *ctx;
	size_t place; /* 1 + index in the heap; 0: not set */
};

struct loop *loop_new(void); /* NULL: errno tells */
void loop_free(struct loop *l);

/* Watches fd for events (0: keeps the registration, reports only errors). A second call
   for the same fd replaces the first. 0 or negative errno. */
int loop_watch(struct loop *l, int fd, uint32_t events, loop_fd_fn *fn, void *ctx);
/* Must be called before fd is closed; unknown descriptors are ignored. */
void loop_unwatch(struct loop *l, int fd);

/* Sets or moves the timer. Aborts only for want of memory at first growth: returns
   -ENOMEM then. */
int loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t due_ms);
void loop_timer_cancel(struct loop *l, struct loop_timer *t);

/* fn runs after the events and timers of every turn; it returns true when it wants the
   next turn at once. */
void loop_on_turn(struct loop *l, bool (*fn)(void *ctx), void *ctx);

/* Waits at most max_wait_ms for something to do, and does it. 0 or negative errno. */
int loop_turn(struct loop *l, int max_wait_ms);

uint64_t loop_now(const struct loop *l); /* monotonic ms at the start of this turn */

#endif
