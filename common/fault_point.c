/* SPDX-License-Identifier: MIT */
/*
 * fault_point.c - strikes the process that reaches an armed place. Test builds only.
 *
 * Owns:   the shared page of the daemon and its children.
 * Called: at the places of fault_point.h's table.
 * Fails:  opening says why; without a page every place is passed.
 */
#include "config.h"

#include "common/fault_point.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	PASSED_FD = 4,   /* the role finds it there, beside its control socket */
	KEPT_FD_MIN = 64 /* out of the way of those that a child moves about */
};

static struct fault_page *page;
static int page_fd = -1;

static const char *const point_names[FAULT_POINT_COUNT] = {
#define X(name) #name,
	FAULT_POINTS(X)
#undef X
};

static const char *const action_names[FAULT_ACTION_COUNT] = {
#define X(name, text) text,
	FAULT_ACTIONS(X)
#undef X
};

const char *
fault_point_name(enum fault_point point)
{
	return (unsigned)point < FAULT_POINT_COUNT ? point_names[point] : "?";
}

/* ---- orders ---- */

static int
find(const char *const *names, unsigned n, const char *name, size_t len)
{
	for (unsigned i = 0; i < n; i++)
		if (strlen(names[i]) == len && strncmp(names[i], name, len) == 0)
			return (int)i;
	return -1;
}

static int
read_number(const char *text, uint32_t *out)
{
	char *end = NULL;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || n > UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)n;
	return 0;
}

/* "nth=3", "once", "job=poison". */
static int
read_condition(struct fault_order *o, const char *word)
{
	if (strcmp(word, "once") == 0) {
		o->times = 1;
		return 0;
	}
	if (strncmp(word, "nth=", 4) == 0)
		return read_number(word + 4, &o->nth);
	if (strncmp(word, "times=", 6) == 0)
		return read_number(word + 6, &o->times);
	if (strncmp(word, "job=", 4) != 0 || strlen(word + 4) >= FAULT_JOB_MAX)
		return -EINVAL;
	(void)snprintf(o->job, sizeof(o->job), "%s", word + 4);
	return 0;
}

static int
read_action(struct fault_order *o, const char *word)
{
	size_t n = word != NULL ? strcspn(word, "=") : 0;
	int action =
	    word != NULL ? find(action_names, FAULT_ACTION_COUNT, word, n) : -1;

	bool lasts = action == FAULT_DELAY || action == FAULT_SPIN;

	if (action < 0 || (word[n] == '=') != lasts)
		return -EINVAL;
	o->action = (uint32_t)action;
	return lasts ? read_number(word + n + 1, &o->ms) : 0;
}

static int
read_order(struct fault_page *p, char *text, struct err *err)
{
	struct fault_order order = { .point = 0 }, *free_place = NULL;
	char *rest = text, *word = strsep(&rest, ":");
	int point = find(point_names, FAULT_POINT_COUNT, word, strlen(word));

	if (point < 0)
		return err_set(err, -EINVAL, "there is no fault point '%s'", word);
	if (read_action(&order, strsep(&rest, ":")) < 0)
		return err_set(err, -EINVAL, "%s: no such action", word);
	while (rest != NULL) {
		const char *condition = strsep(&rest, ":");

		if (read_condition(&order, condition) < 0)
			return err_set(err, -EINVAL, "%s: '%s' is no condition", word,
			    condition);
	}
	for (unsigned i = 0; i < FAULT_ORDERS_MAX && free_place == NULL; i++)
		if (atomic_load(&p->orders[i].point) == 0)
			free_place = &p->orders[i];
	if (free_place == NULL)
		return err_set(err, -EINVAL, "more than %d faults", FAULT_ORDERS_MAX);
	memcpy(free_place, &order, sizeof(order));
	atomic_store(&free_place->point, (uint32_t)point + 1);
	return 0;
}

int
fault_orders_read(struct fault_page *p, const char *text, struct err *err)
{
	CLEANUP(freep) char *copy = strdup(text);
	char *rest = copy, *order;
	int r = copy == NULL ? -ENOMEM : 0;

	while (r == 0 && (order = strsep(&rest, ",")) != NULL)
		if (order[0] != '\0')
			r = read_order(p, order, err);
	return r;
}

/* ---- the page ---- */

static int
map_page(int fd)
{
	void *p = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	page = p;
	return 0;
}

