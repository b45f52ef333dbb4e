/* SPDX-License-Identifier: MIT */
/* test_redis_link.c - the worker's connection to Redis, against a real server. */
#include "config.h"

#include "common/clock.h"
#include "tests/support/queue_fixture.h"
#include "worker/redis.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <string.h>

enum {
	PATIENCE_MS = 20000,
	SILENCE_MS = 1500
};

TestSuite(redis_link, .timeout = 60);

/* One server, one loop, one link. */
struct stage {
	struct fixture queue;
	struct redis_target *target;
	struct loop *loop;
	struct fibers *fibers;
	struct redis_link *link;
	unsigned ups, downs;
};

static void
on_up(void *ctx)
{
	((struct stage *)ctx)->ups++;
}

static void
on_down(void *ctx, const char *why)
{
	cr_expect(why[0] != '\0');
	((struct stage *)ctx)->downs++;
}

static void
stage_link(struct stage *s, const char *url)
{
	struct redis_hooks hooks = { .ctx = s, .on_up = on_up, .on_down = on_down };
	struct err err = ERR_INIT;

	cr_assert(eq(int, redis_target_from_url(url, "/", &s->target, &err), 0), "%s",
	    err.text);
	s->link = redis_link_new(s->loop, s->target, SILENCE_MS, &hooks);
	cr_assert(s->link != NULL);
}

static void
stage_init(struct stage *s)
{
	memset(s, 0, sizeof(*s));
	fixture_init(&s->queue);
	s->loop = loop_new();
	s->fibers = fibers_new(s->loop, 4);
	stage_link(s, redis_server_url(s->queue.server));
}

static void
stage_release(struct stage *s)
{
	redis_link_free(s->link);
	fibers_free(s->fibers);
	loop_free(s->loop);
	redis_target_free(s->target);
	fixture_release(&s->queue);
}

#define STAGE(s)                        \
 CLEANUP(stage_release) struct stage s; \
 stage_init(&s)

/* Turns the loop until *flag reaches n. */
static void
turn_until(struct stage *s, const unsigned *flag, unsigned n)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;

	while (*flag < n) {
		cr_assert(lt(u64, clock_mono_ms(), end));
		cr_assert(eq(int, loop_turn(s->loop, 20), 0));
	}
}

/* One operation in a fiber of its own. */
struct op {
	struct stage *stage;
	struct queue_command cmd;
	struct queue_answer answer;
	struct err err;
	uint64_t due_ms;
	struct fiber *fiber;
	unsigned is_done;
	int result;
};

static void
run_op(void *ctx)
{
	struct op *op = ctx;

	op->result = redis_op(op->stage->link, &op->cmd, NULL, NULL, &op->answer,
	    op->due_ms, &op->err);
	op->is_done = 1;
}

static void
op_start(struct stage *s, struct op *op)
{
	op->stage = s;
	op->is_done = 0;
	op->fiber = fiber_start(s->fibers, run_op, op);
	cr_assert(op->fiber != NULL);
}

static void
op_finish(struct stage *s, struct op *op)
{
	turn_until(s, &op->is_done, 1);
}

static void
op_register(struct stage *s, struct op *op, const char *holder)
{
	queue_cmd_register(&op->cmd, &s->queue.setup, holder, 1);
	op_start(s, op);
}

Test(redis_link, an_operation_waits_for_the_connection)
{
	struct op op = { .due_ms = 0 };

	STAGE(s);
	op_register(&s, &op, "n.b.0.1");
	cr_assert(eq(int, loop_turn(s.loop, 0), 0)); /* tries, is told: down */
	cr_expect(redis_link_is_away(s.link));
	redis_link_start(s.link);
	op_finish(&s, &op);
	cr_expect(eq(int, op.result, 0));
	cr_expect(eq(int, op.answer.word, QUEUE_OK));
	cr_expect(redis_link_is_away(s.link) == false);
	cr_expect(eq(uint, s.ups, 1));
}

