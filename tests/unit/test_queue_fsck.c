/* SPDX-License-Identifier: MIT */
/*
 * test_queue_fsck.c - a healthy queue gives no finding, each planted damage gives its
 * own, and what can be mended safely is clean afterwards.
 */
#include "config.h"

#include "common/queue/queue_fsck.h"
#include "tests/support/queue_fixture.h"

#include <criterion/criterion.h>
#include <hiredis.h>
#include <string.h>

static struct fixture f;
static struct buf findings; /* of the last run, a line each */

#define W0 "n.b.0.1"
#define W1 "n.b.1.1"

/* One job in each state: h held, q queued, d delayed, p parked, a alone, c claimed from
   the alone, x done, y failed, z dead; and one waiting payload. */
static void
populate(void)
{
	do_register(&f, W0);
	do_register(&f, W1);
	take(&f, W0, "{c}", "c");
	take(&f, W1, "{a}", "a");
	cr_assert(recover_blaming(&f, W0, QUEUE_BLAME_CULPRIT, "c") == QUEUE_OK);
	cr_assert(recover_blaming(&f, W1, QUEUE_BLAME_CULPRIT, "a") == QUEUE_OK);
	do_register(&f, "n.b.0.2");
	cr_assert(recover(&f, "n.b.0.2") == QUEUE_OK);
	do_register(&f, "n.b.0.3");
	cr_assert(finish(&f, "n.b.0.3", "x", take(&f, "n.b.0.3", "{x}", "x"), "m") ==
	    QUEUE_OK);
	cr_assert(
	    fail(&f, "n.b.0.3", "y", take(&f, "n.b.0.3", "{y}", "y"), "m") == QUEUE_OK);
	cr_assert(
	    bury(&f, "n.b.0.3", "z", take(&f, "n.b.0.3", "{z}", "z"), "m") == QUEUE_OK);
	cr_assert(retry_job(&f, "n.b.0.3", "d", take(&f, "n.b.0.3", "{d}", "d"),
		      3600000) == QUEUE_OK);
	cr_assert(
	    park(&f, "n.b.0.3", "p", take(&f, "n.b.0.3", "{p}", "p")) == QUEUE_OK);
	take(&f, "n.b.0.3", "{h}", "h");
	cr_assert(write_journal(&f, "n.b.0.3", "h", 1, 0, "turn") == QUEUE_OK);
	cr_assert(release_job(&f, "n.b.0.3", "q", take(&f, "n.b.0.3", "{q}", "q"), 0) ==
	    QUEUE_OK);
	push(&f, "{waiting}");
	cr_assert(claim_alone(&f, "n.b.0.3")); /* the first that came: c */
}

static void
setup(void)
{
	fixture_init(&f);
	populate();
}

static void
teardown(void)
{
	buf_release(&findings);
	fixture_release(&f);
}

TestSuite(fsck, .init = setup, .fini = teardown, .timeout = 60);

static void
note(const struct queue_finding *finding, void *arg)
{
	(void)arg;
	buf_addf(&findings, "%.*s %.*s %.*s%s\n", (int)finding->severity.n,
	    finding->severity.p, (int)finding->key.n, finding->key.p,
	    (int)finding->what.n, finding->what.p,
	    finding->is_repaired ? " (repaired)" : "");
}

static struct queue_fsck_count
fsck(bool repair)
{
	struct queue_fsck_count count;
	struct err err = ERR_INIT;

	buf_clear(&findings);
	cr_assert(queue_fsck(f.redis, &f.setup, repair, note, NULL, &count, &err) == 0,
	    "%s", err.text);
	return count;
}

Test(fsck, a_healthy_queue_gives_no_finding)
{
	struct queue_fsck_count count = fsck(true);

	cr_expect_str_eq(buf_str(&findings), "");
	cr_expect(count.jobs == 9, "%d", (int)count.jobs);
	cr_expect(count.errors + count.warnings + count.infos + count.repaired == 0);
}

struct damage {
	const char *commands[3][6];
	const char *want; /* a line that must be among the findings */
	bool is_mended;
	const char *state_of, *state; /* after the repair */
};

