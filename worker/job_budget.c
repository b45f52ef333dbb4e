/* SPDX-License-Identifier: MIT */
/*
 * job_budget.c - the budgets that a job shares with others: reserved before each model
 * call, settled with the record of its answer.
 *
 * Owns:   the reservation noted in struct job, until it is settled or the job ends: every
 *         script that ends or moves a job gives back what it finds.
 * Called: by the conversation, through job_run.c.
 * Fails:  as redis_op does; a budget that is spent is -EDQUOT.
 *
 * A job of which neither the owner nor a parent has a budget asks Redis nothing here.
 */
#include "config.h"

#include "common/clock.h"
#include "common/fault_point.h"
#include "common/log.h"
#include "worker/agent/conversation.h"
#include "worker/worker.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	WAIT_MIN_MS = 100,
	WAIT_MAX_MS = 2000
};

/* ---- words ---- */

/* By whose budget it is, and of what. */
static const struct {
	const char *limit, *of, *option;
} budgets[QUEUE_BUDGET_COUNT][2] = {
	[QUEUE_BUDGET_OWNER] = { { LIMIT_OWNER_TOKENS, "the owner's budget of today",
				     "limits.owner_tokens_per_day" },
	    { LIMIT_OWNER_USD, "the owner's budget of today",
		"limits.owner_usd_per_day" } },
	[QUEUE_BUDGET_FAMILY] = { { LIMIT_FAMILY_TOKENS,
				      "the budget of the job that delegated this one",
				      "limits.max_tokens of its agent" },
	    { LIMIT_FAMILY_USD, "the budget of the job that delegated this one",
		"limits.budget_usd of its agent" } },
};

static void
write_amount(char out[32], int64_t n, bool is_money)
{
	if (is_money)
		(void)snprintf(out, 32, "%.6f", (double)n / 1e6);
	else
		(void)snprintf(out, 32, "%lld", (long long)n);
}

static void
tell(const struct queue_answer *a, struct conversation_refusal *why)
{
	bool is_owner = a->reserve.budget == QUEUE_BUDGET_OWNER;
	unsigned of = a->reserve.is_money;
	char used[32], cap[32], iso[CLOCK_ISO_MAX];

	why->limit = budgets[a->reserve.budget][of].limit;
	if (a->reserve.cap == 0) {
		(void)snprintf(why->text, sizeof(why->text),
		    "%s is gone: that job has ended long ago or was started anew",
		    budgets[a->reserve.budget][of].of);
		return;
	}
	write_amount(used, a->reserve.used, a->reserve.is_money);
	write_amount(cap, a->reserve.cap, a->reserve.is_money);
	(void)snprintf(why->text, sizeof(why->text),
	    "%s is used up: %s of %s %s, too little is left for a call (%s)%s%s",
	    budgets[a->reserve.budget][of].of, used, cap, of ? "USD" : "tokens",
	    budgets[a->reserve.budget][of].option, is_owner ? "; it renews at " : "",
	    is_owner ? clock_iso(a->reserve.renews_ms, iso) : "");
}

/* ---- reserving ---- */

static int64_t
day_microusd(const struct conf *conf)
{
	return (int64_t)ceil(conf->limits.owner_usd_per_day * 1e6);
}

static bool
shares_a_budget(const struct job *j)
{
	const struct conf *conf = j->worker->conf;

	return j->has_family || conf->limits.owner_tokens_per_day > 0 ||
	    conf->limits.owner_usd_per_day > 0;
}

/* Others have reserved what is left, and their calls will end. */
static int
wait_for_others(struct job *j, unsigned tries)
{
	uint64_t now = clock_mono_ms();
	uint64_t bound = (uint64_t)WAIT_MIN_MS << (tries < 5 ? tries : 5);
	uint64_t until;

	if (bound > WAIT_MAX_MS)
		bound = WAIT_MAX_MS;
	until = now + bound / 2 + (uint64_t)(drand48() * (double)bound / 2);
	if (j->deadline_ms != 0 && now >= j->deadline_ms)
		return -ETIMEDOUT;
	if (tries == 0) {
		log_debug("job %s: waits for its share of a budget", j->msg.job_id);
		slot_row_step(j->worker->role->slots, j->row, "budget");
	}
	return fiber_sleep_until(
	    j->deadline_ms != 0 && until > j->deadline_ms ? j->deadline_ms : until);
}

