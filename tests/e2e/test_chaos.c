/* SPDX-License-Identifier: MIT */
/*
 * test_chaos.c - hundreds of jobs while everything that can be killed, stopped, cut or
 * restarted is; then the books are balanced over every job that was submitted.
 *
 * AGENT_RUNNER_CHAOS_SEED repeats a run's order of blows (it is printed);
 * AGENT_RUNNER_CHAOS_SECONDS makes it longer.
 */
#include "config.h"

#include "common/clock.h"
#include "tests/e2e/e2e.h"
#include "tests/e2e/ledger.h"
#include "tests/support/postgres_server.h"
#include "tests/support/redis_server.h"

#include <signal.h>
#include <time.h>

enum {
	SECONDS = 22,
	JOBS_PER_SECOND = 20,
	LEASE_SEC = 3,
	BLOW_EVERY_MS = 450,
	RULES_EVERY_MS = 3000,
	AFTERMATH_MS = 90000
};

/* Every answer names its request. The first calls of "retry" jobs fail, again and
 * again. */
static const char rules[] =
    "{\"rules\":[{\"when\":{\"prompt_contains\":\"retry\",\"times\":4},\"fault\":{\"status\":"
    "503,\"body\":\"busy\",\"headers\":{\"Retry-After\":\"0\"}}},"
    "{\"when\":{\"prompt_contains\":\"tool\",\"turn\":0},\"reply\":{\"delay_ms\":50,"
    "\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{\"session_id\":"
    "\"serial-{{serial}}\",\"pipeline\":[{\"step\":\"http_request\",\"url\":"
    "\"{{data_api}}/slow?ms=100\"}]}}]}},"
    "{\"reply\":{\"content\":\"serial-{{serial}}\",\"delay_ms\":80}}]}";

static const char agent_two_turns[] =
    "tools = ( \"execute_pipeline\" ); finish_tools = ( );\n";

static const char *const kinds[] = { "text", "tool", "copy", "retry" };

struct chaos {
	struct harness *h;
	unsigned n_jobs;
	pid_t stopped; /* goes on at go_on_ms */
	uint64_t go_on_ms, accept_ms, next_rules_ms;
	unsigned reloads;
};

static unsigned
pick(unsigned n)
{
	return (unsigned)(random() % n);
}

static void
job_name(unsigned i, char out[32])
{
	(void)snprintf(out, 32, "%s-%u", kinds[i % ARRAY_LEN(kinds)], i);
}

static void
submit(struct chaos *c, unsigned i)
{
	char id[32], prompt[80];

	job_name(i, id);
	(void)snprintf(prompt, sizeof(prompt), "%s [%s]", kinds[i % ARRAY_LEN(kinds)],
	    id);
	harness_push_job(c->h, id, prompt,
	    strncmp(id, "tool", 4) == 0 ? ",\"agent\":\"two\"" : "");
}

/* ---- blows ---- */

static void
kill_one(struct chaos *c, const char *role)
{
	static struct process list[PROCESSES_MAX];
	size_t n = harness_children(c->h, list), n_role = 0;

	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].role, role) == 0)
			list[n_role++] = list[i];
	if (n_role > 0)
		(void)kill(list[pick((unsigned)n_role)].pid, SIGKILL);
}

static void
kill_worker(struct chaos *c)
{
	kill_one(c, "worker");
}

static void
kill_other(struct chaos *c)
{
	static const char *const roles[] = { "scheduler", "fetch", "compute",
		"gateway" };

	kill_one(c, roles[pick(ARRAY_LEN(roles))]);
}

static void
stop_worker(struct chaos *c)
{
	struct process p;

	if (c->stopped != 0 || !harness_find_child(c->h, "worker", -1, &p))
		return;
	(void)kill(p.pid, SIGSTOP);
	c->stopped = p.pid;
	c->go_on_ms = clock_mono_ms() + LEASE_SEC * 1000 + 1500;
}

