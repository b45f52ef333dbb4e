/* SPDX-License-Identifier: MIT */
/*
 * test_scheduler.c - the queue's keeper against a real Redis, with a clock of our own:
 * who is found dead, when, and what becomes of its jobs. And the set that it is told.
 */
#include "config.h"

#include "common/queue/queue_fsck.h"
#include "common/role/slot_file.h"
#include "scheduler/observer.h"
#include "scheduler/scheduler.h"
#include "tests/support/queue_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <hiredis.h>
#include <string.h>

/* ---- the text of the set ---- */

Test(live_set, what_is_put_is_read)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP(live_set_release) struct live_set set = { 0 };
	struct err err = ERR_INIT;
	const struct live_set_death *d;

	live_set_put_node(&text, "a host.name", "b0");
	live_set_put_former(&text, "b1");
	live_set_put_live(&text, "a host.name.b0.0.1");
	live_set_put_live(&text, "a host.name.b0.q.2");
	live_set_put_dead(&text, "h", "culprit", "job\tid\n", "signal 11");
	live_set_put_dead(&text, "i", "none", "", "");
	cr_assert(live_set_read(text.data, text.len, &set, &err) == 0, "%s", err.text);
	cr_expect_str_eq(set.node, "a host.name");
	cr_expect_str_eq(set.boot, "b0");
	cr_expect(set.n_former == 1 && set.n_live == 2 && set.n_dead == 2);
	cr_expect(live_set_has(&set, "a host.name.b0.q.2"));
	cr_expect(!live_set_has(&set, "a host.name.b0.q.3"));
	d = live_set_death_of(&set, "h");
	cr_assert(d != NULL);
	cr_expect_str_eq(d->job_id, "job id ");
	cr_expect_str_eq(d->blame, "culprit");
	cr_expect_str_eq(d->evidence, "signal 11");
	cr_expect(live_set_death_of(&set, "nobody") == NULL);
	cr_expect(live_set_is_ours(&set, "a host.name.b0.9.9"));
	cr_expect(live_set_is_ours(&set, "a host.name.b1.9.9"));
	cr_expect(live_set_is_former(&set, "a host.name.b1.9.9"));
	cr_expect(!live_set_is_former(&set, "a host.name.b0.9.9"));
	cr_expect(!live_set_is_ours(&set, "a host.name.b2.9.9"));
	cr_expect(!live_set_is_ours(&set, "a host.b0.9.9"));
	cr_expect(!live_set_is_ours(&set, "a host.name.b"));
	cr_expect(!live_set_is_ours(&set, ""));
}

static const char *const wrong_sets[] = { "", "\n", "node n b", "node n\n", "node  b\n",
	"live x\n", "node n b\nnode n b\n", "node n b\nlive \n", "node n b\nother x\n",
	"node n b\nformer \n", "node n b\ndead h\n", "node n b\ndead h\tnone\t\n",
	"node n b\ndead h\tnone\t\t\t\n", "node n b\n\n", "node n \n" };

Test(live_set, other_texts_are_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(wrong_sets); i++) {
		struct live_set set = { .n_live = 4711 };
		struct err err = ERR_INIT;

		cr_expect(live_set_read(wrong_sets[i], strlen(wrong_sets[i]), &set,
			      &err) == -EPROTO,
		    "'%s'", wrong_sets[i]);
		cr_expect(set.n_live == 4711 && err.text[0] != '\0');
	}
	cr_expect(live_set_read("node n b\n\0", 10, &(struct live_set){ 0 }, NULL) ==
	    -EPROTO);
}

/* ---- the observer ---- */

static enum verdict
verdict_on(struct observer *o, const struct live_set *set, const char *holder)
{
	const char *dead, *beat;
	enum verdict v;
	size_t cursor = 0;

	while ((dead = observer_next_dead(o, set, &cursor, &v, &beat)) != NULL)
		if (strcmp(dead, holder) == 0)
			return v;
	return VERDICT_LIVE;
}

