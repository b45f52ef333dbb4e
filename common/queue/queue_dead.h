/* SPDX-License-Identifier: MIT */
/*
 * queue_dead.h - the dead letters: list, find, retry, drop.
 *
 * A letter is called by its job id (then the newest of that id is meant), or by its
 * name or the first eight or more digits of it.
 */
#ifndef COMMON_QUEUE_QUEUE_DEAD_H
#define COMMON_QUEUE_QUEUE_DEAD_H

#include "common/queue/redis_sync.h"

struct queue_letter {             /* borrowed: valid during the callback */
	struct queue_text name;   /* 40 hex digits */
	struct queue_text job_id; /* "" when the payload has none */
	struct queue_text reason; /* "crashed", "job_id_conflict", ...; "" for an
				     element that is no dead letter */
	struct queue_text detail;
	struct queue_text payload; /* the job as it was pushed */
	struct queue_text element; /* as it stands on the list */
	int64_t at_ms;             /* wall time */
};

/*
 * Calls each for up to count letters, newest first, from that place on; a nonzero
 * answer of each stops and is returned. Returns 0 at the end, or negative errno. *total
 * (may be NULL) gets the length of the list.
 */
int queue_dead_each(struct redis_sync *s, const struct queue_setup *q, uint64_t from,
    uint64_t count, int (*each)(const struct queue_letter *letter, void *arg),
    void *arg, int64_t *total, struct err *err);

/* Calls each once, for the letter of that name: 0, -ENOENT, or what each answered. */
int queue_dead_find(struct redis_sync *s, const struct queue_setup *q, const char *name,
    int (*each)(const struct queue_letter *letter, void *arg), void *arg,
    struct err *err);

/* Queues the letter's payload again: 0, -ENOENT, -EBUSY (that job is on its way), or
   -EALREADY (it has been done since). */
int queue_dead_retry(struct redis_sync *s, const struct queue_setup *q,
    const char *name, struct err *err);
/* 0 or -ENOENT. */
int queue_dead_drop(struct redis_sync *s, const struct queue_setup *q, const char *name,
    struct err *err);

/* Keeps the newest dead_max letters. */
int queue_dead_trim(struct redis_sync *s, const struct queue_setup *q, struct err *err);

#endif
