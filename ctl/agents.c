/* SPDX-License-Identifier: MIT */
/*
 * agents.c - agentctl agents: the agent definitions that the daemon would load.
 *
 * Owns:   nothing.
 * Called: by main.c; needs the configuration only.
 * Fails:  an unknown name is CTL_NOT_FOUND.
 */
#include "config.h"

#include "ctl/ctl.h"
#include "ctl/table.h"

#include <math.h>
#include <string.h>

static void
join(struct buf *out, const struct conf_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		buf_addf(out, "%s%s", i > 0 ? " " : "", list->v[i]);
}

static void
table_list(struct table *t, const struct conf_list *list)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	join(&text, list);
	table_text(t, buf_str(&text));
}

static void
show_all(const struct ctl *ctl, struct buf *out)
{
	static const char *const heads[] = { "agent", "tools", "model", "description" };
	CLEANUP(table_freep) struct table *t = table_new();

	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		table_column(t, heads[i]);
	for (size_t i = 0; i < ctl->conf->n_agents; i++) {
		const struct conf_agent *a = &ctl->conf->agents[i];

		table_text(t, a->name);
		table_list(t, &a->tools);
		table_text(t, a->model[0] != '\0' ? a->model : "(provider's)");
		table_text(t, a->description);
	}
	table_write(out, t, ctl->width, ctl->has_colour);
}

static void
write_list(struct json_writer *w, const char *name, const struct conf_list *list)
{
	jw_key(w, name);
	jw_array_begin(w);
	for (size_t i = 0; i < list->n; i++)
		jw_cstr(w, list->v[i]);
	jw_array_end(w);
}

static void
write_text(struct json_writer *w, const char *name, const char *text)
{
	jw_key(w, name);
	jw_cstr(w, text);
}

/* A schema that came from a file: JSON already, or null. */
static void
write_schema(struct json_writer *w, const char *name, const char *json_text)
{
	jw_key(w, name);
	if (json_text[0] == '\0')
		jw_null(w);
	else
		jw_raw(w, json_text, strlen(json_text));
}

static void
write_agent(struct json_writer *w, const struct conf_agent *a)
{
	jw_object_begin(w);
	write_text(w, "name", a->name);
	write_text(w, "description", a->description);
	write_text(w, "model", a->model);
	write_list(w, "providers", &a->providers);
	write_list(w, "tools", &a->tools);
	write_list(w, "finish_tools", &a->finish_tools);
	write_text(w, "tool_choice", a->tool_choice);
	jw_key(w, "max_turns");
	jw_int(w, a->max_turns);
	jw_key(w, "max_tokens");
	jw_int(w, a->max_tokens);
	jw_key(w, "timeout_sec");
	jw_int(w, a->timeout_sec);
	jw_key(w, "budget_usd");
	jw_double(w, a->budget_usd);
	jw_key(w, "temperature");
	jw_double(w, a->temperature);
	write_text(w, "system_prompt", a->system_prompt);
	write_schema(w, "input_schema", a->input_schema);
	write_schema(w, "output_schema", a->output_schema);
	jw_object_end(w);
}

static const char *
number_or(struct ctl *ctl, double d, const char *absent)
{
	char text[32];

	if (isnan(d) || d <= 0)
		return absent;
	(void)snprintf(text, sizeof(text), "%g", d);
	return arena_strndup(ctl->arena, text, strlen(text));
}

static void
show_one(struct ctl *ctl, struct buf *out, const struct conf_agent *a)
{
	CLEANUP_BUF struct buf tools = BUF_INIT;
	CLEANUP_BUF struct buf finish = BUF_INIT;
	CLEANUP_BUF struct buf providers = BUF_INIT;

	join(&tools, &a->tools);
	join(&finish, &a->finish_tools);
	join(&providers, &a->providers);
	const struct ctl_fact facts[] = {
		{ "agent", a->name },
		{ "description", a->description },
		{ "providers",
		    a->providers.n > 0 ? buf_str(&providers) : "all, in their order" },
		{ "model", a->model[0] != '\0' ? a->model : "the provider's" },
		{ "tools", buf_str(&tools) },
		{ "finish tools", finish.len > 0 ? buf_str(&finish) : NULL },
		{ "tool choice", a->tool_choice },
		{ "max turns",
		    number_or(ctl, (double)a->max_turns, "limits.max_turns") },
		{ "max tokens",
		    number_or(ctl, (double)a->max_tokens,
			"limits.max_tokens_per_job") },
		{ "timeout", number_or(ctl, (double)a->timeout_sec, "the job's") },
		{ "budget",
		    number_or(ctl, a->budget_usd,
			number_or(ctl, ctl->conf->limits.budget_usd_per_job, NULL)) },
		{ "temperature",
		    isnan(a->temperature) ? NULL
					  : number_or(ctl, a->temperature, "0") },
		{ "system prompt",
		    a->system_prompt[0] != '\0' ? "its own" : "built in" },
		{ "output schema", a->output_schema[0] != '\0' ? "its own" : NULL },
	};
	ctl_show_facts(ctl, out, facts, ARRAY_LEN(facts));
}

static int
show_named(struct ctl *ctl, const char *name, struct buf *out)
{
	const struct conf_agent *a = conf_agent_find(ctl->conf, name, strlen(name));
	struct json_writer w;

	if (a == NULL)
		return ctl_fail(CTL_NOT_FOUND, "there is no agent '%s'", name);
	if (!ctl->is_json) {
		show_one(ctl, out, a);
		return CTL_OK;
	}
	jw_init(&w, out);
	write_agent(&w, a);
	buf_addc(out, '\n');
	return CTL_OK;
}

int
ctl_agents(struct ctl *ctl)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct json_writer w;
	int r = ctl_need_conf(ctl);

	if (r == CTL_OK && ctl->args.n_words > 0)
		r = show_named(ctl, ctl->args.words[0], &out);
	else if (r == CTL_OK && ctl->is_json) {
		jw_init(&w, &out);
		jw_array_begin(&w);
		for (size_t i = 0; i < ctl->conf->n_agents; i++)
			write_agent(&w, &ctl->conf->agents[i]);
		jw_array_end(&w);
		buf_addc(&out, '\n');
	} else if (r == CTL_OK)
		show_all(ctl, &out);
	return r == CTL_OK ? ctl_put(&out) : r;
}
