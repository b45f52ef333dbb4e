/* SPDX-License-Identifier: MIT */
/*
 * read_csv.c - CSV text to a list of objects: the only file that knows libcsv.
 *
 * Owns:   the parser's state while it reads; values go to the run's arena.
 * Called: by read.c.
 * Fails:  with run_fail, naming the record; a record longer than the header is refused,
 *         a shorter one gets nulls and is counted.
 */
#include "config.h"

#include "compute/read.h"

#include <csv.h>
#include <errno.h>
#include <string.h>

enum {
	COLUMNS_MAX = 16384
};

struct csv_reader {
	struct run *run;
	struct column *columns; /* n_columns, of the header */
	size_t n_columns, cap;
	struct json_member *row; /* the record at hand */
	size_t n_fields;
	uint64_t record; /* from 1, the header included */
	uint64_t n_short;
	struct json_builder *rows;
	bool has_failed;
};

static void
fail(struct csv_reader *c)
{
	if (!c->has_failed)
		(void)run_no_memory(c->run);
	c->has_failed = true;
}

/* ---- the header ---- */

static bool
is_taken(const struct csv_reader *c, const struct column *name)
{
	for (size_t i = 0; i < c->n_columns; i++)
		if (c->columns[i].hash == name->hash &&
		    c->columns[i].len == name->len &&
		    memcmp(c->columns[i].name, name->name, name->len) == 0)
			return true;
	return false;
}

static bool
grow_columns(struct csv_reader *c)
{
	size_t cap = c->cap == 0 ? 32 : 2 * c->cap;
	struct column *v = run_alloc(c->run, cap, sizeof(*v));

	if (v == NULL)
		return false;
	if (c->n_columns > 0)
		memcpy(v, c->columns, c->n_columns * sizeof(*v));
	c->columns = v;
	c->cap = cap;
	return true;
}

/* A name of the header; empty ones and repetitions get a number. */
static void
add_column(struct csv_reader *c, const char *text, size_t n)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct column name = column_of(text, n);

	buf_add(&b, text, n);
	if (n == 0)
		buf_addf(&b, "column_%zu", c->n_columns + 1);
	for (unsigned k = 2; buf_status(&b) == 0; k++) {
		name = column_of(b.data, b.len);
		if (!is_taken(c, &name))
			break;
		buf_clear(&b);
		buf_add(&b, text, n);
		buf_addf(&b, "_%u", k);
	}
	name.name = buf_status(&b) != 0
	    ? NULL
	    : arena_intern(c->run->arena, b.data, b.len, name.hash);
	if (name.name == NULL || (c->n_columns == c->cap && !grow_columns(c))) {
		fail(c);
		return;
	}
	c->columns[c->n_columns++] = name;
	if (c->n_columns > COLUMNS_MAX) {
		(void)run_fail(c->run, FAILURE_INVALID_STEP, "is this CSV?",
		    "the CSV header has more than %d columns", COLUMNS_MAX);
		c->has_failed = true;
	}
}

/* ---- records ---- */

static void
add_field(struct csv_reader *c, const char *text, size_t n)
{
	struct json_member *m;
	bool is_number = n > 0 && n <= 64 && json_is_number_text(text, n);
	const struct json *number;
	const char *copy;

	if (c->n_fields == c->n_columns) {
		if (n == 0) /* a comma at the end of the line */
			return;
		(void)run_fail(c->run, FAILURE_INVALID_STEP,
		    "quote fields that hold the separator",
		    "CSV record %llu has more than the header's %zu fields",
		    (unsigned long long)c->record, c->n_columns);
		c->has_failed = true;
		return;
	}
	if (c->n_fields == 0)
		c->row = run_alloc(c->run, c->n_columns, sizeof(*c->row));
	copy = n == 0 ? "" : arena_strndup(c->run->arena, text, n);
	if (c->row == NULL || copy == NULL) {
		fail(c);
		return;
	}
	m = &c->row[c->n_fields];
	number = is_number ? json_new_number(c->run->arena, copy, n) : NULL;
	m->value = number != NULL
	    ? *number
	    : (struct json){ .type = JSON_STRING, .len = (uint32_t)n, .text = copy };
	m->name = c->columns[c->n_fields].name;
	m->name_len = c->columns[c->n_fields].len;
	m->name_hash = c->columns[c->n_fields].hash;
	c->n_fields++;
}

