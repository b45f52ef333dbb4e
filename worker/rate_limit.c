/* SPDX-License-Identifier: MIT */
/*
 * rate_limit.c - waits for room in a bucket, and tells it what a call used.
 *
 * Owns:   the line of those who wait.
 * Called: by providers.c around each exchange.
 * Fails:  a Redis that is away bounds nothing; a bucket that stays full for long is an
 *         error of the rate limit, by which the job is put off.
 */
#include "config.h"

#include "worker/rate_limit.h"

#include "common/clock.h"
#include "common/fault_point.h"
#include "worker/llm/retry.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
	NEAR_MS = 60000,    /* after an answer that told so */
	REDIS_MS = 2000,    /* for a bucket; then the call goes without */
	LEAST_WAIT_MS = 20, /* between two questions to Redis */
	LONGEST_WAIT_MS = 2000,
	CLOSED_MAX_MS = 60000 /* for all, because one was asked to wait */
};

/* How long a job holds its place for a bucket. An interactive one waits through a
   refill, because behind it stands a queue of others. */
static const uint64_t patience_ms[RATE_CLASS_COUNT] = {
	[RATE_INTERACTIVE] = 90000,
	[RATE_BATCH] = 10000,
};

struct rate_waiter {
	struct wait wait;
	TAILQ_ENTRY(rate_waiter) link;
};

int
rate_limit_init(struct rate_limit *l, const struct llm_target *t)
{
	l->target = t;
	for (int c = 0; c < RATE_CLASS_COUNT; c++)
		TAILQ_INIT(&l->gate[c].waiters);
	return asprintf(&l->name, "%s/%s", t->provider->name, t->model) < 0 ? -ENOMEM
									    : 0;
}

void
rate_limit_release(struct rate_limit *l)
{
	free(l->name);
}

static bool
is_bounded(const struct rate_limit *l)
{
	const struct conf_provider *p = l->target->provider;

	return p->requests_per_minute > 0 || p->tokens_per_minute > 0 ||
	    (l->near_until_ms != 0 && clock_mono_ms() < l->near_until_ms);
}

static enum rate_class
class_of(const struct job *j)
{
	return strcmp(j->agent->conf->class, "batch") == 0 ? RATE_BATCH
							   : RATE_INTERACTIVE;
}

static struct queue_limit
describe(const struct job *j, const struct rate_limit *l)
{
	const struct conf_provider *p = l->target->provider;

	return (struct queue_limit){ .name = l->name,
		.call = queue_text(j->rate_call),
		.is_batch = class_of(j) == RATE_BATCH,
		.batch_permille =
		    (unsigned)lround(j->worker->conf->llm.batch_share * 1000),
		.requests_per_minute = p->requests_per_minute,
		.tokens_per_minute = p->tokens_per_minute };
}

/* ---- the line ---- */

static void
gate_leave(struct rate_limit *l, enum rate_class class)
{
	struct rate_waiter *next = TAILQ_FIRST(&l->gate[class].waiters);

	if (next == NULL) {
		l->gate[class].is_taken = false;
		return;
	}
	TAILQ_REMOVE(&l->gate[class].waiters, next, link);
	wait_done(&next->wait, 0); /* the gate is the next one's */
}

/* 0 when the gate is ours, -ETIMEDOUT, -ECANCELED. */
static int
gate_enter(struct rate_limit *l, enum rate_class class, uint64_t due_ms)
{
	struct rate_waiter self;
	int r;

	if (!l->gate[class].is_taken) {
		l->gate[class].is_taken = true;
		return 0;
	}
	wait_begin(&self.wait);
	TAILQ_INSERT_TAIL(&l->gate[class].waiters, &self, link);
	r = wait_for(&self.wait, due_ms);
	if (!self.wait.is_done)
		TAILQ_REMOVE(&l->gate[class].waiters, &self, link);
	return r;
}

/* ---- before a call ---- */

/* 0: taken (or Redis is away); 1: *wait_ms; -ECANCELED. */
static int
take(struct job *j, const struct rate_limit *l, uint64_t tokens, uint64_t *wait_ms)
{
	struct worker *w = j->worker;
	struct queue_limit limit = describe(j, l);
	struct queue_command cmd;
	struct queue_answer answer;
	struct err e = ERR_INIT;
	int r;

	queue_cmd_limit_take(&cmd, &w->setup, &limit, tokens);
	FAULT_POINT_OF(LIMIT_TAKE_SEND, j->msg.job_id);
	r = redis_op(w->redis, &cmd, NULL, NULL, &answer, clock_mono_ms() + REDIS_MS,
	    &e);
	FAULT_POINT_OF(LIMIT_TAKE_REPLY, j->msg.job_id);
	if (r == -ECANCELED)
		return r;
	if (r < 0 || answer.word != QUEUE_WAIT)
		return 0;
	*wait_ms = answer.limit.wait_ms > 0 ? (uint64_t)answer.limit.wait_ms : 0;
	return 1;
}

static uint64_t
next_pause(uint64_t wait_ms)
{
	if (wait_ms < LEAST_WAIT_MS)
		return LEAST_WAIT_MS;
	return wait_ms < LONGEST_WAIT_MS ? wait_ms : LONGEST_WAIT_MS;
}

