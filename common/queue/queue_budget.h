/* SPDX-License-Identifier: MIT */
/*
 * queue_budget.h - what owners have used and reserved of their day, for operators.
 */
#ifndef COMMON_QUEUE_QUEUE_BUDGET_H
#define COMMON_QUEUE_QUEUE_BUDGET_H

#include "common/queue/redis_sync.h"

struct queue_owner_day {
	struct queue_text owner;
	int64_t used_tokens, used_microusd;
	int64_t reserved_tokens, reserved_microusd; /* for calls that are under way */
};

/*
 * Calls each for every owner of whom today (UTC, by the server's clock) anything is
 * counted; with an owner named (not NULL) for that one, with zeros when nothing is.
 * *renews_ms is the wall time at which the day ends. Texts live during the call. 0, or as
 * redis_sync_command.
 */
int queue_budget_each(struct redis_sync *s, const char *owner,
    void (*each)(const struct queue_owner_day *day, void *arg), void *arg,
    int64_t *renews_ms, struct err *err);

#endif
