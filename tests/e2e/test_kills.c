/* SPDX-License-Identifier: MIT */
/*
 * test_kills.c - a worker is killed, or stopped past its lease, at each command that it
 * sends to Redis for a job: before Redis hears of it, and after Redis has carried it
 * out. The job has one result, and no journalled answer is paid for again. And how long
 * it takes until such a job runs again.
 */
#include "config.h"

#include "common/clock.h"
#include "common/queue/queue_ops.h"
#include "tests/e2e/e2e.h"
#include "tests/e2e/ledger.h"

#include <signal.h>

enum {
	COMMANDS_MAX = 60,
	JOURNAL_MIN = 3 /* answer, outcome of the tool, answer */
};

static const char rules[] =
    "{\"rules\":[{\"when\":{\"turn\":0},\"reply\":{\"tool_calls\":[{\"name\":"
    "\"execute_pipeline\",\"arguments\":{\"session_id\":\"serial-{{serial}}\",\"pipeline\":"
    "[{\"step\":\"http_request\",\"url\":\"{{data_api}}/users\"},{\"step\":\"top_k\","
    "\"k\":2}]}}]}},{\"reply\":{\"content\":\"serial-{{serial}}\"}}]}";

static const char agent_two_turns[] =
    "tools = ( \"execute_pipeline\" ); finish_tools = ( );\n";

/* How often a strike fell on each kind of command. */
struct strikes {
	unsigned of[QUEUE_OP_COUNT], others;
};

static bool
is_settled(struct harness *h, void *arg)
{
	redisReply *held = harness_redis(h, "KEYS agent:held:*");
	bool is_so = held->type == REDIS_REPLY_ARRAY && held->elements == 0 &&
	    harness_redis_int(h, "LLEN agent:jobs") == 0 &&
	    harness_redis_int(h, "LLEN agent:jobs:alone") == 0 &&
	    harness_redis_int(h, "ZCARD agent:delayed") == 0;

	(void)arg;
	freeReplyObject(held);
	return is_so;
}

static void
note_strike(struct harness *h, const char *stats, struct strikes *s)
{
	const char *at = strstr(stats, "at=EVALSHA/");

	for (unsigned op = 0; at != NULL && op < QUEUE_OP_COUNT; op++)
		if (strncmp(at + 11, queue_scripts[op].sha, 8) == 0) {
			s->of[op]++;
			return;
		}
	s->others++;
	(void)h;
}

static void
check_job(struct harness *h, const char *id, const char *stats)
{
	CLEANUP(ledger_freep) struct ledger *l = ledger_read(h);
	CLEANUP_BUF struct buf why = BUF_INIT;
	struct ledger_sum sum = { 0 };

	ledger_check(l, h, id, &sum, &why);
	cr_expect(eq(uint, sum.answers, 2), "%s (%s)", id, stats);
	cr_expect(why.len == 0, "%s (%s): %s", id, stats, buf_str(&why));
	cr_expect(sum.lost <= 1, "%s (%s): %u calls were under way at one strike", id,
	    stats, sum.lost);
	cr_expect(harness_redis_int(h, "LLEN agent:results:%s", id) == 0,
	    "%s (%s) has a second result", id, stats);
}

/* A stopped worker goes on once another has its job; it must find itself fenced. */
static void
let_go_late(struct harness *h, long long fenced)
{
	uint64_t until = clock_mono_ms() + HARNESS_WAIT_MS;

	while (harness_redis_int(h, "ZCARD agent:fenced") == fenced) {
		if (clock_mono_ms() > until)
			harness_fail(h, "the stopped worker was not fenced");
		harness_sleep(10);
	}
	harness_sleep(300); /* the other has the job in hand, or is through with it */
	(void)harness_proxy(h, "go");
}

static bool
is_struck_or_over(struct harness *h, void *id)
{
	return strstr(harness_proxy(h, "stats"), "cuts=0") == NULL ||
	    harness_redis_int(h, "LLEN agent:results:%s", (const char *)id) > 0;
}

