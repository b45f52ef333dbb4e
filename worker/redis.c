/* SPDX-License-Identifier: MIT */
/*
 * redis.c - hiredis' asynchronous connection on the worker's loop, and operations that
 * survive its loss.
 *
 * Owns:   the connection, its timers, the record of each command under way.
 * Called: by claim, job and journal code.
 * Fails:  a lost connection is made again with a doubling, capped wait; callers of
 *         redis_op notice only the time.
 *
 * hiredis looks names up by getaddrinfo, which blocks; so it is only given literal
 * addresses, and a name goes through the resolver first.
 */
#include "config.h"

#include "worker/redis.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <string.h>
#include <sys/epoll.h>

enum {
	RECONNECT_MIN_MS = 20,
	RECONNECT_MAX_MS = 1000,
	CONNECT_TIMEOUT_MS = 5000,
	CHECK_EVERY_MS = 1000,
	AWAY_WAIT_MS = 100
};

enum link_state {
	LINK_DOWN,
	LINK_CONNECTING,
	LINK_UP
};

struct command {
	struct redis_link *link;
	redis_reply_fn *fn;
	void *ctx;
	uint64_t sent_ms;
	bool is_lasting; /* SUBSCRIBE: not freed by its first reply */
	struct command *prev, *next;
};

struct redis_link {
	struct loop *loop;
	const struct redis_url *url;
	struct redis_hooks hooks;
	redis_resolve_fn *resolve; /* NULL: there is none */
	void *resolve_ctx;
	unsigned n_lookups;
	uint64_t max_silence_ms;
	redisAsyncContext *ac;
	enum link_state state;
	uint32_t events; /* what hiredis wants */
	bool is_closing;
	uint64_t wait_ms, connecting_since_ms;
	struct loop_timer reconnect, check;
	struct command *first, *last; /* under way, oldest first */
	unsigned n_waiting;           /* operations that were refused for now */
	char why[128];
};

static void link_connect(void *ctx);

/* ---- hiredis wants to read or write ---- */

static void
on_socket(void *ctx, uint32_t events)
{
	struct redis_link *link = ctx;
	redisAsyncContext *ac = link->ac;

	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && link->ac == ac)
		redisAsyncHandleRead(ac);
	if ((events & EPOLLOUT) != 0 && link->ac == ac)
		redisAsyncHandleWrite(ac);
}

static void
want(struct redis_link *link, uint32_t add, uint32_t drop)
{
	link->events = (link->events | add) & ~drop;
	if (link->ac != NULL)
		(void)loop_watch(link->loop, link->ac->c.fd, link->events, on_socket,
		    link);
}

static void
add_read(void *p)
{
	want(p, EPOLLIN, 0);
}

static void
del_read(void *p)
{
	want(p, 0, EPOLLIN);
}

static void
add_write(void *p)
{
	want(p, EPOLLOUT, 0);
}

static void
del_write(void *p)
{
	want(p, 0, EPOLLOUT);
}

static void
cleanup(void *p)
{
	struct redis_link *link = p;

	if (link->ac != NULL)
		loop_unwatch(link->loop, link->ac->c.fd);
	link->events = 0;
}

/* ---- commands ---- */

static void
command_unlink(struct command *c)
{
	struct redis_link *link = c->link;

	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		link->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		link->last = c->prev;
}

static void
on_reply(redisAsyncContext *ac, void *r, void *privdata)
{
	struct command *c = privdata;
	redis_reply_fn *fn = c->fn;
	void *ctx = c->ctx;

	(void)ac;
	if (c->is_lasting && r != NULL) {
		fn(ctx, r);
		return;
	}
	command_unlink(c);
	free(c);
	fn(ctx, r);
}

