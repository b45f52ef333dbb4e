/* SPDX-License-Identifier: MIT */
/*
 * lane_client.c - many jobs over one socket: ids, waiting lines, a peer that is replaced.
 *
 * Owns:   the socket, the receive buffer, the lists of requests (which live on the
 *         stacks of their fibers).
 * Called: by job code in fibers; lane_client_attach by the worker's control loop.
 * Fails:  a request whose peer dies gets -ECONNRESET; one not yet sent waits on.
 */
#include "config.h"

#include "worker/lane_client.h"

#include "common/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>

struct request {
	struct wait wait;
	uint64_t id;
	const struct lane_part *parts;
	size_t n_parts, n_sent;
	uint16_t cancel_op; /* 0: none */
	struct lane_reply *out;
	TAILQ_ENTRY(request) link;
};

TAILQ_HEAD(request_list, request);

struct lane_client {
	struct loop *loop;
	const char *name;
	int fd;          /* -1: no peer */
	bool is_blocked; /* the socket is full: waits for EPOLLOUT */
	unsigned outstanding, max_outstanding;
	uint64_t next_id;
	struct request_list unsent, sent;
	uint64_t lost_ms; /* 0: attached, or never was */
	char *buffer;     /* LANE_MESSAGE_MAX */
};

struct lane_client *
lane_client_new(struct loop *l, const char *name, unsigned max_outstanding)
{
	struct lane_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->buffer = malloc(LANE_MESSAGE_MAX);
	if (c->buffer == NULL) {
		free(c);
		return NULL;
	}
	c->loop = l;
	c->name = name;
	c->fd = -1;
	c->max_outstanding = max_outstanding;
	c->next_id = 1;
	TAILQ_INIT(&c->unsent);
	TAILQ_INIT(&c->sent);
	return c;
}

static void
detach(struct lane_client *c)
{
	struct request *q;

	if (c->fd < 0)
		return;
	loop_unwatch(c->loop, c->fd);
	closep(&c->fd);
	c->fd = -1;
	c->is_blocked = false;
	c->outstanding = 0;
	c->lost_ms = clock_mono_ms();
	while ((q = TAILQ_FIRST(&c->sent)) != NULL) {
		TAILQ_REMOVE(&c->sent, q, link);
		q->id = 0;
		wait_done(&q->wait, -ECONNRESET);
	}
	TAILQ_FOREACH (q, &c->unsent, link)
		q->n_sent = 0; /* a half-sent one starts anew */
}

void
lane_client_free(struct lane_client *c)
{
	if (c == NULL)
		return;
	detach(c);
	free(c->buffer);
	free(c);
}

uint64_t
lane_client_lost_ms(const struct lane_client *c)
{
	return c->lost_ms;
}

static void pump(struct lane_client *c);

/* An answer to nobody (its job stopped waiting) only frees its place in the lane. */
static void
deliver(struct lane_client *c, struct lane_message *msg)
{
	struct request *q;
	int r;

	if (c->outstanding > 0)
		c->outstanding--;
	TAILQ_FOREACH (q, &c->sent, link)
		if (q->id == msg->head.id)
			break;
	if (q == NULL) {
		closep(&msg->data_fd);
		return;
	}
	TAILQ_REMOVE(&c->sent, q, link);
	q->id = 0;
	r = lane_reply_take(msg, q->out);
	if (r < 0)
		closep(&msg->data_fd);
	wait_done(&q->wait, r);
}

static void
on_ready(void *ctx, uint32_t events)
{
	struct lane_client *c = ctx;

	for (;;) {
		struct lane_message msg;
		int r = lane_receive(c->fd, c->buffer, &msg);

		if (r == -EAGAIN)
			break;
		if (r <= 0) {
			detach(c);
			return;
		}
		deliver(c, &msg);
	}
	if ((events & EPOLLOUT) != 0)
		c->is_blocked = false;
	pump(c);
}

static int
send_request(struct lane_client *c, struct request *q)
{
	while (q->n_sent < q->n_parts) {
		const struct lane_part *p = &q->parts[q->n_sent];
		int r = lane_send(c->fd, p->op, q->id, p->meta, p->meta_len, p->data,
		    p->data_len, p->data_fd);

		if (r < 0)
			return r;
		q->n_sent++;
	}
	return 0;
}

/* Best effort: the request's own deadline ends it, too. */
static void
send_cancel(struct lane_client *c, const struct request *q)
{
	if (q->n_sent > 0 && q->cancel_op != 0 && c->fd >= 0)
		(void)lane_send(c->fd, q->cancel_op, q->id, NULL, 0, NULL, 0, -1);
}

/* It cannot be sent, and that is not the peer's fault (memory, descriptors). */
static void
give_up(struct lane_client *c, struct request *q, int why)
{
	send_cancel(c, q); /* the parts that the peer has already */
	q->id = 0;
	wait_done(&q->wait, why);
}

static void
pump(struct lane_client *c)
{
	struct request *q;

	while (c->fd >= 0 && !c->is_blocked && c->outstanding < c->max_outstanding &&
	    (q = TAILQ_FIRST(&c->unsent)) != NULL) {
		int r = send_request(c, q);

		if (r == -EAGAIN) {
			c->is_blocked = true;
		} else if (r == -EPIPE || r == -ECONNRESET) {
			detach(c);
		} else {
			TAILQ_REMOVE(&c->unsent, q, link);
			if (r < 0) {
				give_up(c, q, r);
			} else {
				TAILQ_INSERT_TAIL(&c->sent, q, link);
				c->outstanding++;
			}
		}
	}
	if (c->fd >= 0)
		(void)loop_watch(c->loop, c->fd,
		    EPOLLIN | (c->is_blocked ? EPOLLOUT : 0), on_ready, c);
}

int
lane_client_attach(struct lane_client *c, int fd)
{
	int r;

	detach(c);
	c->fd = fd;
	r = loop_watch(c->loop, fd, EPOLLIN, on_ready, c);
	if (r < 0) {
		closep(&c->fd);
		c->fd = -1;
		c->lost_ms = clock_mono_ms();
		return r;
	}
	c->lost_ms = 0;
	pump(c);
	return 0;
}

/* The job no longer waits: an unsent request is forgotten, a sent one is cancelled. */
static void
withdraw(struct lane_client *c, struct request *q)
{
	if (q->id == 0)
		return;
	if (q->n_sent < q->n_parts)
		TAILQ_REMOVE(&c->unsent, q, link);
	else
		TAILQ_REMOVE(&c->sent, q, link);
	send_cancel(c, q);
}

int
lane_call(struct lane_client *c, const struct lane_part *parts, size_t n_parts,
    uint16_t cancel_op, uint64_t due_ms, struct lane_reply *out, struct err *err)
{
	struct request q = { .id = c->next_id++,
		.parts = parts,
		.n_parts = n_parts,
		.cancel_op = cancel_op,
		.out = out };
	int r;

	wait_begin(&q.wait);
	TAILQ_INSERT_TAIL(&c->unsent, &q, link);
	pump(c);
	r = wait_for(&q.wait, due_ms);
	if (r < 0)
		withdraw(c, &q);
	switch (r) {
	case 0:
		return 0;
	case -ETIMEDOUT:
		return err_set(err, r, "%s did not answer in time", c->name);
	case -ECONNRESET:
		return err_set(err, r, "the %s process died", c->name);
	default:
		return err_set(err, r, "%s: %s", c->name, strerror(-r));
	}
}
