/* SPDX-License-Identifier: MIT */
/* prices.h - what a call cost, by the prices of the configuration. */
#ifndef WORKER_LLM_PRICES_H
#define WORKER_LLM_PRICES_H

#include "common/conf/prices.h"
#include "worker/llm/llm.h"

/* Millionths of a USD, rounded up: what was used is never charged as nothing. */
uint64_t llm_cost_microusd(const struct token_price *price,
    const struct llm_usage *usage);

#endif