static int
reserve_once(struct job *j, const struct queue_reserve *want, struct queue_answer *a)
{
	struct queue_job_ref ref = job_ref(j);
	struct queue_command cmd;
	struct err e = ERR_INIT;
	int r;

	queue_cmd_reserve(&cmd, &j->worker->setup, &ref, want);
	FAULT_POINT_OF(RESERVE_SEND, j->msg.job_id);
	r = redis_op(j->worker->redis, &cmd, NULL, NULL, a, 0, &e);
	FAULT_POINT_OF(RESERVE_REPLY, j->msg.job_id);
	if (r < 0 && r != -ECANCELED)
		log_error("job %s: reserve: %s", j->msg.job_id, err_text(&e));
	return r;
}

int
job_budget_reserve(struct job *j, unsigned turn, struct conversation_cost *cost,
    struct conversation_refusal *why)
{
	const struct conf *conf = j->worker->conf;
	const struct queue_reserve want = { .turn = turn,
		.owner = queue_text(j->msg.owner),
		.day_tokens = conf->limits.owner_tokens_per_day,
		.day_microusd = day_microusd(conf),
		.want_tokens = cost->tokens,
		.want_microusd = cost->microusd,
		.least_tokens = cost->least_tokens,
		.least_microusd = cost->least_microusd };
	struct queue_answer a = { .word = QUEUE_WAIT };

	if (!shares_a_budget(j))
		return 0;
	for (unsigned tries = 0; a.word == QUEUE_WAIT; tries++) {
		int r = tries > 0 ? wait_for_others(j, tries - 1) : 0;

		if (r == 0)
			r = reserve_once(j, &want, &a);
		if (r < 0)
			return r;
	}
	if (a.word == QUEUE_EXCEEDED) {
		tell(&a, why);
		return -EDQUOT;
	}
	if (a.word != QUEUE_OK && a.word != QUEUE_ALREADY)
		return -ESTALE;
	why->limit = budgets[a.reserve.budget][a.reserve.is_money].limit;
	cost->tokens = a.reserve.tokens;
	cost->microusd = a.reserve.microusd;
	j->reserved = RESERVED;
	j->spent = (struct queue_spent){ turn, cost->tokens, cost->microusd };
	return 0;
}

/* ---- settling ---- */

/* A call that was paid for without bringing an answer has no record to settle it. */
static void
settle_now(struct job *j)
{
	bool was_masked = fiber_mask_interrupts(true);
	struct queue_job_ref ref = job_ref(j);
	struct queue_command cmd;
	struct queue_answer answer;
	struct err e = ERR_INIT;
	int r;

	queue_cmd_settle(&cmd, &j->worker->setup, &ref, &j->spent);
	FAULT_POINT_OF(SETTLE_SEND, j->msg.job_id);
	r = redis_op(j->worker->redis, &cmd, NULL, NULL, &answer, 0, &e);
	FAULT_POINT_OF(SETTLE_REPLY, j->msg.job_id);
	if (r < 0)
		log_error("job %s: settle: %s", j->msg.job_id, err_text(&e));
	(void)fiber_mask_interrupts(was_masked);
}

void
job_budget_paid(struct job *j, const struct llm_account *paid, bool is_answered)
{
	if (j->reserved != RESERVED)
		return;
	/* a provider that does not count is paid what was reserved for it */
	if (!is_answered || paid->usage.input + paid->usage.output > 0) {
		j->spent.tokens = (int64_t)(paid->usage.input + paid->usage.output);
		j->spent.microusd = (int64_t)paid->cost_microusd;
	}
	j->reserved = is_answered ? RESERVED_AND_SPENT : RESERVED_NOTHING;
	if (!is_answered && j->stop != JOB_STOP_FENCED &&
	    (j->spent.tokens > 0 || j->spent.microusd > 0))
		settle_now(j);
}

const struct queue_spent *
job_budget_spent(const struct job *j)
{
	return j->reserved == RESERVED_AND_SPENT ? &j->spent : NULL;
}
