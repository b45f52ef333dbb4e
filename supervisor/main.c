/* SPDX-License-Identifier: MIT */
/*
 * main.c - agent-runnerd: reads its command line and configuration, and supervises.
 *
 * Owns:   the one struct supervisor.
 * Called: by init, systemd, a shell, or as PID 1 of a container.
 * Fails:  before the first child with a sentence on standard error and a status that
 *         exit_status.h names; later by stages_fail.
 */
#include "config.h"

#include "supervisor/supervisor.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/fault_point.h"
#include "common/log.h"
#include "supervisor/check.h"
#include "supervisor/control_server.h"
#include "supervisor/daemonize.h"
#include "supervisor/notify.h"
#include "supervisor/pidfile.h"
#include "supervisor/places.h"
#include "supervisor/signals.h"
#include "supervisor/stages.h"
#include "supervisor/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static struct supervisor the_supervisor = { .listen_fd = -1,
	.pid_fd = -1,
	.state_fd = -1,
	.ready_fd = -1 };

/* Nobody of our user may look at the secrets. */
static void
keep_secrets(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Standard descriptors that are closed would become sockets that children write to. */
static void
open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	closep(&fd);
}

static int
dump(const struct conf *conf, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	conf_write_masked(&text, conf);
	(void)fputs(buf_str(&text), stdout);
	return fflush(stdout) == 0 ? 0 : err_set(err, -errno, "%s", strerror(errno));
}

/* -t and -T end soon: they read the file themselves. */
static int
load_here(struct supervisor *s, struct err *err)
{
	CLEANUP(conf_freep) struct conf *conf = NULL;
	int r = conf_load(s->options.conf_path, &conf, err);

	if (r < 0)
		return r;
	if (s->options.command == COMMAND_DUMP)
		return dump(conf, err);
	return generation_new(&conf, ++s->last_generation, &s->now, err);
}

static int
load(struct supervisor *s, struct err *err)
{
	int r;

	vault_hide_environment();
	r = s->options.command != COMMAND_RUN
	    ? load_here(s, err)
	    : generation_load(s->options.conf_path, ++s->last_generation, &s->now, err);
	if (r == 0 && s->now != NULL)
		TAILQ_INSERT_TAIL(&s->generations, s->now, link);
	return r;
}

static const char *
pid_path(const struct supervisor *s)
{
	static char path[PATH_MAX];

	if (s->options.pid_path != NULL)
		return s->options.pid_path;
	(void)snprintf(path, sizeof(path), "%s/agent-runnerd.pid",
	    s->now->conf->service.run_dir);
	return path;
}

static int
open_http(struct supervisor *s, struct err *err)
{
	if (s->now->conf->http.listen[0] == '\0')
		return 0;
	s->listen_fd = places_listen(s->now->conf->http.listen, err);
	return s->listen_fd < 0 ? s->listen_fd : 0;
}

/* Processes are held by pidfds, and get none of our descriptors: without these calls no
   child would start, one after the other, for ever. */
static int
kernel_is_fit(struct err *err)
{
	CLEANUP(closep) int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0)
		return err_set(err, -errno,
		    "this kernel has no pidfd_open (%s); Linux 5.9 or later is needed",
		    strerror(errno));
	if (syscall(SYS_close_range, ~0u, ~0u, 0) < 0)
		return err_set(err, -errno,
		    "this kernel has no close_range (%s); Linux 5.9 or later is needed",
		    strerror(errno));
	return 0;
}

/* What must be right before anything runs; the order is the order of complaints. */
static int
prepare(struct supervisor *s, struct err *err)
{
	int r = kernel_is_fit(err);

	if (r == 0)
		r = places_identity(s->now->conf, &s->identity, err);
	if (r == 0)
		r = places_look(s->now->conf, &s->identity, err);
	if (r == 0)
		r = places_prepare(s->now->conf, &s->identity, err);
	if (r == 0)
		r = spawn_open_programs(&s->programs, ~0u, err);
	if (r == 0)
		r = supervisor_open_log(s, err);
	return r;
}

/* After the last fork: the pid, the locks and the sockets are this process'. */
static int
settle(struct supervisor *s, struct err *err)
{
	int r;

	s->pid_fd = pidfile_take(pid_path(s), err);
	if (s->pid_fd < 0)
		return s->pid_fd;
	s->state_fd = places_lock(s->now->conf, err);
	if (s->state_fd < 0)
		return s->state_fd;
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	r = signals_open(s, err);
	if (r == 0)
		r = live_set_begin(s, err);
	if (r == 0)
		r = open_http(s, err);
	if (r == 0)
		r = control_server_open(s, err);
	return r;
}

static void
say_hello(const struct supervisor *s)
{
	const struct conf *c = s->now->conf;

	generation_warn(s->now);
	log_info("agent-runnerd %s, node %s, boot %s, configuration %s",
	    PACKAGE_VERSION, c->service.node, s->boot, s->options.conf_path);
	if (!s->identity.is_root)
		log_warning("started without root: every process runs as user %ld",
		    (long)geteuid());
	if (s->options.is_daemon && strcmp(c->service.log.target, "stderr") == 0)
		log_info("service.log.target is stderr: in the background the log goes "
			 "to syslog");
}

