/* SPDX-License-Identifier: MIT */
/*
 * job_refs.c - the owner rule on references.
 *
 * Owns:   nothing.
 * Called: before anything that a reference names is read, and before a remembered result
 *         is given out that was made of it.
 * Fails:  as store_get_by_ref; -EACCES for what belongs to somebody else.
 */
#include "config.h"

#include "worker/job_refs.h"

#include "worker/agent/session.h"

#include <errno.h>
#include <string.h>

static bool
may_read(const struct job *j, const char *ref, const struct store_result *row)
{
	return strcmp(row->owner, j->msg.owner) == 0 ||
	    job_message_names_ref(&j->msg, ref) || session_names_ref(j->session, ref);
}

int
job_ref_check(struct job *j, const char *ref, struct store_result *row, struct err *err)
{
	int r = store_client_get_by_ref(j->worker, ref, j->msg.owner, 0, row,
	    j->deadline_ms, err);

	if (r == -EINVAL)
		return err_set(err, -ENOENT, "not a reference");
	if (r < 0)
		return r;
	return may_read(j, ref, row) ? 0
				     : err_set(err, -EACCES, "the owner is another");
}
