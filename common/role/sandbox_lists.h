/* SPDX-License-Identifier: MIT */
/* sandbox_lists.h - the system calls of each profile, by name; for sandbox.c and
   tests. */
#ifndef COMMON_ROLE_SANDBOX_LISTS_H
#define COMMON_ROLE_SANDBOX_LISTS_H

#include "common/role/sandbox.h"

enum {
	SANDBOX_SETS_MAX = 12
};

/* What a profile may do beyond the names, where arguments decide. */
enum sandbox_grant {
	GRANT_THREADS = 1 << 0, /* clone() of threads, never of processes */
	GRANT_FORK = 1 << 1,    /* clone() of processes without new namespaces */
	GRANT_SOCKET_UNIX = 1 << 2,
	GRANT_SOCKET_INET = 1 << 3, /* stream and datagram, IPv4 and IPv6 */
	GRANT_SOCKETPAIR = 1 << 4,
	GRANT_EXEC_MAP_FAILS = 1 << 5, /* PROT_EXEC -> EACCES; without it: death */
	GRANT_KILL = 1 << 6,           /* kill() with SIGKILL or 0 */
	GRANT_STACK_FILTER = 1 << 7,   /* load another filter on top */
	GRANT_OPEN_FAILS = 1 << 8, /* opening files -> ENOENT; without it: as listed */
	GRANT_LIMITS = 1 << 9,     /* lower own limits (prlimit64 on pid 0) */
	GRANT_CONFINED = 1 << 10   /* the jail: not even what is harmless elsewhere */
};

struct sandbox_rules {
	const char *name;
	const char *const
	    *sets[SANDBOX_SETS_MAX]; /* each ends with NULL, and so do they */
	unsigned grants;             /* enum sandbox_grant */
};

const struct sandbox_rules *sandbox_rules(enum sandbox_profile profile);

/* No profile may hold one of these. */
extern const char *const sandbox_never[];

/* Calls whose arguments are judged by sandbox.c; no set may hold one of these. */
extern const char *const sandbox_judged[];

#endif
