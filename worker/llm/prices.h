/* SPDX-License-Identifier: MIT */
/* prices.h - what a call cost, by the prices of the configuration. */
#ifndef WORKER_LLM_PRICES_H
#define WORKER_LLM_PRICES_H

#include "common/conf/conf.h"
#include "worker/llm/llm.h"

/* Millionths of a USD. Cached tokens cost price_cached when one is set (not 0), else as
   any other input. */
uint64_t llm_cost_microusd(const struct conf_provider *p,
    const struct llm_usage *usage);

#endif
