/* SPDX-License-Identifier: MIT */
/*
 * store_sqlite.c - the SQLite driver; the only file that knows sqlite3.h.
 *
 * Owns:   one connection to one file, and its prepared statements.
 * Called: through struct sql_driver. Every statement is its own transaction unless a
 *         script has begun one; write-ahead log, synchronous=FULL: what was answered is
 *         on the disk.
 * Fails:  by the table below. A full disk, a lock that lasts or a lost file is -EAGAIN.
 */
#include "config.h"

#include "common/store/sql.h"

#include "common/clock.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

enum {
	STATEMENTS_MAX = 64,
	NAME_MAX_LEN = 16
};

struct prepared {
	char name[NAME_MAX_LEN];
	sqlite3_stmt *stmt;
};

struct sqlite {
	struct sql base;
	char *path;
	char *label; /* "sqlite PATH" */
	struct sql_options options;
	sqlite3 *db; /* NULL while not open */
	struct prepared prepared[STATEMENTS_MAX];
	size_t n_prepared;
};

/* ---- errors ---- */

static const struct {
	int foreign; /* primary or extended code */
	int code;
	bool is_lost; /* the connection is of no more use */
} errors[] = {
	{ SQLITE_CONSTRAINT_UNIQUE, -EEXIST, false },
	{ SQLITE_CONSTRAINT_PRIMARYKEY, -EEXIST, false },
	{ SQLITE_CONSTRAINT_ROWID, -EEXIST, false },
	{ SQLITE_CONSTRAINT, -EINVAL, false },
	{ SQLITE_MISMATCH, -EINVAL, false },
	{ SQLITE_TOOBIG, -EFBIG, false },
	{ SQLITE_BUSY, -EAGAIN, false },
	{ SQLITE_LOCKED, -EAGAIN, false },
	{ SQLITE_FULL, -EAGAIN, false },
	{ SQLITE_READONLY, -EAGAIN, true },
	{ SQLITE_IOERR, -EAGAIN, true },
	{ SQLITE_CANTOPEN, -EAGAIN, true },
	{ SQLITE_PROTOCOL, -EAGAIN, true },
	{ SQLITE_NOMEM, -ENOMEM, false },
	{ SQLITE_PERM, -EACCES, false },
	{ SQLITE_AUTH, -EACCES, false },
	{ SQLITE_CORRUPT, -EIO, true },
	{ SQLITE_NOTADB, -EIO, true },
	/* our texts are right, so a plain error means a table that is missing */
	{ SQLITE_ERROR, -ENODATA, false },
};

static void
disconnect(struct sqlite *s)
{
	for (size_t i = 0; i < s->n_prepared; i++)
		(void)sqlite3_finalize(s->prepared[i].stmt);
	s->n_prepared = 0;
	(void)sqlite3_close_v2(s->db); /* NULL is allowed */
	s->db = NULL;
}

static int
fail(struct sqlite *s, struct err *err)
{
	int extended = sqlite3_extended_errcode(s->db);
	int code = -EIO;

	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		if (errors[i].foreign == extended ||
		    errors[i].foreign == (extended & 0xff)) {
			code = errors[i].code;
			s->base.was_lost = errors[i].is_lost;
			break;
		}
	(void)err_set(err, code, "%s: %s (%d)", s->label, sqlite3_errmsg(s->db),
	    extended);
	if (s->base.was_lost)
		disconnect(s);
	return code;
}

/* ---- the connection ---- */

/* The step to WAL does not wait for locks by itself: two processes that meet a new file
   would refuse each other. */
static int
enter_wal(struct sqlite *s)
{
	uint64_t deadline = clock_mono_ms() + s->options.statement_timeout_ms;
	int r;

	while ((r = sqlite3_exec(s->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL)) ==
		SQLITE_BUSY &&
	    clock_mono_ms() < deadline)
		(void)sqlite3_sleep(10);
	return r;
}

static int
configure(struct sqlite *s)
{
	char bound[64];
	int r;

	r = enter_wal(s);
	if (r == SQLITE_OK)
		r = sqlite3_exec(s->db, "PRAGMA synchronous=FULL", NULL, NULL, NULL);
	if (r != SQLITE_OK || s->options.sqlite_max_pages <= 0)
		return r;
	(void)snprintf(bound, sizeof(bound), "PRAGMA max_page_count=%lld",
	    (long long)s->options.sqlite_max_pages);
	return sqlite3_exec(s->db, bound, NULL, NULL, NULL);
}

