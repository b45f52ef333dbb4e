/* SPDX-License-Identifier: MIT */
/*
 * prices.c - tokens to money.
 *
 * Owns:   nothing.
 * Called: after each exchange with a provider.
 * Fails:  never; a price that is not known is 0.
 */
#include "config.h"

#include "worker/llm/prices.h"

#include <math.h>

uint64_t
llm_cost_microusd(const struct token_price *price, const struct llm_usage *usage)
{
	uint64_t cached = usage->cached < usage->input ? usage->cached : usage->input;
	/* USD per million tokens is micro-USD per token */
	double cost = (double)(usage->input - cached) * price->input +
	    (double)cached * price->cached + (double)usage->output * price->output;

	/* binary fractions: a cost of 3.0000000001 is 3 */
	return cost > 0 ? (uint64_t)ceil(cost - 1e-6) : 0;
}
