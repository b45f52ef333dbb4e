/* SPDX-License-Identifier: MIT */
/*
 * redis_reply.c - plain replies as texts, numbers and lists.
 *
 * Owns:   nothing.
 * Called: by agentctl and tests, for commands that are no queue operations.
 * Fails:  never: a reply of another kind reads as empty.
 */
#include "config.h"

#include "common/queue/redis_reply.h"

#include <hiredis.h>

bool
redis_reply_is_nil(const struct redisReply *reply)
{
	return reply->type == REDIS_REPLY_NIL;
}

struct queue_text
redis_reply_text(const struct redisReply *reply)
{
	if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
		return (struct queue_text){ reply->str, reply->len };
	return queue_text(NULL);
}

int64_t
redis_reply_int(const struct redisReply *reply)
{
	return reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
}

struct queue_list
redis_reply_list(const struct redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY)
		return (struct queue_list){ NULL, 0 };
	return (struct queue_list){ reply, reply->elements };
}
