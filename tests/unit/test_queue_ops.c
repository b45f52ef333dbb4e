/* SPDX-License-Identifier: MIT */
/*
 * test_queue_ops.c - every operation of the queue against a real Redis: done once, sent
 * twice, fenced, with a wrong token, and each precondition.
 */
#include "config.h"

#include "tests/support/queue_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
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

TestSuite(queue, .init = setup, .fini = teardown, .timeout = 60);

#define W0 "n.b.0.1"
#define W1 "n.b.1.1"
#define HELD0 "agent:held:n.b.0.1"
#define HELD1 "agent:held:n.b.1.1"

#define EXPECT_WORD(call, want)                                             \
 do {                                                                       \
  enum queue_word got_ = (call);                                            \
  cr_expect(got_ == (want), "%s: %s, not %s", #call, queue_word_name(got_), \
      queue_word_name(want));                                               \
 } while (0)
#define EXPECT_STATE(id, want) cr_expect_str_eq(state_of(&f, id), want)
#define EXPECT_INT(want, ...)                                                    \
 do {                                                                            \
  int64_t got_ = INT(&f, __VA_ARGS__);                                           \
  cr_expect(got_ == (want), "%s: %lld, not %lld", #__VA_ARGS__, (long long)got_, \
      (long long)(want));                                                        \
 } while (0)

/* ---- scripts and commands ---- */

Test(queue, every_script_loads_under_the_sha_that_was_computed_at_build)
{
	for (int op = 0; op < QUEUE_OP_COUNT; op++) {
		struct queue_command c;

		queue_command_load(&c, (enum queue_op)op);
		redis_reply_freep(&f.reply);
		cr_assert(redis_sync_command(f.redis, c.argc, c.argv, c.argvlen,
			      &f.reply, NULL) == 0,
		    "%s", queue_op_name((enum queue_op)op));
		cr_expect_str_eq(f.reply->str, queue_scripts[op].sha);
		cr_expect(strlen(queue_scripts[op].text) == queue_scripts[op].len);
	}
}

Test(queue, a_flushed_script_cache_is_answered_with_eval)
{
	DO(&f, "SCRIPT", "FLUSH");
	cr_expect(take(&f, W0, "{p}", "j") == 1);
}

Test(queue, every_word_and_operation_has_a_name)
{
	for (int i = 0; i < QUEUE_WORD_COUNT; i++)
		cr_expect(strlen(queue_word_name((enum queue_word)i)) > 1);
	for (int i = 0; i < QUEUE_OP_COUNT; i++)
		cr_expect(strlen(queue_op_name((enum queue_op)i)) > 2);
}

/* ---- register, beat, adopt ---- */

Test(queue, a_holder_registers_once_and_never_after_its_fence)
{
	struct queue_command c;

	queue_cmd_register(&c, &f.setup, W0, 7);
	EXPECT_WORD(run(&f, &c), QUEUE_ALREADY);
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	queue_cmd_register(&c, &f.setup, W0, 7);
	EXPECT_WORD(run(&f, &c), QUEUE_FENCED);
}

Test(queue, a_beat_changes_live_holders_and_names_fenced_ones)
{
	const char names[] = W0 "\n" W1 "\nn.b.9.1\n";
	struct queue_command c;

	EXPECT_WORD(recover(&f, W1), QUEUE_OK);
	queue_cmd_beat(&c, &f.setup, 4242, names, strlen(names));
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_assert(f.answer.beat.fenced.n == 1);
	cr_expect(
	    strncmp(queue_list_text(&f.answer.beat.fenced, 0).p, W1, strlen(W1)) == 0);
	cr_expect_str_eq(TEXT(&f, "ZSCORE", "agent:holders", W0), "4242");
	EXPECT_INT(1, "ZCARD", "agent:holders");
}

Test(queue, adopt_tells_ids_from_payloads_that_look_like_ids)
{
	struct queue_command c;
	struct queue_list row;

	cr_expect(take(&f, W0, "{p}", "j") == 1);
	push(&f, "j"); /* a payload with the text of the id */
	push(&f, "{q}");
	cr_assert(claim(&f, W0));
	cr_assert(claim(&f, W0));
	queue_cmd_adopt(&c, &f.setup, W0, 0, 100);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_assert(f.answer.adopt.rows.n == 3);
	row = queue_list_list(&f.answer.adopt.rows, 0);
	cr_expect(queue_list_int(&row, 0) == 1);
	row = queue_list_list(&f.answer.adopt.rows, 1);
	cr_expect(queue_list_int(&row, 0) == 0);
	row = queue_list_list(&f.answer.adopt.rows, 2);
	cr_expect(queue_list_int(&row, 0) == 0);
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	/* all three go back: {p} once, and the forged text as the garbage that it is */
	EXPECT_INT(3, "LLEN", "agent:jobs");
	EXPECT_INT(1, "LREM", "agent:jobs", "0", "{p}");
	EXPECT_INT(1, "LREM", "agent:jobs", "0", "j");
}

/* ---- begin ---- */

Test(queue, begin_takes_the_payload_out_and_the_id_in)
{
	int64_t token = take(&f, W0, "{p}", "j");

	cr_expect(token == 1);
	cr_expect(f.answer.begin.attempts == 0 && f.answer.begin.crashes == 0);
	cr_expect(f.answer.begin.journal.n == 0);
	cr_expect(f.answer.begin.first_ms == f.answer.begin.now_ms);
	cr_expect(f.answer.begin.now_ms > 1600000000000);
	cr_expect_str_eq(TEXT(&f, "LINDEX", HELD0, "0"), "j");
	EXPECT_INT(1, "LLEN", HELD0);
	EXPECT_STATE("j", "held");
	cr_expect_str_eq(TEXT(&f, "HGET", "agent:job:j", "payload"), "{p}");
}

Test(queue, begin_sent_twice_gives_the_same_token)
{
	take(&f, W0, "{p}", "j");
	f.next_claim--;
	EXPECT_WORD(begin(&f, W0, "{p}", "j"), QUEUE_OK);
	cr_expect(f.answer.begin.token == 1);
	EXPECT_INT(1, "LLEN", HELD0);
}

