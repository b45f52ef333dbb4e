/* SPDX-License-Identifier: MIT */
/*
 * stages.c - redis, migrations, roles, running, draining, closing: one after the other.
 *
 * Owns:   the supervisor's phase.
 * Called: once a turn, and by signals and the control socket.
 * Fails:  by stages_fail, which ends the daemon with a word and a status.
 */
#include "config.h"

#include "supervisor/stages.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/log.h"
#include "supervisor/daemonize.h"
#include "supervisor/hub.h"
#include "supervisor/notify.h"
#include "supervisor/redis.h"
#include "supervisor/reload.h"
#include "supervisor/supervisor.h"

#include <stdarg.h>
#include <string.h>

enum {
	MIGRATE_RETRY_MS = 1000,
	MIGRATE_RETRY_MAX_MS = 10000,
	QUARANTINE_IDLE_LEASES = 2,
	SUSPECTS_WAIT_MS = 1000, /* in a storm, until they are looked at again */
	REDIS_TRIES = 5,         /* of the private server, before it was ever there */
	CLOSE_MS = 30000         /* from the last job to the last process, at most */
};

static void
enter(struct supervisor *s, enum phase phase)
{
	s->phase = phase;
	s->phase_since_ms = clock_mono_ms();
}

static struct child *
find(struct supervisor *s, const struct generation *g, enum role role, unsigned slot)
{
	struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		if (c->role == role && c->slot == slot && c->generation == g &&
		    c->is_wanted && c->state != CHILD_GONE)
			return c;
	return NULL;
}

static void
start_one(struct supervisor *s, struct generation *g, enum role role, unsigned slot)
{
	struct child *c;

	if (find(s, g, role, slot) != NULL)
		return;
	c = child_new(s, g, role, slot);
	if (c == NULL) {
		stages_fail(s, EXIT_STATUS_FAILURE, "no memory for %s",
		    role_name(role));
		return;
	}
	child_event(c, EVENT_START);
}

void
stages_start_roles(struct supervisor *s, struct generation *g, unsigned mask,
    unsigned max_workers)
{
	/* Helpers before those they help. */
	static const enum role singles[] = { ROLE_COMPUTE, ROLE_FETCH, ROLE_SCHEDULER,
		ROLE_GATEWAY };
	unsigned workers = (unsigned)g->conf->service.workers;

	for (size_t i = 0; i < ARRAY_LEN(singles); i++) {
		if (singles[i] == ROLE_GATEWAY && s->listen_fd < 0)
			continue;
		if ((mask & 1u << singles[i]) != 0)
			start_one(s, g, singles[i], 0);
	}
	for (unsigned i = 0; i < workers && i < max_workers; i++)
		start_one(s, g, ROLE_WORKER, i);
}

static void
begin_roles(struct supervisor *s)
{
	enter(s, PHASE_ROLES);
	stages_start_roles(s, s->now, ~0u, ~0u);
}

static void migrate_ended(struct supervisor *s, struct child *c, bool has_succeeded);

static void
begin_migrate(struct supervisor *s, uint64_t wait_ms)
{
	struct child *c = child_new(s, s->now, ROLE_MIGRATE, 0);

	if (c == NULL) {
		stages_fail(s, EXIT_STATUS_FAILURE, "no memory for migrate");
		return;
	}
	enter(s, PHASE_MIGRATE);
	c->on_end = migrate_ended;
	if (wait_ms == 0)
		child_event(c, EVENT_START);
	else
		c->due_ms = clock_mono_ms() + wait_ms;
}

static void
migrate_ended(struct supervisor *s, struct child *c, bool has_succeeded)
{
	uint64_t wait_ms = MIGRATE_RETRY_MS
	    << (s->migrate_tries < 4 ? s->migrate_tries : 4);
	const char *why = c->said[0] != '\0' ? c->said : "it said nothing";

	if (s->phase != PHASE_MIGRATE)
		return;
	if (has_succeeded) {
		begin_roles(s);
	} else if (c->said_status == EXIT_STATUS_UNAVAILABLE) {
		if (wait_ms > MIGRATE_RETRY_MAX_MS)
			wait_ms = MIGRATE_RETRY_MAX_MS;
		s->migrate_tries++;
		log_warning("result store: %s; next try in %llu ms", why,
		    (unsigned long long)wait_ms);
		(void)snprintf(s->complaint, sizeof(s->complaint), "result store: %s",
		    why);
		begin_migrate(s, wait_ms);
	} else {
		stages_fail(s,
		    c->said_status > 0 ? c->said_status : EXIT_STATUS_FAILURE,
		    "result store: %s", why);
	}
}

