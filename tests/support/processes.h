/* SPDX-License-Identifier: MIT */
/* processes.h - the daemon's children as the system shows them. */
#ifndef TESTS_SUPPORT_PROCESSES_H
#define TESTS_SUPPORT_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	PROCESSES_MAX = 256
};

struct process {
	pid_t pid, parent;
	char role[32]; /* of --role; "redis" for a redis-server; else the command's name
			*/
	int slot;      /* of --slot; -1 */
	unsigned long long
	    started; /* clock ticks since boot: with pid, it names a life */
	unsigned long long
	    cpu_ticks; /* user and system time, reaped children included */
};

/* All descendants of root that live (zombies not). */
size_t processes_below(pid_t root, struct process out[PROCESSES_MAX]);

/* One process; false when it is gone. */
bool process_read(pid_t pid, struct process *out);

/* Is that very life still there? */
bool process_lives(const struct process *p);

/* Proportional set size of a process in kB; -1 when it cannot be read. */
long process_pss_kb(pid_t pid);

#endif