Test(queue, begin_sent_twice_leaves_an_equal_copy_alone)
{
	push(&f, "{p}");
	cr_assert(claim(&f, W0));
	take(&f, W0, "{p}", "j");
	f.next_claim--;
	EXPECT_WORD(begin(&f, W0, "{p}", "j"), QUEUE_OK);
	cr_expect(f.answer.begin.token == 1);
	EXPECT_INT(2, "LLEN", HELD0);
	EXPECT_WORD(begin(&f, W0, "{p}", "j"), QUEUE_DUPLICATE);
	EXPECT_INT(1, "LLEN", HELD0);
	EXPECT_STATE("j", "held");
}

Test(queue, begin_asks_for_a_higher_token_with_the_same_claim)
{
	struct queue_begin b = { .holder = W0,
		.element = queue_text("{p}"),
		.id = queue_text("j"),
		.claim = 1,
		.digest = queue_text("{p}"),
		.min_token = 41 };
	struct queue_command c;

	take(&f, W0, "{p}", "j");
	for (int i = 0; i < 2; i++) {
		queue_cmd_begin(&c, &f.setup, &b);
		EXPECT_WORD(run(&f, &c), QUEUE_OK);
		cr_expect(f.answer.begin.token == 42);
	}
	EXPECT_WORD(finish(&f, W0, "j", 1, "m"), QUEUE_FENCED);
	EXPECT_WORD(finish(&f, W0, "j", 42, "m"), QUEUE_OK);
}

Test(queue, begin_needs_a_live_holder_and_the_element)
{
	push(&f, "{p}");
	EXPECT_WORD(begin(&f, W0, "{p}", "j"), QUEUE_GONE);
	cr_assert(claim(&f, W0));
	EXPECT_WORD(begin(&f, "n.b.7.7", "{p}", "j"), QUEUE_FENCED);
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	EXPECT_WORD(begin(&f, W0, "{p}", "j"), QUEUE_FENCED);
	EXPECT_STATE("j", "");
	EXPECT_INT(1, "LLEN", "agent:jobs");
}

Test(queue, an_adopted_id_gets_a_new_token_and_the_payload)
{
	take(&f, W0, "{p}", "j");
	EXPECT_WORD(begin_id(&f, W0, "j"), QUEUE_OK);
	cr_expect(f.answer.begin.token == 2);
	cr_expect(strncmp(f.answer.begin.payload.p, "{p}", 3) == 0);
	EXPECT_INT(1, "LLEN", HELD0);
	EXPECT_WORD(finish(&f, W0, "j", 1, "m"), QUEUE_FENCED);
}

Test(queue, an_id_without_a_job_becomes_a_dead_letter)
{
	DO(&f, "RPUSH", HELD0, "ghost");
	EXPECT_WORD(begin_id(&f, W0, "ghost"), QUEUE_GONE);
	EXPECT_INT(0, "LLEN", HELD0);
	EXPECT_INT(1, "LLEN", "agent:dead");
}

Test(queue, a_copy_of_a_live_job_is_dropped_wherever_that_job_is)
{
	int64_t token = take(&f, W0, "{p}", "j");

	push(&f, "{p}");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_DUPLICATE);
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_GONE);
	EXPECT_WORD(retry_job(&f, W0, "j", token, 60000), QUEUE_OK);
	push(&f, "{p}");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_DUPLICATE);
	EXPECT_STATE("j", "delayed");
	EXPECT_INT(0, "LLEN", HELD1);
	token = take(&f, W0, "{q}", "k");
	EXPECT_WORD(park(&f, W0, "k", token), QUEUE_OK);
	push(&f, "{q}");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{q}", "k"), QUEUE_DUPLICATE);
	cr_expect_str_eq(TEXT(&f, "HGET", "agent:counters", "duplicate"), "3");
}

Test(queue, other_content_under_a_live_id_is_a_conflict)
{
	static const char *const letters[] = { "job_id_conflict", "\"job_id\":\"j\"",
		"\"payload\":\"{other}\"" };

	take(&f, W0, "{p}", "j");
	push(&f, "{other}");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{other}", "j"), QUEUE_CONFLICT);
	EXPECT_INT(0, "LLEN", HELD1);
	EXPECT_STATE("j", "held");
	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		cr_expect(strstr(TEXT(&f, "LINDEX", "agent:dead", "0"), letters[i]) !=
			NULL,
		    "%s", letters[i]);
	EXPECT_WORD(finish(&f, W0, "j", 1, "m"), QUEUE_OK);
	push(&f, "{other}");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{other}", "j"), QUEUE_CONFLICT);
}

Test(queue, a_job_of_a_fenced_holder_may_be_begun_before_the_sweep)
{
	/* more than a chunk, so that the first recover leaves the job where it is */
	take(&f, W0, "{p}", "j");
	for (int i = 0; i < 100; i++)
		DO(&f, "RPUSH", HELD0, "{x}");
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	cr_expect(f.answer.recover.left == 1);
	DO(&f, "DEL", "agent:jobs");
	push(&f, "{p}");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_OK);
	cr_expect(f.answer.begin.token == 2);
	EXPECT_INT(0, "LLEN", HELD0);
}

Test(queue, a_copy_of_a_done_job_republishes_unless_a_result_waits)
{
	int64_t token = take(&f, W0, "{p}", "j");

	EXPECT_WORD(finish(&f, W0, "j", token, "the message"), QUEUE_OK);
	push(&f, "{p}");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_REPUBLISHED);
	cr_expect(!f.answer.publish.is_published);
	EXPECT_INT(1, "LLEN", "agent:results:j");
	cr_expect_str_eq(TEXT(&f, "LPOP", "agent:results:j"), "the message");
	push(&f, "{p}");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_REPUBLISHED);
	cr_expect(f.answer.publish.is_published);
	cr_expect_str_eq(TEXT(&f, "LPOP", "agent:results:j"), "the message");
	EXPECT_INT(0, "LLEN", HELD1);
	EXPECT_STATE("j", "done");
}

