/* SPDX-License-Identifier: MIT */
/*
 * connections.c - the table of open connections and their deadlines.
 *
 * Owns:   struct connection; the descriptors are the HTTP library's, which closes them
 *         after it has told us (connections_remove), so none here is stale.
 * Called: by the HTTP library's thread, and by main for the sweep.
 * Fails:  only for want of memory.
 */
#include "config.h"

#include "gateway/connections.h"

#include "common/clock.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>

enum {
	SWEEP_MS = 250,
	SENDING_FACTOR = 3
};

struct connection {
	TAILQ_ENTRY(connection) entry;
	int fd;
	enum connection_phase phase;
	uint64_t since_ms; /* in this phase */
	bool is_cut;
	const void *arg;
};

TAILQ_HEAD(connection_list, connection);

struct connections {
	pthread_mutex_t lock;
	struct connection_list list;
	size_t n, max;
	uint32_t limit_ms;
};

struct connections *
connections_new(uint32_t limit_ms, size_t max)
{
	struct connections *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	(void)pthread_mutex_init(&c->lock, NULL);
	TAILQ_INIT(&c->list);
	c->limit_ms = limit_ms;
	c->max = max;
	return c;
}

void
connections_free(struct connections *c)
{
	struct connection *k;

	if (c == NULL)
		return;
	while ((k = TAILQ_FIRST(&c->list)) != NULL) {
		TAILQ_REMOVE(&c->list, k, entry);
		free(k);
	}
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

struct connection *
connections_add(struct connections *c, int fd)
{
	struct connection *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->fd = fd;
	k->since_ms = clock_mono_ms();
	(void)pthread_mutex_lock(&c->lock);
	TAILQ_INSERT_TAIL(&c->list, k, entry);
	c->n++;
	(void)pthread_mutex_unlock(&c->lock);
	return k;
}

void
connections_remove(struct connections *c, struct connection *k)
{
	(void)pthread_mutex_lock(&c->lock);
	TAILQ_REMOVE(&c->list, k, entry);
	c->n--;
	(void)pthread_mutex_unlock(&c->lock);
	free(k);
}

void
connections_phase(struct connections *c, struct connection *k,
    enum connection_phase phase, const void *arg)
{
	(void)pthread_mutex_lock(&c->lock);
	k->phase = phase;
	k->arg = arg;
	k->since_ms = clock_mono_ms();
	(void)pthread_mutex_unlock(&c->lock);
}

/* A client that closed its side reads no answer any more. */
static bool
has_left(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static bool
is_late(const struct connections *c, const struct connection *k, uint64_t now)
{
	uint64_t limit = c->limit_ms;

	if (k->phase == CONNECTION_WAITING || k->is_cut)
		return false;
	if (k->phase == CONNECTION_SENDING)
		limit *= SENDING_FACTOR;
	return now - k->since_ms >= limit;
}

/* It has a place and no request yet. */
static bool
is_crowding(const struct connection *k)
{
	return k->phase == CONNECTION_RECEIVING && !k->is_cut;
}

uint32_t
connections_sweep(struct connections *c, void (*gone)(void *ctx, const void *arg),
    void *ctx)
{
	uint64_t now = clock_mono_ms();
	struct connection *k;
	size_t crowd;

	(void)pthread_mutex_lock(&c->lock);
	crowd = c->n > c->max / 4 * 3 ? c->n - c->max / 4 * 3 : 0;
	TAILQ_FOREACH (k, &c->list, entry) { /* the oldest first */
		if (is_late(c, k, now) || (crowd > 0 && is_crowding(k))) {
			crowd -= crowd > 0;
			k->is_cut = true;
			/* Both ways: bytes that arrive after SHUT_RD alone are still
			   read, so a slow client would live on. */
			(void)shutdown(k->fd, SHUT_RDWR);
		} else if (k->phase == CONNECTION_WAITING && k->arg != NULL &&
		    has_left(k->fd)) {
			gone(ctx, k->arg);
			k->arg = NULL;
		}
	}
	(void)pthread_mutex_unlock(&c->lock);
	return SWEEP_MS;
}

size_t
connections_count(struct connections *c)
{
	size_t n;

	(void)pthread_mutex_lock(&c->lock);
	n = c->n;
	(void)pthread_mutex_unlock(&c->lock);
	return n;
}

size_t
connections_busy(struct connections *c)
{
	const struct connection *k;
	size_t n = 0;

	(void)pthread_mutex_lock(&c->lock);
	TAILQ_FOREACH (k, &c->list, entry)
		n += k->phase != CONNECTION_RECEIVING;
	(void)pthread_mutex_unlock(&c->lock);
	return n;
}
