/* SPDX-License-Identifier: MIT */
/*
 * fault_point.h - named places on the way of a job at which a test strikes.
 *
 * Only builds with --enable-fault-points have them; in any other FAULT_POINT(x) is
 * nothing. AGENT_RUNNER_FAULT arms points:
 *
 *   NAME:ACTION[=MS][:nth=N][:times=N][:once][:job=PREFIX][,NAME:...]
 *
 * nth: not before the Nth time that the place is reached; times: so often at most (once:
 * one time); job: only for jobs whose id begins so. AGENT_RUNNER_FAULT_PAGE names a file
 * for the page that all processes of the daemon share: whoever maps it reads which places
 * were reached and struck, and may arm others while the daemon runs.
 */
#ifndef COMMON_FAULT_POINT_H
#define COMMON_FAULT_POINT_H

#ifdef WITH_FAULT_POINTS

# include "common/err.h"

# include <stdatomic.h>
# include <stdint.h>

/* clang-format off */
/* SEND: before the other side can know of it; REPLY: it has been carried out. */
# define FAULT_POINTS(X)                                                              \
 /* the worker, from left to right along the way of a job */                          \
 X(REGISTER_SEND)       X(REGISTER_REPLY)                                             \
 X(CLAIM_SEND)          X(CLAIM_REPLY)                                                \
 X(ADOPT_SEND)          X(ADOPT_REPLY)                                                \
 X(TAKE_SEND)           X(TAKE_REPLY)          /* a cancelled job, out of turn */     \
 X(PROBE_SEND)          X(PROBE_REPLY)         /* the right to try a provider */      \
 X(JOB_PARSED)                                                                        \
 X(BEGIN_SEND)          X(BEGIN_REPLY)                                                \
 X(UNCLAIM_SEND)        X(UNCLAIM_REPLY)       /* the queue was paused meanwhile */   \
 X(LOOKED_UP)           /* what the store knows of the job */                         \
 X(RESET_SEND)          X(RESET_REPLY)         /* of the journal, to start over */    \
 X(SESSION_SEND)        X(SESSION_REPLY)       /* reading it */                       \
 X(DEAD_SEND)           X(DEAD_REPLY)          /* of a payload without an id */       \
 X(RESERVE_SEND)        X(RESERVE_REPLY)       /* a share of the budget */            \
 X(LIMIT_TAKE_SEND)     X(LIMIT_TAKE_REPLY)    /* room in a rate limit */             \
 X(LLM_SEND)            X(LLM_ANSWER)                                                 \
 X(LIMIT_NOTE_SEND)     X(LIMIT_NOTE_REPLY)                                           \
 X(SETTLE_SEND)         X(SETTLE_REPLY)        /* of a call that was not answered */  \
 X(JOURNAL_ANSWER_SEND) X(JOURNAL_ANSWER_REPLY)                                       \
 X(JOURNAL_INTENT_SEND) X(JOURNAL_INTENT_REPLY)                                       \
 X(TOOL_BEGIN)          X(TOOL_END)                                                   \
 X(CACHE_GET_SEND)      X(CACHE_GET_REPLY)                                            \
 X(FETCH_SEND)          X(FETCH_ANSWER)                                               \
 X(COMPUTE_SEND)        X(COMPUTE_ANSWER)                                             \
 X(CACHE_PUT_SEND)      X(CACHE_PUT_REPLY)                                            \
 X(JOURNAL_TOOL_SEND)   X(JOURNAL_TOOL_REPLY)                                         \
 X(JOURNAL_END_SEND)    X(JOURNAL_END_REPLY)                                          \
 X(STORE_SEND)                                                                        \
 X(ROW_WRITTEN)         /* helper thread: not yet known to the job */                 \
 X(STORE_DONE)                                                                        \
 X(FINISH_SEND)         X(FINISH_REPLY)                                               \
 X(RETRY_SEND)          X(RETRY_REPLY)                                                \
 X(RELEASE_SEND)        X(RELEASE_REPLY)                                              \
 X(BURY_SEND)           X(BURY_REPLY)                                                 \
 /* fetch and compute, with a worker's request in hand */                             \
 X(FETCH_TAKEN)         X(FETCH_DONE)                                                 \
 X(COMPUTE_TAKEN)       X(COMPUTE_DONE)                                               \
 /* the scheduler */                                                                  \
 X(LIVE_SET_TAKEN)                                                                    \
 X(BEAT_SEND)           X(BEAT_REPLY)                                                 \
 X(RECOVER_SEND)        X(RECOVER_REPLY)                                              \
 X(PROMOTE_SEND)        X(PROMOTE_REPLY)                                              \
 /* the supervisor; CHILD_EXEC is the forked child */                                 \
 X(CHILD_START)         X(CHILD_FORK)          X(CHILD_FORKED)   X(CHILD_EXEC)        \
 X(CHILD_REAPED)        X(LIVE_SET_SEND)       X(LIVE_SET_SENT)                       \
 X(REDIS_START)         X(REDIS_READY)

