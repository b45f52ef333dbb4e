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

/* A row by one sort field; rank and prefix already turned for desc. */
struct entry {
	uint64_t prefix;
	uint32_t row;
	uint8_t rank;
	bool is_text;
	bool is_exact; /* the prefix says it all: equal prefixes are equal values */
};

enum {
	OFFSET_STEP = 8,
	OFFSET_MAX = 64
};

struct sorter {
	const struct json *rows;
	const struct sort_args *args;
	size_t level;  /* the field that decides; those before are equal */
	size_t offset; /* of texts: what stands before is equal */
	bool is_last;  /* what the prefixes leave open is decided by the whole values */
};

/*
 * Numbers of up to 15 digits are told apart by their doubles, unless an exponent makes
 * them all infinite or zero; texts of up to 8 bytes (beyond the offset) by their bytes,
 * unless they end in U+0000, which fills the prefix, too.
 */
static bool
is_exact(const struct json *v, enum value_rank rank, size_t offset)
{
	switch (rank) {
	case RANK_NUMBER:
		return v->len <= 15 &&
		    (json_is_integer(v) ||
			(memchr(v->text, 'e', v->len) == NULL &&
			    memchr(v->text, 'E', v->len) == NULL));
	case RANK_TEXT:
		return v->len <= offset + OFFSET_STEP &&
		    (v->len == 0 || v->text[v->len - 1] != '\0');
	case RANK_BOOL:
	case RANK_OTHER:
	case RANK_NONE:
	case RANK_COUNT:
	default:
		return true;
	}
}

static uint64_t
prefix_of(const struct json *v, enum value_rank rank, size_t offset)
{
	struct json rest;

	if (rank != RANK_TEXT || offset == 0)
		return value_prefix(v, rank);
	if (v->len <= offset)
		return 0;
	rest = *v;
	rest.text += offset;
	rest.len -= (uint32_t)offset;
	return value_prefix(&rest, rank);
}

static struct entry
entry_of(const struct sorter *s, uint32_t row)
{
	const struct sort_field *f = &s->args->v[s->level];
	const struct json *v = field_get(&s->rows[row], &f->field);
	enum value_rank rank = value_rank(v);
	struct entry e = { .prefix = prefix_of(v, rank, s->offset),
		.row = row,
		.rank = (uint8_t)rank,
		.is_text = rank == RANK_TEXT,
		.is_exact = is_exact(v, rank, s->offset) };

	if (f->is_desc && rank != RANK_NONE) {
		e.prefix = ~e.prefix;
		e.rank = (uint8_t)(RANK_OTHER - rank);
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

/* By the sorter's field: below 0, 0, above 0. Texts that differ further behind are 0
   here, too, until the sorter is the last one. */
static inline int
compare(const struct sorter *s, const struct entry *a, const struct entry *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	if ((a->is_exact && b->is_exact) || (a->is_text && !s->is_last))
		return 0;
	return compare_by(&s->args->v[s->level], &s->rows[a->row], &s->rows[b->row]);
}

/* ---- merge sort: runs of 8 by insertion, then merged in turns between two arrays
   ---- */

enum {
	RUN_LENGTH = 8
};

static void
insertion_sort(const struct sorter *s, struct entry *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct entry e = v[i];
		size_t k = i;

		for (; k > 0 && compare(s, &e, &v[k - 1]) < 0; k--)
			v[k] = v[k - 1];
		v[k] = e;
	}
}

static void
merge(const struct sorter *s, const struct entry *a, size_t n_a, const struct entry *b,
    size_t n_b, struct entry *to)
{
	while (n_a > 0 && n_b > 0) {
		if (compare(s, b, a) < 0) {
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

/* The sorter for n entries that this one cannot tell apart: further behind in the same
   field, or the next field. False when they are equal in all. */
static bool
next_sorter(const struct sorter *s, const struct entry *v, size_t n,
    struct sorter *next)
{
	bool is_open = false;

	for (size_t i = 0; i < n; i++)
		is_open = is_open || !v[i].is_exact;
	*next = *s;
	if (is_open && v->is_text && !s->is_last) {
		next->offset += OFFSET_STEP;
		next->is_last = next->offset >= OFFSET_MAX;
		return true;
	}
	next->level++;
	next->offset = 0;
	next->is_last = false;
	return next->level < s->args->n;
}

/*
 * Sorted by the sorter's field and, where that is equal, by the next ones. Entries that
 * are equal stay in the order of their rows. Returns v.
 */
static struct entry *
sort_entries(struct sorter s, struct entry *v, struct entry *spare, size_t n)
{
	struct entry *sorted = merge_sort(&s, v, spare, n);

	if (sorted != v)
		memcpy(v, sorted, n * sizeof(*v));
	for (size_t i = 0, end; i < n; i = end) {
		struct sorter next;

		for (end = i + 1; end < n && compare(&s, &v[i], &v[end]) == 0; end++)
			;
		if (end - i < 2 || !next_sorter(&s, v + i, end - i, &next))
			continue;
		for (size_t k = i; k < end; k++)
			v[k] = entry_of(&next, v[k].row);
		(void)sort_entries(next, v + i, spare, end - i);
	}
	return v;
}

/* ---- the first k only: a heap with the last of them on top ---- */

/* A total order: by all fields, then by row. */
static bool
comes_before(const struct sorter *s, const struct entry *a, const struct entry *b)
{
	int c = compare(s, a, b);

	for (size_t i = 1; c == 0 && i < s->args->n; i++)
		c = compare_by(&s->args->v[i], &s->rows[a->row], &s->rows[b->row]);
	return c != 0 ? c < 0 : a->row < b->row;
}

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

static int
by_row(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->row < y->row ? -1 : x->row > y->row;
}

/* The k first of n rows at heap, in the order of their rows. */
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
	qsort(heap, k, sizeof(*heap), by_row);
}

static int
sort_rows(struct run *r, const struct sort_args *args, const struct table *t, size_t k)
{
	const struct sorter s = { .rows = t->rows, .args = args };
	const struct sorter whole = { .rows = t->rows, .args = args, .is_last = true };
	struct entry *v = run_alloc(r, k, sizeof(*v));
	struct entry *spare = run_alloc(r, k, sizeof(*spare));
	struct json *items = run_alloc(r, k, sizeof(*items));

	if (v == NULL || spare == NULL || items == NULL)
		return run_no_memory(r);
	if (k < t->n)
		select_first(&whole, v, k, t->n);
	else
		for (size_t i = 0; i < k; i++)
			v[i] = entry_of(&s, (uint32_t)i);
	v = sort_entries(s, v, spare, k);
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
