/* SPDX-License-Identifier: MIT */
/*
 * status.h - what agentctl's exit statuses mean, in one list.
 *
 * The help text, the manual page's test and the program itself read it.
 */
#ifndef CTL_STATUS_H
#define CTL_STATUS_H

#include "common/exit_status.h"

/* clang-format off */
#define CTL_STATUSES(X)                                                                      \
	X(OK,          EXIT_STATUS_OK,          "success")                                   \
	X(FAILED,      EXIT_STATUS_FAILURE,     "the operation failed, or the job did")      \
	X(USAGE,       EXIT_STATUS_USAGE,       "wrong usage")                               \
	X(NOT_FOUND,   3,                       "no such job, result, agent or letter")      \
	X(TIMEOUT,     4,                       "waited long enough; the job goes on")       \
	X(UNAVAILABLE, EXIT_STATUS_UNAVAILABLE, "the daemon, Redis or the database is away") \
	X(CONFIG,      EXIT_STATUS_CONFIG,      "the configuration cannot be used")
/* clang-format on */

enum ctl_status {
#define X(name, value, meaning) CTL_##name = (value),
	CTL_STATUSES(X)
#undef X
};

#endif
