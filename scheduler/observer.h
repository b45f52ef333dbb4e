/* SPDX-License-Identifier: MIT */
/*
 * observer.h - what the scheduler has seen of every holder's beat, and its verdicts.
 *
 * Pure: time comes in as an argument. A foreign holder is dead when the same beat was
 * seen for a whole lease on an unbroken connection by an observer that was awake. A
 * holder of our own node is dead as soon as the supervisor's set says so.
 */
#ifndef SCHEDULER_OBSERVER_H
#define SCHEDULER_OBSERVER_H

#include "common/role/live_set.h"

#include <stdbool.h>
#include <stdint.h>

struct observer;

struct observer *observer_new(uint64_t lease_ms); /* NULL: no memory */
void observer_free(struct observer *o);
void observer_freep(struct observer **o);

/*
 * Begins a round of observations. A new epoch (connection), or a pause of more than a
 * third of the lease since the last round, makes all earlier beats worthless.
 */
void observer_round(struct observer *o, uint64_t epoch, uint64_t now_ms);
/* One registered holder and its beat. 0 or -ENOMEM. */
int observer_see(struct observer *o, const char *holder, const char *beat);
/* Forgets the holders that this round did not show. */
void observer_end(struct observer *o);

enum verdict {
	VERDICT_LIVE,
	VERDICT_TOLD,   /* dead: the supervisor's set says so */
	VERDICT_FORMER, /* dead: of a former boot of this node */
	VERDICT_EXPIRED /* dead: its beat has stopped */
};

/* The next holder after *cursor (start with 0) that is not live; NULL at the end. set
   NULL: no set has come yet, so nobody of any node is judged by one. */
const char *observer_next_dead(struct observer *o, const struct live_set *set,
    size_t *cursor, enum verdict *verdict, const char **beat);

#endif