# define FAULT_ACTIONS(X)                                                  \
 X(ABORT,    "abort")    /* SIGABRT */                                     \
 X(SEGV,     "segv")     /* a write to a place that is not there */        \
 X(OVERFLOW, "overflow") /* the stack runs into its guard page */          \
 X(REFUSED,  "refused")  /* a system call that is in no list */            \
 X(NEVER,    "never")    /* one that no role may ever make */              \
 X(KILL,     "kill")     /* SIGKILL, as by the kernel short of memory */   \
 X(STOP,     "stop")     /* SIGSTOP; somebody else lets it go on */        \
 X(DELAY,    "delay")    /* the process does nothing for so many ms */          \
 X(SPIN,     "spin")     /* its thread keeps a CPU busy for so many ms */
/* clang-format on */

enum fault_point {
# define X(name) FAULT_POINT_##name,
	FAULT_POINTS(X)
# undef X
	FAULT_POINT_COUNT
};

enum fault_action {
# define X(name, text) FAULT_##name,
	FAULT_ACTIONS(X)
# undef X
	FAULT_ACTION_COUNT
};

enum {
	FAULT_PAGE_MAGIC = 0x41524650,
	FAULT_ORDERS_MAX = 16,
	FAULT_JOB_MAX = 32
};

struct fault_order {
	_Atomic uint32_t point; /* + 1; 0: a free place. Written last */
	uint32_t action;        /* enum fault_action */
	uint32_t ms;            /* delay */
	uint32_t nth;           /* 0 and 1: from the first time on */
	uint32_t times;         /* 0: without bound */
	char job[FAULT_JOB_MAX];
	_Atomic uint32_t seen, fired;
};

struct fault_page {
	uint32_t magic, size;
	_Atomic uint32_t reached[FAULT_POINT_COUNT];
	_Atomic uint32_t struck[FAULT_POINT_COUNT][FAULT_ACTION_COUNT];
	_Atomic int32_t victim; /* process that was struck last */
	_Atomic int64_t
	    wall_step_ms; /* what their wall clocks show more than the host's */
	struct fault_order orders[FAULT_ORDERS_MAX];
};

const char *fault_point_name(enum fault_point point);

/* Adds what the text says. 0, or -EINVAL with err saying what is wrong. */
int fault_orders_read(struct fault_page *page, const char *text, struct err *err);

/* The supervisor, before its first child: the page that the environment asks for; 0 also
   when it asks for none. */
int fault_points_open(struct err *err);
/* The forked child, before its exec: lets the page through. */
void fault_points_pass_on(void);
/* The role, at its start. */
void fault_points_attach(void);

/* The place is reached; job_id may be NULL. */
void fault_point_hit(enum fault_point point, const char *job_id);

/* 0 without a page. */
int64_t fault_wall_step_ms(void);

# define FAULT_POINT(name) fault_point_hit(FAULT_POINT_##name, NULL)
# define FAULT_WALL_STEP_MS() fault_wall_step_ms()
# define FAULT_POINT_OF(name, job_id) fault_point_hit(FAULT_POINT_##name, (job_id))
# define FAULT_POINTS_OPEN(err) fault_points_open(err)
# define FAULT_POINTS_PASS_ON() fault_points_pass_on()
# define FAULT_POINTS_ATTACH() fault_points_attach()
# define FAULT_POINTS_NOTE " (test build with fault points)"

#else

# define FAULT_POINT(name) ((void)0)
# define FAULT_WALL_STEP_MS() 0
# define FAULT_POINT_OF(name, job_id) ((void)0)
# define FAULT_POINTS_OPEN(err) 0
# define FAULT_POINTS_PASS_ON() ((void)0)
# define FAULT_POINTS_ATTACH() ((void)0)
# define FAULT_POINTS_NOTE ""

#endif

#endif
