/* SPDX-License-Identifier: MIT */
/*
 * test_queue_operator.c - what people and producers use: counts, one job, dead letters,
 * submit and wait.
 */
#include "config.h"

#include "common/clock.h"
#include "common/queue/queue_client.h"
#include "common/queue/queue_dead.h"
#include "common/queue/queue_stats.h"
#include "tests/support/queue_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <hiredis.h>
#include <string.h>

static struct fixture f;

#define W0 "n.b.0.1"

static void
setup(void)
{
	fixture_init(&f);
	do_register(&f, W0);
}

static void
teardown(void)
{
	fixture_release(&f);
}

TestSuite(operator, .init = setup, .fini = teardown, .timeout = 60);

Test(operator, stats_tell_the_age_of_the_oldest)
{
	struct queue_stats stats;
	struct err err = ERR_INIT;
	char payload[100], iso[CLOCK_ISO_MAX];

	cr_assert(queue_stats_read(f.redis, &f.setup, &stats, &err) == 0, "%s",
	    err.text);
	cr_expect(
	    stats.queued == 0 && stats.oldest_ms == -1 && stats.head_digest[0] == '\0');
	(void)snprintf(payload, sizeof(payload), "{\"created_at\":\"%s\"}",
	    clock_iso(clock_wall_ms() - 60000, iso));
	push(&f, payload);
	cr_assert(queue_stats_read(f.redis, &f.setup, &stats, &err) == 0, "%s",
	    err.text);
	cr_expect(stats.queued == 1 && stats.holders == 1);
	cr_expect(stats.oldest_ms >= 60000 && stats.oldest_ms < 120000, "%d",
	    (int)stats.oldest_ms);
	cr_expect(strlen(stats.head_digest) == 40);
	DO(&f, "LPUSH", "agent:jobs", "garbage");
	cr_assert(queue_stats_read(f.redis, &f.setup, &stats, &err) == 0, "%s",
	    err.text);
	cr_expect(stats.oldest_ms == -1);
}

Test(operator, one_job_is_read_with_all_its_counters)
{
	CLEANUP(queue_job_release) struct queue_job job = { 0 };
	struct err err = ERR_INIT;
	int64_t token = take(&f, W0, "{p}", "j");

	cr_assert(retry_job(&f, W0, "j", token, 60000) == QUEUE_OK);
	cr_assert(queue_job_read(f.redis, &f.setup, queue_text("j"), &job, &err) == 0);
	cr_expect_str_eq(job.state, "delayed");
	cr_expect_str_eq(job.why, "timeout");
	cr_expect_str_eq(job.holder, W0);
	cr_expect(job.attempts == 1 && job.token == 1 && job.run_ms == 1500);
	cr_expect(job.due_ms > job.begun_ms && job.begun_ms >= job.first_ms &&
	    job.first_ms > 0);
	cr_expect(job.ttl_sec == -1 && !job.is_cancelled);
	cr_expect(
	    queue_job_read(f.redis, &f.setup, queue_text("k"), &job, &err) == -ENOENT);
	cr_expect(strstr(err.text, "k") != NULL);
}

Test(operator, cancel_and_resume_say_what_they_met)
{
	struct err err = ERR_INIT;
	char state[16] = "untouched";
	int64_t token = take(&f, W0, "{p}", "j");

	cr_expect(queue_resume(f.redis, &f.setup, queue_text("j"), &err) == -ENOENT);
	cr_assert(park(&f, W0, "j", token) == QUEUE_OK);
	cr_expect(queue_resume(f.redis, &f.setup, queue_text("j"), &err) == 0);
	cr_expect(queue_cancel(f.redis, &f.setup, queue_text("j"), state, &err) == 0);
	cr_expect_str_eq(state, "queued");
	cr_assert(claim(&f, W0));
	cr_assert(begin(&f, W0, "{p}", "j") == QUEUE_CANCELLED);
	cr_assert(fail(&f, W0, "j", token + 1, "m") == QUEUE_OK);
	cr_expect(
	    queue_cancel(f.redis, &f.setup, queue_text("j"), state, &err) == -EALREADY);
	cr_expect_str_eq(state, "failed");
}

static enum queue_word
pause_queue(bool is_paused)
{
	struct queue_command c;

	queue_cmd_pause(&c, &f.setup, is_paused, is_paused ? "ann@host" : "");
	return run(&f, &c);
}

static enum queue_word
unclaim(const char *element)
{
	struct queue_command c;

	queue_cmd_unclaim(&c, &f.setup, W0, queue_text(element), false);
	return run(&f, &c);
}

