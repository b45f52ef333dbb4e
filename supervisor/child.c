/* SPDX-License-Identifier: MIT */
/*
 * child.c - one child's births and deaths: what the table of lifecycle.c does.
 *
 * Owns:   struct child, its process' descriptors and its mapped slot file.
 * Called: by the event loop, by stages.c, reload.c and watchdog.c.
 * Fails:  a failed fork is logged and put off; an event that the table lacks is a bug
 *         (ASSERT), unless a child's message caused it: then the child dies.
 */
#include "config.h"

#include "supervisor/supervisor.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/fault_point.h"
#include "common/log.h"
#include "supervisor/hub.h"
#include "supervisor/lanes.h"
#include "supervisor/live_set.h"
#include "supervisor/redis.h"
#include "supervisor/reload.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	CHILD_MAGIC = 0x43484c44,
	BACK_OFF_FIRST_MS = 100,
	BACK_OFF_MAX_MS = 30000,
	BACK_OFF_REDIS_MS = 1000, /* all others wait for it */
	/* it is there to be taken down, each time at the cost of one of a job's few lives,
	   and other suspects wait behind that job */
	BACK_OFF_QUARANTINE_MS = 1000,
	CALM_MS =
	    10000, /* a life without jobs to finish is a success after this long */
	CLOSE_LIMIT_MS = 10000, /* gateway, scheduler, ...: from DRAIN to RELEASE */
	SHORT_LIMIT_MS = 600000 /* migrations of a large database take their time */
};

bool
child_has_process(const struct child *c)
{
	return c->process.pid > 0;
}

bool
child_is_worker(const struct child *c)
{
	return c->role == ROLE_WORKER || c->role == ROLE_QUARANTINE;
}

uint32_t
child_jobs_in_flight(const struct child *c)
{
	uint32_t n = c->process.slots == NULL
	    ? 0
	    : atomic_load_explicit(&c->process.slots->jobs_in_flight,
		  memory_order_relaxed);

	return n <= SLOT_ROWS ? n : SLOT_ROWS; /* its word, within reason */
}

static uint64_t
jobs_done(const struct child *c)
{
	return c->process.slots == NULL
	    ? 0
	    : atomic_load_explicit(&c->process.slots->jobs_done, memory_order_relaxed);
}

const char *
child_label(const struct child *c, char out[48])
{
	(void)snprintf(out, 48, "%s/%u", role_name(c->role), c->slot);
	return out;
}

struct child *
child_new(struct supervisor *s, struct generation *g, enum role role, unsigned slot)
{
	struct child *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->magic = CHILD_MAGIC;
	c->supervisor = s;
	c->generation = g;
	c->role = role;
	c->slot = slot;
	c->is_wanted = true;
	c->is_short = role == ROLE_CHECK || role == ROLE_MIGRATE;
	c->process = (struct spawn_child)SPAWN_CHILD_INIT;
	TAILQ_INSERT_TAIL(&s->children, c, link);
	return c;
}

void
child_free(struct child *c)
{
	if (c == NULL)
		return;
	ASSERT(c->magic == CHILD_MAGIC && !child_has_process(c));
	TAILQ_REMOVE(&c->supervisor->children, c, link);
	c->magic = 0;
	free(c);
}

void
child_event(struct child *c, enum child_event event)
{
	int r;

	ASSERT(c->magic == CHILD_MAGIC);
	r = lifecycle_take(c, event);
	if (r < 0)
		(void)fprintf(stderr, "agent-runnerd: bug: %s/%u in state %s got %s\n",
		    role_name(c->role), c->slot, control_state_name(c->state),
		    child_event_name(event));
	ASSERT(r == 0);
}

static void
signal_child(struct child *c, int sig)
{
	if (child_has_process(c))
		(void)syscall(SYS_pidfd_send_signal, c->process.pidfd, sig, NULL, 0);
}

static void
name_holder(struct child *c)
{
	struct supervisor *s = c->supervisor;
	char slot[16] = "q";

	if (c->role == ROLE_WORKER)
		(void)snprintf(slot, sizeof(slot), "%u", c->slot);
	(void)snprintf(c->holder, sizeof(c->holder), "%s.%s.%s.%u",
	    s->now->conf->service.node, s->boot, slot, ++s->last_life);
}

static uint32_t
start_flags(const struct supervisor *s)
{
	uint32_t level = LOG_LEVEL_ERROR;

	while (level < LOG_LEVEL_DEBUG && log_is_on((enum log_level)(level + 1)))
		level++;
	return (s->options.verbose >= 2 ? (uint32_t)SPAWN_EXPLAIN_SANDBOX : 0) |
	    (level + 1) << SPAWN_LOG_LEVEL_SHIFT;
}

