/* SPDX-License-Identifier: MIT */
/*
 * definitions.h - agents ready to run: prompt, tools, compiled schemas, prefixes.
 *
 * Built once per configuration from its struct conf_agent, shared read-only by all
 * jobs.
 */
#ifndef WORKER_AGENT_DEFINITIONS_H
#define WORKER_AGENT_DEFINITIONS_H

#include "common/conf/conf.h"
#include "common/json_schema.h"
#include "worker/llm/llm_call.h"
#include "worker/tools/tools.h"

struct agent_tool {
	const struct tool *tool;
	struct json_schema *schema; /* owned: of its parameters */
	bool ends_job;              /* named in finish_tools */
};

/* The prefixes of one choice of tools, one per target; index by enum agent_offer. */
enum agent_offer {
	AGENT_OFFER_ALL,
	AGENT_OFFER_EXECUTE,
	AGENT_OFFER_PATCH,
	AGENT_OFFER_COUNT
};

struct agent {
	const struct conf_agent *conf;
	const struct conf *owner; /* of conf; knows where it stands */
	struct agent_tool *tools; /* owned */
	size_t n_tools;
	struct llm_target *targets; /* owned: providers in fall-back order */
	size_t n_targets;
	/* owned; same one may stand twice */
	struct llm_prefix **prefixes[AGENT_OFFER_COUNT];
	struct json_schema *input_schema;  /* owned; NULL: none */
	struct json_schema *output_schema; /* owned; NULL: none */
	char *system_text;                 /* owned */
	char prompt_hash[33];              /* of system text and all tools */
	int64_t max_turns; /* limits with the configuration's defaults put in */
	int64_t max_tokens;
	double budget_usd; /* 0: none */
	enum llm_tool_choice tool_choice;
};

struct definitions;

/*
 * Builds every agent of the configuration, which must outlive the result. Notes (names
 * of tools that this build does not have) are appended to notes, a line each, when it
 * is not NULL. Returns 0 or a negative errno; err names the agent and the field of every
 * finding.
 */
int definitions_new(const struct conf *conf, struct definitions **out,
    struct buf *notes, struct err *err);
void definitions_free(struct definitions *d);
void definitions_freep(struct definitions **d);

const struct agent *definitions_find(const struct definitions *d, const char *name,
    size_t n);
const struct agent *definitions_at(const struct definitions *d, size_t i); /* or NULL */

/* The tool of that name if the agent has it, or NULL. */
const struct agent_tool *agent_tool_find(const struct agent *a, const char *name,
    size_t n);

/* The prefixes of that offer with more tools behind the agent's own: one per target, in
   an array; the caller's, as each prefix is. 0 or -ENOMEM. */
int agent_prefixes_with(const struct agent *a, enum agent_offer offer,
    const struct agent_tool *more, size_t n, struct llm_prefix ***out);

/* Which tools to offer when the intent is that lane (TOOL_LANE_ANY: all). A lane for
   which the agent has no tool narrows nothing. */
enum agent_offer agent_offer_for(const struct agent *a, unsigned lane);
bool agent_offers(const struct agent *a, enum agent_offer offer,
    const struct agent_tool *t);

#endif
