/* SPDX-License-Identifier: MIT */
/*
 * test_queue_recover.c - what happens to the jobs of a dead holder: fence, order,
 * chunks, two observers, blame and quarantine.
 */
#include "config.h"

#include "tests/support/queue_fixture.h"

#include <criterion/criterion.h>
#include <hiredis.h>
#include <string.h>

static struct fixture f;

static void
setup(void)
{
	fixture_init(&f);
	do_register(&f, "n.b.0.1");
	do_register(&f, "n.b.1.1");
}

static void
teardown(void)
{
	fixture_release(&f);
}

TestSuite(recover, .init = setup, .fini = teardown, .timeout = 60);

#define W0 "n.b.0.1"
#define W1 "n.b.1.1"
#define HELD0 "agent:held:n.b.0.1"

#define EXPECT_WORD(call, want)                                             \
 do {                                                                       \
  enum queue_word got_ = (call);                                            \
  cr_expect(got_ == (want), "%s: %s, not %s", #call, queue_word_name(got_), \
      queue_word_name(want));                                               \
 } while (0)
#define EXPECT_STATE(id, want) cr_expect_str_eq(state_of(&f, id), want)

static enum queue_word
recover_seen(const char *holder, const char *beat)
{
	struct queue_recover r = { .holder = holder,
		.seen_beat = beat,
		.blame = QUEUE_BLAME_UNKNOWN,
		.evidence = queue_text("its beat stopped"),
		.may_bury = true };
	struct queue_command c;

	queue_cmd_recover(&c, &f.setup, &r);
	return run(&f, &c);
}

Test(recover, a_holder_with_a_new_beat_is_left_alone)
{
	struct queue_command c;

	take(&f, W0, "{p}", "j");
	queue_cmd_beat(&c, &f.setup, 2, W0, strlen(W0));
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	EXPECT_WORD(recover_seen(W0, "1"), QUEUE_ALIVE);
	EXPECT_STATE("j", "held");
	EXPECT_WORD(recover_seen("n.b.5.5", "1"), QUEUE_GONE);
	EXPECT_WORD(recover_seen(W0, "2"), QUEUE_OK);
	cr_expect(f.answer.recover.is_newly_fenced);
	EXPECT_STATE("j", "queued");
}

Test(recover, two_observers_move_each_element_once)
{
	take(&f, W0, "{p}", "j");
	push(&f, "{raw}");
	cr_assert(claim(&f, W0));
	EXPECT_WORD(recover_seen(W0, "1"), QUEUE_OK);
	cr_expect(f.answer.recover.to_jobs == 2 && f.answer.recover.left == 0);
	EXPECT_WORD(recover_seen(W0, "1"), QUEUE_OK);
	cr_expect(!f.answer.recover.is_newly_fenced);
	cr_expect(f.answer.recover.to_jobs == 0);
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	cr_expect(f.answer.recover.to_jobs == 0);
	cr_expect(INT(&f, "LLEN", "agent:jobs") == 2);
	cr_expect_str_eq(TEXT(&f, "HGET", "agent:job:j", "suspicions"), "1");
}

Test(recover, the_order_of_the_queue_is_kept)
{
	char text[8];

	push(&f, "{5}");
	for (int i = 1; i <= 4; i++) {
		(void)snprintf(text, sizeof(text), "{%d}", i);
		DO(&f, "RPUSH", HELD0, text);
	}
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	for (int i = 1; i <= 5; i++) {
		(void)snprintf(text, sizeof(text), "{%d}", i);
		cr_expect_str_eq(TEXT(&f, "LPOP", "agent:jobs"), text);
	}
}

Test(recover, a_call_moves_at_most_a_hundred_elements)
{
	for (int i = 0; i < 250; i++)
		DO(&f, "RPUSH", HELD0, "{x}");
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	cr_expect(f.answer.recover.left == 150);
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	cr_expect(f.answer.recover.left == 50);
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	cr_expect(f.answer.recover.left == 0 && f.answer.recover.to_jobs == 50);
	cr_expect(INT(&f, "LLEN", "agent:jobs") == 250);
}

