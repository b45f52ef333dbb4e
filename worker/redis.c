/* SPDX-License-Identifier: MIT */
/*
 * redis.c - connections to Redis on the worker's loop, and operations that survive their
 * loss.
 *
 * Owns:   the connection, its timers, the record of each command under way.
 * Called: by claim, job and journal code.
 * Fails:  a lost connection is made again with a doubling, capped wait; callers of
 *         redis_op notice only the time.
 *
 * Each connecting begins anew: with sentinels, one after the other is asked for the
 * master; a name goes through the resolver, since getaddrinfo blocks; then the greeting
 * proves that the server is the right one.
 */
#include "config.h"

#include "worker/redis.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

enum {
	RECONNECT_MIN_MS = 20,
	RECONNECT_MAX_MS = 1000,
	MOVED_WAIT_MS = 200, /* the master moves: sentinels need a moment, too */
	CONNECT_TIMEOUT_MS = 5000,
	CHECK_EVERY_MS = 1000,
	AWAY_WAIT_MS = 100
};

enum link_state {
	LINK_DOWN,
	LINK_CONNECTING, /* to a sentinel or to the server */
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
	const struct redis_target *target;
	struct redis_hooks hooks;
	redis_resolve_fn *resolve; /* NULL: there is none */
	void *resolve_ctx;
	unsigned n_lookups;
	uint64_t max_silence_ms;
	struct redis_conn *conn;
	uint64_t epoch; /* rises when conn comes or goes */
	enum link_state state;
	uint32_t events; /* watched for */
	bool is_closing;
	const struct redis_host *host; /* being looked up or connected to */
	struct redis_host master;      /* as a sentinel named it */
	size_t sentinel;               /* asked last */
	size_t n_to_ask;               /* sentinels of this round; 0: connecting */
	struct redis_greeting greeting;
	int n_greeted; /* replies to the greeting */
	uint64_t wait_ms, connecting_since_ms;
	struct loop_timer reconnect, check;
	struct command *first, *last; /* under way, oldest first */
	unsigned n_waiting;           /* operations that were refused for now */
	bool is_refusing;             /* has been told */
	char why[256];
};

static void link_drop(struct redis_link *link, const char *why);
static void on_socket(void *ctx, uint32_t events);

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
answer(struct command *c, const redisReply *reply)
{
	redis_reply_fn *fn = c->fn;
	void *ctx = c->ctx;

	if (!c->is_lasting || reply == NULL) {
		command_unlink(c);
		free(c);
	}
	fn(ctx, reply);
}

