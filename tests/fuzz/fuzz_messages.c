/* SPDX-License-Identifier: MIT */
/*
 * fuzz_messages.c - datagrams on the sockets between processes: the first byte says how
 * many descriptors travel beside them.
 *
 * Owns:   a socket pair a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "common/lane.h"
#include "common/role/control.h"
#include "common/role/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	FDS_TRIED = 6
};

/* One datagram with n_fds copies of fd. */
static bool
send_raw(int to, const void *bytes, size_t size, int fd, size_t n_fds)
{
	union {
		char bytes[CMSG_SPACE(FDS_TRIED * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	union {
		const void *in;
		void *out;
	} p = { bytes };
	struct iovec iov = { p.out, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		struct cmsghdr *c;

		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		for (size_t i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
	}
	return sendmsg(to, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void
try_ipc(const void *bytes, size_t size, int fd, size_t n_fds)
{
	struct ipc_message msg;
	int pair[2], fds[IPC_FDS_MAX], r;

	ASSERT(ipc_pair(pair) == 0);
	if (send_raw(pair[0], bytes, size, fd, n_fds)) {
		r = ipc_receive(pair[1], &msg, fds);
		ASSERT(r == 1 || r == 0 || r == -EPROTO);
		if (r == 1) {
			ASSERT(
			    msg.type < IPC_TYPE_COUNT && msg.text_len <= IPC_LOG_MAX);
			ASSERT((int)n_fds <= ipc_fds_max(msg.type));
			for (int i = 0; i < IPC_FDS_MAX; i++)
				closep(&fds[i]);
		}
	}
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void
try_lane(const void *bytes, size_t size, int fd, size_t n_fds)
{
	static char buffer[LANE_MESSAGE_MAX];
	struct lane_message msg;
	int pair[2], r;

	ASSERT(lane_pair(pair) == 0);
	if (send_raw(pair[0], bytes, size, fd, n_fds)) {
		struct lane_data d = { 0 };

		r = lane_receive(pair[1], buffer, &msg);
		ASSERT(r == 1 || r == 0 || r == -EPROTO);
		if (r == 1 && lane_data_open(&msg, &d) == 0) {
			unsigned sum = 0;

			for (size_t i = 0; i < d.len; i += 512)
				sum += (unsigned char)d.bytes[i];
			for (size_t i = 0; i < msg.head.meta_len; i++)
				sum += (unsigned char)msg.meta[i];
			ASSERT(sum < UINT32_MAX);
			lane_data_release(&d);
		}
		if (r == 1 && msg.data_fd >= 0)
			(void)close(msg.data_fd);
	}
	(void)close(pair[0]);
	(void)close(pair[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_request request = { .type = 77 };
	CLEANUP(closep) int fd = -1;
	size_t n_fds;

	if (size < 1)
		return 0;
	n_fds = data[0] % FDS_TRIED;
	fd = data[0] & 0x80 ? lane_memfd("0123456789", 10) : open("/dev/null", O_RDWR);
	ASSERT(fd >= 0);
	try_ipc(data + 1, size - 1, fd, n_fds);
	try_lane(data + 1, size - 1, fd, n_fds);
	if (control_request_read(data + 1, size - 1, &request) == 0)
		ASSERT(request.type < CONTROL_TYPE_COUNT);
	else
		ASSERT(request.type == 77);
	return 0;
}
