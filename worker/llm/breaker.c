/* SPDX-License-Identifier: MIT */
/*
 * breaker.c - counts failures, opens, lets one try, closes.
 *
 * Owns:   nothing; a struct breaker is its caller's.
 * Called: around each exchange with a provider.
 * Fails:  never.
 */
#include "config.h"

#include "worker/llm/breaker.h"

/* What an outcome says of the provider. */
enum verdict {
	SAYS_NOTHING, /* about our own side */
	ANSWERED,
	DOUBTFUL, /* it may be the request */
	FAILED,   /* it is away, or has too much to do */
	REFUSED   /* it does not want us */
};

static const struct {
	enum error_type type;
	enum verdict verdict;
} verdicts[] = {
	{ ERROR_TYPE_NONE, ANSWERED },
	{ ERROR_TYPE_LLM_REFUSED, ANSWERED },
	{ ERROR_TYPE_LLM_LENGTH, ANSWERED },
	{ ERROR_TYPE_LLM_UNAVAILABLE, FAILED },
	{ ERROR_TYPE_LLM_RATE_LIMITED, FAILED },
	{ ERROR_TYPE_LLM_BAD_RESPONSE, DOUBTFUL },
	{ ERROR_TYPE_LLM_AUTH, REFUSED },
	{ ERROR_TYPE_LLM_QUOTA_EXHAUSTED, REFUSED },
};

static enum verdict
verdict_of(enum error_type type)
{
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
		if (verdicts[i].type == type)
			return verdicts[i].verdict;
	return SAYS_NOTHING;
}

static const char *const state_names[] = {
	[BREAKER_CLOSED] = "closed",
	[BREAKER_HALF_OPEN] = "half-open",
	[BREAKER_OPEN] = "open",
};
_Static_assert(ARRAY_LEN(state_names) == BREAKER_STATE_COUNT, "every state has a name");

const char *
breaker_state_name(enum breaker_state state)
{
	return (unsigned)state < BREAKER_STATE_COUNT ? state_names[state] : "unknown";
}

enum breaker_state
breaker_state(const struct breaker *b, uint64_t now_ms)
{
	if (b->open_until_ms == 0)
		return BREAKER_CLOSED;
	return now_ms < b->open_until_ms ? BREAKER_OPEN : BREAKER_HALF_OPEN;
}

bool
breaker_may_ask(struct breaker *b, uint64_t now_ms, const void *caller)
{
	switch (breaker_state(b, now_ms)) {
	case BREAKER_CLOSED:
		return true;
	case BREAKER_HALF_OPEN:
		if (b->prober != NULL && b->prober != caller)
			return false;
		b->prober = caller;
		return true;
	default:
		return false;
	}
}

void
breaker_leave(struct breaker *b, const void *caller)
{
	if (b->prober == caller)
		b->prober = NULL;
}

static uint64_t
open_for_ms(const struct breaker *b, const struct breaker_rules *rules,
    const struct llm_error *e)
{
	uint64_t ms = verdict_of(b->cause) == REFUSED ? rules->refused_ms
						      : rules->open_ms << b->doublings;

	if (e != NULL && e->has_retry_after && e->retry_after_ms > ms)
		ms = e->retry_after_ms;
	return ms < BREAKER_OPEN_MAX_MS ? ms : BREAKER_OPEN_MAX_MS;
}

static void
open_it(struct breaker *b, const struct breaker_rules *rules, uint64_t now_ms,
    const struct llm_error *e)
{
	b->opened_ms = now_ms;
	b->open_until_ms = now_ms + open_for_ms(b, rules, e);
	if (b->doublings < BREAKER_DOUBLINGS_MAX)
		b->doublings++;
}

static bool
note_answer(struct breaker *b, uint64_t began_ms)
{
	bool was_open = b->open_until_ms != 0;

	if (was_open && began_ms < b->opened_ms) /* asked before: says nothing of now */
		return false;
	b->failures = b->doublings = 0;
	b->open_until_ms = 0;
	b->prober = NULL;
	if (began_ms > b->answered_ms)
		b->answered_ms = began_ms;
	return was_open;
}

bool
breaker_note(struct breaker *b, const struct breaker_rules *rules, uint64_t now_ms,
    uint64_t began_ms, enum error_type type, const struct llm_error *e)
{
	enum verdict verdict = verdict_of(type);
	enum breaker_state state = breaker_state(b, now_ms);

	if (verdict == SAYS_NOTHING || rules->failures == 0)
		return false;
	if (verdict == ANSWERED)
		return note_answer(b, began_ms);
	b->failures++;
	b->cause = type;
	/* what was asked before it opened makes it no wider open */
	if (state == BREAKER_OPEN ||
	    (state == BREAKER_CLOSED && b->failures < rules->failures))
		return false;
	open_it(b, rules, now_ms, e);
	return true;
}

/* Was a question answered that was put well after the call began? Then the provider was
   there when it failed. */
static bool
answered_others(const struct breaker *b, uint64_t began_ms, uint64_t now_ms)
{
	return b->answered_ms >= began_ms + BREAKER_DOUBT_MS &&
	    b->answered_ms >= began_ms + (now_ms - began_ms) / 2;
}

bool
breaker_gave_up(struct breaker *b, const struct breaker_rules *rules, uint64_t now_ms,
    uint64_t began_ms, const struct llm_error *e)
{
	if (rules->failures == 0 || verdict_of(e->type) != FAILED ||
	    breaker_state(b, now_ms) != BREAKER_CLOSED || b->failures == 0 ||
	    answered_others(b, began_ms, now_ms))
		return false;
	if (b->tripped_ms != 0 && now_ms - b->tripped_ms < BREAKER_TRIP_EVERY_MS)
		return false;
	b->tripped_ms = now_ms;
	open_it(b, rules, now_ms, e);
	return true;
}

bool
breaker_is_refused(const struct breaker *b)
{
	return b->open_until_ms != 0 && verdict_of(b->cause) == REFUSED;
}
