/* SPDX-License-Identifier: MIT */
/*
 * test_queue_limit.c - the rate buckets in a real Redis: filled by time, shared, settled
 * once, bounded by what the provider tells, and fair to who is interactive.
 */
#include "config.h"

#include "common/clock.h"
#include "tests/support/queue_fixture.h"

#include <criterion/criterion.h>
#include <hiredis.h>
#include <string.h>
#include <unistd.h>

static struct fixture f;
static const struct queue_told nothing = { -1, -1, -1 };

static void
setup(void)
{
	fixture_init(&f);
}

static void
teardown(void)
{
	fixture_release(&f);
}

TestSuite(limit, .init = setup, .fini = teardown, .timeout = 120);

static struct queue_limit
limit_of(int64_t requests, int64_t tokens)
{
	return (struct queue_limit){ .name = "p/m",
		.batch_permille = 800,
		.requests_per_minute = requests,
		.tokens_per_minute = tokens };
}

/* wait_ms may be NULL. */
static enum queue_word
take_of(struct queue_limit *limit, const char *call, uint64_t tokens, int64_t *wait_ms)
{
	struct queue_command c;
	enum queue_word word;

	limit->call = queue_text(call);
	queue_cmd_limit_take(&c, &f.setup, limit, tokens);
	word = run(&f, &c);
	if (wait_ms != NULL)
		*wait_ms = f.answer.limit.wait_ms;
	return word;
}

static void
note_of(struct queue_limit *limit, const char *call, uint64_t used,
    const struct queue_told *requests, const struct queue_told *tokens,
    uint64_t closed_ms)
{
	struct queue_command c;

	limit->call = queue_text(call);
	queue_cmd_limit_note(&c, &f.setup, limit, used, requests, tokens, closed_ms);
	cr_assert(run(&f, &c) == QUEUE_OK);
}

/* Calls until one must wait. */
static unsigned
drain(struct queue_limit *limit, const char *prefix, unsigned max, int64_t *wait_ms)
{
	unsigned n = 0;
	char call[32];

	for (; n < max; n++) {
		(void)snprintf(call, sizeof(call), "%s%u", prefix, n);
		if (take_of(limit, call, 1, wait_ms) != QUEUE_OK)
			break;
	}
	return n;
}

Test(limit, a_bucket_holds_a_minute_and_fills_again)
{
	struct queue_limit l = limit_of(600, 0); /* one every 100 ms */
	uint64_t began = clock_mono_ms();
	int64_t wait = 0;
	unsigned n = drain(&l, "a", 100000, &wait);

	/* it fills meanwhile */
	cr_expect(n >= 600 && n <= 601 + (clock_mono_ms() - began) / 100, "%u", n);
	cr_expect(wait > 0 && wait <= 100, "%lld", (long long)wait);
	(void)usleep((unsigned)(wait + 5) * 1000);
	cr_expect(take_of(&l, "later", 1, NULL) == QUEUE_OK);
}

Test(limit, tokens_are_taken_before_and_settled_after)
{
	struct queue_limit l = limit_of(0, 6000);
	int64_t wait = 0;

	cr_expect(take_of(&l, "a", 5000, NULL) == QUEUE_OK);
	cr_expect(take_of(&l, "b", 5000, &wait) == QUEUE_WAIT);
	cr_expect(wait > 30000 && wait <= 40000, "%lld", (long long)wait);
	note_of(&l, "a", 500, &nothing, &nothing, 0);
	cr_expect(take_of(&l, "b", 5000, NULL) == QUEUE_OK, "the rest was given back");
	note_of(&l, "b", 9000, &nothing, &nothing, 0);
	cr_expect(take_of(&l, "c", 100, &wait) == QUEUE_WAIT);
	cr_expect(wait > 20000, "more was used than taken: %lld", (long long)wait);
}