static int
send_now(struct redis_link *link, int argc, const char **argv, const size_t *argvlen,
    redis_reply_fn *fn, void *ctx)
{
	struct command *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	*c = (struct command){ .link = link,
		.fn = fn,
		.ctx = ctx,
		.sent_ms = clock_mono_ms(),
		.prev = link->last,
		.is_lasting = strcmp(argv[0], "SUBSCRIBE") == 0 };
	if (redisAsyncCommandArgv(link->ac, on_reply, c, argc, argv, argvlen) !=
	    REDIS_OK) {
		free(c);
		return -ENOTCONN;
	}
	if (link->last != NULL)
		link->last->next = c;
	else
		link->first = c;
	link->last = c;
	return 0;
}

int
redis_link_send(struct redis_link *link, int argc, const char **argv,
    const size_t *argvlen, redis_reply_fn *fn, void *ctx)
{
	if (link->state != LINK_UP)
		return -ENOTCONN;
	return send_now(link, argc, argv, argvlen, fn, ctx);
}

/* ---- up and down ---- */

static void
link_down(struct redis_link *link, const char *why)
{
	link->state = LINK_DOWN;
	(void)snprintf(link->why, sizeof(link->why), "%s", why);
	if (link->is_closing)
		return;
	if (link->hooks.on_down != NULL)
		link->hooks.on_down(link->hooks.ctx, link->why);
	(void)loop_timer_set(link->loop, &link->reconnect,
	    clock_mono_ms() + link->wait_ms);
	link->wait_ms =
	    link->wait_ms * 2 > RECONNECT_MAX_MS ? RECONNECT_MAX_MS : link->wait_ms * 2;
}

/* Gives the connection up; what is under way is answered with NULL by hiredis. */
static void
link_drop(struct redis_link *link, const char *why)
{
	redisAsyncContext *ac = link->ac;

	if (ac != NULL) {
		loop_unwatch(link->loop, ac->c.fd);
		link->ac = NULL;
		link->state = LINK_DOWN;
		redisAsyncFree(ac);
	}
	link_down(link, why);
}

static void
on_disconnect(const redisAsyncContext *ac, int status)
{
	struct redis_link *link = ac->data;

	if (link->ac != ac)
		return; /* dropped by us */
	loop_unwatch(link->loop, ac->c.fd);
	link->ac = NULL;
	link_down(link, status == REDIS_OK ? "closed" : ac->errstr);
}

/* The last reply of the greeting: from here on commands are taken. */
static void
on_greeting(void *ctx, const struct redisReply *reply)
{
	struct redis_link *link = ctx;

	if (link->state != LINK_CONNECTING || reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		char why[128];

		(void)snprintf(why, sizeof(why), "%s", reply->str);
		/* freeing inside its own callback is put off by hiredis */
		link_drop(link, why);
		return;
	}
	link->state = LINK_UP;
	link->wait_ms = RECONNECT_MIN_MS;
	if (link->hooks.on_up != NULL)
		link->hooks.on_up(link->hooks.ctx);
}

static void
on_greeting_step(void *ctx, const struct redisReply *reply)
{
	struct redis_link *link = ctx;

	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		on_greeting(link, reply);
}

static void
greet(struct redis_link *link)
{
	const struct redis_url *u = link->url;
	const char *auth[3] = { "AUTH", u->user, u->password };
	char db[16];
	const char *select[2] = { "SELECT", db };
	const char *ping[1] = { "PING" };
	int r = 0;

	(void)snprintf(db, sizeof(db), "%d", u->db);
	if (u->password != NULL && u->password[0] != '\0') {
		bool has_user = u->user != NULL && u->user[0] != '\0';

		if (!has_user)
			auth[1] = u->password;
		r = send_now(link, has_user ? 3 : 2, auth, NULL, on_greeting_step,
		    link);
	}
	if (r == 0 && u->db != 0)
		r = send_now(link, 2, select, NULL, on_greeting_step, link);
	if (r == 0)
		r = send_now(link, 1, ping, NULL, on_greeting, link);
	if (r < 0)
		link_drop(link, "cannot send the greeting");
}