static void
watch(struct redis_link *link)
{
	short wants = redis_conn_events(link->conn);
	uint32_t events = ((wants & POLLIN) != 0 ? EPOLLIN : 0U) |
	    ((wants & POLLOUT) != 0 ? EPOLLOUT : 0U);

	if (events == link->events)
		return;
	link->events = events;
	(void)loop_watch(link->loop, redis_conn_fd(link->conn), events, on_socket,
	    link);
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
	if (redis_conn_send(link->conn, argc, argv, argvlen) < 0) {
		free(c);
		return -ENOMEM;
	}
	if (link->last != NULL)
		link->last->next = c;
	else
		link->first = c;
	link->last = c;
	watch(link);
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

/* ---- bytes ---- */

/* One reply to the oldest command. An answer that another server is the master now ends
   the connection: the next one goes there. */
static void
deliver(struct redis_link *link, redisReply *reply)
{
	uint64_t epoch = link->epoch;
	bool has_moved = redis_target_has_moved(link->target, reply);

	if (link->first == NULL) {
		link_drop(link, "a reply that nobody asked for");
		return;
	}
	answer(link->first, reply);
	if (!has_moved || link->epoch != epoch)
		return;
	if (link->wait_ms < MOVED_WAIT_MS)
		link->wait_ms = MOVED_WAIT_MS;
	link_drop(link, "the server is not the master");
}

static void
on_socket(void *ctx, uint32_t events)
{
	struct redis_link *link = ctx;
	uint64_t epoch = link->epoch;
	struct err err = ERR_INIT;
	redisReply *reply = NULL;
	int r = redis_conn_turn(link->conn, &err), got = 0;

	(void)events;
	while (link->epoch == epoch &&
	    (got = redis_conn_next(link->conn, &reply, r < 0 ? NULL : &err)) == 1) {
		deliver(link, reply);
		freeReplyObject(reply);
	}
	if (link->epoch != epoch)
		return;
	if (r < 0 || got < 0)
		link_drop(link, err_text(&err));
	else
		watch(link);
}

/* ---- up and down ---- */

static void
link_down(struct redis_link *link, const char *why)
{
	link->state = LINK_DOWN;
	link->n_to_ask = 0;
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

static void look_up(struct redis_link *link, const struct redis_host *host);

static void
ask_next(struct redis_link *link)
{
	link->sentinel = (link->sentinel + 1) % link->target->url.n_sentinels;
	look_up(link, &link->target->url.sentinels[link->sentinel]);
}

/* This server is of no use: the next sentinel, or another try after a while. */
static void
give_up(struct redis_link *link, const char *why)
{
	char text[sizeof(link->why)];

	if (link->n_to_ask == 0 || link->is_closing) {
		link_down(link, why);
	} else if (--link->n_to_ask > 0) {
		ask_next(link);
	} else {
		(void)snprintf(text, sizeof(text), "sentinel %s:%d: %s",
		    link->host->name, link->host->port, why);
		link_down(link, text);
	}
}

/* Closes the connection; what is under way is answered with NULL. */
static void
hang_up(struct redis_link *link)
{
	if (link->conn == NULL)
		return;
	loop_unwatch(link->loop, redis_conn_fd(link->conn));
	redis_conn_close(TAKE_PTR(link->conn));
	link->events = 0;
	link->epoch++;
	link->state = LINK_DOWN;
	while (link->first != NULL)
		answer(link->first, NULL);
}

static void
link_drop(struct redis_link *link, const char *why)
{
	char text[sizeof(link->why)];

	(void)snprintf(text, sizeof(text), "%s", why);
	hang_up(link);
	give_up(link, text);
}

/* ---- the greeting ---- */

static void
take_master(struct redis_link *link, const struct redis_host *master)
{
	hang_up(link);
	free(link->master.name);
	link->master = *master;
	link->n_to_ask = 0;
	link->sentinel = (link->sentinel + link->target->url.n_sentinels - 1) %
	    link->target->url.n_sentinels; /* it answers: the first next time, too */
	look_up(link, &link->master);
}

/* Its last reply: from here on commands are taken. */
static void
on_greeting(void *ctx, const struct redisReply *reply)
{
	struct redis_link *link = ctx;
	struct redis_host master = { NULL, 0 };
	struct err err = ERR_INIT;

	if (link->state != LINK_CONNECTING || reply == NULL)
		return;
	if (redis_greeting_judge(link->target, &link->greeting, link->n_greeted++,
		reply, &master, &err) < 0) {
		link_drop(link, err_text(&err));
		return;
	}
	if (link->n_greeted < link->greeting.n)
		return;
	if (link->greeting.is_sentinel) {
		take_master(link, &master);
		return;
	}
	link->state = LINK_UP;
	link->wait_ms = RECONNECT_MIN_MS;
	if (link->hooks.on_up != NULL)
		link->hooks.on_up(link->hooks.ctx);
}

static void
greet(struct redis_link *link)
{
	struct redis_greeting *g = &link->greeting;
	int r = 0;

	if (link->n_to_ask > 0)
		redis_greeting_sentinel(link->target, g);
	else
		redis_greeting_server(link->target, g);
	link->n_greeted = 0;
	for (int i = 0; r == 0 && i < g->n; i++)
		r = send_now(link, g->command[i].argc, g->command[i].argv, NULL,
		    on_greeting, link);
	if (r < 0)
		link_drop(link, "no memory for the greeting");
}

/* ---- connecting ---- */

/* address: NULL for a Unix socket. */
static void
open_connection(struct redis_link *link, const char *address)
{
	struct redis_place place = { .tls = link->target->tls };
	struct err err = ERR_INIT;

	if (address == NULL) {
		place.path = link->target->url.path;
	} else {
		place.address = address;
		place.port = link->host->port;
		place.host = link->host->name;
	}
	if (redis_conn_open(&place, &link->conn, &err) < 0) {
		give_up(link, err_text(&err));
		return;
	}
	link->epoch++;
	link->state = LINK_CONNECTING;
	link->connecting_since_ms = clock_mono_ms();
	greet(link);
}

static void
on_found(void *ctx, const char *address, const char *why)
{
	struct redis_link *link = ctx;

	if (address != NULL)
		open_connection(link, address);
	else
		give_up(link, why);
}

static bool
is_literal(const char *host)
{
	struct in6_addr any;

	return inet_pton(AF_INET, host, &any) == 1 ||
	    inet_pton(AF_INET6, host, &any) == 1;
}

static void
look_up(struct redis_link *link, const struct redis_host *host)
{
	link->host = host;
	if (link->resolve == NULL || is_literal(host->name))
		open_connection(link, host->name);
	else
		link->resolve(link->resolve_ctx, host->name, link->n_lookups++,
		    on_found, link);
}

static void
link_connect(void *ctx)
{
	struct redis_link *link = ctx;
	const struct redis_url *u = &link->target->url;

	link->n_to_ask = u->n_sentinels;
	if (u->path != NULL)
		open_connection(link, NULL);
	else if (u->n_sentinels > 0)
		ask_next(link);
	else
		look_up(link, &u->host);
}

/* A server that accepts and never answers is as good as gone. */
static void
check_silence(void *ctx)
{
	struct redis_link *link = ctx;
	uint64_t now = clock_mono_ms();

	(void)loop_timer_set(link->loop, &link->check, now + CHECK_EVERY_MS);
	if (link->conn == NULL)
		return;
	if (link->state == LINK_CONNECTING &&
	    now - link->connecting_since_ms > CONNECT_TIMEOUT_MS)
		link_drop(link, "no answer to the greeting");
	else if (link->first != NULL && !link->first->is_lasting &&
	    now - link->first->sent_ms > link->max_silence_ms)
		link_drop(link, "no answer for too long");
}

struct redis_link *
redis_link_new(struct loop *l, const struct redis_target *target,
    uint64_t max_silence_ms, const struct redis_hooks *hooks)
{
	struct redis_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->loop = l;
	link->target = target;
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
	hang_up(link);
	free(link->master.name);
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

/* Loading, full, read-only; or the operator is changing passwords and rules: nothing that
   a job could have done otherwise. */
static bool
is_refused_for_now(int r)
{
	return r == -EAGAIN || r == -EACCES;
}

/* Once when refusals begin and once when they have ended. */
static void
tell_refusal(struct redis_link *link, int r, const struct err *err)
{
	bool is_refusing = is_refused_for_now(r);

	if ((r != 0 && !is_refusing) || is_refusing == link->is_refusing)
		return;
	link->is_refusing = is_refusing;
	if (link->hooks.on_refusal != NULL)
		link->hooks.on_refusal(link->hooks.ctx,
		    is_refusing ? err_text(err) : NULL);
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
	return is_refused_for_now(why)
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
		tell_refusal(link, r, err);
		if (r != -ENOTCONN && !is_refused_for_now(r))
			return r;
		r = wait_for_redis(link, r, due_ms, err);
		if (link->hooks.on_waited != NULL)
			link->hooks.on_waited(link->hooks.ctx, clock_mono_ms() - began);
		if (r < 0)
			return r;
	}
}