Test(limit, a_call_that_is_sent_twice_is_taken_and_settled_once)
{
	struct queue_limit l = limit_of(0, 6000);

	cr_expect(take_of(&l, "a", 3000, NULL) == QUEUE_OK);
	cr_expect(take_of(&l, "a", 3000, NULL) == QUEUE_ALREADY);
	cr_expect(take_of(&l, "b", 2900, NULL) == QUEUE_OK);
	cr_expect(take_of(&l, "c", 2000, NULL) == QUEUE_WAIT);
	note_of(&l, "a", 0, &nothing, &nothing, 0);
	note_of(&l, "a", 0, &nothing, &nothing, 0);
	cr_expect(take_of(&l, "c", 3000, NULL) == QUEUE_OK);
	cr_expect(take_of(&l, "d", 3000, NULL) == QUEUE_WAIT, "not twice");
}

Test(limit, what_is_not_bounded_is_not_counted)
{
	struct queue_limit l = limit_of(60, 0);
	int64_t wait = 0;

	cr_expect(take_of(&l, "a", 5000, NULL) == QUEUE_OK);
	note_of(&l, "a", 9000, &nothing, &nothing, 0);
	cr_expect(take_of(&l, "b", 5000, &wait) == QUEUE_OK, "%lld", (long long)wait);
}

Test(limit, more_than_a_bucket_is_a_whole_bucket)
{
	struct queue_limit l = limit_of(0, 1000);

	cr_expect(take_of(&l, "a", 50000, NULL) == QUEUE_OK);
	cr_expect(take_of(&l, "c", 500, NULL) == QUEUE_WAIT);
}

Test(limit, what_the_provider_tells_bounds_it)
{
	struct queue_limit l = limit_of(0, 0);
	const struct queue_told requests = { 60, 1, 59000 };
	int64_t wait = 0;

	note_of(&l, "a", 0, &requests, &nothing, 0);
	cr_expect(take_of(&l, "b", 1, NULL) == QUEUE_OK);
	cr_expect(take_of(&l, "c", 1, &wait) == QUEUE_WAIT);
	cr_expect(wait > 0 && wait <= 1000, "%lld", (long long)wait);
}

/* The configuration says a thousand, the provider six: six it is, and the other way. */
Test(limit, the_tighter_bound_counts)
{
	static const struct {
		int64_t own, told;
	} cases[] = { { 1000, 6 }, { 6, 1000 } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct queue_limit l = limit_of(cases[i].own, 0);
		const struct queue_told requests = { cases[i].told, cases[i].told, 0 };
		char prefix[8];

		l.name = i == 0 ? "one" : "two";
		(void)snprintf(prefix, sizeof(prefix), "c%zu", i);
		note_of(&l, "x", 0, &requests, &nothing, 0);
		cr_expect(drain(&l, prefix, 100, NULL) <= 8, "%zu", i);
	}
}

Test(limit, who_asked_for_patience_is_left_alone_by_all)
{
	struct queue_limit l = limit_of(1000, 0);
	int64_t wait = 0;

	note_of(&l, "a", 0, &nothing, &nothing, 30000);
	cr_expect(take_of(&l, "b", 1, &wait) == QUEUE_WAIT);
	cr_expect(wait > 25000 && wait <= 30000, "%lld", (long long)wait);
}

/* What was noted by a clock that was an hour ahead holds for as long as it was meant. */
Test(limit, a_clock_that_was_set_back_closes_nobody_for_longer)
{
	static const char *const fields[] = { "at", "told", "closed", "waits" };
	struct queue_limit l = limit_of(1000, 0), batch = l;
	struct queue_told requests = { 100, 100, 0 };
	int64_t wait = 0;

	note_of(&l, "a", 0, &requests, &nothing, 30000);
	cr_expect(take_of(&l, "b", 1, NULL) == QUEUE_WAIT);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		DO(&f, "HINCRBY", "agent:limit:rate:p/m", fields[i], "3600000");
	cr_expect(take_of(&l, "b", 1, &wait) == QUEUE_WAIT);
	cr_expect(wait > 25000 && wait <= 30000, "%lld", (long long)wait);
	batch.is_batch = true;
	batch.batch_permille = 0;
	cr_expect(take_of(&batch, "c", 1, &wait) == QUEUE_WAIT);
	cr_expect(wait > 25000 && wait <= 40000, "%lld", (long long)wait);
}