Test(recover, a_call_moves_at_most_four_mebibytes_but_always_one_element)
{
	CLEANUP(freep) char *big = malloc(5 * 1024 * 1024 + 1);

	cr_assert(big != NULL);
	memset(big, 'x', 5 * 1024 * 1024);
	big[5 * 1024 * 1024] = '\0';
	DO(&f, "RPUSH", HELD0, big);
	big[1536 * 1024] = '\0';
	for (int i = 0; i < 4; i++)
		DO(&f, "RPUSH", HELD0, big);
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	cr_expect(f.answer.recover.left == 3, "%d", (int)f.answer.recover.left);
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	cr_expect(f.answer.recover.left == 1);
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	cr_expect(f.answer.recover.left == 0);
	cr_expect(INT(&f, "LLEN", "agent:jobs") == 5);
}

Test(recover, a_claim_served_after_death_is_swept)
{
	EXPECT_WORD(recover_blaming(&f, W0, QUEUE_BLAME_UNKNOWN, ""), QUEUE_OK);
	push(&f, "{late}");
	cr_assert(claim(&f, W0));
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	cr_expect(!f.answer.recover.is_newly_fenced && f.answer.recover.to_jobs == 1);
	cr_expect(INT(&f, "HLEN", "agent:poison") == 0, "late ones are innocent");
}

/* ---- blame ---- */

Test(recover, an_orderly_end_charges_nobody)
{
	take(&f, W0, "{p}", "j");
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_OK);
	cr_expect(f.answer.begin.attempts == 0 && f.answer.begin.crashes == 0 &&
	    f.answer.begin.suspicions == 0);
}

Test(recover, the_culprit_runs_alone_and_its_neighbours_are_charged_nothing)
{
	take(&f, W0, "{p}", "guilty");
	take(&f, W0, "{q}", "innocent");
	EXPECT_WORD(recover_blaming(&f, W0, QUEUE_BLAME_CULPRIT, "guilty"), QUEUE_OK);
	cr_expect(f.answer.recover.to_jobs == 1 && f.answer.recover.to_alone == 1);
	EXPECT_STATE("guilty", "alone");
	cr_expect(!claim(&f, W1) || begin(&f, W1, "{q}", "innocent") == QUEUE_OK);
	cr_expect(f.answer.begin.crashes == 0 && f.answer.begin.suspicions == 0);
	/* a copy among the many is dropped while the job waits alone */
	push(&f, "{p}");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "guilty"), QUEUE_DUPLICATE);
	cr_assert(claim_alone(&f, W1));
	EXPECT_WORD(begin_id(&f, W1, "guilty"), QUEUE_OK);
	cr_expect(f.answer.begin.crashes == 1 && f.answer.begin.is_alone);
	cr_expect(f.answer.begin.token == 2);
	cr_expect(f.answer.begin.evidence.n == strlen("signal 11 in step llm"));
	cr_expect(strncmp(f.answer.begin.payload.p, "{p}", 3) == 0);
}

Test(recover, a_quarantined_job_stays_alone_until_its_attempt_ended)
{
	take(&f, W0, "{p}", "j");
	EXPECT_WORD(recover_blaming(&f, W0, QUEUE_BLAME_CULPRIT, "j"), QUEUE_OK);
	do_register(&f, "n.b.q.1");
	/* claimed, not begun, and the quarantine worker ends in order */
	cr_assert(claim_alone(&f, "n.b.q.1"));
	EXPECT_WORD(recover(&f, "n.b.q.1"), QUEUE_OK);
	cr_expect(f.answer.recover.to_alone == 1);
	/* begun, then released */
	cr_assert(claim_alone(&f, W1));
	EXPECT_WORD(begin_id(&f, W1, "j"), QUEUE_OK);
	EXPECT_WORD(release_job(&f, W1, "j", 2, 0), QUEUE_OK);
	EXPECT_STATE("j", "alone");
	cr_expect(INT(&f, "LLEN", "agent:jobs:alone") == 1);
	/* begun, and a retry lets it go among the others again */
	cr_assert(claim_alone(&f, W1));
	EXPECT_WORD(begin_id(&f, W1, "j"), QUEUE_OK);
	EXPECT_WORD(retry_job(&f, W1, "j", 3, 0), QUEUE_OK);
	DO(&f, "HEXISTS", "agent:job:j", "alone");
	cr_expect(INT(&f, "HEXISTS", "agent:job:j", "alone") == 0);
}

