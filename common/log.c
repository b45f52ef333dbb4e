/* SPDX-License-Identifier: MIT */
/*
 * log.c - one sink per process; formatting, and the limit on what repeats.
 *
 * Owns:   the sink, its descriptor, the table of repeating lines.
 * Called: from anywhere but signal handlers.
 * Fails:  opening says why; a line that cannot be written is lost and counted.
 */
#include "config.h"

#include "common/log.h"

#include "common/clock.h"
#include "common/printable.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

enum {
	LINE_MAX_BYTES = 2048, /* as much as one message to the supervisor holds */
	SHOWN_MAX_BYTES = 3 * LINE_MAX_BYTES, /* escaped for JSON, head included */
	REPEAT_ENTRIES = 64,
	REPEAT_BURST = 5,
	REPEAT_SAMPLE = 72,
	REPEAT_WINDOW_MS = 10000
};

enum sink_kind {
	SINK_STDERR,
	SINK_SYSLOG,
	SINK_FILE,
	SINK_PARENT
};

struct repeat {
	uint64_t key;
	uint64_t since_ms;
	unsigned passed;
	unsigned dropped;
	char sample[REPEAT_SAMPLE]; /* how the line began */
	enum log_level level;
};

static struct {
	pthread_mutex_t lock;
	enum sink_kind kind;
	enum log_level level;
	bool is_json;
	int fd;     /* file or parent's socket */
	char *path; /* file; owned */
	uid_t file_uid;
	gid_t file_gid;
	log_send_fn send;
	unsigned lost; /* lines that the parent's socket or the disk did not take */
	struct repeat repeats[REPEAT_ENTRIES];
} sink = { .lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_LEVEL_INFO, .fd = -1 };

void (*log_hook)(const char *line, size_t len);
uint64_t (*log_clock)(void);

