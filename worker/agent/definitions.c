/* SPDX-License-Identifier: MIT */
/*
 * definitions.c - makes agents ready to run from their configuration.
 *
 * Owns:   every struct agent and what hangs below it.
 * Called: once per configuration, at start or in the check of a configuration.
 * Fails:  on a name that nobody knows, a schema outside the subset, a provider of an
 *         unknown type; err names agent and field. Nothing half-built remains.
 */
#include "config.h"

#include "worker/agent/definitions.h"

#include "common/conf/targets.h"
#include "common/fnv.h"
#include "worker/agent/prompt.h"
#include "worker/llm/strict_schema.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

struct definitions {
	struct agent *agents;
	size_t n;
};

/* ---- tools ---- */

const struct agent_tool *
agent_tool_find(const struct agent *a, const char *name, size_t n)
{
	for (size_t i = 0; i < a->n_tools; i++)
		if (strlen(a->tools[i].tool->name) == n &&
		    memcmp(a->tools[i].tool->name, name, n) == 0)
			return &a->tools[i];
	return NULL;
}

static bool
has_tool(const void *ctx, const char *name, size_t n)
{
	return agent_tool_find(ctx, name, n) != NULL;
}

/* "AT: agent NAME: what", AT where the key of this agent's file stands. */
PRINTF_LIKE(5, 6)
static int
finding(const struct agent *a, struct err *err, int code, const char *key,
    const char *fmt, ...)
{
	size_t i = (size_t)(a->conf - a->owner->agents);
	char whole[64], what[ERR_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	(void)snprintf(whole, sizeof(whole), "agents[%zu].%s", i, key);
	return conf_finding_at(a->owner, err, code, whole, "agent %s: %s: %s",
	    a->conf->name, key, what);
}

static int
add_tool(struct agent *a, const char *name, struct buf *later, struct err *err)
{
	const struct tool *tool = tool_find(name, strlen(name));
	struct agent_tool *at = &a->tools[a->n_tools];
	struct err why = ERR_INIT;
	int r;

	if (tool == NULL && !tool_is_reserved(name))
		return finding(a, err, -EINVAL, "tools", "there is no tool \"%s\"",
		    name);
	if (tool == NULL) {
		buf_addf(later, "%s%s", later->len > 0 ? ", " : "", name);
		return 0;
	}
	if (agent_tool_find(a, name, strlen(name)) != NULL)
		return 0;
	r = json_schema_compile_text(tool->parameters, strlen(tool->parameters),
	    &at->schema, &why);
	if (r < 0)
		return finding(a, err, r, "tools", "parameters of tool %s: %s", name,
		    err_text(&why));
	at->tool = tool;
	a->n_tools++;
	return 0;
}

static int
mark_finish(struct agent *a, const char *name, struct err *err)
{
	for (size_t i = 0; i < a->n_tools; i++)
		if (strcmp(a->tools[i].tool->name, name) == 0) {
			a->tools[i].ends_job = true;
			return 0;
		}
	if (tool_is_reserved(name) || tool_find(name, strlen(name)) != NULL)
		return 0; /* a tool that the agent does not have, cannot end its jobs */
	return finding(a, err, -EINVAL, "finish_tools", "there is no tool \"%s\"",
	    name);
}

/* The built-in agent stands in no file: nobody can take the word out of it. */
static void
note_later(struct buf *notes, const struct agent *a, const struct buf *later)
{
	size_t i = (size_t)(a->conf - a->owner->agents);
	char key[64];
	const char *at;

	(void)snprintf(key, sizeof(key), "agents[%zu].tools", i);
	at = conf_place_of(a->owner, key);
	if (notes != NULL && at != NULL && later->len > 0)
		buf_addf(notes,
		    "%s: agent %s: tools: not part of this version and ignored: %s\n",
		    at, a->conf->name, buf_str(later));
}

static int
build_tools(struct agent *a, struct buf *notes, struct err *err)
{
	const struct conf_list *names = &a->conf->tools;
	const struct conf_list *finish = &a->conf->finish_tools;
	CLEANUP_BUF struct buf later = BUF_INIT;
	int status = 0;

	a->tools = calloc(names->n + 1, sizeof(*a->tools));
	if (a->tools == NULL)
		return err_set(err, -ENOMEM, "no memory for agents");
	for (size_t i = 0; i < names->n; i++) {
		int r = add_tool(a, names->v[i], &later, err);

		status = r < 0 ? r : status;
	}
	for (size_t i = 0; i < finish->n; i++) {
		int r = mark_finish(a, finish->v[i], err);

		status = r < 0 ? r : status;
	}
	note_later(notes, a, &later);
	return status;
}

/* ---- schemas ---- */

static int
build_schema(const struct agent *a, const char *field, const char *text,
    struct json_schema **out, struct err *err)
{
	struct err why = ERR_INIT;
	int r;

	if (text[0] == '\0')
		return 0;
	r = json_schema_compile_text(text, strlen(text), out, &why);
	return r < 0 ? finding(a, err, r, field, "%s", err_text(&why)) : 0;
}

/* ---- providers ---- */

static int
add_target(struct agent *a, const struct conf *conf, const struct conf_provider *p,
    struct err *err)
{
	struct llm_target *t = &a->targets[a->n_targets];

	t->type = llm_provider_type_find(p->type);
	if (t->type == NULL)
		return err_set(err, -EINVAL,
		    "llm.providers: %s: there is no type \"%s\"", p->name, p->type);
	t->provider = p;
	t->model = a->conf->model[0] != '\0' ? a->conf->model : p->model;
	t->temperature =
	    isnan(a->conf->temperature) ? p->temperature : a->conf->temperature;
	t->metrics_target = conf_target_index(conf, p->name, t->model);
	(void)conf_price_find(conf, p, t->model, &t->price);
	a->n_targets++;
	return 0;
}

/* In the agent's order when it names providers, else in the configuration's. */
static int
build_targets(struct agent *a, const struct conf *conf, struct err *err)
{
	const struct conf_list *names = &a->conf->providers;
	size_t n = names->n > 0 ? names->n : conf->llm.n_providers;

	a->targets = calloc(n + 1, sizeof(*a->targets));
	if (a->targets == NULL)
		return err_set(err, -ENOMEM, "no memory for agents");
	for (size_t i = 0; i < n; i++) {
		const struct conf_provider *p = names->n > 0
		    ? conf_provider_find(conf, names->v[i])
		    : &conf->llm.providers[i];
		int r;

		if (p == NULL)
			return finding(a, err, -EINVAL, "providers",
			    "there is no provider \"%s\"", names->v[i]);
		r = add_target(a, conf, p, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- prefixes ---- */

static const unsigned offer_lanes[AGENT_OFFER_COUNT] = {
	[AGENT_OFFER_ALL] = TOOL_LANE_ANY,
	[AGENT_OFFER_EXECUTE] = TOOL_LANE_EXECUTE,
	[AGENT_OFFER_PATCH] = TOOL_LANE_PATCH,
};

bool
agent_offers(const struct agent *a, enum agent_offer offer, const struct agent_tool *t)
{
	unsigned lane = offer_lanes[offer];

	(void)a;
	return lane == TOOL_LANE_ANY || t->tool->lane == TOOL_LANE_ANY ||
	    (t->tool->lane & lane) != 0;
}

enum agent_offer
agent_offer_for(const struct agent *a, unsigned lane)
{
	for (unsigned o = 0; o < AGENT_OFFER_COUNT; o++) {
		if (lane == TOOL_LANE_ANY || offer_lanes[o] != lane)
			continue;
		for (size_t i = 0; i < a->n_tools; i++)
			if ((a->tools[i].tool->lane & lane) != 0)
				return (enum agent_offer)o;
	}
	return AGENT_OFFER_ALL;
}

/* The parameters of each tool as models get them. */
struct parameter_texts {
	struct buf *plain;  /* the schema without the white space of its file */
	struct buf *strict; /* under strict rules */
	size_t n;
};

static void
texts_release(struct parameter_texts *t)
{
	for (size_t i = 0; i < t->n; i++) {
		buf_release(&t->plain[i]);
		buf_release(&t->strict[i]);
	}
	free(t->plain);
	free(t->strict);
}

static int
texts_write(struct parameter_texts *t, const struct agent *a)
{
	t->plain = calloc(a->n_tools + 1, sizeof(*t->plain));
	t->strict = calloc(a->n_tools + 1, sizeof(*t->strict));
	if (t->plain == NULL || t->strict == NULL)
		return -ENOMEM;
	t->n = a->n_tools;
	for (size_t i = 0; i < a->n_tools; i++) {
		const struct json *schema = json_schema_source(a->tools[i].schema);
		int r;

		json_write(&t->plain[i], schema, JSON_COMPACT);
		r = strict_schema_write(&t->strict[i], schema);
		if (r == 0)
			r = buf_status(&t->plain[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
build_prefix(struct agent *a, enum agent_offer offer, size_t target,
    const struct parameter_texts *texts, struct llm_tool_spec *specs)
{
	const struct llm_target *t = &a->targets[target];
	bool is_strict = t->provider->strict;
	size_t n = 0;

	for (size_t i = 0; i < a->n_tools; i++)
		if (agent_offers(a, offer, &a->tools[i]))
			specs[n++] = (struct llm_tool_spec){ a->tools[i].tool->name,
				a->tools[i].tool->description,
				buf_str(
				    is_strict ? &texts->strict[i] : &texts->plain[i]),
				is_strict };
	return llm_prefix_new(t->type, a->system_text, specs, n,
	    &a->prefixes[offer][target]);
}

static int
build_offer(struct agent *a, enum agent_offer offer,
    const struct parameter_texts *texts, struct llm_tool_spec *specs)
{
	a->prefixes[offer] = calloc(a->n_targets + 1, sizeof(struct llm_prefix *));
	if (a->prefixes[offer] == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < a->n_targets; i++) {
		int r = build_prefix(a, offer, i, texts, specs);

		if (r < 0)
			return r;
	}
	return 0;
}

static void
release_offer(struct agent *a, enum agent_offer offer)
{
	for (size_t i = 0; a->prefixes[offer] != NULL && i < a->n_targets; i++)
		llm_prefix_free(a->prefixes[offer][i]);
	free(a->prefixes[offer]);
	a->prefixes[offer] = NULL;
}

static void
hash_prompt(struct agent *a, const struct parameter_texts *texts)
{
	struct fnv f;

	fnv_init(&f);
	fnv_adds(&f, a->system_text);
	for (size_t i = 0; i < a->n_tools; i++) {
		fnv_adds(&f, a->tools[i].tool->name);
		fnv_adds(&f, a->tools[i].tool->description);
		fnv_adds(&f, buf_str(&texts->plain[i]));
	}
	fnv_hex(&f, a->prompt_hash);
}

static int
build_prefixes(struct agent *a)
{
	CLEANUP(freep)
	struct llm_tool_spec *specs = calloc(a->n_tools + 1, sizeof(*specs));
	CLEANUP(texts_release) struct parameter_texts texts = { NULL, NULL, 0 };
	int r = specs != NULL ? texts_write(&texts, a) : -ENOMEM;

	for (unsigned o = 0; r == 0 && o < AGENT_OFFER_COUNT; o++)
		r = build_offer(a, (enum agent_offer)o, &texts, specs);
	if (r == 0)
		hash_prompt(a, &texts);
	return r;
}

int
agent_prefixes_with(const struct agent *a, enum agent_offer offer,
    const struct agent_tool *more, size_t n, struct llm_prefix ***out)
{
	CLEANUP(freep)
	struct agent_tool *tools = calloc(a->n_tools + n + 1, sizeof(*tools));
	CLEANUP(freep)
	struct llm_tool_spec *specs = calloc(a->n_tools + n + 1, sizeof(*specs));
	CLEANUP(texts_release) struct parameter_texts texts = { NULL, NULL, 0 };
	struct agent wider = *a;
	int r;

	if (tools == NULL || specs == NULL)
		return -ENOMEM;
	memcpy(tools, a->tools, a->n_tools * sizeof(*tools));
	memcpy(tools + a->n_tools, more, n * sizeof(*tools));
	wider.tools = tools;
	wider.n_tools = a->n_tools + n;
	r = texts_write(&texts, &wider);
	if (r == 0)
		r = build_offer(&wider, offer, &texts, specs);
	if (r == 0) {
		*out = wider.prefixes[offer];
		return 0;
	}
	if (wider.prefixes[offer] != a->prefixes[offer])
		release_offer(&wider, offer);
	return r;
}

/* ---- agents ---- */

/* What its files say; every finding is told. */
static int
build_parts(struct agent *a, const struct conf *conf, struct buf *notes,
    struct err *err)
{
	const struct conf_agent *c = a->conf;
	int tools = build_tools(a, notes, err);
	int targets = build_targets(a, conf, err);
	int input = build_schema(a, "input_schema_file", c->input_schema,
	    &a->input_schema, err);
	int output = build_schema(a, "output_schema_file", c->output_schema,
	    &a->output_schema, err);

	return tools < 0 ? tools : targets < 0 ? targets : input < 0 ? input : output;
}

static int
build_agent(struct agent *a, const struct conf *conf, struct buf *notes,
    struct err *err)
{
	const struct conf_agent *c = a->conf;
	int r;

	a->max_turns = c->max_turns > 0 ? c->max_turns : conf->limits.max_turns;
	a->max_tokens =
	    c->max_tokens > 0 ? c->max_tokens : conf->limits.max_tokens_per_job;
	a->budget_usd =
	    c->budget_usd > 0 ? c->budget_usd : conf->limits.budget_usd_per_job;
	a->tool_choice = llm_tool_choice_from_name(c->tool_choice);
	r = build_parts(a, conf, notes, err);
	if (r < 0)
		return r;
	a->system_text = prompt_system_text(c->system_prompt, has_tool, a);
	if (a->system_text == NULL)
		return err_set(err, -ENOMEM, "no memory for agents");
	r = build_prefixes(a);
	if (r < 0)
		return err_set(err, r, "agent %s: the prompt's prefix: %s", c->name,
		    strerror(-r));
	return 0;
}

static void
release_agent(struct agent *a)
{
	for (size_t i = 0; i < a->n_tools; i++)
		json_schema_free(a->tools[i].schema);
	for (unsigned o = 0; o < AGENT_OFFER_COUNT; o++)
		release_offer(a, (enum agent_offer)o);
	json_schema_free(a->input_schema);
	json_schema_free(a->output_schema);
	free(a->tools);
	free(a->targets);
	free(a->system_text);
}

int
definitions_new(const struct conf *conf, struct definitions **out, struct buf *notes,
    struct err *err)
{
	CLEANUP(definitions_freep) struct definitions *d = calloc(1, sizeof(*d));
	int status = 0;

	if (d == NULL ||
	    (d->agents = calloc(conf->n_agents + 1, sizeof(*d->agents))) == NULL)
		return err_set(err, -ENOMEM, "no memory for agents");
	for (size_t i = 0; i < conf->n_agents; i++) {
		int r;

		d->agents[d->n].conf = &conf->agents[i];
		d->agents[d->n].owner = conf;
		r = build_agent(&d->agents[d->n++], conf, notes, err);
		status = status == 0 ? r : status;
	}
	if (status < 0)
		return status;
	*out = TAKE_PTR(d);
	return 0;
}

void
definitions_free(struct definitions *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->n; i++)
		release_agent(&d->agents[i]);
	free(d->agents);
	free(d);
}

void
definitions_freep(struct definitions **d)
{
	definitions_free(*d);
}

const struct agent *
definitions_find(const struct definitions *d, const char *name, size_t n)
{
	for (size_t i = 0; i < d->n; i++)
		if (strlen(d->agents[i].conf->name) == n &&
		    memcmp(d->agents[i].conf->name, name, n) == 0)
			return &d->agents[i];
	return NULL;
}

const struct agent *
definitions_at(const struct definitions *d, size_t i)
{
	return i < d->n ? &d->agents[i] : NULL;
}
