/* SPDX-License-Identifier: MIT */
/*
 * helper.h - a fetch or compute process of agentctl's own, with one lane to it.
 *
 * The same programs behind the same sandbox as those of the daemon. One request is
 * under way at a time. The process ends with agentctl, however that ends.
 */
#ifndef CTL_HELPER_H
#define CTL_HELPER_H

#include "common/conf/conf.h"
#include "common/lane.h"
#include "common/role/ipc.h"
#include "common/role/spawn.h"

struct helper {
	struct spawn_programs programs; /* only this role's */
	struct spawn_child child;
	int lane_fd;  /* -1: not started */
	char *buffer; /* LANE_MESSAGE_MAX */
	uint64_t next_id;
	enum role role;
	char why[IPC_LOG_MAX + 1]; /* what it said when its start failed */
};

void helper_init(struct helper *h, enum role role);
/* Ends the process, if one was started. */
void helper_release(struct helper *h);

/* Starts the process, if that has not been done, and waits until it is ready. */
int helper_start(struct helper *h, const struct conf *conf, struct err *err);

/* As lane_call() of the worker: 0, -ETIMEDOUT, -ECONNRESET when it died, or another. */
int helper_call(struct helper *h, const struct lane_part *parts, size_t n_parts,
    uint16_t cancel_op, uint64_t due_ms, struct lane_reply *out, struct err *err);

#endif
