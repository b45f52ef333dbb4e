/* SPDX-License-Identifier: MIT */
/*
 * tools.c - agentctl tools: composite tools in the store.
 *
 * Owns:   nothing.
 * Called: by main.c.
 * Fails:  a tool that this owner does not have is CTL_NOT_FOUND.
 */
#include "config.h"

#include "common/clock.h"
#include "common/store/store_tools.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

#include <errno.h>
#include <string.h>

enum {
	SHOWN_MAX = 100000
};

static const char *
owner_of(const struct ctl *ctl)
{
	const char *owner = ctl_option(ctl, OPT_OWNER);

	return owner != NULL ? owner : "";
}

static int
failed(struct ctl *ctl, int code, const struct err *err)
{
	if (code == -ENOENT && ctl_option(ctl, OPT_OWNER) == NULL)
		return ctl_fail(CTL_NOT_FOUND,
		    "there is no tool '%s' without an owner; give --owner OWNER",
		    ctl->args.words[0]);
	if (code == -ENOENT)
		return ctl_fail(CTL_NOT_FOUND, "owner '%s' has no tool '%s'",
		    ctl_option(ctl, OPT_OWNER), ctl->args.words[0]);
	return ctl_fail_code(code, err);
}

static void
write_text(struct json_writer *w, const char *name, const char *text)
{
	jw_key(w, name);
	jw_cstr(w, text);
}

static void
write_tool(struct json_writer *w, const struct store_tool *t)
{
	char at[CLOCK_ISO_MAX];

	jw_object_begin(w);
	write_text(w, "owner", t->owner);
	write_text(w, "name", t->name);
	write_text(w, "description", t->description);
	jw_key(w, "is_common");
	jw_bool(w, t->is_common);
	jw_key(w, "uses");
	jw_int(w, t->uses);
	write_text(w, "created_at", clock_iso(t->created_at_ms, at));
	jw_key(w, "parameters");
	jw_raw(w, t->parameters, strlen(t->parameters));
	jw_key(w, "template");
	jw_raw(w, t->template, strlen(t->template));
	jw_object_end(w);
}

/* ---- list ---- */

struct listing {
	struct ctl *ctl;
	struct table *table;
	struct json_writer *w;
};

static int
list_one(void *arg, const struct store_tool *t)
{
	struct listing *l = arg;

	if (l->ctl->is_json) {
		write_tool(l->w, t);
		return 0;
	}
	table_text(l->table, ctl_owner_name(t->owner));
	table_text(l->table, t->name);
	table_text(l->table, t->is_common ? "yes" : "no");
	table_int(l->table, t->uses);
	table_end_row(l->table);
	return 0;
}

int
ctl_tools_list(struct ctl *ctl)
{
	CLEANUP(table_freep) struct table *t = table_new();
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct json_writer w;
	struct listing l = { ctl, t, &w };
	struct err err = ERR_INIT;
	int r = ctl_need_store(ctl);

	if (r != CTL_OK)
		return r;
	table_whole_column(t, "owner");
	table_whole_column(t, "tool");
	table_column(t, "common");
	table_column(t, "uses");
	jw_init(&w, &out);
	if (ctl->is_json)
		jw_array_begin(&w);
	r = store_tool_each(ctl->store, ctl_option(ctl, OPT_OWNER), SHOWN_MAX, list_one,
	    &l, &err);
	if (r < 0)
		return ctl_fail_code(r, &err);
	if (ctl->is_json) {
		jw_array_end(&w);
		buf_addc(&out, '\n');
	} else {
		table_write(&out, t, ctl->width, ctl->has_colour);
	}
	return ctl_put(&out);
}

/* ---- show ---- */

static void
show_tool(struct ctl *ctl, struct buf *out, const struct store_tool *t)
{
	char at[CLOCK_ISO_MAX], uses[32];
	const struct ctl_fact facts[] = {
		{ "tool", t->name },
		{ "owner", ctl_owner_name(t->owner) },
		{ "offered to", t->is_common ? "all owners" : "its owner" },
		{ "uses", uses },
		{ "since", clock_iso(t->created_at_ms, at) },
		{ "description", t->description },
	};
	const struct json *template = NULL, *parameters = NULL;

	(void)snprintf(uses, sizeof(uses), "%lld", (long long)t->uses);
	ctl_show_facts(ctl, out, facts, ARRAY_LEN(facts));
	if (json_read(ctl->arena, t->parameters, strlen(t->parameters), 0, &parameters,
		NULL) == 0) {
		buf_adds(out, "\nparameters\n");
		ctl_show_value(ctl, out, parameters);
	}
	if (json_read(ctl->arena, t->template, strlen(t->template), 0, &template,
		NULL) == 0) {
		buf_adds(out, "\ntemplate\n");
		json_write(out, template, JSON_PRETTY);
		buf_addc(out, '\n');
	}
}

int
ctl_tools_show(struct ctl *ctl)
{
	CLEANUP(store_tool_release) struct store_tool t = { .owner = NULL };
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	struct json_writer w;
	int r = ctl_need_store(ctl);

	if (r != CTL_OK)
		return r;
	r = store_tool_get(ctl->store, owner_of(ctl), ctl->args.words[0], &t, &err);
	if (r < 0)
		return failed(ctl, r, &err);
	if (ctl->is_json) {
		jw_init(&w, &out);
		write_tool(&w, &t);
		buf_addc(&out, '\n');
	} else {
		show_tool(ctl, &out, &t);
	}
	return ctl_put(&out);
}

/* ---- publish, drop ---- */

static int
say(struct ctl *ctl, const char *what)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	if (!ctl->is_json)
		buf_addf(&out, "tool %s %s\n", ctl->args.words[0], what);
	return ctl_put(&out);
}

int
ctl_tools_publish(struct ctl *ctl)
{
	bool is_common = !ctl_has(ctl, OPT_UNDO);
	struct err err = ERR_INIT;
	int r = ctl_need_store(ctl);

	if (r != CTL_OK)
		return r;
	r = store_tool_publish(ctl->store, owner_of(ctl), ctl->args.words[0], is_common,
	    &err);
	if (r < 0)
		return failed(ctl, r, &err);
	return say(ctl,
	    is_common ? "is offered to all owners" : "is its owner's alone");
}

int
ctl_tools_drop(struct ctl *ctl)
{
	struct err err = ERR_INIT;
	int r = ctl_need_store(ctl);

	if (r != CTL_OK)
		return r;
	r = store_tool_drop(ctl->store, owner_of(ctl), ctl->args.words[0], &err);
	return r < 0 ? failed(ctl, r, &err) : say(ctl, "is dropped");
}
