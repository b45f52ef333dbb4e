/* SPDX-License-Identifier: MIT */
/*
 * step_sort.c - table_sort and top_k: a stable sort by small keys, and a selection.
 *
 * Owns:   nothing; entries live in the run's arena.
 * Called: by run.c through its table.
 * Fails:  with run_fail or run_no_memory.
 */
#include "config.h"

#include "compute/run.h"
#include "compute/value.h"

#include <string.h>

/* A row by its first sort field; rank and prefix already turned for desc. */
struct entry {
	uint64_t prefix;
	uint32_t row;
	uint32_t rank;
};

struct sorter {
	const struct json *rows;
	const struct sort_args *args;
};

static struct entry
entry_of(const struct sorter *s, uint32_t row)
{
	const struct sort_field *f = &s->args->v[0];
	const struct json *v = field_get(&s->rows[row], &f->field);
	enum value_rank rank = value_rank(v);
	struct entry e = { .prefix = value_prefix(v, rank), .row = row, .rank = rank };

	if (f->is_desc && rank != RANK_NONE) {
		e.prefix = ~e.prefix;
		e.rank = RANK_OTHER - rank;
	}
	return e;
}

/* By one field: missing and null last whatever the direction. */
static int
compare_by(const struct sort_field *f, const struct json *a, const struct json *b)
{
	const struct json *x = field_get(a, &f->field), *y = field_get(b, &f->field);
	bool no_x = value_is_none(x), no_y = value_is_none(y);
	int c;

	if (no_x || no_y)
		return (int)no_x - (int)no_y;
	c = value_compare(x, y);
	return f->is_desc ? -c : c;
}

/* The prefixes did not decide. */
static int
compare_fully(const struct sorter *s, const struct entry *a, const struct entry *b)
{
	for (size_t i = 0; i < s->args->n; i++) {
		int c = compare_by(&s->args->v[i], &s->rows[a->row], &s->rows[b->row]);

		if (c != 0)
			return c;
	}
	return a->row < b->row ? -1 : 1;
}

static inline bool
comes_before(const struct sorter *s, const struct entry *a, const struct entry *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (a->prefix != b->prefix)
		return a->prefix < b->prefix;
	return compare_fully(s, a, b) < 0;
}

/* ---- merge sort: runs of 8 by insertion, then merged in turns between two arrays ----
 */

enum {
	RUN_LENGTH = 8
};

static void
insertion_sort(const struct sorter *s, struct entry *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct entry e = v[i];
		size_t k = i;

		for (; k > 0 && comes_before(s, &e, &v[k - 1]); k--)
			v[k] = v[k - 1];
		v[k] = e;
	}
}

static void
merge(const struct sorter *s, const struct entry *a, size_t n_a, const struct entry *b,
    size_t n_b, struct entry *to)
{
	while (n_a > 0 && n_b > 0) {
		if (comes_before(s, b, a)) {
			*to++ = *b++;
			n_b--;
		} else {
			*to++ = *a++;
			n_a--;
		}
	}
	memcpy(to, a, n_a * sizeof(*a));
	memcpy(to + n_a, b, n_b * sizeof(*b));
}

/* Sorted entries: at v or at spare. */
static struct entry *
merge_sort(const struct sorter *s, struct entry *v, struct entry *spare, size_t n)
{
	for (size_t i = 0; i < n; i += RUN_LENGTH)
		insertion_sort(s, v + i, n - i < RUN_LENGTH ? n - i : RUN_LENGTH);
	for (size_t width = RUN_LENGTH; width < n; width *= 2) {
		struct entry *swap = v;

		for (size_t i = 0; i < n; i += 2 * width) {
			size_t n_a = n - i < width ? n - i : width;
			size_t n_b = n - i - n_a < width ? n - i - n_a : width;

			merge(s, v + i, n_a, v + i + n_a, n_b, spare + i);
		}
		v = spare;
		spare = swap;
	}
	return v;
}

/* ---- the first k only: a heap with the last of them on top ---- */

static void
sift_down(const struct sorter *s, struct entry *heap, size_t n, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;
		struct entry swap = heap[at];

		if (child >= n)
			return;
		if (child + 1 < n && comes_before(s, &heap[child], &heap[child + 1]))
			child++;
		if (!comes_before(s, &heap[at], &heap[child]))
			return;
		heap[at] = heap[child];
		heap[child] = swap;
		at = child;
	}
}

/* The k first of n rows, unsorted, at heap. */
static void
select_first(const struct sorter *s, struct entry *heap, size_t k, size_t n)
{
	for (size_t i = 0; i < k; i++)
		heap[i] = entry_of(s, (uint32_t)i);
	for (size_t i = k / 2; i > 0; i--)
		sift_down(s, heap, k, i - 1);
	for (size_t i = k; i < n; i++) {
		struct entry e = entry_of(s, (uint32_t)i);

		if (!comes_before(s, &e, &heap[0]))
			continue;
		heap[0] = e;
		sift_down(s, heap, k, 0);
	}
}

static int
sort_rows(struct run *r, const struct sort_args *args, const struct table *t, size_t k)
{
	const struct sorter s = { t->rows, args };
	struct entry *v = run_alloc(r, k, sizeof(*v));
	struct entry *spare = run_alloc(r, k, sizeof(*spare));
	struct json *items = run_alloc(r, k, sizeof(*items));

	if (v == NULL || spare == NULL || items == NULL)
		return run_no_memory(r);
	if (k < t->n)
		select_first(&s, v, k, t->n);
	else
		for (size_t i = 0; i < k; i++)
			v[i] = entry_of(&s, (uint32_t)i);
	v = merge_sort(&s, v, spare, k);
	for (size_t i = 0; i < k; i++)
		items[i] = t->rows[v[i].row];
	return run_set_rows(r, items, k);
}

/* Sorting by a field that no row has is most often a misspelt name. */
static void
note_missing(struct run *r, const struct sort_args *args, const struct table *t)
{
	for (size_t i = 0; i < args->n; i++) {
		const struct field *f = &args->v[i].field;
		uint32_t row = 0;

		while (row < t->n && field_get(&t->rows[row], f) == NULL)
			row++;
		if (row == t->n && t->n > 0)
			run_note(r, "no row has the field '%.100s'", f->key.name);
	}
}

int
step_table_sort(struct run *r, struct step *s)
{
	struct table t;
	int e = run_table(r, r->data, "the input", true, &t);

	if (e < 0)
		return e;
	note_missing(r, &s->sort, &t);
	return sort_rows(r, &s->sort, &t, t.n);
}

int
step_top_k(struct run *r, struct step *s)
{
	bool is_sorted = s->top.sort.n == 0;
	struct json *items;
	struct table t;
	size_t k;
	int e = run_table(r, r->data, "the input", !is_sorted, &t);

	if (e < 0)
		return e;
	k = s->top.k < t.n ? (size_t)s->top.k : t.n;
	if (!is_sorted) {
		note_missing(r, &s->top.sort, &t);
		return sort_rows(r, &s->top.sort, &t, k);
	}
	items = run_alloc(r, k, sizeof(*items));
	if (items == NULL)
		return run_no_memory(r);
	if (k > 0)
		memcpy(items, t.rows, k * sizeof(*items));
	return run_set_rows(r, items, k);
}
