/* SPDX-License-Identifier: MIT */
/*
 * health.h - is the service up, is it ready, and what does its page show? Pure.
 */
#ifndef GATEWAY_HEALTH_H
#define GATEWAY_HEALTH_H

#include "common/buf.h"
#include "common/conf/conf.h"
#include "common/role/control.h"

#include <stdbool.h>

/* What the gateway knows when it is asked. */
struct health_facts {
	const struct control_status *status;   /* NULL: the supervisor did not answer */
	const struct control_metrics *metrics; /* NULL: likewise */
	const char *redis_away;                /* NULL: Redis answers; else why not */
	const struct conf *conf;               /* its agents; may be NULL */
	const char *queue_paused;              /* NULL: it is not; else since when */
};

unsigned health_live_workers(const struct control_status *status);

/* {"status":"ok","workers":N,"version":"..."} */
void health_write(struct buf *out, const struct health_facts *facts);

/* The same, or {"status":"unready","reasons":[...],...}: returns true when ready. */
bool health_write_ready(struct buf *out, const struct health_facts *facts);

/* Every reason not to be ready, as a sentence; true when there is none. */
bool health_each_reason(const struct health_facts *facts,
    void (*tell)(void *arg, const char *reason), void *arg);

/* One HTML page without scripts or foreign parts. */
void health_write_page(struct buf *out, const struct conf *conf,
    const struct health_facts *facts);

#endif
