/* SPDX-License-Identifier: MIT */
/* test_breaker.c - when a provider is left alone, and who may try it again. */
#include "config.h"

#include "worker/llm/breaker.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct breaker_rules rules = { 5, 1000, 60000 };

static struct llm_error
error_of(enum error_type type)
{
	struct llm_error e;

	(void)llm_error_set(&e, type, 0, "x");
	return e;
}

static bool
note(struct breaker *b, uint64_t now, enum error_type type)
{
	struct llm_error e = error_of(type);

	return breaker_note(b, &rules, now, now, type,
	    type != ERROR_TYPE_NONE ? &e : NULL);
}

static void
open_it(struct breaker *b, uint64_t now)
{
	for (unsigned i = 0; i < rules.failures; i++)
		(void)note(b, now, ERROR_TYPE_LLM_UNAVAILABLE);
	cr_assert(breaker_state(b, now) == BREAKER_OPEN);
}

/* How many of the same in a row open it, and for how long. */
static const struct {
	enum error_type type;
	bool opens;
	uint64_t open_ms;
	bool is_refused;
} outcomes[] = {
	{ ERROR_TYPE_NONE, false, 0, false },
	{ ERROR_TYPE_LLM_UNAVAILABLE, true, 1000, false },
	{ ERROR_TYPE_LLM_RATE_LIMITED, true, 1000, false },
	{ ERROR_TYPE_LLM_BAD_RESPONSE, true, 1000, false },
	{ ERROR_TYPE_LLM_AUTH, true, 60000, true },
	{ ERROR_TYPE_LLM_QUOTA_EXHAUSTED, true, 60000, true },
	{ ERROR_TYPE_LLM_REFUSED, false, 0, false }, /* one job's request */
	{ ERROR_TYPE_LLM_LENGTH, false, 0, false },
	{ ERROR_TYPE_TIMEOUT, false, 0, false },
	{ ERROR_TYPE_CANCELLED, false, 0, false },
	{ ERROR_TYPE_INTERNAL, false, 0, false },
};

Test(breaker, opens_after_so_many_failures_in_a_row)
{
	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
		struct breaker b = { 0 };

		for (unsigned k = 1; k < rules.failures; k++)
			cr_expect(!note(&b, 10, outcomes[i].type), "%zu", i);
		cr_expect(breaker_state(&b, 10) == BREAKER_CLOSED, "%zu", i);
		cr_expect(note(&b, 10, outcomes[i].type) == outcomes[i].opens, "%zu",
		    i);
		cr_expect(breaker_is_refused(&b) == outcomes[i].is_refused, "%zu", i);
		if (!outcomes[i].opens)
			continue;
		cr_expect(breaker_state(&b, 9 + outcomes[i].open_ms) == BREAKER_OPEN,
		    "%zu", i);
		cr_expect(breaker_state(&b, 10 + outcomes[i].open_ms) ==
			BREAKER_HALF_OPEN,
		    "%zu", i);
	}
}

Test(breaker, an_answer_between_them_begins_the_count_again)
{
	struct breaker b = { 0 };

	for (int i = 0; i < 100; i++) {
		for (unsigned k = 1; k < rules.failures; k++)
			(void)note(&b, 1, ERROR_TYPE_LLM_UNAVAILABLE);
		(void)note(&b, 1,
		    i % 2 == 0 ? ERROR_TYPE_NONE : ERROR_TYPE_LLM_REFUSED);
	}
	cr_expect(breaker_state(&b, 1) == BREAKER_CLOSED);
}

Test(breaker, an_answer_to_an_older_question_does_not_close_it)
{
	struct breaker b = { 0 };

	open_it(&b, 100);
	cr_expect(!breaker_note(&b, &rules, 200, 99, ERROR_TYPE_NONE, NULL));
	cr_expect(breaker_state(&b, 200) == BREAKER_OPEN);
	cr_expect(breaker_note(&b, &rules, 200, 100, ERROR_TYPE_NONE, NULL));
	cr_expect(breaker_state(&b, 200) == BREAKER_CLOSED);
}

Test(breaker, half_open_lets_one_try)
{
	struct breaker b = { 0 };
	int one, other;

	open_it(&b, 10);
	cr_expect(!breaker_may_ask(&b, 500, &one));
	cr_expect(breaker_may_ask(&b, 1010, &one));
	cr_expect(breaker_may_ask(&b, 1010, &one), "it may ask twice");
	cr_expect(!breaker_may_ask(&b, 1010, &other));
	breaker_leave(&b, &other);
	cr_expect(!breaker_may_ask(&b, 1010, &other));
	breaker_leave(&b, &one); /* cancelled, say */
	cr_expect(breaker_may_ask(&b, 1010, &other));
	cr_expect(note(&b, 1020, ERROR_TYPE_NONE));
	cr_expect(breaker_state(&b, 1020) == BREAKER_CLOSED);
	cr_expect(breaker_may_ask(&b, 1020, &one) && breaker_may_ask(&b, 1020, &other));
}

