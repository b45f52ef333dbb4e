/* SPDX-License-Identifier: MIT */
/*
 * fake_role.c - stands in for every role program in the supervisor's tests.
 *
 * Owns:   nothing.
 * Called: by agent-runnerd under the names of the real role programs.
 * Fails:  as it is told: service.name holds words ROLE:BEHAVIOUR ("worker:crash"),
 * since a child has neither arguments nor environment of its own.
 */
#include "config.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/log.h"
#include "common/role/role.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

static struct role_process self;

static bool
is_told(const char *behaviour)
{
	char word[64];

	(void)snprintf(word, sizeof(word), "%s:%s", role_name(self.role), behaviour);
	return strstr(self.conf->service.name, word) != NULL;
}

static void
beat(void)
{
	atomic_store(&self.slots->heartbeat_ms, clock_mono_ms());
}

static void
begin_job(uint64_t lasts_ms)
{
	uint64_t now_ms = clock_mono_ms();

	slot_row_set(self.slots, 0, "job-1", 5, "llm", now_ms, now_ms + lasts_ms);
	atomic_store(&self.slots->jobs_in_flight, 1);
	atomic_store(&self.slots->running_row, 1);
}

static void
end_job(void)
{
	slot_row_clear(self.slots, 0);
	atomic_store(&self.slots->jobs_in_flight, 0);
	atomic_store(&self.slots->running_row, 0);
	atomic_fetch_add(&self.slots->jobs_done, 1);
	metric_add(&self.slots->metrics, METRIC_JOBS_DONE, 0, 1);
}

/* Short-lived roles, and those that do not get as far as READY. */
static int
before_ready(void)
{
	if (is_told("refuse")) {
		log_error("first finding");
		return role_failed(&self, EXIT_STATUS_CONFIG, "told to refuse");
	}
	if (is_told("away"))
		return role_failed(&self, EXIT_STATUS_UNAVAILABLE,
		    "told that it is away");
	if (is_told("early"))
		return EXIT_STATUS_FAILURE;
	if (is_told("hang"))
		(void)poll(NULL, 0, -1);
	return 0;
}

static void
after_ready(void)
{
	if (is_told("crash")) {
		begin_job(60000);
		(void)signal(SIGSEGV, SIG_DFL); /* past a sanitizer too */
		(void)raise(SIGSEGV);
		_exit(1);
	}
	if (is_told("storm")) { /* another job each time */
		slot_row_set(self.slots, 0, self.holder, strlen(self.holder), "llm", 0,
		    UINT64_MAX);
		atomic_store(&self.slots->running_row, 1);
		(void)signal(SIGSEGV, SIG_DFL);
		(void)raise(SIGSEGV);
	}
	if (is_told("die"))
		_exit(EXIT_STATUS_FAILURE);
	if (is_told("garbage"))
		(void)send(self.control_fd, "garbage", 7, 0);
	if (is_told("twice"))
		role_ready(&self);
	if (is_told("renew")) {
		begin_job(60000);
		end_job();
		(void)poll(NULL, 0, 200);
		_exit(EXIT_STATUS_RENEW);
	}
	if (is_told("stuck"))
		begin_job(0);
	if (is_told("paused")) { /* past its deadline, but for an outage */
		begin_job(0);
		slot_row_pause(self.slots, 0, UINT64_MAX / 2);
	}
	if (is_told("busy"))
		begin_job(60000);
	if (is_told("silent"))
		(void)poll(NULL, 0, -1);
}

static void
tell_live_set(int fd)
{
	char text[1024];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	log_info("live set: %.*s", n > 0 ? (int)n : 0, text);
}

static int
obey(const struct ipc_message *msg, int fds[IPC_FDS_MAX])
{
	bool ends = msg->type == IPC_DRAIN || msg->type == IPC_RELEASE;

	if (msg->type == IPC_LANE)
		log_info("lane to %s/%u", role_name((enum role)msg->peer), msg->aux);
	if (msg->type == IPC_LIVE_SET)
		tell_live_set(fds[0]);
	for (int i = 0; i < IPC_FDS_MAX; i++)
		closep(&fds[i]);
	if (msg->type == IPC_DRAIN && (is_told("busy") || is_told("stuck")))
		return 0;
	if (!ends)
		return 0;
	if (msg->type == IPC_RELEASE)
		log_info("jobs handed back");
	role_drained(&self);
	return 1;
}

int
main(int argc, char **argv)
{
	int r = role_start(argc, argv, &self);

	if (r != 0)
		return r;
	r = before_ready();
	if (r != 0 || self.role == ROLE_CHECK || self.role == ROLE_MIGRATE)
		return r;
	r = role_sandbox(&self);
	if (r != 0)
		return r;
	role_ready(&self);
	beat();
	after_ready();
	for (;;) {
		struct pollfd pfd = { self.control_fd, POLLIN, 0 };
		struct ipc_message msg;
		int fds[IPC_FDS_MAX];

		(void)poll(&pfd, 1, 100);
		beat();
		while (role_next(&self, &msg, fds) > 0)
			if (obey(&msg, fds))
				return EXIT_STATUS_OK;
	}
}
