/* SPDX-License-Identifier: MIT */
/*
 * context.c - what commands share: configuration, Redis, store, files, complaints.
 *
 * Owns:   everything that a struct ctl holds.
 * Called: by main.c and every command.
 * Fails:  after having told the user; the command returns the status it gets.
 */
#include "config.h"

#include "ctl/ctl.h"

#include "common/queue/redis_target.h"
#include "ctl/width.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
	TEXT_MAX = 1024 * 1024,
	COMMAND_MS = 10000
};

static unsigned
terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
}

void
ctl_init(struct ctl *ctl)
{
	const char *term = getenv("TERM");
	const char *no_color = getenv("NO_COLOR");

	memset(ctl, 0, sizeof(*ctl));
	ctl->is_terminal = isatty(STDOUT_FILENO) == 1;
	ctl->err_terminal = isatty(STDERR_FILENO) == 1;
	ctl->has_colour = ctl->is_terminal && term != NULL &&
	    strcmp(term, "dumb") != 0 && (no_color == NULL || no_color[0] == '\0');
	ctl->width = ctl->is_terminal ? terminal_width() : 0;
	ctl->arena = arena_new(0);
}

void
ctl_release(struct ctl *ctl)
{
	store_close(ctl->store);
	redis_sync_free(ctl->redis);
	redis_target_free(ctl->redis_target);
	if (ctl->has_queue)
		queue_setup_release(&ctl->queue);
	conf_free(ctl->conf);
	arena_free(ctl->arena);
}

const char *
ctl_option(const struct ctl *ctl, enum ctl_option_id id)
{
	return ctl->args.value[id];
}

bool
ctl_has(const struct ctl *ctl, enum ctl_option_id id)
{
	return ctl->args.value[id] != NULL;
}

/* ---- complaints ---- */

static void complain(const char *kind, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

static void
complain(const char *kind, const char *fmt, va_list ap)
{
	CLEANUP_BUF struct buf raw = BUF_INIT;
	CLEANUP_BUF struct buf safe = BUF_INIT;

	buf_vaddf(&raw, fmt, ap);
	text_put_safe(&safe, buf_str(&raw), raw.len); /* it may quote strangers */
	(void)fflush(stdout);
	(void)fprintf(stderr, "agentctl: %s%s\n", kind, buf_str(&safe));
}

int
ctl_fail(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain("", fmt, ap);
	va_end(ap);
	return status;
}

void
ctl_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain("warning: ", fmt, ap);
	va_end(ap);
}

static const struct {
	int code;
	int status;
} code_statuses[] = {
	{ -EAGAIN, CTL_UNAVAILABLE },
	{ -ECONNREFUSED, CTL_UNAVAILABLE },
	{ -ECONNRESET, CTL_UNAVAILABLE },
	{ -ETIMEDOUT, CTL_UNAVAILABLE },
	{ -ENOENT, CTL_NOT_FOUND },
	{ -EACCES, CTL_CONFIG },
	{ -EPERM, CTL_CONFIG },
	{ -ENODATA, CTL_CONFIG },
	{ -ENOTSUP, CTL_CONFIG },
};

int
ctl_fail_code(int code, const struct err *err)
{
	int status = CTL_FAILED;

	for (size_t i = 0; i < ARRAY_LEN(code_statuses); i++)
		if (code_statuses[i].code == code)
			status = code_statuses[i].status;
	return ctl_fail(status, "%s", err_text(err));
}

/* ---- what is opened when needed ---- */

/* The installed default may be missing: then the built-in values hold. */
static const char *
conf_path(const struct ctl *ctl)
{
	const char *path = ctl_option(ctl, OPT_CONFIG);

	if (path != NULL)
		return path;
	path = conf_default_path();
	if (getenv("AGENT_RUNNER_CONF") == NULL && access(path, F_OK) < 0 &&
	    errno == ENOENT)
		return NULL;
	return path;
}

int
ctl_need_conf(struct ctl *ctl)
{
	struct err err = ERR_INIT;

	if (ctl->conf != NULL)
		return CTL_OK;
	if (conf_load(conf_path(ctl), &ctl->conf, &err) < 0)
		return ctl_fail(CTL_CONFIG, "%s", err_text(&err));
	return CTL_OK;
}

int
ctl_need_conf_anyway(struct ctl *ctl)
{
	struct err err = ERR_INIT;
	int r;

	if (ctl->conf != NULL)
		return CTL_OK;
	r = conf_load_anyway(conf_path(ctl), &ctl->conf, &err);
	if (ctl->conf == NULL || r == -ENOENT)
		return ctl_fail(CTL_CONFIG, "%s", err_text(&err));
	if (r < 0) /* it may be why somebody looks */
		(void)ctl_fail(CTL_CONFIG,
		    "%s (the daemon does not use this; looking with what can be read)",
		    err_text(&err));
	return CTL_OK;
}

