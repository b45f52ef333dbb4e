/* SPDX-License-Identifier: MIT */
/* test_llm_retry.c - what providers tell of waiting and of limits, and when who comes
   back. */
#include "config.h"

#include "worker/llm/retry.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define expect_str(got, want) \
 cr_expect(strcmp(got, want) == 0, "'%s' is not '%s'", got, want)

/* ---- waiting ---- */

#define WALL 784111777000 /* Sun, 06 Nov 1994 08:49:37 GMT */

static const struct {
	struct llm_wait_headers h;
	bool want;
	uint64_t ms;
} waits[] = {
	{ { .retry_after = "2" }, true, 2000 },
	{ { .retry_after = "1.5" }, true, 1500 },
	{ { .retry_after_ms = "250", .retry_after = "9" }, true, 250 },
	{ { .retry_after = "Sun, 06 Nov 1994 08:49:47 GMT" }, true, 10000 },
	{ { .retry_after = "Sun, 06 Nov 1994 08:49:07 GMT" }, true, 0 },
	{ { .retry_after = "99999999999999999999" }, true, 86400000 },
	{ { .retry_after = "-1" }, false, 0 },
	{ { .retry_after = "soon" }, false, 0 },
	{ { .remaining_requests = "0", .reset_requests = "6m0s" }, true, 360000 },
	{ { .remaining_tokens = "0", .reset_tokens = "1m2.5s" }, true, 62500 },
	{ { .remaining_tokens = "0", .reset_tokens = "250ms" }, true, 250 },
	{ { .remaining_tokens = "0", .reset_tokens = "1994-11-06T08:49:40Z" }, true,
	    3000 },
	{ { .remaining_requests = "12", .reset_requests = "6m0s" }, false, 0 },
	{ { .reset_requests = "6m0s" }, false, 0 },
	{ { .remaining_requests = "0", .reset_requests = "5q" }, false, 0 },
	{ { .retry_after = "" }, false, 0 },
	/* a moment since 1970, in seconds and in milliseconds */
	{ { .retry_after = "784111780" }, true, 3000 },
	{ { .retry_after = "784111770" }, true, 0 },
	{ { .remaining_tokens = "0", .reset_tokens = "784111781" }, true, 4000 },
	{ { .remaining_tokens = "0", .reset_tokens = "784111781.5" }, true, 4000 },
	{ { .remaining_requests = "0", .reset_requests = "1732103000000" }, true,
	    86400000 },
	{ { .remaining_requests = "0", .reset_requests = "20ms" }, true, 20 },
	{ { .retry_after = "99999999" }, true, 86400000 },
};

Test(retry, obeys_what_providers_ask)
{
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		uint64_t ms = 12345;

		cr_expect(llm_wait_asked(&waits[i].h, WALL, &ms) == waits[i].want,
		    "%zu", i);
		cr_expect(ms == (waits[i].want ? waits[i].ms : 12345), "%zu", i);
	}
}

Test(retry, notes_only_its_headers_and_never_overruns)
{
	struct llm_wait_headers h = { .retry_after = "" };
	char huge[300];

	memset(huge, '1', sizeof(huge));
	llm_wait_note(&h, "Retry-After", 11, " 7 \r", 4);
	expect_str(h.retry_after, "7");
	llm_wait_note(&h, "retry-after-ms", 14, huge, sizeof(huge));
	expect_str(h.retry_after_ms, "");
	llm_wait_note(&h, "X-RateLimit-Reset-Tokens", 24, "6m0s", 4);
	expect_str(h.reset_tokens, "6m0s");
	llm_wait_note(&h, "Content-Type", 12, "x", 1);
}

Test(retry, jitters_within_a_doubling_bound_and_gives_up)
{
	struct llm_error e;
	uint64_t ms = 0;

	(void)llm_error_set(&e, ERROR_TYPE_LLM_UNAVAILABLE, 503, "x");
	cr_expect(llm_retry_decide(&e, 0, 60000, 0.0, &ms) && ms == 0);
	cr_expect(llm_retry_decide(&e, 0, 60000, 0.999, &ms) && ms < 500);
	cr_expect(llm_retry_decide(&e, 1, 60000, 0.999, &ms) && ms > 500 && ms < 1000);
	cr_expect(!llm_retry_decide(&e, 2, 60000, 0.5, &ms));
	cr_expect(!llm_retry_decide(&e, 1, 100, 0.9, &ms), "not past the deadline");
	e.has_retry_after = true;
	e.retry_after_ms = 5000;
	cr_expect(llm_retry_decide(&e, 0, 60000, 0.0, &ms) && ms == 5000);
	cr_expect(!llm_retry_decide(&e, 0, 4000, 0.0, &ms));
	(void)llm_error_set(&e, ERROR_TYPE_LLM_QUOTA_EXHAUSTED, 429, "x");
	cr_expect(!llm_retry_decide(&e, 0, 60000, 0.0, &ms));
}

/* A thousand jobs were told the same at the same moment: in no second come more than
   twice as many back as in the mean of the seconds in which any come. */
enum {
	HERD = 1000,
	SECONDS = 200
};

static void
expect_spread(const uint64_t delays[HERD], const char *what, unsigned nth,
    unsigned least_seconds)
{
	unsigned per_second[SECONDS] = { 0 }, used = 0, most = 0;

	for (int i = 0; i < HERD; i++) {
		cr_assert(delays[i] / 1000 < SECONDS);
		per_second[delays[i] / 1000]++;
	}
	for (int s = 0; s < SECONDS; s++) {
		used += per_second[s] > 0;
		most = per_second[s] > most ? per_second[s] : most;
	}
	cr_expect(used >= least_seconds, "%s %u: within %u seconds", what, nth, used);
	cr_expect(most * used <= 2 * HERD, "%s %u: %u in one of %u seconds", what, nth,
	    most, used);
}

