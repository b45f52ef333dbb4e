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
bool lane_client_is_attached(const struct lane_client *c);

struct lane_reply {
	uint16_t op;
	char *meta; /* owned, NUL-terminated */
	size_t meta_len;
	char *data; /* owned; NULL when it is in data_fd */
	uint64_t data_len;
	int data_fd; /* owned; -1 */
};

#define LANE_REPLY_INIT \
 {                      \
  .data_fd = -1         \
 }
void lane_reply_release(struct lane_reply *r);

/* One message of a request; several travel together with one id, the last asks. */
struct lane_part {
	uint16_t op;
	const char *meta;
	size_t meta_len;
	const char *data; /* or, when data_fd >= 0, NULL */
	size_t data_len;
	int data_fd; /* stays the caller's; -1 */
};

/*
 * In a fiber: sends the parts and waits for the answer until due_ms. When the job stops
 * waiting, cancel_op (0: none) is sent for the id. Returns 0 with *out; -ETIMEDOUT;
 * -ECANCELED; -ECONNRESET when the process died with the request in hand (err says so);
 * or another errno.
 */
int lane_call(struct lane_client *c, const struct lane_part *parts, size_t n_parts,
    uint16_t cancel_op, uint64_t due_ms, struct lane_reply *out, struct err *err);

#endif
