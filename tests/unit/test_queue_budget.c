/* SPDX-License-Identifier: MIT */
/*
 * test_queue_budget.c - reservations against a real Redis: granted, narrowed, refused,
 * put off; settled once; given back by everything that ends or moves a job; families.
 */
#include "config.h"

#include "common/queue/queue_budget.h"
#include "common/queue/queue_fsck.h"
#include "tests/support/queue_fixture.h"

#include <criterion/criterion.h>
#include <hiredis.h>
#include <string.h>

static struct fixture f;

#define W0 "n.b.0.1"
#define W1 "n.b.1.1"

enum {
	JOBS = 20,
	CAP = 1000000, /* micro-USD a day */
	CALL = 90000,  /* of them, at most */
	CALL_TOKENS = 500
};

static void
setup(void)
{
	fixture_init(&f);
	do_register(&f, W0);
	do_register(&f, W1);
}

static void
teardown(void)
{
	fixture_release(&f);
}

TestSuite(budget, .init = setup, .fini = teardown, .timeout = 60);

#define EXPECT_WORD(call, want)                                             \
 do {                                                                       \
  enum queue_word got_ = (call);                                            \
  cr_expect(got_ == (want), "%s: %s, not %s", #call, queue_word_name(got_), \
      queue_word_name(want));                                               \
 } while (0)

static enum queue_word
reserve(const char *id, int64_t token, unsigned turn, int64_t want, int64_t least)
{
	const struct queue_job_ref job = { W0, queue_text(id), token };
	const struct queue_reserve r = { .turn = turn,
		.owner = queue_text("ann:b"),
		.day_microusd = CAP,
		.want_tokens = CALL_TOKENS,
		.want_microusd = want,
		.least_tokens = 10,
		.least_microusd = least };
	struct queue_command c;

	queue_cmd_reserve(&c, &f.setup, &job, &r);
	return run(&f, &c);
}

static enum queue_word
settle(const char *id, int64_t token, unsigned turn, int64_t tokens, int64_t microusd)
{
	const struct queue_job_ref job = { W0, queue_text(id), token };
	const struct queue_spent spent = { turn, tokens, microusd };
	struct queue_command c;

	queue_cmd_settle(&c, &f.setup, &job, &spent);
	return run(&f, &c);
}

static enum queue_word
answer(const char *id, int64_t token, unsigned turn, int64_t tokens, int64_t microusd)
{
	const struct queue_job_ref job = { W0, queue_text(id), token };
	const struct queue_spent spent = { turn, tokens, microusd };
	struct queue_command c;

	queue_cmd_journal(&c, &f.setup, &job, turn, queue_text("answer"), &spent);
	return run(&f, &c);
}

static void
copy_day(const struct queue_owner_day *day, void *arg)
{
	struct queue_owner_day *out = arg;

	*out = *day;
	out->owner = queue_text("");
}

static struct queue_owner_day
day_of(const char *owner)
{
	struct queue_owner_day day = { .used_tokens = -1 };
	struct err err = ERR_INIT;
	int64_t renews_ms = 0;

	cr_assert(queue_budget_each(f.redis, owner, copy_day, &day, &renews_ms, &err) ==
		0,
	    "%s", err.text);
	cr_expect(renews_ms % 86400000 == 0);
	return day;
}

static void
expect_day(int64_t used, int64_t reserved)
{
	struct queue_owner_day day = day_of("ann:b");

	cr_expect(day.used_microusd == used && day.reserved_microusd == reserved,
	    "used %lld, not %lld; reserved %lld, not %lld",
	    (long long)day.used_microusd, (long long)used,
	    (long long)day.reserved_microusd, (long long)reserved);
	cr_expect((reserved == 0) == (day.reserved_tokens == 0));
}

static const char *
id_of(unsigned i)
{
	static char id[4][16];
	char *out = id[i % 4];

	(void)snprintf(out, sizeof(id[0]), "j%u", i);
	return out;
}

static int64_t
take_job(const char *id)
{
	char payload[32];

	(void)snprintf(payload, sizeof(payload), "{%s}", id);
	return take(&f, W0, payload, id);
}

static void
no_finding(const struct queue_finding *finding, void *arg)
{
	(void)arg;
	cr_expect(false, "fsck: %.*s %.*s", (int)finding->key.n, finding->key.p,
	    (int)finding->what.n, finding->what.p);
}