Test(queue, a_copy_of_a_failed_job_runs_again_only_with_a_higher_retry_count)
{
	int64_t token = take(&f, W0, "{p}", "j");

	EXPECT_WORD(write_journal(&f, W0, "j", token, 0, "turn"), QUEUE_OK);
	EXPECT_WORD(fail(&f, W0, "j", token, "failure"), QUEUE_OK);
	push(&f, "{p}");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_REPUBLISHED);
	push(&f, "{p,1}");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin_retry(&f, W1, "{p,1}", "{p}", "j", 1), QUEUE_OK);
	cr_expect(f.answer.begin.token == 2 && f.answer.begin.base_token == 1);
	cr_expect(f.answer.begin.is_rerun && f.answer.begin.retry_count == 1);
	cr_expect(f.answer.begin.journal.n == 1);
	/* the old failure, still unread, makes room for the new result */
	EXPECT_INT(0, "LLEN", "agent:results:j");
	EXPECT_INT(-1, "TTL", "agent:job:j");
	EXPECT_INT(-1, "TTL", "agent:journal:j");
	EXPECT_WORD(finish(&f, W1, "j", 2, "success"), QUEUE_OK);
	cr_expect_str_eq(TEXT(&f, "LPOP", "agent:results:j"), "success");
}

Test(queue, a_rerun_may_forget_the_journal_that_led_to_the_failure)
{
	struct queue_job_ref job = { W0, queue_text("j"), take(&f, W0, "{p}", "j") };
	struct queue_command c;

	EXPECT_WORD(write_journal(&f, W0, "j", 1, 0, "turn"), QUEUE_OK);
	queue_cmd_journal_reset(&c, &f.setup, &job);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	EXPECT_WORD(write_journal(&f, W0, "j", 1, 0, "other"), QUEUE_OK);
	job.token = 9;
	queue_cmd_journal_reset(&c, &f.setup, &job);
	EXPECT_WORD(run(&f, &c), QUEUE_FENCED);
	EXPECT_INT(1, "LLEN", "agent:journal:j");
}

Test(queue, a_spent_job_is_not_to_be_run)
{
	static const struct {
		const char *field, *value;
		enum queue_word want;
	} cases[] = {
		{ "attempts", "2", QUEUE_OK },
		{ "attempts", "3", QUEUE_SPENT },
		{ "crashes", "2", QUEUE_OK },
		{ "crashes", "3", QUEUE_SPENT },
		{ "suspicions", "9", QUEUE_OK },
		{ "suspicions", "10", QUEUE_SPENT },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t token;

		DO(&f, "DEL", "agent:job:j", "agent:results:j");
		token = take(&f, W0, "{p}", "j");
		EXPECT_WORD(release_job(&f, W0, "j", token, 0), QUEUE_OK);
		DO(&f, "HSET", "agent:job:j", cases[i].field, cases[i].value);
		cr_assert(claim(&f, W0));
		EXPECT_WORD(begin(&f, W0, "{p}", "j"), cases[i].want);
		cr_expect(f.answer.begin.token == token + 1);
		EXPECT_WORD(bury(&f, W0, "j", token + 1, "failed"), QUEUE_OK);
	}
}

Test(queue, a_list_of_the_wrong_type_stops_begin_and_finish_before_they_write)
{
	struct queue_job_ref job = { W0, queue_text("j"), take(&f, W0, "{p}", "j") };
	struct queue_command c;
	struct err err = ERR_INIT;

	DO(&f, "SET", "agent:results:j", "not a list");
	queue_cmd_finish(&c, &f.setup, &job, false, queue_text("m"));
	redis_reply_freep(&f.reply);
	cr_expect(queue_run(f.redis, &c, &f.reply, &f.answer, &err) == -EIO, "%s",
	    err.text);
	EXPECT_INT(1, "LLEN", HELD0);
	EXPECT_STATE("j", "held");
	DO(&f, "DEL", "agent:results:j");
	EXPECT_WORD(finish(&f, W0, "j", job.token, "m"), QUEUE_OK);
}

/* Not a key that a script has written by then, so it is met in its middle. */
Test(queue, a_journal_of_the_wrong_type_stops_begin_before_it_writes)
{
	struct queue_begin b = { .holder = W0,
		.element = queue_text("{p}"),
		.id = queue_text("j"),
		.claim = 1,
		.digest = queue_text("{p}") };
	struct queue_command c;
	struct err err = ERR_INIT;

	push(&f, "{p}");
	cr_assert(claim(&f, W0));
	DO(&f, "SET", "agent:journal:j", "not a list");
	queue_cmd_begin(&c, &f.setup, &b);
	redis_reply_freep(&f.reply);
	cr_expect(queue_run(f.redis, &c, &f.reply, &f.answer, &err) == -EIO, "%s",
	    err.text);
	cr_expect_str_eq(TEXT(&f, "LINDEX", HELD0, "0"), "{p}");
	EXPECT_INT(0, "EXISTS", "agent:job:j");
}

/* Figures and the record of bad payloads are worth no job. */
Test(queue, figures_of_the_wrong_type_stop_nothing)
{
	int64_t token;

	DO(&f, "SET", "agent:counters", "not a hash");
	DO(&f, "SET", "agent:poison", "not a hash");
	token = take(&f, W0, "{p}", "j");
	EXPECT_WORD(retry_job(&f, W0, "j", token, 0), QUEUE_OK);
	take(&f, W0, "{q}", "k");
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	cr_expect(f.answer.recover.to_jobs == 1 && f.answer.recover.left == 0);
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{q}", "k"), QUEUE_OK);
	EXPECT_WORD(finish(&f, W1, "k", 2, "m"), QUEUE_OK);
	push(&f, "{q}");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{q}", "k"), QUEUE_REPUBLISHED);
}

/* ---- journal ---- */

