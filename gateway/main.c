/* SPDX-License-Identifier: MIT */
/*
 * main.c - agent-runner-gateway: HTTP in.
 *
 * Owns:   the loop over the control socket; starts and ends the HTTP server and the
 *         thread that waits for results.
 * Called: by the supervisor as --role gateway, with the listening socket.
 * Fails:  at the start with a reason and an exit status; later it ends when its parent
 *         does.
 */
#include "config.h"

#include "gateway/gateway.h"
#include "gateway/http_server.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/log.h"
#include "common/queue/redis_target.h"
#include "common/role/role.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum {
	ASK_MS = 1000,
	LAST_ANSWERS_MS = 2000
};

static struct role_process role;
static struct gateway gateway;
static struct redis_target *target; /* outlives the waiters */
static struct waiters *waiters;
static struct http_server *server;
static char socket_path[108];
static bool is_draining, is_released;

static int
ask_status(void *ctx UNUSED, struct control_status *out)
{
	return control_status(socket_path, ASK_MS, out, NULL);
}

static int
ask_metrics(void *ctx UNUSED, struct control_metrics *out)
{
	return control_metrics(socket_path, ASK_MS, out, NULL);
}

static bool
ask_redis(void *ctx UNUSED, char *why, size_t size)
{
	return waiters_redis_is_up(waiters, why, size);
}

static bool
ask_pause(void *ctx UNUSED, char *text, size_t size)
{
	return waiters_queue_is_paused(waiters, text, size);
}

static int
submit(void *ctx UNUSED, struct chat_job *job, wait_done_fn done, void *arg)
{
	return waiters_submit(waiters, job, done, arg);
}

static void
abandon(void *ctx UNUSED, const void *arg)
{
	waiters_abandon(waiters, arg);
}

static const struct gateway_services services = {
	.status = ask_status,
	.metrics = ask_metrics,
	.redis_is_up = ask_redis,
	.queue_is_paused = ask_pause,
	.submit = submit,
	.abandon = abandon,
};

static void
on_control(void)
{
	int fds[IPC_FDS_MAX] = { -1, -1, -1, -1 };
	struct ipc_message msg;

	while (role_next(&role, &msg, fds) > 0) {
		is_draining = is_draining || msg.type == IPC_DRAIN;
		is_released = is_released || msg.type == IPC_RELEASE;
		for (int i = 0; i < IPC_FDS_MAX; i++) {
			closep(&fds[i]);
			fds[i] = -1;
		}
	}
}

static void
turn(void)
{
	struct pollfd p = { .fd = role.control_fd, .events = POLLIN };
	uint32_t wait_ms = http_server_sweep(server);

	if (poll(&p, 1, (int)wait_ms) > 0)
		on_control();
	atomic_store(&role.slots->heartbeat_ms, clock_mono_ms());
	atomic_store(&role.slots->jobs_in_flight, (uint32_t)waiters_count(waiters));
}

static int
start(struct err *err)
{
	int r = control_path(role.conf->service.run_dir, socket_path);

	if (r < 0)
		return err_set(err, r, "service.run_dir is too long for a socket");
	gateway.conf = role.conf;
	gateway.metrics = &role.slots->metrics;
	gateway.services = services;
	r = waiters_new(role.conf, target, &waiters, err);
	if (r < 0)
		return r;
	return http_server_start(&gateway, TAKE_FD(role.listen_fd), &server, err);
}

/* Who waits for a job goes on waiting until its end, or until the grace is over; then
   the last answers get a moment to leave. */
static void
drain(void)
{
	uint64_t until_ms;

	http_server_quiesce(server);
	waiters_close(waiters);
	while (waiters_count(waiters) > 0 && !is_released)
		turn();
	waiters_stop(waiters);
	until_ms = clock_mono_ms() + LAST_ANSWERS_MS;
	while ((waiters_count(waiters) > 0 || http_server_is_busy(server)) &&
	    clock_mono_ms() < until_ms)
		(void)poll(NULL, 0, 10);
	waiters_free(waiters);
	http_server_stop(server);
}

int
main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	int r = role_start(argc, argv, &role);

	if (r != 0)
		return r;
	if (role.listen_fd < 0)
		return role_failed(&role, EXIT_STATUS_PROTOCOL,
		    "no listening socket was given");
	if (redis_target_from_conf(role.conf, &target, &err) < 0)
		return role_failed(&role, EXIT_STATUS_CONFIG, "%s", err_text(&err));
	r = role_sandbox(&role); /* before any thread */
	if (r != 0)
		return r;
	if (start(&err) < 0)
		return role_failed(&role, EXIT_STATUS_FAILURE, "%s", err_text(&err));
	role_ready(&role);
	while (!is_draining && !is_released)
		turn();
	drain();
	role_drained(&role);
	redis_target_free(target);
	conf_free(role.conf);
	return EXIT_STATUS_OK;
}