static int
connect_now(struct sqlite *s, struct err *err)
{
	s->base.was_lost = false;
	if (s->db != NULL)
		return 0;
	/* one thread at a time uses a store, so no mutexes; the file is made if
	   missing, and a schema that is missing shows as -ENODATA */
	if (sqlite3_open_v2(s->path, &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
		NULL) != SQLITE_OK) {
		if (s->db == NULL)
			return err_set(err, -ENOMEM, "%s: no memory", s->label);
		return fail(s, err);
	}
	(void)sqlite3_extended_result_codes(s->db, 1);
	(void)sqlite3_busy_timeout(s->db, (int)s->options.statement_timeout_ms);
	if (configure(s) != SQLITE_OK) {
		int r = fail(s, err);

		disconnect(s); /* never half configured */
		return r;
	}
	return 0;
}

/* ---- statements ---- */

static int
prepare(struct sqlite *s, const struct sql_statement *st, sqlite3_stmt **out,
    struct err *err)
{
	struct prepared *p;

	for (size_t i = 0; i < s->n_prepared; i++)
		if (strcmp(s->prepared[i].name, st->name) == 0) {
			*out = s->prepared[i].stmt;
			return 0;
		}
	ASSERT(s->n_prepared < STATEMENTS_MAX && strlen(st->name) < NAME_MAX_LEN);
	p = &s->prepared[s->n_prepared];
	if (sqlite3_prepare_v3(s->db, st->text, -1, SQLITE_PREPARE_PERSISTENT, &p->stmt,
		NULL) != SQLITE_OK)
		return fail(s, err);
	(void)strcpy(p->name, st->name);
	s->n_prepared++;
	*out = p->stmt;
	return 0;
}

/* Bytes of one UTF-8 sequence by its first byte, 0 when none begins with it. */
static size_t
utf8_length(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/*
 * SQLite takes any bytes for text; PostgreSQL does not. A row that one store keeps must
 * be one that the other keeps as well, so this is PostgreSQL's rule: UTF-8 without NUL.
 */
static bool
is_text(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_length(p[i]);
		if (n == 0 || n > len - i || p[i] == 0)
			return false;
		for (size_t k = 1; k < n; k++)
			if ((p[i + k] & 0xc0) != 0x80)
				return false;
		if ((p[i] == 0xe0 && p[i + 1] < 0xa0) ||
		    (p[i] == 0xed && p[i + 1] > 0x9f) ||
		    (p[i] == 0xf0 && p[i + 1] < 0x90) ||
		    (p[i] == 0xf4 && p[i + 1] > 0x8f))
			return false;
	}
	return true;
}

static int
bind_one(sqlite3_stmt *stmt, int at, const struct sql_value *v)
{
	switch (v->type) {
	case SQL_NULL:
		return sqlite3_bind_null(stmt, at);
	case SQL_WORD:
		return sqlite3_bind_text(stmt, at, v->text, -1, SQLITE_STATIC);
	case SQL_BYTES:
		return sqlite3_bind_text64(stmt, at, v->text, v->len, SQLITE_STATIC,
		    SQLITE_UTF8);
	case SQL_INT:
	case SQL_BOOL:
		return sqlite3_bind_int64(stmt, at, v->number);
	}
	return SQLITE_MISUSE;
}

static int
bind_all(struct sqlite *s, sqlite3_stmt *stmt, const struct sql_value *params, size_t n,
    struct err *err)
{
	ASSERT(sqlite3_bind_parameter_count(stmt) == (int)n);
	for (size_t i = 0; i < n; i++) {
		const struct sql_value *v = &params[i];

		if ((v->type == SQL_BYTES && !is_text(v->text, v->len)) ||
		    (v->type == SQL_WORD && !is_text(v->text, strlen(v->text))))
			return err_set(err, -EINVAL,
			    "%s: parameter %zu is not UTF-8 text without NUL", s->label,
			    i + 1);
		if (bind_one(stmt, (int)i + 1, v) != SQLITE_OK)
			return fail(s, err);
	}
	return 0;
}