static const struct {
	const char *name;
	int priority;
} levels[LOG_LEVEL_COUNT] = {
	[LOG_LEVEL_ERROR] = { "error", LOG_ERR },
	[LOG_LEVEL_WARNING] = { "warning", LOG_WARNING },
	[LOG_LEVEL_INFO] = { "info", LOG_INFO },
	[LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};

const char *
log_level_name(enum log_level level)
{
	return (unsigned)level < LOG_LEVEL_COUNT ? levels[level].name : "?";
}

int
log_level_from_name(const char *name)
{
	for (int i = 0; i < LOG_LEVEL_COUNT; i++)
		if (strcmp(name, levels[i].name) == 0)
			return i;
	return -EINVAL;
}

void
log_set_level(enum log_level level)
{
	sink.level = level;
}

bool
log_is_on(enum log_level level)
{
	return level <= sink.level;
}

static int
open_file(const char *path, uid_t uid, gid_t gid, struct err *err)
{
	/* A pipe that somebody put there would hold up who opens it. */
	CLEANUP(closep)
	int fd = open(path,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	struct stat st;

	if (fd < 0)
		return err_set(err, -errno, "log file %s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)))
		return err_set(err, -EINVAL, "log file %s: neither file nor device",
		    path);
	if (st.st_size == 0 && uid != (uid_t)-1)
		(void)!fchown(fd, uid, gid); /* a convenience for its readers */
	return TAKE_FD(fd);
}

int
log_open(const struct log_settings *s, struct err *err)
{
	int level = log_level_from_name(s->level), fd = -1;
	enum sink_kind kind = SINK_STDERR;
	char *path = NULL;

	if (level < 0)
		return err_set(err, -EINVAL, "log level \"%s\" is not known", s->level);
	if (strcmp(s->target, "syslog") == 0) {
		kind = SINK_SYSLOG;
		openlog("agent-runner", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	} else if (strncmp(s->target, "file:", 5) == 0) {
		kind = SINK_FILE;
		fd = open_file(s->target + 5, s->file_uid, s->file_gid, err);
		if (fd < 0)
			return fd;
		path = strdup(s->target + 5);
		if (path == NULL) {
			(void)close(fd);
			return err_set(err, -ENOMEM, "no memory for the log");
		}
	} else if (strcmp(s->target, "stderr") != 0) {
		return err_set(err, -EINVAL, "log target \"%s\" is not known",
		    s->target);
	}
	pthread_mutex_lock(&sink.lock);
	if (sink.kind == SINK_FILE)
		closep(&sink.fd);
	free(sink.path);
	sink.kind = kind;
	sink.fd = fd;
	sink.path = path;
	sink.file_uid = s->file_uid;
	sink.file_gid = s->file_gid;
	sink.is_json = strcmp(s->format, "json") == 0;
	level += (int)s->verbose;
	sink.level = level < LOG_LEVEL_COUNT ? (enum log_level)level : LOG_LEVEL_DEBUG;
	pthread_mutex_unlock(&sink.lock);
	return 0;
}

int
log_reopen(struct err *err)
{
	int fd;

	if (sink.kind != SINK_FILE)
		return 0;
	fd = open_file(sink.path, sink.file_uid, sink.file_gid, err);
	if (fd < 0)
		return fd; /* the former file stays in use */
	pthread_mutex_lock(&sink.lock);
	(void)close(sink.fd);
	sink.fd = fd;
	pthread_mutex_unlock(&sink.lock);
	return 0;
}

void
log_to_parent(log_send_fn send, int fd, enum log_level level)
{
	sink.kind = SINK_PARENT;
	sink.send = send;
	sink.fd = fd;
	sink.level = level;
}

struct line {
	char bytes[SHOWN_MAX_BYTES];
	size_t len;
};

static void
line_add(struct line *l, const char *bytes, size_t n)
{
	if (n > sizeof(l->bytes) - 2 - l->len)
		n = sizeof(l->bytes) - 2 - l->len;
	memcpy(l->bytes + l->len, bytes, n);
	l->len += n;
}

static void PRINTF_LIKE(2, 3) line_addf(struct line *l, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line_add(l, text, strlen(text));
}

/* A log line is one line whatever a peer wrote: no control character gets through. */
static void
line_add_message(struct line *l, const char *text, size_t len, bool is_json)
{
	/* An escape or a character is never cut in two. */
	for (size_t i = 0; i < len && l->len + 8 < sizeof(l->bytes);) {
		size_t n = printable_in_line(text + i, len - i);

		if (n == 1 && is_json && (text[i] == '"' || text[i] == '\\')) {
			line_add(l, "\\", 1);
			line_add(l, text + i, 1);
		} else if (n == 0) {
			line_add(l, text[i] == '\n' || text[i] == '\t' ? " " : "?", 1);
			n = 1;
		} else {
			line_add(l, text + i, n);
		}
		i += n;
	}
}

struct origin {
	const char *role; /* NULL: this process */
	unsigned slot;
	pid_t pid;
};

static void
format_line(struct line *l, const struct origin *from, enum log_level level,
    const char *text, size_t len)
{
	const char *role = from->role == NULL ? "supervisor" : from->role;
	char when[CLOCK_ISO_MAX];

	(void)clock_iso(clock_wall_ms(), when);
	l->len = 0;
	if (sink.is_json) {
		line_addf(l,
		    "{\"time\":\"%s\",\"level\":\"%s\",\"role\":\"%s\",\"slot\":%u,"
		    "\"pid\":%ld,\"message\":\"",
		    when, log_level_name(level), role, from->slot, (long)from->pid);
		line_add_message(l, text, len, true);
		line_add(l, "\"}", 2);
		return;
	}
	if (sink.kind != SINK_SYSLOG)
		line_addf(l, "%s %-7s ", when, log_level_name(level));
	if (from->role == NULL)
		line_addf(l, "%s[%ld]: ", role, (long)from->pid);
	else
		line_addf(l, "%s/%u[%ld]: ", role, from->slot, (long)from->pid);
	line_add_message(l, text, len, false);
}

static void
write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, bytes, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			sink.lost++;
			return;
		}
		bytes += w;
		n -= (size_t)w;
	}
}

static void
emit(const struct origin *from, enum log_level level, const char *text, size_t len)
{
	struct line l;

	if (sink.kind == SINK_PARENT) {
		if (sink.send(sink.fd, level, text, len) < 0)
			sink.lost++;
		return;
	}
	format_line(&l, from, level, text, len);
	if (log_hook != NULL) {
		log_hook(l.bytes, l.len);
	} else if (sink.kind == SINK_SYSLOG) {
		syslog(levels[level].priority, "%.*s", (int)l.len, l.bytes);
	} else {
		l.bytes[l.len++] = '\n';
		write_all(sink.kind == SINK_FILE ? sink.fd : STDERR_FILENO, l.bytes,
		    l.len);
	}
}

static void PRINTF_LIKE(3, 4)
    emit_own(const struct origin *from, enum log_level level, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	emit(from, level, text, strlen(text));
}

static uint64_t
hash(const char *bytes, size_t n)
{
	uint64_t h = 14695981039346656037ULL; /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)bytes[i]) * 1099511628211ULL;
	return h;
}

