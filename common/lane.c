/* SPDX-License-Identifier: MIT */
/*
 * lane.c - framed messages with optional memory files over SEQPACKET pairs.
 *
 * Owns:   nothing between calls.
 * Called: by workers on one side, compute and fetch on the other.
 * Fails:  with negative errno; a malformed message is -EPROTO and its descriptors are
 *         closed here.
 */
#include "config.h"

#include "common/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum {
	LANE_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL
};

int
lane_memfd(const void *data, size_t n)
{
	CLEANUP(closep) int fd = memfd_create("lane", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t done = 0;

	if (fd < 0)
		return -errno;
	while (done < n) {
		ssize_t w =
		    pwrite(fd, (const char *)data + done, n - done, (off_t)done);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		done += (size_t)w;
	}
	if (fcntl(fd, F_ADD_SEALS, LANE_SEALS) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int
send_parts(int fd, struct iovec *iov, int n_iov, int data_fd)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)n_iov };
	ssize_t sent;

	if (data_fd >= 0) {
		struct cmsghdr *c;

		memset(control, 0, sizeof(control));
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &data_fd, sizeof(int));
	}
	do
		sent = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

int
lane_send(int fd, uint16_t op, uint64_t id, const void *meta, size_t meta_len,
    const void *data, size_t data_len, int data_fd)
{
	CLEANUP(closep) int own_fd = -1;
	struct lane_head head = { .version = LANE_VERSION, .op = op, .id = id };
	struct iovec iov[3];
	union { /* sendmsg takes no const, and does not write */
		const void *in;
		void *out;
	} m = { meta }, d = { data };
	int n_iov = 1;

	if (meta_len > LANE_META_MAX)
		return -EMSGSIZE;
	if (data_fd < 0 && data_len > LANE_INLINE_MAX) {
		own_fd = lane_memfd(data, data_len);
		if (own_fd < 0)
			return own_fd;
		data_fd = own_fd;
	}
	head.meta_len = (uint32_t)meta_len;
	head.data_len = data_len;
	head.has_data_fd = data_fd >= 0;
	iov[0] = (struct iovec){ &head, sizeof(head) };
	if (meta_len > 0)
		iov[n_iov++] = (struct iovec){ m.out, meta_len };
	if (data_fd < 0 && data_len > 0)
		iov[n_iov++] = (struct iovec){ d.out, data_len };
	return send_parts(fd, iov, n_iov, data_fd);
}

/* Takes the first passed descriptor, closes any other. */
static int
passed_fd(struct msghdr *msg)
{
	int found = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (found < 0)
				found = fd;
			else
				(void)close(fd);
		}
	}
	return found;
}

static bool
is_sealed_with(int fd, uint64_t n)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_SHRINK) && (seals & F_SEAL_WRITE) &&
	    fstat(fd, &st) == 0 && (uint64_t)st.st_size >= n;
}

int
lane_receive(int fd, char *buffer, struct lane_message *out)
{
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { buffer, LANE_MESSAGE_MAX };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	CLEANUP(closep) int data_fd = -1;
	struct lane_head head;
	ssize_t got;
	size_t rest;

	do
		got = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	data_fd = passed_fd(&msg); /* an empty message may carry one, too */
	if (got == 0 && data_fd < 0)
		return 0;
	if ((size_t)got < sizeof(head) ||
	    (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
		return -EPROTO;
	memcpy(&head, buffer, sizeof(head));
	rest = (size_t)got - sizeof(head);
	if (head.version != LANE_VERSION || head.meta_len > rest ||
	    head.has_data_fd != (data_fd >= 0))
		return -EPROTO;
	rest -= head.meta_len;
	if (data_fd >= 0 ? rest != 0 || !is_sealed_with(data_fd, head.data_len)
			 : rest != head.data_len)
		return -EPROTO;
	out->head = head;
	out->meta = buffer + sizeof(head);
	out->data = data_fd >= 0 ? NULL : buffer + sizeof(head) + head.meta_len;
	out->data_fd = TAKE_FD(data_fd);
	return 1;
}

int
lane_data_open(const struct lane_message *msg, struct lane_data *out)
{
	void *p;

	if (msg->data_fd < 0 || msg->head.data_len == 0) {
		*out = (struct lane_data){ msg->data_fd < 0 ? msg->data : "",
			(size_t)msg->head.data_len, false };
		return 0;
	}
	p = mmap(NULL, (size_t)msg->head.data_len, PROT_READ, MAP_SHARED, msg->data_fd,
	    0);
	if (p == MAP_FAILED)
		return -errno;
	*out = (struct lane_data){ p, (size_t)msg->head.data_len, true };
	return 0;
}

void
lane_data_release(struct lane_data *d)
{
	union {
		const char *in;
		void *out;
	} p = { d->bytes };

	if (d->is_mapped)
		(void)munmap(p.out, d->len);
	*d = (struct lane_data){ NULL, 0, false };
}

int
lane_pair(int fds[2])
{
	int size = 4 * LANE_MESSAGE_MAX;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) <
	    0)
		return -errno;
	for (int i = 0; i < 2;
	     i++) /* a smaller buffer only means fewer messages at once */
		(void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

int
lane_reply_take(struct lane_message *msg, struct lane_reply *out)
{
	struct lane_reply r = { .op = msg->head.op,
		.meta_len = msg->head.meta_len,
		.data_len = msg->head.data_len,
		.data_fd = msg->data_fd };

	r.meta = malloc(r.meta_len + 1);
	if (msg->data_fd < 0)
		r.data = malloc((size_t)r.data_len + 1);
	if (r.meta == NULL || (msg->data_fd < 0 && r.data == NULL)) {
		free(r.meta);
		free(r.data);
		return -ENOMEM;
	}
	memcpy(r.meta, msg->meta, r.meta_len);
	r.meta[r.meta_len] = '\0';
	if (r.data != NULL) {
		memcpy(r.data, msg->data, (size_t)r.data_len);
		r.data[r.data_len] = '\0';
	}
	msg->data_fd = -1;
	*out = r;
	return 0;
}

void
lane_reply_release(struct lane_reply *r)
{
	free(r->meta);
	free(r->data);
	closep(&r->data_fd);
	*r = (struct lane_reply)LANE_REPLY_INIT;
}
