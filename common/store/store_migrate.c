/* SPDX-License-Identifier: MIT */
/*
 * store_migrate.c - brings the schema to what this program needs, or only looks.
 *
 * Owns:   the tables schema_migrations and store_meta.
 * Called: by the migrate role before the first worker starts, by `agentctl`, by tests.
 * Fails:  all or nothing: every missing migration is applied in one transaction, which
 *         only one process at a time enters. A newer database is left alone.
 */
#include "config.h"

#include "common/store/store_private.h"

#include "common/clock.h"

/* Made from migrations/ by embed.awk. */
#include "common/store/migrations.h"

#include <errno.h>
#include <string.h>

/* Numbered from 1 without gaps; what was released never changes. */
static const struct migration {
	const char *name;
	const char *sqlite;
	const char *postgresql;
} migrations[] = {
	{ "results", sql_0001_sqlite, sql_0001_postgresql },
	{ "tools", sql_0002_sqlite, sql_0002_postgresql },
};

enum {
	MIGRATION_TIMEOUT_NONE = 0
};

unsigned
store_schema_version(void)
{
	return ARRAY_LEN(migrations);
}

static int
take_number(void *arg, const struct sql_value *columns, size_t n)
{
	ASSERT(n == 1);
	*(int64_t *)arg = sql_number_of(&columns[0]);
	return 0;
}

/* Inside the transaction a statement must not move to a new connection. */
static int
run_query(struct store *store, bool is_inside, const struct sql_statement *st,
    const struct sql_value *params, size_t n, sql_row_fn *on_row, void *arg,
    struct err *err)
{
	if (!is_inside)
		return store_query(store, st, params, n, on_row, arg, NULL, err);
	return store->sql->driver->query(store->sql, st, params, n, on_row, arg, NULL,
	    err);
}

/* 0 when no migration was ever applied. */
static int
read_version(struct store *store, bool is_inside, int64_t *version, struct err *err)
{
	static const struct sql_statement newest = { "migrate.max",
		"SELECT max(version) FROM schema_migrations" };
	const struct sql_statement exists = { "migrate.exists",
		store->sql->driver->table_exists };
	const struct sql_value table = sql_word("schema_migrations");
	int64_t has_table = 0;
	int r;

	*version = 0;
	r = run_query(store, is_inside, &exists, &table, 1, take_number, &has_table,
	    err);
	if (r < 0 || !has_table)
		return r;
	return run_query(store, is_inside, &newest, NULL, 0, take_number, version, err);
}

/* 1: current; 0: behind; negative errno: newer than this program. */
static int
judge(struct store *store, int64_t version, struct err *err)
{
	if (version > (int64_t)store_schema_version())
		return err_set(err, -ENOTSUP,
		    "%s: schema %lld is newer than this program's %u; install the newer "
		    "program",
		    store_name(store), (long long)version, store_schema_version());
	return version == (int64_t)store_schema_version();
}

struct complaint {
	char text[200];
};

static int
take_complaint(void *arg, const struct sql_value *columns, size_t n)
{
	struct complaint *c = arg;

	ASSERT(n == 1);
	sql_copy_to(&columns[0], c->text, sizeof(c->text));
	return 0;
}

static int
check_fitness(struct store *store, struct err *err)
{
	const struct sql_statement st = { "migrate.fit",
		store->sql->driver->fit_to_use };
	struct complaint c = { "" };
	int r;

	r = store_query(store, &st, NULL, 0, take_complaint, &c, NULL, err);
	if (r == 0 && c.text[0] != '\0')
		return err_set(err, -ENOTSUP, "%s: %s", store_name(store), c.text);
	return r;
}

static int
run_script(struct store *store, const char *text, struct err *err)
{
	return store->sql->driver->script(store->sql, text, MIGRATION_TIMEOUT_NONE,
	    err);
}

