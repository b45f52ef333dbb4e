/* SPDX-License-Identifier: MIT */
/*
 * compute_support.h - one case of a computation: steps over a text, and what must come.
 */
#ifndef TESTS_UNIT_COMPUTE_SUPPORT_H
#define TESTS_UNIT_COMPUTE_SUPPORT_H

#include "compute/run.h"

#include <stddef.h>

struct compute_case {
	const char *steps; /* JSON list, or one object */
	const char *input; /* JSON, unless format says otherwise */
	const char *want;  /* the result's text; NULL: a failure is expected */
	/* a part of the trace or of the failure; NULL: not looked at */
	const char *note;
	const char *format; /* NULL: json */
	const char *right;  /* JSON of the input "ref://right"; NULL: none */
};

/* Runs the cases; each difference is a failed expectation of the calling test. */
void compute_check(const struct compute_case *cases, size_t n);

/* The result's text (free()), or NULL and the failure as "type: reason | hint". */
char *compute_run_case(const struct compute_case *c, char **trace_or_failure);

#endif
