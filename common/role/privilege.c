/* SPDX-License-Identifier: MIT */
/*
 * privilege.c - giving up identity, cores, and the chance to outlive the parent.
 *
 * Owns:   nothing.
 * Called: between fork and exec (sandbox_drop_identity), and at a role's start.
 * Fails:  closed, with the name of the step.
 */
#include "config.h"

#include "common/role/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static int
failed(struct err *err, const char *step)
{
	int code = errno;

	return err_set(err, -code, "sandbox: %s: %s", step, strerror(code));
}

static int
limit_core(struct err *err)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return failed(err, "RLIMIT_CORE");
	return 0;
}

int
sandbox_drop_identity(uid_t uid, gid_t gid, struct err *err)
{
	uid_t r, e, s;

	if (uid == (uid_t)-1)
		return limit_core(err);
	if (setgroups(1, &gid) < 0)
		return failed(err, "setgroups");
	if (setresgid(gid, gid, gid) < 0)
		return failed(err, "setresgid");
	if (setresuid(uid, uid, uid) < 0)
		return failed(err, "setresuid");
	/* A uid change that did not take is the classic way to stay root. */
	if (getresuid(&r, &e, &s) < 0 || r != uid || e != uid || s != uid ||
	    (uid != 0 && setuid(0) == 0))
		return err_set(err, -EPERM, "sandbox: the change of user did not take");
	return limit_core(err);
}

int
sandbox_harden(pid_t parent_pid, struct err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed(err, "PR_SET_NO_NEW_PRIVS");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return failed(err, "PR_SET_DUMPABLE");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return failed(err, "PR_SET_PDEATHSIG");
	if (getppid() != parent_pid)
		return err_set(err, -ESRCH, "sandbox: the parent is gone");
	return limit_core(err);
}
