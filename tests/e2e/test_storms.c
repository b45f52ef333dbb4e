/* SPDX-License-Identifier: MIT */
/*
 * test_storms.c - signals under load: a stop, storms of reloads, processes that are
 * stopped for a part of a lease and for many, a host that comes back within its lease.
 * Nothing is lost, nothing is published twice, nobody is recovered who lives.
 */
#include "config.h"

#include "tests/e2e/e2e.h"
#include "tests/e2e/faults.h"

#include "common/clock.h"
#include "common/role/control.h"
#include "tests/support/redis_server.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum {
	LEASE_MS = 3000,
	WATCH_EVERY_MS = 50
};

static struct harness *h;
static struct fault_page *page;
static unsigned n_pushed;

static void
begin(void)
{
	h = e2e_new();
	page = faults_new(h);
	n_pushed = 0;
	harness_set(h, "queue.lease_sec", "%d", LEASE_MS / 1000);
	harness_set(h, "queue.completion_queue", "\"all:done\"");
}

static void
end(void)
{
	harness_free(h);
	h = NULL;
}

TestSuite(storms, .init = begin, .fini = end, .timeout = 180);

/* ---- helpers ---- */

static void
answer_after(unsigned ms)
{
	char script[128];

	(void)snprintf(script, sizeof(script),
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":%u}}]}", ms);
	harness_llm_script(h, script);
}

static void
push(unsigned n)
{
	char id[32];

	for (; n > 0; n--) {
		(void)snprintf(id, sizeof(id), "j%u", n_pushed++);
		harness_push_job(h, id, "go", "");
	}
}

/* Each job pushed so far has one result, which needed only one attempt. */
static void
expect_all_once(void)
{
	char id[32], count[32];

	for (unsigned i = 0; i < n_pushed; i++) {
		const struct json *r;

		(void)snprintf(id, sizeof(id), "j%u", i);
		r = harness_result(h, id, 60000);
		cr_expect(json_eq_str(json_get(r, "status"), "completed"), "%s", id);
		cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1), "%s", id);
		harness_clear(h);
	}
	for (unsigned i = 0; i < n_pushed; i++)
		cr_expect(harness_redis_int(h, "LLEN agent:results:j%u", i) == 0,
		    "j%u was published twice", i);
	cr_expect(harness_redis_int(h, "LLEN all:done") == (long long)n_pushed);
	(void)snprintf(count, sizeof(count), "%u\n", n_pushed);
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), count);
}

static bool
are_in_flight(struct harness *hh, void *n)
{
	long long waiting = harness_llm_stat(hh, "waiting");

	harness_clear(hh);
	return waiting >= (long long)*(unsigned *)n;
}

static void
wait_in_flight(unsigned n)
{
	harness_wait_until(h, are_in_flight, &n, HARNESS_WAIT_MS, "jobs in flight");
}

static bool
look(struct control_status *s)
{
	char path[108];

	(void)snprintf(path, sizeof(path), "%s/run/control.sock", harness_dir(h));
	return control_status(path, 2000, s, NULL) == 0;
}

static unsigned
count_generations(const struct control_status *s)
{
	uint32_t seen[8];
	unsigned n = 0;

	for (uint32_t i = 0; i < s->n_children; i++) {
		unsigned k = 0;

		if (s->children[i].role == ROLE_CHECK)
			continue; /* it only looks at a configuration */
		while (k < n && seen[k] != s->children[i].generation)
			k++;
		if (k == n && n < ARRAY_LEN(seen))
			seen[n++] = s->children[i].generation;
	}
	return n;
}

static unsigned
fenced(void)
{
	return (unsigned)harness_redis_int(h, "ZCARD agent:fenced");
}

/* ---- the end under load ---- */

Test(storms, sigterm_under_load_hands_back_uncounted_what_it_cannot_finish)
{
	harness_set(h, "service.shutdown_grace_sec", "1");
	harness_start(h);
	answer_after(2500); /* longer than the grace */
	push(60);
	wait_in_flight(16);
	harness_stop(h);
	cr_expect(harness_redis_int(h, "LLEN agent:jobs") == 60, "all are back");
	answer_after(20);
	harness_daemon(h);
	expect_all_once();
	harness_stop(h);
}