/* Who comes back from a crash queues behind those that wait already; who is handed back
   by an orderly end keeps the turn that it had. */
Test(recover, suspects_run_in_the_order_in_which_they_came)
{
	static const char *const order[] = { "b", "c", "d", "a" };

	do_register(&f, "n.b.2.1");
	take(&f, W0, "{a}", "a");
	EXPECT_WORD(recover_blaming(&f, W0, QUEUE_BLAME_CULPRIT, "a"), QUEUE_OK);
	for (const char *const *id = (const char *const[]){ "b", "c", "d", NULL };
	     *id != NULL; id++) {
		char payload[8];

		(void)snprintf(payload, sizeof(payload), "{%s}", *id);
		take(&f, W1, payload, *id);
		DO(&f, "HSET", "agent:job:b", "suspicions", "2");
		DO(&f, "HSET", "agent:job:c", "suspicions", "2");
		DO(&f, "HSET", "agent:job:d", "suspicions", "2");
	}
	EXPECT_WORD(recover_blaming(&f, W1, QUEUE_BLAME_UNKNOWN, ""), QUEUE_OK);
	cr_expect(f.answer.recover.to_alone == 3);
	cr_assert(claim_alone(&f, "n.b.2.1"));
	EXPECT_WORD(begin_id(&f, "n.b.2.1", "a"), QUEUE_OK);
	EXPECT_WORD(recover_blaming(&f, "n.b.2.1", QUEUE_BLAME_CULPRIT, "a"), QUEUE_OK);
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		char at[8];

		(void)snprintf(at, sizeof(at), "%zu", i);
		cr_expect_str_eq(TEXT(&f, "LINDEX", "agent:jobs:alone", at), order[i]);
	}
	do_register(&f, "n.b.2.2");
	cr_assert(claim_alone(&f, "n.b.2.2"));
	EXPECT_WORD(begin_id(&f, "n.b.2.2", "b"), QUEUE_OK);
	EXPECT_WORD(recover_blaming(&f, "n.b.2.2", QUEUE_BLAME_NONE, ""), QUEUE_OK);
	cr_expect_str_eq(TEXT(&f, "LINDEX", "agent:jobs:alone", "0"), "b");
}

Test(recover, three_crashes_spend_a_job)
{
	char holder[16];

	take(&f, W0, "{p}", "j");
	EXPECT_WORD(recover_blaming(&f, W0, QUEUE_BLAME_CULPRIT, "j"), QUEUE_OK);
	for (int i = 2; i <= 3; i++) {
		(void)snprintf(holder, sizeof(holder), "n.b.q.%d", i);
		do_register(&f, holder);
		cr_assert(claim_alone(&f, holder));
		EXPECT_WORD(begin_id(&f, holder, "j"), QUEUE_OK);
		EXPECT_WORD(recover_blaming(&f, holder, QUEUE_BLAME_CULPRIT, "j"),
		    QUEUE_OK);
	}
	EXPECT_STATE("j", "queued");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_SPENT);
	cr_expect(f.answer.begin.crashes == 3);
	EXPECT_WORD(bury(&f, W1, "j", f.answer.begin.token, "crashed"), QUEUE_OK);
	EXPECT_STATE("j", "dead");
}