static int
spawn_program(struct child *c, struct err *err)
{
	struct supervisor *s = c->supervisor;
	bool is_compute = c->role == ROLE_COMPUTE;
	struct spawn_start start = { .role = c->role,
		.slot = c->slot,
		.uid = is_compute ? s->identity.compute_uid : s->identity.uid,
		.gid = is_compute ? s->identity.compute_gid : s->identity.gid,
		.conf_text = c->generation->part[c->role].text,
		.conf_len = c->generation->part[c->role].len,
		.holder = c->holder,
		.listen_fd = c->role == ROLE_GATEWAY ? s->listen_fd : -1,
		.flags = start_flags(s) };
	int r = spawn_role(&s->programs, &start, &c->process, err);

	if (r < 0)
		return r;
	c->control = (struct event_source){ .fd = c->process.control_fd,
		.on_event = child_on_message,
		.arg = c };
	return events_add(s->events, &c->control);
}

void
child_spawn(struct child *c)
{
	struct err err = ERR_INIT;
	uint64_t now_ms = clock_mono_ms();
	char label[48];
	int r;

	c->started_ms = c->alive_ms = now_ms;
	c->ready_ms = c->asked_ms = c->stuck_ms = 0;
	c->is_asked_to_renew = c->is_silent = false;
	c->said_status = 0;
	c->said[0] = '\0';
	if (child_is_worker(c)) {
		/* The scheduler hears of the holder before the holder can register,
		   else it would take a newcomer for one that is left over. */
		name_holder(c);
		live_set_send(c->supervisor);
	}
	r = c->role == ROLE_REDIS ? redis_spawn(c, &err) : spawn_program(c, &err);
	if (r < 0) {
		log_error("%s: cannot start: %s", child_label(c, label),
		    err_text(&err));
		(void)snprintf(c->said, sizeof(c->said), "%s", err_text(&err));
		if (!child_has_process(c)) {
			child_event(c, EVENT_NOT_STARTED);
			return;
		}
		signal_child(c, SIGKILL); /* its end will be noticed as any other */
	}
	c->due_ms = now_ms + (c->is_short ? SHORT_LIMIT_MS : START_LIMIT_MS);
	log_debug("%s: started as process %ld", child_label(c, label),
	    (long)c->process.pid);
}

void
child_ready(struct child *c)
{
	char label[48];

	if (c->role == ROLE_REDIS)
		FAULT_POINT(REDIS_READY);
	c->ready_ms = c->alive_ms = clock_mono_ms();
	log_line(c->is_short ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
	    "%s: ready after %llu ms%s%s", child_label(c, label),
	    (unsigned long long)(c->ready_ms - c->started_ms),
	    c->holder[0] != '\0' ? " as " : "", c->holder);
	lanes_connect(c);
	if (c->role == ROLE_SCHEDULER)
		live_set_send(c->supervisor);
}

void
child_drain(struct child *c)
{
	struct supervisor *s = c->supervisor;

	if (c->role == ROLE_REDIS) {
		signal_child(c, SIGTERM); /* writes its file to the end and leaves */
		c->due_ms = clock_mono_ms() + REDIS_STOP_LIMIT_MS;
		return;
	}
	(void)child_send(c, IPC_DRAIN, 0, 0, NULL, 0);
	if (!child_is_worker(c))
		c->due_ms = clock_mono_ms() + CLOSE_LIMIT_MS;
	else if (s->phase == PHASE_DRAINING)
		c->due_ms = s->grace_until_ms;
}

void
child_drain_stuck(struct child *c)
{
	child_drain(c); /* the watchdog kills when the other jobs are done */
}

void
child_expect_end(struct child *c)
{
	c->due_ms = clock_mono_ms() + STOP_LIMIT_MS;
}

void
child_release_jobs(struct child *c)
{
	uint32_t n = child_jobs_in_flight(c);
	char label[48];

	if (child_is_worker(c) && n > 0)
		log_info("%s: its time is over; %u jobs are handed back uncounted",
		    child_label(c, label), n);
	(void)child_send(c, IPC_RELEASE, 0, 0, NULL, 0);
	c->due_ms = clock_mono_ms() + STOP_LIMIT_MS;
}

void
child_kill(struct child *c)
{
	signal_child(c, SIGKILL);
	c->due_ms =
	    clock_mono_ms() + STOP_LIMIT_MS; /* uninterruptible sleep: once more */
}

static uint64_t
back_off_ms(enum role role, unsigned failures)
{
	uint64_t max_ms = role == ROLE_REDIS ? BACK_OFF_REDIS_MS
	    : role == ROLE_QUARANTINE        ? BACK_OFF_QUARANTINE_MS
					     : BACK_OFF_MAX_MS;
	uint64_t wait_ms = BACK_OFF_FIRST_MS;

	if (failures == 0)
		return 0;
	while (--failures > 0 && wait_ms < max_ms)
		wait_ms *= 2;
	return wait_ms < max_ms ? wait_ms : max_ms;
}

/* During a storm workers wait for its end. */
static void
start_in(struct child *c, uint64_t wait_ms)
{
	c->due_ms = clock_mono_ms() + wait_ms;
	if (child_is_worker(c) && c->due_ms < storm_until_ms(c->supervisor))
		c->due_ms = storm_until_ms(c->supervisor);
}

void
child_again(struct child *c)
{
	c->restarts++;
	start_in(c, 0);
}

