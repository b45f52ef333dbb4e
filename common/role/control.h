/* SPDX-License-Identifier: MIT */
/*
 * control.h - what {run_dir}/control.sock speaks: fixed requests, fixed answers.
 *
 * SEQPACKET, mode 0660, peers known by SO_PEERCRED. One request is one message, one
 * answer is one message. STATUS, METRICS and PING are for everyone who may open the
 * socket; DRAIN and RELOAD for root and for the user that the supervisor runs as. The
 * answer to RELOAD comes when the reload is over, the answer to DRAIN at once.
 */
#ifndef COMMON_ROLE_CONTROL_H
#define COMMON_ROLE_CONTROL_H

#include "common/conf/conf.h"
#include "common/err.h"
#include "common/metrics.h"
#include "common/role/slot_file.h"

#include <stdint.h>

enum {
	CONTROL_VERSION = 1,
	CONTROL_CHILDREN_MAX = 1024,
	CONTROL_TEXT_MAX = 1024,
	CONTROL_DEGRADED_MAX = 192,
	CONTROL_SIGNALS = 65 /* 0: ended by itself; else the signal */
};

#define CONTROL_REQUESTS(X)                                              \
 /* name    privileged  answer after the head */                         \
 X(PING, 0)    /* nothing */                                             \
 X(STATUS, 0)  /* struct control_status, as far as its children reach */ \
 X(METRICS, 0) /* struct control_metrics */                              \
 X(DRAIN, 1)   /* nothing; the daemon ends when its jobs are done */     \
 X(RELOAD, 1)  /* nothing; the head's text says what changed or what is wrong */

enum control_type {
#define X(name, privileged) CONTROL_##name,
	CONTROL_REQUESTS(X)
#undef X
	CONTROL_TYPE_COUNT
};

/* clang-format off */
#define CONTROL_CHILD_STATES(X) \
	X(EMPTY) X(WAITING) X(STARTING) X(LIVE) X(DRAINING) X(STOPPING) X(KILLED) X(BROKEN) X(GONE)
/* clang-format on */

/* Where a child stands in its life; the supervisor's table of transitions uses
   these. */
enum child_state {
#define X(name) CHILD_##name,
	CONTROL_CHILD_STATES(X)
#undef X
	CHILD_STATE_COUNT
};

const char *control_state_name(enum child_state state); /* "live", ... */
const char *control_type_name(enum control_type type);
bool control_is_privileged(enum control_type type);

struct control_request {
	uint16_t version; /* CONTROL_VERSION */
	uint16_t type;    /* enum control_type */
	uint32_t reserved;
};

/* One datagram of n bytes as a request: 0, or -EPROTO with *out untouched. */
int control_request_read(const void *bytes, size_t n, struct control_request *out);

struct control_answer {
	uint16_t version;
	uint16_t type;
	int32_t result;    /* 0 or negative errno */
	uint32_t body_len; /* bytes that follow this head */
	uint32_t reserved;
	char text[CONTROL_TEXT_MAX]; /* terminated; why, or what was done */
};

struct control_child {
	uint32_t role;  /* enum role */
	uint32_t slot;  /* of its role */
	uint32_t state; /* enum child_state */
	int32_t pid;    /* 0: no process now */
	uint32_t generation;
	uint32_t jobs_in_flight;
	uint32_t restarts;  /* of this slot */
	uint32_t is_alive;  /* answers and beats */
	uint64_t jobs_done; /* in this life */
	uint64_t uptime_ms; /* of this life */
};

struct control_status {
	char version[32];
	char node[128];
	char boot[24];
	int32_t pid;
	uint32_t generation;
	uint32_t is_draining;
	uint32_t is_unprivileged; /* started without root: no change of user */
	uint32_t is_reloading;
	uint32_t reloads_ok, reloads_failed;
	int32_t reload_result;  /* of the last one: 0 or negative errno */
	int64_t started_at_ms;  /* wall clock */
	int64_t reloaded_at_ms; /* wall clock of the last successful load */
	uint64_t uptime_ms;
	char reload_text[CONTROL_TEXT_MAX];
	uint64_t paused_ms; /* takes no jobs for so long: they take every worker down */
	uint32_t n_children;  /* in children, at most CONTROL_CHILDREN_MAX */
	uint32_t is_starting; /* not all processes have been ready yet */
	char degraded[CONTROL_DEGRADED_MAX]; /* walls that the kernel lacks; "": none */
	struct control_child children[CONTROL_CHILDREN_MAX];
};

struct control_metrics {
	uint64_t cells[METRICS_CELLS]; /* sums over all lives, see metrics.h */
	uint32_t restarts[ROLE_COUNT][CONTROL_SIGNALS];
	uint32_t reload_ok; /* 1: the last reload was accepted (or none was asked) */
	uint32_t reserved;
	int64_t started_at_ms, reloaded_at_ms;
	char version[32];
};

/*
 * Asks and waits at most wait_ms. Returns 0 with the daemon's answer in *head (result
 * may be negative: err then has its text and it is returned), -ECONNREFUSED or -ENOENT
 * when no daemon listens, -ETIMEDOUT, -EPROTO. body may be NULL when none is expected.
 */
int control_ask(const char *socket_path, enum control_type type, uint32_t wait_ms,
    struct control_answer *head, void *body, size_t body_max, struct err *err);

/* The same by name; *out is the caller's. */
int control_status(const char *socket_path, uint32_t wait_ms,
    struct control_status *out, struct err *err);
int control_metrics(const char *socket_path, uint32_t wait_ms,
    struct control_metrics *out, struct err *err);

/* "{run_dir}/control.sock" into out; -ENAMETOOLONG when a socket cannot have that
   name. */
int control_path(const char *run_dir, char out[108]);

#endif