static void
expect_sound(void)
{
	struct queue_fsck_count count;
	struct err err = ERR_INIT;

	cr_assert(
	    queue_fsck(f.redis, &f.setup, false, no_finding, NULL, &count, &err) == 0);
}

/* ---- one call ---- */

Test(budget, a_reservation_is_made_once_and_settled_once)
{
	int64_t token = take_job("j");

	EXPECT_WORD(reserve("j", token, 0, CALL, 10), QUEUE_OK);
	cr_expect(f.answer.reserve.microusd == CALL &&
	    f.answer.reserve.tokens == CALL_TOKENS);
	cr_expect(f.answer.reserve.budget == QUEUE_BUDGET_NONE);
	EXPECT_WORD(reserve("j", token, 0, CALL, 10), QUEUE_ALREADY);
	cr_expect(f.answer.reserve.microusd == CALL);
	expect_day(0, CALL);
	expect_sound();
	EXPECT_WORD(answer("j", token, 0, 7, 1234), QUEUE_OK);
	EXPECT_WORD(answer("j", token, 0, 7, 1234), QUEUE_ALREADY);
	EXPECT_WORD(settle("j", token, 0, 7, 1234), QUEUE_ALREADY);
	expect_day(1234, 0);
	cr_expect(day_of("ann:b").used_tokens == 7);
	cr_expect(INT(&f, "HEXISTS", "agent:job:j", "reserved") == 0);
}

Test(budget, a_call_without_an_answer_is_charged_what_it_cost)
{
	int64_t token = take_job("j");

	EXPECT_WORD(reserve("j", token, 3, CALL, 10), QUEUE_OK);
	EXPECT_WORD(settle("j", token, 2, 7, 99), QUEUE_ALREADY); /* of another turn */
	expect_day(0, CALL);
	EXPECT_WORD(settle("j", token, 3, 7, 99), QUEUE_OK);
	expect_day(99, 0);
}

Test(budget, the_next_turn_gives_back_what_the_last_one_left)
{
	int64_t token = take_job("j");

	EXPECT_WORD(reserve("j", token, 0, CALL, 10), QUEUE_OK);
	EXPECT_WORD(reserve("j", token, 1, 2 * CALL, 10), QUEUE_OK);
	expect_day(0, 2 * CALL);
	EXPECT_WORD(answer("j", token, 0, 7, 99),
	    QUEUE_OK); /* too late to be charged */
	expect_day(0, 2 * CALL);
}

Test(budget, only_the_holder_with_the_token_reserves)
{
	int64_t token = take_job("j");

	EXPECT_WORD(reserve("j", token + 1, 0, CALL, 10), QUEUE_FENCED);
	EXPECT_WORD(reserve("k", token, 0, CALL, 10), QUEUE_FENCED);
	EXPECT_WORD(settle("j", token + 1, 0, 1, 1), QUEUE_FENCED);
	EXPECT_WORD(recover(&f, W0), QUEUE_OK);
	EXPECT_WORD(reserve("j", token, 0, CALL, 10), QUEUE_FENCED);
	expect_day(0, 0);
}

Test(budget, the_day_s_key_outlives_the_day_and_not_much_more)
{
	int64_t token = take_job("j");
	char key[64];
	long long now = INT(&f, "LASTSAVE");

	EXPECT_WORD(reserve("j", token, 0, CALL, 10), QUEUE_OK);
	(void)snprintf(key, sizeof(key), "agent:limit:owner:ann:b:%lld", now / 86400);
	cr_expect(INT(&f, "TTL", key) > 86400 && INT(&f, "TTL", key) <= 2 * 86400);
	DO(&f, "DEL", key); /* a day that is long over */
	EXPECT_WORD(answer("j", token, 0, 7, 99), QUEUE_OK);
	cr_expect(INT(&f, "EXISTS", key) == 0);
}

/* ---- at the cap ---- */

