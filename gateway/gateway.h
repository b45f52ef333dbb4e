/* SPDX-License-Identifier: MIT */
/*
 * gateway.h - what the HTTP server asks of the rest of the daemon.
 *
 * The server knows these functions only, so that tests put others in their place.
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "common/conf/conf.h"
#include "common/metrics.h"
#include "gateway/chat_job.h"
#include "gateway/health.h"
#include "gateway/waiters.h"

struct gateway_services {
	void *ctx;
	/* Both answer 0 or negative errno within about a second. */
	int (*status)(void *ctx, struct control_status *out);
	int (*metrics)(void *ctx, struct control_metrics *out);
	bool (*redis_is_up)(void *ctx, char *why, size_t size);
	bool (*queue_is_paused)(void *ctx, char *text, size_t size);
	int (*submit)(void *ctx, struct chat_job *job, wait_done_fn done, void *arg);
	void (*abandon)(void *ctx, const void *arg);
};

struct gateway {
	const struct conf *conf;
	struct metrics_page *metrics;
	struct gateway_services services;
};

#endif