enum {
	COLUMNS_MAX = 32
};

static int
give_row(sqlite3_stmt *stmt, sql_row_fn *on_row, void *arg)
{
	struct sql_value columns[COLUMNS_MAX];
	int n = sqlite3_column_count(stmt);

	ASSERT(n <= COLUMNS_MAX);
	for (int i = 0; i < n; i++) {
		bool is_null = sqlite3_column_type(stmt, i) == SQLITE_NULL;

		columns[i].type = is_null ? SQL_NULL : SQL_BYTES;
		columns[i].text = (const char *)sqlite3_column_text(stmt, i);
		columns[i].len = (size_t)sqlite3_column_bytes(stmt, i);
		columns[i].number = 0;
		if (!is_null && columns[i].text == NULL)
			return -ENOMEM;
	}
	return on_row(arg, columns, (size_t)n);
}

static int
run(struct sqlite *s, sqlite3_stmt *stmt, sql_row_fn *on_row, void *arg,
    struct err *err)
{
	int step, r;

	while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
		r = on_row != NULL ? give_row(stmt, on_row, arg) : 0;
		if (r < 0)
			return err_set(err, r, "%s: %s", s->label, strerror(-r));
	}
	return step == SQLITE_DONE ? 0 : fail(s, err);
}

static int
sqlite_query(struct sql *base, const struct sql_statement *st,
    const struct sql_value *params, size_t n_params, sql_row_fn *on_row, void *arg,
    uint64_t *changed, struct err *err)
{
	struct sqlite *s = (struct sqlite *)base;
	sqlite3_stmt *stmt = NULL;
	int r;

	r = connect_now(s, err);
	if (r == 0)
		r = prepare(s, st, &stmt, err);
	if (r < 0)
		return r;
	r = bind_all(s, stmt, params, n_params, err);
	if (r == 0)
		r = run(s, stmt, on_row, arg, err);
	if (r == 0 && changed != NULL)
		*changed = (uint64_t)sqlite3_changes64(s->db);
	if (s->db != NULL) { /* else the statement went with the connection */
		(void)sqlite3_reset(stmt); /* repeats the error that run has told */
		(void)sqlite3_clear_bindings(stmt);
	}
	return r;
}

static int
sqlite_script(struct sql *base, const char *text, uint64_t timeout_ms, struct err *err)
{
	struct sqlite *s = (struct sqlite *)base;
	int r;

	(void)timeout_ms; /* nobody else holds us up for longer than the busy timeout */
	r = connect_now(s, err);
	if (r < 0)
		return r;
	return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0
									: fail(s, err);
}

/* ---- birth and death ---- */

static void
sqlite_close(struct sql *base)
{
	struct sqlite *s = (struct sqlite *)base;

	disconnect(s);
	free(s->path);
	free(s->label);
	free(s);
}

static const char *
sqlite_describe(const struct sql *base)
{
	return ((const struct sqlite *)base)->label;
}

static int
sqlite_open(const char *target, const struct sql_options *options, struct sql **out,
    struct err *err)
{
	struct sqlite *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(err, -ENOMEM, "no memory for the result store");
	s->base.driver = &sql_sqlite;
	s->options = *options;
	s->path = strdup(target);
	if (s->path == NULL || asprintf(&s->label, "sqlite %s", target) < 0) {
		s->label = NULL;
		sqlite_close(&s->base);
		return err_set(err, -ENOMEM, "no memory for the result store");
	}
	*out = &s->base;
	return 0;
}

const struct sql_driver sql_sqlite = {
	.name = "sqlite",
	.open = sqlite_open,
	.close = sqlite_close,
	.describe = sqlite_describe,
	.script = sqlite_script,
	.query = sqlite_query,
	.begin_alone = "BEGIN IMMEDIATE;",
	.table_exists =
	    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1",
	.fit_to_use = "SELECT 'no' WHERE 0",
	.iso_before = "",
	.iso_after = "",
	.row_bytes = "(length(CAST(message AS BLOB)) +"
		     " coalesce(length(CAST(result_data AS BLOB)), 0) +"
		     " coalesce(length(CAST(trace AS BLOB)), 0))",
};