static int
supervise(struct supervisor *s)
{
	s->notify_every_ms = notify_watchdog_ms();
	say_hello(s);
	stages_begin(s);
	while (s->phase != PHASE_OVER)
		supervisor_turn(s);
	log_info("stopped");
	return s->exit_status;
}

static void
tidy(struct supervisor *s)
{
	control_server_close(s->control);
	s->control = NULL;
	signals_close(s);
	closep(&s->listen_fd);
	closep(&s->state_fd);
	if (s->now != NULL && s->pid_fd >= 0)
		pidfile_drop(pid_path(s), s->pid_fd);
	supervisor_release(s);
}

/* Several findings are several lines. */
static void
say_lines(const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		(void)fprintf(stderr, "agent-runnerd: %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static void
complain(struct supervisor *s, int status, const char *text)
{
	if (s->ready_fd >= 0)
		daemonize_report(&s->ready_fd, status, text);
	else
		say_lines(text);
}

static int
run(struct supervisor *s)
{
	struct err err = ERR_INIT;
	int r = prepare(s, &err), status = EXIT_STATUS_CONFIG;

	if (r == 0) {
		status = EXIT_STATUS_FAILURE;
		s->started_ms = clock_mono_ms();
		s->started_at_ms = s->reload.at_ms = clock_wall_ms();
		r = FAULT_POINTS_OPEN(&err);
	}
	if (r == 0) {
		r = settle(s, &err);
	}
	if (r == 0)
		return supervise(s);
	complain(s, status, err_text(&err));
	return status;
}

/* The daemon's working directory is /: a reload must find the same file. Links are not
   resolved, since they may be made to point elsewhere meanwhile. */
static const char *
absolute(const char *path, char out[PATH_MAX])
{
	char here[PATH_MAX / 2];

	if (path == NULL || path[0] == '/' || getcwd(here, sizeof(here)) == NULL)
		return path;
	(void)snprintf(out, PATH_MAX, "%s/%.*s", here, PATH_MAX / 2 - 2, path);
	return out;
}

static void
make_absolute(struct supervisor *s)
{
	static char conf[PATH_MAX], pid[PATH_MAX];

	s->options.conf_path = absolute(s->options.conf_path, conf);
	s->options.pid_path = absolute(s->options.pid_path, pid);
}

static int
obey(struct supervisor *s)
{
	struct err err = ERR_INIT;

	if (s->options.command == COMMAND_VERSION) {
		(void)printf("agent-runnerd %s%s\n", PACKAGE_VERSION,
		    FAULT_POINTS_NOTE);
		return EXIT_STATUS_OK;
	}
	if (s->options.command == COMMAND_HELP) {
		options_help(stdout);
		return EXIT_STATUS_OK;
	}
	if (s->options.command == COMMAND_RUN)
		make_absolute(s);
	/* First of all, since the secrets' region does not survive a fork. */
	if (s->options.command == COMMAND_RUN && s->options.is_daemon &&
	    daemonize(&s->ready_fd, &err) < 0) {
		complain(s, EXIT_STATUS_FAILURE, err_text(&err));
		return EXIT_STATUS_FAILURE;
	}
	if (s->options.command == COMMAND_CHECK)
		check_begin();
	if (load(s, &err) < 0) {
		if (!check_has_spoken())
			complain(s, EXIT_STATUS_CONFIG, err_text(&err));
		return EXIT_STATUS_CONFIG;
	}
	if (s->options.command == COMMAND_DUMP)
		return EXIT_STATUS_OK;
	s->events = events_new();
	if (s->events == NULL) {
		complain(s, EXIT_STATUS_FAILURE, strerror(errno));
		return EXIT_STATUS_FAILURE;
	}
	if (s->options.command == COMMAND_RUN)
		return run(s);
	if (signals_open(s, &err) < 0) {
		complain(s, EXIT_STATUS_FAILURE, err_text(&err));
		return EXIT_STATUS_FAILURE;
	}
	return check_configuration(s);
}

int
main(int argc, char **argv)
{
	struct supervisor *s = &the_supervisor;
	int status;

	open_standard_descriptors();
	keep_secrets();
	(void)umask(027);
	TAILQ_INIT(&s->children);
	TAILQ_INIT(&s->generations);
	for (int role = 0; role < ROLE_COUNT; role++)
		s->programs.fd[role] = -1;
	status = options_parse(argc, argv, &s->options);
	if (status == 0)
		status = obey(s);
	tidy(s);
	if (s->ready_fd >= 0) /* never was ready; now nothing of it is left */
		daemonize_report(&s->ready_fd,
		    status != EXIT_STATUS_OK ? status : EXIT_STATUS_FAILURE,
		    s->complaint[0] != '\0' ? s->complaint
					    : "stopped before it was ready");
	return status;
}
