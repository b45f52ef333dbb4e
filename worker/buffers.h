/* SPDX-License-Identifier: MIT */
/*
 * buffers.h - how much fetched and computed data the jobs of one worker hold, and who
 * waits when that is too much (limits.worker_buffer_mb).
 */
#ifndef WORKER_BUFFERS_H
#define WORKER_BUFFERS_H

#include "worker/worker.h"

/* What the job holds from now on, in memory or in memory files; 0 when it ends. */
void buffers_hold(struct job *j, uint64_t bytes);

/*
 * In the job's fiber, before it brings more data: waits until the other jobs hold less
 * than the limit. The oldest job that holds anything never waits, so that there is always
 * one that goes on. 0, -ECANCELED, or -ETIMEDOUT when due_ms (0: no bound) came first.
 */
int buffers_wait(struct job *j, uint64_t due_ms, struct err *err);

#endif
