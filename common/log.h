/* SPDX-License-Identifier: MIT */
/*
 * log.h - lines for people: level, text, and one sink per process.
 *
 * error: someone must act. warning: it degraded and went on. info: lifecycle. debug:
 * the rest. Before log_open (and in programs that never call it) lines go to standard
 * error. Keys, prompts and tool output are never logged at info or above.
 *
 * The supervisor writes to standard error, syslog or a file; children give their lines
 * to it (log_to_parent). The same warning or error from one place of the program, and
 * any line that repeats word for word, passes five times in ten seconds; the rest is
 * counted and the count is told. One thread writes, or all go through a lock.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_COUNT
};

const char *log_level_name(enum log_level level);
int log_level_from_name(const char *name); /* enum log_level or -EINVAL */

struct log_settings {
	const char *target; /* stderr | syslog | file:PATH */
	const char *level;  /* error | warning | info | debug */
	const char *format; /* text | json */
	unsigned verbose;   /* each -v lowers the level by one step */
	/* owner of a log file that is made here; (uid_t)-1: unchanged */
	uid_t file_uid;
	gid_t file_gid;
};

/* Opens the sink. On failure the former one stays. 0 or negative errno. */
int log_open(const struct log_settings *s, struct err *err);

/* Opens a file sink again under the same name (after logrotate); other sinks:
   nothing. */
int log_reopen(struct err *err);

/*
 * From now on send is given each line (fd is what it was called with); it returns 0 or
 * a negative errno, and lines that could not be sent are counted and told later.
 */
typedef int (*log_send_fn)(int fd, enum log_level level, const char *text, size_t len);
void log_to_parent(log_send_fn send, int fd, enum log_level level);

void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

/* One line, without the newline. errno is kept. */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* A child's line: the supervisor stamps who said it. The text may hold anything;
   control characters are replaced and what is no UTF-8 is shown as '?'. */
void log_child_line(const char *role, unsigned slot, pid_t pid, enum log_level level,
    const char *text, size_t len);

/* For tests: the finished line instead of the sink (NULL: back to it). */
extern void (*log_hook)(const char *line, size_t len);
/* For tests: monotonic milliseconds instead of the clock (NULL: the clock). */
extern uint64_t (*log_clock)(void);

#endif