/* Which commands count: any of the worker's (NULL), or one script's. */
static bool
run_job(struct harness *h, const char *where, const char *what, unsigned n,
    const char *match, struct strikes *strikes)
{
	static unsigned jobs;
	char id[32], stats[200], prompt[64];
	long long fenced;

	(void)snprintf(id, sizeof(id), "%s-%u", where, ++jobs);
	(void)snprintf(prompt, sizeof(prompt), "go [%s]", id);
	fenced = harness_redis_int(h, "ZCARD agent:fenced");
	(void)harness_proxy(h, "reset");
	(void)harness_proxy(h, "arm %s %u role=worker do=%s %s%s", where, n, what,
	    match != NULL ? "match=" : "", match != NULL ? match : "");
	harness_push_job(h, id, prompt, ",\"agent\":\"two\"");
	if (strcmp(what, "stop") == 0) {
		harness_wait_until(h, is_struck_or_over, id, HARNESS_WAIT_MS,
		    "a strike or a result");
		if (strstr(harness_proxy(h, "stats"), "cuts=0") == NULL)
			let_go_late(h, fenced);
	}
	(void)harness_expect(h, id, "completed");
	(void)harness_proxy(h, "disarm");
	(void)snprintf(stats, sizeof(stats), "%s", harness_proxy(h, "stats"));
	(void)harness_proxy(h, "go");
	harness_wait_until(h, is_settled, NULL, HARNESS_WAIT_MS,
	    "nothing left in Redis");
	check_job(h, id, stats);
	harness_clear(h);
	if (strstr(stats, "cuts=0") != NULL)
		return false;
	note_strike(h, stats, strikes);
	return true;
}

static struct harness *
begin(unsigned workers)
{
	struct harness *h = e2e_new();

	harness_use_redis_proxy(h);
	harness_set(h, "service.workers", "%u", workers);
	harness_set(h, "queue.lease_sec", "3");
	harness_write_file(h, "agents.d/two.conf", agent_two_turns);
	harness_start(h);
	harness_llm_script(h, rules);
	return h;
}

static void
end(struct harness *h, const struct strikes *strikes, unsigned jobs)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *fsck[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "fsck", NULL };
	char count[32];

	cr_expect(strikes->of[QUEUE_OP_BEGIN] >= 1, "no strike at begin");
	cr_expect(strikes->of[QUEUE_OP_JOURNAL] >= JOURNAL_MIN,
	    "%u strikes at the journal", strikes->of[QUEUE_OP_JOURNAL]);
	cr_expect(strikes->of[QUEUE_OP_FINISH] >= 1, "no strike at finish");
	(void)snprintf(count, sizeof(count), "%u\n", jobs);
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), count);
	cr_expect(eq(int, harness_run(h, fsck, &out), 0), "%s", buf_str(&out));
	harness_stop(h);
	harness_free(h);
}

/* At the nth time that each of these scripts is sent. Answers how many jobs it took. */
static unsigned
strike_scripts(struct harness *h, const char *where, const char *what,
    struct strikes *strikes)
{
	static const enum queue_op ops[] = { QUEUE_OP_BEGIN, QUEUE_OP_JOURNAL,
		QUEUE_OP_FINISH };
	unsigned jobs = 0;

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		for (unsigned n = 1; n <= COMMANDS_MAX; n++) {
			jobs++;
			if (!run_job(h, where, what, n, queue_scripts[ops[i]].sha,
				strikes))
				break;
		}
	return jobs;
}

static void
kill_everywhere(const char *where)
{
	struct harness *h = begin(1);
	struct strikes strikes = { { 0 }, 0 };
	unsigned n = 1;

	while (n <= COMMANDS_MAX && run_job(h, where, "kill", n, NULL, &strikes))
		n++;
	cr_expect(n <= COMMANDS_MAX, "a job of more than %d commands", COMMANDS_MAX);
	memset(&strikes, 0, sizeof(strikes));
	n += strike_scripts(h, where, "kill", &strikes);
	end(h, &strikes, n);
}

/* Another worker has the job before the stopped one goes on. */
static void
stop_everywhere(const char *where)
{
	struct harness *h = begin(2);
	struct strikes strikes = { { 0 }, 0 };
	unsigned n = strike_scripts(h, where, "stop", &strikes);

	end(h, &strikes, n);
}

/* ---- how long a job is idle after its worker was killed ---- */

enum {
	MEASURED_KILLS = 60,
	IDLE_MAX_MS = 1000 /* of the slowest but one in a hundred */
};