static void
crash_redis(struct chaos *c)
{
	redis_server_kill(harness_redis_server(c->h));
	harness_sleep(pick(300));
	if (!redis_server_restart(harness_redis_server(c->h)))
		harness_fail(c->h, "Redis did not come back");
}

static void
flush_scripts(struct chaos *c)
{
	freeReplyObject(harness_redis(c->h, "SCRIPT FLUSH"));
}

static void
restart_postgres(struct chaos *c)
{
	struct postgres_server *pg = harness_postgres_server(c->h);
	struct err err = ERR_INIT;

	if (postgres_server_stop(pg, pick(2) == 0 ? SIGQUIT : SIGINT, &err) < 0)
		harness_fail(c->h, "PostgreSQL: %s", err_text(&err));
	harness_sleep(pick(300));
	if (postgres_server_start(pg, &err) < 0)
		harness_fail(c->h, "PostgreSQL: %s", err_text(&err));
}

static void
end_backends(struct chaos *c)
{
	(void)harness_sql(c->h,
	    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname "
	    "= current_database() AND pid <> pg_backend_pid()");
}

static void
cut_connections(struct chaos *c)
{
	(void)harness_proxy(c->h, "drop");
}

static void
cut_in_a_reply(struct chaos *c)
{
	(void)harness_proxy(c->h, "arm %s %u role=worker",
	    pick(2) == 0 ? "after" : "before", 1 + pick(6));
}

static void
refuse_connections(struct chaos *c)
{
	(void)harness_proxy(c->h, "refuse on");
	(void)harness_proxy(c->h, "drop");
	c->accept_ms = clock_mono_ms() + 200 + pick(800);
}

static void
reload(struct chaos *c)
{
	harness_set(c->h, "limits.max_turns", "%u", 10 + ++c->reloads % 2);
	harness_write_conf(c->h);
	harness_signal(c->h, SIGHUP);
}

/* With what a blow left lying a start could not be waited for. */
static void
clear_the_way(struct chaos *c)
{
	if (c->stopped != 0)
		(void)kill(c->stopped, SIGCONT);
	(void)harness_proxy(c->h, "disarm");
	(void)harness_proxy(c->h, "refuse off");
	c->stopped = 0;
	c->accept_ms = 0;
}

static void
crash_daemon(struct chaos *c)
{
	clear_the_way(c);
	harness_crash(c->h);
	harness_daemon(c->h);
}

static void
restart_daemon(struct chaos *c)
{
	clear_the_way(c);
	harness_stop(c->h);
	harness_daemon(c->h);
}

static const struct {
	const char *name;
	void (*strike)(struct chaos *c);
	unsigned weight;
} blows[] = {
	{ "kill a worker", kill_worker, 6 },
	{ "kill another role", kill_other, 5 },
	{ "stop a worker past its lease", stop_worker, 2 },
	{ "kill Redis", crash_redis, 2 },
	{ "flush the scripts", flush_scripts, 1 },
	{ "restart PostgreSQL", restart_postgres, 1 },
	{ "end PostgreSQL's backends", end_backends, 2 },
	{ "cut all connections to Redis", cut_connections, 2 },
	{ "cut at a command", cut_in_a_reply, 4 },
	{ "refuse connections to Redis", refuse_connections, 2 },
	{ "reload", reload, 1 },
	{ "kill the daemon", crash_daemon, 1 },
	{ "restart the daemon", restart_daemon, 1 },
};

static unsigned counts[ARRAY_LEN(blows)];

static void
strike(struct chaos *c)
{
	unsigned total = 0, at;

	for (size_t i = 0; i < ARRAY_LEN(blows); i++)
		total += blows[i].weight;
	at = pick(total);
	for (size_t i = 0; i < ARRAY_LEN(blows); i++) {
		if (at < blows[i].weight) {
			counts[i]++;
			blows[i].strike(c);
			return;
		}
		at -= blows[i].weight;
	}
}