/* ---- reloads ---- */

/* SIGHUP and SIGUSR1 in turn every 50 ms, every second SIGHUP with a broken file, under
   load: no job is lost, at most two generations live at a time, and the last good
   configuration is the one in force. */
Test(storms, of_reloads_keep_two_generations_and_every_job)
{
	static struct control_status s;
	unsigned most = 0;

	harness_set(h, "service.log.target", "\"file:%s/daemon.log\"", harness_dir(h));
	harness_start(h);
	answer_after(120);
	for (unsigned i = 0; i < 100; i++) {
		push(2);
		if (i % 2 == 0) {
			harness_signal(h, SIGUSR1);
		} else {
			if (i % 4 == 1)
				harness_set(h, "limits.max_turns", "\"many\"");
			else
				harness_set(h, "limits.max_turns", "%u", 10 + i);
			harness_write_conf(h);
			harness_signal(h, SIGHUP);
		}
		harness_sleep(WATCH_EVERY_MS);
		if (look(&s)) {
			unsigned n = count_generations(&s);

			most = n > most ? n : most;
		}
	}
	expect_all_once();
	cr_expect(most >= 1 && most <= 2, "%u generations at a time", most);
	cr_assert(look(&s));
	cr_expect(s.generation >= 2, "no reload was done");
	cr_expect(fenced() == 0 ||
		harness_redis_int(h, "HGET agent:counters recovered") <= 0,
	    "jobs of a living worker were taken");
	harness_stop(h);
}

/* ---- stops ---- */

struct stop {
	const char *role; /* NULL: the supervisor */
	unsigned half_leases;
	bool is_fenced; /* its worker's jobs go to another */
};

static bool
is_spinning(struct harness *hh UNUSED, void *faults)
{
	return faults_struck(faults, FAULT_POINT_LLM_ANSWER) > 0;
}

static bool
was_fenced(struct harness *hh UNUSED, void *before)
{
	return fenced() > *(unsigned *)before;
}

/* Jobs are in flight when the process stops, and more come while it is. */
static void
stop_for(const struct stop *stop)
{
	struct process p;
	unsigned before;
	pid_t pid;

	harness_start(h);
	answer_after(300);
	push(40);
	wait_in_flight(10);
	before = fenced();
	if (stop->role != NULL) {
		cr_assert(harness_find_child(h, stop->role, -1, &p));
		pid = p.pid;
	} else {
		pid = harness_proc(h)->pid;
	}
	cr_assert(kill(pid, SIGSTOP) == 0);
	push(20);
	harness_sleep(stop->half_leases * LEASE_MS / 2);
	if (stop->is_fenced)
		harness_wait_until(h, was_fenced, &before, HARNESS_WAIT_MS,
		    "the stopped worker is fenced");
	(void)kill(pid, SIGCONT);
	push(10);
	expect_all_once();
	if (!stop->is_fenced)
		cr_expect(eq(uint, fenced(), before), "who lives was fenced");
	harness_stop(h);
}

#define STOPS(X)                                                  \
 X(a_worker_for_half_a_lease, "worker", 1, false)                 \
 X(a_worker_for_one_lease_and_a_half, "worker", 3, true)          \
 X(a_worker_for_five_leases, "worker", 10, true)                  \
 X(the_scheduler_for_half_a_lease, "scheduler", 1, false)         \
 X(the_scheduler_for_one_lease_and_a_half, "scheduler", 3, false) \
 X(the_scheduler_for_five_leases, "scheduler", 10, false)         \
 X(the_supervisor_for_half_a_lease, NULL, 1, false)               \
 X(the_supervisor_for_one_lease_and_a_half, NULL, 3, false)       \
 X(the_supervisor_for_five_leases, NULL, 10, false)

