/* SPDX-License-Identifier: MIT */
/*
 * step_filter.c - table_filter: conditions on rows.
 *
 * A comparison is true, false, or (number against text and the like) unlike. A row that
 * lacks the field, or holds null there, fails every comparison but exists and == null.
 * Unlike is neither true nor its opposite: "not" leaves it unlike. A row is kept when
 * the whole is true; dropped rows that met an unlike comparison are counted.
 *
 * Owns:   the compiled patterns of a step, while it runs.
 * Called: by run.c through its table.
 * Fails:  with run_fail: a wrong pattern, or one that gave up.
 */
#include "config.h"

#include "compute/pattern.h"
#include "compute/run.h"
#include "compute/value.h"

#include <errno.h>
#include <string.h>

enum verdict {
	VERDICT_FALSE,
	VERDICT_TRUE,
	VERDICT_UNLIKE,
	VERDICT_FAILED /* the run has failed */
};

struct tally {
	struct run *run;
	bool met_unlike; /* in the present row */
	const struct field *unlike_field;
	enum value_rank unlike_got, unlike_want; /* of the first such row */
};

static enum verdict
verdict_of(bool is_true)
{
	return is_true ? VERDICT_TRUE : VERDICT_FALSE;
}

static enum verdict
compare_ordered(enum filter_op op, const struct json *a, const struct json *b)
{
	int c;

	if (value_rank(a) != value_rank(b))
		return VERDICT_UNLIKE;
	if (value_rank(a) == RANK_OTHER) {
		if (op != FILTER_EQ && op != FILTER_NE)
			return VERDICT_UNLIKE;
		return verdict_of(json_equal(a, b) == (op == FILTER_EQ));
	}
	c = value_compare_same_rank(a, b);
	switch (op) {
	case FILTER_LT:
		return verdict_of(c < 0);
	case FILTER_GT:
		return verdict_of(c > 0);
	case FILTER_LE:
		return verdict_of(c <= 0);
	case FILTER_GE:
		return verdict_of(c >= 0);
	case FILTER_EQ:
		return verdict_of(c == 0);
	default:
		return verdict_of(c != 0);
	}
}

/* in: unlike when the list holds nothing of the value's kind. */
static enum verdict
compare_in(const struct json *v, const struct json *list)
{
	bool has_like = list->len == 0;

	for (uint32_t i = 0; i < list->len; i++) {
		if (json_equal(v, &list->items[i]))
			return VERDICT_TRUE;
		has_like = has_like || value_rank(v) == value_rank(&list->items[i]);
	}
	return has_like ? VERDICT_FALSE : VERDICT_UNLIKE;
}

static enum verdict
compare_contains(const struct json *v, const struct json *part)
{
	if (v->type == JSON_ARRAY) {
		for (uint32_t i = 0; i < v->len; i++)
			if (json_equal(&v->items[i], part))
				return VERDICT_TRUE;
		return VERDICT_FALSE;
	}
	if (v->type != JSON_STRING || part->type != JSON_STRING)
		return VERDICT_UNLIKE;
	return verdict_of(
	    part->len == 0 || memmem(v->text, v->len, part->text, part->len) != NULL);
}

static enum verdict
compare_end(const struct json *v, const struct json *part, bool at_start)
{
	if (v->type != JSON_STRING)
		return VERDICT_UNLIKE;
	if (part->len > v->len)
		return VERDICT_FALSE;
	return verdict_of(part->len == 0 ||
	    memcmp(v->text + (at_start ? 0 : v->len - part->len), part->text,
		part->len) == 0);
}

static enum verdict
compare_pattern(struct run *r, const struct condition *c, const struct json *v)
{
	int m;

	if (v->type != JSON_STRING)
		return VERDICT_UNLIKE;
	m = pattern_match(r, c->program, v->text, v->len);
	return m < 0 ? VERDICT_FAILED : verdict_of(m > 0);
}

static enum verdict
opposite(enum verdict v)
{
	return v == VERDICT_TRUE ? VERDICT_FALSE
	    : v == VERDICT_FALSE ? VERDICT_TRUE
				 : v;
}

/* v is neither missing nor null. */
static enum verdict
compare_present(struct run *r, const struct condition *c, const struct json *v)
{
	switch (c->op) {
	case FILTER_IN:
		return compare_in(v, c->value);
	case FILTER_NOT_IN:
		return opposite(compare_in(v, c->value));
	case FILTER_CONTAINS:
		return compare_contains(v, c->value);
	case FILTER_STARTS_WITH:
	case FILTER_ENDS_WITH:
		return compare_end(v, c->value, c->op == FILTER_STARTS_WITH);
	case FILTER_MATCHES:
		return compare_pattern(r, c, v);
	default:
		if (value_is_none(c->value)) /* == null is false here, != null true */
			return verdict_of(c->op == FILTER_NE);
		return compare_ordered(c->op, v, c->value);
	}
}

