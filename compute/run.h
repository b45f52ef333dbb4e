/* SPDX-License-Identifier: MIT */
/*
 * run.h - one run of compute steps over one current value.
 *
 * A struct run lives for one request. Steps read run->data, put a new value there,
 * leave notes for the trace, and fail with a typed reason. Everything is made in
 * run->arena and freed at once. No step touches a descriptor.
 */
#ifndef COMPUTE_RUN_H
#define COMPUTE_RUN_H

#include "common/json/json.h"
#include "common/pipeline/compute_proto.h"
#include "common/pipeline/steps.h"

enum {
	RUN_DEPTH_MAX = 256, /* of nesting in tables; what jq takes */
	RUN_NOTES_MAX = 16,
	RUN_TEXT_MAX = 512
};

enum failure_type {
	FAILURE_NONE,
	FAILURE_INVALID_STEP,
	FAILURE_STEP_LIMIT,
	FAILURE_EXECUTION,
	FAILURE_TYPE_COUNT
};

struct failure {
	enum failure_type type;
	uint32_t index;   /* of the step in the whole pipeline */
	const char *step; /* its name; "" when no step was at fault */
	char reason[RUN_TEXT_MAX];
	char hint[RUN_TEXT_MAX];
};

/* What a run shows of itself in shared memory, for the one who must explain its
   death. */
struct progress {
	volatile uint32_t index; /* of the step in the whole pipeline */
	volatile uint32_t
	    kind; /* enum step_kind; STEP_KIND_COUNT: reading or writing */
};

struct run_input {
	const char *name;
	const struct json *value;
};

struct run {
	struct arena *arena;
	const struct json *data;
	struct run_input inputs[COMPUTE_INPUTS_MAX];
	size_t n_inputs;
	bool may_run_programs;
	uint64_t seed; /* of hashes, so that nobody can aim at collisions */
	uint32_t first_index;
	struct json_builder *trace;
	/* of the step that runs; of reading before the first */
	struct json_builder *notes;
	unsigned n_notes;
	struct failure failure;
	struct progress *progress; /* or NULL */
};

int run_init(struct run *r, struct arena *a);

/* Runs the steps over r->data. 0, or -ECANCELED with r->failure. r->trace holds the
   steps that were done. */
int run_steps(struct run *r, const struct step_list *steps);

/* ---- for steps ---- */

/* A remark for the trace of the step that runs. */
void run_note(struct run *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Both return -ECANCELED. hint may be "". */
int run_fail(struct run *r, enum failure_type type, const char *hint, const char *fmt,
    ...) PRINTF_LIKE(4, 5);
int run_no_memory(struct run *r);

struct table {
	const struct json *rows;
	uint32_t n;
};

/*
 * The rows of a value: a list, or an object with exactly one list at its top level (the
 * trace says so). What names the value in an error. wants_objects: each row must be
 * one.
 */
int run_table(struct run *r, const struct json *v, const char *what, bool wants_objects,
    struct table *out);

/* Makes n rows at items (in the arena) the current data. */
int run_set_rows(struct run *r, struct json *items, size_t n);

/* n uninitialised elements in the arena; NULL when there is no room. */
void *run_alloc(struct run *r, size_t n, size_t size);

/* Rows of a value for the trace: a list's items, an only list's items, 1 for the
   rest. */
uint32_t run_count_rows(const struct json *v);

int step_table_sort(struct run *r, struct step *s);
int step_table_filter(struct run *r, struct step *s);
int step_table_select(struct run *r, struct step *s);
int step_top_k(struct run *r, struct step *s);
int step_groupby(struct run *r, struct step *s);
int step_join(struct run *r, struct step *s);
int step_jq_transform(struct run *r, struct step *s);
int step_regex_extract(struct run *r, struct step *s);
int step_parse_date(struct run *r, struct step *s);

const char *failure_type_name(enum failure_type type);

#endif
