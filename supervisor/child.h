/* SPDX-License-Identifier: MIT */
/*
 * child.h - one slot for a process of a role: its states, its lives, what it may do
 * next.
 *
 * lifecycle.c holds the table of what is legal; child.c does it. Times are monotonic
 * ms.
 */
#ifndef SUPERVISOR_CHILD_H
#define SUPERVISOR_CHILD_H

#include "common/conf/conf.h"
#include "common/err.h"
#include "common/role/control.h"
#include "common/role/ipc.h"
#include "common/role/spawn.h"
#include "supervisor/events.h"
#include "supervisor/generation.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/resource.h>

struct supervisor;

#define CHILD_EVENTS(X)                                                         \
 X(START)       /* it is time for a process */                                  \
 X(NOT_STARTED) /* the process could not be made */                             \
 X(READY)       /* message; redis: its socket answers */                        \
 X(DRAIN)       /* reload, renewal or shutdown: finish, take nothing new */     \
 X(STUCK)       /* a job is past its deadline */                                \
 X(DRAINED)     /* message */                                                   \
 X(LATE)        /* the state's time is over */                                  \
 X(WRONG)       /* a message that this state does not allow */                  \
 X(NOW)         /* end without mercy */                                         \
 X(DIED)        /* the process is gone, and should not be */                    \
 X(RENEWED)     /* gone because it asked for a new life */                      \
 X(REFUSED)     /* gone at its start for a reason that only a human can mend */ \
 X(LEFT)        /* gone, and was to go; or a short-lived role that succeeded */

enum child_event {
#define X(name) EVENT_##name,
	CHILD_EVENTS(X)
#undef X
	CHILD_EVENT_COUNT
};

struct child {
	unsigned magic;
	TAILQ_ENTRY(child) link;
	struct supervisor *supervisor;
	struct generation *generation;
	enum role role;
	unsigned slot;
	enum child_state state;
	bool is_wanted; /* false: its end is its last */
	bool is_short;  /* check, migrate: success is to end with status 0 */
	struct spawn_child process;
	struct event_source control;
	char holder[HOLDER_NAME_MAX]; /* workers: name of this life */
	uint64_t started_ms;          /* this life */
	uint64_t due_ms;              /* LATE or START comes then; 0: never */
	uint64_t ready_ms;
	uint64_t asked_ms, alive_ms; /* ALIVE_ASK sent, last sign of life */
	uint64_t stuck_ms; /* since when a row is past its deadline; 0: none */
	bool is_silent;    /* no sign of life for a lease: not in the live set */
	bool is_asked_to_renew;
	unsigned failures; /* in a row, each before a finished job */
	unsigned restarts;
	int said_status;         /* FAILED: its exit status; 0: none */
	char said[ERR_TEXT_MAX]; /* FAILED: why */
	struct buf *report; /* check: its error lines are collected here; not owned */
	struct buf *notes;  /* and its warnings, or NULL */
	/* Called once when the slot is over (GONE or BROKEN), before it is freed; or
	 * NULL. */
	void (*on_end)(struct supervisor *s, struct child *c, bool has_succeeded);
};

TAILQ_HEAD(child_list, child);

struct transition {
	enum child_state in;
	enum child_event on;
	void (*action)(struct child *c); /* NULL: nothing to do */
	enum child_state then;
};

/* lifecycle.c */
const struct transition *lifecycle_table(size_t *n);
const char *child_event_name(enum child_event event);
/* Takes the transition; -EPROTO when the table has none for this state. */
int lifecycle_take(struct child *c, enum child_event event);

/* child.c: the table's actions. */
void child_spawn(struct child *c);
void child_ready(struct child *c);
void child_drain(struct child *c);
void child_drain_stuck(struct child *c);
void child_expect_end(struct child *c);
void child_release_jobs(struct child *c);
void child_kill(struct child *c);
void child_again(struct child *c);
void child_back_off(struct child *c);
void child_give_up(struct child *c);
void child_forget(struct child *c);

/* child.c: for the rest of the supervisor. */
struct child *child_new(struct supervisor *s, struct generation *g, enum role role,
    unsigned slot);
void child_free(struct child *c);
/* One event; an event that the table lacks is a bug here, except for messages. */
void child_event(struct child *c, enum child_event event);
/* No further life: drains or ends the present one. */
void child_retire(struct child *c);
/* No further life and no grace. */
void child_end_now(struct child *c);
/* The process has ended with this wait status, having used this much. */
void child_exited(struct child *c, int wait_status, const struct rusage *used);
/* Start or LATE when due. */
void child_tick(struct child *c, uint64_t now_ms);
bool child_has_process(const struct child *c);
bool child_is_worker(const struct child *c); /* worker or quarantine */
uint32_t child_jobs_in_flight(const struct child *c);
const char *child_label(const struct child *c, char out[48]); /* "worker/3" */

/* inbox.c: the child's socket. */
void child_on_message(void *child, uint32_t what);
int child_send(struct child *c, enum ipc_type type, uint32_t aux, uint32_t peer,
    const int *fds, int n_fds);

#endif
