/* SPDX-License-Identifier: MIT */
/*
 * meta.c - agentctl help and completion: the program about itself.
 *
 * Owns:   nothing.
 * Called: by main.c.
 * Fails:  for unknown names only.
 */
#include "config.h"

#include "ctl/ctl.h"

#include <string.h>

/* "dead --help": all commands of that first word, one after the other. */
static int
show_family(const char *word)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	size_t n, len = strlen(word);
	const struct command *c = ctl_commands(&n);

	for (size_t i = 0; i < n; i++) {
		if (strncmp(c[i].name, word, len) != 0 ||
		    (c[i].name[len] != ' ' && c[i].name[len] != '\0'))
			continue;
		if (out.len > 0)
			buf_adds(&out, "\n\n");
		ctl_help_command(&out, &c[i]);
	}
	if (out.len == 0) {
		const char *near = ctl_suggest(word);

		return ctl_fail(CTL_USAGE, "there is no command '%s'%s%s%s", word,
		    near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		    near != NULL ? "'?" : "");
	}
	return ctl_put(&out);
}

int
ctl_show_help(const struct ctl_args *a)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	if (a->command == NULL && a->n_words > 0)
		return show_family(a->words[0]);
	if (a->command != NULL)
		ctl_help_command(&out, a->command);
	else
		ctl_help_overview(&out);
	return ctl_put(&out);
}

int
ctl_help(struct ctl *ctl)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	char word[64];

	if (ctl_has(ctl, OPT_ALL_NAMES)) {
		ctl_help_names(&out);
		return ctl_put(&out);
	}
	if (ctl->args.n_words == 0) {
		ctl_help_overview(&out);
		return ctl_put(&out);
	}
	(void)snprintf(word, sizeof(word), "%s%s%s", ctl->args.words[0],
	    ctl->args.n_words > 1 ? " " : "",
	    ctl->args.n_words > 1 ? ctl->args.words[1] : "");
	return show_family(word);
}

int
ctl_completion(struct ctl *ctl)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	if (strcmp(ctl->args.words[0], "bash") != 0)
		return ctl_fail(CTL_USAGE,
		    "there is a completion script for bash only");
	ctl_help_completion(&out);
	return ctl_put(&out);
}
