/* SPDX-License-Identifier: MIT */
/*
 * store_tools.c - the table composite_tools.
 *
 * Owns:   nothing.
 * Called: by the worker's helper thread and agentctl.
 * Fails:  with the driver's error. Every statement that reads for an owner names the
 *         owner: what is not theirs and not common is not there.
 */
#include "config.h"

#include "common/store/store_tools.h"

#include "common/clock.h"
#include "common/store/store_private.h"

#include <errno.h>
#include <string.h>

enum {
	AT_OWNER,
	AT_NAME,
	AT_SHAPE,
	AT_DESCRIPTION,
	AT_TEMPLATE,
	AT_PARAMETERS,
	AT_USES,
	AT_COMMON,
	AT_CREATED,
	COLUMNS
};

void
store_tool_release(struct store_tool *t)
{
	free(t->owner);
	free(t->name);
	free(t->shape);
	free(t->description);
	free(t->template);
	free(t->parameters);
	*t = (struct store_tool){ .owner = NULL };
}

/* ---- reading ---- */

static void
add_select(struct buf *out, const struct sql_driver *d)
{
	buf_addf(out,
	    "SELECT owner, name, shape, description, template, parameters, uses,"
	    " is_common, %screated_at%s FROM composite_tools ",
	    d->iso_before, d->iso_after);
}

static int
take_tool(const struct sql_value *v, size_t n, struct store_tool *t)
{
	char **const texts[] = { &t->owner, &t->name, &t->shape, &t->description,
		&t->template, &t->parameters };
	int r = 0;

	ASSERT(n == COLUMNS);
	for (size_t i = 0; i < ARRAY_LEN(texts) && r == 0; i++)
		r = sql_copy(&v[AT_OWNER + i], true, texts[i], NULL);
	t->uses = sql_number_of(&v[AT_USES]);
	t->is_common = sql_is_true(&v[AT_COMMON]);
	if (v[AT_CREATED].type != SQL_NULL)
		(void)clock_parse_iso(v[AT_CREATED].text, v[AT_CREATED].len,
		    &t->created_at_ms);
	return r;
}

struct reading {
	store_tool_fn *on_tool;
	void *arg;
};

static int
take_each(void *arg, const struct sql_value *v, size_t n)
{
	struct reading *to = arg;
	CLEANUP(store_tool_release) struct store_tool t = { .owner = NULL };
	int r = take_tool(v, n, &t);

	return r == 0 ? to->on_tool(to->arg, &t) : r;
}

static int
take_one(void *arg, const struct sql_value *v, size_t n)
{
	struct store_tool *out = arg;

	store_tool_release(out); /* of a read that broke off half-way */
	return take_tool(v, n, out);
}

int
store_tool_get(struct store *store, const char *owner, const char *name,
    struct store_tool *out, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP(store_tool_release) struct store_tool found = { .owner = NULL };
	const struct sql_value params[] = { sql_word(name), sql_word(owner) };
	struct sql_statement st = { .name = "tool.get" };
	int r;

	add_select(&text, store->sql->driver);
	buf_adds(&text,
	    "WHERE name = $1 AND (owner = $2 OR is_common)"
	    " ORDER BY CASE WHEN owner = $2 THEN 0 ELSE 1 END,"
	    " composite_tools.created_at, owner LIMIT 1");
	if (buf_status(&text) < 0)
		return err_set(err, -ENOMEM, "no memory for a statement");
	st.text = text.data;
	r = store_query(store, &st, params, 2, take_one, &found, NULL, err);
	if (r < 0)
		return r;
	if (found.owner == NULL)
		return err_set(err, -ENOENT, "there is no tool of that name");
	*out = found;
	found = (struct store_tool){ .owner = NULL };
	return 0;
}

int
store_tool_each(struct store *store, const char *owner, unsigned limit,
    store_tool_fn *on_tool, void *arg, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct reading to = { on_tool, arg };
	const struct sql_value params[] = { sql_int(owner == NULL),
		sql_word(owner != NULL ? owner : ""), sql_int(limit) };
	struct sql_statement st = { .name = "tool.each" };

	add_select(&text, store->sql->driver);
	buf_adds(&text,
	    "WHERE $1 = 1 OR owner = $2 OR is_common ORDER BY name, owner LIMIT $3");
	if (buf_status(&text) < 0)
		return err_set(err, -ENOMEM, "no memory for a statement");
	st.text = text.data;
	/* not tried again on a lost connection: the caller has seen tools by then */
	return store->sql->driver->query(store->sql, &st, params, 3, take_each, &to,
	    NULL, err);
}

/* ---- writing ---- */

int
store_tool_add(struct store *store, const struct store_tool *t, bool *is_new,
    struct err *err)
{
	static const struct sql_statement st = { "tool.add",
		"INSERT INTO composite_tools"
		" (owner, name, shape, description, template, parameters, uses)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING" };
	const struct sql_value params[] = { sql_word(t->owner), sql_word(t->name),
		sql_word(t->shape), sql_bytes(t->description, strlen(t->description)),
		sql_bytes(t->template, strlen(t->template)),
		sql_bytes(t->parameters, strlen(t->parameters)), sql_int(t->uses) };
	uint64_t changed = 0;
	int r = store_query(store, &st, params, ARRAY_LEN(params), NULL, NULL, &changed,
	    err);

	*is_new = r == 0 && changed > 0;
	return r;
}

/* A statement that must change the one tool that its parameters name. */
static int
change(struct store *store, const struct sql_statement *st,
    const struct sql_value *params, size_t n, struct err *err)
{
	uint64_t changed = 0;
	int r = store_query(store, st, params, n, NULL, NULL, &changed, err);

	if (r == 0 && changed == 0)
		return err_set(err, -ENOENT, "this owner has no tool of that name");
	return r;
}

int
store_tool_used(struct store *store, const char *owner, const char *name,
    struct err *err)
{
	static const struct sql_statement st = { "tool.used",
		"UPDATE composite_tools SET uses = uses + 1"
		" WHERE owner = $1 AND name = $2" };
	const struct sql_value params[] = { sql_word(owner), sql_word(name) };

	return change(store, &st, params, 2, err);
}

int
store_tool_publish(struct store *store, const char *owner, const char *name,
    bool is_common, struct err *err)
{
	static const struct sql_statement st = { "tool.publish",
		"UPDATE composite_tools SET is_common = $1"
		" WHERE owner = $2 AND name = $3" };
	const struct sql_value params[] = { sql_bool(is_common), sql_word(owner),
		sql_word(name) };

	return change(store, &st, params, 3, err);
}

int
store_tool_drop(struct store *store, const char *owner, const char *name,
    struct err *err)
{
	static const struct sql_statement st = { "tool.drop",
		"DELETE FROM composite_tools WHERE owner = $1 AND name = $2" };
	const struct sql_value params[] = { sql_word(owner), sql_word(name) };

	return change(store, &st, params, 2, err);
}
