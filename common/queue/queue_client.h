/* SPDX-License-Identifier: MIT */
/*
 * queue_client.h - what a producer does: push a job, wait for its result.
 */
#ifndef COMMON_QUEUE_QUEUE_CLIENT_H
#define COMMON_QUEUE_QUEUE_CLIENT_H

#include "common/queue/redis_sync.h"

/* Pushes the payload at the end of the queue, and waits for the append-only file if the
   configuration wants that. After -EAGAIN it may have arrived:
   pushing the same again is safe (same job_id, same content). */
int queue_submit(struct redis_sync *s, const struct queue_setup *q,
    struct queue_text payload, struct err *err);

enum queue_wait_mode {
	QUEUE_WAIT_POP, /* takes the message off its list; lost if the caller then dies
			 */
	QUEUE_WAIT_PEEK /* leaves it there */
};

/*
 * Waits until the job's result is there. 0 with the message appended to out; -ETIMEDOUT
 * after timeout_ms (0: looks once); -ECANCELED when is_wanted (NULL: always) says no,
 * which is asked about twice a second; else as redis_sync_command. A lost connection is
 * tried again within the time.
 */
int queue_wait_result(struct redis_sync *s, const struct queue_setup *q,
    struct queue_text id, enum queue_wait_mode mode, uint64_t timeout_ms,
    bool (*is_wanted)(void *arg), void *arg, struct buf *out, struct err *err);

#endif
