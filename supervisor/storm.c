/* SPDX-License-Identifier: MIT */
/*
 * storm.c - counts culprits, and holds the workers back when there are too many.
 *
 * Owns:   s->storm.
 * Called: at each death that a job is to blame for, once a second, and before a worker
 *         is started.
 * Fails:  never.
 */
#include "config.h"

#include "supervisor/storm.h"

#include "common/error_types.h"
#include "common/log.h"
#include "supervisor/hub.h"
#include "supervisor/supervisor.h"

#include <string.h>

enum {
	WINDOW_MS = 60000,
	TRIAL_MS = 3000, /* in which others take jobs after a pause */
	PAUSE_FIRST_MS = 30000,
	PAUSE_MAX_MS = 600000
};

/* A burial is no sign of health: of a bad release all jobs end so. */
static uint64_t
jobs_done(const struct supervisor *s)
{
	return hub_counter(s, METRIC_JOBS_DONE) -
	    hub_counter_of(s, METRIC_JOBS_DONE, ERROR_TYPE_CRASHED);
}

static void
forget(struct storm *st, unsigned n)
{
	st->n_culprits -= n;
	memmove(&st->culprits[0], &st->culprits[n],
	    st->n_culprits * sizeof(st->culprits[0]));
}

/* One job that crashes again and again is not many: that is what quarantine is for. */
static bool
is_known(const struct storm *st, const char *job_id)
{
	for (unsigned i = 0; i < st->n_culprits; i++)
		if (strcmp(st->culprits[i].job_id, job_id) == 0)
			return true;
	return false;
}

static void
hold_workers(struct supervisor *s)
{
	struct child *c;

	TAILQ_FOREACH (c, &s->children, link) {
		if (!child_is_worker(c) || !c->is_wanted)
			continue;
		if (c->state == CHILD_LIVE || c->state == CHILD_STARTING)
			child_event(c, EVENT_DRAIN);
		else if (c->state == CHILD_WAITING)
			c->due_ms = s->storm.until_ms;
	}
}

static void
break_out(struct supervisor *s, uint64_t now_ms)
{
	struct storm *st = &s->storm;
	uint64_t pause_ms = PAUSE_FIRST_MS << (st->pauses < 5 ? st->pauses : 5);

	if (pause_ms > PAUSE_MAX_MS)
		pause_ms = PAUSE_MAX_MS;
	st->pauses++;
	st->until_ms = now_ms + pause_ms;
	st->n_culprits = 0;
	log_error("job after job takes its worker down and none is finished: this node "
		  "takes no jobs for %llu s, and blames none of them",
	    (unsigned long long)pause_ms / 1000);
	hold_workers(s);
}

void
storm_note(struct supervisor *s, const char *job_id, uint64_t now_ms)
{
	struct storm *st = &s->storm;

	if (st->n_culprits > 0 && jobs_done(s) != st->jobs_done)
		st->n_culprits = 0;
	while (st->n_culprits > 0 && now_ms - st->culprits[0].at_ms > WINDOW_MS)
		forget(st, 1);
	if (st->n_culprits == 0)
		st->jobs_done = jobs_done(s);
	if (is_known(st, job_id))
		return;
	(void)snprintf(st->culprits[st->n_culprits].job_id, SLOT_JOB_ID_MAX, "%s",
	    job_id);
	st->culprits[st->n_culprits++].at_ms = now_ms;
	/* After a pause the first crash is enough: nothing has become better. */
	if (st->n_culprits == STORM_CULPRITS ||
	    (st->pauses > 0 && now_ms >= st->until_ms))
		break_out(s, now_ms);
}

bool
storm_is_on(const struct supervisor *s)
{
	return s->storm.pauses > 0;
}

uint64_t
storm_until_ms(const struct supervisor *s)
{
	return s->storm.until_ms;
}

bool
storm_holds_suspects(const struct supervisor *s, uint64_t now_ms)
{
	return s->storm.pauses > 0 &&
	    (now_ms < s->storm.until_ms + TRIAL_MS ||
		hub_gauge(s, METRIC_QUEUE_QUEUED) > 0 ||
		hub_gauge(s, METRIC_JOBS_IN_FLIGHT) > 0);
}

void
storm_tick(struct supervisor *s, uint64_t now_ms)
{
	struct storm *st = &s->storm;

	if (st->pauses == 0 || now_ms < st->until_ms || jobs_done(s) == st->jobs_done)
		return;
	log_info("a job was finished: the storm is over");
	memset(st, 0, sizeof(*st));
}
