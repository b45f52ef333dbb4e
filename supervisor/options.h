/* SPDX-License-Identifier: MIT */
/* options.h - the daemon's command line. */
#ifndef SUPERVISOR_OPTIONS_H
#define SUPERVISOR_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

enum command {
	COMMAND_RUN,
	COMMAND_CHECK,
	COMMAND_DUMP,
	COMMAND_VERSION,
	COMMAND_HELP
};

struct options {
	enum command command;
	const char *conf_path; /* never NULL */
	const char *pid_path;  /* NULL: {run_dir}/agent-runnerd.pid */
	bool is_daemon;
	unsigned verbose;
};

/* 0, or EXIT_STATUS_USAGE after a sentence on standard error. Strings point into
   argv. */
int options_parse(int argc, char **argv, struct options *out);
void options_help(FILE *to);

#endif
