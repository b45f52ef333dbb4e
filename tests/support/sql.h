/* SPDX-License-Identifier: MIT */
/* sql.h - what the database holds, as lines of text, for either store. */
#ifndef TESTS_SUPPORT_SQL_H
#define TESTS_SUPPORT_SQL_H

#include "common/buf.h"
#include "common/err.h"

/*
 * Runs one statement. url: "sqlite:PATH" or a PostgreSQL URL. Rows are appended as
 * lines, columns separated by tabs, NULL as \N. 0 or a negative errno.
 */
int sql_run(const char *url, const char *statement, struct buf *out, struct err *err);

#endif
