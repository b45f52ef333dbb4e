/* SPDX-License-Identifier: MIT */
/*
 * role.h - what every child process does at its start, and how it talks to its parent.
 *
 * A role program's main is: role_start (waits for START, reads its part of the
 * configuration, maps its slot file), its own preparations that need open permissions,
 * role_sandbox, role_ready, and a loop that watches role->control_fd with role_next.
 */
#ifndef COMMON_ROLE_ROLE_H
#define COMMON_ROLE_ROLE_H

#include "common/conf/conf.h"
#include "common/role/ipc.h"
#include "common/role/slot_file.h"

struct role_process {
	enum role role;
	unsigned slot;                /* --slot N */
	int control_fd;               /* SEQPACKET to the supervisor; non-blocking */
	int listen_fd;                /* gateway: the bound socket, else -1 */
	struct secrets *secrets;      /* all that conf holds; log lines are masked */
	struct conf *conf;            /* owned; this role's part */
	struct slot_file *slots;      /* mapped; written by this process only */
	char holder[HOLDER_NAME_MAX]; /* worker: its name in the queue's protocol */
};

/*
 * Parses --role and --slot, takes descriptor 3 as the control socket, waits for START.
 * On failure the reason is on standard error or sent as FAILED; the caller exits with
 * the returned status (common/exit_status.h). 0 on success.
 */
int role_start(int argc, char **argv, struct role_process *p);

/* no_new_privs, dumpable off, death with the parent, no cores, Landlock, the role's
   system-call filter. Before any thread is started. Fails closed: on error FAILED is
   sent and an exit status returned. */
int role_sandbox(struct role_process *p);

/* The start failed for a reason that a human should read: sends FAILED, returns
   status. */
int role_failed(struct role_process *p, int status, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

void role_ready(struct role_process *p);
void role_drained(struct role_process *p);

/* DRAINED is the last word: exit soon after it (a few seconds, then SIGKILL). */

/*
 * The next message of the supervisor, without blocking: 1 with *msg and fds (owned by
 * the caller), 0 when none waits. ALIVE_ASK is answered inside. When the supervisor is
 * gone this exits the process.
 */
int role_next(struct role_process *p, struct ipc_message *msg, int fds[IPC_FDS_MAX]);

#endif