static void
see(struct observer *o, uint64_t epoch, uint64_t now_ms, const char *holder,
    const char *beat)
{
	observer_round(o, epoch, now_ms);
	cr_assert(observer_see(o, holder, beat) == 0);
	observer_end(o);
}

Test(observer, a_beat_must_stand_still_for_a_whole_lease)
{
	CLEANUP(observer_freep) struct observer *o = observer_new(3000);
	uint64_t t = 1000;

	for (; t < 4000; t += 500) {
		see(o, 1, t, "other.b.0.1", "7");
		cr_expect(verdict_on(o, NULL, "other.b.0.1") == VERDICT_LIVE, "%d",
		    (int)t);
	}
	see(o, 1, 4000, "other.b.0.1", "7");
	cr_expect(verdict_on(o, NULL, "other.b.0.1") == VERDICT_EXPIRED);
	see(o, 1, 4500, "other.b.0.1", "8");
	cr_expect(verdict_on(o, NULL, "other.b.0.1") == VERDICT_LIVE);
}

Test(observer, a_broken_connection_starts_the_lease_anew)
{
	CLEANUP(observer_freep) struct observer *o = observer_new(3000);

	for (uint64_t t = 1000; t <= 3500; t += 500)
		see(o, 1, t, "x", "7");
	for (uint64_t t = 4000; t < 7000; t += 500) {
		see(o, 2, t, "x", "7");
		cr_expect(verdict_on(o, NULL, "x") == VERDICT_LIVE);
	}
	see(o, 2, 7000, "x", "7");
	cr_expect(verdict_on(o, NULL, "x") == VERDICT_EXPIRED);
}

Test(observer, an_observer_that_slept_starts_the_lease_anew)
{
	CLEANUP(observer_freep) struct observer *o = observer_new(3000);

	see(o, 1, 1000, "x", "7");
	see(o, 1, 60000, "x", "7");
	cr_expect(verdict_on(o, NULL, "x") == VERDICT_LIVE);
}

Test(observer, a_holder_that_left_and_came_back_is_new)
{
	CLEANUP(observer_freep) struct observer *o = observer_new(3000);

	see(o, 1, 1000, "x", "7");
	see(o, 1, 2000, "y", "7");
	see(o, 1, 3000, "y", "7");
	see(o, 1, 4000, "x", "7");
	cr_expect(verdict_on(o, NULL, "x") == VERDICT_LIVE);
}

/* ---- turns ---- */

static struct fixture f;
static struct scheduler *scheduler;
static struct metrics_page page;
static uint64_t now_ms, wait_ms;
static const char *set_to_send; /* by the next listen */

static void
listen_to_test(void *arg)
{
	struct live_set set = { 0 };
	struct err err = ERR_INIT;

	(void)arg;
	if (set_to_send == NULL)
		return;
	cr_assert(live_set_read(set_to_send, strlen(set_to_send), &set, &err) == 0,
	    "%s", err.text);
	set_to_send = NULL;
	scheduler_set(scheduler, &set);
}

static void
begin_with_lease(int64_t lease_sec)
{
	struct scheduler_options o = { .metrics = &page, .listen = listen_to_test };

	f.setup.lease_sec = lease_sec;
	o.redis = f.redis;
	o.setup = &f.setup;
	cr_assert(scheduler_new(&o, &scheduler) == 0);
}

static void
setup(void)
{
	fixture_init(&f);
	begin_with_lease(30);
	now_ms = 1000000;
}

static void
teardown(void)
{
	scheduler_free(scheduler);
	fixture_release(&f);
}

TestSuite(scheduler, .init = setup, .fini = teardown, .timeout = 60);

static int
turn(uint64_t later_ms)
{
	struct err err = ERR_INIT;

	now_ms += later_ms;
	return scheduler_turn(scheduler, now_ms, &wait_ms, &err);
}

