/* SPDX-License-Identifier: MIT */
/*
 * scheduler.h - the queue's keeper: beats, recovery, promotion, gauges.
 *
 * One turn does everything that is due and says when the next one is. Every step is
 * level-triggered and may be repeated: a turn that fails half-way loses nothing.
 */
#ifndef SCHEDULER_SCHEDULER_H
#define SCHEDULER_SCHEDULER_H

#include "common/metrics.h"
#include "common/queue/redis_sync.h"
#include "common/role/live_set.h"

struct scheduler;

struct scheduler_options {
	struct redis_sync *redis;        /* borrowed */
	const struct queue_setup *setup; /* borrowed */
	bool allow_eviction;             /* redis.allow_eviction */
	struct metrics_page *metrics;    /* borrowed; NULL: no gauges */
	/*
	 * Called between reading who is registered and judging them, and again during
	 * long work: takes newer sets from the supervisor and shows a heartbeat.
	 * Because a set is sent before its newest holder can register, no newcomer is
	 * taken for one that is left over.
	 */
	void (*listen)(void *arg);
	void *arg;
};

int scheduler_new(const struct scheduler_options *o, struct scheduler **out);
void scheduler_free(struct scheduler *s); /* NULL is fine */
void scheduler_freep(struct scheduler **s);

/* Takes the set over; it is in use from the next time that listen was called. */
void scheduler_set(struct scheduler *s, struct live_set *set);

/*
 * One turn at monotonic time now_ms. *wait_ms gets how long nothing will be due (at
 * most a second). 0; -EAGAIN while Redis is away (try again after *wait_ms); -EINVAL,
 * -EPROTONOSUPPORT or -EEXIST when this server must not be used (err says what to
 * change); else another errno, to be tried again too.
 */
int scheduler_turn(struct scheduler *s, uint64_t now_ms, uint64_t *wait_ms,
    struct err *err);

#endif