Test(redis_link, a_server_that_forgot_its_scripts_gets_them_again)
{
	struct op op = { .due_ms = 0 };

	STAGE(s);
	redis_link_start(s.link);
	turn_until(&s, &s.ups, 1);
	DO(&s.queue, "SCRIPT", "FLUSH");
	op_register(&s, &op, "n.b.0.1");
	op_finish(&s, &op);
	cr_expect(eq(int, op.result, 0));
	cr_expect(eq(int, op.answer.word, QUEUE_OK));
}

Test(redis_link, a_server_that_says_later_is_asked_again_until_it_does_not)
{
	struct op op = { .due_ms = 0 };
	uint64_t until;

	STAGE(s);
	redis_link_start(s.link);
	turn_until(&s, &s.ups, 1);
	DO(&s.queue, "CONFIG", "SET", "maxmemory", "1"); /* every write: -OOM */
	op_register(&s, &op, "n.b.0.1");
	for (until = clock_mono_ms() + PATIENCE_MS; !redis_link_is_away(s.link);) {
		cr_assert(lt(u64, clock_mono_ms(), until));
		(void)loop_turn(s.loop, 20);
	}
	cr_expect(redis_link_is_up(s.link));
	cr_expect(eq(uint, op.is_done, 0));
	DO(&s.queue, "CONFIG", "SET", "maxmemory", "0");
	op_finish(&s, &op);
	cr_expect(eq(int, op.result, 0));
	cr_expect(redis_link_is_away(s.link) == false);
}

Test(redis_link, a_server_that_says_later_until_the_deadline_is_named)
{
	struct op op = { .due_ms = clock_mono_ms() + 300 };

	STAGE(s);
	redis_link_start(s.link);
	turn_until(&s, &s.ups, 1);
	DO(&s.queue, "CONFIG", "SET", "maxmemory", "1");
	op_register(&s, &op, "n.b.0.1");
	op_finish(&s, &op);
	cr_expect(eq(int, op.result, -ETIMEDOUT));
	cr_expect(strstr(op.err.text, "OOM") != NULL, "%s", op.err.text);
}

Test(redis_link, what_was_under_way_when_the_server_died_is_sent_again)
{
	struct op op = { .due_ms = 0 };

	STAGE(s);
	redis_link_start(s.link);
	turn_until(&s, &s.ups, 1);
	redis_server_pause(s.queue.server, true);
	op_register(&s, &op, "n.b.0.1");
	for (int i = 0; i < 3; i++)
		(void)loop_turn(s.loop, 20); /* it is sent, and nobody answers */
	cr_expect(eq(uint, op.is_done, 0));
	redis_server_kill(s.queue.server);
	turn_until(&s, &s.downs, 1);
	cr_assert(redis_server_restart(s.queue.server));
	op_finish(&s, &op);
	cr_expect(eq(int, op.result, 0));
	cr_expect(eq(uint, s.ups, 2));
}

Test(redis_link, a_server_that_is_silent_for_too_long_counts_as_gone)
{
	struct op op = { .due_ms = 0 };

	STAGE(s);
	redis_link_start(s.link);
	turn_until(&s, &s.ups, 1);
	redis_server_pause(s.queue.server, true);
	op_register(&s, &op, "n.b.0.1");
	turn_until(&s, &s.downs, 1);
	redis_server_pause(s.queue.server, false);
	op_finish(&s, &op);
	cr_expect(eq(int, op.result, 0));
	cr_expect(op.answer.word == QUEUE_OK || op.answer.word == QUEUE_ALREADY);
}

Test(redis_link, an_interrupted_operation_returns_and_its_late_reply_harms_nobody)
{
	struct op op = { .due_ms = 0 }, next = { .due_ms = 0 };

	STAGE(s);
	redis_link_start(s.link);
	turn_until(&s, &s.ups, 1);
	redis_server_pause(s.queue.server, true);
	op_register(&s, &op, "n.b.0.1");
	(void)loop_turn(s.loop, 20);
	fiber_interrupt(op.fiber);
	op_finish(&s, &op);
	cr_expect(eq(int, op.result, -ECANCELED));
	memset(&op, 0xaa, sizeof(op)); /* its frame is gone when the reply comes */
	redis_server_pause(s.queue.server, false);
	op_register(&s, &next, "n.b.0.2");
	op_finish(&s, &next);
	cr_expect(eq(int, next.result, 0));
}

