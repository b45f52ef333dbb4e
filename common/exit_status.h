/* SPDX-License-Identifier: MIT */
/* exit_status.h - exit statuses as words, because the supervisor acts on them. */
#ifndef COMMON_EXIT_STATUS_H
#define COMMON_EXIT_STATUS_H

enum exit_status {
	EXIT_STATUS_OK = 0,
	EXIT_STATUS_FAILURE = 1,
	EXIT_STATUS_USAGE = 2,
	EXIT_STATUS_CONFIG = 78,      /* sysexits EX_CONFIG: tell a human, no restart */
	EXIT_STATUS_UNAVAILABLE = 69, /* a server could not be reached */
	EXIT_STATUS_SANDBOX = 71,     /* a step of the sandbox failed */
	EXIT_STATUS_FENCED = 75,  /* worker: its holder is fenced; a new life at once */
	EXIT_STATUS_RENEW = 76,   /* worker: reached max_jobs or its memory bound */
	EXIT_STATUS_PROTOCOL = 70 /* a message that is not in the table */
};

#endif
