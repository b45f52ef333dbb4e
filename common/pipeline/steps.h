/* SPDX-License-Identifier: MIT */
/*
 * steps.h - the steps of a pipeline: their names, their arguments, and what is wrong
 * with those, known without running anything.
 *
 * The worker checks a whole pipeline with steps_parse() before any I/O; compute parses
 * the same text with the same function and runs what it gives. A step is a JSON object
 * with "step" (its name) and its arguments beside it; null means absent, "comment" and
 * "description" are ignored, any other unknown argument is a problem.
 */
#ifndef COMMON_PIPELINE_STEPS_H
#define COMMON_PIPELINE_STEPS_H

#include "common/json/json.h"

enum {
	STEPS_MAX = 64
};

enum step_kind {
	STEP_HTTP_REQUEST,
	STEP_TABLE_SORT,
	STEP_TABLE_FILTER,
	STEP_TABLE_SELECT,
	STEP_TOP_K,
	STEP_GROUPBY,
	STEP_JOIN,
	STEP_JQ_TRANSFORM,
	STEP_REGEX_EXTRACT,
	STEP_PARSE_DATE,
	STEP_KIND_COUNT
};

/* A column's name as members of objects carry it; the text is NUL-terminated. */
struct column {
	const char *name;
	uint32_t len, hash;
};

/* Where in a row: a literal key, else a dotted path. */
struct field {
	struct column key;
	bool is_dotted;
};

struct sort_field {
	struct field field;
	bool is_desc;
};

struct sort_args {
	struct sort_field *v;
	size_t n;
};

enum filter_op {
	FILTER_LT,
	FILTER_GT,
	FILTER_LE,
	FILTER_GE,
	FILTER_EQ,
	FILTER_NE,
	FILTER_IN,
	FILTER_NOT_IN,
	FILTER_CONTAINS,
	FILTER_STARTS_WITH,
	FILTER_ENDS_WITH,
	FILTER_MATCHES,
	FILTER_EXISTS,
	FILTER_OP_COUNT
};

enum condition_kind {
	CONDITION_COMPARE,
	CONDITION_ALL,
	CONDITION_ANY,
	CONDITION_NOT
};

struct condition {
	enum condition_kind kind;
	struct condition *parts; /* all, any: n of them; not: one */
	size_t n;
	struct field field;
	enum filter_op op;
	const struct json *value;
	void *program; /* for who runs it: the compiled pattern of "matches" */
};

struct select_item {
	struct field from;
	struct column as;
};

struct select_args {
	struct select_item *v;
	size_t n;
};

struct top_args {
	uint64_t k;
	struct sort_args sort; /* n is 0: the first k as they stand */
};

enum agg_kind {
	AGG_COUNT,
	AGG_SUM,
	AGG_AVG,
	AGG_MIN,
	AGG_MAX,
	AGG_KIND_COUNT
};

struct agg_item {
	enum agg_kind kind;
	bool has_field; /* count only may lack it: counts rows */
	struct field field;
	struct column as; /* "count", else "<agg>_<field>", unless the step says */
};

struct group_args {
	struct field *by;
	size_t n_by;
	struct agg_item *aggs;
	size_t n_aggs;
};

struct join_on {
	struct field left, right;
};

struct join_args {
	const char *left, *right; /* a reference; NULL: the current data */
	struct join_on *on;
	size_t n_on;
	bool is_left_join;
};

struct jq_args {
	const char *query;
};

struct regex_args {
	struct field field;
	const char *pattern;
	size_t pattern_len;
	struct column *as; /* n_as is 0: named groups, else <field>_<number> */
	size_t n_as;
};

struct date_args {
	struct field field;
	const char *format; /* of strptime(3); NULL: ISO 8601 */
	struct column as;   /* the field itself, unless the step says */
};

struct http_args {
	const char *url;                     /* as given */
	const char *method;                  /* "GET" or "POST" */
	const struct json *params, *headers; /* object or NULL */
	const char *auth_profile;            /* or NULL */
};

struct step {
	enum step_kind kind;
	uint32_t index;          /* in the pipeline, from 0 */
	bool carries_program;    /* jq or a pattern: runs in a jail of its own */
	const struct json *args; /* the step's object */
	union {
		struct http_args http;
		struct sort_args sort;
		struct condition filter;
		struct select_args select;
		struct top_args top;
		struct group_args group;
		struct join_args join;
		struct jq_args jq;
		struct regex_args regex;
		struct date_args date;
	};
};

struct step_list {
	struct step *v;
	size_t n;
	/* [{index, step, field, type: "invalid_step", reason, hint}], empty when
	   fine */
	const struct json *problems;
};

/*
 * Reads the array of steps into *out, in the arena, with every problem of every step.
 * Returns 0 (look at out->problems->len) or -ENOMEM.
 */
int steps_parse(struct arena *a, const struct json *pipeline, struct step_list *out);

const char *step_name(enum step_kind kind);
int step_from_name(const struct json *name); /* enum step_kind or -EINVAL */
bool step_is_io(enum step_kind kind);        /* runs outside of compute */
const char *filter_op_name(enum filter_op op);
const char *agg_name(enum agg_kind agg);

struct column column_of(const char *name, size_t n); /* name must be NUL-terminated */

/* The row's value, or NULL when the row is no object or lacks the field. */
const struct json *field_get(const struct json *row, const struct field *f);

#endif
