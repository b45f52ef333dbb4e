/* SPDX-License-Identifier: MIT */
/*
 * targets.h - the pairs of provider and model that LLM metrics are labelled with.
 *
 * The list follows from the configuration alone, so the process that counts and the one
 * that names the counters agree: first every provider with its own model, then the
 * pairs that agents add by naming another model, up to METRIC_TARGETS_MAX - 1. The last
 * index is for all others.
 */
#ifndef COMMON_CONF_TARGETS_H
#define COMMON_CONF_TARGETS_H

#include "common/conf/conf.h"

struct conf_target {
	const char *provider;
	const char *model; /* both "other" at the last index */
};

/* The pair with that index; false past the end of the list. */
bool conf_target_at(const struct conf *c, unsigned i, struct conf_target *out);

/* The index of the pair. */
unsigned conf_target_index(const struct conf *c, const char *provider,
    const char *model);

/* Does the agent use this provider? An agent that names none uses all. */
bool conf_agent_uses(const struct conf_agent *a, const char *provider);

/* Is none of the agent's providers asked at present, as the cells of the metric
   LLM_BREAKER tell? An agent without providers does not rest. */
bool conf_agent_rests(const struct conf *c, const struct conf_agent *a,
    const uint64_t *breakers);

#endif
