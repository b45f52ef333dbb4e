/* SPDX-License-Identifier: MIT */
/*
 * children.c - the zygote's children: fork, hand over, hear, explain a death.
 *
 * Owns:   every struct child, its process, its descriptors, its shared page.
 * Called: by zygote.c.
 * Fails:  what cannot be started or has died is answered with a failure that says why.
 */
#include "config.h"

#include "common/clock.h"
#include "compute/zygote_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PAGE = 4096
};

void
child_free(struct zygote *z, struct child *c)
{
	TAILQ_REMOVE(&z->children, c, link);
	z->n_children--;
	if (c->request != NULL)
		request_free(c->request);
	if (c->progress != NULL)
		(void)munmap(c->progress, PAGE);
	closep(&c->pidfd);
	closep(&c->fd);
	closep(&c->file_fd);
	free(c);
}

void
child_kill(struct child *c, enum child_verdict verdict)
{
	if (c->state == CHILD_LEAVING && c->verdict != VERDICT_NONE)
		return;
	c->verdict = verdict;
	c->state = CHILD_LEAVING;
	(void)pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0); /* dead already: fine */
}

void
child_dismiss(struct child *c)
{
	c->state = CHILD_LEAVING;
	c->idle_since_ms = clock_mono_ms();
	(void)shutdown(c->fd, SHUT_WR);
}

/* ---- starting ---- */

