/* SPDX-License-Identifier: MIT */
/*
 * retry.h - whether and when the same provider is asked again. Pure: time and chance
 * are arguments.
 *
 * A call is repeated at most LLM_REPEATS_MAX times and never past its deadline. The
 * wait is what the provider asked for, else full jitter over a doubling bound.
 */
#ifndef WORKER_LLM_RETRY_H
#define WORKER_LLM_RETRY_H

#include "worker/llm/llm.h"

enum {
	LLM_REPEATS_MAX = 2,
	LLM_REPEAT_BASE_MS = 500,
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
	char should_retry[8];
};

/* The names of those headers, in lower case; NULL past the end. */
const char *llm_wait_name(size_t i);

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

/* When a job that waits for its providers looks again, they being due in wait_ms. */
uint64_t llm_put_off_ms(uint64_t wait_ms, double random);

#endif
