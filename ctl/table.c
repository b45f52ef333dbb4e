/* SPDX-License-Identifier: MIT */
/*
 * table.c - lays out and prints tables.
 *
 * Owns:   the copies of the cells.
 * Called: by every command that lists something.
 * Fails:  for want of memory, stickily: table_write then writes nothing.
 */
#include "config.h"

#include "ctl/table.h"

#include "ctl/width.h"

#include <string.h>

enum {
	GAP = 2
};

struct cell {
	char *text; /* owned; NULL is empty */
	size_t len;
	unsigned width;
	bool is_number;
};

struct column {
	char *head; /* owned */
	unsigned width;
	bool has_text, has_number;
	bool is_whole;
};

struct table {
	struct column columns[TABLE_COLUMNS_MAX];
	size_t n_columns;
	struct cell *cells; /* rows one after the other */
	size_t n_cells, max_cells;
	bool has_failed;
};

struct table *
table_new(void)
{
	return calloc(1, sizeof(struct table));
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	for (size_t i = 0; i < t->n_columns; i++)
		free(t->columns[i].head);
	free(t->cells);
	free(t);
}

void
table_freep(struct table **t)
{
	table_free(*t);
}

void
table_column(struct table *t, const char *head)
{
	struct column *c;

	if (t == NULL || t->n_columns == TABLE_COLUMNS_MAX)
		return;
	c = &t->columns[t->n_columns];
	*c = (struct column){ .head = strdup(head),
		.width = text_width(head, strlen(head)) };
	if (c->head == NULL)
		t->has_failed = true;
	else
		t->n_columns++;
}

void
table_whole_column(struct table *t, const char *head)
{
	size_t n = t != NULL ? t->n_columns : 0;

	table_column(t, head);
	if (t != NULL && t->n_columns > n)
		t->columns[n].is_whole = true;
}

static struct cell *
new_cell(struct table *t)
{
	if (t->n_cells == t->max_cells) {
		size_t more = t->max_cells == 0 ? 64 : t->max_cells * 2;
		struct cell *cells = reallocarray(t->cells, more, sizeof(*cells));

		if (cells == NULL) {
			t->has_failed = true;
			return NULL;
		}
		t->cells = cells;
		t->max_cells = more;
	}
	return &t->cells[t->n_cells];
}

static void
measure(struct table *t, const struct cell *c)
{
	struct column *col = &t->columns[t->n_cells % t->n_columns];

	if (c->width > col->width)
		col->width = c->width;
	if (c->is_number)
		col->has_number = true;
	else if (c->len > 0)
		col->has_text = true;
}

void
table_cell(struct table *t, const char *text, size_t n, bool is_number)
{
	struct cell *c;

	if (t == NULL || t->has_failed || t->n_columns == 0)
		return;
	c = new_cell(t);
	if (c == NULL)
		return;
	if (n > TABLE_CELL_MAX)
		n = TABLE_CELL_MAX;
	*c = (struct cell){ .len = n, .is_number = is_number };
	c->text = n > 0 ? malloc(n) : NULL;
	if (n > 0 && c->text == NULL) {
		t->has_failed = true;
		return;
	}
	if (n > 0)
		memcpy(c->text, text, n);
	c->width = text_width(text, n);
	measure(t, c);
	t->n_cells++;
}

void
table_text(struct table *t, const char *text)
{
	table_cell(t, text, text != NULL ? strlen(text) : 0, false);
}

void
table_int(struct table *t, int64_t i)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)i);

	table_cell(t, text, (size_t)n, true);
}

void
table_end_row(struct table *t)
{
	while (t != NULL && !t->has_failed && t->n_columns > 0 &&
	    t->n_cells % t->n_columns != 0)
		table_cell(t, NULL, 0, false);
}

/* ---- layout ---- */

static unsigned
total_width(const unsigned *widths, size_t n)
{
	unsigned total = n > 0 ? (unsigned)(n - 1) * GAP : 0;

	for (size_t i = 0; i < n; i++)
		total += widths[i];
	return total;
}

/* The widest column that may be cut; n_columns when there is none. */
static size_t
widest_of(const struct table *t, const unsigned *widths)
{
	size_t widest = t->n_columns;

	for (size_t i = 0; i < t->n_columns; i++)
		if (!t->columns[i].is_whole &&
		    (widest == t->n_columns || widths[i] > widths[widest]))
			widest = i;
	return widest;
}