Test(queue, the_journal_takes_each_record_once_and_in_order)
{
	int64_t token = take(&f, W0, "{p}", "j");

	EXPECT_WORD(write_journal(&f, W0, "j", token, 0, "a"), QUEUE_OK);
	cr_expect(f.answer.journal.len == 1 && !f.answer.journal.is_cancelled);
	EXPECT_WORD(write_journal(&f, W0, "j", token, 0, "a"), QUEUE_ALREADY);
	EXPECT_WORD(write_journal(&f, W0, "j", token, 0, "b"), QUEUE_MISMATCH);
	EXPECT_WORD(write_journal(&f, W0, "j", token, 2, "c"), QUEUE_MISMATCH);
	EXPECT_WORD(write_journal(&f, W0, "j", token, 1, "b"), QUEUE_OK);
	EXPECT_WORD(write_journal(&f, W0, "j", token, 0, "a"), QUEUE_ALREADY);
	EXPECT_INT(2, "LLEN", "agent:journal:j");
}

Test(queue, the_journal_is_fenced_by_token_holder_and_state)
{
	int64_t token = take(&f, W0, "{p}", "j");

	EXPECT_WORD(write_journal(&f, W0, "j", token + 1, 0, "a"), QUEUE_FENCED);
	EXPECT_WORD(write_journal(&f, W0, "j", token - 1, 0, "a"), QUEUE_FENCED);
	EXPECT_WORD(write_journal(&f, W1, "j", token, 0, "a"), QUEUE_FENCED);
	EXPECT_WORD(write_journal(&f, W0, "k", token, 0, "a"), QUEUE_FENCED);
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	EXPECT_WORD(write_journal(&f, W0, "j", token, 0, "a"), QUEUE_FENCED);
	EXPECT_INT(0, "EXISTS", "agent:journal:j");
}

Test(queue, a_resumed_job_gets_its_journal)
{
	int64_t token = take(&f, W0, "{p}", "j");

	EXPECT_WORD(write_journal(&f, W0, "j", token, 0, "a"), QUEUE_OK);
	EXPECT_WORD(write_journal(&f, W0, "j", token, 1, "b"), QUEUE_OK);
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_OK);
	cr_assert(f.answer.begin.journal.n == 2);
	cr_expect(queue_list_text(&f.answer.begin.journal, 1).p[0] == 'b');
	cr_expect(f.answer.begin.token == token + 1);
}

/* ---- finish and bury ---- */

Test(queue, finish_publishes_once_and_only_now_lets_things_expire)
{
	int64_t token = take(&f, W0, "{p}", "j");

	EXPECT_INT(-1, "TTL", "agent:job:j");
	EXPECT_WORD(write_journal(&f, W0, "j", token, 0, "a"), QUEUE_OK);
	EXPECT_INT(-1, "TTL", "agent:journal:j");
	EXPECT_WORD(finish(&f, W0, "j", token, "m"), QUEUE_OK);
	cr_expect(f.answer.publish.is_published);
	EXPECT_WORD(finish(&f, W0, "j", token, "m"), QUEUE_ALREADY);
	EXPECT_INT(1, "LLEN", "agent:results:j");
	EXPECT_INT(0, "LLEN", HELD0);
	EXPECT_STATE("j", "done");
	EXPECT_INT(86400, "TTL", "agent:results:j");
	EXPECT_INT(86400, "TTL", "agent:job:j");
	EXPECT_INT(86400, "TTL", "agent:journal:j");
	EXPECT_INT(0, "HEXISTS", "agent:job:j", "payload");
}

Test(queue, finish_is_fenced)
{
	int64_t token = take(&f, W0, "{p}", "j");

	EXPECT_WORD(finish(&f, W0, "j", token + 1, "m"), QUEUE_FENCED);
	EXPECT_WORD(finish(&f, W1, "j", token, "m"), QUEUE_FENCED);
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	EXPECT_WORD(finish(&f, W0, "j", token, "m"), QUEUE_FENCED);
	EXPECT_INT(0, "LLEN", "agent:results:j");
	EXPECT_INT(1, "LLEN", "agent:jobs");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_OK);
	EXPECT_WORD(finish(&f, W0, "j", token, "m"), QUEUE_FENCED);
	EXPECT_WORD(finish(&f, W1, "j", token + 1, "m"), QUEUE_OK);
}

Test(queue, the_completion_queue_gets_the_same_message)
{
	free(f.setup.completion_queue);
	f.setup.completion_queue = strdup("done:all");
	EXPECT_WORD(finish(&f, W0, "j", take(&f, W0, "{p}", "j"), "m"), QUEUE_OK);
	EXPECT_WORD(finish(&f, W0, "j", 1, "m"), QUEUE_ALREADY);
	cr_expect_str_eq(TEXT(&f, "LPOP", "done:all"), "m");
	EXPECT_INT(0, "LLEN", "done:all");
}

Test(queue, bury_publishes_and_files_the_letter_in_one_step)
{
	int64_t token = take(&f, W0, "{\"p\": \"\\u0000\"}", "j");
	struct queue_command c;
	struct queue_list row;

	EXPECT_WORD(bury(&f, W0, "j", token + 1, "failed"), QUEUE_FENCED);
	EXPECT_WORD(bury(&f, W0, "j", token, "failed"), QUEUE_OK);
	EXPECT_WORD(bury(&f, W0, "j", token, "failed"), QUEUE_ALREADY);
	EXPECT_STATE("j", "dead");
	EXPECT_INT(1, "LLEN", "agent:results:j");
	EXPECT_INT(1, "LLEN", "agent:dead");
	queue_cmd_dead_page(&c, &f.setup, 0, 10);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_assert(f.answer.page.total == 1 && f.answer.page.rows.n == 1);
	row = queue_list_list(&f.answer.page.rows, 0);
	cr_expect_str_eq(queue_list_text(&row, 1).p, "j");
	cr_expect_str_eq(queue_list_text(&row, 2).p, "crashed");
	cr_expect_str_eq(queue_list_text(&row, 3).p, "signal 11");
	cr_expect(queue_list_int(&row, 4) > 1600000000000);
	cr_expect_str_eq(queue_list_text(&row, 5).p, "{\"p\": \"\\u0000\"}");
}

