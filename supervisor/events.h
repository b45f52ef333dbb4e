/* SPDX-License-Identifier: MIT */
/*
 * events.h - the supervisor's epoll: one callback per turn, so that a callback may end
 * any other source.
 */
#ifndef SUPERVISOR_EVENTS_H
#define SUPERVISOR_EVENTS_H

#include <stdint.h>

/* Lies in its owner; magic is set by events_add and checked on arrival. */
struct event_source {
	unsigned magic;
	int fd;
	void (*on_event)(void *arg, uint32_t what);
	void *arg;
};

struct events;

struct events *events_new(void); /* NULL: errno tells */
void events_free(struct events *e);

/* Watches source->fd for reading. 0 or negative errno. */
int events_add(struct events *e, struct event_source *source);
/* Before the descriptor is closed; nothing when it is not watched. */
void events_remove(struct events *e, struct event_source *source);

/* Waits at most wait_ms for one event and calls its source. 0 or negative errno. */
int events_turn(struct events *e, int wait_ms);

#endif