/* Bytes of address space in use now, which a child inherits. */
static uint64_t
mapped_bytes(const struct zygote *z)
{
	char text[64];
	ssize_t n = pread(z->statm_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoull(text, NULL, 10) * PAGE;
}

/* In the child: the data where it can be read. Memory files are mapped here. */
static int
open_part(const struct part *p, struct task_text *out, uint64_t *mapped)
{
	void *at;

	*out = (struct task_text){ p->meta, p->meta_len, p->data, (size_t)p->data_len };
	if (p->data_fd < 0 || p->data_len == 0)
		return 0;
	at = mmap(NULL, (size_t)p->data_len, PROT_READ, MAP_SHARED, p->data_fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	out->data = at;
	*mapped += p->data_len;
	return 0;
}

__attribute__((noreturn)) static void
run_child(const struct zygote *z, const struct child *c, int fd, uint64_t mapped)
{
	const struct request *q = c->request;
	struct task t = { .n_inputs = q->n_inputs,
		.may_run_programs = !c->is_reusable,
		.progress = c->progress };
	struct child_start s = { .parent_pid = z->pid,
		.fd = fd,
		.file_fd = c->file_fd,
		.null_fd = z->null_fd,
		.jail = z->options.is_unjailed ? NULL : &z->jail,
		.limits = c->limits,
		.is_reusable = c->is_reusable,
		.first = &t,
		.progress = c->progress };

	if (open_part(&q->run, &t.run, &mapped) < 0)
		_exit(CHILD_EXIT_JAIL);
	for (size_t i = 0; i < q->n_inputs; i++)
		if (open_part(&q->inputs[i], &t.inputs[i], &mapped) < 0)
			_exit(CHILD_EXIT_JAIL);
	s.mapped_bytes = mapped;
	child_main(&s);
}

/* The child's end is blocking, ours is not. */
static int
make_socket(struct child *c, int *theirs)
{
	int fds[2], flags, r = lane_pair(fds);

	if (r < 0)
		return r;
	c->fd = fds[0];
	*theirs = fds[1];
	flags = fcntl(fds[1], F_GETFL);
	return flags < 0 || fcntl(fds[1], F_SETFL, flags & ~O_NONBLOCK) < 0 ? -errno
									    : 0;
}

static int
make_shared(struct child *c)
{
	void *page =
	    mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	c->progress = page;
	c->progress->kind = STEP_KIND_COUNT;
	c->file_fd = memfd_create("result", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return c->file_fd < 0 ? -errno : 0;
}

/* The child inherits its own request, and nobody else's. */
static int
fork_child(struct zygote *z, struct child *c, int theirs, uint64_t mapped)
{
	int r = request_show(c->request, true);

	if (r < 0)
		return r;
	hidden_scrub_stack();
	c->pid = fork();
	if (c->pid == 0)
		run_child(z, c, theirs, mapped);
	r = c->pid < 0 ? -errno : 0;
	/* What cannot be hidden again, the next child would inherit. */
	ASSERT(request_show(c->request, false) == 0);
	ASSERT(madvise(c->progress, PAGE, MADV_DONTFORK) == 0);
	return r;
}

static int
start_child(struct zygote *z, struct child *c)
{
	CLEANUP(closep) int theirs = -1;
	uint64_t mapped = mapped_bytes(z);
	int r = make_shared(c);

	if (r == 0)
		r = make_socket(c, &theirs);
	if (r < 0)
		return r;
	r = fork_child(z, c, theirs, mapped);
	if (r < 0)
		return r;
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd < 0) {
		r = -errno;
		(void)kill(c->pid, SIGKILL);
		(void)waitpid(c->pid, NULL, 0);
		return r;
	}
	z->counts.forks++;
	return 0;
}

static bool
can_share(const struct request *q)
{
	return !q->is_fresh && q->n_inputs == 0 && q->run.data_fd < 0;
}

/* Takes the request in any case: when no child can be had, as a failure. */
static void
new_child(struct zygote *z, struct request *q)
{
	struct child *c = calloc(1, sizeof(*c));
	int r = c == NULL ? -ENOMEM : 0;

	if (c != NULL) {
		c->pidfd = c->fd = c->file_fd = -1;
		c->request = q;
		c->limits = q->limits;
		c->is_reusable = can_share(q);
		memcpy(c->owner, q->owner, sizeof(c->owner));
		TAILQ_INSERT_TAIL(&z->children, c, link);
		z->n_children++;
		r = start_child(z, c);
	}
	if (r < 0) {
		struct failure f = { .type = FAILURE_EXECUTION, .step = "" };

		(void)snprintf(f.reason, sizeof(f.reason),
		    "no compute child could be started: %s", strerror(-r));
		if (c != NULL) {
			c->request = NULL;
			child_free(z, c);
		}
		request_fail(z, q, &f);
	}
}

/* ---- handing over ---- */

/* Nothing of one owner's data is left where another's parser may go astray. */
static bool
has_owner(const struct zygote *z, const struct child *c, const char *owner)
{
#ifdef WITH_FAULT_POINTS
	if (z->options.shares_children)
		return true;
#endif
	(void)z;
	return strcmp(c->owner, owner) == 0;
}

static bool
fits(const struct zygote *z, const struct child *c, const struct request *q)
{
	return c->state == CHILD_IDLE &&
	    memcmp(&c->limits, &q->limits, sizeof(q->limits)) == 0 &&
	    has_owner(z, c, q->owner);
}

static bool
hand_over(struct child *c, struct request *q)
{
	int r = lane_send(c->fd, COMPUTE_RUN, q->id, q->run.meta, q->run.meta_len,
	    q->run.data, (size_t)q->run.data_len, -1);

	if (r < 0) { /* it has just died */
		child_kill(c, VERDICT_BROKEN);
		return false;
	}
	c->progress->kind = STEP_KIND_COUNT;
	c->request = q;
	c->state = CHILD_BUSY;
	return true;
}

bool
children_take(struct zygote *z, struct request *q)
{
	struct child *c, *idle = NULL;

	TAILQ_FOREACH (c, &z->children, link) {
		if (can_share(q) && fits(z, c, q) && hand_over(c, q))
			return true;
		if (c->state == CHILD_IDLE && idle == NULL)
			idle = c;
	}
	if (z->n_children >= z->options.max_children) {
		if (idle != NULL) /* its death makes room */
			child_dismiss(idle);
		return false;
	}
	new_child(z, q);
	return true;
}

/* ---- hearing ---- */

/* Sealed, so that nobody changes it under the worker that reads. */
static int
seal_result(struct child *c, uint64_t *n)
{
	struct stat st;

	if (fcntl(c->file_fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0 ||
	    fstat(c->file_fd, &st) < 0)
		return -errno;
	*n = (uint64_t)st.st_size;
	return 0;
}

void
child_answered(struct zygote *z, struct child *c)
{
	struct request *q = c->request;
	struct lane_message m;
	bool is_in_file;
	uint64_t n = 0;
	int r = lane_receive(c->fd, z->buffer, &m);

	if (r == -EAGAIN)
		return;
	if (r <= 0) { /* closed: its death tells the rest */
		closep(&c->fd);
		c->fd = -1;
		return;
	}
	closep(&m.data_fd);
	is_in_file = (m.head.reserved & CHILD_DATA_IN_FILE) != 0;
	if (m.data_fd >= 0 || q == NULL || c->state != CHILD_BUSY ||
	    (is_in_file && seal_result(c, &n) < 0)) {
		child_kill(c, VERDICT_BROKEN);
		return;
	}
	c->request = NULL;
	c->idle_since_ms = clock_mono_ms();
	c->state = (m.head.reserved & CHILD_LEAVES) != 0 || !c->is_reusable
	    ? CHILD_LEAVING
	    : CHILD_IDLE;
	if (is_in_file)
		request_answer(z, q, m.meta, m.head.meta_len, NULL, (size_t)n,
		    c->file_fd);
	else
		request_answer(z, q, m.meta, m.head.meta_len, m.data,
		    (size_t)m.head.data_len, -1);
}

/* ---- a death ---- */

PRINTF_LIKE(4, 5)
static void
say(struct failure *f, enum failure_type type, const char *hint, const char *fmt, ...)
{
	va_list ap;

	f->type = type;
	(void)snprintf(f->hint, sizeof(f->hint), "%s", hint);
	va_start(ap, fmt);
	(void)vsnprintf(f->reason, sizeof(f->reason), fmt, ap);
	va_end(ap);
}

static const char less[] = "filter or select earlier, or ask for less";
static const char simpler[] = "write the step simpler, or give it less data";

static void
explain_signal(const struct child *c, int sig, struct failure *f)
{
	switch (sig) {
	case SIGXCPU:
		say(f, FAILURE_STEP_LIMIT, simpler,
		    "more than %" PRIu64 " s of CPU time", c->limits.cpu_sec);
		break;
	case SIGXFSZ:
		say(f, FAILURE_STEP_LIMIT, less,
		    "the result is larger than %" PRIu64 " MB",
		    c->limits.output_bytes >> 20);
		break;
	default:
		say(f, FAILURE_EXECUTION, simpler, "compute died: signal %d", sig);
		break;
	}
}

static void
explain_exit(const struct child *c, int status, struct failure *f)
{
	if (status == CHILD_EXIT_MEMORY)
		say(f, FAILURE_STEP_LIMIT, less, "more than %" PRIu64 " MB of memory",
		    c->limits.memory_bytes >> 20);
	else
		say(f, FAILURE_EXECUTION, simpler, "compute died: exit status %d",
		    status);
}

static void
explain(const struct child *c, const siginfo_t *how, struct failure *f)
{
	uint32_t kind = c->progress->kind, index = c->progress->index;

	f->step = kind < STEP_KIND_COUNT ? step_name((enum step_kind)kind) : "";
	f->index = index <= UINT16_MAX + STEPS_MAX ? index : 0;
	switch (c->verdict) {
	case VERDICT_WALL:
		say(f, FAILURE_STEP_LIMIT, simpler, "more than %" PRIu64 " ms",
		    c->request->wall_ms);
		break;
	case VERDICT_CANCELLED:
		say(f, FAILURE_EXECUTION, "", "cancelled");
		break;
	case VERDICT_BROKEN:
		say(f, FAILURE_EXECUTION, "", "compute answered nonsense");
		break;
	case VERDICT_NONE:
	default:
		if (how->si_code == CLD_EXITED)
			explain_exit(c, how->si_status, f);
		else
			explain_signal(c, how->si_status, f);
		break;
	}
}

void
child_died(struct zygote *z, struct child *c)
{
	struct failure f = { .step = "" };
	siginfo_t how = { 0 };

	if (c->fd >= 0 && c->state == CHILD_BUSY) /* its last words */
		child_answered(z, c);
	if (waitid(P_PIDFD, (id_t)c->pidfd, &how, WEXITED) < 0)
		how.si_code = CLD_EXITED;
	if (c->request != NULL) {
		struct request *q = c->request;

		explain(c, &how, &f);
		z->counts.killed++;
		c->request = NULL;
		request_fail(z, q, &f);
	}
	child_free(z, c);
}
