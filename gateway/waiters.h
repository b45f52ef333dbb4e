/* SPDX-License-Identifier: MIT */
/*
 * waiters.h - jobs pushed to the real queue, and those who wait for their results.
 *
 * One thread with one connection to Redis pushes and waits; the answers are given from
 * that thread. The number of those who wait is bounded.
 */
#ifndef GATEWAY_WAITERS_H
#define GATEWAY_WAITERS_H

#include "common/conf/conf.h"
#include "common/err.h"
#include "gateway/chat_job.h"

#include <stdbool.h>
#include <stddef.h>

struct waiters;

enum wait_outcome {
	WAIT_RESULT,     /* text is the result message */
	WAIT_NOT_QUEUED, /* Redis is away and the job was surely not pushed; text: why
			  */
	WAIT_UNKNOWN,    /* Redis went away meanwhile: pushed or not, nobody waits */
	WAIT_LATE,       /* no result in time; the job goes on */
	WAIT_GONE,       /* the client left; the job goes on */
	WAIT_STOPPED     /* the gateway stops; the job goes on */
};

/* Called once, from the thread of the waiters, never from waiters_submit. */
typedef void (
    *wait_done_fn)(void *ctx, enum wait_outcome outcome, const char *text, size_t n);

struct redis_target;

/* target outlives the waiters. */
int waiters_new(const struct conf *conf, const struct redis_target *target,
    struct waiters **out, struct err *err);
/* Answers all who still wait with WAIT_STOPPED, ends the thread, frees. */
void waiters_free(struct waiters *w);

/* Pushes the job (its payload is taken) and waits. 0; -EBUSY when http.max_waiting wait
   already; -ESHUTDOWN after waiters_close; -ENOMEM. */
int waiters_submit(struct waiters *w, struct chat_job *job, wait_done_fn done,
    void *ctx);

/* The client of ctx has gone: done is called soon with WAIT_GONE, unless it was called
   already. */
void waiters_abandon(struct waiters *w, const void *ctx);

/* No more submissions; those who wait go on waiting. */
void waiters_close(struct waiters *w);
/* Those who wait are answered with WAIT_STOPPED. */
void waiters_stop(struct waiters *w);
size_t waiters_count(struct waiters *w);

/* Does Redis answer? False: why holds a sentence. */
bool waiters_redis_is_up(struct waiters *w, char *why, size_t size);

enum {
	WAITERS_PAUSED_MAX = 256
};
/* Has an operator paused the queue? True: text says since when and who. */
bool waiters_queue_is_paused(struct waiters *w, char *text, size_t size);

#endif
