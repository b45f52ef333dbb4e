/* SPDX-License-Identifier: MIT */
/*
 * sql.c - one statement on SQLite or PostgreSQL, rows as text.
 *
 * Owns:   a connection for the length of the call.
 * Called: by the harness.
 * Fails:  -EIO with the server's words.
 */
#include "config.h"

#include "tests/support/sql.h"

#include <errno.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <string.h>

static void
add_cell(struct buf *out, int column, const char *text)
{
	if (column > 0)
		buf_addc(out, '\t');
	buf_adds(out, text != NULL ? text : "\\N");
}

static int
run_sqlite(const char *path, const char *statement, struct buf *out, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	int r, result = 0;

	r = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_busy_timeout(db, 5000);
	if (r == SQLITE_OK)
		r = sqlite3_prepare_v2(db, statement, -1, &stmt, NULL);
	while (r == SQLITE_OK || r == SQLITE_ROW) {
		r = sqlite3_step(stmt);
		if (r != SQLITE_ROW)
			break;
		for (int i = 0; i < sqlite3_column_count(stmt); i++)
			add_cell(out, i, (const char *)sqlite3_column_text(stmt, i));
		buf_addc(out, '\n');
	}
	if (r != SQLITE_DONE)
		result = err_set(err, -EIO, "sqlite %s: %s", path, sqlite3_errmsg(db));
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	return result;
}

static int
run_postgresql(const char *url, const char *statement, struct buf *out, struct err *err)
{
	PGconn *db = PQconnectdb(url);
	PGresult *res = NULL;
	int result = 0;

	if (PQstatus(db) == CONNECTION_OK)
		res = PQexec(db, statement);
	if (PQresultStatus(res) == PGRES_TUPLES_OK) {
		for (int row = 0; row < PQntuples(res); row++) {
			for (int i = 0; i < PQnfields(res); i++)
				add_cell(out, i,
				    PQgetisnull(res, row, i) ? NULL
							     : PQgetvalue(res, row, i));
			buf_addc(out, '\n');
		}
	} else if (PQresultStatus(res) != PGRES_COMMAND_OK) {
		result = err_set(err, -EIO, "postgresql: %s", PQerrorMessage(db));
	}
	PQclear(res);
	PQfinish(db);
	return result;
}

int
sql_run(const char *url, const char *statement, struct buf *out, struct err *err)
{
	if (strncmp(url, "sqlite:", 7) == 0)
		return run_sqlite(url + 7, statement, out, err);
	return run_postgresql(url, statement, out, err);
}
