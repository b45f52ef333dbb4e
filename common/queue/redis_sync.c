/* SPDX-License-Identifier: MIT */
/*
 * redis_sync.c - a blocking Redis connection with time limits and back-off.
 *
 * Owns:   the hiredis context and the URL with its password.
 * Called: by roles that may block for the command timeout.
 * Fails:  -EAGAIN when Redis is away; the next call after the back-off connects anew.
 */
#include "config.h"

#include "common/queue/redis_sync.h"

#include "common/clock.h"
#include "common/queue/redis_url.h"

#include <errno.h>
#include <hiredis.h>
#include <stdarg.h>
#include <string.h>
#include <sys/time.h>

enum {
	BACK_OFF_FIRST_MS = 50,
	CALL_ARGS_MAX = 32
};

struct redis_sync {
	struct redis_url url;
	redisContext *context; /* NULL while not connected */
	uint64_t connect_ms, command_ms, back_off_max_ms;
	uint64_t back_off_ms; /* wait after the next failure */
	uint64_t next_try_ms; /* monotonic */
	uint64_t epoch;
	char name[300];
	struct err why; /* of the last failure */
};

int
redis_sync_new(const struct redis_sync_options *o, struct redis_sync **out,
    struct err *err)
{
	CLEANUP(redis_sync_freep) struct redis_sync *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return err_set(err, -ENOMEM, "no memory for the Redis client");
	r = redis_url_parse(o->url, o->run_dir, &s->url, err);
	if (r < 0)
		return r;
	s->connect_ms = o->connect_ms == 0 ? 2000 : o->connect_ms;
	s->command_ms = o->command_ms == 0 ? 5000 : o->command_ms;
	s->back_off_max_ms = o->back_off_ms == 0 ? 2000 : o->back_off_ms;
	s->back_off_ms = BACK_OFF_FIRST_MS;
	(void)redis_url_name(&s->url, s->name, sizeof(s->name));
	*out = TAKE_PTR(s);
	return 0;
}

void
redis_sync_free(struct redis_sync *s)
{
	if (s == NULL)
		return;
	redis_sync_close(s);
	redis_url_release(&s->url);
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
	if (s->context != NULL)
		redisFree(s->context);
	s->context = NULL;
}

const char *
redis_sync_name(const struct redis_sync *s)
{
	return s->name;
}

uint64_t
redis_sync_epoch(const struct redis_sync *s)
{
	return s->epoch;
}

bool
redis_sync_is_up(const struct redis_sync *s)
{
	return s->context != NULL;
}

uint64_t
redis_sync_wait_ms(const struct redis_sync *s)
{
	uint64_t now = clock_mono_ms();

	if (s->context != NULL || now >= s->next_try_ms)
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
lost(struct redis_sync *s, struct err *err)
{
	const redisContext *c = s->context;
	const char *why = c->err == REDIS_ERR_IO && errno == EAGAIN
	    ? "no answer in time"
	    : c->errstr[0] != '\0' ? c->errstr
				   : "connection lost";

	(void)err_set(err, -EAGAIN, "%s is away: %s", s->name, why);
	redis_sync_close(s);
	return -EAGAIN;
}

static int
exchange(struct redis_sync *s, int argc, const char **argv, const size_t *argvlen,
    redisReply **reply, struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *got = NULL;
	int r;

	errno = 0;
	got = redisCommandArgv(s->context, argc, argv, argvlen);
	if (got == NULL)
		return lost(s, err);
	r = queue_reply_error(got, err);
	if (r < 0)
		return r;
	*reply = TAKE_PTR(got);
	return 0;
}

static int
exchange_texts(struct redis_sync *s, const char *const *texts, struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	const char *argv[CALL_ARGS_MAX];
	size_t argvlen[CALL_ARGS_MAX];
	int argc = 0;

	for (; texts[argc] != NULL; argc++) {
		argv[argc] = texts[argc];
		argvlen[argc] = strlen(texts[argc]);
	}
	return exchange(s, argc, argv, argvlen, &reply, err);
}

/* ---- connecting ---- */

static struct timeval
timeval_of(uint64_t ms)
{
	return (struct timeval){ .tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000) };
}

static int
open_socket(struct redis_sync *s, struct err *err)
{
	struct timeval connect_time = timeval_of(s->connect_ms);
	struct timeval command_time = timeval_of(s->command_ms);

	s->context = s->url.path != NULL
	    ? redisConnectUnixWithTimeout(s->url.path, connect_time)
	    : redisConnectWithTimeout(s->url.host, s->url.port, connect_time);
	if (s->context == NULL)
		return err_set(err, -EAGAIN, "%s: no memory for a connection", s->name);
	errno = 0;
	if (s->context->err != 0 ||
	    redisSetTimeout(s->context, command_time) != REDIS_OK)
		return lost(s, err);
	/* a peer that vanished is found out; a Unix socket's cannot vanish, and would
	   answer with an error that breaks the context */
	if (s->url.path == NULL && redisEnableKeepAlive(s->context) != REDIS_OK)
		return lost(s, err);
	return 0;
}

/* AUTH, SELECT and a PING: behind a TLS tunnel the connect itself proves nothing. */
static int
greet(struct redis_sync *s, struct err *err)
{
	char db[16];
	const char *const auth_user[] = { "AUTH", s->url.user, s->url.password, NULL };
	const char *const auth_default[] = { "AUTH", s->url.password, NULL };
	const char *const select_db[] = { "SELECT", db, NULL };
	const char *const ping[] = { "PING", NULL };
	int r = 0;

	(void)snprintf(db, sizeof(db), "%d", s->url.db);
	if (s->url.user[0] != '\0')
		r = exchange_texts(s, auth_user, err);
	else if (s->url.password[0] != '\0')
		r = exchange_texts(s, auth_default, err);
	if (r == 0 && s->url.db != 0)
		r = exchange_texts(s, select_db, err);
	if (r == 0)
		r = exchange_texts(s, ping, err);
	return r;
}

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

	if (s->context != NULL)
		return 0;
	if (redis_sync_wait_ms(s) > 0)
		return err_set(err, -EAGAIN, "%s", err_text(&s->why));
	r = open_socket(s, &why);
	if (r == 0)
		r = greet(s, &why);
	if (r < 0) {
		redis_sync_close(s);
		put_off(s);
		s->why = why;
		return err_set(err, r, "%s", why.text);
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