Test(retry, a_herd_does_not_come_back_at_once)
{
	static const struct {
		bool has_asked;
		uint64_t asked_ms;
	} cases[] = { { false, 0 }, { true, 0 }, { true, 250 }, { true, 7300 },
		{ true, 60000 } };
	uint64_t delays[HERD];
	struct llm_error e;

	srand48(1);
	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		(void)llm_error_set(&e, ERROR_TYPE_LLM_RATE_LIMITED, 429, "x");
		e.has_retry_after = cases[c].has_asked;
		e.retry_after_ms = cases[c].asked_ms;
		for (unsigned nth = 0; nth < LLM_REPEATS_MAX; nth++) {
			for (int i = 0; i < HERD; i++)
				cr_assert(llm_retry_decide(&e, nth, UINT64_MAX,
				    drand48(), &delays[i]));
			expect_spread(delays, "repeat", nth, 2);
		}
		for (unsigned nth = 0; nth < 8; nth++) {
			for (int i = 0; i < HERD; i++)
				delays[i] = llm_attempt_delay_ms(true,
				    cases[c].asked_ms, nth, drand48());
			expect_spread(delays, "attempt", nth, 4);
		}
		for (int i = 0; i < HERD; i++)
			delays[i] = llm_put_off_ms(cases[c].asked_ms, drand48());
		expect_spread(delays, "put off", 0, 1);
	}
}

static const struct {
	struct llm_wait_headers h;
	struct llm_limit requests, tokens;
	bool is_near;
} limits[] = {
	{ { .limit_requests = "60",
	      .remaining_requests = "59",
	      .reset_requests = "1s",
	      .limit_tokens = "150000",
	      .remaining_tokens = "149984",
	      .reset_tokens = "6m0s" },
	    { true, 60, 59, 1000 }, { true, 150000, 149984, 360000 }, false },
	{ { .limit_requests = "50",
	      .remaining_requests = "9",
	      .reset_requests = "1994-11-06T08:49:47Z" },
	    { true, 50, 9, 10000 }, { false, 0, 0, 0 }, true },
	{ { .limit_input = "40000",
	      .remaining_input = "39000",
	      .limit_output = "8000",
	      .remaining_output = "100",
	      .reset_output = "1994-11-06T08:50:37Z" },
	    { false, 0, 0, 0 }, { true, 8000, 100, 60000 }, true },
	{ { .limit_requests = "0", .remaining_requests = "0" }, { false, 0, 0, 0 },
	    { false, 0, 0, 0 }, false },
	{ { .limit_requests = "many", .remaining_requests = "3" }, { false, 0, 0, 0 },
	    { false, 0, 0, 0 }, false },
	{ { .limit_requests = "99999999999999999999", .remaining_requests = "1" },
	    { false, 0, 0, 0 }, { false, 0, 0, 0 }, false },
	{ { .limit_requests = "10" }, { false, 0, 0, 0 }, { false, 0, 0, 0 }, false },
	{ { .limit_tokens = "10", .remaining_tokens = "1", .reset_tokens = "soon" },
	    { false, 0, 0, 0 }, { true, 10, 1, 0 }, true },
};

static void
expect_limit(const struct llm_limit *got, const struct llm_limit *want, size_t i)
{
	cr_expect(got->is_known == want->is_known, "%zu", i);
	if (!want->is_known)
		return;
	cr_expect(got->limit == want->limit && got->remaining == want->remaining &&
		got->full_ms == want->full_ms,
	    "%zu: %llu of %llu, full in %llu ms", i, (unsigned long long)got->remaining,
	    (unsigned long long)got->limit, (unsigned long long)got->full_ms);
}

Test(retry, reads_what_both_vendors_tell_of_their_limits)
{
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct llm_limit requests, tokens;

		llm_limits_read(&limits[i].h, WALL, &requests, &tokens);
		expect_limit(&requests, &limits[i].requests, i);
		expect_limit(&tokens, &limits[i].tokens, i);
		cr_expect((llm_limit_is_near(&requests) ||
			      llm_limit_is_near(&tokens)) == limits[i].is_near,
		    "%zu", i);
	}
}

/* Every name of the table leads to a field, in any case of letters. */
Test(retry, knows_the_headers_by_one_table)
{
	static const char *const names[] = { "x-ratelimit-limit-requests",
		"x-ratelimit-limit-tokens", "x-ratelimit-remaining-requests",
		"x-ratelimit-remaining-tokens", "x-ratelimit-reset-requests",
		"x-ratelimit-reset-tokens", "anthropic-ratelimit-requests-limit",
		"anthropic-ratelimit-requests-remaining",
		"anthropic-ratelimit-requests-reset",
		"anthropic-ratelimit-tokens-limit",
		"anthropic-ratelimit-input-tokens-limit",
		"anthropic-ratelimit-input-tokens-remaining",
		"anthropic-ratelimit-input-tokens-reset",
		"anthropic-ratelimit-output-tokens-limit",
		"anthropic-ratelimit-output-tokens-remaining",
		"anthropic-ratelimit-output-tokens-reset", "retry-after",
		"retry-after-ms" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct llm_wait_headers h, empty;

		memset(&h, 0, sizeof(h));
		memset(&empty, 0, sizeof(empty));
		llm_wait_note(&h, names[i], strlen(names[i]), "7", 1);
		cr_expect(memcmp(&h, &empty, sizeof(h)) != 0, "%s", names[i]);
	}
}
