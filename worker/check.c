/* SPDX-License-Identifier: MIT */
/*
 * check.c - the check role: agents, the network's rules, and the arithmetic of the
 * caps.
 *
 * Owns:   nothing beyond the call.
 * Called: by --role check, offline: no server is asked.
 * Fails:  with a sentence that names the option and the remedy.
 */
#include "config.h"

#include "worker/check.h"

#include "common/net/addr_guard.h"
#include "common/queue/redis_target.h"
#include "worker/agent/definitions.h"

#include <string.h>
#include <sys/sysinfo.h>

/* The rules as fetch will take them. */
static int
check_network(const struct conf *c, struct err *err)
{
	const struct addr_guard_rules rules = { .domains = c->network.allow_domains.v,
		.n_domains = c->network.allow_domains.n,
		.private_entries = c->network.allow_private.v,
		.n_private = c->network.allow_private.n,
		.ports = c->network.allow_ports.v,
		.n_ports = c->network.allow_ports.n };
	struct addr_guard *guard = NULL;
	struct err why = ERR_INIT;
	char key[64];
	int r = addr_guard_new(&rules, &guard, &why);

	addr_guard_free(guard);
	if (r == 0)
		return 0;
	(void)snprintf(key, sizeof(key), "%.*s", (int)strcspn(err_text(&why), ":"),
	    err_text(&why)); /* it begins with the option */
	return conf_finding_at(c, err, r, key, "%s", err_text(&why));
}

int
check_redis(const struct conf *c, struct err *err)
{
	CLEANUP(redis_target_freep) struct redis_target *target = NULL;
	struct err why = ERR_INIT;
	char key[64];
	int r = redis_target_from_conf(c, &target, &why);

	if (r == 0)
		return 0;
	(void)snprintf(key, sizeof(key), "%.*s", (int)strcspn(err_text(&why), ":"),
	    err_text(&why)); /* it begins with the option */
	return conf_finding_at(c, err, r, key, "%s", err_text(&why));
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
	int agents_r = definitions_new(conf, &agents, notes, err);
	int network_r = check_network(conf, err);

	check_sums(conf, notes);
	return agents_r < 0 ? agents_r : network_r;
}
