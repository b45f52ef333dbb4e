/* SPDX-License-Identifier: MIT */
/*
 * options.c - the command line, from one table that also prints the help.
 *
 * Owns:   nothing.
 * Called: by main, once.
 * Fails:  with EXIT_STATUS_USAGE after saying what is wrong.
 */
#include "config.h"

#include "supervisor/options.h"

#include "common/cleanup.h"
#include "common/conf/conf.h"
#include "common/exit_status.h"

#include <getopt.h>

/* clang-format off */
static const struct {
	char letter;
	const char *name, *argument, *help;
} table[] = {
	{ 'c', "config", "FILE", "read this configuration" },
	{ 't', "test", NULL, "check the configuration, say what is wrong with it, and exit" },
	{ 'T', "dump-config", NULL, "print the effective configuration, secrets masked, and exit" },
	{ 'D', "daemon", NULL, "go to the background when ready; the error and its status otherwise" },
	{ 'p', "pid-file", "FILE", "locked pid file (default: run_dir/agent-runnerd.pid)" },
	{ 'v', "verbose", NULL, "log one level more; twice: also name system calls that are refused" },
	{ 'V', "version", NULL, "print the version and exit" },
	{ 'h', "help", NULL, "print this and exit" },
};
/* clang-format on */

void
options_help(FILE *to)
{
	(void)fprintf(to,
	    "usage: agent-runnerd [-c FILE] [-t | -T] [-D] [-p FILE] [-v] [-V]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		(void)fprintf(to, "  -%c, --%-12s %-5s %s\n", table[i].letter,
		    table[i].name, table[i].argument != NULL ? table[i].argument : "",
		    table[i].help);
	(void)fprintf(to, "\nSee agent-runnerd(8) and agent-runner.conf(5).\n");
}

static void
fill_getopt(struct option *longs, char *shorts)
{
	size_t k = 0;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		bool has_argument = table[i].argument != NULL;

		longs[i] = (struct option){ table[i].name,
			has_argument ? required_argument : no_argument, NULL,
			table[i].letter };
		shorts[k++] = table[i].letter;
		if (has_argument)
			shorts[k++] = ':';
	}
	longs[ARRAY_LEN(table)] = (struct option){ NULL, 0, NULL, 0 };
	shorts[k] = '\0';
}

static bool
take_command(struct options *o, enum command command)
{
	if (o->command != COMMAND_RUN && o->command != command) {
		(void)fprintf(stderr,
		    "agent-runnerd: of -t, -T, -V and -h one can be done at a time\n");
		return false;
	}
	o->command = command;
	return true;
}

static bool
take(struct options *o, int letter)
{
	switch (letter) {
	case 'c':
		o->conf_path = optarg;
		return true;
	case 't':
		return take_command(o, COMMAND_CHECK);
	case 'T':
		return take_command(o, COMMAND_DUMP);
	case 'D':
		o->is_daemon = true;
		return true;
	case 'p':
		o->pid_path = optarg;
		return true;
	case 'v':
		o->verbose++;
		return true;
	case 'V':
		return take_command(o, COMMAND_VERSION);
	case 'h':
		return take_command(o, COMMAND_HELP);
	default:
		return false;
	}
}

int
options_parse(int argc, char **argv, struct options *out)
{
	struct option longs[ARRAY_LEN(table) + 1];
	char shorts[2 * ARRAY_LEN(table) + 1];
	struct options o = { .conf_path = conf_default_path() };
	int letter;

	fill_getopt(longs, shorts);
	while ((letter = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (!take(&o, letter)) { /* getopt has said what is wrong */
			(void)fprintf(stderr, "Try 'agent-runnerd --help'.\n");
			return EXIT_STATUS_USAGE;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr,
		    "agent-runnerd: '%s' is no option\nTry 'agent-runnerd --help'.\n",
		    argv[optind]);
		return EXIT_STATUS_USAGE;
	}
	*out = o;
	return 0;
}
