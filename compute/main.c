/* SPDX-License-Identifier: MIT */
/*
 * main.c - the compute process: answers its workers' lanes with jailed children.
 *
 * Owns:   the zygote; no secret ever reaches this process.
 * Called: by the supervisor, as a child with an empty environment.
 * Fails:  with an exit status of common/exit_status.h.
 */
#include "config.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/role/role.h"
#include "compute/zygote.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum {
	TURN_MS = 1000 /* the heartbeat's pace */
};

/* strptime and jq ask for the time zone and the home: say it once, before the
   filter. */
static int
prepare_environment(void)
{
	if (clearenv() != 0 || setenv("TZ", "UTC0", 1) < 0 ||
	    setenv("HOME", "/nonexistent", 1) < 0)
		return -errno;
	tzset();
	return 0;
}

static int
prepare(struct role_process *p, struct zygote **out)
{
	const struct conf *c = p->conf;
	struct zygote_options o = { .max_children =
					(unsigned)c->limits.compute_children,
		.cpu_sec = (uint64_t)c->limits.step_cpu_sec,
		.memory_mb = (uint64_t)c->limits.step_memory_mb,
		.output_mb = (uint64_t)c->limits.step_output_mb };
	struct err err = ERR_INIT;

	if (prepare_environment() < 0 || zygote_new(&o, out, &err) < 0)
		return role_failed(p, EXIT_STATUS_FAILURE, "compute: %s",
		    err_text(&err));
	return 0;
}

/* The supervisor's messages; true once it asked for the end. */
static bool
hear_supervisor(struct role_process *p, struct zygote *z)
{
	struct ipc_message msg;
	int fds[IPC_FDS_MAX];
	bool is_draining = false;

	while (role_next(p, &msg, fds) == 1) {
		if (msg.type == IPC_LANE && fds[0] >= 0)
			(void)zygote_add_lane(z, TAKE_FD(fds[0]));
		if (msg.type == IPC_DRAIN || msg.type == IPC_RELEASE)
			is_draining = true;
		for (int i = 0; i < IPC_FDS_MAX; i++)
			closep(&fds[i]);
	}
	return is_draining;
}

/* shown: what the counters have had already. */
static void
show(struct role_process *p, const struct zygote *z, struct zygote_counts *shown)
{
	struct zygote_counts n = zygote_counts(z);
	struct metrics_page *page = &p->slots->metrics;

	atomic_store(&p->slots->heartbeat_ms, clock_mono_ms());
	metric_add(page, METRIC_COMPUTE_RUNS, 0, n.runs - shown->runs);
	metric_add(page, METRIC_COMPUTE_KILLED, 0, n.killed - shown->killed);
	*shown = n;
}

static int
serve(struct role_process *p, struct zygote *z)
{
	struct zygote_counts shown = { 0 };
	bool is_draining = false;

	while (!is_draining || !zygote_is_idle(z)) {
		int r = zygote_turn(z, p->control_fd, TURN_MS);

		if (r < 0)
			return EXIT_STATUS_FAILURE;
		if (r > 0 && hear_supervisor(p, z))
			is_draining = true;
		show(p, z, &shown);
	}
	role_drained(p);
	return EXIT_STATUS_OK;
}

int
main(int argc, char **argv)
{
	CLEANUP(zygote_freep) struct zygote *z = NULL;
	struct role_process p;
	int status = role_start(argc, argv, &p);

	if (status == 0)
		status = prepare(&p, &z);
	if (status == 0)
		status = role_sandbox(&p);
	if (status != 0)
		return status;
	role_ready(&p);
	return serve(&p, z);
}