static int
apply_one(struct store *store, unsigned number, struct err *err)
{
	static const struct sql_statement record = {
		"migrate.record",
		"INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, $3)"
	};
	const struct migration *m = &migrations[number - 1];
	char now[CLOCK_ISO_MAX];
	const struct sql_value params[] = { sql_int(number), sql_word(m->name),
		sql_word(clock_iso(clock_wall_ms(), now)) };
	int r;

	r = run_script(store,
	    store->sql->driver == &sql_sqlite ? m->sqlite : m->postgresql, err);
	if (r == 0)
		r = run_query(store, true, &record, params, ARRAY_LEN(params), NULL,
		    NULL, err);
	return r < 0 ? err_prefix(err, r, "migration %u (%s)", number, m->name) : 0;
}

static int
draw_id(struct store *store, struct err *err)
{
	static const struct sql_statement insert = { "migrate.id",
		"INSERT INTO store_meta (name, value) VALUES ('store_id', $1)"
		" ON CONFLICT (name) DO NOTHING" };
	char id[STORE_ID_MAX];
	struct sql_value param;
	int r;

	r = store_new_id(id);
	if (r < 0)
		return err_set(err, r, "random bytes for the store's id: %s",
		    strerror(-r));
	param = sql_word(id);
	return run_query(store, true, &insert, &param, 1, NULL, NULL, err);
}

/* Inside the transaction: another process may have been here first. */
static int
apply_missing(struct store *store, unsigned *applied, struct err *err)
{
	int64_t version;
	int r;

	r = run_script(store,
	    "CREATE TABLE IF NOT EXISTS schema_migrations ("
	    "version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
	    " applied_at TEXT NOT NULL)",
	    err);
	if (r == 0)
		r = read_version(store, true, &version, err);
	if (r == 0)
		r = judge(store, version, err);
	if (r != 0)
		return r < 0 ? r : 0;
	for (unsigned i = (unsigned)version + 1; i <= store_schema_version(); i++) {
		r = apply_one(store, i, err);
		if (r < 0)
			return r;
		++*applied;
	}
	return draw_id(store, err);
}

static int
apply(struct store *store, unsigned *applied, struct err *err)
{
	unsigned count = 0;
	int r;

	r = run_script(store, store->sql->driver->begin_alone, err);
	if (r < 0)
		return r;
	r = apply_missing(store, &count, err);
	if (r == 0)
		r = run_script(store, "COMMIT", err);
	if (r < 0) {
		(void)run_script(store, "ROLLBACK", NULL); /* r is what matters */
		return r;
	}
	*applied = count;
	return 0;
}

int
store_migrate(struct store *store, enum store_migrate_mode mode, unsigned *applied,
    struct err *err)
{
	unsigned count = 0;
	int64_t version;
	int r;

	r = check_fitness(store, err);
	if (r == 0)
		r = read_version(store, false, &version, err);
	if (r == 0)
		r = judge(store, version, err);
	if (r < 0)
		return r;
	if (r == 0 && mode == STORE_MIGRATE_CHECK)
		return err_set(err, -ENODATA,
		    "%s: schema %lld is behind this program's %u; run the migration",
		    store_name(store), (long long)version, store_schema_version());
	if (r == 0) {
		r = apply(store, &count, err);
		if (r < 0)
			return r;
	}
	if (applied != NULL)
		*applied = count;
	return 0;
}

/* ---- the store's id ---- */

static int
take_id(void *arg, const struct sql_value *columns, size_t n)
{
	ASSERT(n == 1);
	sql_copy_to(&columns[0], arg, STORE_ID_MAX);
	return 0;
}

int
store_id(struct store *store, char out[STORE_ID_MAX], struct err *err)
{
	static const struct sql_statement select = { "store.id",
		"SELECT value FROM store_meta WHERE name = 'store_id'" };
	char id[STORE_ID_MAX] = "";
	int r;

	r = store_query(store, &select, NULL, 0, take_id, id, NULL, err);
	if (r < 0)
		return r;
	if (!store_is_id(id))
		return err_set(err, -ENODATA, "%s has no id; run the migration",
		    store_name(store));
	memcpy(out, id, sizeof(id));
	return 0;
}
