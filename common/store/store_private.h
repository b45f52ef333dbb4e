/* SPDX-License-Identifier: MIT */
/* store_private.h - what the files of the store share; for nobody else. */
#ifndef COMMON_STORE_STORE_PRIVATE_H
#define COMMON_STORE_STORE_PRIVATE_H

#include "common/buf.h"
#include "common/store/cas.h"
#include "common/store/sql.h"
#include "common/store/store.h"

struct store {
	struct sql *sql;                 /* owned */
	struct cas *cas;                 /* owned */
	struct store_options options;    /* every 0 replaced by its default */
	char *put_text[STORE_BATCH_MAX]; /* owned, made when first needed; [n - 1] for n
					    rows */
	char *read_back_text[STORE_BATCH_MAX];
};

/*
 * Runs one statement; when the connection was lost under it, connects and runs it once
 * more. Only for statements that may run twice.
 */
int store_query(struct store *store, const struct sql_statement *st,
    const struct sql_value *params, size_t n, sql_row_fn *on_row, void *arg,
    uint64_t *changed, struct err *err);

/* Columns as they were read. */
int64_t sql_number_of(const struct sql_value *v); /* 0 for NULL */
bool sql_is_true(const struct sql_value *v);
/* A copy that is the caller's; "" for NULL when so wished, else NULL. -ENOMEM fails. */
int sql_copy(const struct sql_value *v, bool null_is_empty, char **out, size_t *len);
void sql_copy_to(const struct sql_value *v, char *out, size_t size);

#endif