Test(budget, what_is_left_is_granted_when_nobody_else_has_reserved)
{
	int64_t a = take_job("a");

	EXPECT_WORD(reserve("a", a, 0, CAP - 100, 10), QUEUE_OK);
	EXPECT_WORD(answer("a", a, 0, 7, CAP - 100), QUEUE_OK);
	EXPECT_WORD(reserve("a", a, 1, CALL, 10), QUEUE_OK);
	cr_expect(f.answer.reserve.microusd == 100);
	cr_expect(f.answer.reserve.budget == QUEUE_BUDGET_OWNER);
	cr_expect(f.answer.reserve.is_money);
	EXPECT_WORD(reserve("a", a, 1, CALL, 10), QUEUE_ALREADY);
	cr_expect(f.answer.reserve.microusd == 100 &&
	    f.answer.reserve.budget == QUEUE_BUDGET_OWNER);
	EXPECT_WORD(answer("a", a, 1, 7, 95), QUEUE_OK);
	EXPECT_WORD(reserve("a", a, 2, CALL, 10), QUEUE_EXCEEDED);
	cr_expect(f.answer.reserve.used == CAP - 5 && f.answer.reserve.cap == CAP);
	cr_expect(f.answer.reserve.renews_ms % 86400000 == 0);
	EXPECT_WORD(reserve("a", a, 2, CALL, 5), QUEUE_OK);
}

Test(budget, what_others_have_reserved_is_waited_for)
{
	int64_t a = take_job("a"), b = take_job("b");

	EXPECT_WORD(reserve("a", a, 0, CAP - 100, 10), QUEUE_OK);
	EXPECT_WORD(reserve("b", b, 0, CALL, 10), QUEUE_WAIT);
	cr_expect(f.answer.reserve.reserved == CAP - 100);
	expect_day(0, CAP - 100);
	EXPECT_WORD(answer("a", a, 0, 7, 50), QUEUE_OK);
	EXPECT_WORD(reserve("b", b, 0, CALL, 10), QUEUE_OK);
	expect_day(50, CALL);
}

Test(budget, tokens_have_a_cap_of_their_own)
{
	const struct queue_job_ref job = { W0, queue_text("a"), take_job("a") };
	struct queue_reserve r = { .owner = queue_text("ann:b"),
		.day_tokens = 100,
		.want_tokens = 150,
		.want_microusd = 7,
		.least_tokens = 60,
		.least_microusd = 7 };
	struct queue_command c;

	queue_cmd_reserve(&c, &f.setup, &job, &r);
	EXPECT_WORD(run(&f, &c), QUEUE_OK);
	cr_expect(f.answer.reserve.tokens == 100 && !f.answer.reserve.is_money);
	EXPECT_WORD(settle("a", job.token, 0, 50, 7), QUEUE_OK);
	r.turn = 1;
	queue_cmd_reserve(&c, &f.setup, &job, &r);
	EXPECT_WORD(run(&f, &c), QUEUE_EXCEEDED);
	cr_expect(f.answer.reserve.used == 50 && f.answer.reserve.cap == 100);
}

struct crowd {
	int64_t token[JOBS];
	unsigned turn[JOBS], n_over;
	bool is_over[JOBS], is_calling[JOBS];
};

/* Everybody who may asks for a call: then they are under way at once. */
static void
all_reserve(struct crowd *c)
{
	for (unsigned i = 0; i < JOBS; i++) {
		enum queue_word word = c->is_over[i]
		    ? QUEUE_EXCEEDED
		    : reserve(id_of(i), c->token[i], c->turn[i], CALL, CALL / 2);

		c->is_calling[i] = word == QUEUE_OK;
		c->n_over += word == QUEUE_EXCEEDED && !c->is_over[i];
		c->is_over[i] = word == QUEUE_EXCEEDED;
	}
}

static void
all_are_answered(struct crowd *c)
{
	for (unsigned i = 0; i < JOBS; i++)
		if (c->is_calling[i])
			EXPECT_WORD(answer(id_of(i), c->token[i], c->turn[i]++, 1,
					CALL / 2 + 1000 * (int64_t)i),
			    QUEUE_OK);
}