static const struct damage damages[] = {
	{ { { "HSET", "agent:job:h", "state", "lost" } },
	    "error agent:job:h has the unknown state lost", false, NULL, NULL },
	{ { { "HDEL", "agent:job:h", "state" } }, "error agent:job:h has no state",
	    false, NULL, NULL },
	{ { { "EXPIRE", "agent:job:h", "100" } },
	    "error agent:job:h is held, but its hash expires", true, "h", "held" },
	{ { { "EXPIRE", "agent:journal:h", "100" } },
	    "error agent:job:h is held, but its journal expires", true, "h", "held" },
	{ { { "HDEL", "agent:job:q", "payload" } },
	    "error agent:job:q is queued, but its payload is lost", false, NULL, NULL },
	{ { { "LREM", "agent:jobs", "1", "{q}" } },
	    "error agent:job:q is queued, but stands nowhere", true, "q", "queued" },
	{ { { "LREM", "agent:held:n.b.0.3", "1", "h" } },
	    "error agent:job:h is held, but stands nowhere", true, "h", "queued" },
	{ { { "ZREM", "agent:delayed", "d" } },
	    "error agent:job:d is delayed, but stands nowhere", true, "d", "delayed" },
	{ { { "HDEL", "agent:parked", "p" } },
	    "error agent:job:p is parked, but stands nowhere", true, "p", "parked" },
	{ { { "DEL", "agent:jobs:alone" } },
	    "error agent:job:a is alone, but stands nowhere", true, "a", "alone" },
	{ { { "ZREM", "agent:holders", "n.b.0.3" } },
	    "error agent:job:h is held by a holder that nobody knows: n.b.0.3", true,
	    "h", "held" },
	{ { { "ZREM", "agent:holders", "n.b.0.3" } },
	    "error agent:held:n.b.0.3 nobody knows this holder", true, "h", "held" },
	{ { { "ZADD", "agent:delayed", "1", "h" } },
	    "error agent:job:h is held, but stands among the delayed too", true, "h",
	    "held" },
	{ { { "HSET", "agent:parked", "x", "why" } },
	    "error agent:job:x is done, but stands among the parked too", true, "x",
	    "done" },
	{ { { "LPUSH", "agent:jobs:alone", "d" } },
	    "error agent:job:d is delayed, but stands among the alone too", true, "d",
	    "delayed" },
	{ { { "RPUSH", "agent:held:n.b.0.3", "x" } },
	    "error agent:held:n.b.0.3 holds the id x, whose job is done", true, "x",
	    "done" },
	{ { { "PERSIST", "agent:job:x" } },
	    "warning agent:job:x is done, but never expires", true, "x", "done" },
	{ { { "RPUSH", "agent:journal:y", "turn" } },
	    "warning agent:job:y is failed, but its journal never expires", true, "y",
	    "failed" },
	{ { { "HDEL", "agent:job:z", "message" } },
	    "warning agent:job:z is dead, but its message is not there", false, NULL,
	    NULL },
	{ { { "HSET", "agent:job:m", "cancel", "1000" } },
	    "info agent:job:m is the mark of a cancelled job that never came", true,
	    "m", "" },
	{ { { "SET", "agent:job:s", "text" } },
	    "error agent:job:s is a string, not a hash", false, NULL, NULL },
	{ { { "RPUSH", "agent:journal:gone", "turn" } },
	    "warning agent:journal:gone is the journal of a job that is gone", true,
	    NULL, NULL },
	{ { { "PERSIST", "agent:results:x" } }, "warning agent:results:x never expires",
	    true, NULL, NULL },
	{ { { "RPUSH", "agent:results:x", "again" } },
	    "error agent:results:x holds more than one result", false, NULL, NULL },
	{ { { "LPUSH", "agent:jobs", "garbage" } },
	    "info agent:jobs 1 of the first payloads are no JSON objects", false, NULL,
	    NULL },
	{ { { "ZADD", "agent:delayed", "1", "ghost" } },
	    "error agent:delayed names ghost, of which nothing is known", true, NULL,
	    NULL },
	{ { { "LPUSH", "agent:jobs:alone", "a" } },
	    "error agent:jobs:alone names a twice", true, "a", "alone" },
	{ { { "HSET", "agent:parked", "ghost", "" } },
	    "error agent:parked names ghost, of which nothing is known", true, NULL,
	    NULL },
	{ { { "LPUSH", "agent:dead", "not a letter" } },
	    "warning agent:dead 1 of the newest elements are no dead letters", false,
	    NULL, NULL },
	{ { { "ZADD", "agent:fenced", "5", "n.b.0.3" } },
	    "error agent:holders n.b.0.3 is live and fenced at once", true, NULL,
	    NULL },
	{ { { "LPUSH", "agent:held:" W0, "{late}" },
	      { "ZADD", "agent:fenced", "1000", W0 } },
	    "warning agent:held:" W0 " its holder was fenced more than an hour ago",
	    true, NULL, NULL },
	{ { { "RPUSH", "agent:session:o:s", "x" } },
	    "warning agent:session:o:s never expires", false, NULL, NULL },
	{ { { "HSET", "agent:job:q", "reserved",
	      "{\"id\":\"1:0\",\"tokens\":5,\"usd\":7}" } },
	    "error agent:job:q has reserved something of a budget, but is queued", true,
	    "q", "queued" },
	{ { { "HSET", "agent:limit:owner:o:1", "used_usd", "7" } },
	    "warning agent:limit:owner:o:1 never expires", true, NULL, NULL },
	{ { { "HSET", "agent:limit:owner:o:1", "reserved_usd", "7" } },
	    "error agent:limit:owner:o:1 has 0 tokens and 7 micro-USD reserved, its jobs "
	    "0 and 0",
	    true, NULL, NULL },
	{ { { "HSET", "agent:job:h", "family_reserved_tokens", "9" } },
	    "error agent:job:h has 9 tokens and 0 micro-USD reserved, its jobs 0 and 0",
	    true, "h", "held" },
	{ { { "HSET", "agent:job:h", "reserved",
		"{\"id\":\"1:0\",\"tokens\":5,\"usd\":7}" },
	      { "LREM", "agent:held:n.b.0.3", "1", "h" } },
	    "error agent:job:h is held, but stands nowhere", true, "h", "queued" },
	{ { { "SET", "agent:strange", "x" } },
	    "info agent:strange is no key of the queue", false, NULL, NULL },
};