void
child_back_off(struct child *c)
{
	uint64_t wait_ms;
	char label[48];

	c->failures++;
	c->restarts++;
	if (c->role == ROLE_REDIS && c->said[0] == '\0')
		(void)snprintf(c->said, sizeof(c->said),
		    "redis-server ended; its words are in %s/redis/redis.log or above",
		    c->generation->conf->service.state_dir);
	wait_ms = back_off_ms(c->role, c->failures - 1);
	start_in(c, wait_ms);
	if (c->said[0] != '\0')
		(void)snprintf(c->supervisor->complaint,
		    sizeof(c->supervisor->complaint), "%s: %s", child_label(c, label),
		    c->said);
	if (wait_ms == 0)
		log_info("%s: starting again", child_label(c, label));
	else
		log_warning("%s: next start in %llu ms", child_label(c, label),
		    (unsigned long long)wait_ms);
	reload_child_failed(c);
}

void
child_give_up(struct child *c)
{
	char label[48];

	if (c->is_short) /* whoever asked for it tells */
		return;
	log_error("%s: will not be started again: %s", child_label(c, label),
	    c->said[0] != '\0' ? c->said : "it refused its configuration");
	(void)snprintf(c->supervisor->complaint, sizeof(c->supervisor->complaint),
	    "%s: %s", label,
	    c->said[0] != '\0' ? c->said : "refused its configuration");
	reload_child_failed(c);
}

void
child_forget(struct child *c)
{
	live_set_mark(c->supervisor);
}

void
child_retire(struct child *c)
{
	if (!c->is_wanted)
		return;
	c->is_wanted = false;
	if (child_has_process(c))
		child_event(c, EVENT_DRAIN);
	else if (c->state != CHILD_GONE)
		child_event(c, EVENT_LEFT);
}

void
child_end_now(struct child *c)
{
	c->is_wanted = false;
	if (child_has_process(c))
		child_event(c, EVENT_NOW);
	else if (c->state != CHILD_GONE)
		child_event(c, EVENT_LEFT);
}

/* What an exit means, before the table says what follows. */
static enum child_event
event_of_exit(const struct child *c, int wait_status)
{
	int status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;

	if (!c->is_wanted || (c->is_short && status == EXIT_STATUS_OK))
		return EVENT_LEFT;
	if (c->is_short)
		return EVENT_REFUSED;
	if (c->state == CHILD_STARTING && status == EXIT_STATUS_CONFIG)
		return EVENT_REFUSED;
	if (status == EXIT_STATUS_RENEW || status == EXIT_STATUS_FENCED ||
	    (c->state == CHILD_STOPPING && status == EXIT_STATUS_OK))
		return EVENT_RENEWED;
	return EVENT_DIED;
}

static void
tell_exit(const struct child *c, enum child_event event, int wait_status)
{
	enum log_level level = event == EVENT_DIED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO;
	const char *colon = c->said[0] != '\0' ? ": " : "";
	char label[48], how[DEATH_TEXT_MAX];

	if (c->is_short) /* whoever asked for it tells */
		return;
	live_set_tell_end(c, wait_status, how);
	if (WIFSIGNALED(wait_status))
		log_line(level, "%s[%ld]: killed by %s%s%s", child_label(c, label),
		    (long)c->process.pid, how, colon, c->said);
	else if (WEXITSTATUS(wait_status) == EXIT_STATUS_OK && event != EVENT_DIED)
		log_line(level, "%s[%ld]: ended", child_label(c, label),
		    (long)c->process.pid);
	else
		log_line(level, "%s[%ld]: ended with status %d%s%s",
		    child_label(c, label), (long)c->process.pid,
		    WEXITSTATUS(wait_status), colon, c->said);
}

void
child_exited(struct child *c, int wait_status, const struct rusage *used)
{
	struct supervisor *s = c->supervisor;
	enum child_event event;

	child_on_message(c, 0); /* last words are still in the socket */
	FAULT_POINT(CHILD_REAPED);
	event = event_of_exit(c, wait_status);
	tell_exit(c, event, wait_status);
	if (c->is_short)
		c->said_status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
	if (jobs_done(c) > 0 ||
	    (!child_is_worker(c) && c->ready_ms != 0 &&
		clock_mono_ms() - c->ready_ms > CALM_MS))
		c->failures = 0;
	live_set_bury(s, c, wait_status, used);
	hub_take_over(s, c, wait_status, event != EVENT_LEFT);
	events_remove(s->events, &c->control);
	spawn_child_release(&c->process);
	c->holder[0] = '\0';
	child_event(c, event);
	live_set_mark(s);
}

void
child_tick(struct child *c, uint64_t now_ms)
{
	if (c->state == CHILD_STARTING && c->role == ROLE_REDIS && redis_answers(c))
		child_event(c, EVENT_READY);
	if (c->due_ms == 0 || now_ms < c->due_ms)
		return;
	if (!child_has_process(c)) {
		child_event(c, EVENT_START);
		return;
	}
	if (c->state == CHILD_STARTING)
		(void)snprintf(c->said, sizeof(c->said), "not ready after %llu s",
		    (unsigned long long)(now_ms - c->started_ms) / 1000);
	child_event(c, EVENT_LATE);
}
