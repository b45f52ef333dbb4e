/* SPDX-License-Identifier: MIT */
/*
 * signals.c - what each signal means to the daemon, in one table.
 *
 * Owns:   the signal descriptor.
 * Called: by the event loop.
 * Fails:  opening says why.
 */
#include "config.h"

#include "supervisor/signals.h"

#include "common/log.h"
#include "supervisor/reload.h"
#include "supervisor/stages.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

static struct event_source source = { .fd = -1 };

static void
reopen_logs(struct supervisor *s)
{
	struct err err = ERR_INIT;

	(void)s;
	if (log_reopen(&err) < 0)
		log_error("%s; the former file stays in use", err_text(&err));
	else
		log_info("logs reopened");
}

static struct child *
find_pid(struct supervisor *s, pid_t pid)
{
	struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		if (c->process.pid == pid)
			return c;
	return NULL;
}

void
signals_reap(struct supervisor *s)
{
	struct rusage used;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0) {
		struct child *c = find_pid(s, pid);

		if (c != NULL)
			child_exited(c, status, &used);
		else
			log_debug("orphan %ld ended", (long)pid);
	}
}

static const struct {
	int sig;
	void (*act)(struct supervisor *s);
} table[] = {
	{ SIGCHLD, signals_reap },
	{ SIGTERM, stages_drain },
	{ SIGINT, stages_drain },
	{ SIGQUIT, stages_quit },
	{ SIGHUP, reload_ask },
	{ SIGUSR1, reopen_logs },
};

static void
on_signal(void *supervisor, uint32_t what)
{
	struct signalfd_siginfo info;

	(void)what;
	if (read(source.fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].sig == (int)info.ssi_signo)
			table[i].act(supervisor);
}

int
signals_open(struct supervisor *s, struct err *err)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		sigaddset(&set, table[i].sig);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD,
	    SIG_DFL); /* an ignored one, inherited, would eat the ends */
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return err_set(err, -errno, "sigprocmask: %s", strerror(errno));
	source =
	    (struct event_source){ .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
		    .on_event = on_signal,
		    .arg = s };
	if (source.fd < 0)
		return err_set(err, -errno, "signalfd: %s", strerror(errno));
	r = events_add(s->events, &source);
	return r < 0 ? err_set(err, r, "signalfd: %s", strerror(-r)) : 0;
}

void
signals_close(struct supervisor *s)
{
	events_remove(s->events, &source);
	closep(&source.fd);
	source.fd = -1;
}
