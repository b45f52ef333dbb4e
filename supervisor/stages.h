/* SPDX-License-Identifier: MIT */
/* stages.h - the daemon's own life: what starts after what, and what ends after
   what. */
#ifndef SUPERVISOR_STAGES_H
#define SUPERVISOR_STAGES_H

#include "common/cleanup.h"

struct supervisor;
struct generation;

void stages_begin(struct supervisor *s);
void stages_tick(struct supervisor *s);

/* SIGTERM, SIGINT, DRAIN: finish within shutdown_grace_sec. A second time: hand jobs
   back at once. */
void stages_drain(struct supervisor *s);

/* SIGQUIT: end at once; held jobs are recovered at the next start. */
void stages_quit(struct supervisor *s);

/* The daemon cannot go on: says why, and ends with this status. */
void stages_fail(struct supervisor *s, int status, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Starts what of the generation's roles has no child yet, as far as the mask allows
   (1u << ROLE_...); workers below max_workers only. */
void stages_start_roles(struct supervisor *s, struct generation *g, unsigned mask,
    unsigned max_workers);

#endif
