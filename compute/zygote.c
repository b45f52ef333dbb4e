/* SPDX-License-Identifier: MIT */
/*
 * zygote.c - lanes and requests of the compute process, and its turns.
 *
 * Owns:   lanes, requests, the poll table, the filter of the children.
 * Called: by main.c and by tests, in one thread.
 * Fails:  a lane that speaks nonsense is closed; a wrong request is answered.
 */
#include "config.h"

#include "compute/zygote.h"

#include "common/clock.h"
#include "common/fault_point.h"
#include "compute/zygote_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	IDLE_MAX_MS = 5000,
	LEAVING_MAX_MS = 1000,
	LANE_REQUESTS_MAX = 64 /* of one lane, waiting or running: more is nonsense */
};

/* ---- birth and death ---- */

int
zygote_new(const struct zygote_options *o, struct zygote **out, struct err *err)
{
	CLEANUP(zygote_freep) struct zygote *z = calloc(1, sizeof(*z));
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (z == NULL)
		return err_set(err, -ENOMEM, "no memory for compute");
	TAILQ_INIT(&z->lanes);
	TAILQ_INIT(&z->coming);
	TAILQ_INIT(&z->waiting);
	TAILQ_INIT(&z->children);
	z->options = *o;
	z->statm_fd = z->null_fd = -1;
	z->pid = getpid();
	if (z->options.max_children == 0)
		z->options.max_children = cores > 0 ? (unsigned)cores : 1;
#ifdef WITH_FAULT_POINTS
	hidden_is_off = o->shares_memory;
#endif
	z->buffer = hidden_alloc(LANE_MESSAGE_MAX);
	if (z->buffer == NULL)
		return err_set(err, -ENOMEM, "no memory for compute");
	z->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (z->statm_fd < 0)
		return err_set(err, -errno, "/proc/self/statm: %s", strerror(errno));
	z->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (z->null_fd < 0)
		return err_set(err, -errno, "/dev/null: %s", strerror(errno));
	if (!o->is_unjailed) {
		int r = sandbox_program_build(SANDBOX_JAIL, &z->jail, err);

		if (r < 0)
			return r;
	}
	*out = TAKE_PTR(z);
	return 0;
}

static void
lane_free(struct zygote *z, struct lane *l)
{
	struct unsent *u;

	while ((u = TAILQ_FIRST(&l->unsent)) != NULL) {
		TAILQ_REMOVE(&l->unsent, u, link);
		unsent_free(u);
	}
	TAILQ_REMOVE(&z->lanes, l, link);
	closep(&l->fd);
	free(l);
}

static void
drop_requests(struct request_list *list, const struct lane *l)
{
	struct request *q = TAILQ_FIRST(list), *next;

	for (; q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		if (l != NULL && q->lane != l)
			continue;
		TAILQ_REMOVE(list, q, link);
		request_free(q);
	}
}

void
zygote_free(struct zygote *z)
{
	struct child *c;
	struct lane *l;

	if (z == NULL)
		return;
	while ((c = TAILQ_FIRST(&z->children)) != NULL) {
		siginfo_t how;

		child_kill(c, VERDICT_CANCELLED);
		(void)waitid(P_PIDFD, (id_t)c->pidfd, &how, WEXITED);
		child_free(z, c);
	}
	drop_requests(&z->coming, NULL);
	drop_requests(&z->waiting, NULL);
	while ((l = TAILQ_FIRST(&z->lanes)) != NULL)
		lane_free(z, l);
	sandbox_program_release(&z->jail);
	closep(&z->statm_fd);
	closep(&z->null_fd);
	free(z->polls);
	hidden_free(z->buffer);
	free(z);
}

void
zygote_freep(struct zygote **z)
{
	zygote_free(*z);
	*z = NULL;
}

int
zygote_add_lane(struct zygote *z, int fd)
{
	struct lane *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		(void)close(fd);
		return -ENOMEM;
	}
	l->fd = fd;
	TAILQ_INIT(&l->unsent);
	TAILQ_INSERT_TAIL(&z->lanes, l, link);
	return 0;
}

bool
zygote_is_idle(const struct zygote *z)
{
	const struct child *c;
	const struct lane *l;

	TAILQ_FOREACH (c, &z->children, link)
		if (c->request != NULL)
			return false;
	TAILQ_FOREACH (l, &z->lanes, link)
		if (!TAILQ_EMPTY(&l->unsent))
			return false;
	return TAILQ_EMPTY(&z->waiting);
}

struct zygote_counts
zygote_counts(const struct zygote *z)
{
	return z->counts;
}

/* ---- requests ---- */

static struct request *
find_coming(struct zygote *z, const struct lane *l, uint64_t id)
{
	struct request *q;

	TAILQ_FOREACH (q, &z->coming, link)
		if (q->lane == l && q->id == id)
			break;
	return q;
}