/* ---- retry, release, park, promote ---- */

static const char *
job_key_of(const char *id)
{
	static char key[64];

	(void)snprintf(key, sizeof(key), "agent:job:%s", id);
	return key;
}

Test(queue, retry_counts_the_attempt_and_promote_brings_it_back)
{
	int64_t token = take(&f, W0, "{p}", "j");
	struct queue_command c;

	EXPECT_WORD(retry_job(&f, W0, "j", token + 1, 0), QUEUE_FENCED);
	EXPECT_WORD(retry_job(&f, W1, "j", token, 0), QUEUE_FENCED);
	EXPECT_WORD(retry_job(&f, W0, "j", token, 60000), QUEUE_OK);
	EXPECT_WORD(retry_job(&f, W0, "j", token, 60000), QUEUE_ALREADY);
	EXPECT_STATE("j", "delayed");
	EXPECT_INT(0, "LLEN", HELD0);
	queue_cmd_promote(&c, &f.setup);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_expect(f.answer.promote.moved == 0);
	cr_expect(
	    f.answer.promote.next_ms > 50000 && f.answer.promote.next_ms <= 60000);
	DO(&f, "ZADD", "agent:delayed", "1", "j");
	queue_cmd_promote(&c, &f.setup);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_expect(f.answer.promote.moved == 1 && f.answer.promote.next_ms == -1);
	EXPECT_STATE("j", "queued");
	EXPECT_WORD(retry_job(&f, W0, "j", token, 60000), QUEUE_ALREADY);
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_OK);
	cr_expect(f.answer.begin.attempts == 1 && f.answer.begin.run_ms == 1500);
	EXPECT_WORD(retry_job(&f, W0, "j", token, 60000), QUEUE_FENCED);
	EXPECT_STATE("j", "held");
}

/* Both jobs were delayed by a clock that was an hour ahead; a third one by the present
   one. Nobody waits for the hour. */
Test(queue, a_clock_that_was_set_back_delays_nobody_for_longer)
{
	static const char *const ids[] = { "soon", "late", "new" };
	static const int delays_ms[] = { 2000, 50000, 10000 };
	struct queue_command c;

	for (int i = 0; i < 3; i++) {
		EXPECT_WORD(retry_job(&f, W0, ids[i], take(&f, W0, "{p}", ids[i]),
				delays_ms[i]),
		    QUEUE_OK);
		if (i == 2)
			break;
		DO(&f, "ZINCRBY", "agent:delayed", "3600000", ids[i]);
		DO(&f, "HINCRBY", job_key_of(ids[i]), "due_ms", "3600000");
		DO(&f, "HINCRBY", job_key_of(ids[i]), "from_ms", "3600000");
	}
	queue_cmd_promote(&c, &f.setup);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_expect(f.answer.promote.moved == 0);
	cr_expect(f.answer.promote.next_ms > 0 && f.answer.promote.next_ms <= 2000,
	    "%lld", (long long)f.answer.promote.next_ms);
	DO(&f, "ZREM", "agent:delayed", "soon");
	queue_cmd_promote(&c, &f.setup);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_expect(f.answer.promote.next_ms > 2000 && f.answer.promote.next_ms <= 10000);
	DO(&f, "ZREM", "agent:delayed", "new");
	queue_cmd_promote(&c, &f.setup);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_expect(
	    f.answer.promote.next_ms > 10000 && f.answer.promote.next_ms <= 50000);
}

Test(queue, promote_moves_at_most_a_hundred_and_says_that_more_wait)
{
	struct queue_command c;

	for (int i = 0; i < 150; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "j%d", i);
		EXPECT_WORD(retry_job(&f, W0, id, take(&f, W0, "{p}", id), 0),
		    QUEUE_OK);
	}
	queue_cmd_promote(&c, &f.setup);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_expect(f.answer.promote.moved == 100 && f.answer.promote.next_ms == 0);
	queue_cmd_promote(&c, &f.setup);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_expect(f.answer.promote.moved == 50 && f.answer.promote.next_ms == -1);
	EXPECT_INT(150, "LLEN", "agent:jobs");
}

Test(queue, release_goes_to_the_head_and_costs_nothing)
{
	int64_t token = take(&f, W0, "{p}", "j");

	push(&f, "{later}");
	EXPECT_WORD(release_job(&f, W0, "j", token + 1, 0), QUEUE_FENCED);
	EXPECT_WORD(release_job(&f, W0, "j", token, 0), QUEUE_OK);
	EXPECT_WORD(release_job(&f, W0, "j", token, 0), QUEUE_ALREADY);
	EXPECT_INT(2, "LLEN", "agent:jobs");
	cr_expect_str_eq(TEXT(&f, "LINDEX", "agent:jobs", "0"), "{p}");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_OK);
	cr_expect(f.answer.begin.attempts == 0);
	EXPECT_WORD(release_job(&f, W1, "j", token + 1, 5000), QUEUE_OK);
	EXPECT_STATE("j", "delayed");
	EXPECT_INT(1, "ZCARD", "agent:delayed");
}

/* What the worker needs to tell an outage from a request that nobody can digest. */
Test(queue, vain_questions_are_counted_once_and_only_while_others_are_answered)
{
	struct queue_job_ref job = { W0, queue_text("j"), take(&f, W0, "{p}", "j") };
	struct queue_command c;
	int64_t asked_ms;

	cr_expect(f.answer.begin.asked_ms == 0 && f.answer.begin.unanswered == 0);
	for (int n = 0; n < 3; n++) {
		queue_cmd_release(&c, &f.setup, &job, 0, queue_text("outage"), 10);
		if (n < 2)
			queue_cmd_add_unanswered(&c, n == 1);
		EXPECT_WORD(run(&f, &c), QUEUE_OK);
		EXPECT_WORD(run(&f, &c), QUEUE_ALREADY);
		cr_assert(claim(&f, W0));
		EXPECT_WORD(begin(&f, W0, "{p}", "j"), QUEUE_OK);
		job.token = f.answer.begin.token;
		asked_ms = f.answer.begin.asked_ms;
		cr_expect(asked_ms > f.answer.begin.now_ms - 60000 &&
		    asked_ms <= f.answer.begin.now_ms);
		cr_expect(f.answer.begin.unanswered == (n > 0), "%d", n);
	}
	EXPECT_WORD(fail(&f, W0, "j", job.token, "m"), QUEUE_OK);
	push(&f, "{q}");
	cr_assert(claim(&f, W0));
	EXPECT_WORD(begin_retry(&f, W0, "{q}", "{p}", "j", 1), QUEUE_OK);
	cr_expect(f.answer.begin.asked_ms == 0 && f.answer.begin.unanswered == 0);
}

