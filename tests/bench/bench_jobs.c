/* SPDX-License-Identifier: MIT */
/*
 * bench_jobs.c - what a job costs: the real daemon, real Redis and PostgreSQL, and the
 * scripted model, with the demonstration as the job.
 *
 *   bench_jobs throughput  jobs a second and CPU a job, by role
 *   bench_jobs flight      the same with 5,000 jobs in flight at two slow calls each
 *   bench_jobs latency     one job at a time: p50 and p99 beside the model's own time
 *   bench_jobs memory      of the idle daemon, and of each job in flight
 *
 * Prints "NAME VALUE UNIT" lines. Every run checks that each job has one result and one
 * row: a bench of a daemon that loses jobs is worth nothing.
 *
 * Owns:   a harness.
 * Called: by scripts/bench.
 * Fails:  through the harness, with everybody's last words.
 */
#include "config.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "tests/support/harness.h"
#include "tests/support/service.h"

#include <getopt.h>
#include <string.h>

enum {
	PUSH_BATCH = 100,
	ROLES_MAX = 24,
	SETTLE_MS = 500
};

struct options {
	const char *mode, *label;
	unsigned jobs, workers, per_worker, delay_ms;
	bool uses_sqlite;
};

static const char prompt[] =
    "fetch flights from NYC to LAX, sort by price, show cheapest 3";

/* ---- CPU by role ---- */

struct usage {
	struct {
		char role[32];
		unsigned long long ticks;
	} at[ROLES_MAX];
	size_t n;
};

static void
usage_add(struct usage *u, const struct process *p)
{
	size_t i = 0;

	while (i < u->n && strcmp(u->at[i].role, p->role) != 0)
		i++;
	if (i == ROLES_MAX)
		return;
	if (i == u->n)
		(void)snprintf(u->at[u->n++].role, sizeof(u->at[i].role), "%s",
		    p->role);
	u->at[i].ticks += p->cpu_ticks;
}

/* All that we started: the daemon's roles by their names, servers by theirs. */
static void
usage_read(struct usage *u)
{
	static struct process list[PROCESSES_MAX];
	size_t n = processes_below(getpid(), list);

	memset(u, 0, sizeof(*u));
	for (size_t i = 0; i < n; i++)
		usage_add(u, &list[i]);
}

static unsigned long long
usage_of(const struct usage *u, const char *role)
{
	for (size_t i = 0; i < u->n; i++)
		if (strcmp(u->at[i].role, role) == 0)
			return u->at[i].ticks;
	return 0;
}

static bool
is_outside(const char *role)
{
	static const char *const servers[] = { "redis", "postgres", "llm-stub",
		"data-api", "redis-proxy", NULL };

	for (size_t i = 0; servers[i] != NULL; i++)
		if (strcmp(servers[i], role) == 0)
			return true;
	return false;
}

static void
usage_print(const struct options *o, const struct usage *before,
    const struct usage *after, unsigned jobs)
{
	double tick_ms = 1000.0 / (double)sysconf(_SC_CLK_TCK), all = 0;

	for (size_t i = 0; i < after->n; i++) {
		double ms = tick_ms *
		    (double)(after->at[i].ticks - usage_of(before, after->at[i].role)) /
		    jobs;

		if (!is_outside(after->at[i].role))
			all += ms;
		(void)printf("%s.cpu.%s %.4f ms/job\n", o->label, after->at[i].role,
		    ms);
	}
	(void)printf("%s.cpu %.4f ms/job\n", o->label, all);
}

/* ---- jobs ---- */

static const char *extra = ""; /* members of every job */

static void
push_all(struct harness *h, const char *prefix, unsigned n)
{
	const char *argv[PUSH_BATCH + 2] = { "RPUSH", "agent:jobs" };
	static char text[PUSH_BATCH][256];

	for (unsigned done = 0; done < n;) {
		int k = 0;

		for (; k < PUSH_BATCH && done < n; k++, done++) {
			(void)snprintf(text[k], sizeof(text[k]),
			    "{\"version\":\"1.0\",\"job_id\":\"%s-%u\",\"prompt\":\"%s\"%s}",
			    prefix, done, prompt, extra);
			argv[2 + k] = text[k];
		}
		harness_redis_argv(h, k + 2, argv);
	}
}

