/* SPDX-License-Identifier: MIT */
/*
 * store_purge.c - old results go, and then the CAS content that only they named.
 *
 * Owns:   nothing.
 * Called: by `agentctl purge` and for storage.retention_days.
 * Fails:  with the driver's error; what was removed before stays removed, and the next
 *         purge goes on. Rows go in pieces, so that no lock is held for long.
 */
#include "config.h"

#include "common/store/store_private.h"

#include "common/clock.h"

#include <errno.h>
#include <string.h>

enum {
	PIECE_ROWS = 1000,
	WEEK_MS = 7 * 24 * 3600 * 1000
};

static int
take_count(void *arg, const struct sql_value *columns, size_t n)
{
	ASSERT(n == 1);
	*(uint64_t *)arg = (uint64_t)sql_number_of(&columns[0]);
	return 0;
}

static int
count_rows(struct store *store, const struct sql_value *before, uint64_t *count,
    struct err *err)
{
	static const struct sql_statement st = { "purge.count",
		"SELECT count(*) FROM agent_results WHERE created_at < $1" };

	return store_query(store, &st, before, 1, take_count, count, NULL, err);
}

static int
delete_rows(struct store *store, const struct sql_value *before, uint64_t *count,
    struct err *err)
{
	static const struct sql_statement st = { "purge.delete",
		"DELETE FROM agent_results WHERE result_id IN (SELECT result_id"
		" FROM agent_results WHERE created_at < $1 LIMIT $2)" };
	const struct sql_value params[] = { *before, sql_int(PIECE_ROWS) };
	uint64_t changed;
	int r;

	do {
		changed = 0;
		r = store_query(store, &st, params, 2, NULL, NULL, &changed, err);
		*count += changed;
	} while (r == 0 && changed == PIECE_ROWS);
	return r;
}

/* ---- the CAS behind them ---- */

struct judging {
	struct store *store;
	const struct sql_value *before; /* with a dry run older rows count as gone */
	struct err *err;
};

static int
take_any(void *arg, const struct sql_value *columns, size_t n)
{
	(void)columns;
	(void)n;
	*(bool *)arg = true;
	return 0;
}

static int
is_named(void *arg, const char *id)
{
	static const struct sql_statement st = {
		"purge.named",
		"SELECT 1 FROM agent_results WHERE cas_id = $1 AND created_at >= $2 LIMIT 1"
	};
	struct judging *j = arg;
	const struct sql_value params[] = { sql_word(id), *j->before };
	bool found = false;
	int r;

	r = store_query(j->store, &st, params, 2, take_any, &found, NULL, j->err);
	return r < 0 ? r : found;
}

int
store_purge(struct store *store, uint64_t older_than_ms, bool dry_run,
    struct store_purge_count *count, struct err *err)
{
	struct store_purge_count found = { 0, 0 };
	uint64_t min_age = older_than_ms > WEEK_MS ? older_than_ms : WEEK_MS;
	int64_t now = clock_wall_ms();
	char text[CLOCK_ISO_MAX];
	struct sql_value before;
	int r;

	if (older_than_ms > (uint64_t)now)
		return err_set(err, -EINVAL, "that is before 1970");
	before = sql_word(clock_iso(now - (int64_t)older_than_ms, text));
	r = dry_run ? count_rows(store, &before, &found.rows, err)
		    : delete_rows(store, &before, &found.rows, err);
	if (r == 0)
		r = cas_sweep(store->cas, min_age, dry_run, is_named,
		    &(struct judging){ store, &before, err }, &found.blobs, err);
	if (r < 0)
		return r;
	*count = found;
	return 0;
}
