/* SPDX-License-Identifier: MIT */
/*
 * ipc.h - the fixed-size messages between the supervisor and its children.
 *
 * One SEQPACKET pair per child. Every message is a struct ipc_message of one size per
 * type; descriptors travel beside START, LANE and LIVE_SET. A wrong message costs the
 * child that sent it its life, never the supervisor. IPC_VERSION rises with the enum.
 */
#ifndef COMMON_ROLE_IPC_H
#define COMMON_ROLE_IPC_H

#include "common/conf/conf.h"

#include <stdint.h>

enum {
	IPC_VERSION = 1,
	IPC_FDS_MAX = 4,
	IPC_LOG_MAX = 2048,
	HOLDER_NAME_MAX = 192
};

/* clang-format off */
#define IPC_MESSAGES(X)                                                                      \
	/* name     sent by     fds  descriptors: meaning                               */  \
	X(START,    SUPERVISOR, 3) /* conf memfd, slot file[, role's own: listen socket] */  \
	X(LANE,     SUPERVISOR, 1) /* one end of a lane; aux = slot, peer = role         */  \
	X(DRAIN,    SUPERVISOR, 0) /* stop taking work, finish, then DRAINED             */  \
	X(ALIVE_ASK,SUPERVISOR, 0) /* answered by ALIVE from the control thread or loop  */  \
	X(LIVE_SET, SUPERVISOR, 1) /* to the scheduler: memfd, see live_set.h            */  \
	X(RELEASE,  SUPERVISOR, 0) /* grace is over: hand jobs back now, then DRAINED    */  \
	X(READY,    CHILD,      0) /* START done, sandbox on, connections tried; aux =   */  \
				   /* sandbox_landlock(), 0: it has no sandbox           */  \
	X(DRAINED,  CHILD,      0)                                                           \
	X(ALIVE,    CHILD,      0)                                                           \
	X(LOG,      CHILD,      0) /* aux = level; text                                  */  \
	X(FAILED,   CHILD,      0) /* start failed: text says why; aux = exit status     */
/* clang-format on */

enum ipc_type {
#define X(name, sender, fds) IPC_##name,
	IPC_MESSAGES(X)
#undef X
	IPC_TYPE_COUNT
};

struct ipc_message {
	uint16_t version; /* IPC_VERSION */
	uint16_t type;    /* enum ipc_type */
	uint32_t aux;     /* see the table */
	uint32_t peer;    /* enum role of a lane's other end */
	uint32_t text_len;
	char text[IPC_LOG_MAX]; /* LOG, FAILED: UTF-8, not terminated; START: holder
				   name */
};

const char *ipc_type_name(enum ipc_type type); /* "?" outside of the table */
bool ipc_is_from_child(enum ipc_type type);
int ipc_fds_max(enum ipc_type type); /* how many descriptors may travel beside it */

/* A head without text. */
struct ipc_message *ipc_message_init(struct ipc_message *msg, enum ipc_type type,
    uint32_t aux, uint32_t peer);
/* Sets the text, cut at IPC_LOG_MAX bytes. */
void ipc_message_text(struct ipc_message *msg, const char *text, size_t len);

/* A connected SEQPACKET pair, close-on-exec, non-blocking. 0 or negative errno. */
int ipc_pair(int fds[2]);

/* Non-blocking. 0, -EAGAIN, -EPIPE, ... Only head and text_len bytes go on the wire. */
int ipc_send(int fd, const struct ipc_message *msg, const int *fds, int n_fds);

/* Non-blocking. 1 with *msg, fds[IPC_FDS_MAX] (unused ones -1; the receiver owns them);
   0 when the peer has closed; -EAGAIN; -EPROTO for a malformed one, whose descriptors
   are closed here. *msg and fds change only with 1 (fds are then all set). */
int ipc_receive(int fd, struct ipc_message *msg, int fds[IPC_FDS_MAX]);

#endif