static const char slow_rules[] =
    "{\"rules\":[{\"when\":{\"prompt_contains\":\"slow\"},\"reply\":{\"content\":\"x\","
    "\"delay_ms\":400}},{\"reply\":{\"content\":\"x\"}}]}";

struct held {
	const char *id;
	long long token; /* higher than this */
	int slot;        /* of the worker that has it */
};

/* NODE.BOOT.SLOT.LIFE */
static int
slot_of(const char *holder)
{
	const char *life = strrchr(holder, '.');

	while (life != NULL && life > holder && life[-1] != '.')
		life--;
	return life != NULL ? atoi(life) : -1;
}

static bool
is_held(struct harness *h, void *arg)
{
	struct held *held = arg;
	redisReply *r =
	    harness_redis(h, "HMGET agent:job:%s state token holder", held->id);
	bool is_so = r->elements == 3 && r->element[0]->str != NULL &&
	    strcmp(r->element[0]->str, "held") == 0 &&
	    atoll(r->element[1]->str) > held->token;

	if (is_so) {
		held->token = atoll(r->element[1]->str);
		held->slot = slot_of(r->element[2]->str);
	}
	freeReplyObject(r);
	return is_so;
}

/* Each life finishes a job, so that no restart is put off. */
static void
warm_up(struct harness *h, unsigned n)
{
	char id[32];

	for (unsigned i = 0; i < 2; i++) {
		(void)snprintf(id, sizeof(id), "quick-%u-%u", n, i);
		harness_push_job(h, id, "quick", "");
	}
	for (unsigned i = 0; i < 2; i++) {
		(void)snprintf(id, sizeof(id), "quick-%u-%u", n, i);
		(void)harness_expect(h, id, "completed");
	}
}

static uint64_t
measure_kill(struct harness *h, unsigned n)
{
	char id[32];
	struct held held = { .id = id };
	struct process former;
	uint64_t killed_us, idle_us;

	warm_up(h, n);
	(void)snprintf(id, sizeof(id), "slow-%u", n);
	harness_push_job(h, id, "slow", "");
	harness_wait_until(h, is_held, &held, HARNESS_WAIT_MS, "the job is begun");
	cr_assert(harness_find_child(h, "worker", held.slot, &former));
	(void)kill(former.pid, SIGKILL);
	killed_us = clock_mono_us();
	while (!is_held(h, &held))
		if (clock_mono_us() - killed_us > HARNESS_WAIT_MS * 1000ULL)
			harness_fail(h, "%s does not run again", id);
	idle_us = clock_mono_us() - killed_us;
	(void)harness_expect(h, id, "completed");
	(void)harness_wait_child(h, "worker", former.slot, &former);
	harness_wait_ready(h);
	harness_clear(h);
	return idle_us;
}

static int
by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

TestSuite(kills, .timeout = 300);

Test(kills, a_job_of_a_killed_worker_runs_again_within_a_second)
{
	struct harness *h = e2e_new();
	uint64_t us[MEASURED_KILLS];

	harness_set(h, "service.workers", "2");
	harness_start(h);
	harness_llm_script(h, slow_rules);
	for (unsigned n = 0; n < MEASURED_KILLS; n++)
		us[n] = measure_kill(h, n);
	qsort(us, MEASURED_KILLS, sizeof(us[0]), by_size);
	(void)fprintf(stderr,
	    "killed to begun again: p50 %.1f ms, p99 %.1f ms, of %d\n",
	    (double)us[MEASURED_KILLS / 2] / 1e3,
	    (double)us[MEASURED_KILLS * 99 / 100] / 1e3, MEASURED_KILLS);
	cr_expect(us[MEASURED_KILLS * 99 / 100] <= IDLE_MAX_MS * 1000ULL);
	harness_stop(h);
	harness_free(h);
}

Test(kills, before_each_command)
{
	kill_everywhere("before");
}

Test(kills, after_each_command_before_its_reply)
{
	kill_everywhere("after");
}

/* A late command finds its holder fenced. */
Test(kills, stopped_past_the_lease_before_each_script)
{
	stop_everywhere("before");
}

/* A late reply finds the job gone. */
Test(kills, stopped_past_the_lease_before_each_reply)
{
	stop_everywhere("after");
}