Test(operator, nobody_begins_a_job_while_the_queue_is_paused)
{
	struct queue_stats stats;
	struct err err = ERR_INIT;
	int64_t running = take(&f, W0, "{r}", "running"), since;

	push(&f, "{p}");
	push(&f, "{q}");
	cr_assert(claim(&f, W0)); /* it was faster than the pause */
	cr_assert(pause_queue(true) == QUEUE_OK);
	since = f.answer.pause.since_ms;
	cr_assert(pause_queue(true) == QUEUE_ALREADY);
	cr_expect(f.answer.pause.since_ms == since && since > 0);
	cr_expect(f.answer.pause.by.n == 8);
	cr_expect(begin(&f, W0, "{p}", "j") == QUEUE_PAUSED);
	cr_expect_str_eq(state_of(&f, "j"), "");
	cr_assert(unclaim("{p}") == QUEUE_OK);
	cr_expect_str_eq(TEXT(&f, "LINDEX", "agent:jobs", "0"), "{p}");
	cr_assert(queue_stats_read(f.redis, &f.setup, &stats, &err) == 0);
	cr_expect(stats.paused_ms == since);
	cr_expect_str_eq(stats.paused_by, "ann@host");
	/* what runs goes on to its end */
	cr_expect(write_journal(&f, W0, "running", running, 0, "r") == QUEUE_OK);
	cr_expect(finish(&f, W0, "running", running, "m") == QUEUE_OK);
	cr_assert(pause_queue(false) == QUEUE_OK);
	cr_expect(f.answer.pause.since_ms == since);
	cr_assert(pause_queue(false) == QUEUE_ALREADY);
	cr_assert(claim(&f, W0));
	cr_expect(begin(&f, W0, "{p}", "j") == QUEUE_OK);
}

/* The reply was lost, not the job. */
Test(operator, a_begin_that_is_sent_twice_is_answered_in_a_pause_too)
{
	struct queue_begin b = { .holder = W0,
		.element = queue_text("{p}"),
		.id = queue_text("j"),
		.claim = 77,
		.digest = queue_text("d") };
	struct queue_command c;

	push(&f, "{p}");
	cr_assert(claim(&f, W0));
	queue_cmd_begin(&c, &f.setup, &b);
	cr_assert(run(&f, &c) == QUEUE_OK);
	cr_assert(pause_queue(true) == QUEUE_OK);
	cr_expect(run(&f, &c) == QUEUE_OK);
	cr_expect(f.answer.begin.token == 1);
}

static enum queue_word
take_cancelled(const char *holder, const char *id)
{
	struct queue_command c;

	queue_cmd_take(&c, &f.setup, holder, queue_text(id));
	return run(&f, &c);
}

Test(operator, a_cancelled_job_leaves_the_queue_in_a_pause_and_out_of_turn)
{
	static const char payload[] = "{\"job_id\":\"j\",\"prompt\":\"x\"}";

	cr_assert(pause_queue(true) == QUEUE_OK);
	for (int i = 0; i < 30; i++)
		push(&f, "{\"job_id\":\"k\",\"prompt\":\"about j\"}");
	push(&f, payload);
	cr_expect(take_cancelled(W0, "j") == QUEUE_GONE); /* nobody cancelled it */
	cr_assert(cancel(&f, "j") == QUEUE_OK);
	cr_expect(f.answer.state.what.n == strlen("queued"));
	cr_expect_str_eq(TEXT(&f, "LINDEX", "agent:jobs", "0"), payload);
	cr_expect(take_cancelled(W0, "j") == QUEUE_OK);
	cr_expect(take_cancelled(W0, "j") == QUEUE_GONE);
	cr_expect(INT(&f, "LLEN", "agent:jobs") == 30);
	cr_expect_str_eq(TEXT(&f, "LINDEX", "agent:held:" W0, "0"), payload);
	cr_expect(begin(&f, W0, payload, "j") == QUEUE_CANCELLED);
	cr_expect(take_cancelled("n.b.9.9", "j") == QUEUE_FENCED);
	/* the message was missed */
	cr_expect(take_cancelled(W0, "") == QUEUE_GONE);
	cr_assert(cancel(&f, "k") == QUEUE_OK);
	cr_expect(take_cancelled(W0, "") == QUEUE_OK);
}

/* ---- what a purge asks ---- */