static uint64_t
gauge_of(enum metric m)
{
	return page.cell[metric_info(m)->first_cell];
}

#define W0 "n.b.0.1"
#define W1 "n.b.1.2"
#define BOTH "node n b\nlive " W0 "\nlive " W1 "\n"

Test(scheduler, live_holders_get_a_new_beat_every_sixth_of_the_lease)
{
	char first[32];

	do_register(&f, W0);
	set_to_send = "node n b\nlive " W0 "\n";
	cr_assert(turn(0) == 0);
	(void)snprintf(first, sizeof(first), "%s",
	    TEXT(&f, "ZSCORE", "agent:holders", W0));
	cr_expect_str_neq(first, "1");
	cr_assert(turn(4000) == 0);
	cr_expect_str_eq(TEXT(&f, "ZSCORE", "agent:holders", W0), first);
	cr_assert(turn(1000) == 0);
	cr_expect_str_neq(TEXT(&f, "ZSCORE", "agent:holders", W0), first);
}

Test(scheduler, a_worker_that_died_is_recovered_in_the_next_turn)
{
	do_register(&f, W0);
	do_register(&f, W1);
	take(&f, W0, "{p}", "j");
	take(&f, W0, "{q}", "k");
	set_to_send = BOTH;
	cr_assert(turn(0) == 0);
	cr_expect_str_eq(state_of(&f, "j"), "held");
	set_to_send =
	    "node n b\nlive " W1 "\ndead " W0 "\tculprit\tj\tsignal 11 in step llm\n";
	cr_assert(turn(100) == 0);
	cr_expect_str_eq(state_of(&f, "j"), "alone");
	cr_expect_str_eq(state_of(&f, "k"), "queued");
	cr_expect_str_eq(TEXT(&f, "HGET", "agent:job:j", "evidence"),
	    "signal 11 in step llm");
	cr_expect(INT(&f, "HEXISTS", "agent:job:k", "suspicions") == 0);
	cr_expect(gauge_of(METRIC_JOBS_RECOVERED) == 2);
	cr_assert(turn(1000) == 0);
	cr_expect(gauge_of(METRIC_JOBS_RECOVERED) == 2);
}

Test(scheduler, a_holder_that_leaves_the_set_is_recovered_without_a_word)
{
	do_register(&f, W0);
	take(&f, W0, "{p}", "j");
	set_to_send = BOTH;
	cr_assert(turn(0) == 0);
	set_to_send = "node n b\n";
	cr_assert(turn(100) == 0);
	cr_expect_str_eq(state_of(&f, "j"), "queued");
	cr_expect_str_eq(TEXT(&f, "HGET", "agent:job:j", "suspicions"), "1");
}

Test(scheduler, a_newcomer_whose_set_is_on_its_way_is_left_alone)
{
	set_to_send = "node n b\n";
	cr_assert(turn(0) == 0);
	do_register(&f, W0);
	take(&f, W0, "{p}", "j");
	set_to_send =
	    BOTH; /* arrives between the survey and the verdict at the latest */
	cr_assert(turn(1000) == 0);
	cr_expect_str_eq(state_of(&f, "j"), "held");
	/* one that stays unnamed is not left for ever */
	do_register(&f, "n.b.5.9");
	take(&f, "n.b.5.9", "{q}", "k");
	cr_assert(turn(1000) == 0);
	cr_expect_str_eq(state_of(&f, "k"), "held");
	for (int i = 0; i < 3; i++)
		cr_assert(turn(1000) == 0);
	cr_expect_str_eq(state_of(&f, "k"), "queued");
	cr_expect_str_eq(state_of(&f, "j"), "held");
}

Test(scheduler, nobody_is_judged_before_the_first_set)
{
	do_register(&f, W0);
	take(&f, W0, "{p}", "j");
	for (int i = 0; i < 10; i++)
		cr_assert(turn(1000) == 0);
	cr_expect_str_eq(state_of(&f, "j"), "held");
}

