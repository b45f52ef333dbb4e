/* SPDX-License-Identifier: MIT */
/*
 * blows.c - everything that can be killed, stopped, cut, filled or restarted.
 *
 * Owns:   what a blow left broken, and when it is mended.
 * Called: by the run, at each of its turns.
 * Fails:  through the harness, when a server does not come back.
 */
#include "config.h"

#include "tests/chaos/chaos.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "tests/support/postgres_server.h"
#include "tests/support/redis_server.h"

#include <signal.h>
#include <string.h>

enum {
	LEASE_MS = 3000,
	STORM_SIGNALS = 20,
	STORM_EVERY_MS = 50,
	RULES_EVERY_MS = 3000,
	BLOWS_MAX = 40
};

struct blow_state {
	bool is_on[BLOWS_MAX];
	unsigned counts[BLOWS_MAX];
	unsigned total_weight;
	uint64_t n_struck, next_ms, next_rules_ms;
	/* 0: nothing to mend */
	pid_t stopped;
	uint64_t go_on_ms, accept_ms, memory_ms, outage_ms, resume_ms, storm_ms;
	unsigned storm_left, reloads;
};

/* ---- kills and stops ---- */

static void
signal_one(struct chaos *c, struct draws *d, const char *role, int sig, pid_t *pid)
{
	static struct process list[PROCESSES_MAX];
	size_t n = harness_children(c->h, list), n_role = 0;

	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].role, role) == 0)
			list[n_role++] = list[i];
	if (n_role == 0)
		return;
	n = draw(d, (unsigned)n_role);
	if (kill(list[n].pid, sig) == 0 && pid != NULL)
		*pid = list[n].pid;
}

static void
kill_worker(struct chaos *c, struct draws *d)
{
	signal_one(c, d, "worker", SIGKILL, NULL);
}

static void
kill_other(struct chaos *c, struct draws *d)
{
	static const char *const roles[] = { "scheduler", "fetch", "compute",
		"gateway" };

	signal_one(c, d, roles[draw(d, ARRAY_LEN(roles))], SIGKILL, NULL);
}

/* Half a lease, one and a half, five. */
static uint64_t
stop_ms(struct draws *d)
{
	static const unsigned halves[] = { 1, 1, 3, 3, 3, 10 };

	return halves[draw(d, ARRAY_LEN(halves))] * (uint64_t)LEASE_MS / 2;
}

static void
stop_role(struct chaos *c, struct draws *d, const char *role)
{
	struct blow_state *b = c->blows;

	if (b->stopped != 0)
		return;
	signal_one(c, d, role, SIGSTOP, &b->stopped);
	b->go_on_ms = clock_mono_ms() + stop_ms(d);
}

static void
stop_worker(struct chaos *c, struct draws *d)
{
	stop_role(c, d, "worker");
}

static void
stop_scheduler(struct chaos *c, struct draws *d)
{
	stop_role(c, d, "scheduler");
}

static void
stop_supervisor(struct chaos *c, struct draws *d)
{
	struct blow_state *b = c->blows;

	if (b->stopped != 0)
		return;
	b->stopped = harness_proc(c->h)->pid;
	(void)kill(b->stopped, SIGSTOP);
	b->go_on_ms = clock_mono_ms() + stop_ms(d);
}

/* ---- Redis ---- */

static void
crash_redis(struct chaos *c, struct draws *d)
{
	redis_server_kill(harness_redis_server(c->h));
	harness_sleep(draw(d, 300));
	if (!redis_server_restart(harness_redis_server(c->h)))
		harness_fail(c->h, "Redis did not come back");
}

static void
flush_scripts(struct chaos *c, struct draws *d)
{
	(void)d;
	freeReplyObject(harness_redis(c->h, "SCRIPT FLUSH"));
}

static void
end_clients(struct chaos *c, struct draws *d)
{
	(void)d;
	freeReplyObject(harness_redis(c->h, "CLIENT KILL TYPE normal SKIPME yes"));
}

static void
pause_clients(struct chaos *c, struct draws *d)
{
	freeReplyObject(
	    harness_redis(c->h, "CLIENT PAUSE %u ALL", 200 + draw(d, 1500)));
}