Test(breaker, stays_open_longer_each_time_up_to_a_bound)
{
	static const uint64_t want[] = { 1000, 2000, 4000, 8000, 8000, 8000 };
	struct breaker b = { 0 };
	uint64_t now = 10;

	open_it(&b, now);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		cr_expect(b.open_until_ms - now == want[i]);
		/* what was asked before it opened does not open it further */
		cr_expect(!note(&b, now + 1, ERROR_TYPE_LLM_UNAVAILABLE));
		now = b.open_until_ms;
		cr_expect(note(&b, now, ERROR_TYPE_LLM_UNAVAILABLE));
	}
	(void)note(&b, now, ERROR_TYPE_NONE);
	open_it(&b, now);
	cr_expect(b.open_until_ms - now == 1000);
}

Test(breaker, obeys_what_the_provider_asks_for_within_reason)
{
	static const struct {
		uint64_t asked_ms, want_ms;
	} cases[] = { { 100, 1000 }, { 30000, 30000 },
		{ 24ULL * 3600 * 1000, BREAKER_OPEN_MAX_MS } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct llm_error e = error_of(ERROR_TYPE_LLM_RATE_LIMITED);
		struct breaker b = { 0 };

		e.has_retry_after = true;
		e.retry_after_ms = cases[i].asked_ms;
		for (unsigned k = 0; k < rules.failures; k++)
			(void)breaker_note(&b, &rules, 10, 10, e.type, &e);
		cr_expect(b.open_until_ms - 10 == cases[i].want_ms);
	}
}

/* Somebody else's question was put then and answered; ours failed at 2000. */
static const struct {
	uint64_t asked_ms, began_ms;
	bool trips;
} others[] = {
	{ 900, 1000, true },   /* before */
	{ 1001, 1000, true },  /* at the same time */
	{ 1400, 1000, true },  /* it may have gone since */
	{ 1500, 1000, false }, /* it was there */
	{ 1999, 1900, true },
};

Test(breaker, a_call_that_failed_for_good_is_enough_when_nobody_was_answered)
{
	struct llm_error away = error_of(ERROR_TYPE_LLM_UNAVAILABLE),
			 bad = error_of(ERROR_TYPE_LLM_BAD_RESPONSE);
	struct breaker b = { 0 };

	cr_expect(!breaker_gave_up(&b, &rules, 100, 50, &away), "nothing was asked");
	(void)note(&b, 60, ERROR_TYPE_LLM_UNAVAILABLE);
	cr_expect(!breaker_gave_up(&b, &rules, 100, 50, &bad));
	cr_expect(breaker_gave_up(&b, &rules, 100, 50, &away));
	cr_expect(breaker_state(&b, 100) == BREAKER_OPEN);
	cr_expect(!breaker_gave_up(&b, &rules, 100, 50, &away), "it is open already");

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		b = (struct breaker){ 0 };
		(void)breaker_note(&b, &rules, 2000, others[i].asked_ms,
		    ERROR_TYPE_NONE, NULL);
		(void)note(&b, 2000, ERROR_TYPE_LLM_UNAVAILABLE);
		cr_expect(breaker_gave_up(&b, &rules, 2000, others[i].began_ms,
			      &away) == others[i].trips,
		    "%zu", i);
	}
}

Test(breaker, one_bad_request_opens_it_once_a_minute_at_most)
{
	struct llm_error away = error_of(ERROR_TYPE_LLM_UNAVAILABLE);
	struct breaker b = { 0 };
	unsigned opened = 0;

	for (uint64_t now = 1; now < 600000; now += 1000) {
		(void)note(&b, now, ERROR_TYPE_NONE);
		(void)note(&b, now, ERROR_TYPE_LLM_UNAVAILABLE);
		opened += breaker_gave_up(&b, &rules, now + 900, now + 1, &away);
	}
	cr_expect(opened == 10, "%u", opened);
}

Test(breaker, without_a_bound_it_never_opens)
{
	static const struct breaker_rules off = { 0, 1000, 1000 };
	struct llm_error e = error_of(ERROR_TYPE_LLM_UNAVAILABLE);
	struct breaker b = { 0 };

	for (int i = 0; i < 1000; i++)
		cr_expect(!breaker_note(&b, &off, 1, 1, e.type, &e));
	cr_expect(!breaker_gave_up(&b, &off, 2, 0, &e));
	cr_expect(breaker_state(&b, 2) == BREAKER_CLOSED);
}

Test(breaker, every_state_has_a_name)
{
	for (unsigned s = 0; s < BREAKER_STATE_COUNT; s++)
		cr_expect(strlen(breaker_state_name((enum breaker_state)s)) > 0);
}
