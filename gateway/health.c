/* SPDX-License-Identifier: MIT */
/*
 * health.c - one look at the service, for probes.
 *
 * Owns:   nothing.
 * Called: by the HTTP server for /health.
 * Fails:  never; what is not known is a reason not to be ready.
 */
#include "config.h"

#include "gateway/health.h"

#include "common/conf/targets.h"
#include "common/json/json.h"

#include <string.h>

enum {
	REASONS_MAX = 16
};

struct reasons {
	const char *text[REASONS_MAX];
	size_t n;
	char paused[96];
	char resting[160];
};

/* The slots of the present generation, whether their processes are up or just being
   renewed: what a caller may count on. */
static unsigned
worker_slots(const struct control_status *status)
{
	unsigned n = 0;

	for (uint32_t i = 0; status != NULL && i < status->n_children; i++)
		if (status->children[i].role == ROLE_WORKER &&
		    status->children[i].generation == status->generation &&
		    status->children[i].state != CHILD_EMPTY &&
		    status->children[i].state != CHILD_BROKEN &&
		    status->children[i].state != CHILD_GONE)
			n++;
	return n;
}

unsigned
health_live_workers(const struct control_status *status)
{
	unsigned n = 0;

	for (uint32_t i = 0; status != NULL && i < status->n_children; i++)
		if (status->children[i].role == ROLE_WORKER &&
		    status->children[i].state == CHILD_LIVE &&
		    status->children[i].is_alive != 0)
			n++;
	return n;
}

static void
add(struct reasons *r, const char *text)
{
	if (r->n < REASONS_MAX)
		r->text[r->n++] = text;
}

static bool
is_live(const struct control_status *status, enum role role)
{
	for (uint32_t i = 0; i < status->n_children; i++)
		if (status->children[i].role == role &&
		    status->children[i].state == CHILD_LIVE &&
		    status->children[i].is_alive != 0)
			return true;
	return false;
}

/* Without one of these no job gets through. */
static const struct {
	enum role role;
	const char *reason;
} needed[] = {
	{ ROLE_WORKER, "no worker is live" },
	{ ROLE_SCHEDULER, "the scheduler is not live" },
	{ ROLE_FETCH, "the fetch process is not live" },
	{ ROLE_COMPUTE, "the compute process is not live" },
};

static uint64_t
gauge(const struct control_metrics *metrics, enum metric m)
{
	return metrics->cells[metric_info(m)->first_cell];
}

/* One agent is named; that others rest, too, follows when they share its providers. */
static void
look_at_agents(struct reasons *r, const struct health_facts *facts)
{
	const struct conf *c = facts->conf;
	const uint64_t *breakers =
	    &facts->metrics->cells[metric_info(METRIC_LLM_BREAKER)->first_cell];
	size_t n = 0;

	for (size_t i = 0; c != NULL && i < c->n_agents; i++) {
		if (!conf_agent_rests(c, &c->agents[i], breakers))
			continue;
		if (n++ == 0)
			(void)snprintf(r->resting, sizeof(r->resting),
			    "no provider of agent %s can be asked", c->agents[i].name);
	}
	if (n > 0)
		add(r, r->resting);
}

static void
collect(struct reasons *r, const struct health_facts *facts)
{
	const struct control_status *status = facts->status;

	if (facts->redis_away != NULL)
		add(r, facts->redis_away);
	if (facts->queue_paused != NULL)
		add(r, facts->queue_paused);
	if (status == NULL) {
		add(r, "the supervisor does not answer");
		return;
	}
	if (status->is_draining)
		add(r, "the daemon is stopping");
	if (status->is_starting) /* as -D and READY=1 mean it */
		add(r, "the daemon is starting");
	if (status->paused_ms > 0) {
		(void)snprintf(r->paused, sizeof(r->paused),
		    "job after job takes its worker down; no jobs are taken for %llu s",
		    (unsigned long long)(status->paused_ms + 999) / 1000);
		add(r, r->paused);
	}
	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (!is_live(status, needed[i].role))
			add(r, needed[i].reason);
	if (facts->metrics != NULL && health_live_workers(status) > 0 &&
	    gauge(facts->metrics, METRIC_STORE_UP) == 0)
		add(r, "no worker reaches the result store");
	if (facts->metrics != NULL)
		look_at_agents(r, facts);
	if (facts->metrics != NULL && gauge(facts->metrics, METRIC_REDIS_MAY_EVICT) > 0)
		add(r,
		    "redis may throw jobs away: its maxmemory-policy is not noeviction");
}

static void
write_common(struct json_writer *w, const struct health_facts *facts)
{
	jw_key(w, "workers");
	jw_uint(w, worker_slots(facts->status));
	jw_key(w, "version");
	jw_cstr(w, PACKAGE_VERSION);
	if (facts->status == NULL || facts->status->degraded[0] == '\0')
		return;
	jw_key(w, "degraded");
	jw_cstr(w, facts->status->degraded);
}

void
health_write(struct buf *out, const struct health_facts *facts)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "status");
	jw_cstr(&w, "ok");
	write_common(&w, facts);
	jw_object_end(&w);
}

bool
health_each_reason(const struct health_facts *facts,
    void (*tell)(void *arg, const char *reason), void *arg)
{
	struct reasons reasons = { .n = 0 };

	collect(&reasons, facts);
	for (size_t i = 0; i < reasons.n; i++)
		tell(arg, reasons.text[i]);
	return reasons.n == 0;
}

bool
health_write_ready(struct buf *out, const struct health_facts *facts)
{
	struct reasons reasons = { .n = 0 };
	struct json_writer w;

	collect(&reasons, facts);
	if (reasons.n == 0) {
		health_write(out, facts);
		return true;
	}
	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "status");
	jw_cstr(&w, "unready");
	jw_key(&w, "reasons");
	jw_array_begin(&w);
	for (size_t i = 0; i < reasons.n; i++)
		jw_cstr(&w, reasons.text[i]);
	jw_array_end(&w);
	write_common(&w, facts);
	jw_object_end(&w);
	return false;
}
