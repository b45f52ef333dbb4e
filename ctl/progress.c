/* SPDX-License-Identifier: MIT */
/*
 * progress.c - a wheel on standard error while something is awaited.
 *
 * Owns:   the text that an interrupt prints, and the two signal handlers.
 * Called: by commands that wait.
 * Fails:  never.
 */
#include "config.h"

#include "ctl/ctl.h"
#include "ctl/width.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
	LINE_MAX_COLUMNS = 78
};

/* Read by the handler; complete before the handler is installed. */
static char interrupt_text[512];
static size_t interrupt_len;

static const char clear_line[] = "\r\033[K";

void
progress_show(const struct ctl *ctl, const char *text)
{
	static const char wheel[] = "|/-\\";
	static unsigned turn;
	CLEANUP_BUF struct buf line = BUF_INIT;

	if (!ctl->err_terminal)
		return;
	(void)text_put_cut(&line, text, strlen(text), LINE_MAX_COLUMNS);
	(void)fprintf(stderr, "%s%c %s", clear_line, wheel[turn++ % 4], buf_str(&line));
	(void)fflush(stderr);
}

void
progress_end(const struct ctl *ctl)
{
	if (ctl->err_terminal)
		(void)fputs(clear_line, stderr);
}

/* Tells where the result will be and dies by the same signal, as the shell expects. */
static void
on_interrupt(int sig)
{
	ssize_t n = write(STDERR_FILENO, interrupt_text, interrupt_len);

	(void)n;
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

void
progress_on_interrupt(const char *text)
{
	struct sigaction action = { .sa_handler = on_interrupt };

	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	if (text == NULL)
		return;
	(void)snprintf(interrupt_text, sizeof(interrupt_text), "%s%s",
	    isatty(STDERR_FILENO) == 1 ? clear_line : "", text);
	interrupt_len = strlen(interrupt_text);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}
