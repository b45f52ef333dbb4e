/* SPDX-License-Identifier: MIT */
/*
 * rate_limit.h - a provider's rate limit as this worker meets it.
 *
 * The bucket is in Redis, shared by all hosts (limit_take, limit_note). It is asked only
 * when the configuration sets a bound, or when an answer told lately that the provider's
 * own bound is near: else a call costs no round trip. Of the jobs of one class that wait
 * for the same bucket only the first asks Redis; the others stand behind it.
 */
#ifndef WORKER_RATE_LIMIT_H
#define WORKER_RATE_LIMIT_H

#include "worker/worker.h"

TAILQ_HEAD(rate_waiters, rate_waiter);

enum rate_class {
	RATE_INTERACTIVE,
	RATE_BATCH,
	RATE_CLASS_COUNT
};

struct rate_limit {
	char *name; /* owned: of the bucket */
	const struct llm_target *target;
	uint64_t near_until_ms; /* the provider's own bound is near until then */
	struct {
		bool is_taken; /* somebody asks Redis */
		struct rate_waiters waiters;
	} gate[RATE_CLASS_COUNT];
};

/* 0 or -ENOMEM. */
int rate_limit_init(struct rate_limit *l, const struct llm_target *t);
void rate_limit_release(struct rate_limit *l);

/* As llm_call_env.reserve; in the job's fiber. */
int rate_limit_reserve(struct job *j, struct rate_limit *l, uint64_t tokens,
    uint64_t *waited_ms, struct llm_error *e);

/* After each exchange. */
void rate_limit_note(struct job *j, struct rate_limit *l, const struct llm_exchange *x);

#endif