#define X(name, role, half_leases, is_fenced)                     \
 Test(storms, stop_##name)                                        \
 {                                                                \
  stop_for(&(struct stop){ (role), (half_leases), (is_fenced) }); \
 }
STOPS(X)
#undef X

/* ---- a busy CPU ---- */

/* A worker whose loop stands still at 100 % CPU answers by its control thread and is
   alive: its jobs stay its own for two leases (AGENT_RUNNER_LONG=1: for ten minutes). */
Test(storms, a_worker_at_full_cpu_is_not_reclaimed, .timeout = 900)
{
	const char *is_long = getenv("AGENT_RUNNER_LONG");
	unsigned ms = is_long != NULL ? 600000 : 2 * LEASE_MS;
	const struct json *r;

	harness_start(h);
	answer_after(20);
	faults_arm(h, page, "LLM_ANSWER:spin=%u:once:job=busy", ms);
	harness_push_job(h, "busy", "go", ",\"timeout_sec\":1800");
	harness_wait_until(h, is_spinning, page, HARNESS_WAIT_MS, "a busy worker");
	push(10);
	r = harness_result(h, "busy", ms + 60000);
	cr_expect(json_eq_str(json_get(r, "status"), "completed"));
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
	harness_clear(h);
	cr_expect(eq(uint, fenced(), 0), "a busy worker was fenced");
	for (unsigned i = 0; i < n_pushed; i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "j%u", i);
		(void)harness_result(h, id, ms + 60000);
		harness_clear(h);
	}
	harness_stop(h);
}

/* ---- the wall clocks ---- */

static long long
redis_time(void)
{
	redisReply *reply = harness_redis(h, "TIME");
	long long sec = atoll(reply->element[0]->str);

	freeReplyObject(reply);
	return sec;
}

static bool
are_delayed(struct harness *hh, void *n)
{
	return harness_redis_int(hh, "ZCARD agent:delayed") >= *(unsigned *)n;
}

/* Beats are no times: nobody is fenced however the clock steps. Jobs that were delayed by
   a clock that is set back then do not wait for it to come by again. */
Test(storms, an_hours_step_of_the_clock_recovers_nobody_and_delays_nobody)
{
	volatile int64_t *offset_sec = faults_redis_clock(h);
	unsigned all = 20, some = 5; /* the others stay in the queue meanwhile */
	uint64_t began;

	harness_start(h);
	cr_assert(llabs(redis_time() - (long long)time(NULL)) < 5);
	*offset_sec = 3600;
	atomic_store(&page->wall_step_ms, 3600000);
	cr_assert(redis_time() - (long long)time(NULL) > 3500, "the clock was not set");
	harness_llm_script(h,
	    "{\"rules\":[{\"fault\":{\"status\":503,\"body\":\"busy\",\"headers\":{"
	    "\"Retry-After\":\"20\"}}}]}");
	push(all);
	harness_wait_until(h, are_delayed, &some, 60000, "jobs are delayed");
	*offset_sec = 0;
	atomic_store(&page->wall_step_ms, 0);
	began = clock_mono_ms();
	answer_after(20);
	for (unsigned i = 0; i < all; i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "j%u", i);
		cr_expect(json_eq_str(json_get(harness_result(h, id, 100000), "status"),
		    "completed"));
		harness_clear(h);
	}
	cr_expect(clock_mono_ms() - began < 100000);
	*offset_sec = -3600;
	atomic_store(&page->wall_step_ms, -3600000);
	cr_expect(eq(uint, fenced(), 0), "a living worker was fenced");
	harness_push_job(h, "back", "go", "");
	(void)harness_expect(h, "back", "completed");
	harness_stop(h);
}

/* ---- a reboot ---- */

/* Power comes back within the lease: the new boot knows the former one's holders and
   waits for no lease. */
Test(storms, a_host_that_comes_back_at_once_waits_for_no_lease)
{
	uint64_t began;

	harness_set(h, "queue.lease_sec", "600");
	harness_start(h);
	answer_after(60000);
	push(16);
	wait_in_flight(16);
	redis_server_kill(harness_redis_server(h));
	harness_crash(h);
	cr_assert(redis_server_restart(harness_redis_server(h)));
	answer_after(20);
	began = clock_mono_ms();
	harness_daemon(h);
	expect_all_once();
	cr_expect(clock_mono_ms() - began < 60000, "jobs waited for their lease");
	harness_stop(h);
}
