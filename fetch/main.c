/* SPDX-License-Identifier: MIT */
/*
 * main.c - agent-runner-fetch: HTTP out for tools, behind the address guard.
 *
 * Owns:   the loop over the control socket, the lanes and the HTTP client.
 * Called: by the supervisor as --role fetch.
 * Fails:  at the start with a reason and an exit status; later it ends when its parent
 *         does.
 */
#include "config.h"

#include "fetch/fetch.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/log.h"
#include "common/role/role.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum {
	EVENTS_AT_ONCE = 32,
	TURN_MS = 1000
};

static struct fetch fetch;
static struct role_process role;
static bool is_draining;

static void
on_lane(const struct ipc_message *msg, int fds[IPC_FDS_MAX])
{
	int r = fds[0] < 0 ? -EPROTO : lane_add(&fetch, TAKE_FD(fds[0]), msg->aux);

	if (r < 0)
		log_error("lane of worker %u: %s", msg->aux, strerror(-r));
}

static void
on_control(void)
{
	int fds[IPC_FDS_MAX] = { -1, -1, -1, -1 };
	struct ipc_message msg;

	while (role_next(&role, &msg, fds) > 0) {
		if (msg.type == IPC_LANE)
			on_lane(&msg, fds);
		else if (msg.type == IPC_DRAIN || msg.type == IPC_RELEASE)
			is_draining = true;
		for (int i = 0; i < IPC_FDS_MAX; i++) {
			closep(&fds[i]);
			fds[i] = -1;
		}
	}
}

static int
watch_control(void)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(fetch.epoll_fd, EPOLL_CTL_ADD, role.control_fd, &ev) < 0
	    ? -errno
	    : 0;
}

static void
turn(void)
{
	fetch_turn(&fetch, TURN_MS, on_control);
	atomic_store(&role.slots->heartbeat_ms, clock_mono_ms());
	atomic_store(&role.slots->jobs_in_flight, (uint32_t)fetch.n_jobs);
}

/* Until nothing runs and nothing that was sent before the drain waits unread. */
static void
drain(void)
{
	struct lane *lane;

	for (;;) {
		TAILQ_FOREACH (lane, &fetch.lanes, entry)
			lane_ready(lane, 0);
		if (fetch.n_jobs == 0)
			return;
		turn();
	}
}

int
main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	int r = role_start(argc, argv, &role);

	if (r != 0)
		return r;
	if (fetch_init(&fetch, role.conf, &role.slots->metrics, &err) < 0)
		return role_failed(&role, EXIT_STATUS_CONFIG, "%s", err_text(&err));
	r = role_sandbox(&role);
	if (r != 0)
		return r;
	if (watch_control() < 0)
		return role_failed(&role, EXIT_STATUS_FAILURE, "epoll: %s",
		    strerror(errno));
	role_ready(&role);
	while (!is_draining)
		turn();
	drain();
	role_drained(&role);
	fetch_release(&fetch);
	conf_free(role.conf);
	return EXIT_STATUS_OK;
}