static void
fill_memory(struct chaos *c, struct draws *d)
{
	freeReplyObject(harness_redis(c->h, "CONFIG SET maxmemory 1"));
	c->blows->memory_ms = clock_mono_ms() + 200 + draw(d, 1500);
}

static void
cut_connections(struct chaos *c, struct draws *d)
{
	(void)d;
	(void)harness_proxy(c->h, "drop");
}

static void
cut_in_a_reply(struct chaos *c, struct draws *d)
{
	const char *where = draw(d, 2) == 0 ? "after" : "before";

	(void)harness_proxy(c->h, "arm %s %u role=worker", where, 1 + draw(d, 6));
}

static void
refuse_connections(struct chaos *c, struct draws *d)
{
	(void)harness_proxy(c->h, "refuse on");
	(void)harness_proxy(c->h, "drop");
	c->blows->accept_ms = clock_mono_ms() + 200 + draw(d, 800);
}

/* ---- PostgreSQL ---- */

static void
restart_postgres(struct chaos *c, struct draws *d)
{
	struct postgres_server *pg = harness_postgres_server(c->h);
	struct err err = ERR_INIT;

	if (postgres_server_stop(pg, draw(d, 2) == 0 ? SIGQUIT : SIGINT, &err) < 0)
		harness_fail(c->h, "PostgreSQL: %s", err_text(&err));
	harness_sleep(draw(d, 300));
	if (postgres_server_start(pg, &err) < 0)
		harness_fail(c->h, "PostgreSQL: %s", err_text(&err));
}

static void
end_backends(struct chaos *c, struct draws *d)
{
	(void)d;
	(void)harness_sql(c->h,
	    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname "
	    "= current_database() AND pid <> pg_backend_pid()");
}

/* ---- providers ---- */

static void
provider_outage(struct chaos *c, struct draws *d)
{
	static const unsigned kinds[] = { 500, 503, 429 };

	jobs_script_outage(c->h, kinds[draw(d, ARRAY_LEN(kinds))]);
	c->blows->outage_ms = clock_mono_ms() + 300 + draw(d, 2500);
}

/* ---- wall clocks ---- */

/* Each of both: an hour back, right, or an hour ahead. */
static void
step_clocks(struct chaos *c, struct draws *d)
{
	*c->redis_ahead_sec = 3600 * ((int64_t)draw(d, 3) - 1);
	atomic_store(&c->faults->wall_step_ms, 3600000 * ((int64_t)draw(d, 3) - 1));
}

/* ---- operators ---- */

static void
agentctl(struct chaos *c, const char *word, const char *what)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *argv[] = { harness_program(c->h, "agentctl"), "-c",
		harness_conf_path(c->h), word, what, NULL };

	(void)harness_run(c->h, argv, &out); /* Redis may be away */
}

static void
pause_queue(struct chaos *c, struct draws *d)
{
	agentctl(c, "queue", "pause");
	c->blows->resume_ms = clock_mono_ms() + 300 + draw(d, 2000);
}

/* ---- the daemon ---- */

static void
reload(struct chaos *c, struct draws *d)
{
	(void)d;
	harness_set(c->h, "limits.max_turns", "%u", 10 + ++c->blows->reloads % 2);
	harness_write_conf(c->h);
	harness_signal(c->h, SIGHUP);
}

/* The signals come from blows_tick, one every 50 ms. */
static void
storm_signals(struct chaos *c, struct draws *d)
{
	(void)d;
	c->blows->storm_left = STORM_SIGNALS;
	c->blows->storm_ms = clock_mono_ms();
}

static void
storm_signal(struct chaos *c)
{
	struct blow_state *b = c->blows;
	unsigned n = b->storm_left--;

	if (n % 2 == 0) {
		harness_signal(c->h, SIGUSR1);
		return;
	}
	if (n % 4 == 1)
		harness_set(c->h, "limits.max_turns", "\"many\"");
	else
		harness_set(c->h, "limits.max_turns", "%u", 10 + ++b->reloads % 2);
	harness_write_conf(c->h);
	harness_signal(c->h, SIGHUP);
}

static void
repair_conf(struct chaos *c)
{
	c->blows->storm_left = 0;
	harness_set(c->h, "limits.max_turns", "10");
	harness_write_conf(c->h);
}

