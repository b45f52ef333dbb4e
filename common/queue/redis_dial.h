/* SPDX-License-Identifier: MIT */
/*
 * redis_dial.h - connects and exchanges, blocking, within a time.
 */
#ifndef COMMON_QUEUE_REDIS_DIAL_H
#define COMMON_QUEUE_REDIS_DIAL_H

#include "common/queue/redis_target.h"

#include <stdint.h>

/*
 * Finds the server (asking the sentinels in turn for the master), connects, and says
 * who we are. connect_ms bounds each connecting, command_ms each question. 0 with a
 * connection that takes commands; -EACCES when certificate or credentials are refused;
 * -EAGAIN when there is none now; -ENOMEM.
 */
int redis_dial(const struct redis_target *t, uint64_t connect_ms, uint64_t command_ms,
    struct redis_conn **out, struct err *err);

/* One command and its reply, error replies included. -ETIMEDOUT or -ECONNRESET: the
   connection is of no use any more. */
int redis_exchange(struct redis_conn *c, uint64_t wait_ms, int argc, const char **argv,
    const size_t *argvlen, struct redisReply **reply, struct err *err);

#endif
