/* SPDX-License-Identifier: MIT */
/*
 * zygote_support.c - a compute process for tests, without a supervisor.
 *
 * Owns:   the forked process; it dies with the test.
 * Called: by tests of the zygote and of the pipeline.
 * Fails:  by Criterion assertions of the calling test, never in the forked process.
 */
#include "config.h"

#include "tests/unit/zygote_support.h"

#include "common/lane.h"
#include "common/pipeline/compute_proto.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	WAIT_MS = 30000
};

__attribute__((noreturn)) static void
serve(const struct zygote_options *o, int lane_fd)
{
	struct zygote *z = NULL;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)clearenv();
	(void)setenv("TZ", "UTC0", 1);
	(void)setenv("HOME", "/nonexistent", 1);
	tzset();
	if (zygote_new(o, &z, NULL) < 0 || zygote_add_lane(z, lane_fd) < 0)
		_exit(91);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    sandbox_filter(SANDBOX_COMPUTE, NULL) < 0)
		_exit(92);
	for (;;)
		if (zygote_turn(z, -1, 1000) < 0)
			_exit(93);
}

struct test_zygote
zygote_start(const struct zygote_options *o)
{
	struct test_zygote z;
	int fds[2];

	cr_assert(lane_pair(fds) == 0);
	z.pid = fork();
	cr_assert(z.pid >= 0);
	if (z.pid == 0) {
		(void)close(fds[0]);
		serve(o, fds[1]);
	}
	(void)close(fds[1]);
	z.fd = fds[0];
	return z;
}

void
zygote_stop(struct test_zygote *z)
{
	int status = 0;

	cr_expect(waitpid(z->pid, &status, WNOHANG) == 0, "the zygote died: %x",
	    status);
	(void)kill(z->pid, SIGKILL);
	(void)waitpid(z->pid, &status, 0);
	(void)close(z->fd);
}

void
test_reply_release(struct test_reply *r)
{
	free(r->meta);
	free(r->data);
}

void
zygote_send(struct test_zygote *z, uint16_t op, uint64_t id, const char *meta,
    const char *data, size_t n)
{
	int r = lane_send(z->fd, op, id, meta, strlen(meta), data, n, -1);

	cr_assert(r == 0, "lane_send: %d", r);
}

struct test_reply
zygote_receive(struct test_zygote *z)
{
	CLEANUP(freep) char *buffer = malloc(LANE_MESSAGE_MAX);
	struct pollfd p = { .fd = z->fd, .events = POLLIN };
	struct test_reply out;
	struct lane_message m;
	struct lane_data d;

	cr_assert(poll(&p, 1, WAIT_MS) == 1, "no answer");
	cr_assert(lane_receive(z->fd, buffer, &m) == 1);
	cr_assert(m.head.op == COMPUTE_DONE);
	cr_assert(lane_data_open(&m, &d) == 0);
	out.id = m.head.id;
	out.meta = strndup(m.meta, m.head.meta_len);
	out.data = strndup(d.bytes, d.len);
	out.data_len = d.len;
	out.came_as_file = m.data_fd >= 0;
	lane_data_release(&d);
	closep(&m.data_fd);
	return out;
}

void
zygote_run(struct test_zygote *z, uint64_t id, const char *owner, const char *steps,
    const char *more, const char *data, size_t n)
{
	CLEANUP_BUF struct buf meta = BUF_INIT;

	buf_addf(&meta, "{\"owner\":\"%s\",\"steps\":%s%s}", owner, steps, more);
	zygote_send(z, COMPUTE_RUN, id, meta.data, data, n);
}
