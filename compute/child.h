/* SPDX-License-Identifier: MIT */
/*
 * child.h - a jailed child: forked, locked in, answering until it leaves.
 *
 * The child hears lane messages on its socket (the first request it has by inheritance)
 * and answers with lane messages whose head.reserved holds the flags below. It only
 * reads and writes; descriptors never pass its socket.
 */
#ifndef COMPUTE_CHILD_H
#define COMPUTE_CHILD_H

#include "common/role/sandbox.h"
#include "compute/answer.h"

#include <stdint.h>

enum child_exit {
	CHILD_EXIT_OK = 0,
	CHILD_EXIT_JAIL = 2,   /* a step of the jail failed */
	CHILD_EXIT_MEMORY = 3, /* no memory, not even for an answer */
	CHILD_EXIT_PROTOCOL = 4
};

enum child_flags {
	CHILD_LEAVES = 1,      /* this was its last answer */
	CHILD_DATA_IN_FILE = 2 /* the result is the content of its file */
};

enum {
	CHILD_RUNS_MAX = 100,  /* computations after which a child is renewed */
	CHILD_CPU_MAX_MS = 100 /* and CPU time, so that each run has its whole limit */
};

struct child_limits {
	uint64_t cpu_sec;
	uint64_t memory_bytes; /* beyond what is mapped at the start */
	uint64_t output_bytes;
};

struct child_start {
	pid_t parent_pid;
	int fd;      /* its socket */
	int file_fd; /* for a result that is not small */
	int null_fd; /* becomes 0, 1 and 2: jq can write to standard error; -1: as is */
	const struct sandbox_program *jail; /* NULL: none (tests) */
	struct child_limits limits;
	uint64_t mapped_bytes; /* address space in use when the limits are set */
	bool is_reusable;      /* waits for more requests; then no programs */
	const struct task *first;
	struct progress *progress;
};

/* In a forked process: closes what is not its own, locks itself in, runs, exits. */
__attribute__((noreturn)) void child_main(const struct child_start *s);

/* The locking-in alone, for tests of the jail: 0 or negative errno. */
int child_lock_in(const struct child_start *s);

#endif
