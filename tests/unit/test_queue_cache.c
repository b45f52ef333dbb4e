/* SPDX-License-Identifier: MIT */
/* test_queue_cache.c - texts that Redis keeps for a while, and counts of uses. */
#include "config.h"

#include "tests/support/queue_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct fixture f;

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

TestSuite(queue_cache, .init = setup, .fini = teardown, .timeout = 60);

#define KEY "agent:cache:ann:x"

static const char *
get(void)
{
	struct queue_command c;
	static char text[64];

	queue_cmd_cache_get(&c, &f.setup, queue_text(KEY));
	cr_assert(run(&f, &c) == QUEUE_OK);
	(void)snprintf(text, sizeof(text), "%.*s", (int)f.answer.cache.text.n,
	    f.answer.cache.text.p);
	return text;
}

Test(queue_cache, a_text_is_kept_for_a_while)
{
	struct queue_command c;

	cr_expect_str_eq(get(), "");
	queue_cmd_cache_put(&c, &f.setup, queue_text(KEY), queue_text("one"), 60);
	cr_expect(run(&f, &c) == QUEUE_OK);
	cr_expect(run(&f, &c) == QUEUE_OK, "sent again");
	cr_expect_str_eq(get(), "one");
	cr_expect(INT(&f, "TTL", KEY) > 0 && INT(&f, "TTL", KEY) <= 60);
	DO(&f, "DEL", KEY);
	DO(&f, "RPUSH", KEY, "of another kind");
	cr_expect_str_eq(get(), "");
}

static int64_t
use(const char *job_id, bool is_mark)
{
	struct queue_command c;

	queue_cmd_use(&c, &f.setup, queue_text(KEY), queue_text(job_id), 60, is_mark);
	cr_assert(run(&f, &c) == QUEUE_OK);
	return f.answer.use.count;
}

Test(queue_cache, a_job_counts_once_however_often_it_is_told)
{
	cr_expect(eq(i64, use("a", false), 1));
	cr_expect(eq(i64, use("a", false), 1));
	cr_expect(eq(i64, use("b", false), 2));
	cr_expect(not(f.answer.use.is_tool));
	cr_expect(eq(i64, use("b", true), 2));
	cr_expect(f.answer.use.is_tool);
	cr_expect(eq(i64, use("c", false), 2), "a tool's uses stand in the store");
	cr_expect(f.answer.use.is_tool);
	cr_expect(INT(&f, "TTL", KEY) > 0);
}

Test(queue_cache, a_key_of_another_kind_counts_nothing)
{
	DO(&f, "SET", KEY, "x");
	cr_expect(eq(i64, use("a", false), 0));
	cr_expect(f.answer.use.is_tool, "nothing is to be made of it");
	cr_expect_str_eq(TEXT(&f, "GET", KEY), "x");
}