Test(operator, journals_tell_which_content_they_name)
{
	static const char record[] =
	    "{\"kind\":\"stored\",\"ref\":\"cas://sha256:00ff\"} cas://sha256:aa";
	struct queue_command c;
	int64_t token = take(&f, W0, "{p}", "j");

	cr_assert(write_journal(&f, W0, "j", token, 0, "plain") == QUEUE_OK);
	cr_assert(write_journal(&f, W0, "j", token, 1, record) == QUEUE_OK);
	DO(&f, "SET", "agent:journal:odd", "cas://sha256:bb");
	queue_cmd_refs(&c, &f.setup, "0");
	cr_assert(run(&f, &c) == QUEUE_OK);
	cr_expect(f.answer.scan.cursor.n == 1 && f.answer.scan.cursor.p[0] == '0');
	cr_assert(f.answer.scan.ids.n == 2);
	cr_expect(
	    strncmp(queue_list_text(&f.answer.scan.ids, 0).p, "sha256:00ff", 11) == 0);
}

static int64_t
leftovers(int64_t age_ms, bool is_dry_run)
{
	struct queue_command c;

	queue_cmd_leftovers(&c, &f.setup, "0", age_ms, is_dry_run);
	cr_assert(run(&f, &c) == QUEUE_OK);
	return f.answer.scan.count;
}

Test(operator, marks_of_jobs_that_never_came_are_forgotten)
{
	(void)take(&f, W0, "{p}", "j");
	cr_assert(cancel(&f, "j") == QUEUE_OK);
	cr_assert(cancel(&f, "never") == QUEUE_OK);
	cr_expect(leftovers(60000, false) == 0);
	DO(&f, "HSET", "agent:job:never", "cancel", "1000");
	DO(&f, "HSET", "agent:job:j", "cancel", "1000");
	cr_expect(leftovers(60000, true) == 1);
	cr_expect(leftovers(60000, false) == 1);
	cr_expect(leftovers(60000, false) == 0);
	cr_expect_str_eq(state_of(&f, "j"), "held");
}

Test(operator, one_of_all_may_clean_up)
{
	struct queue_command c;

	queue_cmd_purge_due(&c, &f.setup, 3600000);
	cr_expect(run(&f, &c) == QUEUE_OK);
	cr_expect(run(&f, &c) == QUEUE_ALREADY);
	queue_cmd_purge_due(&c, &f.setup, 0);
	cr_expect(run(&f, &c) == QUEUE_OK);
	/* a clock that was set back keeps nobody waiting */
	DO(&f, "HSET", "agent:meta", "purged_ms", "99999999999999");
	queue_cmd_purge_due(&c, &f.setup, 3600000);
	cr_expect(run(&f, &c) == QUEUE_OK);
}

/* ---- dead letters ---- */

static int
count_letters(const struct queue_letter *letter, void *arg)
{
	int *n = arg;

	cr_expect(letter->name.n == 40);
	(*n)++;
	return 0;
}

static int
stop_at_first(const struct queue_letter *letter, void *arg)
{
	cr_expect(strncmp(letter->job_id.p, arg, letter->job_id.n) == 0, "%.*s",
	    (int)letter->job_id.n, letter->job_id.p);
	return 42;
}

static int
keep_name(const struct queue_letter *letter, void *arg)
{
	(void)snprintf(arg, 9, "%.8s", letter->name.p);
	return 1;
}

Test(operator, dead_letters_are_read_in_pages_newest_first)
{
	struct err err = ERR_INIT;
	char id[16], newest[] = "j44";
	int64_t total = 0;
	int n = 0;

	for (int i = 0; i < 45; i++) {
		(void)snprintf(id, sizeof(id), "j%d", i);
		cr_assert(bury(&f, W0, id, take(&f, W0, "{p}", id), "m") == QUEUE_OK);
	}
	cr_expect(queue_dead_each(f.redis, &f.setup, 0, UINT64_MAX, count_letters, &n,
		      &total, &err) == 0);
	cr_expect(n == 45 && total == 45);
	n = 0;
	cr_expect(queue_dead_each(f.redis, &f.setup, 40, 30, count_letters, &n, &total,
		      &err) == 0);
	cr_expect(n == 5);
	n = 0;
	cr_expect(queue_dead_each(f.redis, &f.setup, 3, 2, count_letters, &n, &total,
		      &err) == 0);
	cr_expect(n == 2);
	cr_expect(queue_dead_each(f.redis, &f.setup, 0, 9, stop_at_first, newest, NULL,
		      &err) == 42);
	f.setup.dead_max = 10;
	cr_expect(queue_dead_trim(f.redis, &f.setup, &err) == 0);
	cr_expect(queue_dead_each(f.redis, &f.setup, 0, 1, stop_at_first, newest,
		      &total, &err) == 42);
	cr_expect(total == 10);
}

