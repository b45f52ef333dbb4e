/* SPDX-License-Identifier: MIT */
/*
 * prices.c - finds the price of a model, and budgets that have to go without one.
 *
 * Owns:   nothing.
 * Called: when a configuration is checked, and when agents are defined.
 * Fails:  with a finding for each budget that could not hold.
 */
#include "config.h"

#include "common/conf/prices.h"

#include "common/conf/options.h"
#include "common/conf/targets.h"

#include <errno.h>
#include <string.h>

/* How well a row's name fits: 0 not at all, else the longer the better. */
static size_t
fit(const char *name, const char *model)
{
	size_t n = strlen(name);

	if (strcmp(name, model) == 0)
		return SIZE_MAX;
	if (n == 0 || name[n - 1] != '*' || strncmp(name, model, n - 1) != 0)
		return 0;
	return n;
}

bool
conf_price_find(const struct conf *c, const struct conf_provider *p, const char *model,
    struct token_price *out)
{
	const struct conf_price *best = NULL;
	size_t best_fit = 0;

	*out = (struct token_price){ p->price_input, p->price_output, p->price_cached };
	if (p->price_input > 0 || p->price_output > 0) {
		if (p->price_cached <= 0)
			out->cached = p->price_input;
		return true;
	}
	for (size_t i = 0; i < c->llm.n_prices; i++) {
		size_t fits = fit(c->llm.prices[i].model, model);

		if (fits > best_fit) {
			best = &c->llm.prices[i];
			best_fit = fits;
		}
	}
	if (best == NULL)
		return false;
	*out = (struct token_price){ best->input, best->output,
		best->cached < 0 ? best->input : best->cached };
	return true;
}

/* ---- budgets ---- */

/* The models of an agent that have no price: "gpt-4o (openai)", parted by commas. */
static void
add_unknown(const struct conf *c, const struct conf_agent *a, struct buf *names)
{
	for (size_t i = 0; i < c->llm.n_providers; i++) {
		const struct conf_provider *p = &c->llm.providers[i];
		const char *model = a->model[0] != '\0' ? a->model : p->model;
		CLEANUP_BUF struct buf name = BUF_INIT;
		struct token_price price;

		if (!conf_agent_uses(a, p->name) ||
		    conf_price_find(c, p, model, &price))
			continue;
		buf_addf(&name, "%s (%s)", model, p->name);
		if (strstr(buf_str(names), buf_str(&name)) == NULL)
			buf_addf(names, "%s%s", names->len > 0 ? ", " : "",
			    buf_str(&name));
	}
}

static int
without_price(const struct conf *c, struct err *err, const char *key,
    const struct buf *names)
{
	if (names->len == 0)
		return 0;
	return conf_finding_at(c, err, -EINVAL, key,
	    "%s: a budget in USD cannot hold for models without a price: %s; add them "
	    "to llm.prices (0 when they cost nothing)",
	    key, buf_str(names));
}

static int
check_budgets(const struct conf *c, struct err *err)
{
	const struct {
		const char *key;
		double usd;
	} all[] = {
		{ "limits.budget_usd_per_job", c->limits.budget_usd_per_job },
		{ "limits.owner_usd_per_day", c->limits.owner_usd_per_day },
	};
	int status = 0;

	for (size_t b = 0; b < ARRAY_LEN(all); b++) {
		CLEANUP_BUF struct buf names = BUF_INIT;

		for (size_t i = 0; all[b].usd > 0 && i < c->n_agents; i++)
			add_unknown(c, &c->agents[i], &names);
		if (without_price(c, err, all[b].key, &names) < 0)
			status = -EINVAL;
	}
	return status;
}

/* An agent's definition may come from elsewhere than the prices: it works without them,
   and what its bound leaves open is said. */
void
conf_warn_of_budgets(struct conf *c)
{
	for (size_t i = 0; i < c->n_agents; i++) {
		CLEANUP_BUF struct buf names = BUF_INIT;
		const char *at;
		char key[64];

		(void)snprintf(key, sizeof(key), "agents[%zu].limits.budget_usd", i);
		if (c->agents[i].budget_usd > 0)
			add_unknown(c, &c->agents[i], &names);
		if (names.len == 0)
			continue;
		at = conf_place_of(c, key);
		conf_warn(c,
		    "%s%sagent %s: limits.budget_usd: calls of models without a price "
		    "count as nothing: %s; add them to llm.prices",
		    at != NULL ? at : "", at != NULL ? ": " : "", c->agents[i].name,
		    buf_str(&names));
	}
}

int
conf_check_prices(const struct conf *c, struct err *err)
{
	int status = 0;

	for (size_t i = 0; i < c->llm.n_prices; i++) {
		const char *model = c->llm.prices[i].model;
		char key[64];

		(void)snprintf(key, sizeof(key), "llm.prices[%zu].model", i);
		if (model[0] == '\0')
			status = conf_finding_at(c, err, -EINVAL, key,
			    "%s: must not be empty", key);
		for (size_t k = 0; k < i; k++)
			if (strcmp(model, c->llm.prices[k].model) == 0)
				status = conf_finding_at(c, err, -EINVAL, key,
				    "%s: '%s' stands twice", key, model);
	}
	return check_budgets(c, err) < 0 ? -EINVAL : status;
}
