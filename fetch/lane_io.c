/* SPDX-License-Identifier: MIT */
/*
 * lane_io.c - the lanes to the workers: requests in, answers out.
 *
 * Owns:   struct lane, and the answered jobs that wait for room in it.
 * Called: by the loop when a lane is ready, by jobs when they are answered.
 * Fails:  a lane that breaks, or whose worker sends garbage, is closed and its requests
 *         are cancelled; the worker finds out by the closing.
 */
#include "config.h"

#include "fetch/fetch.h"

#include "common/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum {
	MESSAGES_A_TURN = 16,
	RUNNING_MAX = 256
};

int
lane_add(struct fetch *f, int fd, unsigned slot)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct lane *lane = calloc(1, sizeof(*lane));

	if (lane == NULL) {
		(void)close(fd);
		return -ENOMEM;
	}
	lane->fetch = f;
	lane->fd = fd;
	lane->slot = slot;
	TAILQ_INIT(&lane->running);
	TAILQ_INIT(&lane->unsent);
	ev.data.ptr = lane;
	if (epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		int r = -errno;

		(void)close(fd);
		free(lane);
		return r;
	}
	TAILQ_INSERT_TAIL(&f->lanes, lane, entry);
	return 0;
}

static void
watch_out(struct lane *lane, bool wants_out)
{
	struct epoll_event ev = { .events = EPOLLIN | (wants_out ? EPOLLOUT : 0u),
		.data = { .ptr = lane } };

	if (lane->wants_out == wants_out)
		return;
	lane->wants_out = wants_out;
	(void)epoll_ctl(lane->fetch->epoll_fd, EPOLL_CTL_MOD, lane->fd, &ev);
}

static int
send_answer(struct lane *lane, struct fetch_job *job)
{
	bool has_body = job->error.type == NULL;

	return lane_send(lane->fd, FETCH_REQUEST, job->id, buf_str(&job->answer),
	    job->answer.len, job->sink.fd >= 0 ? NULL : buf_str(&job->sink.head),
	    has_body ? job->sink.bytes : 0, job->sink.fd);
}

static void
send_unsent(struct lane *lane)
{
	struct fetch_job *job;

	while (!lane->is_dead && (job = TAILQ_FIRST(&lane->unsent)) != NULL) {
		int r = send_answer(lane, job);

		if (r == -EAGAIN)
			break;
		if (r < 0)
			lane->is_dead = true;
		TAILQ_REMOVE(&lane->unsent, job, entry);
		fetch_job_free(job);
	}
	watch_out(lane, !TAILQ_EMPTY(&lane->unsent));
}

void
lane_answer(struct lane *lane, struct fetch_job *job)
{
	TAILQ_REMOVE(&lane->running, job, entry);
	if (lane->is_dead || buf_status(&job->answer) < 0) {
		lane->is_dead = true;
		fetch_job_free(job);
		return;
	}
	TAILQ_INSERT_TAIL(&lane->unsent, job, entry);
	send_unsent(lane);
}

static void
cancel_id(struct lane *lane, uint64_t id)
{
	struct fetch_job *job;

	TAILQ_FOREACH (job, &lane->running, entry) {
		if (job->id == id) {
			fetch_job_cancel(job);
			return;
		}
	}
}

static size_t
count_running(const struct lane *lane)
{
	const struct fetch_job *job;
	size_t n = 0;

	TAILQ_FOREACH (job, &lane->running, entry)
		n++;
	return n;
}

static void
take_message(struct lane *lane, struct lane_message *msg)
{
	switch (msg->head.op) {
	case FETCH_REQUEST:
		if (count_running(lane) < RUNNING_MAX) {
			fetch_job_start(lane, msg);
			return;
		}
		break;
	case FETCH_CANCEL:
		cancel_id(lane, msg->head.id);
		if (msg->data_fd >= 0)
			(void)close(msg->data_fd);
		return;
	default:
		break;
	}
	if (msg->data_fd >= 0)
		(void)close(msg->data_fd);
	log_warning("worker %u sent a message that is not in the protocol (op %u); "
		    "closing its lane",
	    lane->slot, msg->head.op);
	lane->is_dead = true;
}

void
lane_ready(struct lane *lane, uint32_t events)
{
	if (events & EPOLLOUT)
		send_unsent(lane);
	for (int i = 0; i < MESSAGES_A_TURN && !lane->is_dead; i++) {
		struct lane_message msg;
		int r = lane_receive(lane->fd, lane->fetch->buffer, &msg);

		if (r == -EAGAIN)
			return;
		if (r > 0) {
			take_message(lane, &msg);
			continue;
		}
		if (r < 0)
			log_warning("lane of worker %u: %s; closing it", lane->slot,
			    strerror(-r));
		lane->is_dead = true;
	}
}

static void
lane_free(struct lane *lane)
{
	struct fetch_job *job;

	lane->is_dead = true;
	while ((job = TAILQ_FIRST(&lane->running)) != NULL) {
		ASSERT(job->transfer != NULL);
		fetch_job_cancel(job); /* its end takes it out of the list */
	}
	while ((job = TAILQ_FIRST(&lane->unsent)) != NULL) {
		TAILQ_REMOVE(&lane->unsent, job, entry);
		fetch_job_free(job);
	}
	TAILQ_REMOVE(&lane->fetch->lanes, lane, entry);
	(void)close(lane->fd);
	free(lane);
}

void
lanes_sweep(struct fetch *f)
{
	struct lane *lane = TAILQ_FIRST(&f->lanes);

	while (lane != NULL) {
		struct lane *next = TAILQ_NEXT(lane, entry);

		if (lane->is_dead)
			lane_free(lane);
		lane = next;
	}
}

void
lanes_close(struct fetch *f)
{
	struct lane *lane;

	while ((lane = TAILQ_FIRST(&f->lanes)) != NULL)
		lane_free(lane);
}
