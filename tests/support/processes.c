/* SPDX-License-Identifier: MIT */
/*
 * processes.c - reads /proc: who descends from the daemon, what role, how much memory.
 *
 * Owns:   nothing.
 * Called: by the harness and the benches.
 * Fails:  a process that vanishes while it is read is left out.
 */
#include "config.h"

#include "tests/support/processes.h"

#include "common/cleanup.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

static ssize_t
read_proc(pid_t pid, const char *file, char *out, size_t max)
{
	char path[64];
	CLEANUP(closep) int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, out, max - 1);
	if (n >= 0)
		out[n] = '\0';
	return n;
}

/* Name, parent, state, times from /proc/PID/stat; a name may hold blanks and
 * parentheses. */
static bool
read_stat(pid_t pid, struct process *p)
{
	unsigned long long user = 0, kernel = 0;
	long long user_reaped = 0, kernel_reaped = 0;
	char text[1024], state, *name, *after;
	int parent;

	if (read_proc(pid, "stat", text, sizeof(text)) <= 0)
		return false;
	name = strchr(text, '(');
	after = strrchr(text, ')');
	if (name == NULL || after == NULL ||
	    sscanf(after + 1,
		" %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld %*d %*d %*d "
		"%*d %llu",
		&state, &parent, &user, &kernel, &user_reaped, &kernel_reaped,
		&p->started) != 7)
		return false;
	*after = '\0';
	(void)snprintf(p->role, sizeof(p->role), "%.31s", name + 1);
	p->pid = pid;
	p->parent = parent;
	p->slot = -1;
	p->cpu_ticks =
	    user + kernel + (unsigned long long)(user_reaped + kernel_reaped);
	return state != 'Z' && state != 'X';
}

static void
read_role(struct process *p)
{
	char text[4096];
	ssize_t n = read_proc(p->pid, "cmdline", text, sizeof(text));

	if (n > 12 && strstr(text, "redis-server") != NULL)
		(void)snprintf(p->role, sizeof(p->role), "redis");
	for (char *arg = text; n > 0 && arg < text + n; arg += strlen(arg) + 1) {
		char *value = arg + strlen(arg) + 1;

		if (value >= text + n)
			return;
		if (strcmp(arg, "--role") == 0)
			(void)snprintf(p->role, sizeof(p->role), "%.31s", value);
		if (strcmp(arg, "--slot") == 0)
			p->slot = atoi(value);
	}
}

bool
process_read(pid_t pid, struct process *out)
{
	if (!read_stat(pid, out))
		return false;
	read_role(out);
	return true;
}

static size_t
read_all(struct process **out)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	size_t n = 0, cap = 0;

	*out = NULL;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (n == cap) {
			cap = cap == 0 ? 256 : cap * 2;
			*out = realloc(*out, cap * sizeof(**out));
			ASSERT(*out != NULL);
		}
		n += read_stat((pid_t)atoi(entry->d_name), &(*out)[n]);
	}
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

size_t
processes_below(pid_t root, struct process out[PROCESSES_MAX])
{
	CLEANUP(freep) struct process *all = NULL;
	size_t n_all = read_all(&all), n = 0;

	for (size_t done = 0; done <= n; done++) {
		pid_t parent = done == 0 ? root : out[done - 1].pid;

		for (size_t i = 0; i < n_all && n < PROCESSES_MAX; i++)
			if (all[i].parent == parent) {
				out[n] = all[i];
				read_role(&out[n++]);
			}
	}
	return n;
}

bool
process_lives(const struct process *p)
{
	struct process now = { .pid = 0 };

	return read_stat(p->pid, &now) && now.started == p->started;
}

long
process_pss_kb(pid_t pid)
{
	char text[4096], *line;

	if (read_proc(pid, "smaps_rollup", text, sizeof(text)) <= 0)
		return -1;
	line = strstr(text, "\nPss:");
	return line == NULL ? -1 : atol(line + 5);
}
