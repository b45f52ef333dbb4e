/* SPDX-License-Identifier: MIT */
/* test_ipc.c - messages between supervisor and children: round trips and malformed
 * ones. */
#include "config.h"

#include "common/role/ipc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int ends[2];

static void
open_pair(void)
{
	cr_assert_eq(ipc_pair(ends), 0);
}

static void
close_pair(void)
{
	closep(&ends[0]);
	closep(&ends[1]);
}

TestSuite(ipc, .init = open_pair, .fini = close_pair);

static int
count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

Test(ipc, every_type_has_a_name_and_a_sender)
{
	for (int t = 0; t < IPC_TYPE_COUNT; t++) {
		cr_expect_str_neq(ipc_type_name(t), "?");
		cr_expect(ipc_fds_max(t) <= IPC_FDS_MAX);
		cr_expect(!ipc_is_from_child(t) || ipc_fds_max(t) == 0,
		    "%s: a child must not pass descriptors", ipc_type_name(t));
	}
	cr_expect_str_eq(ipc_type_name(IPC_TYPE_COUNT), "?");
}

Test(ipc, text_and_descriptors_arrive)
{
	struct ipc_message in, out;
	int pass[2] = { STDIN_FILENO, STDERR_FILENO }, fds[IPC_FDS_MAX];

	ipc_message_init(&in, IPC_START, 7, 9);
	ipc_message_text(&in, "holder", 6);
	cr_assert_eq(ipc_send(ends[0], &in, pass, 2), 0);
	cr_assert_eq(ipc_receive(ends[1], &out, fds), 1);
	cr_expect_eq(out.type, IPC_START);
	cr_expect_eq(out.aux, 7);
	cr_expect_eq(out.peer, 9);
	cr_expect_eq(out.text_len, 6);
	cr_expect(memcmp(out.text, "holder", 6) == 0);
	cr_expect(fds[0] >= 0 && fds[1] >= 0);
	cr_expect(fds[2] == -1 && fds[3] == -1);
	cr_expect((fcntl(fds[0], F_GETFD) & FD_CLOEXEC) != 0);
	closep(&fds[0]);
	closep(&fds[1]);
}

Test(ipc, long_text_is_cut)
{
	static char text[2 * IPC_LOG_MAX];
	struct ipc_message msg;

	ipc_message_init(&msg, IPC_LOG, 0, 0);
	ipc_message_text(&msg, text, sizeof(text));
	cr_expect_eq(msg.text_len, IPC_LOG_MAX);
}

Test(ipc, nothing_waiting_and_peer_gone_are_told_apart)
{
	struct ipc_message msg;
	int fds[IPC_FDS_MAX];

	cr_expect_eq(ipc_receive(ends[1], &msg, fds), -EAGAIN);
	closep(&ends[0]);
	ends[0] = -1;
	cr_expect_eq(ipc_receive(ends[1], &msg, fds), 0);
	ipc_message_init(&msg, IPC_READY, 0, 0);
	cr_expect_eq(ipc_send(ends[1], &msg, NULL, 0), -EPIPE);
}

/* The raw bytes of a message, to be bent. */
struct raw {
	uint16_t version, type;
	uint32_t aux, peer, text_len;
	char text[IPC_LOG_MAX + 64];
};

static const struct {
	const char *claim;
	struct raw raw;
	size_t len;
	int n_fds;
} malformed[] = {
	{ "shorter than a head", { IPC_VERSION, IPC_READY, 0, 0, 0, "" }, 15, 0 },
	{ "nothing but a descriptor", { IPC_VERSION, IPC_READY, 0, 0, 0, "" }, 0, 1 },
	{ "nothing but many", { IPC_VERSION, IPC_READY, 0, 0, 0, "" }, 0, 60 },
	{ "one byte", { IPC_VERSION, IPC_READY, 0, 0, 0, "" }, 1, 0 },
	{ "another version", { IPC_VERSION + 1, IPC_READY, 0, 0, 0, "" }, 16, 0 },
	{ "a type beyond the table", { IPC_VERSION, IPC_TYPE_COUNT, 0, 0, 0, "" }, 16,
	    0 },
	{ "a huge type", { IPC_VERSION, 0xffff, 0, 0, 0, "" }, 16, 0 },
	{ "less text than said", { IPC_VERSION, IPC_LOG, 0, 0, 10, "abc" }, 19, 0 },
	{ "more text than said", { IPC_VERSION, IPC_LOG, 0, 0, 1, "abc" }, 19, 0 },
	{ "a length that wraps", { IPC_VERSION, IPC_LOG, 0, 0, 0xffffffff, "" }, 16,
	    0 },
	{ "longer than any", { IPC_VERSION, IPC_LOG, 0, 0, IPC_LOG_MAX + 8, "" },
	    16 + IPC_LOG_MAX + 8, 0 },
	{ "a descriptor beside READY", { IPC_VERSION, IPC_READY, 0, 0, 0, "" }, 16, 1 },
	{ "a descriptor beside LOG", { IPC_VERSION, IPC_LOG, 0, 0, 0, "" }, 16, 2 },
	{ "two beside LANE", { IPC_VERSION, IPC_LANE, 0, 0, 0, "" }, 16, 2 },
	{ "more than any takes", { IPC_VERSION, IPC_START, 0, 0, 0, "" }, 16, 8 },
	{ "far more than any takes", { IPC_VERSION, IPC_START, 0, 0, 0, "" }, 16, 60 },
};

static void
send_raw(const struct raw *raw, size_t len, int n_fds)
{
	union {
		char bytes[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct raw copy = *raw;
	struct iovec iov = { &copy, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	memset(&control, 0, sizeof(control));
	if (n_fds > 0) {
		struct cmsghdr *c;
		int zeros[64] = { 0 };

		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), zeros, (size_t)n_fds * sizeof(int));
	}
	cr_assert(sendmsg(ends[0], &m, 0) >= 0);
}

Test(ipc, malformed_messages_change_nothing_and_leak_nothing)
{
	for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
		struct ipc_message msg = { .aux = 4711 };
		int fds[IPC_FDS_MAX] = { -7, -7, -7, -7 };
		int before = count_fds();

		send_raw(&malformed[i].raw, malformed[i].len, malformed[i].n_fds);
		cr_expect_eq(ipc_receive(ends[1], &msg, fds), -EPROTO, "%s",
		    malformed[i].claim);
		cr_expect_eq(msg.aux, 4711, "%s", malformed[i].claim);
		cr_expect_eq(fds[0], -7, "%s", malformed[i].claim);
		cr_expect_eq(count_fds(), before, "%s", malformed[i].claim);
	}
}

Test(ipc, a_full_socket_says_so)
{
	struct ipc_message msg;
	int r = 0;

	ipc_message_init(&msg, IPC_ALIVE, 0, 0);
	for (int i = 0; i < 100000 && r == 0; i++)
		r = ipc_send(ends[0], &msg, NULL, 0);
	cr_expect_eq(r, -EAGAIN);
}
