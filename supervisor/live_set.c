/* SPDX-License-Identifier: MIT */
/*
 * live_set.c - boot ids, and the set of living holders that the scheduler works from.
 *
 * Owns:   state_dir/boot; the ring of the last deaths.
 * Called: at the start, and whenever a worker begins, ends, falls silent or wakes.
 * Fails:  the start says why; a set that was not taken is sent again by the next tick.
 */
#include "config.h"

#include "supervisor/live_set.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/fault_point.h"
#include "common/lane.h"
#include "common/log.h"
#include "common/role/fault_handler.h"
#include "common/role/live_set.h"
#include "supervisor/supervisor.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
	LOOP_STUCK_MS = 3000 /* a loop that turns beats twice a second */
};

static bool
is_boot_id(const char *word)
{
	return strlen(word) == BOOT_TEXT_MAX - 1 &&
	    strspn(word, "0123456789abcdef") == BOOT_TEXT_MAX - 1;
}

static int
draw_boot_id(char out[BOOT_TEXT_MAX])
{
	uint64_t bits;

	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		return -EIO;
	(void)snprintf(out, BOOT_TEXT_MAX, "%016llx", (unsigned long long)bits);
	return 0;
}

/* The file is in a directory of the unprivileged user: it is read as foreign text,
   small and word by word, and never through a link. */
static void
read_former(struct supervisor *s, int dir_fd)
{
	CLEANUP(closep)
	int fd = openat(dir_fd, "boot", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[(FORMER_BOOTS_MAX + 1) * BOOT_TEXT_MAX + 1], *rest = text, *word;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return;
	text[n] = '\0';
	while ((word = strsep(&rest, "\n")) != NULL && s->n_former < FORMER_BOOTS_MAX)
		if (is_boot_id(word))
			(void)snprintf(s->former[s->n_former++], BOOT_TEXT_MAX, "%s",
			    word);
}

static int
write_boots(const struct supervisor *s, int dir_fd)
{
	CLEANUP(closep) int fd = -1;
	char text[(FORMER_BOOTS_MAX + 1) * BOOT_TEXT_MAX + 1];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s\n", s->boot);

	for (unsigned i = 0; i < s->n_former && i < FORMER_BOOTS_MAX - 1; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n", s->former[i]);
	(void)unlinkat(dir_fd, "boot.new", 0);
	fd = openat(dir_fd, "boot.new",
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (write(fd, text, n) != (ssize_t)n || fsync(fd) < 0 ||
	    renameat(dir_fd, "boot.new", dir_fd, "boot") < 0)
		return -errno;
	return fsync(dir_fd) < 0 ? -errno : 0;
}

int
live_set_begin(struct supervisor *s, struct err *err)
{
	const char *dir = s->now->conf->service.state_dir;
	CLEANUP(closep) int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir_fd < 0)
		return err_set(err, -errno, "%s: %s", dir, strerror(errno));
	read_former(s, dir_fd);
	r = draw_boot_id(s->boot);
	if (r == 0)
		r = write_boots(s, dir_fd);
	if (r < 0)
		return err_set(err, r, "%s/boot: %s", dir, strerror(-r));
	return 0;
}

static const char *const blame_names[BLAME_COUNT] = {
	[BLAME_NONE] = "none",
	[BLAME_CULPRIT] = "culprit",
	[BLAME_PAYLOAD] = "payload",
	[BLAME_UNKNOWN] = "unknown",
};

void
live_set_write(struct buf *out, const struct supervisor *s)
{
	const struct child *c;

	live_set_put_node(out, s->now->conf->service.node, s->boot);
	for (unsigned i = 0; i < s->n_former; i++)
		live_set_put_former(out, s->former[i]);
	TAILQ_FOREACH (c, &s->children, link)
		if (c->holder[0] != '\0' && !c->is_silent)
			live_set_put_live(out, c->holder);
	for (unsigned i = 0; i < s->n_deaths && i < DEATHS_MAX; i++)
		live_set_put_dead(out, s->deaths[i].holder,
		    blame_names[s->deaths[i].blame], s->deaths[i].culprit,
		    s->deaths[i].evidence);
}

void
live_set_send(struct supervisor *s)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP(closep) int fd = -1;
	struct child *c;

	FAULT_POINT(LIVE_SET_SEND);
	s->is_live_set_old = false;
	live_set_write(&text, s);
	fd = buf_status(&text) < 0 ? -ENOMEM : lane_memfd(text.data, text.len);
	TAILQ_FOREACH (c, &s->children, link)
		if (c->role == ROLE_SCHEDULER && c->ready_ms != 0 &&
		    child_has_process(c) &&
		    (fd < 0 || child_send(c, IPC_LIVE_SET, 0, 0, &fd, 1) == -EAGAIN))
			s->is_live_set_old = true;
	FAULT_POINT(LIVE_SET_SENT);
}

void
live_set_mark(struct supervisor *s)
{
	s->is_live_set_old = true;
}

static bool
running_row(const struct child *c, struct slot_row *out)
{
	uint32_t running =
	    atomic_load_explicit(&c->process.slots->running_row, memory_order_relaxed);

	return running >= 1 && running <= SLOT_ROWS &&
	    slot_row_copy(c->process.slots, running - 1, out);
}

/* A job that never lets go holds up the others, whose deadlines may come first; one that
   waits for ever is the one past its own. */
static bool
stuck_row(const struct child *c, struct slot_row *out)
{
	uint64_t beat =
	    atomic_load_explicit(&c->process.slots->heartbeat_ms, memory_order_relaxed);
	uint64_t oldest = UINT64_MAX, now_ms = clock_mono_ms();
	struct slot_row row;

	if (beat < now_ms && now_ms - beat > LOOP_STUCK_MS && running_row(c, out))
		return true;
	for (unsigned i = 0; i < SLOT_ROWS; i++) {
		if (!slot_row_copy(c->process.slots, i, &row) || row.is_payload != 0 ||
		    row.deadline_ms >= oldest)
			continue;
		oldest = row.deadline_ms;
		*out = row;
	}
	return oldest != UINT64_MAX;
}

/* A fault is the running job's, our own kill is the stuck job's; anything else that
   ends a process against its will is nobody's and everybody's. A fault without a word of
   the handler is a system call that kills on the spot. */
bool
live_set_culprit(const struct child *c, int wait_status, struct slot_row *out)
{
	struct slot_fault fault;

	if (c->process.slots == NULL)
		return false;
	if (slot_file_fault(c->process.slots, &fault))
		return fault.row >= 0 &&
		    slot_row_copy(c->process.slots, (unsigned)fault.row, out);
	if (!WIFSIGNALED(wait_status))
		return false;
	if (c->stuck_ms != 0 && WTERMSIG(wait_status) == SIGKILL)
		return stuck_row(c, out);
	if (!fault_is_signal(WTERMSIG(wait_status)) &&
	    !(c->is_silent && WTERMSIG(wait_status) == SIGKILL))
		return false;
	return running_row(c, out);
}

static enum blame
blame_of(const struct child *c, int wait_status, const struct slot_row *culprit)
{
	if (culprit != NULL)
		return culprit->is_payload != 0 ? BLAME_PAYLOAD : BLAME_CULPRIT;
	if (!c->is_wanted) /* we ended it; its jobs are innocent */
		return BLAME_NONE;
	if (WIFSIGNALED(wait_status))
		return WTERMSIG(wait_status) == SIGTERM ? BLAME_NONE : BLAME_UNKNOWN;
	return WEXITSTATUS(wait_status) == EXIT_STATUS_FAILURE ? BLAME_UNKNOWN
							       : BLAME_NONE;
}

void
live_set_tell_end(const struct child *c, int wait_status, char out[DEATH_TEXT_MAX])
{
	struct slot_fault fault;
	char call[48] = "";

	if (c->process.slots != NULL && slot_file_fault(c->process.slots, &fault) &&
	    fault.refused >= 0)
		(void)snprintf(call, sizeof(call), " by the refused system call %d",
		    fault.refused);
	if (WIFSIGNALED(wait_status))
		(void)snprintf(out, DEATH_TEXT_MAX, "signal %d (%s)%s",
		    WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)), call);
	else
		(void)snprintf(out, DEATH_TEXT_MAX, "exit status %d%s",
		    WEXITSTATUS(wait_status), call);
}

