/* SPDX-License-Identifier: MIT */
/*
 * found_tools.c - composite tools as a job meets them: found, described, run.
 *
 * Owns:   the search's lists during a call; a found tool lives in the job's arena.
 * Called: by the conversation and by search_tools' row, in a job's fiber.
 * Fails:  with an outcome that the model is told. A store that is away is waited for as
 *         long as the job may live: its tools are not gone.
 *
 * A tool is looked up anew for every conversation, by the owner of the job: what another
 * owner has, and has not been published, is not there.
 */
#include "config.h"

#include "worker/found_tools.h"

#include "common/clock.h"
#include "common/store/store_tools.h"
#include "worker/pipeline/shape.h"
#include "worker/pipeline_tool.h"
#include "worker/tools/rank.h"
#include "worker/tools/search_tools.h"

#include <errno.h>
#include <string.h>

enum {
	LISTED_MAX = 500, /* tools that one search looks through */
	COUNT_WAIT_MS = 1000
};

/* What a found tool is run with; in the job's arena. */
struct composite {
	const char *owner; /* whose it is: not always the job's */
	const char *name;
	const struct json *template, *parameters;
};

/* ---- running ---- */

struct naming {
	const char *owner, *name;
};

static int
count_now(struct store *store, void *ctx, struct err *err)
{
	const struct naming *n = ctx;

	return store_tool_used(store, n->owner, n->name, err);
}

static int
run_composite(const struct tool_call *call, struct tool_outcome *o)
{
	const struct composite *c = call->tool->ctx;
	struct job *j = call->job;
	struct naming naming = { c->owner, c->name };
	struct err err = ERR_INIT;
	const struct json *args = pipeline_shape_fill(call->arena, c->template,
	    c->parameters, call->args, &err);
	int r;

	if (args == NULL && arena_failed(call->arena))
		return -ENOMEM;
	if (args == NULL) {
		(void)tool_outcome_fail(o, ERROR_TYPE_INVALID_STEP, "", "%s",
		    err_text(&err));
		return 0;
	}
	r = pipeline_tool_run(call, args, c->name, o);
	if (r == 0 && o->error == ERROR_TYPE_NONE)
		(void)store_client_call(j->worker, count_now, &naming,
		    clock_mono_ms() + COUNT_WAIT_MS,
		    NULL); /* a count is worth no failure */
	return r;
}

/* ---- finding one ---- */

struct seeking {
	const char *owner, *name;
	struct store_tool tool;
};

static int
get_now(struct store *store, void *ctx, struct err *err)
{
	struct seeking *s = ctx;

	store_tool_release(&s->tool);
	return store_tool_get(store, s->owner, s->name, &s->tool, err);
}

static const struct json *
read_kept(struct arena *a, const char *text)
{
	const char *copy = arena_strndup(a, text, strlen(text));
	const struct json *v = NULL;

	if (copy == NULL || json_read(a, copy, strlen(copy), 0, &v, NULL) < 0)
		return NULL;
	return v;
}