/* What a blow left lying is taken up when its time has come. */
static void
mend(struct chaos *c, uint64_t now)
{
	if (c->stopped != 0 && now >= c->go_on_ms) {
		(void)kill(c->stopped, SIGCONT);
		c->stopped = 0;
	}
	if (c->accept_ms != 0 && now >= c->accept_ms) {
		(void)harness_proxy(c->h, "refuse off");
		c->accept_ms = 0;
	}
	if (now >= c->next_rules_ms) {
		harness_llm_script(c->h, rules);
		c->next_rules_ms = now + RULES_EVERY_MS;
	}
}

static void
rage(struct chaos *c, unsigned seconds)
{
	uint64_t begin = clock_mono_ms(), end = begin + seconds * 1000;
	uint64_t next_blow = begin + 500;

	for (uint64_t now; (now = clock_mono_ms()) < end; harness_sleep(5)) {
		uint64_t due = (now - begin) * JOBS_PER_SECOND / 1000;

		mend(c, now);
		while (c->n_jobs < due) {
			submit(c, c->n_jobs++);
			/* another copy, of this one or of an older one */
			if (pick(4) == 0)
				submit(c, ((c->n_jobs - 1) & ~3U) | 2U);
			if (pick(8) == 0)
				submit(c, (pick(c->n_jobs) & ~3U) | 2U);
		}
		if (now >= next_blow) {
			strike(c);
			next_blow =
			    clock_mono_ms() + BLOW_EVERY_MS / 2 + pick(BLOW_EVERY_MS);
		}
		harness_clear(c->h);
	}
	/* copies run ahead of their jobs' own turn: all have been submitted by then */
	c->n_jobs = (c->n_jobs + 3) & ~3U;
	for (unsigned i = c->n_jobs - 4; i < c->n_jobs; i++)
		submit(c, i);
	(void)harness_proxy(c->h, "disarm");
	mend(c, UINT64_MAX - 1000000);
}

/* ---- the books ---- */

static bool
all_are_published(struct harness *h, void *arg)
{
	const struct chaos *c = arg;
	char id[32];
	unsigned open = 0;

	for (unsigned i = 0; i < c->n_jobs; i++) {
		job_name(i, id);
		open += harness_redis_int(h, "EXISTS agent:results:%s", id) == 0;
	}
	return open == 0;
}

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

struct books {
	unsigned lost, unexpected, published_twice, stored_wrong;
	struct ledger_sum ledger;
	struct buf why;
};

/* The message on the list is the row's, there is one of each, and it says completed. */
static void
check_result(struct chaos *c, const char *id, struct books *b)
{
	redisReply *list = harness_redis(c->h, "LRANGE agent:results:%s 0 -1", id);
	char statement[128];
	const char *row;

	if (list->elements == 0) {
		b->lost++;
		buf_addf(&b->why, "%s: lost; its job is %lld\n", id,
		    harness_redis_int(c->h, "EXISTS agent:job:%s", id));
		freeReplyObject(list);
		return;
	}
	if (list->elements > 1) {
		b->published_twice++;
		buf_addf(&b->why, "%s: %zu results\n", id, list->elements);
	}
	(void)snprintf(statement, sizeof(statement),
	    "SELECT message FROM agent_results WHERE job_id = '%s'", id);
	row = harness_sql(c->h, statement);
	if (strlen(row) != list->element[0]->len + 1 ||
	    strncmp(row, list->element[0]->str, list->element[0]->len) != 0) {
		b->stored_wrong++;
		buf_addf(&b->why, "%s: published %s but stored %s\n", id,
		    list->element[0]->str, row);
	}
	if (strstr(list->element[0]->str, "\"status\":\"completed\"") == NULL &&
	    (strncmp(id, "retry", 5) != 0 ||
		strstr(list->element[0]->str, "llm_unavailable") == NULL)) {
		b->unexpected++;
		buf_addf(&b->why, "%s: %s\n", id, list->element[0]->str);
	}
	freeReplyObject(list);
}

