/* SPDX-License-Identifier: MIT */
/*
 * compute_support.c - runs one case of a computation in the test's own process.
 *
 * Owns:   an arena a case.
 * Called: by the tests of the step families.
 * Fails:  by Criterion expectations.
 */
#include "config.h"

#include "tests/unit/compute_support.h"

#include "compute/read.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char *
text_of(const struct json *v)
{
	struct buf b = BUF_INIT;

	json_write(&b, v, JSON_COMPACT);
	return buf_take(&b, NULL);
}

static char *
failure_of(const struct failure *f)
{
	struct buf b = BUF_INIT;

	buf_addf(&b, "%s: %s | %s", failure_type_name(f->type), f->reason, f->hint);
	return buf_take(&b, NULL);
}

static int
read_steps(struct arena *a, const char *text, struct step_list *out)
{
	const struct json *v = NULL;
	struct err err = ERR_INIT;
	int e = json_read(a, text, strlen(text), 0, &v, &err);

	cr_assert(e == 0, "%s: %s", text, err_text(&err));
	if (v->type == JSON_OBJECT) {
		struct json_builder *list = json_array_begin(a);

		json_array_add(list, v);
		v = json_end(list);
	}
	cr_assert(steps_parse(a, v, out) == 0);
	return (int)out->problems->len;
}

static int
read_inputs(struct run *r, const struct compute_case *c)
{
	static const char *const names[] = { "json", "csv", "ndjson", "auto", "yaml" };
	int format = FORMAT_JSON;
	int e = 0;

	for (int i = 0; c->format != NULL && i < FORMAT_COUNT; i++)
		if (strcmp(names[i], c->format) == 0)
			format = i;
	if (c->right != NULL) {
		r->inputs[0].name = "ref://right";
		r->n_inputs = 1;
		e = read_input(r, FORMAT_JSON, c->right, strlen(c->right),
		    &r->inputs[0].value);
	}
	return e < 0 ? e
		     : read_input(r, (enum input_format)format, c->input,
			   strlen(c->input), &r->data);
}

char *
compute_run_case(const struct compute_case *c, char **trace_or_failure)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct step_list steps;
	struct run r;
	int n_problems = read_steps(a, c->steps, &steps);

	if (n_problems > 0) {
		*trace_or_failure = text_of(steps.problems);
		return NULL;
	}
	(void)setenv("TZ", "UTC0", 1); /* as in the jail: strptime's %s asks */
	tzset();
	cr_assert(run_init(&r, a) == 0);
	r.may_run_programs = true;
	if (read_inputs(&r, c) < 0 || run_steps(&r, &steps) < 0) {
		*trace_or_failure = failure_of(&r.failure);
		return NULL;
	}
	*trace_or_failure = text_of(json_end(r.trace));
	return text_of(r.data);
}

void
compute_check(const struct compute_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct compute_case *c = &cases[i];
		CLEANUP(freep) char *told = NULL;
		CLEANUP(freep) char *got = compute_run_case(c, &told);

		if (c->want == NULL)
			cr_expect(got == NULL, "%s over %s: not refused but %s",
			    c->steps, c->input, got != NULL ? got : "");
		else
			cr_expect(got != NULL && strcmp(got, c->want) == 0,
			    "%s over %s: %s, want %s", c->steps, c->input,
			    got != NULL ? got : told, c->want);
		if (c->note != NULL)
			cr_expect(strstr(told, c->note) != NULL,
			    "%s: '%s' is not in %s", c->steps, c->note, told);
	}
}
