/* SPDX-License-Identifier: MIT */
/*
 * lanes.c - socket pairs between workers and their compute and fetch processes.
 *
 * Owns:   nothing: both ends are given away.
 * Called: whenever one side is READY, so a restart of either side renews its lanes.
 * Fails:  a lane that cannot be made is logged; the next restart of a side tries again.
 */
#include "config.h"

#include "supervisor/lanes.h"

#include "common/lane.h"
#include "common/log.h"
#include "supervisor/supervisor.h"

#include <string.h>

static bool
is_helper(const struct child *c)
{
	return c->role == ROLE_COMPUTE || c->role == ROLE_FETCH;
}

static bool
can_take_a_lane(const struct child *c)
{
	return c->state == CHILD_LIVE ||
	    (c->state == CHILD_DRAINING && c->ready_ms != 0);
}

static bool
are_partners(const struct child *a, const struct child *b)
{
	return a->generation == b->generation &&
	    ((is_helper(a) && child_is_worker(b)) ||
		(child_is_worker(a) && is_helper(b)));
}

static void
connect_two(struct child *a, struct child *b)
{
	int ends[2], r = lane_pair(ends);

	if (r < 0) {
		log_error("lane between %s/%u and %s/%u: %s", role_name(a->role),
		    a->slot, role_name(b->role), b->slot, strerror(-r));
		return;
	}
	(void)child_send(a, IPC_LANE, b->slot, b->role, &ends[0], 1);
	(void)child_send(b, IPC_LANE, a->slot, a->role, &ends[1], 1);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

void
lanes_connect(struct child *c)
{
	struct child *other;

	TAILQ_FOREACH (other, &c->supervisor->children, link)
		if (are_partners(c, other) && can_take_a_lane(other))
			connect_two(c, other);
}
