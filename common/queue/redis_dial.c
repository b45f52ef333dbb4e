/* SPDX-License-Identifier: MIT */
/*
 * redis_dial.c - the blocking way to a connection that takes commands.
 *
 * Owns:   nothing beyond a call.
 * Called: by redis_sync.c.
 * Fails:  within the time given, with the sentence of the last server that was tried.
 */
#include "config.h"

#include "common/queue/redis_dial.h"

#include "common/clock.h"

#include <errno.h>
#include <hiredis.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static void
conn_closep(struct redis_conn **c)
{
	redis_conn_close(*c);
}

static void
reply_freep(redisReply **reply)
{
	if (*reply != NULL)
		freeReplyObject(*reply);
}

/* Waits until the connection can go on, or the time is over. */
static int
wait_for_conn(const struct redis_conn *c, uint64_t deadline_ms, struct err *err)
{
	struct pollfd pfd = { redis_conn_fd(c), redis_conn_events(c), 0 };
	uint64_t now = clock_mono_ms();

	if (now >= deadline_ms ||
	    (poll(&pfd, 1, (int)(deadline_ms - now)) == 0 &&
		clock_mono_ms() >= deadline_ms))
		return err_set(err, -ETIMEDOUT, "no answer in time");
	return 0;
}

int
redis_exchange(struct redis_conn *c, uint64_t wait_ms, int argc, const char **argv,
    const size_t *argvlen, struct redisReply **reply, struct err *err)
{
	uint64_t deadline_ms = clock_mono_ms() + wait_ms;
	int r = redis_conn_send(c, argc, argv, argvlen);

	if (r < 0)
		return err_set(err, -ECONNRESET, "no memory for a command");
	while ((r = redis_conn_turn(c, err)) == 0 &&
	    (r = redis_conn_next(c, reply, err)) == 0 &&
	    (r = wait_for_conn(c, deadline_ms, err)) == 0)
		continue;
	return r == 1 ? 0 : r;
}

/* ---- one server ---- */

static int
greet(const struct redis_target *t, const struct redis_greeting *g,
    struct redis_conn *c, uint64_t command_ms, struct redis_host *master,
    struct err *err)
{
	for (int i = 0; i < g->n; i++) {
		CLEANUP(reply_freep) redisReply *reply = NULL;
		const char *argv[3];
		int r;

		memcpy(argv, g->command[i].argv, sizeof(argv));
		r = redis_exchange(c, command_ms, g->command[i].argc, argv, NULL,
		    &reply, err);
		if (r == 0)
			r = redis_greeting_judge(t, g, i, reply, master, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The handshake has its own time: a server that is not there is found out sooner. */
static int
connect_to(const struct redis_place *place, uint64_t connect_ms,
    struct redis_conn **out, struct err *err)
{
	CLEANUP(conn_closep) struct redis_conn *c = NULL;
	uint64_t deadline_ms = clock_mono_ms() + connect_ms;
	int r = redis_conn_open(place, &c, err);

	while (r == 0 && (r = redis_conn_turn(c, err)) == 0 && !redis_conn_is_open(c))
		r = wait_for_conn(c, deadline_ms, err);
	if (r == 0)
		*out = TAKE_PTR(c);
	return r;
}

/* Every address of the host, until one takes the connection. */
static int
connect_to_host(const struct redis_target *t, const struct redis_host *host,
    uint64_t connect_ms, struct redis_conn **out, struct err *err)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int r = getaddrinfo(host->name, NULL, &hints, &list);

	if (r != 0)
		return err_set(err, -EAGAIN, "%s: %s", host->name, gai_strerror(r));
	r = -EAGAIN;
	for (struct addrinfo *a = list; a != NULL && r < 0 && r != -EACCES;
	     a = a->ai_next) {
		char address[NI_MAXHOST] = "";
		struct redis_place place = { .address = address,
			.port = host->port,
			.tls = t->tls,
			.host = host->name };

		if (getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof(address),
			NULL, 0, NI_NUMERICHOST) == 0)
			r = connect_to(&place, connect_ms, out, err);
	}
	freeaddrinfo(list);
	return r;
}

static int
connect_to_server(const struct redis_target *t, const struct redis_host *host,
    uint64_t connect_ms, struct redis_conn **out, struct err *err)
{
	const struct redis_place place = { .path = t->url.path };

	return t->url.path != NULL ? connect_to(&place, connect_ms, out, err)
				   : connect_to_host(t, host, connect_ms, out, err);
}

/* ---- sentinels ---- */

static int
ask_sentinels(const struct redis_target *t, uint64_t connect_ms, uint64_t command_ms,
    struct redis_host *master, struct err *err)
{
	struct redis_greeting g;
	int r = -EAGAIN;

	redis_greeting_sentinel(t, &g);
	for (size_t i = 0; i < t->url.n_sentinels && r < 0; i++) {
		CLEANUP(conn_closep) struct redis_conn *c = NULL;
		const struct redis_host *s = &t->url.sentinels[i];

		r = connect_to_host(t, s, connect_ms, &c, err);
		if (r == 0)
			r = greet(t, &g, c, command_ms, master, err);
		if (r < 0)
			(void)err_prefix(err, r, "sentinel %s:%d", s->name, s->port);
	}
	return r;
}

int
redis_dial(const struct redis_target *t, uint64_t connect_ms, uint64_t command_ms,
    struct redis_conn **out, struct err *err)
{
	CLEANUP(conn_closep) struct redis_conn *c = NULL;
	struct redis_host master = { NULL, 0 };
	const struct redis_host *host = &t->url.host;
	struct redis_greeting g;
	int r = 0;

	if (redis_target_has_sentinels(t)) {
		r = ask_sentinels(t, connect_ms, command_ms, &master, err);
		host = &master;
	}
	if (r == 0)
		r = connect_to_server(t, host, connect_ms, &c, err);
	redis_greeting_server(t, &g);
	if (r == 0)
		r = greet(t, &g, c, command_ms, NULL, err);
	if (r < 0 && master.name != NULL)
		(void)err_prefix(err, r, "%s:%d", master.name, master.port);
	free(master.name);
	if (r < 0)
		return r == -EACCES || r == -ENOMEM ? r
						    : err_prefix(err, -EAGAIN, "away");
	*out = TAKE_PTR(c);
	return 0;
}
