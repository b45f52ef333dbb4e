/* SPDX-License-Identifier: MIT */
/*
 * sandbox.h - what a process gives up for good: identity, new privileges, files, calls.
 *
 * Each profile is one list of system calls (sandbox_lists.c); whatever is not listed
 * ends the process by SIGSYS, after the fault handler has noted the call; what no role
 * may ever do (sandbox_never) kills it on the spot. Nothing here degrades silently: a step that fails is named, and
 * the caller must exit. Only Landlock is optional, because a kernel may lack it.
 */
#ifndef COMMON_ROLE_SANDBOX_H
#define COMMON_ROLE_SANDBOX_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum sandbox_profile {
	SANDBOX_WORKER, /* also quarantine, check, migrate */
	SANDBOX_GATEWAY,
	SANDBOX_SCHEDULER,
	SANDBOX_FETCH,
	SANDBOX_COMPUTE, /* the small parent that forks jailed children */
	SANDBOX_JAIL,    /* compute's children: memory and inherited descriptors */
	SANDBOX_PROFILE_COUNT
};

const char *sandbox_profile_name(enum sandbox_profile profile);

/*
 * Groups, gid and uid, in that order, for good; then no core dumps. (uid_t)-1 keeps the
 * caller's identity. Called between fork and exec, or by tests in a forked child.
 */
int sandbox_drop_identity(uid_t uid, gid_t gid, struct err *err);

/*
 * no_new_privs, not dumpable, no core, and SIGKILL when parent_pid dies (the kernel
 * forgets this at a change of user, so it is set again here; -ESRCH when the parent is
 * gone).
 */
int sandbox_harden(pid_t parent_pid, struct err *err);

/* A path that stays usable under Landlock; missing ones are skipped. */
struct sandbox_path {
	const char *path;
	bool is_writable;
};

/* What stays reachable under Landlock. */
struct sandbox_scope {
	const struct sandbox_path *paths;
	size_t n_paths;
	/* TCP ports that connect() may name, when connects are ruled */
	const uint16_t *ports;
	size_t n_ports;
	bool rules_connect; /* false: connect() goes to any port */
};

/*
 * Landlock: nothing but the scope; no TCP bind, no signals and no abstract sockets out
 * of this process's domain, as far as the kernel knows these rules. When it knows none
 * 1 is returned and err says so (a warning, not a failure); 0 on success; negative
 * errno when it should have worked. Acts on the calling thread: before any other is
 * started.
 */
int sandbox_scope(const struct sandbox_scope *scope, struct err *err);

/* The version of this kernel's Landlock that a scope was laid with, or negative errno:
   -ENOSYS when it is not built in, -EOPNOTSUPP when it is switched off. Of this process:
   asked for by its sandbox_scope. */
int sandbox_landlock(void);

/* What such a version does not rule, in words; NULL when nothing is missing. */
const char *sandbox_lacks(int landlock);

/* The read-only paths that name resolution, TLS and time zones need; *n of them. */
const struct sandbox_path *sandbox_network_paths(size_t *n);

/* Builds and loads the profile's filter. */
int sandbox_filter(enum sandbox_profile profile, struct err *err);

/*
 * The same in two steps, for a process that forks many children: build once, then load
 * in each child without any allocation. bpf: an array of struct sock_filter; free() it.
 */
struct sandbox_program {
	void *bpf;
	size_t n; /* instructions */
};
int sandbox_program_build(enum sandbox_profile profile, struct sandbox_program *out,
    struct err *err);
int sandbox_program_load(const struct sandbox_program *program); /* 0 or -errno */
void sandbox_program_release(struct sandbox_program *program);

/*
 * For those who look for a missing call: a refused one writes its number to standard
 * error before the process dies (set before sandbox_filter; -v -v of the daemon).
 */
void sandbox_explain(bool on);

/* False when built with sanitizers: their runtime needs calls that no list can hold, so
   a call that is not listed is only noted by the kernel there; those that no role may
   ever make (exec, ptrace, mount, ...) kill all the same. */
bool sandbox_is_strict(void);

#endif
