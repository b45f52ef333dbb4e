/* SPDX-License-Identifier: MIT */
/*
 * queue_fsck.h - is everything in the queue where it belongs?
 *
 * Walks all keys. Every job is looked at (and mended) in one atomic step, so the check
 * may run beside working daemons. What is mended is safe: nothing is thrown away but
 * marks and double entries; no job runs that would not run anyway.
 */
#ifndef COMMON_QUEUE_QUEUE_FSCK_H
#define COMMON_QUEUE_QUEUE_FSCK_H

#include "common/queue/redis_sync.h"

struct queue_finding {              /* borrowed: valid during the callback */
	struct queue_text severity; /* error, warning, info */
	struct queue_text key;
	struct queue_text what;   /* "is queued, but stands nowhere" */
	struct queue_text remedy; /* "none" when nothing needs doing */
	bool is_repaired;
};

struct queue_fsck_count {
	uint64_t keys, jobs, errors, warnings, infos, repaired;
};

/* 0 when the walk was complete (whatever it found), else negative errno. */
int queue_fsck(struct redis_sync *s, const struct queue_setup *q, bool repair,
    void (*each)(const struct queue_finding *finding, void *arg), void *arg,
    struct queue_fsck_count *count, struct err *err);

#endif
