/* SPDX-License-Identifier: MIT */
/*
 * test_redis_faults.c - everything that Redis and the way to it can do wrong, under
 * load: no job is lost, doubled, paid for again, charged or blamed.
 *
 * AGENT_RUNNER_LONG=1 restarts 50 times instead of 8, and pauses for longer.
 */
#include "config.h"

#include "common/clock.h"
#include "tests/e2e/e2e.h"
#include "tests/e2e/ledger.h"
#include "tests/support/redis_server.h"

#include <signal.h>
#include <sys/stat.h>

enum {
	LOAD = 40, /* jobs of one fault */
	PER_RESTART = 6,
	PATIENCE_MS = 60000,
	UP_AGAIN_MS = 5000,
	RESTARTS = 8,
	RESTARTS_LONG = 50,
	IDS_MAX = LOAD + RESTARTS_LONG * (PER_RESTART + 1)
};

static struct harness *h;
static char ids[IDS_MAX][32];
static unsigned n_ids, n_read; /* pushed; of these, results taken */

TestSuite(redis_faults, .timeout = 900);

static bool
is_long(void)
{
	const char *text = getenv("AGENT_RUNNER_LONG");

	return text != NULL && strcmp(text, "1") == 0;
}

static void
answer_after(unsigned ms)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
	    "{\"rules\":[{\"when\":{\"prompt_contains\":\"probe\"},\"reply\":{\"content\":"
	    "\"serial-{{serial}}\"}},{\"reply\":{\"content\":\"serial-{{serial}}\","
	    "\"delay_ms\":%u}}]}",
	    ms);
	harness_llm_script(h, text);
}

static void
begin(void)
{
	h = e2e_new();
	n_ids = n_read = 0;
	harness_set(h, "queue.lease_sec", "3");
}

static void
begin_and_start(void)
{
	begin();
	harness_start(h);
	answer_after(150);
}

static const char *
push(const char *kind)
{
	char prompt[64];
	char *id = ids[n_ids++];

	ASSERT(n_ids <= IDS_MAX);
	(void)snprintf(id, sizeof(ids[0]), "%s-%u", kind, n_ids);
	(void)snprintf(prompt, sizeof(prompt), "%s [%s]", kind, id);
	harness_push_job(h, id, prompt, "");
	return id;
}

static void
push_load(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		(void)push("go");
}

/* Redis keeps jobs in hand and answers in its journal: the fault hits them there. */
static bool
jobs_are_under_way(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_llm_stat(h, "answers") > 0;
}

static void
begin_load(void)
{
	push_load(LOAD);
	harness_wait_until(h, jobs_are_under_way, NULL, HARNESS_WAIT_MS,
	    "jobs are under way");
}

/* What the daemon said of a job. */
static void
tell_story(const char *id)
{
	CLEANUP_BUF struct buf log = BUF_INIT;
	redisReply *job = harness_redis(h, "HGETALL agent:job:%s", id);
	redisReply *counters = harness_redis(h, "HGETALL agent:counters");
	char *save = NULL;

	proc_output(harness_proc(h), &log, 64 * 1024 * 1024);
	(void)buf_str(&log);
	for (char *line = strtok_r(log.data, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		if (strstr(line, id) != NULL)
			cr_log_warn("%s", line);
	for (size_t i = 0; i + 1 < job->elements; i += 2)
		cr_log_warn("%s: %.200s", job->element[i]->str,
		    job->element[i + 1]->str);
	for (size_t i = 0; i + 1 < counters->elements; i += 2)
		cr_log_warn("counter %s: %s", counters->element[i]->str,
		    counters->element[i + 1]->str);
	freeReplyObject(job);
	freeReplyObject(counters);
}

/* One job: completed, at its first attempt, once, and nobody is suspected of anything. */
static void
expect_one(const char *id, const struct ledger *ledger, struct ledger_sum *sum,
    struct buf *why)
{
	const struct json *r = harness_result(h, id, PATIENCE_MS);

	cr_expect_str_eq(text_at(h, r, "status"), "completed", "%s: %s", id,
	    text_at(h, r, "error.message"));
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1), "%s", id);
	cr_expect(harness_redis_int(h, "HEXISTS agent:job:%s suspicions", id) == 0 &&
		harness_redis_int(h, "HEXISTS agent:job:%s crashes", id) == 0,
	    "%s was blamed", id);
	if (harness_redis_int(h, "LLEN agent:results:%s", id) != 0) {
		tell_story(id);
		cr_expect(false, "%s was published twice", id);
	}
	ledger_check(ledger, h, id, sum, why);
	harness_clear(h);
}

