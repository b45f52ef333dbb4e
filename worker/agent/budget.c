/* SPDX-License-Identifier: MIT */
/*
 * budget.c - what the next call of the model may cost: turns, tokens, money, time.
 *
 * Owns:   the estimates in struct conversation.
 * Called: by the loop, before it asks and after it was answered.
 * Fails:  by ending the conversation at a limit, as conversation_limit does.
 *
 * A call is judged by what it costs: its input is estimated from its bytes, its output is
 * bounded by max_tokens. The job's own limits are known here, since one job has one
 * holder; a wrong guess passes them by less than a call, so they go by the likely length,
 * or jobs that fit would be refused. What it shares with others is asked through the
 * environment, for the most that the call can cost.
 */
#include "config.h"

#include "worker/agent/conversation_private.h"

#include <errno.h>
#include <math.h>

enum {
	ANSWER_MIN_TOKENS = 16,  /* less room is no room */
	BYTES_PER_TOKEN = 4,     /* of prose and JSON, roughly */
	BYTES_PER_TOKEN_MIN = 3, /* fewer than in prose, more than in random digits */
	MESSAGE_BYTES = 24, /* of each message beside its text: role, ids, quotes */
	ANY_ANSWER = 1 << 30
};

/* ---- estimates ---- */

uint64_t
budget_request_bytes(const struct conversation *c)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < c->agent->n_targets; i++) {
		const struct llm_prefix *p = c->agent->prefixes[c->offer][i];

		if (p->head_len + p->tools_len > bytes)
			bytes = p->head_len + p->tools_len;
	}
	for (const struct llm_message *m = c->job->messages.first; m != NULL;
	     m = m->next) {
		bytes += MESSAGE_BYTES + m->text.len;
		for (size_t i = 0; i < m->n_calls; i++)
			bytes += MESSAGE_BYTES + m->calls[i].name.len +
			    m->calls[i].arguments.len;
	}
	return bytes;
}

/* The provider counted the last request: only what came since is guessed. */
static int64_t
estimate_input(const struct conversation *c, uint64_t bytes, uint64_t bytes_per_token)
{
	if (c->sent_tokens > 0 && bytes >= c->sent_bytes)
		return (int64_t)(c->sent_tokens +
		    (bytes - c->sent_bytes) / bytes_per_token);
	return (int64_t)(bytes / bytes_per_token);
}

static uint64_t
answer_bytes(const struct llm_answer *answer)
{
	uint64_t bytes = MESSAGE_BYTES + answer->text.len;

	for (size_t i = 0; i < answer->n_calls; i++)
		bytes += MESSAGE_BYTES + answer->calls[i].name.len +
		    answer->calls[i].arguments.len;
	return bytes;
}

void
budget_note_call(struct conversation *c, uint64_t bytes,
    const struct llm_answer *answer)
{
	if (answer->usage.input + answer->usage.output == 0) {
		c->uncounted.input +=
		    (uint64_t)estimate_input(c, bytes, BYTES_PER_TOKEN_MIN);
		c->uncounted.output += answer_bytes(answer) / BYTES_PER_TOKEN_MIN;
	}
	c->sent_bytes = bytes;
	c->sent_tokens = answer->usage.input;
}

/* ---- one call ---- */

/* What one call costs at most. Any of the agent's providers may answer: each number is
   that of the dearest. */
struct bound {
	int64_t likely; /* tokens of input */
	int64_t input;  /* the most that they can be */
	int64_t output; /* tokens that are granted so far */
	struct token_price price;
};

static void
bound_init(struct bound *b, const struct conversation *c, uint64_t bytes)
{
	*b = (struct bound){ .likely = estimate_input(c, bytes, BYTES_PER_TOKEN),
		.input = estimate_input(c, bytes, BYTES_PER_TOKEN_MIN) };
	for (size_t i = 0; i < c->agent->n_targets; i++) {
		const struct llm_target *t = &c->agent->targets[i];
		int64_t most =
		    t->provider->max_tokens > 0 ? t->provider->max_tokens : ANY_ANSWER;

		b->output = most > b->output ? most : b->output;
		b->price.input = fmax(b->price.input, t->price.input);
		b->price.output = fmax(b->price.output, t->price.output);
	}
}

static double
cost(const struct bound *b, int64_t input, int64_t output)
{
	return (double)input * b->price.input + (double)output * b->price.output;
}

/* How many output tokens that much money pays beside the input; negative: none at all. */
static int64_t
affordable(const struct bound *b, int64_t input, double microusd)
{
	double left = microusd - cost(b, input, 0);

	if (left < 0)
		return -1;
	if (b->price.output <= 0 || left / b->price.output > ANY_ANSWER)
		return ANY_ANSWER;
	return (int64_t)(left / b->price.output);
}

