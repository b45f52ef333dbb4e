/* SPDX-License-Identifier: MIT */
/* test_lane.c - what a lane carries, and what it refuses from the other end. */
#include "config.h"

#include "common/lane.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int ends[2];
static char *buffer;

static void
start(void)
{
	cr_assert(eq(int, lane_pair(ends), 0));
	buffer = malloc(LANE_MESSAGE_MAX);
	cr_assert(buffer != NULL);
}

static void
stop(void)
{
	closep(&ends[0]);
	closep(&ends[1]);
	free(buffer);
}

TestSuite(lane, .init = start, .fini = stop, .timeout = 30);

/* ---- what is sent arrives ---- */

static const size_t sizes[] = { 0, 1, 1000, LANE_INLINE_MAX, LANE_INLINE_MAX + 1,
	3 * LANE_INLINE_MAX };

Test(lane, data_of_any_size_arrives_inline_or_in_a_sealed_file)
{
	char *data = malloc(3 * LANE_INLINE_MAX);

	cr_assert(data != NULL);
	for (size_t i = 0; i < 3 * LANE_INLINE_MAX; i++)
		data[i] = (char)(i * 7);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct lane_message m = { .data_fd = -1 };
		struct lane_data d;

		cr_assert(
		    eq(int, lane_send(ends[0], 7, 42, "{}", 2, data, sizes[i], -1), 0));
		cr_assert(eq(int, lane_receive(ends[1], buffer, &m), 1));
		cr_expect(eq(u16, m.head.op, 7));
		cr_expect(eq(u64, m.head.id, 42));
		cr_expect(eq(u64, m.head.data_len, sizes[i]));
		cr_expect(memcmp(m.meta, "{}", 2) == 0);
		cr_expect(m.data_fd >= 0 ? sizes[i] > LANE_INLINE_MAX
					 : sizes[i] <= LANE_INLINE_MAX);
		cr_assert(eq(int, lane_data_open(&m, &d), 0));
		cr_expect(eq(sz, d.len, sizes[i]));
		cr_expect(memcmp(d.bytes, data, sizes[i]) == 0);
		lane_data_release(&d);
		closep(&m.data_fd);
	}
	free(data);
}

Test(lane, the_longest_message_fits)
{
	char *bulk = calloc(1, LANE_INLINE_MAX);
	struct lane_message m = { .data_fd = -1 };

	cr_assert(bulk != NULL);
	cr_assert(eq(int,
	    lane_send(ends[0], 1, 1, bulk, LANE_META_MAX, bulk, LANE_INLINE_MAX, -1),
	    0));
	cr_expect(eq(int, lane_receive(ends[1], buffer, &m), 1));
	cr_expect(eq(u32, m.head.meta_len, LANE_META_MAX));
	cr_expect(eq(int,
	    lane_send(ends[0], 1, 1, bulk, LANE_META_MAX + 1, NULL, 0, -1), -EMSGSIZE));
	free(bulk);
}

Test(lane, an_empty_lane_says_so_and_a_closed_one_too)
{
	struct lane_message m = { .data_fd = -1 };

	cr_expect(eq(int, lane_receive(ends[1], buffer, &m), -EAGAIN));
	(void)close(TAKE_FD(ends[0]));
	cr_expect(eq(int, lane_receive(ends[1], buffer, &m), 0));
	cr_expect(eq(int, lane_send(ends[1], 1, 1, "", 0, NULL, 0, -1), -EPIPE));
}

Test(lane, a_full_lane_says_so_and_loses_nothing)
{
	char *bulk = calloc(1, LANE_INLINE_MAX);
	unsigned sent = 0, got = 0;
	struct lane_message m = { .data_fd = -1 };
	int r;

	cr_assert(bulk != NULL);
	while ((r = lane_send(ends[0], 1, sent, "", 0, bulk, LANE_INLINE_MAX, -1)) == 0)
		sent++;
	cr_expect(eq(int, r, -EAGAIN));
	while (lane_receive(ends[1], buffer, &m) == 1)
		cr_expect(eq(u64, m.head.id, got++));
	cr_expect(eq(uint, got, sent));
	free(bulk);
}

/* ---- what is refused ---- */

