/* SPDX-License-Identifier: MIT */
/*
 * redis_sync.c - a blocking Redis connection with time limits and back-off.
 *
 * Owns:   the connection, and the target when it was given a URL only.
 * Called: by roles that may block for the command timeout.
 * Fails:  -EAGAIN when Redis is away; the next call after the back-off connects anew.
 */
#include "config.h"

#include "common/queue/redis_sync.h"

#include "common/clock.h"
#include "common/queue/redis_dial.h"

#include <errno.h>
#include <hiredis.h>
#include <stdarg.h>
#include <string.h>

enum {
	BACK_OFF_FIRST_MS = 50,
	CALL_ARGS_MAX = 32
};

struct redis_sync {
	const struct redis_target *target;
	struct redis_target *own_target; /* NULL: the target is the caller's */
	struct redis_conn *conn;         /* NULL while not connected */
	uint64_t connect_ms, command_ms, back_off_max_ms;
	uint64_t back_off_ms; /* wait after the next failure */
	uint64_t next_try_ms; /* monotonic */
	uint64_t epoch;
	uint64_t waitaof_epoch; /* in which it was asked; 0: never */
	bool knows_waitaof;
	struct err why; /* of the last failure */
};

int
redis_sync_new(const struct redis_sync_options *o, struct redis_sync **out,
    struct err *err)
{
	CLEANUP(redis_sync_freep) struct redis_sync *s = calloc(1, sizeof(*s));
	int r = 0;

	if (s == NULL)
		return err_set(err, -ENOMEM, "no memory for the Redis client");
	if (o->target == NULL)
		r = redis_target_from_url(o->url, o->run_dir, &s->own_target, err);
	if (r < 0)
		return r;
	s->target = o->target != NULL ? o->target : s->own_target;
	s->connect_ms = o->connect_ms == 0 ? 2000 : o->connect_ms;
	s->command_ms = o->command_ms == 0 ? 5000 : o->command_ms;
	s->back_off_max_ms = o->back_off_ms == 0 ? 2000 : o->back_off_ms;
	s->back_off_ms = BACK_OFF_FIRST_MS;
	*out = TAKE_PTR(s);
	return 0;
}

void
redis_sync_free(struct redis_sync *s)
{
	if (s == NULL)
		return;
	redis_sync_close(s);
	redis_target_free(s->own_target);
	free(s);
}

void
redis_sync_freep(struct redis_sync **s)
{
	redis_sync_free(*s);
}

void
redis_sync_close(struct redis_sync *s)
{
	redis_conn_close(s->conn);
	s->conn = NULL;
}

const char *
redis_sync_name(const struct redis_sync *s)
{
	return s->target->name;
}

uint64_t
redis_sync_epoch(const struct redis_sync *s)
{
	return s->epoch;
}

bool
redis_sync_is_up(const struct redis_sync *s)
{
	return s->conn != NULL;
}

uint64_t
redis_sync_wait_ms(const struct redis_sync *s)
{
	uint64_t now = clock_mono_ms();

	if (s->conn != NULL || now >= s->next_try_ms)
		return 0;
	return s->next_try_ms - now;
}

void
redis_reply_freep(struct redisReply **reply)
{
	if (*reply != NULL)
		freeReplyObject(*reply);
	*reply = NULL;
}

/* ---- one exchange on the present connection ---- */

static int
exchange(struct redis_sync *s, int argc, const char **argv, const size_t *argvlen,
    redisReply **reply, struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *got = NULL;
	struct err why = ERR_INIT;
	int r = redis_exchange(s->conn, s->command_ms, argc, argv, argvlen, &got, &why);

	if (r < 0) {
		redis_sync_close(s);
		return err_set(err, -EAGAIN, "%s is away: %s", s->target->name,
		    err_text(&why));
	}
	r = queue_reply_error(got, err);
	if (r < 0 && redis_target_has_moved(s->target, got))
		redis_sync_close(s); /* the next call asks for the master again */
	if (r < 0)
		return r;
	*reply = TAKE_PTR(got);
	return 0;
}