Test(operator, letters_are_retried_and_dropped_by_id_or_name)
{
	struct err err = ERR_INIT;
	struct queue_command c;
	char name[16];

	cr_assert(bury(&f, W0, "j", take(&f, W0, "{p}", "j"), "m") == QUEUE_OK);
	DO(&f, "RPUSH", "agent:held:" W0, "garbage");
	queue_cmd_dead_payload(&c, &f.setup, W0, queue_text("garbage"),
	    queue_text("invalid_message"), queue_text(""));
	cr_assert(run(&f, &c) == QUEUE_OK);
	cr_expect(
	    queue_dead_each(f.redis, &f.setup, 0, 1, keep_name, name, NULL, &err) == 1);
	cr_expect(queue_dead_retry(f.redis, &f.setup, "nobody", &err) == -ENOENT);
	cr_expect(queue_dead_retry(f.redis, &f.setup, "", &err) == -ENOENT);
	cr_expect(queue_dead_drop(f.redis, &f.setup, name, &err) == 0, "%s", err.text);
	cr_expect(queue_dead_drop(f.redis, &f.setup, name, &err) == -ENOENT);
	cr_expect(queue_dead_retry(f.redis, &f.setup, "j", &err) == 0, "%s", err.text);
	cr_expect(INT(&f, "LLEN", "agent:dead") == 0);
	cr_expect(INT(&f, "LLEN", "agent:jobs") == 1);
}

/* ---- producers ---- */

Test(operator, a_submitted_job_and_its_result)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	struct queue_text id = queue_text("j");
	struct queue_text payload = { "{\0}", 3 };

	cr_assert(queue_submit(f.redis, &f.setup, payload, &err) == 0);
	cr_expect(INT(&f, "STRLEN", "x") == 0);
	(void)TEXT(&f, "LPOP", "agent:jobs");
	cr_expect(f.reply->len == 3);
	cr_expect(queue_wait_result(f.redis, &f.setup, id, QUEUE_WAIT_POP, 0, NULL,
		      NULL, &out, &err) == -ETIMEDOUT);
	cr_expect(queue_wait_result(f.redis, &f.setup, id, QUEUE_WAIT_PEEK, 30, NULL,
		      NULL, &out, &err) == -ETIMEDOUT);
	cr_expect(queue_wait_result(f.redis, &f.setup, id, QUEUE_WAIT_POP, 30, NULL,
		      NULL, &out, &err) == -ETIMEDOUT);
	DO(&f, "RPUSH", "agent:results:j", "message");
	cr_expect(queue_wait_result(f.redis, &f.setup, id, QUEUE_WAIT_PEEK, 1000, NULL,
		      NULL, &out, &err) == 0);
	cr_expect(queue_wait_result(f.redis, &f.setup, id, QUEUE_WAIT_POP, 1000, NULL,
		      NULL, &out, &err) == 0);
	cr_expect_str_eq(buf_str(&out), "messagemessage");
	cr_expect(INT(&f, "LLEN", "agent:results:j") == 0);
}

static bool
nobody_waits(void *arg)
{
	(void)arg;
	return false;
}

Test(operator, waiting_ends_when_nobody_wants_the_result)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	cr_expect(queue_wait_result(f.redis, &f.setup, queue_text("j"), QUEUE_WAIT_POP,
		      30000, nobody_waits, NULL, &out, &err) == -ECANCELED);
}

/* asked between two looks: the server dies, comes back, and the result arrives */
static bool
play_restart(void *arg)
{
	int *turn = arg;

	switch ((*turn)++) {
	case 0:
		redis_server_kill(f.server);
		break;
	case 2:
		cr_assert(redis_server_restart(f.server));
		break;
	default:
		break;
	}
	if (*turn > 3 && redis_sync_is_up(f.redis))
		DO(&f, "RPUSH", "agent:results:j", "late");
	return true;
}

Test(operator, waiting_outlives_a_restart_of_the_server)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	int turn = 0;

	cr_expect(queue_wait_result(f.redis, &f.setup, queue_text("j"), QUEUE_WAIT_POP,
		      20000, play_restart, &turn, &out, &err) == 0,
	    "%s", err.text);
	cr_expect_str_eq(buf_str(&out), "late");
	cr_expect(redis_sync_epoch(f.redis) == 2);
}