Test(scheduler, holders_of_former_boots_are_recovered_at_once)
{
	do_register(&f, "n.old.0.1");
	do_register(&f, "m.old.0.1"); /* another host */
	take(&f, "n.old.0.1", "{p}", "j");
	take(&f, "m.old.0.1", "{q}", "k");
	set_to_send = "node n b\nformer old\n";
	cr_assert(turn(0) == 0);
	cr_expect_str_eq(state_of(&f, "j"), "queued");
	cr_expect_str_eq(state_of(&f, "k"), "held");
}

Test(scheduler, another_hosts_holder_is_recovered_when_its_beat_stops)
{
	do_register(&f, "m.x.0.1");
	take(&f, "m.x.0.1", "{p}", "j");
	set_to_send = "node n b\n";
	for (int i = 0; i < 30; i++) {
		cr_assert(turn(1000) == 0);
		cr_expect_str_eq(state_of(&f, "j"), "held");
	}
	cr_assert(turn(1000) == 0);
	cr_expect_str_eq(state_of(&f, "j"), "queued");
	cr_expect_str_eq(TEXT(&f, "HGET", "agent:job:j", "evidence"),
	    "its beat has stopped");
}

/* Turns as far apart as the scheduler itself asks for, and a little late each. */
Test(scheduler, the_shortest_lease_ends_too)
{
	uint64_t begin;

	scheduler_free(scheduler);
	begin_with_lease(3);
	do_register(&f, "m.x.0.1");
	take(&f, "m.x.0.1", "{p}", "j");
	set_to_send = "node n b\n";
	cr_assert(turn(0) == 0);
	begin = now_ms;
	while (strcmp(state_of(&f, "j"), "held") == 0) {
		cr_assert(turn(wait_ms + 50) == 0);
		cr_assert(now_ms - begin < 5000,
		    "nobody noticed that the beat stopped");
	}
	cr_expect(now_ms - begin >= 3000);
}

Test(scheduler, a_late_claim_into_a_fenced_list_is_swept)
{
	do_register(&f, W0);
	set_to_send = BOTH;
	cr_assert(turn(0) == 0);
	set_to_send = "node n b\ndead " W0 "\tunknown\t\tsignal 9\n";
	cr_assert(turn(100) == 0);
	push(&f, "{late}");
	cr_assert(claim(&f, W0));
	cr_assert(turn(1000) == 0);
	cr_expect(INT(&f, "LLEN", "agent:jobs") == 1);
	cr_expect(INT(&f, "EXISTS", "agent:held:" W0) == 0);
}

Test(scheduler, long_lists_are_recovered_in_one_turn)
{
	do_register(&f, W0);
	for (int i = 0; i < 450; i++)
		DO(&f, "RPUSH", "agent:held:" W0, "{x}");
	set_to_send = "node n b\ndead " W0 "\tnone\t\t\n";
	cr_assert(turn(0) == 0);
	cr_expect(INT(&f, "LLEN", "agent:jobs") == 450);
	cr_expect(gauge_of(METRIC_JOBS_RECOVERED) == 450);
}

Test(scheduler, delayed_jobs_come_back_when_they_are_due)
{
	int64_t token;

	do_register(&f, W0);
	set_to_send = "node n b\nlive " W0 "\n";
	token = take(&f, W0, "{p}", "j");
	cr_assert(retry_job(&f, W0, "j", token, 300) == QUEUE_OK);
	cr_assert(turn(0) == 0);
	cr_expect(wait_ms <= 300, "%d", (int)wait_ms);
	DO(&f, "ZADD", "agent:delayed", "1", "j");
	cr_assert(turn(0) == 0);
	cr_expect_str_eq(state_of(&f, "j"), "queued");
	cr_expect(wait_ms == 1000);
}

