/* SPDX-License-Identifier: MIT */
/*
 * table.h - rows of cells as an aligned table.
 *
 * Widths are display widths. A column whose cells are all numbers is right aligned, its
 * head too. When the table is wider than the terminal its widest columns give way, and
 * cells that do not fit are cut with "…".
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include "common/buf.h"
#include "common/json/json.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	TABLE_COLUMNS_MAX = 64,
	TABLE_COLUMN_LEAST = 6, /* columns are not made narrower than that */
	TABLE_CELL_MAX = 4096   /* bytes of a cell that are kept */
};

struct table;

struct table *table_new(void); /* NULL when memory is short */
void table_free(struct table *t);
void table_freep(struct table **t);

/* Before any row. More than TABLE_COLUMNS_MAX are ignored. */
void table_column(struct table *t, const char *head);

/* One whose cells are never cut: a name that other commands want, or a time. */
void table_whole_column(struct table *t, const char *head);

/* Cells go row by row, from left to right; a row that is not full gets empty cells. */
void table_cell(struct table *t, const char *text, size_t n, bool is_number);
void table_text(struct table *t, const char *text); /* NULL: an empty cell */
void table_int(struct table *t, int64_t i);
void table_end_row(struct table *t);

/* width 0: as wide as it gets. has_bold: the head in bold instead of a line under
   it. */
void table_write(struct buf *out, const struct table *t, unsigned width, bool has_bold);

/* Can this value be shown as a table: a list of at least one, all of them objects? */
bool table_fits_json(const struct json *v);

/* The table of a list of objects: a column for each key in the order of appearance;
   null and absent become empty; what is no scalar becomes compact JSON. */
struct table *table_from_json(const struct json *v);

#endif