static bool
is_own_fault(const char *line)
{
	static const char *const words[] = { "ERROR: AddressSanitizer",
		"runtime error:", "signal 4 ", "signal 6 ", "signal 7 ", "signal 8 ",
		"signal 11 ", "signal 31 " };

	if (strstr(line, "by the refused system call") != NULL)
		return false; /* poison */
	if (strstr(line, " lines were dropped that begin like: ") != NULL)
		return false; /* cut off; the whole line was seen before */
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strstr(line, words[i]) != NULL)
			return true;
	return false;
}

/* We kill with one signal, and poison with a refused call: other signals, and the
   sanitizers' words, are the daemon's own doing. */
void
chaos_expect_no_faults(struct harness *h)
{
	CLEANUP(fclosep) FILE *f = fopen(harness_proc(h)->output, "re");
	CLEANUP(freep) char *line = NULL;
	size_t cap = 0;

	while (f != NULL && getline(&line, &cap, f) > 0)
		if (is_own_fault(line))
			harness_fail(h, "the daemon says: %s", line);
}

static void
mend_all(struct chaos *c)
{
	struct blow_state *b = c->blows;

	if (b->stopped != 0)
		(void)kill(b->stopped, SIGCONT);
	(void)harness_proxy(c->h, "disarm");
	(void)harness_proxy(c->h, "refuse off");
	freeReplyObject(harness_redis(c->h, "CLIENT UNPAUSE"));
	freeReplyObject(harness_redis(c->h, "CONFIG SET maxmemory 0"));
	agentctl(c, "queue", "resume");
	jobs_script(c->h);
	repair_conf(c);
	b->stopped = 0;
	b->go_on_ms = b->accept_ms = b->memory_ms = b->outage_ms = b->resume_ms = 0;
}

static void
crash_daemon(struct chaos *c, struct draws *d)
{
	(void)d;
	mend_all(c);
	chaos_expect_no_faults(c->h);
	harness_crash(c->h);
	harness_daemon(c->h);
}

static void
restart_daemon(struct chaos *c, struct draws *d)
{
	(void)d;
	mend_all(c);
	chaos_expect_no_faults(c->h);
	harness_stop(c->h);
	harness_daemon(c->h);
}

/* ---- the table ---- */

static const struct blow {
	const char *name, *what;
	void (*strike)(struct chaos *c, struct draws *d);
	unsigned weight;
} blows[] = {
	{ "kill-worker", "SIGKILL to a worker", kill_worker, 8 },
	{ "kill-other", "SIGKILL to scheduler, fetch, compute or gateway", kill_other,
	    5 },
	{ "stop-worker", "SIGSTOP of a worker for 0.5 to 5 leases", stop_worker, 2 },
	{ "stop-scheduler", "the same of the scheduler", stop_scheduler, 1 },
	{ "stop-supervisor", "the same of the supervisor", stop_supervisor, 1 },
	{ "redis-kill", "SIGKILL to Redis, started again", crash_redis, 2 },
	{ "redis-flush", "SCRIPT FLUSH", flush_scripts, 2 },
	{ "redis-clients", "CLIENT KILL of all", end_clients, 2 },
	{ "redis-pause", "CLIENT PAUSE", pause_clients, 1 },
	{ "redis-memory", "Redis' memory is full for a while", fill_memory, 2 },
	{ "redis-cut", "all connections to Redis are cut", cut_connections, 2 },
	{ "redis-cut-at", "a connection is cut before a command or its reply",
	    cut_in_a_reply, 4 },
	{ "redis-refuse", "Redis refuses connections for a while", refuse_connections,
	    2 },
	{ "postgres-restart", "PostgreSQL stops and starts", restart_postgres, 1 },
	{ "postgres-backends", "PostgreSQL's connections end", end_backends, 2 },
	{ "llm-outage", "the provider answers 500, 503 or 429 for a while",
	    provider_outage, 1 },
	{ "clock", "the wall clocks of Redis and of the daemon step by an hour",
	    step_clocks, 1 },
	{ "pause", "agentctl queue pause, and resume after a while", pause_queue, 1 },
	{ "reload", "another configuration and SIGHUP", reload, 1 },
	{ "storm", "SIGHUP and SIGUSR1 every 50 ms, every second file broken",
	    storm_signals, 1 },
	{ "daemon-kill", "SIGKILL to the supervisor, started again", crash_daemon, 1 },
	{ "daemon-restart", "SIGTERM under load, started again", restart_daemon, 1 },
};
_Static_assert(ARRAY_LEN(blows) <= BLOWS_MAX, "room for every blow");