/* The bucket is full for longer than a place is held for it. */
static int
full(const struct rate_limit *l, uint64_t wait_ms, struct llm_error *e)
{
	(void)llm_error_set(e, ERROR_TYPE_LLM_RATE_LIMITED, 0,
	    "%s: the rate limit of %s is used up", l->target->provider->name,
	    l->target->model);
	e->may_repeat = false;
	e->is_outage = e->has_retry_after = true;
	e->retry_after_ms = wait_ms;
	return -EIO;
}

static int
wait_in_front(struct job *j, struct rate_limit *l, uint64_t tokens, uint64_t due_ms,
    struct llm_error *e)
{
	for (;;) {
		uint64_t wait_ms = 0;
		int r = take(j, l, tokens, &wait_ms);

		if (r <= 0)
			return r;
		if (clock_mono_ms() + wait_ms > due_ms)
			return full(l, wait_ms, e);
		r = fiber_sleep_until(clock_mono_ms() + next_pause(wait_ms));
		if (r < 0)
			return r;
	}
}

static int
wait_for_room(struct job *j, struct rate_limit *l, uint64_t tokens, struct llm_error *e)
{
	enum rate_class class = class_of(j);
	uint64_t due_ms = clock_mono_ms() + patience_ms[class];
	int r = gate_enter(l, class, due_ms);

	if (r == -ETIMEDOUT)
		return full(l, 0, e);
	if (r < 0)
		return r;
	r = wait_in_front(j, l, tokens, due_ms, e);
	gate_leave(l, class);
	return r;
}

int
rate_limit_reserve(struct job *j, struct rate_limit *l, uint64_t tokens,
    uint64_t *waited_ms, struct llm_error *e)
{
	uint64_t began = clock_mono_ms(), moved = j->started_ms;
	int r;

	j->rate_call[0] = '\0';
	if (!is_bounded(l))
		return 0;
	(void)snprintf(j->rate_call, sizeof(j->rate_call), "%s:%llu",
	    j->worker->role->holder, (unsigned long long)++j->worker->next_rate_call);
	j->is_at_limit = true; /* it is not stuck: control.c tells the supervisor */
	r = wait_for_room(j, l, tokens, e);
	j->is_at_limit = false;
	/* what Redis was away for has moved the job's time already */
	moved = j->started_ms - moved;
	*waited_ms = clock_mono_ms() - began;
	if (*waited_ms > moved)
		job_waited(j->worker, *waited_ms - moved);
	if (r < 0)
		j->rate_call[0] = '\0';
	return r;
}

/* ---- after a call ---- */

static struct queue_told
told_of(const struct llm_limit *l)
{
	if (!l->is_known)
		return (struct queue_told){ -1, -1, -1 };
	return (struct queue_told){ (int64_t)l->limit, (int64_t)l->remaining,
		(int64_t)l->full_ms };
}

/* Without it the next calls are judged by what was reserved: no reason to wait for a
   Redis that is away, nor to stop half-way. */
static void
send_note(struct job *j, struct queue_command *cmd)
{
	bool was_masked = fiber_mask_interrupts(true);
	struct queue_answer answer;
	struct err e = ERR_INIT;

	FAULT_POINT_OF(LIMIT_NOTE_SEND, j->msg.job_id);
	(void)redis_op(j->worker->redis, cmd, NULL, NULL, &answer,
	    clock_mono_ms() + REDIS_MS, &e);
	FAULT_POINT_OF(LIMIT_NOTE_REPLY, j->msg.job_id);
	(void)fiber_mask_interrupts(was_masked);
}

void
rate_limit_note(struct job *j, struct rate_limit *l, const struct llm_exchange *x)
{
	bool is_limited = x->error == ERROR_TYPE_LLM_RATE_LIMITED, is_told;
	uint64_t now = clock_mono_ms(), closed_ms = 0;
	struct llm_limit requests, tokens;
	struct queue_told told_requests, told_tokens;
	struct queue_limit limit;
	struct queue_command cmd;

	llm_limits_read(x->headers, clock_wall_ms(), &requests, &tokens);
	is_told = requests.is_known || tokens.is_known;
	/* where nobody knows a bound it may be the one request that was too much */
	if (is_limited && x->failure->has_retry_after && (is_told || is_bounded(l)))
		closed_ms = x->failure->retry_after_ms < CLOSED_MAX_MS
		    ? x->failure->retry_after_ms
		    : CLOSED_MAX_MS;
	if ((is_limited && is_told) || llm_limit_is_near(&requests) ||
	    llm_limit_is_near(&tokens))
		l->near_until_ms = now + NEAR_MS + closed_ms;
	else if (j->rate_call[0] == '\0')
		return;
	limit = describe(j, l);
	told_requests = told_of(&requests);
	told_tokens = told_of(&tokens);
	queue_cmd_limit_note(&cmd, &j->worker->setup, &limit,
	    x->usage.input + x->usage.output, &told_requests, &told_tokens, closed_ms);
	send_note(j, &cmd);
	j->rate_call[0] = '\0';
}