/* Every job has one row and one message, and all are completed. */
static void
verify(struct harness *h, const char *prefix, unsigned n)
{
	char statement[256];
	const char *text;
	long long waiting = harness_redis_int(h, "LLEN bench:done");
	unsigned long rows;

	(void)snprintf(statement, sizeof(statement),
	    "SELECT count(*) FROM agent_results WHERE job_id LIKE '%s-%%' "
	    "AND status = 'completed'",
	    prefix);
	text = harness_sql(h, statement);
	rows = strtoul(text, NULL, 10);
	if (rows != n || waiting != (long long)n)
		harness_fail(h, "%u jobs, %lu completed rows, %lld messages", n, rows,
		    waiting);
	(void)harness_redis_int(h, "DEL bench:done");
}

static bool
all_are_done(struct harness *h, void *arg)
{
	return harness_redis_int(h, "LLEN bench:done") >= (long long)*(unsigned *)arg;
}

static struct harness *
start(const struct options *o)
{
	struct harness *h = harness_new();
	static char delay[16];

	if (!o->uses_sqlite)
		harness_use_postgres(h);
	harness_set(h, "service.workers", "%u", o->workers);
	harness_set(h, "service.jobs_per_worker", "%u", o->per_worker);
	harness_set(h, "service.log.level", "\"warning\"");
	harness_set(h, "queue.completion_queue", "\"bench:done\"");
	(void)snprintf(delay, sizeof(delay), "%u", o->delay_ms);
	harness_llm_arg(h, "--delay-ms");
	harness_llm_arg(h, delay);
	harness_llm_no_log(h);
	harness_llm_timeout(h, 30 + o->delay_ms / 1000);
	harness_write_file(h, "agents.d/two.conf",
	    "tools = ( \"execute_pipeline\" ); finish_tools = ( );\n");
	harness_start(h);
	return h;
}

/* When so many were done, in microseconds. */
static uint64_t
done_at_us(struct harness *h, unsigned n)
{
	harness_wait_until(h, all_are_done, &n, 600000, "jobs");
	return clock_mono_us();
}

/*
 * As many jobs in flight as the workers hold, each asking the model twice. The rate is
 * that between a tenth and nine tenths of the jobs, when all places are taken.
 */
static void
flight(const struct options *o)
{
	struct harness *h = start(o);
	struct usage before, after;
	unsigned n = o->jobs, part = n / 10;
	uint64_t first_us, last_us;

	extra = ",\"agent\":\"two\"";
	push_all(h, "job", n);
	first_us = done_at_us(h, part);
	usage_read(&before);
	last_us = done_at_us(h, n - part);
	usage_read(&after);
	(void)done_at_us(h, n);
	verify(h, "job", n);
	(void)printf("%s.rate %.0f jobs/s\n", o->label,
	    (double)(n - 2 * part) * 1e6 / (double)(last_us - first_us));
	usage_print(o, &before, &after, n - 2 * part);
	harness_stop(h);
	harness_free(h);
}

