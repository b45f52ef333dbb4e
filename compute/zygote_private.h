/* SPDX-License-Identifier: MIT */
/*
 * zygote_private.h - what zygote.c (lanes, requests) and children.c share.
 */
#ifndef COMPUTE_ZYGOTE_PRIVATE_H
#define COMPUTE_ZYGOTE_PRIVATE_H

#include "common/lane.h"
#include "compute/child.h"
#include "compute/hidden.h"
#include "compute/zygote.h"

#include <sys/queue.h>
#include <sys/types.h>

/* A message that could not be sent at once. */
struct unsent {
	TAILQ_ENTRY(unsent) link;
	uint64_t id;
	char *meta, *data; /* owned, one hidden piece that begins with meta */
	size_t meta_len, data_len;
	int data_fd; /* owned; -1 */
};

struct lane {
	TAILQ_ENTRY(lane) link;
	int fd; /* owned */
	bool is_gone;
	TAILQ_HEAD(, unsent) unsent;
};

/* One message of a request: meta copied, data copied or a memory file. */
struct part {
	char *meta, *data; /* owned, one hidden piece that begins with meta */
	size_t meta_len;
	uint64_t data_len;
	int data_fd; /* owned; -1 */
};

struct request {
	TAILQ_ENTRY(request) link;
	struct lane *lane; /* NULL: nobody waits for the answer */
	uint64_t id;
	struct part run;
	struct part inputs[COMPUTE_INPUTS_MAX];
	size_t n_inputs;
	bool is_complete; /* COMPUTE_RUN has come */
	bool is_fresh;
	char owner[COMPUTE_OWNER_MAX];
	struct child_limits limits;
	uint64_t deadline_ms; /* monotonic */
	uint64_t wall_ms;
};

TAILQ_HEAD(request_list, request);

enum child_state {
	CHILD_BUSY,
	CHILD_IDLE,
	CHILD_LEAVING /* answered for the last time, or killed: will die */
};

/* Why the zygote killed it. */
enum child_verdict {
	VERDICT_NONE,
	VERDICT_WALL,
	VERDICT_CANCELLED,
	VERDICT_BROKEN /* said what no child says */
};

struct child {
	TAILQ_ENTRY(child) link;
	enum child_state state;
	enum child_verdict verdict;
	bool is_reusable;
	pid_t pid;
	int pidfd, fd, file_fd;    /* owned; -1 */
	struct progress *progress; /* shared page, owned */
	struct request *request;   /* owned while busy */
	char owner[COMPUTE_OWNER_MAX];
	struct child_limits limits;
	uint64_t idle_since_ms;
};

TAILQ_HEAD(child_list, child);

struct zygote {
	struct zygote_options options;
	struct sandbox_program jail;
	pid_t pid;
	int statm_fd, null_fd;
	TAILQ_HEAD(, lane) lanes;
	struct request_list coming; /* inputs without their run */
	struct request_list waiting;
	struct child_list children;
	unsigned n_children;
	struct zygote_counts counts;
	struct pollfd *polls;
	size_t n_polls;
	char *buffer; /* LANE_MESSAGE_MAX, hidden */
};

/* requests.c */
void request_free(struct request *q);
int request_take_part(struct part *p, struct lane_message *m); /* 0 or -ENOMEM */
int request_show(struct request *q, bool shown); /* to the child that is forked next */
/* Reads the run's meta: false when it cannot be used, why is in f. */
bool request_read(const struct zygote *z, struct request *q, struct failure *f);
/* Answers and frees the request. data_fd stays the caller's. */
void request_answer(struct zygote *z, struct request *q, const char *meta,
    size_t meta_len, const char *data, size_t data_len, int data_fd);
void request_fail(struct zygote *z, struct request *q, const struct failure *f);

void lane_send_unsent(struct lane *l); /* the lane takes messages again */
void unsent_free(struct unsent *u);

/* children.c */
/* Gives the request to a child, an idle one or a new one: true when it was taken. */
bool children_take(struct zygote *z, struct request *q);
void child_answered(struct zygote *z, struct child *c); /* its socket is readable */
void child_died(struct zygote *z, struct child *c);     /* its pidfd is readable */
void child_kill(struct child *c, enum child_verdict verdict);
void child_dismiss(struct child *c); /* an idle one: no more requests */
void child_free(struct zygote *z, struct child *c);

#endif
