/* SPDX-License-Identifier: MIT */
/*
 * main.c - agent-runner-scheduler: the role around the queue's keeper.
 *
 * Owns:   the connection to Redis and the scheduler.
 * Called: by the supervisor as --role scheduler.
 * Fails:  at the start with a reason when the server must not carry the queue; a server
 *         that is away is waited for, for ever.
 */
#include "config.h"

#include "scheduler/scheduler.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/fault_point.h"
#include "common/log.h"
#include "common/queue/redis_target.h"
#include "common/role/role.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
	SET_MAX = 16 << 20, /* bytes of a set */
	CONNECT_MS = 1000,
	COMMAND_MS = 3000,
	BACK_OFF_MS = 1000
};

static struct role_process role;
static struct scheduler *scheduler;
static bool is_draining;

static void
take_set(int fd)
{
	CLEANUP(live_set_release) struct live_set set = { 0 };
	struct err err = ERR_INIT;
	struct stat st;
	void *text;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > SET_MAX) {
		log_error("the set of live holders did not arrive; keeping the former");
		return;
	}
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED) {
		log_error("the set of live holders: %s; keeping the former",
		    strerror(errno));
		return;
	}
	r = live_set_read(text, (size_t)st.st_size, &set, &err);
	(void)munmap(text, (size_t)st.st_size);
	if (r < 0)
		log_error("%s; keeping the former", err_text(&err));
	else
		scheduler_set(scheduler, &set);
	FAULT_POINT(LIVE_SET_TAKEN);
}

/* Takes what the supervisor has sent, and shows that the loop turns. */
static void
listen_to_parent(void *arg UNUSED)
{
	int fds[IPC_FDS_MAX] = { -1, -1, -1, -1 };
	struct ipc_message msg;

	atomic_store(&role.slots->heartbeat_ms, clock_mono_ms());
	while (role_next(&role, &msg, fds) > 0) {
		if (msg.type == IPC_LIVE_SET)
			take_set(fds[0]);
		else if (msg.type == IPC_DRAIN || msg.type == IPC_RELEASE)
			is_draining = true;
		for (int i = 0; i < IPC_FDS_MAX; i++) {
			closep(&fds[i]);
			fds[i] = -1;
		}
	}
}

static bool
is_refused(int r)
{
	return r == -EINVAL || r == -EPROTONOSUPPORT || r == -EEXIST || r == -EACCES;
}

static void
wait_for_parent(uint64_t ms)
{
	struct pollfd pfd = { role.control_fd, POLLIN, 0 };

	(void)poll(&pfd, 1, (int)ms);
}

/* The first turn is made before READY, so that a start with a wrong server says so. */
static int
serve(void)
{
	struct err err = ERR_INIT;
	uint64_t wait_ms;
	int r = scheduler_turn(scheduler, clock_mono_ms(), &wait_ms, &err);

	if (is_refused(r))
		return role_failed(&role, EXIT_STATUS_CONFIG, "%s", err_text(&err));
	role_ready(&role);
	while (!is_draining) {
		wait_for_parent(wait_ms);
		(void)scheduler_turn(scheduler, clock_mono_ms(), &wait_ms, &err);
	}
	role_drained(&role);
	return EXIT_STATUS_OK;
}

int
main(int argc, char **argv)
{
	CLEANUP(redis_target_freep) struct redis_target *target = NULL;
	CLEANUP(redis_sync_freep) struct redis_sync *redis = NULL;
	CLEANUP(queue_setup_release) struct queue_setup setup = { 0 };
	struct scheduler_options options = { .listen = listen_to_parent };
	struct redis_sync_options redis_options = { .connect_ms = CONNECT_MS,
		.command_ms = COMMAND_MS,
		.back_off_ms = BACK_OFF_MS };
	struct err err = ERR_INIT;
	int r = role_start(argc, argv, &role);

	if (r != 0)
		return r;
	if (redis_target_from_conf(role.conf, &target, &err) < 0)
		return role_failed(&role, EXIT_STATUS_CONFIG, "%s", err_text(&err));
	redis_options.target = target;
	if (redis_sync_new(&redis_options, &redis, &err) < 0)
		return role_failed(&role, EXIT_STATUS_CONFIG, "%s", err_text(&err));
	options.redis = redis;
	options.setup = &setup;
	options.allow_eviction = role.conf->redis.allow_eviction;
	options.metrics = &role.slots->metrics;
	if (queue_setup_init(&setup, role.conf) < 0 ||
	    scheduler_new(&options, &scheduler) < 0)
		return role_failed(&role, EXIT_STATUS_FAILURE, "no memory");
	r = role_sandbox(&role);
	if (r == 0)
		r = serve();
	scheduler_free(scheduler);
	conf_free(role.conf);
	return r;
}