const char *
budget_limit_of(const struct json *name)
{
	static const char *const limits[] = { LIMIT_TOKENS, LIMIT_USD,
		LIMIT_OWNER_TOKENS, LIMIT_OWNER_USD, LIMIT_FAMILY_TOKENS,
		LIMIT_FAMILY_USD };

	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		if (json_eq_str(name, limits[i]))
			return limits[i];
	return NULL;
}

static void
narrow(struct conversation *c, struct bound *b, int64_t output, const char *by)
{
	if (output >= b->output)
		return;
	b->output = output;
	c->narrowed_by = by;
}

/* ---- the job's own limits ---- */

static int64_t
token_limit(const struct conversation *c)
{
	int64_t own = c->job->max_tokens_total, agent = c->agent->max_tokens;

	if (own <= 0 || agent <= 0)
		return own > 0 ? own : agent;
	return own < agent ? own : agent;
}

static int
check_tokens(struct conversation *c, struct bound *b)
{
	int64_t limit = token_limit(c), left;
	struct llm_usage sum = c->result->usage;
	int64_t used;

	llm_usage_add(&sum, &c->uncounted);
	used = (int64_t)(sum.input + sum.output);
	if (limit <= 0)
		return 0;
	left = limit - used - b->likely;
	if (left < ANSWER_MIN_TOKENS)
		return conversation_limit(c, LIMIT_TOKENS, ERROR_TYPE_LIMIT_EXCEEDED,
		    "the job used %lld of its %lld tokens, and the next call takes "
		    "about %lld",
		    (long long)used, (long long)limit, (long long)b->likely);
	narrow(c, b, left, LIMIT_TOKENS);
	return 0;
}

static int
check_money(struct conversation *c, struct bound *b)
{
	double budget = c->agent->budget_usd * 1e6;
	double used = (double)c->result->cost_microusd +
	    (double)c->uncounted.input * b->price.input +
	    (double)c->uncounted.output * b->price.output;
	int64_t output;

	if (budget <= 0)
		return 0;
	output = affordable(b, b->likely, budget - used);
	if (output < ANSWER_MIN_TOKENS)
		return conversation_limit(c, LIMIT_USD, ERROR_TYPE_BUDGET_EXCEEDED,
		    "the job cost %.6f of its %.6f USD (budget_usd), and the next call "
		    "costs at least %.6f",
		    used / 1e6, c->agent->budget_usd,
		    cost(b, b->likely, ANSWER_MIN_TOKENS) / 1e6);
	narrow(c, b, output, LIMIT_USD);
	return 0;
}

/* ---- the budgets that others draw on, too ---- */

static int
reserve(struct conversation *c, struct bound *b)
{
	struct conversation_refusal why = { .limit = "" };
	int64_t least = b->output < ANSWER_MIN_TOKENS ? b->output : ANSWER_MIN_TOKENS;
	struct conversation_cost want = {
		.tokens = b->input + b->output,
		.microusd = (int64_t)ceil(cost(b, b->input, b->output)),
		.least_tokens = b->input + least,
		.least_microusd = (int64_t)ceil(cost(b, b->input, least)),
	};
	int r = c->env->reserve(c->env->ctx, c->turn, &want, &why);

	if (r == -EDQUOT)
		return conversation_limit(c, why.limit, ERROR_TYPE_BUDGET_EXCEEDED,
		    "%s", why.text);
	if (r == -ETIMEDOUT)
		return conversation_limit(c, "timeout", ERROR_TYPE_TIMEOUT,
		    "the job's time is over; it waited for its share of a budget");
	if (r < 0)
		return r;
	narrow(c, b, want.tokens - b->input, why.limit);
	narrow(c, b, affordable(b, b->input, (double)want.microusd), why.limit);
	return 0;
}

int
budget_next_call(struct conversation *c, uint64_t bytes, int64_t *max_tokens)
{
	struct bound b;
	int r = conversation_may_go_on(c);

	c->narrowed_by = NULL;
	if (r != 0)
		return r;
	if (c->agent->max_turns > 0 &&
	    c->result->turns >= (uint64_t)c->agent->max_turns)
		return conversation_limit(c, "max_turns", ERROR_TYPE_LIMIT_EXCEEDED,
		    "the model was asked %u times and did not finish",
		    c->result->turns);
	bound_init(&b, c, bytes);
	r = check_tokens(c, &b);
	if (r == 0)
		r = check_money(c, &b);
	if (r == 0 && c->env->reserve != NULL)
		r = reserve(c, &b);
	if (r == 0)
		*max_tokens = c->narrowed_by != NULL ? b.output : 0;
	return r;
}
