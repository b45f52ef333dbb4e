/* SPDX-License-Identifier: MIT */
/*
 * test_gateway_crowd.c - more slow clients than there are places, each sending a byte now
 * and then and coming back when it is cut off: health is answered, jobs run, memory stays.
 */
#include "config.h"

#include "tests/e2e/e2e.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	CLIENTS = 1200,
	ROUNDS = 30,
	ROUND_MS = 200,
	ANSWER_MS = 8000, /* of /health, on a loaded machine */
	GATEWAY_KB = 64 * 1024
};

static struct harness *h;
static int fds[CLIENTS];

static int
dial(void)
{
	const char *address = harness_http_address(h);
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0, "%s", strerror(errno));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
	cr_assert(
	    connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EINPROGRESS);
	return fd;
}

/* The next byte of a request that never ends; dials again when it was cut off. */
static unsigned
drip(unsigned round)
{
	static const char head[] =
	    "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
	unsigned cut = 0;

	for (unsigned i = 0; i < CLIENTS; i++) {
		struct pollfd p = { .fd = fds[i], .events = POLLRDHUP };
		char byte = round < sizeof(head) - 1 ? head[round] : 'x';

		if (poll(&p, 1, 0) > 0 ||
		    (send(fds[i], &byte, 1, MSG_NOSIGNAL) < 0 && errno != EAGAIN)) {
			(void)close(fds[i]);
			fds[i] = dial();
			cut++;
		}
	}
	return cut;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

Test(gateway_crowd, slow_clients_keep_nobody_out, .timeout = 240)
{
	uint64_t us[ROUNDS];
	struct process gateway;
	unsigned cut = 0;
	long kb = 0;

	h = e2e_new();
	harness_start(h);
	cr_assert(harness_find_child(h, "gateway", -1, &gateway));
	for (unsigned i = 0; i < CLIENTS; i++)
		fds[i] = dial();
	for (unsigned round = 0; round < ROUNDS; round++) {
		CLEANUP_BUF struct buf out = BUF_INIT;
		uint64_t began = clock_mono_us();
		char id[32];

		cr_expect(eq(int, harness_http(h, "GET", "/health", NULL, &out), 200));
		us[round] = clock_mono_us() - began;
		cr_expect(us[round] < ANSWER_MS * 1000, "/health took %llu us",
		    (unsigned long long)us[round]);
		(void)snprintf(id, sizeof(id), "j%u", round);
		harness_push_job(h, id, "say hello", "");
		cut += drip(round);
		(void)harness_expect(h, id, "completed");
		if (process_pss_kb(gateway.pid) > kb)
			kb = process_pss_kb(gateway.pid);
		harness_clear(h);
		harness_sleep(ROUND_MS);
	}
	qsort(us, ROUNDS, sizeof(*us), compare);
	(void)fprintf(stderr,
	    "%d slow clients, cut %u times: /health p50 %.1f ms, longest %.1f ms, the "
	    "gateway took up to %.1f MB\n",
	    CLIENTS, cut, (double)us[ROUNDS / 2] / 1000, (double)us[ROUNDS - 1] / 1000,
	    (double)kb / 1024);
	cr_expect(cut > 0, "nobody was cut off");
	cr_expect(kb > 0 && kb < GATEWAY_KB, "%ld kB", kb);
	cr_expect(process_lives(&gateway));
	for (unsigned i = 0; i < CLIENTS; i++)
		(void)close(fds[i]);
	harness_stop(h);
	harness_free(h);
}
