/* SPDX-License-Identifier: MIT */
/*
 * help.c - help texts and the completion script, written from the command table.
 *
 * Owns:   nothing.
 * Called: by main.c and the commands help and completion.
 * Fails:  through the buffer only.
 */
#include "config.h"

#include "ctl/command.h"

#include "ctl/status.h"

#include <string.h>

enum {
	NAME_COLUMN = 26
};

static const struct {
	int value;
	const char *meaning;
} statuses[] = {
#define X(name, value, meaning) { value, meaning },
	CTL_STATUSES(X)
#undef X
};

static void
put_line(struct buf *out, const char *left, const char *right)
{
	buf_addf(out, "  %-*s  %s\n", NAME_COLUMN, left, right);
}

static void
put_options(struct buf *out, const struct ctl_option *o)
{
	for (; o->name != NULL; o++) {
		char left[64];

		if (o->is_hidden)
			continue;
		(void)snprintf(left, sizeof(left), "%s%c%s--%s%s%s",
		    o->letter != 0 ? "-" : " ", o->letter != 0 ? o->letter : ' ',
		    o->letter != 0 ? ", " : "  ", o->name,
		    o->value_name != NULL ? " " : "",
		    o->value_name != NULL ? o->value_name : "");
		put_line(out, left, o->help);
	}
}

void
ctl_help_overview(struct buf *out)
{
	size_t n;
	const struct command *c = ctl_commands(&n);

	buf_adds(out,
	    "Usage: agentctl [OPTION]... COMMAND [ARGUMENT]...\n\n"
	    "Submits work to agent-runner and looks after it.\n\nCommands:\n");
	for (size_t i = 0; i < n; i++) {
		char left[64];

		if (c[i].is_hidden)
			continue;
		(void)snprintf(left, sizeof(left), "%s %s", c[i].name, c[i].arguments);
		put_line(out, left, c[i].help);
	}
	buf_adds(out, "\nOptions for all commands:\n");
	put_options(out, ctl_global_options());
	buf_adds(out, "\nExit status:\n");
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		buf_addf(out, "  %2d  %s\n", statuses[i].value, statuses[i].meaning);
	buf_adds(out, "\n'agentctl COMMAND --help' tells more; so does agentctl(1).\n");
}

void
ctl_help_command(struct buf *out, const struct command *c)
{
	bool has_options = c->options->name != NULL && !c->options->is_hidden;

	buf_addf(out, "Usage: agentctl %s%s%s%s\n\n", c->name,
	    has_options ? " [OPTION]..." : "", c->arguments[0] != '\0' ? " " : "",
	    c->arguments);
	buf_addf(out, "%c%s.\n", c->help[0] - ('a' - 'A'), c->help + 1);
	if (c->more != NULL)
		buf_addf(out, "\n%s\n", c->more);
	if (has_options) {
		buf_adds(out, "\nOptions:\n");
		put_options(out, c->options);
	}
	buf_adds(out, "\nOptions for all commands:\n");
	put_options(out, ctl_global_options());
}

void
ctl_help_names(struct buf *out)
{
	size_t n;
	const struct command *c = ctl_commands(&n);

	for (const struct ctl_option *o = ctl_global_options(); o->name != NULL; o++)
		buf_addf(out, "global --%s\n", o->name);
	for (size_t i = 0; i < n; i++) {
		if (c[i].is_hidden)
			continue;
		buf_addf(out, "command %s\n", c[i].name);
		for (const struct ctl_option *o = c[i].options; o->name != NULL; o++)
			if (!o->is_hidden)
				buf_addf(out, "option %s --%s\n", c[i].name, o->name);
	}
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		buf_addf(out, "status %d\n", statuses[i].value);
}

/* ---- completion ---- */

static bool
is_same_first_word(const char *a, const char *b)
{
	size_t n = strcspn(a, " ");

	return n == strcspn(b, " ") && strncmp(a, b, n) == 0;
}

/* Is that row the first one shown with its first word? */
static bool
opens_group(const struct command *c, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!c[k].is_hidden && is_same_first_word(c[k].name, c[i].name))
			return false;
	return !c[i].is_hidden;
}