static enum verdict
compare(struct tally *t, const struct condition *c, const struct json *row)
{
	const struct json *v = field_get(row, &c->field);
	enum verdict verdict;

	if (c->op == FILTER_EXISTS)
		return verdict_of(
		    (v != NULL) == (value_is_none(c->value) || json_is_true(c->value)));
	if (v == NULL)
		return VERDICT_FALSE;
	if (v->type == JSON_NULL)
		return verdict_of(c->op == FILTER_EQ && value_is_none(c->value));
	verdict = compare_present(t->run, c, v);
	if (verdict == VERDICT_UNLIKE) {
		t->met_unlike = true;
		if (t->unlike_field == NULL) {
			t->unlike_field = &c->field;
			t->unlike_got = value_rank(v);
			t->unlike_want = value_rank(c->value);
		}
	}
	return verdict;
}

static enum verdict
evaluate(struct tally *t, const struct condition *c, const struct json *row)
{
	/* what ends the walk at once, and what remains when nothing did */
	enum verdict decisive = c->kind == CONDITION_ALL ? VERDICT_FALSE : VERDICT_TRUE;
	enum verdict result = opposite(decisive);

	if (c->kind == CONDITION_COMPARE)
		return compare(t, c, row);
	if (c->kind == CONDITION_NOT)
		return opposite(evaluate(t, c->parts, row));
	for (size_t i = 0; i < c->n; i++) {
		enum verdict v = evaluate(t, &c->parts[i], row);

		if (v == decisive || v == VERDICT_FAILED)
			return v;
		if (v == VERDICT_UNLIKE)
			result = VERDICT_UNLIKE;
	}
	return result;
}

static int
compile_patterns(struct run *r, struct condition *c)
{
	struct pattern *p = NULL;
	int e = 0;

	if (c->kind == CONDITION_COMPARE && c->op == FILTER_MATCHES) {
		e = pattern_new(r, c->value->text, c->value->len, &p);
		c->program = p;
	}
	for (size_t i = 0; e == 0 && c->kind != CONDITION_COMPARE && i < c->n; i++)
		e = compile_patterns(r, &c->parts[i]);
	return e;
}

static void
free_patterns(struct condition *c)
{
	if (c->kind == CONDITION_COMPARE)
		pattern_free(c->program);
	c->program = NULL;
	for (size_t i = 0; c->kind != CONDITION_COMPARE && i < c->n; i++)
		free_patterns(&c->parts[i]);
}

static void
note_unlike(struct run *r, const struct tally *t, uint32_t n)
{
	static const char *const names[RANK_COUNT] = { [RANK_NUMBER] = "a number",
		[RANK_TEXT] = "text",
		[RANK_BOOL] = "a boolean",
		[RANK_OTHER] = "a list or object",
		[RANK_NONE] = "null" };

	if (n > 0)
		run_note(r,
		    "%u %s dropped because unlike values were compared: '%.100s' is %s "
		    "where the condition has %s",
		    n, n == 1 ? "row" : "rows", t->unlike_field->key.name,
		    names[t->unlike_got], names[t->unlike_want]);
}

static int
filter_rows(struct run *r, const struct condition *c, const struct table *t)
{
	struct json *items = run_alloc(r, t->n, sizeof(*items));
	struct tally tally = { .run = r };
	uint32_t n_unlike = 0;
	size_t n = 0;

	if (items == NULL)
		return run_no_memory(r);
	for (uint32_t i = 0; i < t->n; i++) {
		enum verdict v;

		tally.met_unlike = false;
		v = evaluate(&tally, c, &t->rows[i]);
		if (v == VERDICT_FAILED)
			return -ECANCELED;
		if (v == VERDICT_TRUE)
			items[n++] = t->rows[i];
		else
			n_unlike += tally.met_unlike;
	}
	note_unlike(r, &tally, n_unlike);
	return run_set_rows(r, items, n);
}

int
step_table_filter(struct run *r, struct step *s)
{
	struct table t;
	int e = run_table(r, r->data, "the input", true, &t);

	if (e < 0)
		return e;
	e = compile_patterns(r, &s->filter);
	if (e == 0)
		e = filter_rows(r, &s->filter, &t);
	free_patterns(&s->filter);
	return e;
}
