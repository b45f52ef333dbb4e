/* SPDX-License-Identifier: MIT */
/*
 * proc.h - programs that a test starts: they die with it, and what they say is kept.
 *
 * Each is the leader of its own process group, gets SIGKILL when the starting thread
 * ends, and writes standard output and error to one file.
 */
#ifndef TESTS_SUPPORT_PROC_H
#define TESTS_SUPPORT_PROC_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	PROC_PATH_MAX = 512
};

struct proc {
	pid_t pid; /* 0: not running */
	char name[32];
	char output[PROC_PATH_MAX]; /* file of what it says */
	int status;                 /* as of waitpid, once it has ended */
};

struct proc_options {
	uid_t uid; /* 0: stay who we are */
	gid_t gid;
	const char *const *env; /* "NAME=value", NULL at the end, added; may be NULL */
	const char *cwd;        /* NULL: stay */
};

/* argv[0] is the path. Output goes to DIR/NAME.out (appended). 0 or negative errno. */
int proc_start(struct proc *p, const char *dir, const char *name, char *const argv[],
    const struct proc_options *options, struct err *err);

/* Has it ended? Fills p->status and zeroes p->pid then. */
bool proc_has_ended(struct proc *p);

/* Waits for its end. 0, or -ETIMEDOUT. */
int proc_wait(struct proc *p, uint64_t timeout_ms);

/* Sends the signal, waits, kills its group when it does not end in time. Returns the
   status of waitpid, or -ETIMEDOUT when it had to be killed. 0 when it did not run. */
int proc_stop(struct proc *p, int signal, uint64_t timeout_ms);

/* SIGKILL to the whole group, and reaped. */
void proc_kill(struct proc *p);

/*
 * Waits for a line that begins with prefix in its output and copies the rest of it.
 * 0, -ETIMEDOUT, or -ECHILD when the program ended before (err has its last words).
 */
int proc_wait_line(struct proc *p, const char *prefix, char *out, size_t max,
    uint64_t timeout_ms, struct err *err);

/* The last max_bytes that it said, appended. */
void proc_output(const struct proc *p, struct buf *out, size_t max_bytes);

/* "ended with status 3", "was killed by signal 9 (Killed)" */
void proc_describe(const struct proc *p, char *out, size_t max);

#endif