Test(queue, what_was_not_begun_goes_back_too)
{
	struct queue_command c;

	push(&f, "{p}");
	cr_assert(claim(&f, W0));
	queue_cmd_unclaim(&c, &f.setup, W0, queue_text("{p}"), false);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	queue_cmd_unclaim(&c, &f.setup, W0, queue_text("{p}"), false);
	EXPECT_WORD(run(&f, &c), QUEUE_ALREADY);
	EXPECT_INT(1, "LLEN", "agent:jobs");
	EXPECT_INT(0, "LLEN", HELD0);
}

Test(queue, an_id_in_nobodys_hand_goes_back_where_it_belongs)
{
	struct queue_command c;

	take(&f, W0, "{p}", "begun");
	queue_cmd_unclaim(&c, &f.setup, W0, queue_text("begun"), true);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	EXPECT_WORD(run(&f, &c), QUEUE_ALREADY);
	EXPECT_STATE("begun", "queued");
	cr_expect_str_eq(TEXT(&f, "LPOP", "agent:jobs"), "{p}");
	take(&f, W1, "{q}", "lonely");
	EXPECT_WORD(recover_blaming(&f, W1, QUEUE_BLAME_CULPRIT, "lonely"), QUEUE_OK);
	cr_assert(claim_alone(&f, W0));
	queue_cmd_unclaim(&c, &f.setup, W0, queue_text("lonely"), true);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	EXPECT_STATE("lonely", "alone");
	cr_assert(claim_alone(&f, W0));
	EXPECT_WORD(begin_id(&f, W0, "lonely"), QUEUE_OK);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	EXPECT_STATE("lonely", "alone");
	EXPECT_INT(1, "LLEN", "agent:jobs:alone");
	EXPECT_INT(0, "LLEN", HELD0);
}

Test(queue, a_parked_job_waits_for_resume)
{
	int64_t token = take(&f, W0, "{p}", "j");
	struct queue_command c;

	EXPECT_WORD(park(&f, W0, "j", token + 1), QUEUE_FENCED);
	EXPECT_WORD(park(&f, W0, "j", token), QUEUE_OK);
	EXPECT_WORD(park(&f, W0, "j", token), QUEUE_ALREADY);
	EXPECT_INT(1, "HLEN", "agent:parked");
	queue_cmd_resume(&c, &f.setup, queue_text("j"));
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	EXPECT_WORD(run(&f, &c), QUEUE_ALREADY);
	EXPECT_INT(0, "HLEN", "agent:parked");
	EXPECT_INT(1, "LLEN", "agent:jobs");
	queue_cmd_resume(&c, &f.setup, queue_text("nobody"));
	EXPECT_WORD(run(&f, &c), QUEUE_GONE);
}

/* ---- cancel ---- */

Test(queue, cancel_before_the_first_begin_is_found_by_it)
{
	EXPECT_WORD(cancel(&f, "j"), QUEUE_OK);
	push(&f, "{p}");
	cr_assert(claim(&f, W0));
	EXPECT_WORD(begin(&f, W0, "{p}", "j"), QUEUE_CANCELLED);
	cr_expect(f.answer.begin.token == 1);
	EXPECT_WORD(fail(&f, W0, "j", 1, "cancelled"), QUEUE_OK);
	EXPECT_WORD(cancel(&f, "j"), QUEUE_FINISHED);
	cr_expect_str_eq(f.answer.state.what.p, "failed");
}

Test(queue, cancel_of_a_running_job_is_told_by_its_journal)
{
	int64_t token = take(&f, W0, "{p}", "j");

	EXPECT_WORD(cancel(&f, "j"), QUEUE_OK);
	EXPECT_WORD(write_journal(&f, W0, "j", token, 0, "a"), QUEUE_OK);
	cr_expect(f.answer.journal.is_cancelled);
	EXPECT_WORD(write_journal(&f, W0, "j", token, 0, "a"), QUEUE_ALREADY);
	cr_expect(f.answer.journal.is_cancelled);
}

Test(queue, cancel_brings_waiting_jobs_to_the_queue_at_once)
{
	int64_t token = take(&f, W0, "{d}", "d");

	EXPECT_WORD(retry_job(&f, W0, "d", token, 3600000), QUEUE_OK);
	EXPECT_WORD(park(&f, W0, "p", take(&f, W0, "{p}", "p")), QUEUE_OK);
	take(&f, W0, "{a}", "a");
	EXPECT_WORD(recover_blaming(&f, W0, QUEUE_BLAME_CULPRIT, "a"), QUEUE_OK);
	EXPECT_STATE("a", "alone");
	for (const char *const *id = (const char *const[]){ "d", "p", "a", NULL };
	     *id != NULL; id++) {
		char payload[8];

		EXPECT_WORD(cancel(&f, *id), QUEUE_OK);
		EXPECT_STATE(*id, "queued");
		cr_assert(claim(&f, W1));
		(void)snprintf(payload, sizeof(payload), "{%s}", *id);
		EXPECT_WORD(begin(&f, W1, payload, *id), QUEUE_CANCELLED);
	}
	EXPECT_INT(0, "ZCARD", "agent:delayed");
	EXPECT_INT(0, "HLEN", "agent:parked");
	EXPECT_INT(0, "LLEN", "agent:jobs:alone");
}

