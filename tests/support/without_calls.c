/* SPDX-License-Identifier: MIT */
/*
 * without_calls.c - runs a program on a kernel that lacks some system calls.
 *
 * Usage: without_calls ERRNO NAME... -- PROGRAM [ARGUMENT]...
 * A filter answers the named calls with that errno (a number), in the program and in all
 * that it starts.
 *
 * Owns:   nothing.
 * Called: by end-to-end tests, before agent-runnerd.
 * Fails:  with exit status 127 and the reason.
 */
#include "config.h"

#include "common/cleanup.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>

int
main(int argc, char **argv)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	unsigned long code = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	int i = 2, r = ctx == NULL || code == 0 ? -EINVAL : 0;

	for (; r == 0 && i < argc && strcmp(argv[i], "--") != 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)code),
		    seccomp_syscall_resolve_name(argv[i]), 0);
	if (r == 0 && i + 1 >= argc)
		r = -EINVAL;
	if (r == 0)
		r = seccomp_load(ctx);
	if (r == 0) {
		(void)execv(argv[i + 1], argv + i + 1);
		r = -errno;
	}
	(void)fprintf(stderr, "without_calls: %s\n", strerror(-r));
	return 127;
}
