/* SPDX-License-Identifier: MIT */
/*
 * redis_reply.h - reads the replies to plain commands, so that callers need no hiredis.
 *
 * Everything returned is borrowed from the reply.
 */
#ifndef COMMON_QUEUE_REDIS_REPLY_H
#define COMMON_QUEUE_REDIS_REPLY_H

#include "common/queue/queue_ops.h"

struct redisReply;

bool redis_reply_is_nil(const struct redisReply *reply);
/* A string, status or big number; the empty text for anything else. */
struct queue_text redis_reply_text(const struct redisReply *reply);
int64_t redis_reply_int(const struct redisReply *reply); /* 0 if it is none */
/* An array, for queue_list_text() and its kin; empty for anything else. */
struct queue_list redis_reply_list(const struct redisReply *reply);

#endif
