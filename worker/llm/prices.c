/* SPDX-License-Identifier: MIT */
/*
 * prices.c - tokens to money.
 *
 * Owns:   nothing.
 * Called: after each exchange with a provider.
 * Fails:  never; prices that are not set cost nothing.
 */
#include "config.h"

#include "worker/llm/prices.h"

uint64_t
llm_cost_microusd(const struct conf_provider *p, const struct llm_usage *usage)
{
	uint64_t cached = usage->cached < usage->input ? usage->cached : usage->input;
	double cached_price = p->price_cached > 0 ? p->price_cached : p->price_input;
	/* USD per million tokens is micro-USD per token */
	double cost = (double)(usage->input - cached) * p->price_input +
	    (double)cached * cached_price + (double)usage->output * p->price_output;

	return cost > 0 ? (uint64_t)(cost + 0.5) : 0;
}
