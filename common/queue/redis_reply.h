/* SPDX-License-Identifier: MIT */
/*
 * redis_reply.h - reads the reply to a plain command, so that callers need no hiredis.
 */
#ifndef COMMON_QUEUE_REDIS_REPLY_H
#define COMMON_QUEUE_REDIS_REPLY_H

#include "common/queue/queue_ops.h"

/* A string or status, borrowed from the reply; the empty text for anything else. */
struct queue_text redis_reply_text(const struct redisReply *reply);

#endif