static void
plant(const struct damage *d)
{
	for (size_t c = 0; c < 3 && d->commands[c][0] != NULL; c++) {
		const char *argv[7] = { NULL };

		for (size_t i = 0; i < 6; i++)
			argv[i] = d->commands[c][i];
		(void)call_int(&f, argv);
	}
}

Test(fsck, each_damage_is_found_and_mended_if_that_is_safe)
{
	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		const struct damage *d = &damages[i];
		struct queue_fsck_count count;

		DO(&f, "FLUSHALL");
		f.next_claim = 0;
		populate();
		plant(d);
		count = fsck(false);
		cr_expect(strstr(buf_str(&findings), d->want) != NULL, "%s: found %s",
		    d->want, buf_str(&findings));
		cr_expect(count.repaired == 0);
		count = fsck(true);
		cr_expect(d->is_mended == (count.repaired > 0), "%s: %s", d->want,
		    buf_str(&findings));
		count = fsck(false);
		cr_expect(d->is_mended ==
			(count.errors + count.warnings + count.infos == 0),
		    "%s: after the repair: %s", d->want, buf_str(&findings));
		if (d->state_of != NULL)
			cr_expect_str_eq(state_of(&f, d->state_of), d->state, "%s",
			    d->want);
	}
}

Test(fsck, keys_of_others_are_left_alone)
{
	struct queue_fsck_count count;

	DO(&f, "SET", "somebody:else", "x");
	DO(&f, "SET", "agent:cache:owner:k", "x");
	count = fsck(true);
	cr_expect(count.errors + count.warnings + count.infos == 0, "%s",
	    buf_str(&findings));
}
