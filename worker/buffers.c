/* SPDX-License-Identifier: MIT */
/*
 * buffers.c - keeps the data of one worker's jobs within limits.worker_buffer_mb.
 *
 * Owns:   the counts in struct worker and struct job.
 * Called: by pipeline_tool.c around what brings data, and when a job ends.
 * Fails:  with -ETIMEDOUT or -ECANCELED while a job waits.
 *
 * What a step brings is known only when it is there, so the limit may be passed by what
 * was on its way; then only the oldest holder goes on until there is room again.
 */
#include "config.h"

#include "worker/buffers.h"

#include "common/clock.h"

#include <errno.h>

enum {
	LOOK_EVERY_MS = 20
};

void
buffers_hold(struct job *j, uint64_t bytes)
{
	struct worker *w = j->worker;

	ASSERT(w->buffer_bytes >= j->buffer_bytes);
	w->buffer_bytes = w->buffer_bytes - j->buffer_bytes + bytes;
	j->buffer_bytes = bytes;
}

/* Jobs stand in the list in the order in which they came. */
static bool
is_oldest_holder(const struct job *j)
{
	const struct job *other;

	if (j->buffer_bytes == 0)
		return false;
	TAILQ_FOREACH (other, &j->worker->jobs, link)
		if (other->buffer_bytes > 0)
			return other == j;
	return false;
}

static bool
may_go_on(const struct job *j)
{
	const struct worker *w = j->worker;
	uint64_t limit = (uint64_t)w->conf->limits.worker_buffer_mb << 20;

	return w->buffer_bytes - j->buffer_bytes < limit || is_oldest_holder(j);
}

int
buffers_wait(struct job *j, uint64_t due_ms, struct err *err)
{
	while (!may_go_on(j)) {
		uint64_t now = clock_mono_ms();
		int r;

		if (due_ms != 0 && now >= due_ms)
			return err_set(err, -ETIMEDOUT,
			    "the other jobs of this worker hold more data than "
			    "limits.worker_buffer_mb (%lld)",
			    (long long)j->worker->conf->limits.worker_buffer_mb);
		r = fiber_sleep_until(now + LOOK_EVERY_MS);
		if (r < 0)
			return err_set(err, r, "stopped while it waited for memory");
	}
	return 0;
}
