/* SPDX-License-Identifier: MIT */
/*
 * store_purge.c - old results go, and then the CAS content that nobody names any more.
 *
 * Owns:   nothing.
 * Called: by `agentctl purge`, and piece by piece by a worker for storage.retention_days.
 * Fails:  with the driver's error; what was removed before stays removed, and the next
 *         purge goes on. Rows go in pieces, so that no lock is held for long.
 */
#include "config.h"

#include "common/store/store_private.h"

#include "common/clock.h"

#include <errno.h>
#include <string.h>

enum {
	PIECE_ROWS = 200, /* of ten megabytes each they take seconds, not minutes */
	/* A put relies on content that is younger than a day, and its row comes later. */
	CONTENT_AGE_MS = 2 * 24 * 3600 * 1000
};

_Static_assert((int)STORE_SHELVES == (int)CAS_SHELVES,
    "a piece of the content is a shelf");

/* $2 and $3 NULL: of any owner, of any status. */
#define MATCHES                                        \
 "created_at < $1 AND (CAST($2 AS TEXT) IS NULL OR "   \
 "owner = $2) AND (CAST($3 AS TEXT) IS NULL OR status" \
 " = $3)"

enum {
	FILTER_PARAMS = 3
};

struct filter {
	char before[CLOCK_ISO_MAX];
	struct sql_value params[FILTER_PARAMS + 1];
};

static int
make_filter(struct filter *f, const struct store_purge *what, struct err *err)
{
	int64_t now = clock_wall_ms();

	if (what->older_than_ms > (uint64_t)now)
		return err_set(err, -EINVAL, "that is before 1970");
	f->params[0] =
	    sql_word(clock_iso(now - (int64_t)what->older_than_ms, f->before));
	f->params[1] = sql_word(what->owner);
	f->params[2] = sql_word(what->status);
	return 0;
}

/* ---- rows ---- */

struct taking {
	uint64_t rows, bytes;
};

/* Each column set is {rows, their bytes}. */
static int
take_counts(void *arg, const struct sql_value *columns, size_t n)
{
	struct taking *t = arg;

	ASSERT(n == 2);
	t->rows += (uint64_t)sql_number_of(&columns[0]);
	t->bytes += (uint64_t)sql_number_of(&columns[1]);
	return 0;
}

static int
count_rows(struct store *store, const struct filter *f, struct taking *t,
    struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct sql_statement st = { .name = "purge.count" };

	buf_addf(&text,
	    "SELECT count(*), coalesce(sum(%s), 0) FROM agent_results WHERE " MATCHES,
	    store->sql->driver->row_bytes);
	if (buf_status(&text) < 0)
		return err_set(err, -ENOMEM, "no memory for a statement");
	st.text = buf_str(&text);
	return store_query(store, &st, f->params, FILTER_PARAMS, take_counts, t, NULL,
	    err);
}

/* It may run twice when the connection is lost: then it counts what the second removes. */
static int
delete_rows(struct store *store, const struct filter *f, struct taking *t,
    struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct sql_statement st = { .name = "purge.delete" };
	struct sql_value params[FILTER_PARAMS + 1];

	memcpy(params, f->params, sizeof(params));
	params[FILTER_PARAMS] = sql_int(PIECE_ROWS);
	buf_addf(&text,
	    "DELETE FROM agent_results WHERE result_id IN (SELECT result_id"
	    " FROM agent_results WHERE " MATCHES " LIMIT $4) RETURNING 1, %s",
	    store->sql->driver->row_bytes);
	if (buf_status(&text) < 0)
		return err_set(err, -ENOMEM, "no memory for a statement");
	st.text = buf_str(&text);
	return store_query(store, &st, params, FILTER_PARAMS + 1, take_counts, t, NULL,
	    err);
}

int
store_purge_rows(struct store *store, const struct store_purge *what,
    struct store_purge_count *count, bool *is_over, struct err *err)
{
	struct taking t = { 0, 0 };
	struct filter f;
	int r = make_filter(&f, what, err);

	if (r == 0)
		r = what->is_dry_run ? count_rows(store, &f, &t, err)
				     : delete_rows(store, &f, &t, err);
	if (r < 0)
		return r;
	count->rows += t.rows;
	count->row_bytes += t.bytes;
	*is_over = what->is_dry_run || t.rows < PIECE_ROWS;
	return 0;
}

/* ---- the CAS behind them ---- */

struct judging {
	struct store *store;
	const struct store_purge *what;
	const struct filter *filter;
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

/* With a dry run the rows that match count as gone. */
static int
is_named(void *arg, const char *id)
{
	static const struct sql_statement any = { "purge.named",
		"SELECT 1 FROM agent_results WHERE cas_id = $1 LIMIT 1" };
	static const struct sql_statement other = { "purge.other",
		"SELECT 1 FROM agent_results WHERE NOT (" MATCHES
		") AND cas_id = $4 LIMIT 1" };
	struct judging *j = arg;
	struct sql_value params[FILTER_PARAMS + 1];
	bool found = false;
	int r;

	memcpy(params, j->filter->params, sizeof(params));
	params[FILTER_PARAMS] = sql_word(id);
	r = j->what->is_dry_run ? store_query(j->store, &other, params,
				      FILTER_PARAMS + 1, take_any, &found, NULL, j->err)
				: store_query(j->store, &any, &params[FILTER_PARAMS], 1,
				      take_any, &found, NULL, j->err);
	if (r < 0 || found || j->what->is_kept == NULL)
		return r < 0 ? r : found;
	return j->what->is_kept(j->what->kept_arg, id);
}

int
store_purge_shelf(struct store *store, const struct store_purge *what, unsigned shelf,
    struct store_purge_count *count, struct err *err)
{
	struct cas_swept swept = { 0, 0 };
	struct filter f;
	struct judging j = { store, what, &f, err };
	struct cas_sweep sweep = { .min_age_ms = CONTENT_AGE_MS,
		.is_dry_run = what->is_dry_run,
		.shelf = shelf,
		.is_needed = is_named,
		.arg = &j };
	int r = make_filter(&f, what, err);

	if (r == 0)
		r = cas_sweep(store->cas, &sweep, &swept, err);
	count->blobs += swept.files;
	count->blob_bytes += swept.bytes;
	return r;
}

int
store_purge(struct store *store, const struct store_purge *what,
    struct store_purge_count *count, struct err *err)
{
	bool is_over = false;
	int r = 0;

	*count = (struct store_purge_count){ 0 };
	while (r == 0 && !is_over)
		r = store_purge_rows(store, what, count, &is_over, err);
	for (unsigned shelf = 0; r == 0 && shelf < STORE_SHELVES; shelf++)
		r = store_purge_shelf(store, what, shelf, count, err);
	return r;
}
