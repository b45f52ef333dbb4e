/* SPDX-License-Identifier: MIT */
/*
 * child.c - a jailed child: forked, locked in, answering until it leaves.
 *
 * Owns:   its process.
 * Called: by the zygote in a freshly forked child; never returns.
 * Fails:  by exit status (enum child_exit) or by the signal of a limit.
 */
#include "config.h"

#include "compute/child.h"

#include "common/lane.h"
#include "common/role/fault_handler.h"
#ifdef WITH_FAULT_POINTS
# include "compute/flaw.h"
#endif

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* ---- locking in ---- */

/* A file there would meet RLIMIT_FSIZE, a terminal would show what strangers wrote. */
static int
silence(int null_fd)
{
#ifndef WITH_SANITIZERS /* their reports are wanted */
	for (int fd = 0; null_fd >= 0 && fd <= 2; fd++)
		if (dup2(null_fd, fd) < 0)
			return -errno;
#endif
	(void)null_fd;
	return 0;
}

static void
close_all_but(int a, int b)
{
	unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);

	if (low > 3)
		(void)close_range(3, low - 1, 0);
	if (high > low + 1)
		(void)close_range(low + 1, high - 1, 0);
	(void)close_range(high + 1, ~0u, 0);
}

static int
set_limit(int resource, uint64_t soft, uint64_t hard)
{
	struct rlimit limit = { .rlim_cur = soft, .rlim_max = hard };

	return setrlimit((__rlimit_resource_t)resource, &limit) < 0 ? -errno : 0;
}

static int
set_limits(const struct child_start *s)
{
	const struct child_limits *l = &s->limits;
	int e = set_limit(RLIMIT_CPU, l->cpu_sec, l->cpu_sec + 1);

	if (e == 0)
		e = set_limit(RLIMIT_FSIZE, l->output_bytes, l->output_bytes);
	if (e == 0)
		e = set_limit(RLIMIT_CORE, 0, 0);
	if (e == 0)
		e = set_limit(RLIMIT_NOFILE, 0, 0);
#ifndef WITH_SANITIZERS /* their shadow memory is larger than any limit */
	if (e == 0)
		e = set_limit(RLIMIT_AS, s->mapped_bytes + l->memory_bytes,
		    s->mapped_bytes + l->memory_bytes);
#endif
	return e;
}

/*
 * The jail's filter is built before the fork and cannot know this pid: it lets abort()
 * send SIGABRT to anyone. This one, loaded first, holds tgkill to the process itself,
 * so that no child can end the zygote, which has its user.
 */
static int
aim_at_self(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)getpid(), 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sandbox_program own = { code, ARRAY_LEN(code) };

	return sandbox_program_load(&own);
}

int
child_lock_in(const struct child_start *s)
{
	sigset_t none;
	int e;

	fault_handler_forget(); /* how it ends is for the zygote alone to see */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	if (getppid() != s->parent_pid)
		return -ESRCH; /* the signal would never come */
	e = silence(s->null_fd);
	if (e < 0)
		return e;
	close_all_but(s->fd, s->file_fd);
	e = set_limits(s);
	if (e < 0)
		return e;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (s->jail == NULL)
		return 0;
	e = aim_at_self();
	return e < 0 ? e : sandbox_program_load(s->jail);
}

/* ---- answering ---- */

static uint64_t
cpu_ms(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) < 0)
		return UINT64_MAX;
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
send_answer(const struct child_start *s, uint64_t id, struct buf *meta,
    struct buf *data, unsigned flags)
{
	struct lane_head head = { .version = LANE_VERSION,
		.op = COMPUTE_DONE,
		.meta_len = (uint32_t)meta->len,
		.id = id,
		.data_len = data->len,
		.reserved = flags };
	struct iovec iov[3] = { { &head, sizeof(head) }, { meta->data, meta->len },
		{ data->data, data->len } };
	ssize_t n;

	do
		n = writev(s->fd, iov, 3);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		_exit(CHILD_EXIT_PROTOCOL);
}

static int
answer(const struct task *t, struct buf *meta, struct output *out)
{
#ifdef WITH_FAULT_POINTS
	if (flaw_is_hit(t))
		return flaw_answer(t, meta, out);
#endif
	return answer_task(t, meta, out);
}

/* Runs and answers; returns whether the child stays. */
static bool
answer_one(const struct child_start *s, const struct task *t, uint64_t id, unsigned run)
{
	CLEANUP_BUF struct buf meta = BUF_INIT;
	struct output out = { .fd = s->file_fd,
		.inline_max = LANE_INLINE_MAX,
		.max = s->limits.output_bytes };
	int r = answer(t, &meta, &out);
	bool stays = s->is_reusable && r == 0 && run < CHILD_RUNS_MAX &&
	    out.file_bytes == 0 && cpu_ms() < CHILD_CPU_MAX_MS;
	unsigned flags = stays ? 0 : CHILD_LEAVES;

	if (r < 0)
		_exit(CHILD_EXIT_MEMORY);
	if (r > 0 || out.file_bytes > 0)
		buf_clear(&out.pending);
	if (r == 0 && out.file_bytes > 0)
		flags |= CHILD_DATA_IN_FILE;
	send_answer(s, id, &meta, &out.pending, flags);
	buf_release(&out.pending);
	return stays;
}

/* The next request into buffer: its size, 0 when the zygote has no more. */
static size_t
receive(const struct child_start *s, char *buffer)
{
	ssize_t n;

	do
		n = read(s->fd, buffer, LANE_MESSAGE_MAX);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		_exit(CHILD_EXIT_PROTOCOL);
	return (size_t)n;
}

static void
answer_more(const struct child_start *s)
{
	char *buffer = malloc(LANE_MESSAGE_MAX);
	bool stays = buffer != NULL;
	size_t n;

	for (unsigned run = 2; stays && (n = receive(s, buffer)) > 0; run++) {
		struct task t = { .progress = s->progress };
		struct lane_head head;

		if (n < sizeof(head))
			_exit(CHILD_EXIT_PROTOCOL);
		memcpy(&head, buffer, sizeof(head));
		if (head.meta_len > n - sizeof(head) ||
		    head.data_len != n - sizeof(head) - head.meta_len)
			_exit(CHILD_EXIT_PROTOCOL);
		t.run = (struct task_text){ buffer + sizeof(head), head.meta_len,
			buffer + sizeof(head) + head.meta_len, (size_t)head.data_len };
		stays = answer_one(s, &t, head.id, run);
	}
	free(buffer);
}

void
child_main(const struct child_start *s)
{
	int e = child_lock_in(s);

	if (e < 0)
		_exit(CHILD_EXIT_JAIL);
	if (answer_one(s, s->first, 0, 1))
		answer_more(s);
	_exit(CHILD_EXIT_OK); /* at once: nobody needs this memory tidied */
}
