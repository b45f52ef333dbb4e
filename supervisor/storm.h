/* SPDX-License-Identifier: MIT */
/*
 * storm.h - a bad release must not bury the queue: when job after job takes a worker
 * down and none is finished, it is not the jobs, and this node stops taking any for a
 * while.
 */
#ifndef SUPERVISOR_STORM_H
#define SUPERVISOR_STORM_H

#include "common/role/slot_file.h"

#include <stdbool.h>
#include <stdint.h>

struct supervisor;

enum {
	STORM_CULPRITS = 5
};

struct storm {
	struct {
		char job_id[SLOT_JOB_ID_MAX];
		uint64_t at_ms;
	} culprits[STORM_CULPRITS]; /* different ones, the oldest first */
	unsigned n_culprits;
	uint64_t jobs_done; /* by all lives, when the first of them was noted */
	uint64_t until_ms;  /* workers start again then; 0: no storm */
	unsigned pauses;    /* in a row, without a finished job */
};

/* A job has taken its worker down. */
void storm_note(struct supervisor *s, const char *job_id, uint64_t now_ms);

/* Whether deaths are to be charged to nobody at present. */
bool storm_is_on(const struct supervisor *s);

/* No worker starts before this time; 0: at once. */
uint64_t storm_until_ms(const struct supervisor *s);

/* Must suspects wait, lest they be buried for what the release does to all? Not when
   there is nobody else to try it with. */
bool storm_holds_suspects(const struct supervisor *s, uint64_t now_ms);

/* The end of a storm: a job was finished. */
void storm_tick(struct supervisor *s, uint64_t now_ms);

#endif
