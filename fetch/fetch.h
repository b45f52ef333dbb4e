/* SPDX-License-Identifier: MIT */
/*
 * fetch.h - the fetch process: lanes from workers in, guarded HTTP out. Private to
 * fetch.
 */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include "common/conf/conf.h"
#include "common/lane.h"
#include "common/metrics.h"
#include "common/net/addr_guard.h"
#include "common/net/http_client.h"
#include "fetch/fetch_error.h"
#include "fetch/fetch_request.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct fetch;
struct lane;
TAILQ_HEAD(fetch_jobs, fetch_job);
TAILQ_HEAD(lanes, lane);

/* A body on its way from the server to the worker, secrets masked as it arrives: in
   memory while it is small. */
struct body_sink {
	struct secrets_stream masked;
	struct buf head; /* up to LANE_INLINE_MAX bytes */
	int fd;          /* memory file that holds all of it, or -1; owned */
	uint64_t bytes;
};

/* Stays where it is until it is released. */
void body_sink_init(struct body_sink *s, const struct secrets *secrets);
void body_sink_release(struct body_sink *s);
int body_sink_add(struct body_sink *s, const char *bytes, size_t n); /* 0, or -errno */
int body_sink_seal(struct body_sink *s); /* the end: nothing can change any more */

/* One request of a worker, from its message to its answer. */
struct fetch_job {
	TAILQ_ENTRY(fetch_job) entry; /* in its lane's running or unsent */
	struct fetch *fetch;
	struct lane *lane;
	uint64_t id;
	uint64_t started_ms;
	struct fetch_request request;
	struct lane_data data; /* the message's: mapped, or data_copy */
	char *data_copy;       /* owned */
	struct http_transfer *transfer;
	const struct secrets *secrets; /* to be masked in all that is answered */
	struct body_sink sink;
	uint64_t held_bytes; /* of the body, as it arrived; counted in the lane */
	bool is_crowded_out; /* with it the lane would hold too much */
	struct fetch_error error;
	struct buf answer; /* meta */
};

void fetch_job_start(struct lane *lane, struct lane_message *msg); /* takes data_fd */
void fetch_job_cancel(struct fetch_job *job);
void fetch_job_free(struct fetch_job *job);

struct lane {
	TAILQ_ENTRY(lane) entry;
	struct fetch *fetch;
	int fd;        /* owned */
	unsigned slot; /* of the worker */
	bool is_dead;  /* freed when the turn ends */
	bool wants_out;
	uint64_t held_bytes; /* of all bodies until they are sent */
	struct fetch_jobs running;
	struct fetch_jobs unsent; /* answered, waiting for room in the lane */
};

int lane_add(struct fetch *f, int fd, unsigned slot); /* takes fd */
void lane_ready(struct lane *lane, uint32_t events);
void lane_answer(struct lane *lane, struct fetch_job *job); /* takes job from running */
void lanes_sweep(struct fetch *f);                          /* frees dead ones */
void lanes_close(struct fetch *f);

struct fetch {
	const struct conf *conf;
	struct metrics_page *metrics;
	struct secrets *secrets;     /* owned: those of all profiles, but short ones */
	struct secrets **by_profile; /* owned: these, and all of that profile */
	struct addr_guard *guard;    /* owned */
	struct http_client *client;  /* owned */
	int epoll_fd;                /* owned */
	uint64_t lane_bytes_max;     /* that a lane may hold */
	struct lanes lanes;
	size_t n_jobs;
	char buffer[LANE_MESSAGE_MAX];
};

int fetch_init(struct fetch *f, const struct conf *conf, struct metrics_page *metrics,
    struct err *err);
void fetch_release(struct fetch *f);

/* What is masked in the answer to a request that used this profile (NULL: none). */
const struct secrets *fetch_secrets(const struct fetch *f,
    const struct conf_auth_profile *used);

/* Waits at most wait_ms and does what is ready. Descriptors that were added to epoll_fd
   with data.ptr NULL are the caller's: on_other is called for them. */
void fetch_turn(struct fetch *f, int wait_ms, void (*on_other)(void));

#endif
