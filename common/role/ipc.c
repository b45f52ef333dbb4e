/* SPDX-License-Identifier: MIT */
/*
 * ipc.c - framing of the messages between the supervisor and its children.
 *
 * Owns:   nothing between calls; descriptors of refused messages are closed here.
 * Called: by the supervisor's loop and by role.c.
 * Fails:  with negative errno; what does not fit the table is -EPROTO.
 */
#include "config.h"

#include "common/role/ipc.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum ipc_sender {
	IPC_SENDER_SUPERVISOR,
	IPC_SENDER_CHILD
};

static const struct {
	const char *name;
	enum ipc_sender sender;
	int fds;
} types[IPC_TYPE_COUNT] = {
#define X(name, sender, fds) { #name, IPC_SENDER_##sender, fds },
	IPC_MESSAGES(X)
#undef X
};

enum {
	IPC_HEAD_SIZE = offsetof(struct ipc_message, text)
};

_Static_assert(IPC_HEAD_SIZE == 16, "the head has no padding");

#define X(name, sender, fds) \
 _Static_assert((fds) <= IPC_FDS_MAX, "more descriptors than a receiver has room for");
IPC_MESSAGES(X)
#undef X

const char *
ipc_type_name(enum ipc_type type)
{
	return (unsigned)type < IPC_TYPE_COUNT ? types[type].name : "?";
}

bool
ipc_is_from_child(enum ipc_type type)
{
	return (unsigned)type < IPC_TYPE_COUNT &&
	    types[type].sender == IPC_SENDER_CHILD;
}

int
ipc_fds_max(enum ipc_type type)
{
	return (unsigned)type < IPC_TYPE_COUNT ? types[type].fds : 0;
}

struct ipc_message *
ipc_message_init(struct ipc_message *msg, enum ipc_type type, uint32_t aux,
    uint32_t peer)
{
	msg->version = IPC_VERSION;
	msg->type = (uint16_t)type;
	msg->aux = aux;
	msg->peer = peer;
	msg->text_len = 0;
	return msg;
}

void
ipc_message_text(struct ipc_message *msg, const char *text, size_t len)
{
	if (len > IPC_LOG_MAX)
		len = IPC_LOG_MAX;
	memcpy(msg->text, text, len);
	msg->text_len = (uint32_t)len;
}

int
ipc_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) <
	    0)
		return -errno;
	return 0;
}

int
ipc_send(int fd, const struct ipc_message *msg, const int *fds, int n_fds)
{
	union {
		char bytes[CMSG_SPACE(IPC_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct ipc_message copy; /* sendmsg takes no const */
	struct iovec iov = { &copy, IPC_HEAD_SIZE + msg->text_len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	ASSERT(msg->text_len <= IPC_LOG_MAX && n_fds <= ipc_fds_max(msg->type));
	memcpy(&copy, msg, IPC_HEAD_SIZE + msg->text_len);
	if (n_fds > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)n_fds * sizeof(int));
	}
	do
		sent = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* Collects the passed descriptors; returns how many came, or -1 when too many did. */
static int
passed_fds(struct msghdr *m, int fds[IPC_FDS_MAX])
{
	int n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n >= 0 && n < IPC_FDS_MAX) {
				fds[n++] = fd;
			} else {
				(void)close(fd);
				n = -1;
			}
		}
	}
	return n;
}

static bool
is_well_formed(const struct ipc_message *m, size_t got, int n_fds, int flags)
{
	return got >= IPC_HEAD_SIZE && (flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
	    m->version == IPC_VERSION && m->type < IPC_TYPE_COUNT &&
	    m->text_len == got - IPC_HEAD_SIZE && n_fds >= 0 &&
	    n_fds <= ipc_fds_max(m->type);
}

int
ipc_receive(int fd, struct ipc_message *msg, int fds[IPC_FDS_MAX])
{
	union {
		char bytes[CMSG_SPACE(2 * IPC_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct ipc_message in;
	struct iovec iov = { &in, sizeof(in) };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	int got_fds[IPC_FDS_MAX] = { -1, -1, -1, -1 };
	ssize_t got;
	int n_fds;

	do
		got = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	n_fds = passed_fds(&m, got_fds); /* an empty message may carry some, too */
	if (got == 0 && n_fds == 0)
		return 0;
	if (!is_well_formed(&in, (size_t)got, n_fds, m.msg_flags)) {
		for (int i = 0; i < IPC_FDS_MAX; i++)
			closep(&got_fds[i]);
		return -EPROTO;
	}
	memcpy(msg, &in, (size_t)got);
	memcpy(fds, got_fds, sizeof(got_fds));
	return 1;
}