void
stages_begin(struct supervisor *s)
{
	if (!redis_is_embedded(s->now->conf)) {
		begin_migrate(s, 0);
		return;
	}
	enter(s, PHASE_REDIS);
	start_one(s, s->now, ROLE_REDIS, 0);
}

/* -D waits for an answer; a foreground start may try for ever. */
static bool
is_start_too_long(const struct supervisor *s)
{
	return s->ready_fd >= 0 &&
	    clock_mono_ms() - s->started_ms > DAEMON_START_LIMIT_MS;
}

static void
check_start(struct supervisor *s)
{
	const struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		if (c->state == CHILD_BROKEN && !c->is_short) {
			stages_fail(s, EXIT_STATUS_CONFIG, "%s", s->complaint);
			return;
		}
	if (is_start_too_long(s))
		stages_fail(s, EXIT_STATUS_UNAVAILABLE, "not ready after %d s: %s",
		    DAEMON_START_LIMIT_MS / 1000,
		    s->complaint[0] != '\0' ? s->complaint
					    : "children are still starting");
}

static void
on_redis(struct supervisor *s)
{
	const struct child *c = find(s, s->now, ROLE_REDIS, 0);

	if (c != NULL && c->state == CHILD_LIVE)
		begin_migrate(s, 0);
	else if (c != NULL && c->failures >= REDIS_TRIES)
		stages_fail(s, EXIT_STATUS_FAILURE, "%s", s->complaint);
	else
		check_start(s);
}

static void
on_migrate(struct supervisor *s)
{
	check_start(s);
}

/* What an operator wants to know of a start, on one line; the URLs hold no secret. */
static void
tell_ready(const struct supervisor *s)
{
	const struct conf *c = s->now->conf;

	log_info("ready after %llu ms: %lld workers of %lld jobs each, queue %s on %s, "
		 "store %s, http %s",
	    (unsigned long long)(clock_mono_ms() - s->started_ms),
	    (long long)c->service.workers, (long long)c->service.jobs_per_worker,
	    c->queue.jobs, redis_is_embedded(c) ? "the private redis" : c->redis.url,
	    c->database.url, c->http.listen[0] != '\0' ? c->http.listen : "off");
}

static void
leave_terminal(struct supervisor *s)
{
	struct err err = ERR_INIT;

	if (supervisor_open_log(s, &err) < 0)
		log_error("%s", err_text(&err));
	daemonize_report(&s->ready_fd, EXIT_STATUS_OK, "");
}

static void
on_roles(struct supervisor *s)
{
	const struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		if (c->is_wanted && !c->is_short && c->state != CHILD_LIVE) {
			check_start(s);
			return;
		}
	enter(s, PHASE_RUNNING);
	s->was_ready = true;
	tell_ready(s);
	notify_send("READY=1\nSTATUS=running\n");
	if (s->options.is_daemon)
		leave_terminal(s);
}

/* The quarantine worker runs while the scheduler shows jobs that must run alone. */
static void
watch_quarantine(struct supervisor *s)
{
	struct child *c = find(s, s->now, ROLE_QUARANTINE, 0);
	uint64_t now_ms = clock_mono_ms(),
		 idle_ms = QUARANTINE_IDLE_LEASES *
	    (uint64_t)s->now->conf->queue.lease_sec * 1000;
	bool is_needed = hub_gauge(s, METRIC_QUEUE_ALONE) > 0 ||
	    (c != NULL && child_jobs_in_flight(c) > 0);

	if (is_needed)
		s->quiet_since_ms = now_ms;
	if (is_needed && storm_holds_suspects(s, now_ms)) {
		if (c != NULL && c->state == CHILD_WAITING)
			c->due_ms = now_ms + SUSPECTS_WAIT_MS;
		return;
	}
	if (is_needed && c == NULL)
		start_one(s, s->now, ROLE_QUARANTINE, 0);
	else if (c != NULL && now_ms - s->quiet_since_ms > idle_ms)
		child_retire(c);
}

static bool
has_children(struct supervisor *s, bool (*counts)(const struct child *))
{
	const struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		if (counts(c))
			return true;
	return false;
}