static struct request *
request_new(struct zygote *z, struct lane *l, uint64_t id)
{
	struct request *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->lane = l;
	q->id = id;
	q->run.data_fd = -1;
	TAILQ_INSERT_TAIL(&z->coming, q, link);
	return q;
}

static unsigned
count_requests(const struct zygote *z, const struct lane *l)
{
	const struct request *q;
	const struct child *c;
	unsigned n = 0;

	TAILQ_FOREACH (q, &z->coming, link)
		n += q->lane == l;
	TAILQ_FOREACH (q, &z->waiting, link)
		n += q->lane == l;
	TAILQ_FOREACH (c, &z->children, link)
		n += c->request != NULL && c->request->lane == l;
	return n;
}

static void
on_input(struct zygote *z, struct lane *l, struct lane_message *m)
{
	struct request *q = find_coming(z, l, m->head.id);

	if (q == NULL)
		q = request_new(z, l, m->head.id);
	if (q == NULL || q->n_inputs == COMPUTE_INPUTS_MAX) {
		l->is_gone = true;
		return;
	}
	q->inputs[q->n_inputs].data_fd = -1;
	if (request_take_part(&q->inputs[q->n_inputs++], m) < 0)
		l->is_gone = true;
}

static void
on_run(struct zygote *z, struct lane *l, struct lane_message *m)
{
	struct request *q = find_coming(z, l, m->head.id);
	struct failure f = { .step = "" };

	if (q == NULL)
		q = request_new(z, l, m->head.id);
	if (q == NULL || request_take_part(&q->run, m) < 0) {
		l->is_gone = true;
		return;
	}
	FAULT_POINT(COMPUTE_TAKEN);
	TAILQ_REMOVE(&z->coming, q, link);
	z->counts.runs++;
	if (!request_read(z, q, &f)) {
		request_fail(z, q, &f);
		return;
	}
	TAILQ_INSERT_TAIL(&z->waiting, q, link);
}

static void
on_cancel(struct zygote *z, const struct lane *l, uint64_t id)
{
	struct request *q = find_coming(z, l, id);
	struct failure f = { .type = FAILURE_EXECUTION,
		.step = "",
		.reason = "cancelled" };
	struct child *c;

	if (q != NULL) {
		TAILQ_REMOVE(&z->coming, q, link);
		request_free(q);
		return;
	}
	TAILQ_FOREACH (q, &z->waiting, link)
		if (q->lane == l && q->id == id) {
			TAILQ_REMOVE(&z->waiting, q, link);
			request_fail(z, q, &f);
			return;
		}
	TAILQ_FOREACH (c, &z->children, link)
		if (c->request != NULL && c->request->lane == l && c->request->id == id)
			child_kill(c, VERDICT_CANCELLED);
}

static void
on_message(struct zygote *z, struct lane *l, struct lane_message *m)
{
	switch (m->head.op) {
	case COMPUTE_INPUT:
	case COMPUTE_RUN:
		if (count_requests(z, l) >= LANE_REQUESTS_MAX)
			l->is_gone = true;
		else if (m->head.op == COMPUTE_INPUT)
			on_input(z, l, m);
		else
			on_run(z, l, m);
		break;
	case COMPUTE_CANCEL:
		on_cancel(z, l, m->head.id);
		break;
	default:
		l->is_gone = true;
		break;
	}
}

static void
hear_lane(struct zygote *z, struct lane *l)
{
	for (unsigned n = 0; n < 16 && !l->is_gone; n++) {
		struct lane_message m;
		int r = lane_receive(l->fd, z->buffer, &m);

		if (r == -EAGAIN)
			return;
		if (r <= 0) {
			l->is_gone = true;
			return;
		}
		on_message(z, l, &m);
		closep(&m.data_fd);
	}
}

/* Nobody waits at the other end: what ran for it ends. */
static void
bury_lane(struct zygote *z, struct lane *l)
{
	struct child *c;

	drop_requests(&z->coming, l);
	drop_requests(&z->waiting, l);
	TAILQ_FOREACH (c, &z->children, link)
		if (c->request != NULL && c->request->lane == l) {
			c->request->lane = NULL;
			child_kill(c, VERDICT_CANCELLED);
		}
	lane_free(z, l);
}

/* ---- turns ---- */

static void
dispatch(struct zygote *z)
{
	struct request *q = TAILQ_FIRST(&z->waiting);

	while (q != NULL) {
		TAILQ_REMOVE(&z->waiting, q, link);
		if (!children_take(z, q)) {
			TAILQ_INSERT_HEAD(&z->waiting, q, link);
			return;
		}
		q = TAILQ_FIRST(&z->waiting);
	}
}

