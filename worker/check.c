/* SPDX-License-Identifier: MIT */
/*
 * check.c - the check role: agents, users, and the arithmetic of the caps.
 *
 * Owns:   nothing beyond the call.
 * Called: by --role check, offline: no server is asked.
 * Fails:  with a sentence that names the option and the remedy.
 */
#include "config.h"

#include "worker/check.h"

#include "worker/agent/definitions.h"

#include <errno.h>
#include <pwd.h>
#include <sys/sysinfo.h>

static int
check_user(const char *option, const char *name, struct err *err)
{
	if (geteuid() != 0 || getpwnam(name) != NULL)
		return 0;
	return err_set(err, -ENOENT,
	    "%s: there is no user '%s'; create it (adduser --system --group --no-create-home "
	    "%s) or name another",
	    option, name, name);
}

static int64_t
compute_children(const struct conf *c)
{
	return c->limits.compute_children > 0 ? c->limits.compute_children
					      : (int64_t)get_nprocs();
}

/* What the limits add up to, against what the machine has. */
static void
check_sums(const struct conf *c, struct buf *notes)
{
	struct sysinfo si;
	int64_t compute_mb = compute_children(c) * c->limits.step_memory_mb;
	int64_t buffers_mb = c->service.workers * c->limits.worker_buffer_mb;
	int64_t have_mb;

	if (sysinfo(&si) < 0)
		return;
	have_mb = (int64_t)(si.totalram * si.mem_unit >> 20);
	if (compute_mb + buffers_mb > have_mb)
		buf_addf(notes,
		    "limits: %lld computations of %lld MiB and %lld workers with buffers of "
		    "%lld MiB may want %lld MiB, this machine has %lld\n",
		    (long long)compute_children(c), (long long)c->limits.step_memory_mb,
		    (long long)c->service.workers,
		    (long long)c->limits.worker_buffer_mb,
		    (long long)(compute_mb + buffers_mb), (long long)have_mb);
	if (c->limits.step_output_mb > c->limits.step_memory_mb)
		buf_addf(notes,
		    "limits.step_output_mb (%lld) is more than limits.step_memory_mb (%lld) "
		    "can hold\n",
		    (long long)c->limits.step_output_mb,
		    (long long)c->limits.step_memory_mb);
	if (c->network.max_body_bytes >> 20 > c->limits.worker_buffer_mb)
		buf_addf(notes,
		    "network.max_body_bytes (%lld) is more than limits.worker_buffer_mb (%lld "
		    "MiB)\n",
		    (long long)c->network.max_body_bytes,
		    (long long)c->limits.worker_buffer_mb);
}

int
check_conf(const struct conf *conf, struct buf *notes, struct err *err)
{
	CLEANUP(definitions_freep) struct definitions *agents = NULL;
	int r = definitions_new(conf, &agents, notes, err);

	if (r == 0)
		r = check_user("service.user", conf->service.user, err);
	if (r == 0)
		r = check_user("service.compute_user", conf->service.compute_user, err);
	if (r == 0)
		check_sums(conf, notes);
	return r;
}
