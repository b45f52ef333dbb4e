/* SPDX-License-Identifier: MIT */
/*
 * watchdog.c - reads what children show of themselves, and acts on it once a second.
 *
 * Owns:   nothing.
 * Called: by supervisor_turn.
 * Fails:  never; a field that makes no sense is clamped to one that does.
 *
 * Silent is who neither beats nor answers ALIVE_ASK for a lease: its holder leaves the
 * live set, and a lease later the process is killed. A worker whose loop stands still
 * with jobs in hand beats by its pulse: a busy CPU is no death, and the jobs' deadlines
 * end it. Stuck is a row past its deadline:
 * its worker drains; SIGKILL follows when only stuck rows are left, or after ten
 * seconds.
 */
#include "config.h"

#include "supervisor/watchdog.h"

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/supervisor.h"

#include <fcntl.h>
#include <limits.h>

enum {
	DEADLINE_SLACK_MS = 60000,
	MEMORY_EVERY_TICKS = 10,
	MIB = 1 << 20
};

static uint64_t
lease_ms(const struct child *c)
{
	return (uint64_t)c->generation->conf->queue.lease_sec * 1000;
}

static bool
is_watched(const struct child *c)
{
	return c->process.slots != NULL && !c->is_short &&
	    (c->state == CHILD_LIVE || c->state == CHILD_DRAINING);
}

static void
ask(struct child *c, uint64_t now_ms)
{
	if (now_ms - c->asked_ms < lease_ms(c) / 6)
		return;
	c->asked_ms = now_ms;
	/* A full socket is an answer of its kind: it does not read. */
	(void)child_send(c, IPC_ALIVE_ASK, 0, 0, NULL, 0);
}

static uint64_t
last_beat_ms(const struct child *c)
{
	uint64_t loop = atomic_load_explicit(&c->process.slots->heartbeat_ms,
		     memory_order_relaxed),
		 pulse = atomic_load_explicit(&c->process.slots->pulse_ms,
		     memory_order_relaxed);

	return pulse > loop && child_jobs_in_flight(c) > 0 ? pulse : loop;
}

static void
hear(struct child *c, uint64_t now_ms)
{
	uint64_t beat = last_beat_ms(c);
	bool was_silent = c->is_silent;
	char label[48];

	if (beat > c->alive_ms)
		c->alive_ms = beat <= now_ms ? beat : now_ms;
	c->is_silent = now_ms - c->alive_ms > lease_ms(c);
	if (c->is_silent == was_silent)
		return;
	log_warning("%s[%ld]: %s", child_label(c, label), (long)c->process.pid,
	    c->is_silent ? "no sign of life for a lease; its jobs go back to the queue"
			 : "woke up; it is fenced and will be replaced");
	live_set_mark(c->supervisor);
}

/* Counts rows in use and, of these, the stuck ones. */
static void
count_rows(const struct child *c, uint64_t now_ms, unsigned *used, unsigned *stuck)
{
	uint64_t longest =
	    (uint64_t)c->generation->conf->limits.max_timeout_sec * 1000 +
	    DEADLINE_SLACK_MS;
	struct slot_row row;

	*used = *stuck = 0;
	for (unsigned i = 0; i < SLOT_ROWS; i++) {
		uint64_t begin, paused, deadline;

		if (c->process.slots->rows[i].in_use != 1 ||
		    !slot_row_copy(c->process.slots, i, &row) ||
		    row.is_payload != 0) /* not begun: it waits for Redis, or faults */
			continue;
		begin = row.started_ms < now_ms ? row.started_ms : now_ms;
		paused =
		    row.paused_ms < now_ms - begin ? row.paused_ms : now_ms - begin;
		deadline = row.deadline_ms < begin + longest ? row.deadline_ms
							     : begin + longest;
		(*used)++;
		*stuck += now_ms > deadline + paused;
	}
}

static void
watch_rows(struct child *c, uint64_t now_ms)
{
	unsigned used, stuck;
	char label[48];

	count_rows(c, now_ms, &used, &stuck);
	if (stuck == 0) {
		c->stuck_ms = 0;
		return;
	}
	if (c->stuck_ms == 0) {
		c->stuck_ms = now_ms;
		log_error(
		    "%s[%ld]: %u of %u jobs past their deadline; the worker drains",
		    child_label(c, label), (long)c->process.pid, stuck, used);
		child_event(c, EVENT_STUCK);
	}
	if (stuck == used || now_ms - c->stuck_ms > STUCK_LIMIT_MS) {
		log_error("%s[%ld]: killing it with %u stuck jobs",
		    child_label(c, label), (long)c->process.pid, stuck);
		child_event(c, EVENT_NOW);
	}
}

static uint64_t
resident_bytes(pid_t pid)
{
	char path[64], text[128] = "";
	CLEANUP(closep) int fd = -1;
	unsigned long pages = 0;

	(void)snprintf(path, sizeof(path), "/proc/%ld/statm", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 ||
	    sscanf(text, "%*u %lu", &pages) != 1)
		return 0;
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool
has_earned_renewal(const struct child *c, bool with_memory)
{
	const struct conf *conf = c->generation->conf;
	uint64_t done =
	    atomic_load_explicit(&c->process.slots->jobs_done, memory_order_relaxed);

	if (conf->service.max_jobs > 0 && done >= (uint64_t)conf->service.max_jobs)
		return true;
	/* A process that is too big before its first job would be so for ever. */
	return done > 0 && with_memory && conf->service.max_memory_mb > 0 &&
	    resident_bytes(c->process.pid) >
	    (uint64_t)conf->service.max_memory_mb * MIB;
}

/* One at a time, so that a renewal never halves the service. */
static bool
is_one_renewing(const struct supervisor *s)
{
	const struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		if (c->is_asked_to_renew && child_has_process(c))
			return true;
	return false;
}

static void
renew(struct child *c, bool with_memory)
{
	char label[48];

	if (c->state != CHILD_LIVE || !child_is_worker(c) || !c->is_wanted ||
	    !has_earned_renewal(c, with_memory) || is_one_renewing(c->supervisor))
		return;
	log_info("%s[%ld]: renewed after its share of jobs or memory",
	    child_label(c, label), (long)c->process.pid);
	c->is_asked_to_renew = true;
	child_event(c, EVENT_DRAIN);
}

/* After a stop of this very process (or of the whole machine) nobody else is to
   blame. */
static void
forgive_all(struct supervisor *s, uint64_t now_ms)
{
	struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		c->alive_ms = now_ms;
}

void
watchdog_tick(struct supervisor *s, uint64_t now_ms)
{
	static unsigned ticks;
	struct child *c;
	bool with_memory = ++ticks % MEMORY_EVERY_TICKS == 0;

	if (s->last_watch_ms != 0 && now_ms - s->last_watch_ms > 3 * TICK_MS)
		forgive_all(s, now_ms);
	s->last_watch_ms = now_ms;
	storm_tick(s, now_ms);
	watched_files_tick(s, now_ms);
	TAILQ_FOREACH (c, &s->children, link) {
		if (!is_watched(c))
			continue;
		ask(c, now_ms);
		hear(c, now_ms);
		if (child_is_worker(c))
			watch_rows(c, now_ms);
		if (is_watched(c) && c->is_silent &&
		    now_ms - c->alive_ms > 2 * lease_ms(c))
			child_event(c, EVENT_NOW);
		if (is_watched(c))
			renew(c, with_memory);
	}
}
