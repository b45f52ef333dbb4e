/* SPDX-License-Identifier: MIT */
/*
 * steps_private.h - what the readers of arguments share. Private to common/pipeline.
 */
#ifndef COMMON_PIPELINE_STEPS_PRIVATE_H
#define COMMON_PIPELINE_STEPS_PRIVATE_H

#include "common/pipeline/steps.h"

/* One step under examination, and the list of what was found. */
struct checker {
	struct arena *arena;
	struct json_builder *problems;
	const struct json *args; /* the step's object */
	const char *name;        /* of the step */
	size_t index;
};

/* Notes a problem with an argument ("" when it is about the whole step). */
void problem(struct checker *c, const char *argument, const char *hint,
    const char *reason_fmt, ...) PRINTF_LIKE(4, 5);

/* The argument, NULL when it is absent or null. */
const struct json *argument(const struct checker *c, const char *name);

/* n zeroed elements in the arena; NULL (and the arena's mark) when there is no room. */
void *checker_alloc(struct checker *c, size_t n, size_t size);

/* A non-empty text without U+0000, or NULL with a problem; where names the place. */
const char *take_text(struct checker *c, const struct json *v, const char *where);
bool take_column(struct checker *c, const struct json *v, const char *where,
    struct column *out);
bool take_field(struct checker *c, const struct json *v, const char *where,
    struct field *out);

/* The argument "field", required. */
bool take_field_argument(struct checker *c, struct field *out);

/* steps_args.c and steps_condition.c: one reader a step; what they find wrong is
   noted. */
void check_http(struct checker *c, struct step *s);
void check_sort(struct checker *c, struct step *s);
void check_filter(struct checker *c, struct step *s);
void check_select(struct checker *c, struct step *s);
void check_top(struct checker *c, struct step *s);
void check_group(struct checker *c, struct step *s);
void check_join(struct checker *c, struct step *s);
void check_jq(struct checker *c, struct step *s);
void check_regex(struct checker *c, struct step *s);
void check_date(struct checker *c, struct step *s);

#endif