static bool
all_are_done(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_redis_int(h, "HGET agent:counters done") >= (long long)n_ids;
}

static void
expect_all(void)
{
	CLEANUP(ledger_freep) struct ledger *ledger = NULL;
	CLEANUP_BUF struct buf why = BUF_INIT;
	struct ledger_sum sum = { 0 };
	char rows[32];

	harness_wait_until(h, all_are_done, NULL, PATIENCE_MS, "all jobs are done");
	ledger = ledger_read(h);
	for (; n_read < n_ids; n_read++)
		expect_one(ids[n_read], ledger, &sum, &why);
	cr_expect(sum.repaid == 0 && sum.lost == 0 && sum.unending == 0,
	    "paid again %u, asked again %u, without expiry %u: %s", sum.repaid,
	    sum.lost, sum.unending, buf_str(&why));
	(void)snprintf(rows, sizeof(rows), "%u\n", n_ids);
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), rows);
}

static void
end(void)
{
	expect_all();
	harness_stop(h);
	harness_free(h);
}

/* ---- restarts ---- */

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* From the moment that Redis answers until a job pushed then is done. */
static uint64_t
time_to_consume(void)
{
	uint64_t start = clock_mono_ms();
	const char *id = push("probe");

	while (harness_redis_int(h, "LLEN agent:results:%s", id) == 0) {
		cr_assert(clock_mono_ms() - start < PATIENCE_MS,
		    "nothing is consumed any more");
		harness_sleep(5);
	}
	return clock_mono_ms() - start;
}

static bool
redis_answers(struct harness *unused, void *arg)
{
	redisReply *r = harness_redis(h, "PING");
	bool is_up = r != NULL && r->type == REDIS_REPLY_STATUS;

	(void)unused;
	(void)arg;
	freeReplyObject(r);
	return is_up;
}

static void
restart_own(void)
{
	redis_server_kill(harness_redis_server(h));
	cr_assert(redis_server_restart(harness_redis_server(h)));
}

static void
restart_embedded(void)
{
	struct process former = harness_kill_child(h, "redis", -1, SIGKILL);

	(void)harness_wait_child(h, "redis", -1, &former);
	harness_wait_until(h, redis_answers, NULL, PATIENCE_MS, "Redis is back");
}

static void
restart_again_and_again(void (*restart)(void), unsigned times)
{
	uint64_t ms[RESTARTS_LONG];

	for (unsigned i = 0; i < times; i++) {
		push_load(PER_RESTART);
		harness_sleep(i * 37 % 200);
		restart();
		ms[i] = time_to_consume();
		cr_expect(ms[i] <= (is_long() ? UP_AGAIN_MS : PATIENCE_MS),
		    "restart %u: consuming again after %llu ms", i,
		    (unsigned long long)ms[i]);
	}
	qsort(ms, times, sizeof(ms[0]), by_value);
	cr_log_info(
	    "%u restarts: consuming again after %llu ms (median), %llu ms (longest)",
	    times, (unsigned long long)ms[times / 2],
	    (unsigned long long)ms[times - 1]);
}

Test(redis_faults, restarts_in_a_row)
{
	begin_and_start();
	restart_again_and_again(restart_own, is_long() ? RESTARTS_LONG : RESTARTS);
	end();
}

Test(redis_faults, deaths_of_the_private_server_in_a_row)
{
	begin();
	harness_use_embedded_redis(h);
	harness_start(h);
	answer_after(150);
	restart_again_and_again(restart_embedded,
	    is_long() ? RESTARTS_LONG : RESTARTS / 2);
	end();
}

/* ---- what is done to it again and again while jobs run ---- */

static void
forget_scripts(void)
{
	freeReplyObject(harness_redis(h, "SCRIPT FLUSH"));
}

static void
kill_clients(void)
{
	freeReplyObject(harness_redis(h, "CLIENT KILL TYPE normal SKIPME yes"));
	freeReplyObject(harness_redis(h, "CLIENT KILL TYPE pubsub"));
}

static const struct {
	const char *name;
	void (*act)(void);
	unsigned every_ms;
} nuisances[] = {
	{ "SCRIPT FLUSH", forget_scripts, 100 },
	{ "CLIENT KILL", kill_clients, 400 },
};

