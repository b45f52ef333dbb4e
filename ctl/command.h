/* SPDX-License-Identifier: MIT */
/*
 * command.h - agentctl's commands and options, as tables.
 *
 * Parser, help, completion and the manual page's test come from these tables. A command
 * of two words ("dead list") is one row.
 */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctl;

/* Every option by which a command asks for its value. */
enum ctl_option_id {
	OPT_CONFIG,
	OPT_JSON,
	OPT_HELP,
	OPT_VERSION,
	OPT_AGENT,
	OPT_OWNER,
	OPT_SESSION,
	OPT_TIMEOUT,
	OPT_WAIT,
	OPT_AWAIT,
	OPT_OUTPUT_SCHEMA,
	OPT_JOB_ID,
	OPT_WORKFLOW,
	OPT_FIELD,
	OPT_RAW,
	OPT_OUTPUT,
	OPT_INPUT,
	OPT_REPAIR,
	OPT_ALL,
	OPT_OLDER,
	OPT_STATUS,
	OPT_DRY_RUN,
	OPT_YES,
	OPT_ALL_NAMES,
	OPT_UNDO,
	OPT_COUNT
};

enum ctl_value {
	VALUE_NONE, /* a flag */
	VALUE_TEXT,
	VALUE_FILE,
	VALUE_SECONDS, /* 0 to 1,000,000,000 */
	VALUE_AGE      /* 30d, 12h, 45m, 10s */
};

struct ctl_option {
	enum ctl_option_id id;
	const char *name; /* without the dashes; NULL ends a list */
	char letter;      /* 0: none */
	enum ctl_value value;
	const char *value_name; /* "FILE"; NULL for flags */
	const char *help;
	bool is_hidden;
};

enum {
	CTL_FIELDS_MAX = 64,
	CTL_WORDS_MAX = 64
};

struct command {
	const char *name;
	const char *arguments; /* as in the usage line; "" for none */
	unsigned least, most;  /* number of arguments */
	const struct ctl_option *options;
	int (*run)(struct ctl *ctl); /* returns an enum ctl_status */
	const char *help;            /* one line */
	const char *more;            /* paragraphs for --help, or NULL */
	bool is_hidden;
};

/* Both in the order in which help shows them. */
const struct command *ctl_commands(size_t *n);
const struct ctl_option *ctl_global_options(void);

/* What was given; texts point into argv. */
struct ctl_args {
	const struct command *command; /* NULL: none was named */
	const char *value[OPT_COUNT];  /* "" for a flag that is set; NULL: not given */
	const char *fields[CTL_FIELDS_MAX];
	size_t n_fields;
	const char *words[CTL_WORDS_MAX]; /* the command's arguments */
	size_t n_words;
};

/*
 * Reads the command line. Options may stand anywhere, "--" ends them. Returns 0, or
 * -EINVAL with a sentence for the user. With --help or --version given nothing else is
 * judged.
 */
int ctl_args_parse(struct ctl_args *a, int argc, char **argv, struct err *err);

/* A number of seconds that was checked when it was read, or the default. */
int64_t ctl_args_seconds(const struct ctl_args *a, enum ctl_option_id id,
    int64_t absent);
/* Milliseconds of an age that was checked when it was read; 0 when it is absent. */
uint64_t ctl_args_age_ms(const struct ctl_args *a, enum ctl_option_id id);

/* The command whose name is nearest to the word, or NULL when none is near. */
const char *ctl_suggest(const char *word);

/* ---- help.c ---- */
void ctl_help_overview(struct buf *out);
void ctl_help_command(struct buf *out, const struct command *c);
/* One fact a line for the manual page's test: "command NAME", "option NAME --opt",
   "global --opt", "status N". */
void ctl_help_names(struct buf *out);
/* A bash completion script. */
void ctl_help_completion(struct buf *out);

#endif