static void
put_first_words(struct buf *out)
{
	size_t n;
	const struct command *c = ctl_commands(&n);

	for (size_t i = 0; i < n; i++)
		if (opens_group(c, i))
			buf_addf(out, "%.*s ", (int)strcspn(c[i].name, " "), c[i].name);
}

/* The words that may follow that first one; how many. */
static size_t
put_second_words(struct buf *out, const char *first)
{
	size_t n, count = 0;
	const struct command *c = ctl_commands(&n);

	for (size_t i = 0; i < n; i++) {
		const char *blank = strchr(c[i].name, ' ');

		if (c[i].is_hidden || blank == NULL ||
		    !is_same_first_word(first, c[i].name))
			continue;
		buf_addf(out, "%s ", blank + 1);
		count++;
	}
	return count;
}

static void
put_option_words(struct buf *out, const struct ctl_option *o, bool only_files)
{
	for (; o->name != NULL; o++) {
		if (o->is_hidden || (only_files && o->value != VALUE_FILE))
			continue;
		buf_addf(out, "%s--%s", only_files ? "|" : " ", o->name);
		if (only_files && o->letter != 0)
			buf_addf(out, "|-%c", o->letter);
	}
}

/* 'dead') words="list show ..." for each word that others follow */
static void
put_groups(struct buf *out)
{
	size_t n;
	const struct command *c = ctl_commands(&n);

	for (size_t i = 0; i < n; i++) {
		CLEANUP_BUF struct buf second = BUF_INIT;

		if (!opens_group(c, i) || put_second_words(&second, c[i].name) == 0)
			continue;
		buf_addf(out, "\t'%.*s') has_files=no words=\"%s",
		    (int)strcspn(c[i].name, " "), c[i].name, buf_str(&second));
		put_option_words(out, ctl_global_options(), false);
		buf_adds(out, "\" ;;\n");
	}
}

static void
put_options_of_all(struct buf *out)
{
	size_t n;
	const struct command *c = ctl_commands(&n);

	for (size_t i = 0; i < n; i++) {
		if (c[i].is_hidden)
			continue;
		buf_addf(out, "\t'%s'*) words=\"", c[i].name);
		put_option_words(out, c[i].options, false);
		put_option_words(out, ctl_global_options(), false);
		buf_adds(out, "\" ;;\n");
	}
}

void
ctl_help_completion(struct buf *out)
{
	size_t n;
	const struct command *c = ctl_commands(&n);

	buf_adds(out,
	    "# bash completion for agentctl; made by 'agentctl completion bash'\n"
	    "_agentctl()\n{\n"
	    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	    "\tlocal line words i has_files=yes\n"
	    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	    "\t\tcase ${COMP_WORDS[i]} in\n"
	    "\t\t-c|--config) ((i++)) ;;\n"
	    "\t\t-*) ;;\n"
	    "\t\t*) line+=\"${line:+ }${COMP_WORDS[i]}\" ;;\n"
	    "\t\tesac\n\tdone\n"
	    "\tcase $prev in\n\t-c");
	put_option_words(out, ctl_global_options(), true);
	for (size_t i = 0; i < n; i++)
		put_option_words(out, c[i].options, true);
	buf_adds(out,
	    ") COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n\tesac\n"
	    "\tcase $line in\n\t'') has_files=no words=\"");
	put_first_words(out);
	put_option_words(out, ctl_global_options(), false);
	buf_adds(out, "\" ;;\n\t'completion') has_files=no words=\"bash\" ;;\n");
	put_groups(out);
	buf_adds(out, "\t'help') has_files=no words=\"");
	put_first_words(out);
	buf_adds(out, "\" ;;\n");
	put_options_of_all(out);
	buf_adds(out,
	    "\tesac\n"
	    "\tif [[ $cur == -* || $has_files == no ]]; then\n"
	    "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	    "\telse\n"
	    "\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
	    "\tfi\n}\ncomplete -F _agentctl agentctl\n");
}
