/* SPDX-License-Identifier: MIT */
/*
 * targets.c - the pairs of provider and model, numbered.
 *
 * Owns:   nothing.
 * Called: when agents are defined, and by whoever names metrics.
 * Fails:  never: what is not in the list is "other".
 */
#include "config.h"

#include "common/conf/targets.h"

#include "common/metrics.h"

#include <string.h>

enum {
	OTHER = METRIC_TARGETS_MAX - 1
};

struct walk {
	struct conf_target seen[OTHER];
	unsigned n;
};

static void
add(struct walk *w, const char *provider, const char *model)
{
	for (unsigned i = 0; i < w->n; i++)
		if (strcmp(w->seen[i].provider, provider) == 0 &&
		    strcmp(w->seen[i].model, model) == 0)
			return;
	if (w->n < OTHER)
		w->seen[w->n++] = (struct conf_target){ provider, model };
}

bool
conf_agent_uses(const struct conf_agent *a, const char *provider)
{
	for (size_t i = 0; i < a->providers.n; i++)
		if (strcmp(a->providers.v[i], provider) == 0)
			return true;
	return a->providers.n == 0;
}

static void
walk(const struct conf *c, struct walk *w)
{
	w->n = 0;
	for (size_t p = 0; p < c->llm.n_providers; p++)
		add(w, c->llm.providers[p].name, c->llm.providers[p].model);
	for (size_t a = 0; a < c->n_agents; a++)
		for (size_t p = 0; p < c->llm.n_providers; p++)
			if (c->agents[a].model[0] != '\0' &&
			    conf_agent_uses(&c->agents[a], c->llm.providers[p].name))
				add(w, c->llm.providers[p].name, c->agents[a].model);
}

bool
conf_target_at(const struct conf *c, unsigned i, struct conf_target *out)
{
	struct walk w;

	walk(c, &w);
	if (i >= w.n && i != OTHER)
		return false;
	*out = i < w.n ? w.seen[i] : (struct conf_target){ "other", "other" };
	return true;
}

unsigned
conf_target_index(const struct conf *c, const char *provider, const char *model)
{
	struct walk w;

	walk(c, &w);
	for (unsigned i = 0; i < w.n; i++)
		if (strcmp(w.seen[i].provider, provider) == 0 &&
		    strcmp(w.seen[i].model, model) == 0)
			return i;
	return OTHER;
}

bool
conf_agent_rests(const struct conf *c, const struct conf_agent *a,
    const uint64_t *breakers)
{
	bool rests = false;

	for (size_t p = 0; p < c->llm.n_providers; p++) {
		const struct conf_provider *v = &c->llm.providers[p];
		unsigned i = conf_target_index(c, v->name,
		    a->model[0] != '\0' ? a->model : v->model);

		if (!conf_agent_uses(a, v->name))
			continue;
		if (i == OTHER || breakers[i] != METRIC_BREAKER_OPEN)
			return false;
		rests = true;
	}
	return rests;
}