/* Each publication, also of a copy, has put one message on the completion queue. */
static void
check_completions(struct chaos *c, struct books *b)
{
	redisReply *list = harness_redis(c->h, "LRANGE all:done 0 -1");

	for (unsigned i = 0; i < c->n_jobs; i++) {
		char id[32], needle[64];
		unsigned n = 0;

		job_name(i, id);
		(void)snprintf(needle, sizeof(needle), "\"job_id\":\"%s\"", id);
		for (size_t k = 0; k < list->elements; k++)
			n += strstr(list->element[k]->str, needle) != NULL;
		if (n > 1) {
			b->published_twice++;
			buf_addf(&b->why, "%s: published %u times\n", id, n);
		}
	}
	freeReplyObject(list);
}

static void
balance(struct chaos *c, struct books *b)
{
	CLEANUP(ledger_freep) struct ledger *l = ledger_read(c->h);
	char id[32];

	for (unsigned i = 0; i < c->n_jobs; i++) {
		job_name(i, id);
		check_result(c, id, b);
		ledger_check(l, c->h, id, &b->ledger, &b->why);
		harness_clear(c->h);
	}
	check_completions(c, b);
}

static void
tell(const struct chaos *c, const struct books *b)
{
	for (size_t i = 0; i < ARRAY_LEN(blows); i++)
		(void)fprintf(stderr, "  %3u x %s\n", counts[i], blows[i].name);
	(void)fprintf(stderr,
	    "%u jobs: %u lost, %u unexpected, %u published twice, %u stored otherwise, "
	    "%u of %u answers paid again, %u calls under way when they were lost\n",
	    c->n_jobs, b->lost, b->unexpected, b->published_twice, b->stored_wrong,
	    b->ledger.repaid, b->ledger.answers, b->ledger.lost);
}

static unsigned
number_from(const char *variable, unsigned otherwise)
{
	const char *text = getenv(variable);

	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void
begin(struct chaos *c)
{
	struct harness *h = c->h = e2e_new();

	harness_use_postgres(h);
	harness_use_redis_proxy(h);
	harness_set(h, "service.workers", "3");
	harness_set(h, "queue.lease_sec", "%d", LEASE_SEC);
	harness_set(h, "queue.completion_queue", "\"all:done\"");
	harness_set(h, "service.log.level", "\"info\"");
	harness_write_file(h, "agents.d/two.conf", agent_two_turns);
	harness_start(h);
	harness_llm_script(h, rules);
}

static void
check_fsck(struct harness *h)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *argv[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "fsck", NULL };

	cr_expect(eq(int, harness_run(h, argv, &out), 0), "fsck: %s", buf_str(&out));
}

Test(chaos, the_books_balance_whatever_is_killed, .timeout = 600)
{
	struct chaos c = { 0 };
	struct books b = { .why = BUF_INIT };
	unsigned seed = number_from("AGENT_RUNNER_CHAOS_SEED", (unsigned)time(NULL));
	unsigned seconds = number_from("AGENT_RUNNER_CHAOS_SECONDS", SECONDS);
	char count[32];

	(void)fprintf(stderr, "AGENT_RUNNER_CHAOS_SEED=%u\n", seed);
	srandom(seed);
	begin(&c);
	rage(&c, seconds);
	harness_wait_until(c.h, all_are_published, &c, AFTERMATH_MS,
	    "every job has a result");
	harness_wait_until(c.h, is_settled, NULL, AFTERMATH_MS,
	    "nothing left in Redis");
	for (unsigned i = 0; i < c.n_jobs; i += 7) /* copies of what is finished */
		submit(&c, i);
	harness_wait_until(c.h, is_settled, NULL, AFTERMATH_MS, "the copies are gone");
	balance(&c, &b);
	tell(&c, &b);
	(void)snprintf(count, sizeof(count), "%u\n", c.n_jobs);
	cr_expect_str_eq(harness_sql(c.h, "SELECT count(*) FROM agent_results"), count);
	cr_expect(b.why.len == 0, "seed %u: %s", seed, buf_str(&b.why));
	cr_expect(harness_redis_int(c.h, "LLEN agent:dead") == 0, "seed %u", seed);
	check_fsck(c.h);
	buf_release(&b.why);
	harness_stop(c.h);
	harness_free(c.h);
}
