/* SPDX-License-Identifier: MIT */
/*
 * prices.h - what a model's tokens cost, by the provider's own prices or llm.prices.
 */
#ifndef COMMON_CONF_PRICES_H
#define COMMON_CONF_PRICES_H

#include "common/conf/conf.h"

/* USD per million tokens, which is micro-USD per token. */
struct token_price {
	double input, output;
	double cached; /* of an input token that the provider had in its cache */
};

/*
 * The prices of that model at that provider: the provider's own when it has any, else
 * the row of llm.prices with that name, else the longest name with a '*' that fits.
 * False, with prices of 0, when nothing is known. A row of zeros is a known price.
 */
bool conf_price_find(const struct conf *c, const struct conf_provider *p,
    const char *model, struct token_price *out);

/* Every price has one name, and a budget in USD knows the price of all that it pays for.
   0, or -EINVAL with the findings. */
int conf_check_prices(const struct conf *c, struct err *err);

/* Warns of agents' limits.budget_usd that cannot hold, since a model has no price. */
void conf_warn_of_budgets(struct conf *c);

#endif