Test(recover, all_are_suspects_when_nobody_is_named)
{
	char holder[16];

	take(&f, W0, "{p}", "j");
	EXPECT_WORD(recover_blaming(&f, W0, QUEUE_BLAME_UNKNOWN, ""), QUEUE_OK);
	for (int i = 2; i <= 10; i++) {
		bool is_alone = i > 3;

		(void)snprintf(holder, sizeof(holder), "n.b.3.%d", i);
		do_register(&f, holder);
		cr_assert(is_alone ? claim_alone(&f, holder) : claim(&f, holder), "%d",
		    i);
		if (is_alone)
			EXPECT_WORD(begin_id(&f, holder, "j"), QUEUE_OK);
		else
			EXPECT_WORD(begin(&f, holder, "{p}", "j"), QUEUE_OK);
		cr_expect(f.answer.begin.suspicions == i - 1);
		EXPECT_WORD(recover_blaming(&f, holder, QUEUE_BLAME_UNKNOWN, ""),
		    QUEUE_OK);
	}
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_SPENT);
}

Test(recover, the_first_verdict_holds_for_all_chunks)
{
	for (int i = 0; i < 100; i++)
		DO(&f, "RPUSH", HELD0, "{x}");
	take(&f, W0, "{p}",
	    "j"); /* the last in the list is moved first: put it first */
	DO(&f, "LREM", HELD0, "1", "j");
	DO(&f, "LPUSH", HELD0, "j");
	EXPECT_WORD(recover_blaming(&f, W0, QUEUE_BLAME_CULPRIT, "j"), QUEUE_OK);
	cr_expect(f.answer.recover.left == 1);
	EXPECT_WORD(recover_seen(W0, "1"),
	    QUEUE_OK); /* another node, without evidence */
	EXPECT_STATE("j", "alone");
	cr_expect_str_eq(TEXT(&f, "HGET", "agent:job:j", "crashes"), "1");
	cr_expect(INT(&f, "HEXISTS", "agent:job:j", "suspicions") == 0);
}

/* Of "{poison}", as `printf '{poison}' | sha1sum` says. */
static const char sha1_of_poison[] = "9d1804242dc491d83e27e75be33b6dd8f5d2c16e";

Test(recover, a_payload_that_kills_before_begin_goes_to_dead_the_third_time)
{
	char holder[16];

	push(&f, "{poison}");
	for (int i = 1; i <= 3; i++) {
		(void)snprintf(holder, sizeof(holder), "n.b.4.%d", i);
		do_register(&f, holder);
		/* not the leftmost: the one that was read */
		DO(&f, "LPUSH", "agent:jobs", "{innocent}");
		cr_assert(claim(&f, holder));
		cr_assert(claim(&f, holder));
		EXPECT_WORD(recover_blaming(&f, holder, QUEUE_BLAME_PAYLOAD,
				sha1_of_poison),
		    QUEUE_OK);
		cr_expect(f.answer.recover.to_dead == (i == 3));
		cr_expect(INT(&f, "LREM", "agent:jobs", "0", "{innocent}") == 1);
	}
	cr_expect(INT(&f, "LLEN", "agent:jobs") == 0);
	cr_expect(strstr(TEXT(&f, "LINDEX", "agent:dead", "0"), "{poison}") != NULL);
	cr_expect(INT(&f, "EXISTS", "agent:poison") == 0);
}

/* Its begin was carried out, and then it took the worker down. */
Test(recover, a_payload_that_kills_at_its_begin_is_a_crash_of_its_job)
{
	take(&f, W0, "{poison}", "j");
	take(&f, W0, "{p}", "innocent");
	EXPECT_WORD(recover_blaming(&f, W0, QUEUE_BLAME_PAYLOAD, sha1_of_poison),
	    QUEUE_OK);
	EXPECT_STATE("j", "alone");
	EXPECT_STATE("innocent", "queued");
	cr_expect_str_eq(TEXT(&f, "HGET", "agent:job:j", "crashes"), "1");
	cr_expect(INT(&f, "HEXISTS", "agent:job:innocent", "crashes") == 0);
	cr_expect(INT(&f, "EXISTS", "agent:poison") == 0);
}

