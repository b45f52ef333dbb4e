/* SPDX-License-Identifier: MIT */
/*
 * spawn.h - how a role's program becomes a child: opened once, fork, execveat, START.
 *
 * Used by the supervisor and by agentctl. The caller is single-threaded. The child gets
 * an empty environment, its control socket as descriptor 3, /dev/null as input, the
 * caller's standard error, and nothing else.
 */
#ifndef COMMON_ROLE_SPAWN_H
#define COMMON_ROLE_SPAWN_H

#include "common/conf/conf.h"
#include "common/err.h"
#include "common/role/slot_file.h"

#include <stdbool.h>
#include <sys/types.h>

enum {
	SPAWN_CONTROL_FD = 3
};

/* The role programs, open from the start on: an upgraded package never mixes
   versions. */
struct spawn_programs {
	int fd[ROLE_COUNT]; /* -1: the role has no program of ours; owned */
};

/*
 * Opens the programs of the roles in mask (1u << ROLE_...) beside the caller's own, in
 * ../libexec/agent-runner, or in the installed place. Names the one that is missing.
 */
int spawn_open_programs(struct spawn_programs *p, unsigned mask, struct err *err);
void spawn_close_programs(struct spawn_programs *p);

/* NULL for roles without a program (supervisor, redis, agentctl). */
const char *spawn_program_name(enum role role);

struct spawn_request {
	int program_fd;
	char *const *argv;
	uid_t uid; /* (uid_t)-1: as the caller */
	gid_t gid;
	int control_fd;  /* the child's end, becomes descriptor 3; -1: none. Caller
			    closes. */
	int output_fd;   /* becomes standard output and error; -1: the caller's standard
			    error */
	unsigned nofile; /* soft limit of descriptors, as far as the hard one allows; 0:
			    as is */
};

/* Returns the process id with *pidfd owned by the caller, or negative errno. What fails
   between fork and exec arrives as FAILED on the control socket (if there is one) and
   as an exit status. */
pid_t spawn_process(const struct spawn_request *r, int *pidfd, struct err *err);

/* A child as both ends know it; all fields are owned by who keeps the struct. */
struct spawn_child {
	pid_t pid;
	int pidfd;
	int control_fd; /* the parent's end */
	const struct slot_file *slots;
};

#define SPAWN_CHILD_INIT \
 {                       \
  -1, -1, -1, NULL       \
 }

struct spawn_start {
	enum role role;
	unsigned slot;
	uid_t uid;
	gid_t gid;
	const char *conf_text; /* conf_write_role() */
	size_t conf_len;
	const char *holder; /* "" for roles without one */
	int listen_fd;      /* gateway; else -1; stays the caller's */
	uint32_t flags;     /* SPAWN_... below, travels in START */
};

enum {
	SPAWN_EXPLAIN_SANDBOX = 1,
	SPAWN_LOG_LEVEL_SHIFT = 8 /* one more than the level */
};

/* Socket pair, slot file, process, START. On failure nothing is left behind. */
int spawn_role(const struct spawn_programs *p, const struct spawn_start *s,
    struct spawn_child *out, struct err *err);

/* Closes and unmaps; does not end the process. */
void spawn_child_release(struct spawn_child *c);

#endif