Test(scheduler, gauges_show_the_queue)
{
	do_register(&f, W0);
	set_to_send = "node n b\nlive " W0 "\n";
	take(&f, W0, "{p}", "j");
	push(&f, "{no time}");
	cr_assert(turn(0) == 0);
	cr_expect(gauge_of(METRIC_REDIS_UP) == 1);
	cr_expect(gauge_of(METRIC_QUEUE_QUEUED) == 1);
	cr_expect(gauge_of(METRIC_QUEUE_HELD) == 1);
	cr_expect(gauge_of(METRIC_QUEUE_OLDEST_MS) == 0);
	cr_assert(turn(5000) == 0);
	cr_expect(gauge_of(METRIC_QUEUE_OLDEST_MS) == 5000);
	cr_assert(claim(&f, W0));
	cr_assert(turn(1000) == 0);
	cr_expect(gauge_of(METRIC_QUEUE_OLDEST_MS) == 0);
	cr_expect(gauge_of(METRIC_QUEUE_QUEUED) == 0);
}

Test(scheduler, dead_letters_beyond_the_bound_are_dropped)
{
	f.setup.dead_max = 3;
	for (int i = 0; i < 5; i++)
		DO(&f, "LPUSH", "agent:dead", "{}");
	cr_assert(turn(0) == 0);
	cr_expect(INT(&f, "LLEN", "agent:dead") == 3);
}

Test(scheduler, an_outage_is_waited_out_and_leases_start_anew_after_it)
{
	do_register(&f, "m.x.0.1");
	set_to_send = "node n b\n";
	for (int i = 0; i < 20; i++)
		cr_assert(turn(1000) == 0);
	redis_server_kill(f.server);
	cr_expect(turn(1000) == -EAGAIN);
	cr_expect(gauge_of(METRIC_REDIS_UP) == 0);
	cr_expect(wait_ms <= 1000 && wait_ms > 0);
	cr_assert(redis_server_restart(f.server));
	while (turn(1) == -EAGAIN)
		;
	cr_expect(gauge_of(METRIC_REDIS_UP) == 1);
	do_register(&f, "m.x.0.1"); /* the server came back empty */
	take(&f, "m.x.0.1", "{p}", "j");
	for (int i = 0; i < 15; i++)
		cr_assert(turn(1000) == 0);
	cr_expect_str_eq(state_of(&f, "j"), "held");
}

Test(scheduler, a_server_that_evicts_is_refused)
{
	DO(&f, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
	cr_expect(turn(0) == -EINVAL);
	DO(&f, "CONFIG", "SET", "maxmemory-policy", "noeviction");
	cr_expect(turn(1000) == 0);
}

static void
expect_nothing(const struct queue_finding *finding, void *arg)
{
	(void)arg;
	cr_expect(false, "%.*s %.*s", (int)finding->key.n, finding->key.p,
	    (int)finding->what.n, finding->what.p);
}

Test(scheduler, after_all_deaths_the_queue_is_in_order)
{
	struct queue_fsck_count count;
	char holder[16], id[16], payload[16];

	set_to_send = "node n b\n";
	for (int i = 0; i < 20; i++) {
		(void)snprintf(holder, sizeof(holder), "n.b.0.%d", i);
		(void)snprintf(id, sizeof(id), "j%d", i);
		(void)snprintf(payload, sizeof(payload), "{%d}", i);
		do_register(&f, holder);
		take(&f, holder, payload, id);
		(void)snprintf(payload, sizeof(payload), "{raw %d}", i);
		push(&f, payload);
		cr_assert(claim(&f, holder));
	}
	for (int i = 0; i < 5; i++)
		cr_assert(turn(1000) == 0);
	cr_expect(INT(&f, "LLEN", "agent:jobs") == 40);
	cr_expect(INT(&f, "ZCARD", "agent:holders") == 0);
	cr_assert(queue_fsck(f.redis, &f.setup, false, expect_nothing, NULL, &count,
		      NULL) == 0);
}