static void
tell_dropped(const struct origin *from, struct repeat *r)
{
	if (r->dropped > 0)
		emit_own(from, r->level, "%u lines were dropped that begin like: %s",
		    r->dropped, r->sample);
	r->dropped = 0;
}

/* Ends windows that are over, so that a burst's count is told at the next line at
   all. */
static void
sweep_repeats(const struct origin *from, uint64_t now_ms)
{
	for (int i = 0; i < REPEAT_ENTRIES; i++) {
		struct repeat *r = &sink.repeats[i];

		if (r->key != 0 && now_ms - r->since_ms >= REPEAT_WINDOW_MS) {
			tell_dropped(from, r);
			r->key = 0;
		}
	}
}

static bool
may_pass(const struct origin *from, uint64_t key, enum log_level level,
    const char *text, size_t len)
{
	uint64_t now_ms = log_clock != NULL ? log_clock() : clock_mono_ms();
	struct repeat *r = &sink.repeats[key % REPEAT_ENTRIES];

	sweep_repeats(from, now_ms);
	if (r->key != key) {
		tell_dropped(from, r);
		*r = (struct repeat){ .key = key, .since_ms = now_ms, .level = level };
	}
	if (r->passed == 0)
		(void)snprintf(r->sample, sizeof(r->sample), "%.*s", (int)len, text);
	if (r->passed < REPEAT_BURST) {
		r->passed++;
		return true;
	}
	r->dropped++;
	return false;
}

static void
tell_lost(const struct origin *from)
{
	unsigned lost = sink.lost;

	if (lost == 0)
		return;
	sink.lost = 0; /* before the line: it may be lost as well */
	emit_own(from, LOG_LEVEL_WARNING, "%u log lines could not be written", lost);
}

static void
pass_on(const struct origin *from, uint64_t key, enum log_level level, const char *text,
    size_t len)
{
	int saved_errno = errno;

	pthread_mutex_lock(&sink.lock);
	if (may_pass(from, key, level, text, len)) {
		tell_lost(from);
		emit(from, level, text, len);
	}
	pthread_mutex_unlock(&sink.lock);
	errno = saved_errno;
}

static bool
is_bare(const char *fmt)
{
	return strcmp(fmt, "%s") == 0 || strcmp(fmt, "%.*s") == 0;
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	struct origin from = { NULL, 0, getpid() };
	char text[LINE_MAX_BYTES];
	va_list ap;
	size_t len;
	uint64_t key;

	if (!log_is_on(level))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	len = strlen(text);
	/* "next try in 250 ms" differs each time: troubles are known by their format;
	   lines of good news (a job is done) each count, and so do texts that come whole. */
	key = level <= LOG_LEVEL_WARNING && !is_bare(fmt) ? hash(fmt, strlen(fmt))
							  : hash(text, len);
	pass_on(&from, key, level, text, len);
}

void
log_child_line(const char *role, unsigned slot, pid_t pid, enum log_level level,
    const char *text, size_t len)
{
	struct origin from = { role, slot, pid };

	if (log_is_on(level))
		pass_on(&from, hash(text, len) ^ (uint64_t)pid, level, text, len);
}
