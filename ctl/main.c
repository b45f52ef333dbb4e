/* SPDX-License-Identifier: MIT */
/*
 * main.c - agentctl: reads the command line and runs one command.
 *
 * Owns:   the struct ctl of this run.
 * Called: by people and scripts.
 * Fails:  with a sentence on standard error and a status of ctl/status.h.
 */
#include "config.h"

#include "ctl/ctl.h"

#include <signal.h>

static int
show_version(void)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	buf_adds(&out, "agentctl " PACKAGE_VERSION "\n");
	return ctl_put(&out);
}

int
main(int argc, char **argv)
{
	struct ctl ctl;
	struct err err = ERR_INIT;
	int status;

	(void)signal(SIGPIPE, SIG_IGN);
	ctl_init(&ctl);
	if (ctl.arena == NULL)
		return ctl_fail(CTL_FAILED, "no memory");
	if (ctl_args_parse(&ctl.args, argc, argv, &err) < 0)
		status = ctl_fail(CTL_USAGE, "%s", err_text(&err));
	else if (ctl_has(&ctl, OPT_HELP))
		status = ctl_show_help(&ctl.args);
	else if (ctl_has(&ctl, OPT_VERSION))
		status = show_version();
	else {
		ctl.is_json = ctl_has(&ctl, OPT_JSON);
		status = ctl.args.command->run(&ctl);
	}
	ctl_release(&ctl);
	return status;
}
