/* SPDX-License-Identifier: MIT */
/* zygote_support.h - a compute process for tests, without a supervisor. */
#ifndef TESTS_UNIT_ZYGOTE_SUPPORT_H
#define TESTS_UNIT_ZYGOTE_SUPPORT_H

#include "compute/zygote.h"

#include <stddef.h>
#include <sys/types.h>

struct test_zygote {
	pid_t pid;
	int fd; /* our end of its lane */
};

/* Forks it, with the compute role's own filter when the build allows. */
struct test_zygote zygote_start(const struct zygote_options *o);
void zygote_stop(struct test_zygote *z); /* fails the test when it has died */

struct test_reply {
	uint64_t id;
	char *meta, *data; /* owned, terminated */
	size_t data_len;
	bool came_as_file;
};
void test_reply_release(struct test_reply *r);

void zygote_send(struct test_zygote *z, uint16_t op, uint64_t id, const char *meta,
    const char *data, size_t n);
/* Waits up to 30 s. */
struct test_reply zygote_receive(struct test_zygote *z);

/* COMPUTE_RUN of steps for an owner; more: further members of the meta ("" or
   ",..."). */
void zygote_run(struct test_zygote *z, uint64_t id, const char *owner,
    const char *steps, const char *more, const char *data, size_t n);

#endif
