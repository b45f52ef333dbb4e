/* SPDX-License-Identifier: MIT */
/*
 * hub.c - adds up the metric pages of all children, so that a restart loses no count.
 *
 * Owns:   the totals in struct supervisor.
 * Called: at each death, and for the control socket.
 * Fails:  never. A page holds numbers only; a child that lies there lies about itself.
 */
#include "config.h"

#include "supervisor/hub.h"

#include "supervisor/supervisor.h"

#include <string.h>
#include <sys/wait.h>

void
hub_take_over(struct supervisor *s, const struct child *c, int wait_status,
    bool is_restart)
{
	unsigned sig = WIFSIGNALED(wait_status) ? (unsigned)WTERMSIG(wait_status) : 0;

	if (c->process.slots != NULL)
		metrics_sum(s->totals.cells, &c->process.slots->metrics, false);
	if (is_restart && !c->is_short && sig < CONTROL_SIGNALS)
		s->totals.restarts[c->role][sig]++;
}

void
hub_snapshot(const struct supervisor *s, struct control_metrics *out)
{
	const struct child *c;

	memset(out, 0, sizeof(*out));
	memcpy(out->cells, s->totals.cells, sizeof(out->cells));
	memcpy(out->restarts, s->totals.restarts, sizeof(out->restarts));
	TAILQ_FOREACH (c, &s->children, link)
		if (c->process.slots != NULL)
			metrics_sum(out->cells, &c->process.slots->metrics, true);
	out->reload_ok = s->reload.result == 0;
	out->started_at_ms = s->started_at_ms;
	out->reloaded_at_ms = s->reload.at_ms;
	(void)snprintf(out->version, sizeof(out->version), "%s", PACKAGE_VERSION);
}

uint64_t
hub_gauge(const struct supervisor *s, enum metric m)
{
	const struct metric_info *info = metric_info(m);
	const struct child *c;
	uint64_t sum = 0;

	TAILQ_FOREACH (c, &s->children, link)
		if (c->process.slots != NULL)
			metric_merge(info->type, &sum,
			    atomic_load_explicit(
				&c->process.slots->metrics.cell[info->first_cell],
				memory_order_relaxed));
	return sum;
}

uint64_t
hub_counter_of(const struct supervisor *s, enum metric m, unsigned label)
{
	const struct metric_info *info = metric_info(m);
	unsigned cell = info->first_cell + label;
	const struct child *c;
	uint64_t sum = s->totals.cells[cell];

	ASSERT(info->type == METRIC_COUNTER && label < info->width);
	TAILQ_FOREACH (c, &s->children, link)
		if (c->process.slots != NULL)
			sum +=
			    atomic_load_explicit(&c->process.slots->metrics.cell[cell],
				memory_order_relaxed);
	return sum;
}

uint64_t
hub_counter(const struct supervisor *s, enum metric m)
{
	uint64_t sum = 0;

	for (unsigned label = 0; label < metric_info(m)->width; label++)
		sum += hub_counter_of(s, m, label);
	return sum;
}
