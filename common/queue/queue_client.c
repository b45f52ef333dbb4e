/* SPDX-License-Identifier: MIT */
/*
 * queue_client.c - the producer's side of the queue.
 *
 * Owns:   nothing.
 * Called: by agentctl and by the gateway's /test/chat, which may block.
 * Fails:  as the client does; -ETIMEDOUT when no result came.
 */
#include "config.h"

#include "common/queue/queue_client.h"

#include "common/clock.h"

#include <errno.h>
#include <hiredis.h>
#include <string.h>
#include <time.h>

enum {
	POP_MS = 500,
	PEEK_FIRST_MS = 5,
	PEEK_MAX_MS = 100,
	AWAY_MS = 100
};

int
queue_submit(struct redis_sync *s, const struct queue_setup *q,
    struct queue_text payload, struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	const char *argv[] = { "RPUSH", q->jobs, payload.p };
	const size_t argvlen[] = { 5, strlen(q->jobs), payload.n };

	int r = redis_sync_command(s, 3, argv, argvlen, &reply, err);

	return r == 0 && q->wait_aof ? redis_sync_wait_aof(s, err) : r;
}

static void
nap(uint64_t ms)
{
	(void)nanosleep(&(struct timespec){ .tv_sec = (time_t)(ms / 1000),
			    .tv_nsec = (long)(ms % 1000) * 1000000 },
	    NULL);
}

/* 1 with the message in out, 0 when there is none yet. */
static int
look(struct redis_sync *s, const struct buf *key, bool is_pop, uint64_t wait_ms,
    struct buf *out, struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	char seconds[32];
	const char *pop[] = { "BLPOP", buf_str(key), seconds };
	const char *peek[] = { is_pop ? "LPOP" : "LINDEX", buf_str(key), "0" };
	const size_t pop_len[] = { 5, key->len,
		(size_t)snprintf(seconds, sizeof(seconds), "%.3f",
		    (double)wait_ms / 1000) };
	const size_t peek_len[] = { strlen(peek[0]), key->len, 1 };
	const redisReply *text;
	int r = is_pop && wait_ms > 0
	    ? redis_sync_command(s, 3, pop, pop_len, &reply, err)
	    : redis_sync_command(s, is_pop ? 2 : 3, peek, peek_len, &reply, err);

	if (r < 0)
		return r;
	text = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
	    ? reply->element[1]
	    : reply;
	if (text->type != REDIS_REPLY_STRING)
		return 0;
	buf_add(out, text->str, (size_t)text->len);
	r = buf_status(out);
	return r < 0 ? err_set(err, r, "no memory for a result message") : 1;
}

int
queue_wait_result(struct redis_sync *s, const struct queue_setup *q,
    struct queue_text id, enum queue_wait_mode mode, uint64_t timeout_ms,
    bool (*is_wanted)(void *arg), void *arg, struct buf *out, struct err *err)
{
	CLEANUP_BUF struct buf key = BUF_INIT;
	uint64_t start = clock_mono_ms(), nap_ms = PEEK_FIRST_MS;

	queue_key_result(&key, q, id.p, id.n);
	if (buf_status(&key) < 0)
		return err_set(err, -ENOMEM, "no memory for a key");
	for (;;) {
		uint64_t past = clock_mono_ms() - start;
		uint64_t left = past < timeout_ms ? timeout_ms - past : 0;
		int r = look(s, &key, mode == QUEUE_WAIT_POP,
		    left < POP_MS ? left : POP_MS, out, err);

		if (r == 1)
			return 0;
		if (r < 0 && (r != -EAGAIN || left == 0))
			return r;
		if (left == 0)
			return err_set(err, -ETIMEDOUT,
			    "no result of %.*s within %llu ms", (int)id.n, id.p,
			    (unsigned long long)timeout_ms);
		if (is_wanted != NULL && !is_wanted(arg))
			return err_set(err, -ECANCELED,
			    "nobody waits for the result any more");
		if (r == -EAGAIN || mode == QUEUE_WAIT_PEEK) {
			uint64_t ms = r == -EAGAIN ? AWAY_MS : nap_ms;

			nap(ms < left ? ms : left);
			nap_ms = nap_ms * 2 < PEEK_MAX_MS ? nap_ms * 2 : PEEK_MAX_MS;
		}
	}
}