static void
expire(struct zygote *z, uint64_t now_ms)
{
	struct request *q = TAILQ_FIRST(&z->waiting), *next;
	struct child *c;

	for (; q != NULL; q = next) {
		struct failure f = { .type = FAILURE_STEP_LIMIT,
			.step = "",
			.hint = "try again later" };

		next = TAILQ_NEXT(q, link);
		if (q->deadline_ms > now_ms)
			continue;
		(void)snprintf(f.reason, sizeof(f.reason),
		    "no compute child became free within %llu ms",
		    (unsigned long long)q->wall_ms);
		TAILQ_REMOVE(&z->waiting, q, link);
		request_fail(z, q, &f);
	}
	TAILQ_FOREACH (c, &z->children, link) {
		if (c->state == CHILD_BUSY && c->request->deadline_ms <= now_ms)
			child_kill(c, VERDICT_WALL);
		if (c->state == CHILD_IDLE && now_ms >= c->idle_since_ms + IDLE_MAX_MS)
			child_dismiss(c);
		if (c->state == CHILD_LEAVING && c->verdict == VERDICT_NONE &&
		    now_ms >= c->idle_since_ms + LEAVING_MAX_MS)
			child_kill(c, VERDICT_BROKEN);
	}
}

/* When the zygote must look at the child even if it says nothing. */
static uint64_t
child_due(const struct child *c)
{
	switch (c->state) {
	case CHILD_BUSY:
		return c->request->deadline_ms;
	case CHILD_IDLE:
		return c->idle_since_ms + IDLE_MAX_MS;
	case CHILD_LEAVING:
	default:
		return c->verdict == VERDICT_NONE ? c->idle_since_ms + LEAVING_MAX_MS
						  : UINT64_MAX;
	}
}

/* Milliseconds until the next deadline, at most timeout_ms (-1: none). */
static int
next_due(const struct zygote *z, int timeout_ms, uint64_t now_ms)
{
	uint64_t due = timeout_ms < 0 ? UINT64_MAX : now_ms + (uint64_t)timeout_ms;
	const struct request *q;
	const struct child *c;

	TAILQ_FOREACH (q, &z->waiting, link)
		due = q->deadline_ms < due ? q->deadline_ms : due;
	TAILQ_FOREACH (c, &z->children, link) {
		uint64_t own = child_due(c);

		due = own < due ? own : due;
	}
	if (due == UINT64_MAX)
		return -1;
	due = due > now_ms ? due - now_ms : 0;
	return due > 3600000 ? 3600000 : (int)due;
}

/* The table: extra_fd, then each lane, then each child's socket and pidfd. */
static int
fill_polls(struct zygote *z, int extra_fd, size_t *n)
{
	struct pollfd *p;
	struct lane *l;
	struct child *c;
	size_t want = 1 + 2 * (size_t)z->n_children;

	TAILQ_FOREACH (l, &z->lanes, link)
		want++;
	if (want > z->n_polls) {
		p = realloc(z->polls, 2 * want * sizeof(*p));
		if (p == NULL)
			return -ENOMEM;
		z->polls = p;
		z->n_polls = 2 * want;
	}
	p = z->polls;
	*p++ = (struct pollfd){ .fd = extra_fd, .events = POLLIN };
	TAILQ_FOREACH (l, &z->lanes, link)
		*p++ = (struct pollfd){ .fd = l->fd,
			.events =
			    (short)(POLLIN | (TAILQ_EMPTY(&l->unsent) ? 0 : POLLOUT)) };
	TAILQ_FOREACH (c, &z->children, link) {
		*p++ = (struct pollfd){ .fd = c->fd, .events = POLLIN };
		*p++ = (struct pollfd){ .fd = c->pidfd, .events = POLLIN };
	}
	*n = want;
	return 0;
}

/* Children first: their answers and deaths make room. */
static void
hear_all(struct zygote *z)
{
	const struct pollfd *p = z->polls + 1, *of_children;
	struct lane *l, *next_lane;
	struct child *c, *next_child;

	TAILQ_FOREACH (l, &z->lanes, link)
		p++;
	of_children = p;
	for (c = TAILQ_FIRST(&z->children); c != NULL;
	     c = next_child, of_children += 2) {
		next_child = TAILQ_NEXT(c, link);
		if (of_children[0].revents != 0 && c->fd >= 0)
			child_answered(z, c);
		if (of_children[1].revents != 0)
			child_died(z, c);
	}
	p = z->polls + 1;
	TAILQ_FOREACH (l, &z->lanes, link) {
		short events = (p++)->revents;

		if ((events & POLLOUT) != 0)
			lane_send_unsent(l);
		if ((events & ~POLLOUT) != 0)
			hear_lane(z, l);
	}
	for (l = TAILQ_FIRST(&z->lanes); l != NULL; l = next_lane) {
		next_lane = TAILQ_NEXT(l, link);
		if (l->is_gone)
			bury_lane(z, l);
	}
}

int
zygote_turn(struct zygote *z, int extra_fd, int timeout_ms)
{
	size_t n = 0;
	int r = fill_polls(z, extra_fd, &n);

	if (r < 0)
		return r;
	r = poll(z->polls, n, next_due(z, timeout_ms, clock_mono_ms()));
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	hear_all(z);
	expire(z, clock_mono_ms());
	dispatch(z);
	return z->polls[0].revents != 0;
}