/* Takes columns from the widest until the table fits or nothing can give way. */
static void
fit(const struct table *t, unsigned *widths, unsigned width)
{
	for (size_t i = 0; i < t->n_columns; i++)
		widths[i] = t->columns[i].width;
	while (width > 0 && total_width(widths, t->n_columns) > width) {
		size_t widest = widest_of(t, widths);

		if (widest == t->n_columns || widths[widest] <= TABLE_COLUMN_LEAST)
			return;
		widths[widest]--;
	}
}

static bool
is_right(const struct column *c)
{
	return c->has_number && !c->has_text;
}

/* Empty cells at the end of a line leave no blanks behind. */
static void
end_line(struct buf *out)
{
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->len--;
	buf_addc(out, '\n');
}

static void
put_blanks(struct buf *out, unsigned n)
{
	while (n-- > 0)
		buf_addc(out, ' ');
}

/* One cell; the last one of a line gets no blanks behind it. */
static void
put_cell(struct buf *out, const char *text, size_t len, unsigned width, bool right,
    bool last)
{
	unsigned w = text_width(text, len);
	unsigned blanks = w < width ? width - w : 0;

	if (right)
		put_blanks(out, blanks);
	(void)text_put_cut(out, text, len, width);
	if (!right && !last)
		put_blanks(out, blanks);
	if (!last)
		put_blanks(out, GAP);
}

static void
put_head(struct buf *out, const struct table *t, const unsigned *widths, bool has_bold)
{
	if (has_bold)
		buf_adds(out, "\033[1m");
	for (size_t i = 0; i < t->n_columns; i++)
		put_cell(out, t->columns[i].head, strlen(t->columns[i].head), widths[i],
		    is_right(&t->columns[i]), i + 1 == t->n_columns);
	if (has_bold) {
		buf_adds(out, "\033[0m\n");
		return;
	}
	buf_addc(out, '\n');
	for (size_t i = 0; i < t->n_columns; i++) {
		for (unsigned k = 0; k < widths[i]; k++)
			buf_addc(out, '-');
		put_blanks(out, i + 1 < t->n_columns ? GAP : 0);
	}
	buf_addc(out, '\n');
}

void
table_write(struct buf *out, const struct table *t, unsigned width, bool has_bold)
{
	unsigned widths[TABLE_COLUMNS_MAX] = { 0 };

	if (t == NULL || t->has_failed || t->n_columns == 0)
		return;
	fit(t, widths, width);
	put_head(out, t, widths, has_bold);
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t k = i % t->n_columns;
		bool is_last = k + 1 == t->n_columns;
		const struct cell *c = &t->cells[i];

		put_cell(out, c->text, c->len, widths[k], is_right(&t->columns[k]),
		    is_last);
		if (is_last)
			end_line(out);
	}
}

/* ---- JSON ---- */

bool
table_fits_json(const struct json *v)
{
	if (!json_is(v, JSON_ARRAY) || v->len == 0)
		return false;
	for (uint32_t i = 0; i < v->len; i++)
		if (v->items[i].type != JSON_OBJECT)
			return false;
	return true;
}

static size_t
find_column(const struct table *t, const struct json_member *m)
{
	size_t i = 0;

	while (i < t->n_columns && strcmp(t->columns[i].head, m->name) != 0)
		i++;
	return i;
}

static void
put_json_cell(struct table *t, const struct json *v)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (v == NULL || v->type == JSON_NULL) {
		table_cell(t, NULL, 0, false);
	} else if (v->type == JSON_STRING || v->type == JSON_NUMBER) {
		table_cell(t, v->text, v->len, v->type == JSON_NUMBER);
	} else {
		json_write(&text, v, JSON_COMPACT);
		table_cell(t, buf_str(&text), text.len, false);
	}
}

struct table *
table_from_json(const struct json *v)
{
	struct table *t = table_new();

	if (t == NULL)
		return NULL;
	for (uint32_t i = 0; i < v->len; i++)
		for (uint32_t k = 0; k < v->items[i].len; k++)
			if (find_column(t, &v->items[i].members[k]) == t->n_columns)
				table_column(t, v->items[i].members[k].name);
	for (uint32_t i = 0; i < v->len; i++) {
		for (size_t k = 0; k < t->n_columns; k++)
			put_json_cell(t, json_get(&v->items[i], t->columns[k].head));
		table_end_row(t);
	}
	return t;
}