static int
make_tool(struct arena *a, const struct store_tool *t, struct tool *out)
{
	CLEANUP_BUF struct buf schema = BUF_INIT;
	struct composite *c = arena_alloc(a, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	*c = (struct composite){ .owner = arena_strndup(a, t->owner, strlen(t->owner)),
		.name = arena_strndup(a, t->name, strlen(t->name)),
		.template = read_kept(a, t->template),
		.parameters = read_kept(a, t->parameters) };
	pipeline_shape_schema(&schema, c->parameters);
	*out = (struct tool){ .name = c->name,
		.description = arena_strndup(a, t->description, strlen(t->description)),
		.parameters = arena_strndup(a, buf_str(&schema), schema.len),
		.flags = TOOL_DATA,
		.lane = TOOL_LANE_ANY,
		.ctx = c,
		.run = run_composite };
	if (arena_failed(a) || buf_status(&schema) != 0)
		return -ENOMEM;
	return c->template != NULL && c->parameters != NULL ? 0 : -ENOENT;
}

int
found_tools_find(void *ctx, struct arena *a, const char *name, size_t n,
    struct tool *out)
{
	struct job *j = ctx;
	struct seeking s = { .owner = j->msg.owner, .name = arena_strndup(a, name, n) };
	int r;

	if (s.name == NULL)
		return -ENOMEM;
	r = store_client_call(j->worker, get_now, &s, j->deadline_ms, NULL);
	if (r == 0)
		r = make_tool(a, &s.tool, out);
	store_tool_release(&s.tool);
	return r;
}

/* ---- searching ---- */

struct listing {
	const char *owner;
	struct store_tool *v; /* owned */
	size_t n;
};

static void
listing_release(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		store_tool_release(&l->v[i]);
	free(l->v);
	l->v = NULL;
	l->n = 0;
}

static int
take_tool(void *ctx, const struct store_tool *t)
{
	struct listing *l = ctx;
	struct store_tool *v = realloc(l->v, (l->n + 1) * sizeof(*v));
	struct store_tool *at;

	if (v == NULL)
		return -ENOMEM;
	l->v = v;
	at = &v[l->n++];
	*at = (struct store_tool){ .owner = strdup(t->owner),
		.name = strdup(t->name),
		.description = strdup(t->description),
		.parameters = strdup(t->parameters),
		.uses = t->uses };
	return at->owner != NULL && at->name != NULL && at->description != NULL &&
		at->parameters != NULL
	    ? 0
	    : -ENOMEM;
}

static int
list_now(struct store *store, void *ctx, struct err *err)
{
	struct listing *l = ctx;

	listing_release(l); /* of a try that broke off half-way */
	return store_tool_each(store, l->owner, LISTED_MAX, take_tool, l, err);
}

/* A common tool that has the name of one of the owner's own cannot be called. */
static bool
is_shadowed(const struct listing *l, size_t i)
{
	for (size_t k = 0; k < l->n; k++)
		if (k != i && strcmp(l->v[k].name, l->v[i].name) == 0 &&
		    (strcmp(l->v[k].owner, l->owner) == 0 ||
			(k < i && strcmp(l->v[i].owner, l->owner) != 0)))
			return true;
	return false;
}

static void
write_found(struct json_writer *w, struct arena *a, const struct rank_text *t,
    const struct store_tool *tool)
{
	jw_object_begin(w);
	jw_key(w, "kind");
	jw_cstr(w, tool != NULL ? "tool" : "agent");
	jw_key(w, "name");
	jw_cstr(w, t->name);
	jw_key(w, "description");
	jw_cstr(w, t->description);
	if (tool != NULL) {
		CLEANUP_BUF struct buf schema = BUF_INIT;

		pipeline_shape_schema(&schema, read_kept(a, tool->parameters));
		jw_key(w, "parameters");
		jw_raw(w, buf_str(&schema), schema.len);
	}
	jw_object_end(w);
}

/* Tools first, then agents; index tells which is which. */
static int
report(struct job *j, const struct tool_call *call, const struct listing *l,
    struct buf *out)
{
	const struct json *query = json_get_typed(call->args, "query", JSON_STRING);
	int64_t limit = SEARCH_TOOLS_LIMIT;
	size_t n = 0, n_agents = 0;
	CLEANUP(freep) struct rank_text *texts = NULL;
	CLEANUP(freep) const struct store_tool **tools = NULL;
	struct json_writer w;
	int r;

	while (definitions_at(j->worker->agents, n_agents) != NULL)
		n_agents++;
	texts = calloc(l->n + n_agents + 1, sizeof(*texts));
	tools = calloc(l->n + n_agents + 1, sizeof(const struct store_tool *));
	if (texts == NULL || tools == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++)
		if (!is_shadowed(l, i)) {
			tools[n] = &l->v[i];
			texts[n].name = l->v[i].name;
			texts[n++].description = l->v[i].description;
		}
	for (size_t i = 0; i < n_agents; i++) {
		const struct conf_agent *agent =
		    definitions_at(j->worker->agents, i)->conf;

		texts[n].name = agent->name;
		texts[n++].description = agent->description;
	}
	(void)json_int64(json_get(call->args, "limit"), &limit);
	r = rank_texts(texts, n, query != NULL ? query->text : "",
	    query != NULL ? query->len : 0);
	if (r < 0)
		return r;
	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "found");
	jw_array_begin(&w);
	for (size_t i = 0; i < n && (int64_t)i < limit && texts[i].score > 0; i++)
		write_found(&w, call->arena, &texts[i], tools[texts[i].index]);
	jw_array_end(&w);
	jw_object_end(&w);
	return arena_failed(call->arena) ? -ENOMEM : buf_status(out);
}

static int
search(const struct tool_call *call, struct tool_outcome *o)
{
	struct job *j = call->job;
	CLEANUP(listing_release) struct listing l = { .owner = j->msg.owner };
	struct err err = ERR_INIT;
	int r = store_client_call(j->worker, list_now, &l, j->deadline_ms, &err);

	if (r == -ECANCELED || r == -ENOMEM)
		return r;
	if (r < 0) {
		(void)tool_outcome_fail(o, ERROR_TYPE_EXECUTION_ERROR, "",
		    "the tools cannot be listed now: %s", err_text(&err));
		return 0;
	}
	return report(j, call, &l, &o->report);
}

void
found_tools_install(void)
{
	search_tools_set(search);
}