static int
make_page(const char *path)
{
	int fd = path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)
			      : memfd_create("faults", MFD_CLOEXEC),
	    kept;

	if (fd < 0)
		return -errno;
	kept = fcntl(fd, F_DUPFD_CLOEXEC, KEPT_FD_MIN);
	(void)close(fd);
	if (kept < 0 || ftruncate(kept, sizeof(*page)) < 0)
		return -errno;
	page_fd = kept;
	return map_page(kept);
}

int
fault_points_open(struct err *err)
{
	const char *path = getenv("AGENT_RUNNER_FAULT_PAGE");
	const char *text = getenv("AGENT_RUNNER_FAULT");
	int r;

	if (path == NULL && text == NULL)
		return 0;
	r = make_page(path);
	if (r < 0)
		return err_set(err, r, "the page of faults: %s", strerror(-r));
	if (page->magic == FAULT_PAGE_MAGIC && page->size == sizeof(*page))
		return 0; /* of a former life: its orders and counters stand */
	memset(page, 0, sizeof(*page));
	page->size = sizeof(*page);
	page->magic = FAULT_PAGE_MAGIC;
	return text != NULL ? fault_orders_read(page, text, err) : 0;
}

void
fault_points_pass_on(void)
{
	if (page_fd >= 0)
		(void)dup2(page_fd, PASSED_FD); /* without close-on-exec */
}

void
fault_points_attach(void)
{
	struct stat st;

	if (fstat(PASSED_FD, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size != (off_t)sizeof(*page))
		return;
	if (map_page(PASSED_FD) == 0 && page->magic != FAULT_PAGE_MAGIC)
		page = NULL;
	(void)close(PASSED_FD);
}

/* ---- the strike ---- */

static void
signal_self(int sig)
{
	(void)syscall(SYS_tgkill, getpid(), gettid(), sig);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winfinite-recursion"
static __attribute__((noinline)) int
overflow(volatile char *above)
{
	volatile char frame[1024];

	frame[0] = above != NULL ? above[0] : 0;
	return overflow(frame) + frame[0];
}
#pragma GCC diagnostic pop

static void
write_nowhere(void)
{
	volatile uintptr_t nowhere = 16; /* volatile: compilers warn of what they see */

	*(volatile int *)nowhere = 1;
}

static void
pause_ms(uint32_t ms)
{
	struct timespec left = { .tv_sec = ms / 1000,
		.tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static void
spin_ms(uint32_t ms)
{
	uint64_t until = clock_mono_ms() + ms;

	while (clock_mono_ms() < until)
		;
}

static void
strike(const struct fault_order *o)
{
	switch (o->action) {
	case FAULT_ABORT:
		abort();
	case FAULT_SEGV:
		write_nowhere();
		break;
	case FAULT_OVERFLOW:
		(void)overflow(NULL);
		break;
	case FAULT_REFUSED:
		(void)syscall(SYS_sched_getscheduler, 0);
		break;
	case FAULT_NEVER:
		(void)syscall(SYS_ptrace, -1, 0, NULL, NULL);
		break;
	case FAULT_KILL:
		signal_self(SIGKILL);
		break;
	case FAULT_STOP:
		signal_self(SIGSTOP);
		break;
	case FAULT_SPIN:
		spin_ms(o->ms);
		break;
	default:
		pause_ms(o->ms);
		break;
	}
}

static bool
is_meant(struct fault_order *o, enum fault_point point, const char *job_id)
{
	uint32_t seen;

	if (atomic_load(&o->point) != (uint32_t)point + 1)
		return false;
	if (o->job[0] != '\0' &&
	    (job_id == NULL || strncmp(job_id, o->job, strlen(o->job)) != 0))
		return false;
	seen = atomic_fetch_add(&o->seen, 1) + 1;
	if (seen < o->nth)
		return false;
	return atomic_fetch_add(&o->fired, 1) < o->times || o->times == 0;
}

void
fault_point_hit(enum fault_point point, const char *job_id)
{
	if (page == NULL)
		return;
	(void)atomic_fetch_add(&page->reached[point], 1);
	for (unsigned i = 0; i < FAULT_ORDERS_MAX; i++) {
		struct fault_order *o = &page->orders[i];

		if (!is_meant(o, point, job_id))
			continue;
		atomic_store(&page->victim, getpid());
		(void)atomic_fetch_add(&page->struck[point][o->action], 1);
		strike(o);
	}
}

int64_t
fault_wall_step_ms(void)
{
	return page != NULL ? atomic_load(&page->wall_step_ms) : 0;
}
