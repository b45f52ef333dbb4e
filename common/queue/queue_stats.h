/* SPDX-License-Identifier: MIT */
/*
 * queue_stats.h - how many jobs are where, and what is known of one of them.
 */
#ifndef COMMON_QUEUE_QUEUE_STATS_H
#define COMMON_QUEUE_QUEUE_STATS_H

#include "common/queue/redis_sync.h"

enum {
	QUEUE_PAUSED_BY_MAX = 128
};

struct queue_stats {
	int64_t queued, held, delayed, parked, alone, dead;
	int64_t holders;   /* live ones of all hosts */
	int64_t oldest_ms; /* age of the queue's head by its created_at; -1: unknown */
	int64_t paused_ms; /* wall time; 0: the queue is not paused */
	char paused_by[QUEUE_PAUSED_BY_MAX];
	char head_digest[44]; /* tells whether the head has changed; "" when empty */
};

int queue_stats_read(struct redis_sync *s, const struct queue_setup *q,
    struct queue_stats *out, struct err *err);

struct queue_job {
	char state[16]; /* queued held delayed alone parked done failed dead; "" while
			   only its cancellation is known */
	char *holder, *why, *evidence; /* owned, never NULL */
	int64_t token, attempts, crashes, suspicions, retry_count;
	int64_t run_ms; /* running time of ended attempts */
	int64_t first_ms, begun_ms, due_ms, done_ms; /* wall time; 0: never */
	int64_t journal_len, results_waiting, ttl_sec;
	bool is_cancelled, is_alone;
};

/* 0, -ENOENT when nothing is known of the id, or as queue_run. */
int queue_job_read(struct redis_sync *s, const struct queue_setup *q,
    struct queue_text id, struct queue_job *out, struct err *err);
void queue_job_release(struct queue_job *j); /* for CLEANUP */

/*
 * Asks for a job's end. 0: noted (state, if not NULL, gets where it was: "" for an id
 * that has not been seen yet); -EALREADY when it has ended.
 */
int queue_cancel(struct redis_sync *s, const struct queue_setup *q,
    struct queue_text id, char state[16], struct err *err);

/* A parked job goes on: 0, or -ENOENT when it is not parked. */
int queue_resume(struct redis_sync *s, const struct queue_setup *q,
    struct queue_text id, struct err *err);

#endif
