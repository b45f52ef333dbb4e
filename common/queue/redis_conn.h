/* SPDX-License-Identifier: MIT */
/*
 * redis_conn.h - commands out, replies in: hiredis' codec over a redis_stream.
 *
 * Never blocks: redis_conn_turn() moves what can be moved, and the caller waits for
 * redis_conn_events() between turns. Replies come in the order of the commands.
 */
#ifndef COMMON_QUEUE_REDIS_CONN_H
#define COMMON_QUEUE_REDIS_CONN_H

#include "common/queue/redis_stream.h"

struct redis_conn;
struct redisReply;

/* As redis_stream_open. */
int redis_conn_open(const struct redis_place *place, struct redis_conn **out,
    struct err *err);
void redis_conn_close(struct redis_conn *c); /* NULL is fine */

int redis_conn_fd(const struct redis_conn *c);
short redis_conn_events(const struct redis_conn *c);
bool redis_conn_is_open(const struct redis_conn *c); /* connected, TLS included */

/* Puts a command after those that wait to be written; argvlen NULL: texts. 0 or
   -ENOMEM. */
int redis_conn_send(struct redis_conn *c, int argc, const char **argv,
    const size_t *argvlen);

/* Connects, writes, reads as far as that goes. 0; -EACCES as redis_stream_ready;
   -EAGAIN or -ECONNRESET when there is no connection (any more). */
int redis_conn_turn(struct redis_conn *c, struct err *err);

/* 1 with the next reply (freeReplyObject), 0 when none is complete, -EPROTO when these
   are no replies. */
int redis_conn_next(struct redis_conn *c, struct redisReply **reply, struct err *err);

#endif