/* Sends raw bytes, with descriptors. */
static void
send_raw(const void *bytes, size_t n, const int *fds, size_t n_fds)
{
	union {
		char bytes[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control;
	char copy[256];
	struct iovec iov = { copy, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	cr_assert(le(sz, n, sizeof(copy)));
	memcpy(copy, bytes, n);
	if (n_fds > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	cr_assert(eq(sz, (size_t)sendmsg(ends[0], &msg, MSG_NOSIGNAL), n));
}

static const struct {
	const char *what;
	struct lane_head head;
	size_t tail; /* bytes after the head */
} malformed[] = {
	{ "another version", { .version = LANE_VERSION + 1 }, 0 },
	{ "meta longer than the message", { .version = LANE_VERSION, .meta_len = 9 },
	    8 },
	{ "meta of four gigabytes", { .version = LANE_VERSION, .meta_len = UINT32_MAX },
	    8 },
	{ "less data than it says", { .version = LANE_VERSION, .data_len = 9 }, 8 },
	{ "more data than it says", { .version = LANE_VERSION, .data_len = 7 }, 8 },
	{ "data of all lengths", { .version = LANE_VERSION, .data_len = UINT64_MAX },
	    8 },
	{ "a file that did not come",
	    { .version = LANE_VERSION, .data_len = 8, .has_data_fd = 1 }, 0 },
};

Test(lane, a_malformed_head_is_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
		struct lane_message m = { .data_fd = -1 };
		char bytes[sizeof(struct lane_head) + 16] = { 0 };

		memcpy(bytes, &malformed[i].head, sizeof(struct lane_head));
		send_raw(bytes, sizeof(struct lane_head) + malformed[i].tail, NULL, 0);
		cr_expect(eq(int, lane_receive(ends[1], buffer, &m), -EPROTO), "%s",
		    malformed[i].what);
		cr_expect(eq(int, m.data_fd, -1));
	}
}

Test(lane, less_than_a_head_is_refused)
{
	struct lane_message m = { .data_fd = -1 };

	send_raw("short", 5, NULL, 0);
	cr_expect(eq(int, lane_receive(ends[1], buffer, &m), -EPROTO));
}

static int
open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
refuse_file(const char *what, int fd, uint64_t says)
{
	struct lane_head head = { .version = LANE_VERSION,
		.data_len = says,
		.has_data_fd = 1 };
	struct lane_message m = { .data_fd = -1 };
	int before = open_fds();

	send_raw(&head, sizeof(head), &fd, 1);
	cr_expect(eq(int, lane_receive(ends[1], buffer, &m), -EPROTO), "%s", what);
	cr_expect(eq(int, open_fds(), before), "%s", what);
}

Test(lane, a_file_that_could_change_or_is_too_short_is_refused_and_closed)
{
	CLEANUP(closep) int plain = memfd_create("plain", MFD_ALLOW_SEALING);
	CLEANUP(closep) int null = open("/dev/null", O_RDONLY);
	CLEANUP(closep) int sealed = lane_memfd("12345678", 8);

	cr_assert(plain >= 0 && null >= 0 && sealed >= 0);
	cr_assert(eq(int, ftruncate(plain, 8), 0));
	refuse_file("not sealed", plain, 8);
	refuse_file("no memory file", null, 0);
	refuse_file("shorter than it says", sealed, 9);
	cr_assert(ge(int, fcntl(plain, F_ADD_SEALS, F_SEAL_SHRINK), 0));
	refuse_file("may still be written", plain, 8);
}

Test(lane, files_that_nobody_asked_for_are_closed)
{
	CLEANUP(closep) int sealed = lane_memfd("12345678", 8);
	struct lane_head head = { .version = LANE_VERSION };
	int many[] = { sealed, sealed, sealed }, before = open_fds();
	struct lane_message m = { .data_fd = -1 };

	send_raw("", 0, many, 3); /* no head at all */
	cr_expect(eq(int, lane_receive(ends[1], buffer, &m), -EPROTO));
	cr_expect(eq(int, open_fds(), before));
	send_raw(&head, sizeof(head), many, 1); /* the head speaks of none */
	cr_expect(eq(int, lane_receive(ends[1], buffer, &m), -EPROTO));
	cr_expect(eq(int, open_fds(), before));
	head.has_data_fd = 1;
	head.data_len = 8;
	send_raw(&head, sizeof(head), many, 3);
	cr_assert(eq(int, lane_receive(ends[1], buffer, &m), 1));
	cr_expect(eq(int, open_fds(), before + 1));
	closep(&m.data_fd);
}

Test(lane, a_memory_file_cannot_be_changed_any_more)
{
	CLEANUP(closep) int fd = lane_memfd("abc", 3);

	cr_assert(fd >= 0);
	cr_expect(lt(int, (int)pwrite(fd, "x", 1, 0), 0));
	cr_expect(lt(int, ftruncate(fd, 1), 0));
	cr_expect(lt(int, ftruncate(fd, 9), 0));
	cr_expect(lt(int, fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0));
}