Test(budget, twenty_jobs_at_once_never_pass_the_cap)
{
	struct crowd c = { .n_over = 0 };
	struct queue_owner_day day;

	for (unsigned i = 0; i < JOBS; i++)
		c.token[i] = take_job(id_of(i));
	for (unsigned round = 0; c.n_over < JOBS; round++) {
		cr_assert(round < 1000, "somebody waits for ever");
		all_reserve(&c);
		day = day_of("ann:b");
		cr_expect(day.used_microusd + day.reserved_microusd <= CAP);
		all_are_answered(&c);
	}
	day = day_of("ann:b");
	cr_expect(day.used_microusd <= CAP && day.used_microusd > CAP - CALL, "%lld",
	    (long long)day.used_microusd);
	cr_expect(day.reserved_microusd == 0 && day.reserved_tokens == 0);
	for (unsigned i = 0; i < JOBS; i++)
		EXPECT_WORD(finish(&f, W0, id_of(i), c.token[i], "m"), QUEUE_OK);
	expect_sound();
}

/* ---- given back ---- */

static enum queue_word
end_by_finish(int64_t token)
{
	return finish(&f, W0, "j", token, "m");
}

static enum queue_word
end_by_bury(int64_t token)
{
	return bury(&f, W0, "j", token, "m");
}

static enum queue_word
end_by_retry(int64_t token)
{
	return retry_job(&f, W0, "j", token, 60000);
}

static enum queue_word
end_by_release(int64_t token)
{
	return release_job(&f, W0, "j", token, 0);
}

static enum queue_word
end_by_delay(int64_t token)
{
	return release_job(&f, W0, "j", token, 1000);
}

static enum queue_word
end_by_park(int64_t token)
{
	return park(&f, W0, "j", token);
}

static enum queue_word
end_by_unclaim(int64_t token)
{
	struct queue_command c;

	(void)token;
	queue_cmd_unclaim(&c, &f.setup, W0, queue_text("j"), true);
	return run(&f, &c);
}

static enum queue_word
end_by_recover(int64_t token)
{
	(void)token;
	return recover(&f, W0);
}

static enum queue_word
end_by_quarantine(int64_t token)
{
	(void)token;
	return recover_blaming(&f, W0, QUEUE_BLAME_CULPRIT, "j");
}

static enum queue_word
end_by_adoption(int64_t token)
{
	(void)token; /* the holder begins anew what it had forgotten */
	return begin_id(&f, W0, "j");
}

static const struct {
	const char *name;
	enum queue_word (*end)(int64_t token);
} ends[] = {
	{ "finish", end_by_finish },
	{ "bury", end_by_bury },
	{ "retry", end_by_retry },
	{ "release", end_by_release },
	{ "release with delay", end_by_delay },
	{ "park", end_by_park },
	{ "unclaim", end_by_unclaim },
	{ "recover", end_by_recover },
	{ "recover to quarantine", end_by_quarantine },
	{ "begin", end_by_adoption },
};

Test(budget, everything_that_ends_or_moves_a_job_gives_its_reservation_back)
{
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		int64_t token;

		DO(&f, "FLUSHALL");
		do_register(&f, W0);
		token = take_job("j");
		EXPECT_WORD(reserve("j", token, 0, CALL, 10), QUEUE_OK);
		expect_day(0, CALL);
		cr_expect(ends[i].end(token) == QUEUE_OK, "%s", ends[i].name);
		cr_expect(day_of("ann:b").reserved_microusd == 0, "%s", ends[i].name);
		cr_expect(INT(&f, "HEXISTS", "agent:job:j", "reserved") == 0, "%s",
		    ends[i].name);
		expect_sound();
	}
}

/* ---- families ---- */

static enum queue_word
spawn(const char *parent, int64_t token, const char *child, int64_t cap, int64_t used)
{
	const struct queue_job_ref job = { W0, queue_text(parent), token };
	char payload[32];
	struct queue_spawn s = { .child = queue_text(child),
		.cap_tokens = 1000000,
		.cap_microusd = cap,
		.used_tokens = 1,
		.used_microusd = used };
	struct queue_command c;

	(void)snprintf(payload, sizeof(payload), "{%s}", child);
	s.payload = queue_text(payload);
	queue_cmd_spawn(&c, &f.setup, &job, &s);
	return run(&f, &c);
}

static int64_t
take_child(const char *id)
{
	char payload[32];

	(void)snprintf(payload, sizeof(payload), "{%s}", id);
	cr_assert(claim(&f, W0));
	cr_assert(begin(&f, W0, payload, id) == QUEUE_OK);
	cr_expect(f.answer.begin.has_family);
	return f.answer.begin.token;
}

