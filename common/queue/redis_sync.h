/* SPDX-License-Identifier: MIT */
/*
 * redis_sync.h - a blocking connection to Redis, for the scheduler, the gateway,
 * agentctl and tests.
 *
 * Connects when first needed and again after a loss, never more often than its back-off
 * allows; every call is bounded by the command timeout. While Redis is away calls
 * answer -EAGAIN at once, with a sentence. The process must ignore SIGPIPE.
 */
#ifndef COMMON_QUEUE_REDIS_SYNC_H
#define COMMON_QUEUE_REDIS_SYNC_H

#include "common/conf/conf.h"
#include "common/err.h"
#include "common/queue/queue_ops.h"

#include <stdbool.h>
#include <stdint.h>

struct redis_sync;
struct redisReply;

struct redis_target;

struct redis_sync_options {
	/* of the process, outlives the client; NULL: url and run_dir say it */
	const struct redis_target *target;
	const char *url;      /* as redis.url */
	const char *run_dir;  /* for "embedded" */
	uint64_t connect_ms;  /* 0: 2000 */
	uint64_t command_ms;  /* 0: 5000 */
	uint64_t back_off_ms; /* longest wait between two tries; 0: 2000 */
};

/* Reads the URL; does not connect yet. 0, -EINVAL or -ENOMEM. */
int redis_sync_new(const struct redis_sync_options *o, struct redis_sync **out,
    struct err *err);
void redis_sync_free(struct redis_sync *s); /* NULL is fine */
void redis_sync_freep(struct redis_sync **s);

/* Connects if that is due. 0 when connected; -EAGAIN when away (err says why); -EACCES
   when its certificate or our credentials are refused. */
int redis_sync_connect(struct redis_sync *s, struct err *err);
void redis_sync_close(struct redis_sync *s);

const char *redis_sync_name(const struct redis_sync *s); /* for messages */
/* Rises with every new connection; 0 before the first: "without a break" is "the
   same". */
uint64_t redis_sync_epoch(const struct redis_sync *s);
bool redis_sync_is_up(const struct redis_sync *s);
/* Milliseconds until the next try is allowed; 0 when it is, or when connected. */
uint64_t redis_sync_wait_ms(const struct redis_sync *s);

/*
 * One command. 0 with *reply (never an error reply; free with redis_reply_freep); else
 * as queue_reply_error, with *reply untouched. After -EAGAIN the command may have been
 * executed.
 */
int redis_sync_command(struct redis_sync *s, int argc, const char **argv,
    const size_t *argvlen, struct redisReply **reply, struct err *err);
/* Texts without NUL bytes, ended by NULL. */
int redis_sync_call(struct redis_sync *s, struct redisReply **reply, struct err *err,
    ...) __attribute__((sentinel));
void redis_reply_freep(struct redisReply **reply);

/*
 * Waits until the server's append-only file holds what this connection has written. 0
 * when it does, and when the server does not know how to tell (before Redis 7.2);
 * -EAGAIN when it does not within the time, or the connection was lost; -EIO when the
 * server keeps no such file.
 */
int redis_sync_wait_aof(struct redis_sync *s, struct err *err);

/* One operation of the protocol; NOSCRIPT is answered with EVAL inside. *answer points
   into *reply. */
int queue_run(struct redis_sync *s, struct queue_command *c, struct redisReply **reply,
    struct queue_answer *answer, struct err *err);

/*
 * Is this server fit to carry the queue? -EPROTONOSUPPORT for Redis Cluster or a server
 * before 6.2; -EINVAL for a maxmemory-policy that evicts, unless allowed; each with the
 * remedy. 0 otherwise; *warning (may be NULL) then gets a sentence when AOF is off,
 * else its text is "".
 */
int queue_check_server(struct redis_sync *s, bool allow_eviction, struct err *warning,
    struct err *err);

/* The maxmemory-policy alone: 0, or -EINVAL with the remedy. */
int queue_check_eviction(struct redis_sync *s, struct err *err);

/*
 * Does this queue belong to us? The first caller writes its protocol number, queue
 * names and store id. -EEXIST when others stand there, with what to do. store_id ""
 * checks without a store.
 */
int queue_meta_check(struct redis_sync *s, const struct queue_setup *q,
    const char *store_id, struct err *err);

#endif