/*
 * 6000 a minute, all gone, and a batch that asks again and again. The interactive call
 * must come within a refill of the bucket (a minute); a hundredth of that is plenty,
 * since nobody interactive is before it.
 */
Test(limit, a_batch_does_not_starve_one_interactive_call)
{
	struct queue_limit batch = limit_of(6000, 0), one = limit_of(6000, 0);
	uint64_t began;
	unsigned taken = 0;
	int64_t wait = 0;

	batch.is_batch = true;
	(void)drain(&batch, "b", 20000, NULL);
	one.name = batch.name;
	began = clock_mono_ms();
	/* a large one: a tenth of the bucket's tokens would be the same */
	while (take_of(&one, "i", 1, &wait) == QUEUE_WAIT) {
		char call[32];

		(void)snprintf(call, sizeof(call), "more%u", taken);
		taken += take_of(&batch, call, 1, NULL) == QUEUE_OK;
		cr_assert(clock_mono_ms() - began < 60000, "starved");
	}
	cr_expect(clock_mono_ms() - began < 30000);
}

/* Without anybody interactive a batch has the whole of it. */
Test(limit, a_batch_alone_uses_all)
{
	struct queue_limit batch = limit_of(300, 0);

	batch.is_batch = true;
	cr_expect(drain(&batch, "b", 1000, NULL) >= 300);
}

/* While interactive calls wait a batch gets its share of what flows in, and no more. */
Test(limit, a_batch_keeps_to_its_share_while_others_wait)
{
	struct queue_limit batch = limit_of(0, 60000), one = limit_of(0, 60000);
	uint64_t began = clock_mono_ms(), ms;
	int64_t wait = 0;
	unsigned n = 0;
	char call[32];

	batch.is_batch = true;
	cr_assert(take_of(&batch, "all", 60000, NULL) == QUEUE_OK);
	cr_assert(take_of(&one, "i", 30000, &wait) == QUEUE_WAIT);
	began = clock_mono_ms();
	while ((ms = clock_mono_ms() - began) < 1500) { /* 1 token a ms flows in */
		(void)snprintf(call, sizeof(call), "s%u", n);
		n += take_of(&batch, call, 10, NULL) == QUEUE_OK;
	}
	cr_expect(n * 10 <= ms * 8 / 10 + 20, "%u tokens in %llu ms", n * 10,
	    (unsigned long long)ms);
	cr_expect(n > 0, "and it is not starved either");
}

static enum queue_word
probe(const char *holder, int64_t sec)
{
	struct queue_command c;

	queue_cmd_probe(&c, &f.setup, "p/m", holder, sec);
	return run(&f, &c);
}

TestSuite(probe, .init = setup, .fini = teardown, .timeout = 120);

Test(probe, one_of_all_tries_a_provider)
{
	cr_expect(probe("n.b.0.1", 60) == QUEUE_OK);
	cr_expect(probe("n.b.1.1", 60) == QUEUE_BUSY);
	cr_expect(probe("n.b.0.1", 60) == QUEUE_ALREADY, "sent again");
	cr_expect(INT(&f, "DEL", "agent:limit:probe:p/m") == 1);
	cr_expect(probe("n.b.1.1", 1) == QUEUE_OK);
	cr_expect(INT(&f, "TTL", "agent:limit:probe:p/m") >= 0, "it ends by itself");
}

/* Its holder died, and the key would last for as long as the clock was set back. */
Test(probe, a_right_from_the_future_is_over)
{
	cr_expect(probe("n.b.0.1", 60) == QUEUE_OK);
	DO(&f, "HINCRBY", "agent:limit:probe:p/m", "from_ms", "3600000");
	DO(&f, "HINCRBY", "agent:limit:probe:p/m", "until_ms", "3600000");
	DO(&f, "EXPIRE", "agent:limit:probe:p/m", "3660");
	cr_expect(probe("n.b.1.1", 60) == QUEUE_OK);
	cr_expect(probe("n.b.0.1", 60) == QUEUE_BUSY);
	cr_expect(INT(&f, "TTL", "agent:limit:probe:p/m") <= 60);
}
