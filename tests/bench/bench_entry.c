/* SPDX-License-Identifier: MIT */
/*
 * bench_entry.c - how long a computation waits for its jail: request to answer over a
 * lane, with a child that is there already and with a fresh one.
 *
 * Usage: bench_entry [ROUNDS] (default 2000). Prints "entry.KIND.p50 VALUE us" and p99:
 * reused (the owner's idle child), fresh (forked for this request), jq (fresh, and the
 * program is compiled). The input is a table of ten small rows.
 *
 * Owns:   the zygote that it forks, under its filter as in the service.
 * Called: by people and by scripts/bench.
 * Fails:  with exit status 1 and the reason.
 */
#include "config.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/lane.h"
#include "common/pipeline/compute_proto.h"
#include "common/role/sandbox.h"
#include "compute/zygote.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

static const char table[] =
    "[{\"a\":9,\"n\":\"x\"},{\"a\":2,\"n\":\"x\"},{\"a\":7,\"n\":\"x\"},{\"a\":4,\"n\":\"x\"},"
    "{\"a\":5,\"n\":\"x\"},{\"a\":6,\"n\":\"x\"},{\"a\":3,\"n\":\"x\"},{\"a\":8,\"n\":\"x\"},"
    "{\"a\":1,\"n\":\"x\"},{\"a\":0,\"n\":\"x\"}]";

#define SORT "{\"owner\":\"o\",\"steps\":[{\"step\":\"table_sort\",\"field\":\"a\"}]"

static const struct {
	const char *name, *meta;
} kinds[] = {
	{ "reused", SORT "}" },
	{ "fresh", SORT ",\"fresh\":true}" },
	{ "jq",
	    "{\"owner\":\"o\",\"steps\":[{\"step\":\"jq_transform\",\"query\":\".[0]\"}],"
	    "\"fresh\":true}" },
};

__attribute__((noreturn)) static void
serve(int lane_fd)
{
	struct zygote_options o = { .max_children = 2 };
	struct zygote *z = NULL;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (zygote_new(&o, &z, NULL) < 0 || zygote_add_lane(z, lane_fd) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    sandbox_filter(SANDBOX_COMPUTE, NULL) < 0)
		_exit(1);
	while (zygote_turn(z, -1, 1000) >= 0)
		;
	_exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Nanoseconds from request to answer; 0 when it failed. */
static uint64_t
ask(int fd, const char *meta)
{
	static char buffer[LANE_MESSAGE_MAX];
	static uint64_t id;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct lane_message m;
	uint64_t begin = now_ns();

	if (lane_send(fd, COMPUTE_RUN, ++id, meta, strlen(meta), table,
		sizeof(table) - 1, -1) < 0 ||
	    poll(&p, 1, 60000) != 1 || lane_receive(fd, buffer, &m) != 1 ||
	    m.head.id != id || strncmp(m.meta, "{\"ok\":true", 10) != 0)
		return 0;
	closep(&m.data_fd);
	return now_ns() - begin;
}

static int
by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int
measure(int fd, const char *name, const char *meta, unsigned rounds)
{
	CLEANUP(freep) uint64_t *took = calloc(rounds, sizeof(*took));

	if (took == NULL)
		return -1;
	for (unsigned i = 0; i < rounds; i++) {
		took[i] = ask(fd, meta);
		if (took[i] == 0)
			return -1;
	}
	qsort(took, rounds, sizeof(*took), by_size);
	(void)printf("entry.%s.p50 %.1f us\n", name, (double)took[rounds / 2] / 1000);
	(void)printf("entry.%s.p99 %.1f us\n", name,
	    (double)took[(uint64_t)rounds * 99 / 100] / 1000);
	return 0;
}

int
main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000;
	int fds[2], status = 0;
	pid_t pid;

	if (rounds == 0 || rounds > 10000000 || lane_pair(fds) < 0 ||
	    (pid = fork()) < 0)
		return 1;
	if (pid == 0)
		serve(fds[1]);
	(void)close(fds[1]);
	for (size_t i = 0; status == 0 && i < ARRAY_LEN(kinds); i++)
		if (measure(fds[0], kinds[i].name, kinds[i].meta, (unsigned)rounds) <
		    0) {
			(void)fprintf(stderr, "bench_entry: %s failed\n",
			    kinds[i].name);
			status = 1;
		}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return status;
}