static void
end_record(struct csv_reader *c)
{
	struct json row = { .type = JSON_OBJECT,
		.len = (uint32_t)c->n_columns,
		.members = c->row };

	c->n_short += c->n_fields < c->n_columns;
	for (; c->n_fields < c->n_columns; c->n_fields++) {
		const struct column *name = &c->columns[c->n_fields];

		c->row[c->n_fields] =
		    (struct json_member){ .value = { .type = JSON_NULL },
			    .name = name->name,
			    .name_len = name->len,
			    .name_hash = name->hash };
	}
	json_array_add(c->rows, &row);
	c->n_fields = 0;
	c->row = NULL;
}

/* ---- libcsv's calls ---- */

static void
on_field(void *text, size_t n, void *data)
{
	struct csv_reader *c = data;
	const char *bytes = text == NULL ? "" : text;

	if (c->has_failed)
		return;
	if (!json_is_utf8(bytes, n) || n > UINT32_MAX) {
		(void)run_fail(c->run, FAILURE_INVALID_STEP, "convert it to UTF-8",
		    "CSV record %llu is not UTF-8", (unsigned long long)c->record);
		c->has_failed = true;
	} else if (c->record == 1) {
		add_column(c, bytes, n);
	} else {
		add_field(c, bytes, n);
	}
}

static void
on_record(int end, void *data)
{
	struct csv_reader *c = data;

	(void)end;
	if (!c->has_failed && c->record > 1 && c->n_fields > 0)
		end_record(c);
	c->record++;
}

/* ---- the whole ---- */

/* What separates the header's names: the comma, unless only another one is there. */
static char
separator_of(const char *text, size_t n)
{
	const char *end = memchr(text, '\n', n);
	size_t line = end != NULL ? (size_t)(end - text) : n;

	if (memchr(text, ',', line) != NULL)
		return ',';
	if (memchr(text, ';', line) != NULL)
		return ';';
	return memchr(text, '\t', line) != NULL ? '\t' : ',';
}

static int
parse(struct csv_reader *c, struct csv_parser *p, const char *text, size_t n)
{
	enum {
		PIECE = 256 * 1024
	}; /* a failure is seen soon */
	size_t done = 0;

	while (done < n && !c->has_failed) {
		size_t piece = n - done < PIECE ? n - done : PIECE;

		if (csv_parse(p, text + done, piece, on_field, on_record, c) != piece)
			break;
		done += piece;
	}
	if (!c->has_failed && csv_error(p) == CSV_SUCCESS)
		(void)csv_fini(p, on_field, on_record, c);
	if (c->has_failed)
		return -ECANCELED;
	if (csv_error(p) == CSV_ENOMEM || csv_error(p) == CSV_ETOOBIG)
		return run_no_memory(c->run);
	if (csv_error(p) != CSV_SUCCESS)
		return run_fail(c->run, FAILURE_INVALID_STEP,
		    "a quote within a field is written twice, and the field is quoted",
		    "CSV record %llu: %s", (unsigned long long)c->record,
		    csv_strerror(csv_error(p)));
	return 0;
}

int
read_csv(struct run *r, const char *text, size_t n, const struct json **out)
{
	struct csv_reader c = { .run = r,
		.record = 1,
		.rows = json_array_begin(r->arena) };
	struct csv_parser p;
	char separator;
	int e;

	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		n -= 3;
	}
	separator = separator_of(text, n);
	if (csv_init(&p, CSV_STRICT | CSV_STRICT_FINI) != 0)
		return run_no_memory(r);
	csv_set_delim(&p, (unsigned char)separator);
	e = parse(&c, &p, text, n);
	csv_free(&p);
	if (e < 0)
		return e;
	if (separator != ',')
		run_note(r, "the CSV header is separated by %s",
		    separator == ';' ? "semicolons" : "tabs");
	if (c.n_short > 0)
		run_note(r,
		    "%llu CSV records are shorter than the header: null is put in",
		    (unsigned long long)c.n_short);
	*out = json_end(c.rows);
	return *out == NULL ? run_no_memory(r) : 0;
}
