/* SPDX-License-Identifier: MIT */
/*
 * store.c - the store as a whole: opening, which driver, one statement run safely.
 *
 * Owns:   struct store, its session and its CAS.
 * Called: by the helper thread of a worker, by agentctl and by the migrate role.
 * Fails:  with the driver's error; a lost connection is made again once per statement.
 */
#include "config.h"

#include "common/store/store_private.h"

#include <errno.h>
#include <string.h>

enum {
	CONNECT_DEFAULT_MS = 5000,
	STATEMENT_DEFAULT_MS = 10000
};

void
store_close(struct store *store)
{
	if (store == NULL)
		return;
	if (store->sql != NULL)
		store->sql->driver->close(store->sql);
	cas_close(store->cas);
	for (size_t i = 0; i < STORE_BATCH_MAX; i++) {
		free(store->put_text[i]);
		free(store->read_back_text[i]);
	}
	free(store);
}

void
store_closep(struct store **store)
{
	store_close(*store);
}

static void
set_options(struct store *store, const struct store_options *given)
{
	struct store_options *o = &store->options;

	if (given != NULL)
		*o = *given;
	if (o->connect_timeout_ms == 0)
		o->connect_timeout_ms = CONNECT_DEFAULT_MS;
	if (o->statement_timeout_ms == 0)
		o->statement_timeout_ms = STATEMENT_DEFAULT_MS;
	if (o->max_inline_bytes == 0)
		o->max_inline_bytes = STORE_INLINE_DEFAULT;
}

static bool
begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int
open_session(struct store *store, const char *url, const char *state_dir,
    struct err *err)
{
	const struct sql_options options = {
		.connect_timeout_ms = store->options.connect_timeout_ms,
		.statement_timeout_ms = store->options.statement_timeout_ms,
		.sqlite_max_pages = store->options.sqlite_max_pages,
	};
	CLEANUP(freep) char *path = NULL;

	if (begins_with(url, "postgresql://") || begins_with(url, "postgres://"))
		return sql_postgresql.open(url, &options, &store->sql, err);
	if (begins_with(url, "sqlite:") && url[7] != '\0')
		return sql_sqlite.open(url + 7, &options, &store->sql, err);
	if (strcmp(url, "sqlite") != 0)
		return err_set(err, -EINVAL,
		    "database.url must be \"sqlite\", \"sqlite:PATH\" or \"postgresql://...\"");
	if (asprintf(&path, "%s/agent-runner.db", state_dir) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "no memory for the result store");
	}
	return sql_sqlite.open(path, &options, &store->sql, err);
}

int
store_open(const char *url, const char *state_dir, const struct store_options *options,
    struct store **out, struct err *err)
{
	CLEANUP(store_closep) struct store *store = calloc(1, sizeof(*store));
	CLEANUP(freep) char *cas_path = NULL;
	int r;

	if (store == NULL || asprintf(&cas_path, "%s/cas", state_dir) < 0) {
		cas_path = NULL;
		return err_set(err, -ENOMEM, "no memory for the result store");
	}
	set_options(store, options);
	r = open_session(store, url, state_dir, err);
	if (r == 0)
		r = cas_dir_open(cas_path, &store->cas, err);
	if (r < 0)
		return r;
	*out = TAKE_PTR(store);
	return 0;
}

const char *
store_name(const struct store *store)
{
	return store->sql->driver->describe(store->sql);
}

struct cas *
store_cas(struct store *store)
{
	return store->cas;
}

int
store_query(struct store *store, const struct sql_statement *st,
    const struct sql_value *params, size_t n, sql_row_fn *on_row, void *arg,
    uint64_t *changed, struct err *err)
{
	struct sql *s = store->sql;
	int r;

	r = s->driver->query(s, st, params, n, on_row, arg, changed, err);
	if (r == -EAGAIN && s->was_lost)
		r = s->driver->query(s, st, params, n, on_row, arg, changed, err);
	return r;
}

int
store_ping(struct store *store, struct err *err)
{
	static const struct sql_statement ping = { "ping", "SELECT 1" };

	return store_query(store, &ping, NULL, 0, NULL, NULL, NULL, err);
}

/* ---- columns ---- */

int64_t
sql_number_of(const struct sql_value *v)
{
	return v->type == SQL_NULL ? 0 : strtoll(v->text, NULL, 10);
}

bool
sql_is_true(const struct sql_value *v)
{
	return v->type != SQL_NULL && (v->text[0] == 't' || v->text[0] == '1');
}

int
sql_copy(const struct sql_value *v, bool null_is_empty, char **out, size_t *len)
{
	char *copy;

	if (v->type == SQL_NULL && !null_is_empty)
		return 0;
	copy = malloc(v->len + 1);
	if (copy == NULL)
		return -ENOMEM;
	if (v->type != SQL_NULL)
		memcpy(copy, v->text, v->len);
	copy[v->type == SQL_NULL ? 0 : v->len] = '\0';
	*out = copy;
	if (len != NULL)
		*len = v->len;
	return 0;
}

void
sql_copy_to(const struct sql_value *v, char *out, size_t size)
{
	(void)snprintf(out, size, "%s", v->type == SQL_NULL ? "" : v->text);
}