/* Suspects that had begun come first: they go their way to quarantine. */
Test(recover, only_without_other_suspects_the_payload_that_was_next_is_counted)
{
	char holder[16];

	take(&f, W0, "{p}", "j");
	push(&f, "{next}");
	cr_assert(claim(&f, W0));
	EXPECT_WORD(recover_blaming(&f, W0, QUEUE_BLAME_UNKNOWN, ""), QUEUE_OK);
	cr_expect(INT(&f, "EXISTS", "agent:poison") == 0);
	cr_expect(INT(&f, "LREM", "agent:jobs", "0", "{p}") == 1);
	push(&f, "{later}");
	for (int i = 1; i <= 10; i++) {
		(void)snprintf(holder, sizeof(holder), "n.b.4.%d", i);
		do_register(&f, holder);
		cr_assert(claim(&f, holder));
		cr_assert(claim(&f, holder));
		EXPECT_WORD(recover_blaming(&f, holder, QUEUE_BLAME_UNKNOWN, ""),
		    QUEUE_OK);
		cr_expect(INT(&f, "LLEN", "agent:dead") == (i == 10));
	}
	cr_expect(strstr(TEXT(&f, "LINDEX", "agent:dead", "0"), "{next}") != NULL);
	cr_expect(INT(&f, "LREM", "agent:jobs", "0", "{later}") == 1);
}

Test(recover, a_begin_clears_the_payloads_record)
{
	push(&f, "{p}");
	cr_assert(claim(&f, W0));
	EXPECT_WORD(recover_blaming(&f, W0, QUEUE_BLAME_UNKNOWN, ""), QUEUE_OK);
	cr_expect(INT(&f, "HLEN", "agent:poison") == 1);
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_OK);
	cr_expect(INT(&f, "EXISTS", "agent:poison") == 0);
}

Test(recover, nothing_is_buried_in_a_storm)
{
	char holder[16];

	push(&f, "{poison}");
	for (int i = 1; i <= 5; i++) {
		struct queue_recover r = { .holder = holder,
			.is_told = true,
			.blame = QUEUE_BLAME_UNKNOWN,
			.may_bury = false };
		struct queue_command c;

		(void)snprintf(holder, sizeof(holder), "n.b.4.%d", i);
		do_register(&f, holder);
		cr_assert(claim(&f, holder));
		queue_cmd_recover(&c, &f.setup, &r);
		EXPECT_WORD(run(&f, &c), QUEUE_OK);
	}
	cr_expect(INT(&f, "LLEN", "agent:jobs") == 1);
	cr_expect(INT(&f, "LLEN", "agent:dead") == 0);
}

/* ---- survey ---- */

Test(recover, a_survey_shows_beats_and_what_fenced_holders_left)
{
	struct queue_command c;

	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	push(&f, "{late}");
	cr_assert(claim(&f, W0));
	queue_cmd_survey(&c, &f.setup);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_assert(f.answer.survey.holders.n == 2 && f.answer.survey.leftovers.n == 1);
	cr_expect_str_eq(queue_list_text(&f.answer.survey.holders, 0).p, W1);
	cr_expect_str_eq(queue_list_text(&f.answer.survey.holders, 1).p, "1");
	cr_expect_str_eq(queue_list_text(&f.answer.survey.leftovers, 0).p, W0);
	/* an hour and a day later */
	DO(&f, "ZADD", "agent:fenced", "1000", W0);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_expect(f.answer.survey.leftovers.n == 0);
	cr_expect(INT(&f, "ZCARD", "agent:fenced") == 1, "still holds something");
	DO(&f, "DEL", HELD0);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_expect(INT(&f, "ZCARD", "agent:fenced") == 0);
}
