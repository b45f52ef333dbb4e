/* SPDX-License-Identifier: MIT */
/*
 * sql.h - what a database driver must do; private to common/store.
 *
 * A session is one connection that is made when it is first needed and again after it
 * was lost. store.c and its kin hold all SQL that both databases understand; a driver
 * holds the foreign library, the translation of its errors, and the few words in which
 * the dialects differ.
 */
#ifndef COMMON_STORE_SQL_H
#define COMMON_STORE_SQL_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sql_type {
	SQL_NULL,
	SQL_WORD,  /* C string whose form the column's type decides: UUID, time */
	SQL_BYTES, /* UTF-8 of len bytes for a text or JSON column */
	SQL_INT,
	SQL_BOOL
};

/* A parameter, or a column that was read (then NULL or BYTES, NUL-terminated). */
struct sql_value {
	enum sql_type type;
	const char *text;
	size_t len;
	int64_t number; /* INT, BOOL */
};

/* Prepared once per connection under its name (at most 15 bytes). Parameters are $1, $2
   ... in the order in which they first appear. */
struct sql_statement {
	const char *name;
	const char *text;
};

struct sql_options {
	uint64_t connect_timeout_ms;
	uint64_t statement_timeout_ms;
	int64_t sqlite_max_pages;
};

/* Columns live until the function returns. A negative answer ends the query and is
   returned by it. */
typedef int sql_row_fn(void *arg, const struct sql_value *columns, size_t n);

struct sql_driver;

struct sql {
	const struct sql_driver *driver;
	bool was_lost; /* the last failure ended the connection: trying again makes
			  sense */
};

struct sql_driver {
	const char *name;
	/* Checks the target, connects nothing. */
	int (*open)(const char *target, const struct sql_options *options,
	    struct sql **out, struct err *err);
	void (*close)(struct sql *s);
	const char *(*describe)(const struct sql *s);
	/* Several statements without parameters; 0 for no time bound. */
	int (*script)(struct sql *s, const char *text, uint64_t timeout_ms,
	    struct err *err);
	int (*query)(struct sql *s, const struct sql_statement *st,
	    const struct sql_value *params, size_t n_params, sql_row_fn *on_row,
	    void *arg, uint64_t *changed, struct err *err);
	/* dialect */
	const char *begin_alone;  /* a transaction that no other migration enters;
				     waits without bound */
	const char *table_exists; /* $1: a table's name; a row when it exists */
	const char *fit_to_use; /* a row whose one column says what is wrong, or none */
	const char *iso_before; /* around a time column: RFC 3339 text in UTC */
	const char *iso_after;
	const char *row_bytes; /* of agent_results: what a row takes, about */
};

extern const struct sql_driver sql_sqlite;
extern const struct sql_driver sql_postgresql;

static inline struct sql_value
sql_word(const char *text)
{
	return (struct sql_value){ .type = text != NULL ? SQL_WORD : SQL_NULL,
		.text = text };
}

static inline struct sql_value
sql_bytes(const char *text, size_t len)
{
	return (struct sql_value){ .type = text != NULL ? SQL_BYTES : SQL_NULL,
		.text = text,
		.len = len };
}

static inline struct sql_value
sql_int(int64_t i)
{
	return (struct sql_value){ .type = SQL_INT, .number = i };
}

static inline struct sql_value
sql_bool(bool b)
{
	return (struct sql_value){ .type = SQL_BOOL, .number = b };
}

#endif