int
ctl_need_redis(struct ctl *ctl)
{
	struct redis_sync_options options = { .command_ms = COMMAND_MS };
	struct err err = ERR_INIT;
	int r = ctl_need_conf(ctl);

	if (r != CTL_OK || ctl->redis != NULL)
		return r;
	if (queue_setup_init(&ctl->queue, ctl->conf) < 0)
		return ctl_fail(CTL_FAILED, "no memory");
	ctl->has_queue = true;
	r = redis_target_from_conf(ctl->conf, &ctl->redis_target, &err);
	options.target = ctl->redis_target;
	if (r == 0)
		r = redis_sync_new(&options, &ctl->redis, &err);
	if (r < 0)
		return ctl_fail(CTL_CONFIG, "%s", err_text(&err));
	r = redis_sync_connect(ctl->redis, &err);
	if (r < 0 && strcmp(ctl->conf->redis.url, "embedded") == 0) {
		struct err away = err;

		(void)err_set(&err, r, "%s; it runs while agent-runnerd does",
		    err_text(&away));
	}
	return r < 0 ? ctl_fail_code(r, &err) : CTL_OK;
}

/* Opening SQLite makes its file, and made by root the daemon could not write to it. */
static int
check_database_file(const struct store *store, struct err *err)
{
	static const char kind[] = "sqlite ";
	const char *name = store_name(store);

	if (strncmp(name, kind, strlen(kind)) != 0 ||
	    access(name + strlen(kind), F_OK) == 0 || errno != ENOENT)
		return CTL_OK;
	(void)err_set(err, -ENOENT,
	    "%s: there is no database yet; agent-runnerd makes it at its first start",
	    name);
	return CTL_UNAVAILABLE;
}

int
ctl_open_store(struct ctl *ctl, struct err *err)
{
	CLEANUP(store_closep) struct store *store = NULL;
	struct store_options options = { 0 };
	int r = ctl_need_conf(ctl);

	if (r != CTL_OK || ctl->store != NULL)
		return r;
	options.max_inline_bytes = (size_t)ctl->conf->storage.max_inline_bytes;
	if (store_open(ctl->conf->database.url, ctl->conf->service.state_dir, &options,
		&store, err) < 0)
		return CTL_CONFIG;
	r = check_database_file(store, err);
	if (r == CTL_OK)
		ctl->store = TAKE_PTR(store);
	return r;
}

int
ctl_need_store(struct ctl *ctl)
{
	struct err err = ERR_INIT;
	int r = ctl_open_store(ctl, &err);

	return r != CTL_OK && err.code != 0 ? ctl_fail(r, "%s", err_text(&err)) : r;
}

int
ctl_queue(struct ctl *ctl, struct queue_command *c, struct redisReply **reply,
    struct queue_answer *answer)
{
	struct err err = ERR_INIT;
	int r = queue_run(ctl->redis, c, reply, answer, &err);

	return r < 0 ? ctl_fail_code(r, &err) : CTL_OK;
}

/* ---- files ---- */

int
ctl_read_file(const char *path, size_t max, struct buf *out, struct err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	CLEANUP(closep) int fd = is_stdin ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (!is_stdin && fd < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	do {
		char chunk[16384];

		n = read(is_stdin ? STDIN_FILENO : fd, chunk, sizeof(chunk));
		if (n < 0 && errno != EINTR)
			return err_set(err, -errno, "%s: %s", path, strerror(errno));
		if (n > 0)
			buf_add(out, chunk, (size_t)n);
		if (out->len > max)
			return err_set(err, -EFBIG, "%s: longer than %zu bytes",
			    is_stdin ? "standard input" : path, max);
	} while (n != 0);
	if (buf_status(out) < 0)
		return err_set(err, -ENOMEM, "%s: no memory", path);
	return 0;
}

/* All words of the command line joined by blanks, or standard input for "-". */
int
ctl_read_text(struct ctl *ctl, const char *word, struct buf *out)
{
	struct err err = ERR_INIT;
	bool is_stdin = strcmp(word, "-") == 0 && ctl->args.n_words == 1;

	if (is_stdin && ctl_read_file("-", TEXT_MAX, out, &err) < 0)
		return ctl_fail(CTL_USAGE, "%s", err_text(&err));
	if (is_stdin)
		return CTL_OK;
	for (size_t i = 0; i < ctl->args.n_words; i++) {
		if (i > 0)
			buf_addc(out, ' ');
		buf_adds(out, ctl->args.words[i]);
	}
	return buf_status(out) < 0 ? ctl_fail(CTL_FAILED, "no memory") : CTL_OK;
}
