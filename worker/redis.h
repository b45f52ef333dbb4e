/* SPDX-License-Identifier: MIT */
/*
 * redis.h - the worker's connections to Redis, on its loop.
 *
 * A link is one connection that is made again for ever. Commands are pipelined; those
 * under way when it breaks are answered with NULL, and redis_op() sends them again,
 * which every operation of the queue allows.
 */
#ifndef WORKER_REDIS_H
#define WORKER_REDIS_H

#include "common/queue/queue_ops.h"
#include "common/queue/redis_target.h"
#include "worker/fiber.h"

struct redis_link;
struct redisReply;

struct redis_hooks {
	void *ctx;
	void (*on_up)(void *ctx); /* connected, authenticated, selected */
	void (*on_down)(void *ctx, const char *why); /* was up, or a try failed */
	/* operations are refused for now, and wait; NULL: they are taken again */
	void (*on_refusal)(void *ctx, const char *why);
	/* in the fiber of a redis_op: so much of its time went by with Redis away */
	void (*on_waited)(void *ctx, uint64_t ms);
};

/* target stays the caller's and must outlive the link. max_silence_ms: a command without a
   reply for that long means that the server is gone. NULL for want of memory. */
struct redis_link *redis_link_new(struct loop *l, const struct redis_target *target,
    uint64_t max_silence_ms, const struct redis_hooks *hooks);

/*
 * Looks up a host's address without blocking, and calls found exactly once, later or at
 * once: with a literal address, or NULL and the reason. Of several addresses the
 * (n modulo their number)th. Without a resolver only literal addresses are reached. The
 * link must live until found was called.
 */
typedef void redis_found_fn(void *arg, const char *address, const char *why);
typedef void redis_resolve_fn(void *ctx, const char *host, unsigned n,
    redis_found_fn *found, void *arg);
void redis_link_set_resolver(struct redis_link *link, redis_resolve_fn *fn, void *ctx);

void redis_link_start(struct redis_link *link);
void redis_link_free(struct redis_link *link); /* answers what is under way with NULL */

bool redis_link_is_up(const struct redis_link *link);
/* Down, or operations wait because it only says "later" (loading, read-only, full). */
bool redis_link_is_away(const struct redis_link *link);

/* Called exactly once per command; reply is NULL when the connection was lost, and
   valid during the call only. For SUBSCRIBE: once per message. */
typedef void redis_reply_fn(void *ctx, const struct redisReply *reply);

/* 0, or -ENOTCONN while the link is down. */
int redis_link_send(struct redis_link *link, int argc, const char **argv,
    const size_t *argvlen, redis_reply_fn *fn, void *ctx);

/* Copies what the caller needs from texts and lists, which die with the reply. */
typedef void redis_copy_fn(void *ctx, const struct queue_answer *answer);

/*
 * In a fiber: runs one operation of the queue, sending it again after a lost connection
 * and while Redis is away, until due_ms (0: no bound). Returns 0 with *out (numbers are
 * valid, texts only through copy, which may be NULL), -ETIMEDOUT, -ECANCELED, or what
 * the server refused it with.
 */
int redis_op(struct redis_link *link, struct queue_command *cmd, redis_copy_fn *copy,
    void *copy_ctx, struct queue_answer *out, uint64_t due_ms, struct err *err);

#endif