void
blows_list(void)
{
	for (size_t i = 0; i < ARRAY_LEN(blows); i++)
		(void)printf("%-18s %s\n", blows[i].name, blows[i].what);
}

static bool
is_named(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = list; (at = strstr(at, name)) != NULL; at += n)
		if ((at == list || at[-1] == ',') && (at[n] == ',' || at[n] == '\0'))
			return true;
	return false;
}

static unsigned
words_in(const char *list)
{
	unsigned n = 1;

	for (; *list != '\0'; list++)
		n += *list == ',';
	return n;
}

void
blows_begin(struct chaos *c)
{
	struct blow_state *b = c->blows = calloc(1, sizeof(*b));
	unsigned n = 0;

	ASSERT(b != NULL);
	for (size_t i = 0; i < ARRAY_LEN(blows); i++) {
		b->is_on[i] = c->o->only == NULL || is_named(c->o->only, blows[i].name);
		b->total_weight += b->is_on[i] ? blows[i].weight : 0;
		n += b->is_on[i];
	}
	if (c->o->only != NULL && n != words_in(c->o->only)) {
		(void)fprintf(stderr, "chaos: --only %s: no such blow; there are:\n",
		    c->o->only);
		blows_list();
		exit(EXIT_STATUS_USAGE);
	}
	b->next_ms = clock_mono_ms() + c->o->every_ms;
}

static void
strike(struct chaos *c)
{
	struct blow_state *b = c->blows;
	struct draws d = draws_of(c->o->seed, 2, b->n_struck++);
	unsigned at = draw(&d, b->total_weight);
	uint64_t wait_ms = c->o->every_ms / 2 + draw(&d, c->o->every_ms);

	for (size_t i = 0; i < ARRAY_LEN(blows); i++) {
		if (!b->is_on[i])
			continue;
		if (at < blows[i].weight) {
			b->counts[i]++;
			blows[i].strike(c, &d);
			break;
		}
		at -= blows[i].weight;
	}
	b->next_ms = clock_mono_ms() + wait_ms;
}

static bool
is_due(uint64_t *at_ms, uint64_t now_ms)
{
	if (*at_ms == 0 || now_ms < *at_ms)
		return false;
	*at_ms = 0;
	return true;
}

/* What a blow left lying is taken up when its time has come. */
static void
mend(struct chaos *c, uint64_t now_ms)
{
	struct blow_state *b = c->blows;

	if (b->stopped != 0 && is_due(&b->go_on_ms, now_ms)) {
		(void)kill(b->stopped, SIGCONT);
		b->stopped = 0;
	}
	if (is_due(&b->accept_ms, now_ms))
		(void)harness_proxy(c->h, "refuse off");
	if (is_due(&b->memory_ms, now_ms))
		freeReplyObject(harness_redis(c->h, "CONFIG SET maxmemory 0"));
	if (is_due(&b->resume_ms, now_ms))
		agentctl(c, "queue", "resume");
	if (is_due(&b->outage_ms, now_ms))
		b->next_rules_ms = 0;
	if (b->outage_ms == 0 && now_ms >= b->next_rules_ms) {
		jobs_script(c->h);
		b->next_rules_ms = now_ms + RULES_EVERY_MS;
	}
	if (b->storm_left > 0 && now_ms >= b->storm_ms) {
		storm_signal(c);
		b->storm_ms = now_ms + STORM_EVERY_MS;
		if (b->storm_left == 0)
			repair_conf(c);
	}
}

void
blows_tick(struct chaos *c, uint64_t now_ms)
{
	mend(c, now_ms);
	if (now_ms >= c->blows->next_ms && c->blows->total_weight > 0)
		strike(c);
}

void
blows_end(struct chaos *c)
{
	mend_all(c);
}

void
blows_print(const struct chaos *c)
{
	for (size_t i = 0; i < ARRAY_LEN(blows); i++)
		if (c->blows->is_on[i])
			(void)printf("  %4u x %s\n", c->blows->counts[i],
			    blows[i].what);
}
