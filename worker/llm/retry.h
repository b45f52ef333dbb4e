/* SPDX-License-Identifier: MIT */
/*
 * retry.h - whether and when the same provider is asked again. Pure: time and chance
 * are arguments.
 *
 * (And reading what a provider tells of its limits.)
 *
 * A call is repeated at most LLM_REPEATS_MAX times and never past its deadline. The
 * wait is what the provider asked for, else full jitter over a doubling bound.
 */
#ifndef WORKER_LLM_RETRY_H
#define WORKER_LLM_RETRY_H

#include "worker/llm/llm.h"

enum {
	LLM_ATTEMPT_BASE_MS = 1000,
	LLM_ATTEMPT_SPREAD_MS = 4000, /* at least, of those that were asked to wait */
	LLM_ATTEMPT_CAP_MS = 60000,
	LLM_ATTEMPT_ASKED_MAX_MS = 24 * 3600 * 1000,
	LLM_REPEATS_MAX = 2,
	LLM_REPEAT_BASE_MS = 500,
	LLM_LIMITED_BASE_MS = 2000, /* after a rate limit: many wait for the same */
	LLM_REPEAT_CAP_MS = 8000,
	LLM_PUT_OFF_SPREAD_MS = 1000 /* at least: jobs that wait do not come at once */
};

/* The headers of an answer that speak of waiting; each terminated, "" when absent. */
struct llm_wait_headers {
	char retry_after[64];
	char retry_after_ms[32];
	char reset_requests[32];
	char reset_tokens[32];
	char remaining_requests[24];
	char remaining_tokens[24];
	char limit_requests[24];
	char limit_tokens[24];
	char reset_input[32]; /* where input and output have bounds of their own */
	char remaining_input[24];
	char limit_input[24];
	char reset_output[32];
	char remaining_output[24];
	char limit_output[24];
	char should_retry[8];
};

/* What a provider tells of one of its limits. */
struct llm_limit {
	bool is_known;
	uint64_t limit, remaining;
	uint64_t full_ms; /* until nothing of it is used; 0: not told */
};

/* Of the limits on tokens the one of which the least part is left. */
void llm_limits_read(const struct llm_wait_headers *h, int64_t wall_ms,
    struct llm_limit *requests, struct llm_limit *tokens);

/* Is so little left that it is time to count? */
bool llm_limit_is_near(const struct llm_limit *l);

/* Notes one header if it is one of those; name in any case, value without CRLF. */
void llm_wait_note(struct llm_wait_headers *h, const char *name, size_t name_len,
    const char *value, size_t value_len);

/*
 * How long the provider asks to wait: retry-after-ms, else Retry-After (seconds or an
 * HTTP date), else the reset of whichever bucket is empty ("1s", "6m0s", "250ms", or an
 * RFC 3339 time). Returns true with *ms; nonsense counts as absent.
 */
bool llm_wait_asked(const struct llm_wait_headers *h, int64_t wall_ms, uint64_t *ms);

/*
 * repeats: how many were made already; left_ms: until the deadline of the call; random
 * in [0,1). Returns true with *delay_ms when the call should be repeated.
 */
bool llm_retry_decide(const struct llm_error *e, unsigned repeats, uint64_t left_ms,
    double random, uint64_t *delay_ms);

/* When the next attempt of a job comes that was made nth times (from 0): what was asked
   for, and full jitter over a doubling bound. */
uint64_t llm_attempt_delay_ms(bool has_asked, uint64_t asked_ms, uint64_t nth,
    double random);

/* When a job that waits for its providers looks again, they being due in wait_ms. */
uint64_t llm_put_off_ms(uint64_t wait_ms, double random);

#endif