/* The cancel came when the job's holder was about to let it go: nobody would look at it
   before its time, and at a parked one never. */
Test(queue, what_was_cancelled_meanwhile_waits_for_nothing)
{
	static enum queue_word (*const ways[])(struct fixture *, const char *,
	    const char *, int64_t, int64_t) = { retry_job, release_job };
	int64_t token;

	for (size_t i = 0; i <= ARRAY_LEN(ways); i++) {
		DO(&f, "DEL", "agent:job:j", "agent:results:j");
		token = take(&f, W0, "{p}", "j");
		EXPECT_WORD(cancel(&f, "j"), QUEUE_OK);
		for (int n = 0; n < 2; n++)
			EXPECT_WORD(i < ARRAY_LEN(ways)
				? ways[i](&f, W0, "j", token, 3600000)
				: park(&f, W0, "j", token),
			    n == 0 ? QUEUE_OK : QUEUE_ALREADY);
		EXPECT_STATE("j", "queued");
		EXPECT_INT(0, "ZCARD", "agent:delayed");
		EXPECT_INT(0, "HLEN", "agent:parked");
		EXPECT_INT(1, "LLEN", "agent:jobs");
		cr_assert(claim(&f, W0));
		EXPECT_WORD(begin(&f, W0, "{p}", "j"), QUEUE_CANCELLED);
		EXPECT_WORD(fail(&f, W0, "j", token + 1, "cancelled"), QUEUE_OK);
	}
}

Test(queue, a_cancelled_suspect_need_not_run_alone)
{
	take(&f, W0, "{p}", "j");
	EXPECT_WORD(recover_blaming(&f, W0, QUEUE_BLAME_CULPRIT, "j"), QUEUE_OK);
	cr_assert(claim_alone(&f, W1));
	EXPECT_WORD(begin_id(&f, W1, "j"), QUEUE_OK);
	EXPECT_WORD(cancel(&f, "j"), QUEUE_OK);
	EXPECT_WORD(release_job(&f, W1, "j", 2, 0), QUEUE_OK);
	EXPECT_STATE("j", "queued");
	EXPECT_INT(0, "LLEN", "agent:jobs:alone");
	cr_assert(claim(&f, W1));
	EXPECT_WORD(begin(&f, W1, "{p}", "j"), QUEUE_CANCELLED);
}

/* A queued job amid hundreds of thousands is flagged, and looked for no further. */
Test(queue, a_cancel_does_not_walk_through_a_long_queue)
{
	static const char fill[] =
	    "for i = 1, 100001 do redis.call(ARGV[1], 'agent:jobs', '{x}') end";
	static const struct {
		const char *head, *tail; /* fill there */
		bool is_found;
	} cases[] = { { NULL, "RPUSH", true }, { "LPUSH", NULL, true },
		{ "LPUSH", "RPUSH", false } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		DO(&f, "DEL", "agent:job:j", "agent:jobs");
		EXPECT_WORD(release_job(&f, W0, "j", take(&f, W0, "{p}", "j"), 0),
		    QUEUE_OK);
		if (cases[i].head != NULL)
			DO(&f, "EVAL", fill, "0", cases[i].head);
		if (cases[i].tail != NULL)
			DO(&f, "EVAL", fill, "0", cases[i].tail);
		EXPECT_WORD(cancel(&f, "j"), QUEUE_OK);
		EXPECT_INT(1, "HEXISTS", "agent:job:j", "cancel");
		cr_expect((strcmp(TEXT(&f, "LINDEX", "agent:jobs", "0"), "{p}") == 0) ==
			cases[i].is_found,
		    "%zu", i);
		EXPECT_INT(cases[i].head != NULL && cases[i].tail != NULL ? 200003
									  : 100002,
		    "LLEN", "agent:jobs");
	}
}

/* ---- dead letters ---- */

Test(queue, an_unreadable_payload_survives_as_a_letter_byte_for_byte)
{
	static const struct {
		const char *bytes;
		size_t n;
	} cases[] = { { "not json", 8 }, { "\xff\xfe\x80", 3 }, { "a\0b\xc3", 4 },
		{ "\xed\xa0\x80", 3 }, { "\xc3\xa9", 2 },
		{ "\xc3\xa9\xff\xc2\x80", 5 } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct queue_text raw = { cases[i].bytes, cases[i].n };
		struct queue_command c;
		struct queue_list row;
		const char *push_argv[] = { "RPUSH", HELD0, raw.p };
		size_t push_len[] = { 5, strlen(HELD0), raw.n };
		struct queue_text element;
		char *copy;

		redis_reply_freep(&f.reply);
		cr_assert(redis_sync_command(f.redis, 3, push_argv, push_len, &f.reply,
			      NULL) == 0);
		queue_cmd_dead_payload(&c, &f.setup, W0, raw,
		    queue_text("invalid_message"), queue_text("why"));
		EXPECT_WORD(run(&f, &c), QUEUE_OK);
		EXPECT_WORD(run(&f, &c), QUEUE_ALREADY);
		queue_cmd_dead_page(&c, &f.setup, 0, 1);
		EXPECT_WORD(run(&f, &c), QUEUE_OK);
		row = queue_list_list(&f.answer.page.rows, 0);
		cr_expect(queue_list_text(&row, 5).n == raw.n &&
			memcmp(queue_list_text(&row, 5).p, raw.p, raw.n) == 0,
		    "case %zu", i);
		element = queue_list_text(&row, 0);
		copy = strndup(element.p, element.n);
		queue_cmd_dead_retry(&c, &f.setup, queue_text(copy));
		EXPECT_WORD(run(&f, &c), QUEUE_OK);
		EXPECT_WORD(run(&f, &c), QUEUE_GONE);
		free(copy);
		(void)TEXT(&f, "RPOP", "agent:jobs");
		cr_expect(
		    f.reply->len == raw.n && memcmp(f.reply->str, raw.p, raw.n) == 0);
	}
	EXPECT_INT(0, "LLEN", "agent:dead");
}