Test(redis_faults, nuisances_while_jobs_run)
{
	begin_and_start();
	for (size_t i = 0; i < ARRAY_LEN(nuisances); i++) {
		begin_load();
		for (unsigned n = 0; n < 15 || !all_are_done(h, NULL); n++) {
			cr_assert(n * nuisances[i].every_ms < PATIENCE_MS, "%s",
			    nuisances[i].name);
			nuisances[i].act();
			harness_sleep(nuisances[i].every_ms);
		}
		expect_all();
	}
	end();
}

/* ---- states that it is in for a while ---- */

static long long
info_number(const char *section, const char *name)
{
	redisReply *r = harness_redis(h, "INFO %s", section);
	const char *at = strstr(r->str, name);
	long long n = at != NULL ? atoll(at + strlen(name) + 1) : -1;

	freeReplyObject(r);
	return n;
}

static void
config(const char *name, const char *value)
{
	const char *argv[] = { "CONFIG", "SET", name, value };

	harness_redis_argv(h, 4, argv);
}

static void
pause_clients(void)
{
	freeReplyObject(
	    harness_redis(h, "CLIENT PAUSE %d ALL", is_long() ? 10000 : 3000));
}

/* Filled to the brim with what is not ours, until a push is refused. */
static void
fill_memory(void)
{
	char max[32];
	redisReply *r;
	bool is_full = false;

	(void)snprintf(max, sizeof(max), "%lld",
	    info_number("memory", "used_memory") + 4 * 1024 * 1024);
	config("maxmemory", max);
	for (int i = 0; i < 1000 && !is_full; i++) {
		r = harness_redis(h, "SETRANGE filler:%d 65536 x", i);
		is_full = r->type == REDIS_REPLY_ERROR;
		freeReplyObject(r);
	}
	cr_expect(is_full, "the memory is not full");
}

static void
free_memory(void)
{
	for (int i = 0; i < 1000; i++)
		freeReplyObject(harness_redis(h, "DEL filler:%d", i));
	config("maxmemory", "0");
}

/* No snapshot can be written: a directory stands where it should go. */
static void
break_snapshots(void)
{
	char path[PROC_PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/bad.rdb",
	    redis_server_dir(harness_redis_server(h)));
	(void)mkdir(path, 0755);
	config("save", "3600 1");
	config("dbfilename", "bad.rdb");
	freeReplyObject(harness_redis(h, "BGSAVE"));
}

static void
mend_snapshots(void)
{
	config("dbfilename", "good.rdb");
	config("save", "");
}

static void
keep_busy(void)
{
	redisContext *c = redisConnectUnix(harness_redis_socket(h));

	config("busy-reply-threshold", "100");
	cr_assert(c != NULL && c->err == 0);
	(void)redisAppendCommand(c, "EVAL %s 0", "while true do end");
	for (int done = 0; done == 0;)
		cr_assert(redisBufferWrite(c, &done) == REDIS_OK);
	redisFree(c); /* the script runs on */
}

static void
stop_script(void)
{
	do { /* it is killed at its next look around */
		freeReplyObject(harness_redis(h, "SCRIPT KILL"));
		harness_sleep(20);
	} while (!redis_answers(h, NULL));
}

static void
follow_nobody(void)
{
	freeReplyObject(harness_redis(h, "REPLICAOF 127.0.0.1 1"));
}

static void
follow_no_more(void)
{
	freeReplyObject(harness_redis(h, "REPLICAOF NO ONE"));
}

static void
nothing(void)
{
}

static const struct {
	const char *name;
	void (*begin)(void), (*end)(void);
	const char *says; /* to a write meanwhile; NULL: nothing */
} states[] = {
	{ "paused", pause_clients, nothing, NULL },
	{ "full", fill_memory, free_memory, "OOM" },
	{ "without snapshots", break_snapshots, mend_snapshots, "MISCONF" },
	{ "busy", keep_busy, stop_script, "BUSY" },
	{ "read-only", follow_nobody, follow_no_more, "READONLY" },
};

static bool
it_says(struct harness *unused, void *text)
{
	redisReply *r = harness_redis(h, "SET agent:test:probe x");
	bool is_so =
	    r->type == REDIS_REPLY_ERROR && strncmp(r->str, text, strlen(text)) == 0;

	(void)unused;
	freeReplyObject(r);
	return is_so;
}

Test(redis_faults, states_that_it_is_in_for_a_while)
{
	begin();
	harness_redis_arg(h, "--enable-protected-configs");
	harness_redis_arg(h, "yes");
	harness_start(h);
	answer_after(150);
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		begin_load();
		states[i].begin();
		if (states[i].says != NULL) {
			harness_wait_until(h, it_says,
			    (void *)(uintptr_t)states[i].says, PATIENCE_MS,
			    states[i].says);
			harness_sleep(1500);
		}
		states[i].end();
		freeReplyObject(harness_redis(h, "DEL agent:test:probe"));
		expect_all();
	}
	end();
}

