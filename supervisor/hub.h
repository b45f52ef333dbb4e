/* SPDX-License-Identifier: MIT */
/* hub.h - the numbers of all lives, past and present. */
#ifndef SUPERVISOR_HUB_H
#define SUPERVISOR_HUB_H

#include "common/role/control.h"

#include <stdbool.h>

struct supervisor;
struct child;

/* Adds a dead life's page to the totals, and its end to the restarts when it was
   one. */
void hub_take_over(struct supervisor *s, const struct child *c, int wait_status,
    bool is_restart);

/* Totals plus the pages of those who live. */
void hub_snapshot(const struct supervisor *s, struct control_metrics *out);

/* One counter of all labels over all lives. */
uint64_t hub_counter(const struct supervisor *s, enum metric m);
/* One label's share of it. */
uint64_t hub_counter_of(const struct supervisor *s, enum metric m, unsigned label);

/* One gauge over all live children. */
uint64_t hub_gauge(const struct supervisor *s, enum metric m);

#endif
