/* SPDX-License-Identifier: MIT */
/*
 * lifecycle.c - all legal lives of a child, on one screen.
 *
 * Owns:   the table; the states are written here only.
 * Called: by child_event() for everything that happens to a child.
 * Fails:  -EPROTO for what is not in the table: the child's fault when a message caused
 *         it, ours otherwise.
 */
#include "config.h"

#include "supervisor/supervisor.h"

#include "common/log.h"

#include <errno.h>

/* clang-format off */
static const struct transition transitions[] = {
	/* in state         on event           do                  then */
	{ CHILD_EMPTY,    EVENT_START,       child_spawn,        CHILD_STARTING },
	{ CHILD_EMPTY,    EVENT_LEFT,        child_forget,       CHILD_GONE },

	{ CHILD_WAITING,  EVENT_START,       child_spawn,        CHILD_STARTING },
	{ CHILD_WAITING,  EVENT_LEFT,        child_forget,       CHILD_GONE },     /* retired while it had no process */

	{ CHILD_STARTING, EVENT_READY,       child_ready,        CHILD_LIVE },
	{ CHILD_STARTING, EVENT_NOT_STARTED, child_back_off,     CHILD_WAITING },
	{ CHILD_STARTING, EVENT_DIED,        child_back_off,     CHILD_WAITING },
	{ CHILD_STARTING, EVENT_RENEWED,     child_back_off,     CHILD_WAITING },  /* before READY that is no success */
	{ CHILD_STARTING, EVENT_REFUSED,     child_give_up,      CHILD_BROKEN },
	{ CHILD_STARTING, EVENT_LEFT,        child_forget,       CHILD_GONE },
	{ CHILD_STARTING, EVENT_LATE,        child_kill,         CHILD_KILLED },
	{ CHILD_STARTING, EVENT_DRAIN,       child_kill,         CHILD_KILLED },   /* has no jobs yet */
	{ CHILD_STARTING, EVENT_WRONG,       child_kill,         CHILD_KILLED },
	{ CHILD_STARTING, EVENT_NOW,         child_kill,         CHILD_KILLED },

	{ CHILD_LIVE,     EVENT_DRAIN,       child_drain,        CHILD_DRAINING }, /* jobs end first */
	{ CHILD_LIVE,     EVENT_STUCK,       child_drain_stuck,  CHILD_DRAINING },
	{ CHILD_LIVE,     EVENT_DRAINED,     child_expect_end,   CHILD_STOPPING }, /* a worker renews itself */
	{ CHILD_LIVE,     EVENT_LATE,        child_kill,         CHILD_KILLED },   /* no sign of life */
	{ CHILD_LIVE,     EVENT_WRONG,       child_kill,         CHILD_KILLED },
	{ CHILD_LIVE,     EVENT_NOW,         child_kill,         CHILD_KILLED },
	{ CHILD_LIVE,     EVENT_DIED,        child_back_off,     CHILD_WAITING },
	{ CHILD_LIVE,     EVENT_RENEWED,     child_again,        CHILD_WAITING },
	{ CHILD_LIVE,     EVENT_REFUSED,     child_give_up,      CHILD_BROKEN },   /* short-lived roles */
	{ CHILD_LIVE,     EVENT_LEFT,        child_forget,       CHILD_GONE },

	{ CHILD_DRAINING, EVENT_DRAINED,     child_expect_end,   CHILD_STOPPING },
	{ CHILD_DRAINING, EVENT_STUCK,       NULL,               CHILD_DRAINING }, /* the watchdog counts on */
	{ CHILD_DRAINING, EVENT_DRAIN,       NULL,               CHILD_DRAINING },
	{ CHILD_DRAINING, EVENT_LATE,        child_release_jobs, CHILD_STOPPING }, /* grace is over */
	{ CHILD_DRAINING, EVENT_WRONG,       child_kill,         CHILD_KILLED },
	{ CHILD_DRAINING, EVENT_NOW,         child_kill,         CHILD_KILLED },
	{ CHILD_DRAINING, EVENT_DIED,        child_back_off,     CHILD_WAITING },
	{ CHILD_DRAINING, EVENT_RENEWED,     child_again,        CHILD_WAITING },
	{ CHILD_DRAINING, EVENT_REFUSED,     child_give_up,      CHILD_BROKEN },   /* short-lived roles */
	{ CHILD_DRAINING, EVENT_LEFT,        child_forget,       CHILD_GONE },

	{ CHILD_STOPPING, EVENT_DRAINED,     child_expect_end,   CHILD_STOPPING }, /* after RELEASE */
	{ CHILD_STOPPING, EVENT_DRAIN,       NULL,               CHILD_STOPPING },
	{ CHILD_STOPPING, EVENT_STUCK,       NULL,               CHILD_STOPPING },
	{ CHILD_STOPPING, EVENT_LATE,        child_kill,         CHILD_KILLED },
	{ CHILD_STOPPING, EVENT_WRONG,       child_kill,         CHILD_KILLED },
	{ CHILD_STOPPING, EVENT_NOW,         child_kill,         CHILD_KILLED },
	{ CHILD_STOPPING, EVENT_DIED,        child_back_off,     CHILD_WAITING },
	{ CHILD_STOPPING, EVENT_RENEWED,     child_again,        CHILD_WAITING },
	{ CHILD_STOPPING, EVENT_REFUSED,     child_give_up,      CHILD_BROKEN },   /* short-lived roles */
	{ CHILD_STOPPING, EVENT_LEFT,        child_forget,       CHILD_GONE },

	{ CHILD_KILLED,   EVENT_DRAIN,       NULL,               CHILD_KILLED },   /* what comes between kill and wait */
	{ CHILD_KILLED,   EVENT_STUCK,       NULL,               CHILD_KILLED },
	{ CHILD_KILLED,   EVENT_READY,       NULL,               CHILD_KILLED },
	{ CHILD_KILLED,   EVENT_DRAINED,     NULL,               CHILD_KILLED },
	{ CHILD_KILLED,   EVENT_WRONG,       NULL,               CHILD_KILLED },
	{ CHILD_KILLED,   EVENT_LATE,        child_kill,         CHILD_KILLED },
	{ CHILD_KILLED,   EVENT_NOW,         child_kill,         CHILD_KILLED },
	{ CHILD_KILLED,   EVENT_DIED,        child_back_off,     CHILD_WAITING },
	{ CHILD_KILLED,   EVENT_RENEWED,     child_again,        CHILD_WAITING },
	{ CHILD_KILLED,   EVENT_REFUSED,     child_give_up,      CHILD_BROKEN },
	{ CHILD_KILLED,   EVENT_LEFT,        child_forget,       CHILD_GONE },

	{ CHILD_BROKEN,   EVENT_START,       child_spawn,        CHILD_STARTING }, /* a reload may have mended it */
	{ CHILD_BROKEN,   EVENT_LEFT,        child_forget,       CHILD_GONE },
	{ CHILD_BROKEN,   EVENT_NOW,         NULL,               CHILD_BROKEN },
};
/* clang-format on */

static const char *const event_names[CHILD_EVENT_COUNT] = {
#define X(name) #name,
	CHILD_EVENTS(X)
#undef X
};

const struct transition *
lifecycle_table(size_t *n)
{
	*n = ARRAY_LEN(transitions);
	return transitions;
}

const char *
child_event_name(enum child_event event)
{
	return (unsigned)event < CHILD_EVENT_COUNT ? event_names[event] : "?";
}

int
lifecycle_take(struct child *c, enum child_event event)
{
	char label[48];

	for (size_t i = 0; i < ARRAY_LEN(transitions); i++) {
		const struct transition *t = &transitions[i];

		if (t->in != c->state || t->on != event)
			continue;
		log_debug("%s: %s on %s, now %s", child_label(c, label),
		    control_state_name(c->state), child_event_name(event),
		    control_state_name(t->then));
		if (t->then != t->in)
			c->due_ms = 0; /* the action sets the new state's */
		c->state = t->then;
		if (t->action != NULL)
			t->action(c);
		return 0;
	}
	return -EPROTO;
}