/* It answers, and takes two seconds to read its file: longer than anybody waits between
   two tries. */
Test(redis_faults, loading_is_waited_for)
{
	begin();
	harness_redis_arg(h, "--key-load-delay");
	harness_redis_arg(h, "400");
	harness_start(h);
	answer_after(150);
	freeReplyObject(harness_redis(h, "EVAL %s 0",
	    "for i = 1, 5000 do redis.call('SET', 'filler:' .. i, 'x') end"));
	begin_load();
	restart_own();
	(void)time_to_consume();
	cr_expect(info_number("errorstats", "errorstat_LOADING:count") > 10,
	    "nobody met it loading");
	end();
}

/* ---- the way to it ---- */

static const struct {
	const char *begin, *end;
	unsigned ms;
} ways[] = {
	{ "slow 50", "slow 0", 3000 },
	{ "trickle on", "trickle off", 2000 },
	{ "pause on", "pause off", 4000 }, /* half-open: nothing comes, nobody closes */
	{ "refuse on", "refuse off", 500 },
};

Test(redis_faults, a_bad_way_to_it)
{
	begin();
	harness_use_redis_proxy(h);
	harness_start(h);
	answer_after(150);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		begin_load();
		(void)harness_proxy(h, "%s", ways[i].begin);
		if (strcmp(ways[i].begin, "refuse on") == 0)
			(void)harness_proxy(h, "drop");
		harness_sleep(ways[i].ms);
		(void)harness_proxy(h, "%s", ways[i].end);
		expect_all();
	}
	end();
}

/* The publication itself is lost with the subscription; the flag is read after it. */
Test(redis_faults, a_cancel_that_nobody_heard_is_found_after_the_subscription)
{
	const struct json *r;

	begin();
	harness_llm_timeout(h, 120);
	harness_start(h);
	answer_after(100000);
	harness_push_job(h, "unheard", "go [unheard]", "");
	harness_wait_until(h, jobs_are_under_way, NULL, HARNESS_WAIT_MS,
	    "the job is under way");
	cr_expect(harness_redis_int(h, "HSET agent:job:unheard cancel 1") == 1);
	cr_expect(harness_redis_int(h, "CLIENT KILL TYPE pubsub") > 0);
	r = harness_result(h, "unheard", PATIENCE_MS);
	cr_expect_str_eq(text_at(h, r, "error.type"), "cancelled");
	harness_stop(h);
	harness_free(h);
}

/* ---- a policy that would throw jobs away ---- */

static bool
readiness_tells(struct harness *unused, void *is_told)
{
	CLEANUP_BUF struct buf body = BUF_INIT;
	int status = harness_http(h, "GET", "/health?ready=1", NULL, &body);
	bool tells =
	    status == 503 && strstr(buf_str(&body), "may throw jobs away") != NULL;

	(void)unused;
	return tells == *(bool *)is_told;
}

static bool
metric_is(const char *line)
{
	CLEANUP_BUF struct buf body = BUF_INIT;

	return harness_http(h, "GET", "/metrics", NULL, &body) == 200 &&
	    strstr(buf_str(&body), line) != NULL;
}

Test(redis_faults, a_policy_that_evicts_is_refused_at_the_start_and_told_later)
{
	bool yes = true, no = false;

	begin();
	harness_servers(h);
	config("maxmemory-policy", "allkeys-lru");
	harness_launch(h);
	cr_assert(proc_wait(harness_proc(h), HARNESS_WAIT_MS) == 0, "it goes on");
	cr_expect(harness_proc(h)->status == 78 << 8, "status %x",
	    (unsigned)harness_proc(h)->status);
	cr_expect(harness_log_has(h, "set it to noeviction"), "the remedy is not told");
	config("maxmemory-policy", "noeviction");
	harness_daemon(h);
	answer_after(150);
	begin_load();
	config("maxmemory-policy", "allkeys-lru");
	harness_wait_until(h, readiness_tells, &yes, PATIENCE_MS, "it is told");
	cr_expect(metric_is("\nagent_runner_redis_may_evict 1\n"), "no metric");
	expect_all();
	config("maxmemory-policy", "noeviction");
	harness_wait_until(h, readiness_tells, &no, PATIENCE_MS, "all is well again");
	cr_expect(metric_is("\nagent_runner_redis_may_evict 0\n"), "the metric stays");
	end();
}
