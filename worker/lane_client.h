/* SPDX-License-Identifier: MIT */
/*
 * lane_client.h - requests from this worker's jobs to its fetch or compute process.
 *
 * A lane outlives the process at its other end: when that dies the supervisor starts
 * another and hands over a new socket; requests that were not sent yet wait for it.
 */
#ifndef WORKER_LANE_CLIENT_H
#define WORKER_LANE_CLIENT_H

#include "common/lane.h"
#include "worker/fiber.h"

struct lane_client;

/* name: for messages ("fetch"). max_outstanding requests are unanswered at a time. */
struct lane_client *lane_client_new(struct loop *l, const char *name,
    unsigned max_outstanding);
void lane_client_free(struct lane_client *c); /* no request may be waiting */

/* Takes a socket from the supervisor, in place of the present one. */
int lane_client_attach(struct lane_client *c, int fd);
/* Since when the lane has been lost (monotonic ms); 0: there is one, or never was. */
uint64_t lane_client_lost_ms(const struct lane_client *c);

/*
 * In a fiber: sends the parts and waits for the answer until due_ms. When the job stops
 * waiting, cancel_op (0: none) is sent for the id. Returns 0 with *out; -ETIMEDOUT;
 * -ECANCELED; -ECONNRESET when the process died with the request in hand (err says so);
 * or another errno.
 */
int lane_call(struct lane_client *c, const struct lane_part *parts, size_t n_parts,
    uint16_t cancel_op, uint64_t due_ms, struct lane_reply *out, struct err *err);

#endif