static void
on_connect(const redisAsyncContext *ac, int status)
{
	struct redis_link *link = ac->data;

	if (link->ac != ac || status == REDIS_OK)
		return;
	/* hiredis frees the context itself after a failed connect */
	loop_unwatch(link->loop, ac->c.fd);
	link->ac = NULL;
	link_down(link, ac->errstr);
}

/* address: NULL for a Unix socket. */
static void
open_connection(struct redis_link *link, const char *address)
{
	const struct redis_url *u = link->url;
	redisAsyncContext *ac = address == NULL ? redisAsyncConnectUnix(u->path)
						: redisAsyncConnect(address, u->port);

	if (ac == NULL || ac->err != 0) {
		char why[128];

		(void)snprintf(why, sizeof(why), "%s",
		    ac != NULL ? ac->errstr : "no memory");
		if (ac != NULL)
			redisAsyncFree(ac);
		link_down(link, why);
		return;
	}
	link->ac = ac;
	link->state = LINK_CONNECTING;
	link->connecting_since_ms = clock_mono_ms();
	ac->data = link;
	ac->ev.data = link;
	ac->ev.addRead = add_read;
	ac->ev.delRead = del_read;
	ac->ev.addWrite = add_write;
	ac->ev.delWrite = del_write;
	ac->ev.cleanup = cleanup;
	if (address != NULL) /* a Unix socket has none, and minds */
		(void)redisEnableKeepAlive(&ac->c);
	(void)redisAsyncSetConnectCallback(ac, on_connect);
	(void)redisAsyncSetDisconnectCallback(ac, on_disconnect);
	greet(link);
}

static void
on_found(void *ctx, const char *address, const char *why)
{
	struct redis_link *link = ctx;

	if (address != NULL)
		open_connection(link, address);
	else
		link_down(link, why);
}

static bool
is_literal(const char *host)
{
	struct in6_addr any;

	return inet_pton(AF_INET, host, &any) == 1 ||
	    inet_pton(AF_INET6, host, &any) == 1;
}

static void
link_connect(void *ctx)
{
	struct redis_link *link = ctx;
	const struct redis_url *u = link->url;

	if (u->path != NULL && u->path[0] != '\0')
		open_connection(link, NULL);
	else if (link->resolve == NULL || is_literal(u->host))
		open_connection(link, u->host);
	else
		link->resolve(link->resolve_ctx, u->host, link->n_lookups++, on_found,
		    link);
}

/* A server that accepts and never answers is as good as gone. */
static void
check_silence(void *ctx)
{
	struct redis_link *link = ctx;
	uint64_t now = clock_mono_ms();

	(void)loop_timer_set(link->loop, &link->check, now + CHECK_EVERY_MS);
	if (link->ac == NULL)
		return;
	if (link->state == LINK_CONNECTING &&
	    now - link->connecting_since_ms > CONNECT_TIMEOUT_MS)
		link_drop(link, "no answer to the greeting");
	else if (link->first != NULL && !link->first->is_lasting &&
	    now - link->first->sent_ms > link->max_silence_ms)
		link_drop(link, "no answer for too long");
}

struct redis_link *
redis_link_new(struct loop *l, const struct redis_url *url, uint64_t max_silence_ms,
    const struct redis_hooks *hooks)
{
	struct redis_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->loop = l;
	link->url = url;
	link->hooks = *hooks;
	link->max_silence_ms = max_silence_ms;
	link->wait_ms = RECONNECT_MIN_MS;
	link->reconnect = (struct loop_timer){ .fn = link_connect, .ctx = link };
	link->check = (struct loop_timer){ .fn = check_silence, .ctx = link };
	return link;
}

void
redis_link_set_resolver(struct redis_link *link, redis_resolve_fn *fn, void *ctx)
{
	link->resolve = fn;
	link->resolve_ctx = ctx;
}

void
redis_link_start(struct redis_link *link)
{
	check_silence(link);
	link_connect(link);
}

