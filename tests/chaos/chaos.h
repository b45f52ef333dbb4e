/* SPDX-License-Identifier: MIT */
/*
 * chaos.h - what the parts of one chaos run share.
 *
 * A run is jobs of several kinds at a steady rate, blows at drawn times against
 * everything that the service stands on, a drain, and the books over every job that was
 * submitted. The seed draws the blows, their times and their strength; what the i-th
 * blow is does not depend on when it falls, so that a seed can be run again.
 */
#ifndef TESTS_CHAOS_CHAOS_H
#define TESTS_CHAOS_CHAOS_H

#include "tests/e2e/faults.h"

struct chaos_options {
	uint64_t seed;
	unsigned seconds;  /* of blows; 0: until all jobs are submitted */
	unsigned jobs;     /* 0: as many as the time holds */
	unsigned rate;     /* jobs a second */
	unsigned every_ms; /* mean time between blows */
	const char *only;  /* names of blows, by comma; NULL: all */
	unsigned drain_sec;
	bool watches; /* memory and descriptors */
};

enum chaos_push {
	PUSH_DUE,  /* not yet acknowledged by Redis */
	PUSH_DONE, /* acknowledged */
};

struct chaos {
	struct harness *h;
	const struct chaos_options *o;
	unsigned n_jobs;       /* numbers given out so far */
	unsigned char *pushes; /* enum chaos_push, one a job */
	unsigned pushes_cap;
	unsigned refused; /* pushes that Redis did not take at the first try */
	struct blow_state *blows;
	struct fault_page *faults;
	volatile int64_t *redis_ahead_sec; /* its wall clock */
};

/* A stream of draws: splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
   generators, 2014). */
struct draws {
	uint64_t state;
};
unsigned draw(struct draws *d, unsigned n); /* 0 .. n - 1 */
struct draws draws_of(uint64_t seed, uint64_t stream, uint64_t index);

/* ---- jobs.c ---- */

enum {
	JOB_NAME_MAX = 32
};

void jobs_configure(struct chaos *c); /* before the start */
void jobs_script(struct harness *h);  /* tells the model its rules again */
void jobs_script_outage(struct harness *h, unsigned status);
void job_name(unsigned i, char out[JOB_NAME_MAX]);
/* The job of that number; false when Redis did not take it. */
bool job_push(struct chaos *c, unsigned i);
/* Numbers from 0 that have a message by now: pushes what is due, copies of old ones
   among it. */
void jobs_submit(struct chaos *c, unsigned until);
void jobs_submit_refused(struct chaos *c);
void jobs_stay_plain(const struct chaos *c); /* from the next number on */
/* The number in "KIND-N"; -1 when no job of ours has that name. */
long job_number(const struct chaos *c, const char *name, size_t n);
/* May a job of that number end with this type of error ("": completed)? */
bool job_may_end(unsigned i, const char *error_type);
bool job_is_innocent(unsigned i); /* it is not made to take workers down */

/* ---- blows.c ---- */

/* The blows that o->only names (all: NULL); exits with the usage status when one is
   unknown. */
void blows_begin(struct chaos *c);
void blows_list(void); /* to standard output */
void blows_tick(struct chaos *c, uint64_t now_ms);
void blows_end(struct chaos *c); /* mends what they left broken */
void blows_print(const struct chaos *c);
void chaos_expect_no_faults(struct harness *h);

/* ---- books.c ---- */

struct verdict {
	unsigned acknowledged, completed, failed, cancelled, dead;
	unsigned lost, unexpected, duplicated, repaid, in_flight, innocent_buried;
	unsigned stored_otherwise, unending;
	struct buf why; /* a line for each fault */
};

bool books_is_drained(struct harness *h, void *chaos);
bool books_is_settled(struct harness *h, void *chaos);
void books_balance(struct chaos *c, struct verdict *v);
void books_print(const struct verdict *v);
bool books_are_in_order(const struct verdict *v);

/* ---- watch.c ---- */

void watch_tick(struct chaos *c, uint64_t now_ms);
void watch_print(void);

#endif