Test(redis_link, a_wait_for_a_server_that_is_away_can_be_interrupted)
{
	struct op op = { .due_ms = 0 };

	STAGE(s);
	op_register(&s, &op, "n.b.0.1"); /* the link was never started */
	(void)loop_turn(s.loop, 20);
	fiber_interrupt(op.fiber);
	op_finish(&s, &op);
	cr_expect(eq(int, op.result, -ECANCELED));
}

Test(redis_link, a_deadline_passes_while_the_server_is_away)
{
	struct op op = { .due_ms = clock_mono_ms() + 50 };

	STAGE(s);
	op_register(&s, &op, "n.b.0.1");
	op_finish(&s, &op);
	cr_expect(eq(int, op.result, -ETIMEDOUT));
	cr_expect(strstr(op.err.text, "away") != NULL, "%s", op.err.text);
}

struct copied {
	char word[16];
};

static void
copy_text(void *ctx, const struct redisReply *reply)
{
	struct copied *c = ctx;

	(void)snprintf(c->word, sizeof(c->word), "%s",
	    reply == NULL            ? "lost"
		: reply->str != NULL ? reply->str
				     : "other");
}

Test(redis_link, a_plain_command_is_refused_while_down_and_answered_while_up)
{
	const char *argv[1] = { "PING" };
	struct copied got = { "" };
	uint64_t end;

	STAGE(s);
	cr_expect(eq(int, redis_link_send(s.link, 1, argv, NULL, copy_text, &got),
	    -ENOTCONN));
	redis_link_start(s.link);
	turn_until(&s, &s.ups, 1);
	cr_assert(eq(int, redis_link_send(s.link, 1, argv, NULL, copy_text, &got), 0));
	for (end = clock_mono_ms() + PATIENCE_MS; got.word[0] == '\0';) {
		cr_assert(lt(u64, clock_mono_ms(), end));
		(void)loop_turn(s.loop, 20);
	}
	cr_expect(strcmp(got.word, "PONG") == 0);
}

Test(redis_link, freeing_answers_what_is_under_way)
{
	const char *argv[1] = { "PING" };
	struct copied got = { "" };

	STAGE(s);
	redis_link_start(s.link);
	turn_until(&s, &s.ups, 1);
	cr_assert(eq(int, redis_link_send(s.link, 1, argv, NULL, copy_text, &got), 0));
	redis_link_free(TAKE_PTR(s.link));
	cr_expect(strcmp(got.word, "lost") == 0);
}

Test(redis_link, a_wrong_password_keeps_the_link_down_and_says_why)
{
	STAGE(s);
	DO(&s.queue, "CONFIG", "SET", "requirepass", "right");
	redis_link_start(s.link);
	turn_until(&s, &s.downs, 2);
	cr_expect(eq(uint, s.ups, 0));
	cr_expect(redis_link_is_up(s.link) == false);
}

static void
fake_resolver(void *ctx, const char *host, unsigned n, redis_found_fn *found, void *arg)
{
	unsigned *asked = ctx;

	cr_expect(strcmp(host, "redis.example") == 0);
	cr_expect(eq(uint, n, *asked));
	(*asked)++;
	found(arg, NULL, "no such host");
}

Test(redis_link, a_name_goes_to_the_resolver_and_an_address_does_not)
{
	unsigned asked = 0;

	STAGE(s);
	redis_link_free(s.link);
	redis_target_free(s.target);
	stage_link(&s, "redis://redis.example:6379/0");
	redis_link_set_resolver(s.link, fake_resolver, &asked);
	redis_link_start(s.link);
	turn_until(&s, &s.downs, 3);
	cr_expect(eq(uint, asked, 3));

	redis_link_free(s.link);
	redis_target_free(s.target);
	stage_link(&s, "redis://127.0.0.1:1/0"); /* nobody listens there */
	redis_link_set_resolver(s.link, fake_resolver, &asked);
	redis_link_start(s.link);
	turn_until(&s, &s.downs, 4);
	cr_expect(eq(uint, asked, 3));
}