void
redis_link_free(struct redis_link *link)
{
	if (link == NULL)
		return;
	link->is_closing = true;
	loop_timer_cancel(link->loop, &link->reconnect);
	loop_timer_cancel(link->loop, &link->check);
	if (link->ac != NULL)
		link_drop(link, "closing");
	free(link);
}

bool
redis_link_is_up(const struct redis_link *link)
{
	return link->state == LINK_UP;
}

bool
redis_link_is_away(const struct redis_link *link)
{
	return link->state != LINK_UP || link->n_waiting > 0;
}

/* ---- operations ---- */

struct op { /* on the heap: it may outlive a job that stopped waiting */
	struct wait wait;
	bool is_abandoned;
	enum queue_op op;
	redis_copy_fn *copy;
	void *copy_ctx;
	struct queue_answer *out;
	struct err *err;
};

static void
on_op_reply(void *ctx, const struct redisReply *reply)
{
	struct op *op = ctx;
	int r;

	if (op->is_abandoned) {
		free(op);
		return;
	}
	if (reply == NULL) {
		wait_done(&op->wait, -ENOTCONN);
		return;
	}
	r = queue_parse(op->op, reply, op->out, op->err);
	if (r == 0 && op->copy != NULL)
		op->copy(op->copy_ctx, op->out);
	wait_done(&op->wait, r);
}

/* Sends once and waits. -ENOTCONN: lost or down; others as queue_parse. */
static int
op_once(struct redis_link *link, struct queue_command *cmd, redis_copy_fn *copy,
    void *copy_ctx, struct queue_answer *out, uint64_t due_ms, struct err *err)
{
	struct op *op = calloc(1, sizeof(*op));
	int r;

	if (op == NULL)
		return -ENOMEM;
	*op = (struct op){ .op = cmd->op,
		.copy = copy,
		.copy_ctx = copy_ctx,
		.out = out,
		.err = err };
	wait_begin(&op->wait);
	r = redis_link_send(link, cmd->argc, cmd->argv, cmd->argvlen, on_op_reply, op);
	if (r < 0) {
		free(op);
		return r;
	}
	r = wait_for(&op->wait, due_ms);
	if (!op->wait.is_done)
		op->is_abandoned = true; /* freed by its reply */
	else
		free(op);
	return r;
}

/* Redis is away: 0 to try again after a while, or -ETIMEDOUT or -ECANCELED. */
static int
wait_for_redis(struct redis_link *link, int why, uint64_t due_ms, struct err *err)
{
	uint64_t until = clock_mono_ms() + AWAY_WAIT_MS;
	bool is_last = due_ms != 0 && due_ms <= until;
	int r;

	link->n_waiting++;
	r = fiber_sleep_until(is_last ? due_ms : until);
	link->n_waiting--;
	if (r < 0 || !is_last)
		return r;
	return why == -EAGAIN
	    ? err_prefix(err, -ETIMEDOUT, "Redis is away")
	    : err_set(err, -ETIMEDOUT, "Redis is away: %s", link->why);
}

int
redis_op(struct redis_link *link, struct queue_command *cmd, redis_copy_fn *copy,
    void *copy_ctx, struct queue_answer *out, uint64_t due_ms, struct err *err)
{
	struct err own = ERR_INIT;

	if (err == NULL)
		err = &own;
	for (;;) {
		uint64_t began = clock_mono_ms();
		int r = op_once(link, cmd, copy, copy_ctx, out, due_ms, err);

		if (r == -ENOENT) {
			queue_command_as_eval(cmd);
			continue;
		}
		if (r == -ETIMEDOUT)
			return err_set(err, r, "Redis: %s",
			    redis_link_is_up(link) ? "no answer in time" : link->why);
		if (r != -ENOTCONN && r != -EAGAIN)
			return r;
		r = wait_for_redis(link, r, due_ms, err);
		if (link->hooks.on_waited != NULL)
			link->hooks.on_waited(link->hooks.ctx, clock_mono_ms() - began);
		if (r < 0)
			return r;
	}
}
