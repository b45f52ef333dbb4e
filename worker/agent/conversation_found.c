/* SPDX-License-Identifier: MIT */
/*
 * conversation_found.c - tools that the model learns of on the way.
 *
 * Owns:   the found tools' schemas, and the prefixes that offer them.
 * Called: by conversation_tools.c for names that the agent does not have, and for what
 *         search_tools reports.
 * Fails:  a tool that cannot be offered is left out; only shortness of memory and a
 *         job that must stop end the conversation.
 *
 * Found tools stand behind the agent's own, in the order in which they were found, so
 * what providers have cached of the beginning stays true. A search that is replayed from
 * the journal offers the same names.
 */
#include "config.h"

#include "worker/agent/conversation_private.h"

#include "worker/tools/execute_pipeline.h"
#include "worker/tools/search_tools.h"

#include <errno.h>
#include <string.h>

enum {
	FOUND_MAX = 16,
	FOUND_NAME_MAX = 64 /* bytes: what providers allow */
};

/* ---- finding ---- */

static const struct agent_tool *
known(const struct conversation *c, const char *name, size_t n)
{
	for (size_t i = 0; i < c->n_found; i++)
		if (strlen(c->found[i].tool->name) == n &&
		    memcmp(c->found[i].tool->name, name, n) == 0)
			return &c->found[i];
	return NULL;
}

/* The agent's own execute_pipeline: what is found is a pipeline, and ends a job as one
   does. An agent without it has no use for them. */
static const struct agent_tool *
pipeline_tool(const struct conversation *c)
{
	return agent_tool_find(c->agent, EXECUTE_PIPELINE_NAME,
	    strlen(EXECUTE_PIPELINE_NAME));
}

static int
add_found(struct conversation *c, const struct tool *tool)
{
	const struct agent_tool *like = pipeline_tool(c);
	struct agent_tool *at = &c->found[c->n_found];
	int r = json_schema_compile_text(tool->parameters, strlen(tool->parameters),
	    &at->schema, NULL);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	at->tool = tool;
	at->ends_job = like->ends_job;
	c->n_found++;
	return 0;
}

int
conversation_find(struct conversation *c, const char *name, size_t n,
    const struct agent_tool **out)
{
	const struct conversation_env *env = c->env;
	struct tool *tool;
	int r;

	*out = known(c, name, n);
	if (*out != NULL || env->find_tool == NULL || pipeline_tool(c) == NULL ||
	    n == 0 || n > FOUND_NAME_MAX || tool_find(name, n) != NULL)
		return 0;
	if (c->found == NULL)
		c->found = arena_alloc(c->arena, FOUND_MAX * sizeof(*c->found));
	tool = arena_alloc(c->arena, sizeof(*tool));
	if (c->found == NULL || tool == NULL)
		return -ENOMEM;
	if (c->n_found == FOUND_MAX)
		return 0;
	r = env->find_tool(env->ctx, c->arena, name, n, tool);
	if (r == -ENOMEM || r == -ECANCELED || r == -ESTALE)
		return r;
	r = r == 0 ? add_found(c, tool) : 0;
	*out = known(c, name, n);
	return r;
}

/* ---- offering ---- */

static void
release_prefixes(struct conversation *c)
{
	for (size_t i = 0; c->prefixes != NULL && i < c->agent->n_targets; i++)
		llm_prefix_free(c->prefixes[i]);
	free(c->prefixes);
	c->prefixes = NULL;
}

static int
offer_found(struct conversation *c)
{
	struct llm_prefix **prefixes = NULL;
	int r =
	    agent_prefixes_with(c->agent, c->offer, c->found, c->n_found, &prefixes);

	if (r < 0)
		return r;
	release_prefixes(c);
	c->prefixes = prefixes;
	return 0;
}

int
conversation_searched(struct conversation *c, const struct tool *tool,
    const struct buf *report)
{
	size_t before = c->n_found;
	const struct json *v = NULL, *list;

	if (strcmp(tool->name, SEARCH_TOOLS_NAME) != 0)
		return 0;
	if (json_read(c->arena, arena_strndup(c->arena, buf_str(report), report->len),
		report->len, 0, &v, NULL) < 0)
		return arena_failed(c->arena) ? -ENOMEM : 0;
	list = json_get_typed(v, "found", JSON_ARRAY);
	for (uint32_t i = 0; list != NULL && i < list->len; i++) {
		const struct json *name =
		    json_get_typed(&list->items[i], "name", JSON_STRING);
		const struct agent_tool *found;
		int r = 0;

		if (name != NULL &&
		    json_eq_str(json_get(&list->items[i], "kind"), "tool"))
			r = conversation_find(c, name->text, name->len, &found);
		if (r < 0)
			return r;
	}
	return c->n_found > before ? offer_found(c) : 0;
}

void
conversation_forget_found(struct conversation *c)
{
	for (size_t i = 0; i < c->n_found; i++)
		json_schema_free(c->found[i].schema);
	c->n_found = 0;
	release_prefixes(c);
}
