/* SPDX-License-Identifier: MIT */
/*
 * events.c - one epoll descriptor, one event per turn.
 *
 * Owns:   the epoll descriptor; sources belong to who added them.
 * Called: by the main loop and by all that watch a descriptor.
 * Fails:  with negative errno; a source without its magic number is a bug (ASSERT).
 *
 * One event per epoll_wait costs a system call more and spares the question what
 * happens to the events behind one whose callback freed their sources.
 */
#include "config.h"

#include "supervisor/events.h"

#include "common/cleanup.h"

#include <errno.h>
#include <sys/epoll.h>

enum {
	SOURCE_MAGIC = 0x5352434d
};

struct events {
	int epoll_fd;
};

struct events *
events_new(void)
{
	struct events *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (e->epoll_fd < 0) {
		free(e);
		return NULL;
	}
	return e;
}

void
events_free(struct events *e)
{
	if (e == NULL)
		return;
	(void)close(e->epoll_fd);
	free(e);
}

int
events_add(struct events *e, struct event_source *source)
{
	struct epoll_event ev = { .events = EPOLLIN, .data = { .ptr = source } };

	if (epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, source->fd, &ev) < 0)
		return -errno;
	source->magic = SOURCE_MAGIC;
	return 0;
}

void
events_remove(struct events *e, struct event_source *source)
{
	if (source->magic != SOURCE_MAGIC)
		return;
	(void)epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->magic = 0;
}

int
events_turn(struct events *e, int wait_ms)
{
	struct epoll_event ev;
	struct event_source *source;
	int n = epoll_wait(e->epoll_fd, &ev, 1, wait_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return 0;
	source = ev.data.ptr;
	ASSERT(source->magic == SOURCE_MAGIC);
	source->on_event(source->arg, ev.events);
	return 0;
}