static void
throughput(const struct options *o)
{
	struct harness *h = start(o);
	struct usage before, after;
	unsigned warm = o->workers * o->per_worker, n = o->jobs;
	uint64_t began, ended;

	push_all(h, "warm", warm);
	harness_wait_until(h, all_are_done, &warm, 120000, "the first jobs");
	verify(h, "warm", warm);
	usage_read(&before);
	began = clock_mono_us();
	push_all(h, "job", n);
	harness_wait_until(h, all_are_done, &n, 600000, "all jobs");
	ended = clock_mono_us();
	usage_read(&after);
	verify(h, "job", n);
	(void)printf("%s.rate %.0f jobs/s\n", o->label,
	    (double)n * 1e6 / (double)(ended - began));
	usage_print(o, &before, &after, n);
	harness_stop(h);
	harness_free(h);
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
latency(const struct options *o)
{
	struct harness *h = start(o);
	uint64_t *us = calloc(o->jobs, sizeof(*us));

	ASSERT(us != NULL);
	push_all(h, "warm", 20);
	harness_wait_until(h, all_are_done, &(unsigned){ 20 }, 60000, "the first jobs");
	for (unsigned i = 0; i < o->jobs; i++) {
		uint64_t began = clock_mono_us();
		char id[32];

		(void)snprintf(id, sizeof(id), "one-%u", i);
		harness_push_job(h, id, prompt, "");
		(void)harness_expect(h, id, "completed");
		us[i] = clock_mono_us() - began;
		harness_clear(h);
	}
	qsort(us, o->jobs, sizeof(*us), compare);
	(void)printf("%s.p50 %.3f ms\n", o->label,
	    (double)us[o->jobs / 2] / 1000 - o->delay_ms);
	(void)printf("%s.p99 %.3f ms\n", o->label,
	    (double)us[o->jobs * 99 / 100] / 1000 - o->delay_ms);
	free(us);
	harness_stop(h);
	harness_free(h);
}

/* ---- memory ---- */

static long
memory_kb(struct harness *h)
{
	static struct process list[PROCESSES_MAX];
	size_t n = harness_children(h, list);
	long kb = process_pss_kb(harness_proc(h)->pid);

	for (size_t i = 0; i < n; i++)
		kb += process_pss_kb(list[i].pid);
	return kb;
}

static bool
model_is_asked(struct harness *h, void *arg)
{
	bool is_so = harness_llm_stat(h, "waiting") >= (long long)*(unsigned *)arg;

	harness_clear(h);
	return is_so;
}

/* Jobs wait for the model, which does not answer until all are there. */
static void
memory(const struct options *o)
{
	struct harness *h = start(o);
	unsigned n = o->jobs;
	long idle_kb, busy_kb;

	harness_sleep(SETTLE_MS);
	idle_kb = memory_kb(h);
	push_all(h, "wait", n);
	harness_wait_until(h, model_is_asked, &n, o->delay_ms, "all jobs in flight");
	harness_sleep(SETTLE_MS);
	busy_kb = memory_kb(h);
	(void)printf("%s.idle %.1f MB\n", o->label, (double)idle_kb / 1024);
	(void)printf("%s.job %.1f KB/job\n", o->label, (double)(busy_kb - idle_kb) / n);
	harness_wait_until(h, all_are_done, &n, 300000, "all jobs");
	verify(h, "wait", n);
	harness_stop(h);
	harness_free(h);
}

/* ---- the command line ---- */

static const struct {
	const char *name;
	void (*run)(const struct options *o);
	unsigned jobs, workers, per_worker, delay_ms;
} modes[] = {
	{ "throughput", throughput, 20000, 2, 32, 0 },
	{ "flight", flight, 50000, 5, 1000, 1000 },
	{ "latency", latency, 500, 2, 8, 0 },
	{ "memory", memory, 1000, 2, 500, 20000 },
};

static const struct option long_options[] = {
	{ "jobs", required_argument, NULL, 'j' },
	{ "workers", required_argument, NULL, 'w' },
	{ "per-worker", required_argument, NULL, 'p' },
	{ "delay-ms", required_argument, NULL, 'd' },
	{ "label", required_argument, NULL, 'l' },
	{ "sqlite", no_argument, NULL, 's' },
	{ NULL, 0, NULL, 0 },
};

__attribute__((noreturn)) static void
usage(void)
{
	(void)fprintf(stderr,
	    "usage: bench_jobs throughput|flight|latency|memory [--jobs N] [--workers N] "
	    "[--per-worker N] [--delay-ms N] [--label NAME] [--sqlite]\n");
	exit(EXIT_STATUS_USAGE);
}

static unsigned
number(const char *text)
{
	return (unsigned)service_number("bench_jobs", "the option", text);
}

static void
read_options(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		switch (c) {
		case 'j':
			o->jobs = number(optarg);
			break;
		case 'w':
			o->workers = number(optarg);
			break;
		case 'p':
			o->per_worker = number(optarg);
			break;
		case 'd':
			o->delay_ms = number(optarg);
			break;
		case 'l':
			o->label = optarg;
			break;
		case 's':
			o->uses_sqlite = true;
			break;
		default:
			usage();
		}
}

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(modes); i++)
		if (strcmp(argv[1], modes[i].name) == 0) {
			struct options o = { modes[i].name, modes[i].name,
				modes[i].jobs, modes[i].workers, modes[i].per_worker,
				modes[i].delay_ms, false };

			read_options(argc - 1, argv + 1, &o);
			if (o.jobs == 0 || o.workers == 0 || o.per_worker == 0)
				usage();
			modes[i].run(&o);
			return EXIT_STATUS_OK;
		}
	usage();
}