/* ---- connecting ---- */

static void
put_off(struct redis_sync *s)
{
	s->next_try_ms = clock_mono_ms() + s->back_off_ms;
	s->back_off_ms *= 2;
	if (s->back_off_ms > s->back_off_max_ms)
		s->back_off_ms = s->back_off_max_ms;
}

int
redis_sync_connect(struct redis_sync *s, struct err *err)
{
	struct err why = ERR_INIT;
	int r;

	if (s->conn != NULL)
		return 0;
	if (redis_sync_wait_ms(s) > 0)
		return err_set(err, -EAGAIN, "%s", err_text(&s->why));
	r = redis_dial(s->target, s->connect_ms, s->command_ms, &s->conn, &why);
	if (r < 0) {
		put_off(s);
		s->why = why;
		return err_set(err, r, "%s%s%s", s->target->name,
		    r == -EAGAIN ? " is " : ": ", why.text);
	}
	s->back_off_ms = BACK_OFF_FIRST_MS;
	s->epoch++;
	return 0;
}

/* ---- commands ---- */

int
redis_sync_command(struct redis_sync *s, int argc, const char **argv,
    const size_t *argvlen, struct redisReply **reply, struct err *err)
{
	int r = redis_sync_connect(s, err);

	if (r < 0)
		return r;
	return exchange(s, argc, argv, argvlen, reply, err);
}

int
redis_sync_call(struct redis_sync *s, struct redisReply **reply, struct err *err, ...)
{
	const char *argv[CALL_ARGS_MAX];
	size_t argvlen[CALL_ARGS_MAX];
	int argc = 0;
	const char *text;
	va_list ap;

	va_start(ap, err);
	while ((text = va_arg(ap, const char *)) != NULL) {
		ASSERT(argc < CALL_ARGS_MAX);
		argv[argc] = text;
		argvlen[argc++] = strlen(text);
	}
	va_end(ap);
	return redis_sync_command(s, argc, argv, argvlen, reply, err);
}

/* Asked once a connection: another server may stand there after a failover. */
static int
learn_waitaof(struct redis_sync *s, struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	int r;

	if (s->waitaof_epoch == s->epoch)
		return 0;
	r = redis_sync_call(s, &reply, err, "COMMAND", "INFO", "WAITAOF", NULL);
	if (r < 0)
		return r;
	s->knows_waitaof = reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
	    reply->element[0]->type == REDIS_REPLY_ARRAY;
	s->waitaof_epoch = s->epoch;
	return 0;
}

int
redis_sync_wait_aof(struct redis_sync *s, struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	uint64_t epoch = s->epoch;
	char wait_ms[24];
	int r = learn_waitaof(s, err);

	if (r < 0 || !s->knows_waitaof)
		return r;
	if (s->epoch != epoch)
		return err_set(err, -EAGAIN, "%s is away: the connection was lost",
		    s->target->name);
	(void)snprintf(wait_ms, sizeof(wait_ms), "%llu",
	    (unsigned long long)(s->command_ms / 2 + 1));
	r = redis_sync_call(s, &reply, err, "WAITAOF", "1", "0", wait_ms, NULL);
	if (r < 0)
		return r;
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
	    reply->element[0]->type == REDIS_REPLY_INTEGER &&
	    reply->element[0]->integer >= 1)
		return 0;
	return err_set(err, -EAGAIN,
	    "%s has taken it, but not written it to its append-only file in time",
	    s->target->name);
}

int
queue_run(struct redis_sync *s, struct queue_command *c, struct redisReply **reply,
    struct queue_answer *answer, struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *got = NULL;
	int r = redis_sync_command(s, c->argc, c->argv, c->argvlen, &got, err);

	if (r == -ENOENT) {
		queue_command_as_eval(c);
		r = redis_sync_command(s, c->argc, c->argv, c->argvlen, &got, err);
	}
	if (r == 0)
		r = queue_parse(c->op, got, answer, err);
	if (r < 0)
		return r;
	*reply = TAKE_PTR(got);
	return 0;
}