static bool
is_no_redis(const struct child *c)
{
	return c->role != ROLE_REDIS;
}

static bool
is_any(const struct child *c)
{
	(void)c;
	return true;
}

static void
retire_all(struct supervisor *s, bool (*counts)(const struct child *))
{
	struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		if (counts(c))
			child_retire(c);
}

static void
end_all_now(struct supervisor *s, bool (*counts)(const struct child *))
{
	struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		if (counts(c))
			child_end_now(c);
}

static void
on_draining(struct supervisor *s)
{
	if (has_children(s, child_is_worker))
		return;
	enter(s, PHASE_CLOSING);
	retire_all(s, is_no_redis);
}

static void
on_closing(struct supervisor *s)
{
	if (has_children(s, is_no_redis))
		return;
	enter(s, PHASE_REDIS_STOP); /* last, since the others still write to it */
	retire_all(s, is_any);
}

static void
on_redis_stop(struct supervisor *s)
{
	if (!has_children(s, is_any))
		enter(s, PHASE_OVER);
}

static void (*const duties[PHASE_COUNT])(struct supervisor *) = {
	[PHASE_REDIS] = on_redis,
	[PHASE_MIGRATE] = on_migrate,
	[PHASE_ROLES] = on_roles,
	[PHASE_RUNNING] = watch_quarantine,
	[PHASE_DRAINING] = on_draining,
	[PHASE_CLOSING] = on_closing,
	[PHASE_REDIS_STOP] = on_redis_stop,
};

/* A phase that finds nothing to wait for is over at once: no event may follow it. */
void
stages_tick(struct supervisor *s)
{
	enum phase before;

	do {
		before = s->phase;
		if (duties[s->phase] != NULL)
			duties[s->phase](s);
	} while (s->phase != before);
}

static void
release_now(struct supervisor *s)
{
	struct child *c;

	log_info("stopping: jobs are handed back now");
	TAILQ_FOREACH (c, &s->children, link)
		if (child_is_worker(c) && c->state == CHILD_DRAINING)
			c->due_ms = clock_mono_ms();
}

static unsigned
jobs_in_flight(const struct supervisor *s)
{
	const struct child *c;
	unsigned n = 0;

	TAILQ_FOREACH (c, &s->children, link)
		if (child_is_worker(c))
			n += child_jobs_in_flight(c);
	return n;
}

static void
tell_stopping(unsigned n_jobs, int64_t grace_sec)
{
	if (n_jobs == 0)
		log_info("stopping: no job runs");
	else
		log_info("stopping: %u running %s %lld s to finish", n_jobs,
		    n_jobs == 1 ? "job has" : "jobs have", (long long)grace_sec);
}

/* Those who drain already, for a reload, get the same bound as all. */
static void
bound_drains(struct supervisor *s)
{
	struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		if (child_is_worker(c) && c->state == CHILD_DRAINING)
			c->due_ms = s->grace_until_ms;
}

void
stages_drain(struct supervisor *s)
{
	int64_t grace_sec = s->now->conf->service.shutdown_grace_sec;

	if (s->phase == PHASE_DRAINING)
		release_now(s);
	if (s->phase >= PHASE_DRAINING)
		return;
	tell_stopping(jobs_in_flight(s), grace_sec);
	notify_stopping((uint64_t)grace_sec * 1000 + CLOSE_MS);
	reload_abandon(s);
	s->grace_until_ms = clock_mono_ms() + (uint64_t)grace_sec * 1000;
	enter(s, PHASE_DRAINING);
	bound_drains(s);
	retire_all(s, child_is_worker);
}

void
stages_quit(struct supervisor *s)
{
	if (s->phase >= PHASE_REDIS_STOP)
		return;
	log_info("stopping at once; %u held jobs are recovered at the next start",
	    jobs_in_flight(s));
	notify_send("STOPPING=1\nSTATUS=stopping at once\n");
	reload_abandon(s);
	enter(s, PHASE_CLOSING);
	end_all_now(s, is_no_redis);
}

void
stages_fail(struct supervisor *s, int status, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("%s", text);
	s->exit_status = status; /* -D's foreground hears of it when all are gone */
	(void)snprintf(s->complaint, sizeof(s->complaint), "%s", text);
	if (s->phase >= PHASE_CLOSING)
		return;
	notify_send("STOPPING=1\n");
	enter(s, PHASE_CLOSING);
	end_all_now(s, is_no_redis);
}