static double
seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

/* row NULL: nobody is known to be to blame. */
static void
write_evidence(char out[EVIDENCE_MAX], const struct child *c, int wait_status,
    const struct slot_row *row, const struct rusage *used)
{
	char what[DEATH_TEXT_MAX], label[48],
	    where[SLOT_STEP_MAX + SLOT_TOOL_MAX + 64] = "";

	live_set_tell_end(c, wait_status, what);
	if (row != NULL)
		(void)snprintf(where, sizeof(where), ", step %s%s%s, %llu tokens spent",
		    row->step, row->tool[0] != '\0' ? ", tool " : "", row->tool,
		    (unsigned long long)row->tokens);
	(void)snprintf(out, EVIDENCE_MAX,
	    "%s in %s%s; the process used %.2f s CPU and %ld MiB", what,
	    child_label(c, label), where,
	    seconds(&used->ru_utime) + seconds(&used->ru_stime),
	    used->ru_maxrss / 1024);
}

void
live_set_bury(struct supervisor *s, const struct child *c, int wait_status,
    const struct rusage *used)
{
	struct death *d;
	struct slot_row row;
	bool has_culprit;

	if (c->holder[0] == '\0')
		return;
	has_culprit = live_set_culprit(c, wait_status, &row);
	d = &s->deaths[s->n_deaths++ % DEATHS_MAX];
	memset(d, 0, sizeof(*d));
	(void)snprintf(d->holder, sizeof(d->holder), "%s", c->holder);
	/* who runs in quarantine was charged before: that is no bad release's doing */
	d->blame = storm_is_on(s) && c->role != ROLE_QUARANTINE
	    ? BLAME_NONE
	    : blame_of(c, wait_status, has_culprit ? &row : NULL);
	if (has_culprit)
		(void)snprintf(d->culprit, sizeof(d->culprit), "%s", row.job_id);
	write_evidence(d->evidence, c, wait_status, has_culprit ? &row : NULL, used);
	if (has_culprit)
		log_warning("holder %s: %s; the %s was %s", d->holder, d->evidence,
		    row.is_payload != 0 ? "payload that was read" : "job that ran",
		    d->culprit);
	else if (d->blame != BLAME_NONE && child_jobs_in_flight(c) > 0)
		log_warning("holder %s: %s; its %u jobs are suspects", d->holder,
		    d->evidence, child_jobs_in_flight(c));
	s->is_live_set_old = true;
	if (has_culprit && c->is_wanted && c->role != ROLE_QUARANTINE)
		storm_note(s, row.job_id, clock_mono_ms());
}