static char *
first_letter(void)
{
	return strdup(TEXT(&f, "LINDEX", "agent:dead", "0"));
}

Test(queue, an_operators_retry_starts_the_job_anew)
{
	CLEANUP(freep) char *letter = NULL;
	struct queue_command c;

	EXPECT_WORD(bury(&f, W0, "j", take(&f, W0, "{p}", "j"), "failed"), QUEUE_OK);
	DO(&f, "HSET", "agent:job:j", "crashes", "3");
	letter = first_letter();
	queue_cmd_dead_retry(&c, &f.setup, queue_text(letter));
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	EXPECT_WORD(run(&f, &c), QUEUE_ALREADY);
	EXPECT_STATE("j", "queued");
	EXPECT_INT(1, "LLEN", "agent:jobs");
	EXPECT_INT(-1, "TTL", "agent:job:j");
	EXPECT_INT(0, "LLEN", "agent:results:j");
	cr_assert(claim(&f, W0));
	EXPECT_WORD(begin(&f, W0, "{p}", "j"), QUEUE_OK);
	cr_expect(f.answer.begin.is_rerun && f.answer.begin.base_token == 1);
	cr_expect(f.answer.begin.crashes == 0 && f.answer.begin.token == 2);
	EXPECT_WORD(finish(&f, W0, "j", 2, "m"), QUEUE_OK);
}

Test(queue, an_operators_retry_works_after_the_job_was_forgotten)
{
	CLEANUP(freep) char *letter = NULL;
	struct queue_command c;

	EXPECT_WORD(bury(&f, W0, "j", take(&f, W0, "{p}", "j"), "failed"), QUEUE_OK);
	DO(&f, "DEL", "agent:job:j", "agent:results:j");
	letter = first_letter();
	queue_cmd_dead_retry(&c, &f.setup, queue_text(letter));
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_assert(claim(&f, W0));
	EXPECT_WORD(begin(&f, W0, "{p}", "j"), QUEUE_OK);
	cr_expect(f.answer.begin.is_rerun);
	/* the store still holds the failure under the old token: it is superseded */
	cr_expect(f.answer.begin.base_token == 1 && f.answer.begin.token == 2);
}

Test(queue, a_letter_of_a_running_job_is_not_retried)
{
	CLEANUP(freep) char *letter = NULL;
	struct queue_command c;

	EXPECT_WORD(bury(&f, W0, "j", take(&f, W0, "{p}", "j"), "failed"), QUEUE_OK);
	letter = first_letter();
	push(&f, "{p,1}");
	cr_assert(claim(&f, W0));
	EXPECT_WORD(begin_retry(&f, W0, "{p,1}", "{p}", "j", 1), QUEUE_OK);
	queue_cmd_dead_retry(&c, &f.setup, queue_text(letter));
	EXPECT_WORD(run(&f, &c), QUEUE_BUSY);
	EXPECT_WORD(finish(&f, W0, "j", 2, "m"), QUEUE_OK);
	EXPECT_WORD(run(&f, &c), QUEUE_FINISHED);
	EXPECT_INT(1, "LLEN", "agent:dead");
	queue_cmd_dead_drop(&c, &f.setup, queue_text(letter));
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	EXPECT_WORD(run(&f, &c), QUEUE_GONE);
	EXPECT_INT(0, "LLEN", "agent:dead");
}

/* ---- looking ---- */

Test(queue, stats_count_each_place_once)
{
	struct queue_command c;

	take(&f, W0, "{h}", "h");
	EXPECT_WORD(retry_job(&f, W0, "d", take(&f, W0, "{d}", "d"), 60000), QUEUE_OK);
	EXPECT_WORD(park(&f, W0, "p", take(&f, W0, "{p}", "p")), QUEUE_OK);
	EXPECT_WORD(bury(&f, W0, "x", take(&f, W0, "{x}", "x"), "m"), QUEUE_OK);
	take(&f, W1, "{a}", "a");
	EXPECT_WORD(recover_blaming(&f, W1, QUEUE_BLAME_CULPRIT, "a"), QUEUE_OK);
	push(&f, "{\"created_at\":\"2026-01-31T12:00:00Z\"}");
	push(&f, "{}");
	queue_cmd_stats(&c, &f.setup);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_expect(f.answer.stats.queued == 2);
	cr_expect(f.answer.stats.held == 1);
	cr_expect(f.answer.stats.delayed == 1);
	cr_expect(f.answer.stats.parked == 1);
	cr_expect(f.answer.stats.alone == 1);
	cr_expect(f.answer.stats.dead == 1);
	cr_expect(f.answer.stats.holders == 1);
	cr_expect(
	    strncmp(f.answer.stats.head_created_at.p, "2026-01-31T12:00:00Z", 20) == 0);
	cr_expect(f.answer.stats.head_digest.n == 40);
}

Test(queue, a_job_can_be_shown_without_its_payload)
{
	struct queue_command c;

	take(&f, W0, "{p}", "j");
	EXPECT_WORD(write_journal(&f, W0, "j", 1, 0, "a"), QUEUE_OK);
	queue_cmd_job_show(&c, &f.setup, queue_text("j"));
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_expect(f.answer.job.ttl_sec == -1 && f.answer.job.journal_len == 1);
	for (size_t i = 0; i < f.answer.job.fields.n; i++)
		cr_expect_str_neq(queue_list_text(&f.answer.job.fields, i).p,
		    "payload");
	queue_cmd_job_show(&c, &f.setup, queue_text("nobody"));
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_expect(f.answer.job.ttl_sec == -2);
}

/* ---- ids that are hard on key names ---- */

Test(queue, ids_may_hold_any_text)
{
	static const char *const ids[] = { "a b", "{x}", "a:b", "*",
		"\xc3\xa9t\xc3\xa9", "\\\"" };

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		int64_t token = take(&f, W0, "{p}", ids[i]);

		EXPECT_WORD(finish(&f, W0, ids[i], token, "m"), QUEUE_OK);
		EXPECT_STATE(ids[i], "done");
	}
}
