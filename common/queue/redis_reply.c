/* SPDX-License-Identifier: MIT */
/*
 * redis_reply.c - plain replies as texts.
 *
 * Owns:   nothing.
 * Called: by agentctl, for commands that are no queue operations.
 * Fails:  never: a reply of another kind reads as empty.
 */
#include "config.h"

#include "common/queue/redis_reply.h"

#include <hiredis.h>

struct queue_text
redis_reply_text(const struct redisReply *reply)
{
	if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
		return (struct queue_text){ reply->str, reply->len };
	return queue_text(NULL);
}