Test(budget, a_child_draws_on_what_its_parent_has_left_and_so_does_its_own_child)
{
	int64_t root = take_job("root"), child, grandchild;

	cr_expect(!f.answer.begin.has_family);
	EXPECT_WORD(spawn("root", root + 1, "child", 1000, 300), QUEUE_FENCED);
	EXPECT_WORD(spawn("root", root, "child", 1000, 300), QUEUE_OK);
	EXPECT_WORD(spawn("root", root, "child", 1000, 300), QUEUE_ALREADY);
	cr_expect(INT(&f, "LLEN", "agent:jobs") == 1);
	expect_sound();
	child = take_child("child");
	EXPECT_WORD(spawn("root", root, "child", 1000, 300), QUEUE_ALREADY);
	EXPECT_WORD(spawn("child", child, "grandchild", 9000, 0), QUEUE_OK);
	grandchild = take_child("grandchild");
	EXPECT_WORD(reserve("child", child, 0, 400, 10), QUEUE_OK);
	EXPECT_WORD(reserve("grandchild", grandchild, 0, 400, 10), QUEUE_WAIT);
	expect_sound();
	EXPECT_WORD(answer("child", child, 0, 5, 400), QUEUE_OK);
	EXPECT_WORD(reserve("grandchild", grandchild, 0, 400, 10), QUEUE_OK);
	cr_expect(f.answer.reserve.microusd == 300);
	cr_expect(f.answer.reserve.budget == QUEUE_BUDGET_FAMILY);
	EXPECT_WORD(reserve("root", root, 0, 400, 10), QUEUE_WAIT);
	EXPECT_WORD(answer("grandchild", grandchild, 0, 5, 295), QUEUE_OK);
	EXPECT_WORD(reserve("root", root, 0, 400, 10), QUEUE_EXCEEDED);
	cr_expect(f.answer.reserve.used == 995 && f.answer.reserve.cap == 1000);
	/* the owner pays for all of them */
	expect_day(695, 0);
	expect_sound();
}

Test(budget, a_child_takes_no_other_job_s_id)
{
	int64_t root = take_job("root");

	(void)take_job("other");
	EXPECT_WORD(spawn("root", root, "other", 1000, 0), QUEUE_BUSY);
	cr_expect(INT(&f, "LLEN", "agent:jobs") == 0);
}

Test(budget, a_parent_that_starts_anew_has_all_of_it_and_its_former_children_nothing)
{
	int64_t root = take_job("root"), child;

	EXPECT_WORD(spawn("root", root, "child", 1000, 300), QUEUE_OK);
	child = take_child("child");
	EXPECT_WORD(fail(&f, W0, "root", root, "m"), QUEUE_OK);
	EXPECT_WORD(reserve("child", child, 0, 100, 10),
	    QUEUE_OK); /* it is still there */
	EXPECT_WORD(answer("child", child, 0, 5, 100), QUEUE_OK);
	push(&f, "{root}");
	cr_assert(claim(&f, W0));
	EXPECT_WORD(begin_retry(&f, W0, "{root}", "{root}", "root", 1), QUEUE_OK);
	cr_expect(!f.answer.begin.has_family);
	EXPECT_WORD(reserve("child", child, 1, 100, 10), QUEUE_EXCEEDED);
	cr_expect(f.answer.reserve.budget == QUEUE_BUDGET_FAMILY);
	cr_expect(f.answer.reserve.cap == 0);
	expect_sound();
}

/* ---- looking ---- */

static void
count_owners(const struct queue_owner_day *day, void *arg)
{
	unsigned *n = arg;

	(*n)++;
	cr_expect(day->owner.n == 5 && memcmp(day->owner.p, "ann:b", 5) == 0, "%.*s",
	    (int)day->owner.n, day->owner.p);
}

Test(budget, owners_of_today_are_listed_and_others_are_not)
{
	int64_t token = take_job("j"), renews_ms;
	struct err err = ERR_INIT;
	unsigned n = 0;

	EXPECT_WORD(reserve("j", token, 0, CALL, 10), QUEUE_OK);
	DO(&f, "HSET", "agent:limit:owner:old:12345", "used_usd", "7");
	cr_assert(
	    queue_budget_each(f.redis, NULL, count_owners, &n, &renews_ms, &err) == 0);
	cr_expect(n == 1);
	cr_expect(day_of("nobody").used_tokens == 0);
}
