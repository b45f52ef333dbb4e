/* SPDX-License-Identifier: MIT */
/*
 * watch.c - memory and descriptors of every process of the daemon, over its life.
 *
 * Owns:   a row for each life that was seen.
 * Called: at each turn of the run; looks every five seconds.
 * Fails:  never: a process that has gone is not looked at.
 */
#include "config.h"

#include "tests/chaos/chaos.h"

#include "common/clock.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOOK_EVERY_MS = 5000,
	WARM_MS = 30000, /* a life's first figures count from then */
	LONG_MS = 180000 /* lives that are worth a line */
};

struct figure {
	long first, last, max;
};

struct life {
	struct process p;
	uint64_t seen_ms, warm_ms, last_ms;
	struct figure kb, fds;
};

static struct life *lives;
static size_t n_lives;
static uint64_t next_ms;

static struct life *
life_of(const struct process *p, uint64_t now_ms)
{
	for (size_t i = n_lives; i > 0; i--)
		if (lives[i - 1].p.pid == p->pid &&
		    lives[i - 1].p.started == p->started)
			return &lives[i - 1];
	lives = reallocarray(lives, n_lives + 1, sizeof(*lives));
	ASSERT(lives != NULL);
	lives[n_lives] = (struct life){ .p = *p, .seen_ms = now_ms };
	return &lives[n_lives++];
}

static long
count_fds(pid_t pid)
{
	char path[64];
	DIR *dir;
	long n = -2; /* "." and ".." */

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (dir == NULL)
		return -1;
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n;
}

static void
note(struct figure *f, long v, bool is_first)
{
	if (v < 0)
		return;
	if (is_first)
		f->first = v;
	f->last = v;
	f->max = v > f->max ? v : f->max;
}

static void
look(const struct process *p, uint64_t now_ms)
{
	struct life *l = life_of(p, now_ms);
	bool is_first = l->warm_ms == 0;

	if (now_ms - l->seen_ms < WARM_MS)
		return;
	if (is_first)
		l->warm_ms = now_ms;
	l->last_ms = now_ms;
	note(&l->kb, process_pss_kb(p->pid), is_first);
	note(&l->fds, count_fds(p->pid), is_first);
}

void
watch_tick(struct chaos *c, uint64_t now_ms)
{
	static struct process list[PROCESSES_MAX];
	struct process supervisor;
	size_t n;

	if (!c->o->watches || now_ms < next_ms)
		return;
	next_ms = now_ms + LOOK_EVERY_MS;
	n = harness_children(c->h, list);
	for (size_t i = 0; i < n; i++)
		look(&list[i], now_ms);
	if (process_read(harness_proc(c->h)->pid, &supervisor)) {
		(void)snprintf(supervisor.role, sizeof(supervisor.role), "supervisor");
		look(&supervisor, now_ms);
	}
}

void
watch_print(void)
{
	(void)printf("%-12s %8s %27s %21s\n", "role", "minutes",
	    "kB first, last, greatest", "descriptors");
	for (size_t i = 0; i < n_lives; i++) {
		const struct life *l = &lives[i];

		if (l->warm_ms == 0 || l->last_ms - l->warm_ms < LONG_MS)
			continue;
		(void)printf("%-12s %8.1f %9ld %8ld %8ld %7ld %6ld %6ld\n", l->p.role,
		    (double)(l->last_ms - l->warm_ms) / 60000, l->kb.first, l->kb.last,
		    l->kb.max, l->fds.first, l->fds.last, l->fds.max);
	}
}
