/* SPDX-License-Identifier: MIT */
/*
 * loop.c - epoll, a heap of timers, and the hook that runs ready fibers.
 *
 * Owns:   the epoll descriptor, the table of watched descriptors, the heap's array.
 * Called: by the worker's main and everything that waits in it.
 * Fails:  with negative errno; a callback of a descriptor that was unwatched in the
 * same turn is not called.
 */
#include "config.h"

#include "worker/loop.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum {
	EVENTS_PER_TURN = 128
};

struct watched {
	loop_fd_fn *fn; /* NULL: free */
	void *ctx;
	uint32_t events;
	/* tells a re-used descriptor from the one an event was for */
	uint32_t generation;
};

struct loop {
	int epoll_fd;
	struct watched *watched; /* by descriptor */
	size_t n_watched;
	struct loop_timer **heap; /* least due first */
	size_t n_timers, cap_timers;
	bool (*on_turn)(void *ctx);
	void *on_turn_ctx;
	bool wants_turn;
	uint64_t now_ms;
};

struct loop *
loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		free(l);
		return NULL;
	}
	l->now_ms = clock_mono_ms();
	return l;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	(void)close(l->epoll_fd);
	free(l->watched);
	free(l->heap);
	free(l);
}

static int
room_for_fd(struct loop *l, int fd)
{
	size_t want = (size_t)fd + 1, n = l->n_watched;
	struct watched *w;

	if (want <= n)
		return 0;
	n = n * 2 > want ? n * 2 : want + 16;
	w = realloc(l->watched, n * sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	memset(w + l->n_watched, 0, (n - l->n_watched) * sizeof(*w));
	l->watched = w;
	l->n_watched = n;
	return 0;
}

int
loop_watch(struct loop *l, int fd, uint32_t events, loop_fd_fn *fn, void *ctx)
{
	struct epoll_event ev = { .events = events };
	struct watched *w;
	bool is_new;

	if (room_for_fd(l, fd) < 0)
		return -ENOMEM;
	w = &l->watched[fd];
	is_new = w->fn == NULL;
	if (!is_new && w->events == events) {
		w->fn = fn;
		w->ctx = ctx;
		return 0;
	}
	if (is_new)
		w->generation++;
	ev.data.u64 = (uint64_t)w->generation << 32 | (uint32_t)fd;
	if (epoll_ctl(l->epoll_fd, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &ev) < 0)
		return -errno;
	w->fn = fn;
	w->ctx = ctx;
	w->events = events;
	return 0;
}

void
loop_unwatch(struct loop *l, int fd)
{
	if (fd < 0 || (size_t)fd >= l->n_watched || l->watched[fd].fn == NULL)
		return;
	(void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd,
	    NULL); /* may be closed already */
	l->watched[fd].fn = NULL;
}

static void
heap_place(struct loop *l, size_t i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->place = i + 1;
}

static void
heap_up(struct loop *l, size_t i, struct loop_timer *t)
{
	while (i > 0 && l->heap[(i - 1) / 2]->due_ms > t->due_ms) {
		heap_place(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_place(l, i, t);
}

static void
heap_down(struct loop *l, size_t i, struct loop_timer *t)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= l->n_timers)
			break;
		if (child + 1 < l->n_timers &&
		    l->heap[child + 1]->due_ms < l->heap[child]->due_ms)
			child++;
		if (l->heap[child]->due_ms >= t->due_ms)
			break;
		heap_place(l, i, l->heap[child]);
		i = child;
	}
	heap_place(l, i, t);
}

void
loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	size_t i = t->place - 1;
	struct loop_timer *last;

	if (t->place == 0)
		return;
	t->place = 0;
	last = l->heap[--l->n_timers];
	if (last == t)
		return;
	if (i > 0 && l->heap[(i - 1) / 2]->due_ms > last->due_ms)
		heap_up(l, i, last);
	else
		heap_down(l, i, last);
}

int
loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t due_ms)
{
	loop_timer_cancel(l, t);
	if (l->n_timers == l->cap_timers) {
		size_t cap = l->cap_timers > 0 ? l->cap_timers * 2 : 64;
		struct loop_timer **heap = realloc(l->heap, cap * sizeof(*heap));

		if (heap == NULL)
			return -ENOMEM;
		l->heap = heap;
		l->cap_timers = cap;
	}
	t->due_ms = due_ms;
	heap_up(l, l->n_timers++, t);
	return 0;
}

void
loop_on_turn(struct loop *l, bool (*fn)(void *ctx), void *ctx)
{
	l->on_turn = fn;
	l->on_turn_ctx = ctx;
}

uint64_t
loop_now(const struct loop *l)
{
	return l->now_ms;
}

static int
wait_ms(const struct loop *l, int max_wait_ms)
{
	uint64_t now = clock_mono_ms(), due;

	if (l->wants_turn)
		return 0;
	if (l->n_timers == 0)
		return max_wait_ms;
	due = l->heap[0]->due_ms;
	if (due <= now)
		return 0;
	if (max_wait_ms >= 0 && due - now > (uint64_t)max_wait_ms)
		return max_wait_ms;
	return due - now > INT32_MAX ? INT32_MAX : (int)(due - now);
}

static void
run_timers(struct loop *l)
{
	while (l->n_timers > 0 && l->heap[0]->due_ms <= l->now_ms) {
		struct loop_timer *t = l->heap[0];

		loop_timer_cancel(l, t);
		t->fn(t->ctx);
	}
}

int
loop_turn(struct loop *l, int max_wait_ms)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int n =
	    epoll_wait(l->epoll_fd, events, EVENTS_PER_TURN, wait_ms(l, max_wait_ms));

	if (n < 0 && errno != EINTR)
		return -errno;
	l->now_ms = clock_mono_ms();
	for (int i = 0; i < n; i++) {
		size_t fd = events[i].data.u64 & UINT32_MAX;
		const struct watched *w = &l->watched[fd];

		if (w->fn != NULL && w->generation == events[i].data.u64 >> 32)
			w->fn(w->ctx, events[i].events);
	}
	run_timers(l);
	l->wants_turn = l->on_turn != NULL && l->on_turn(l->on_turn_ctx);
	return 0;
}
