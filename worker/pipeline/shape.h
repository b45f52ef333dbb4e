/* SPDX-License-Identifier: MIT */
/*
 * shape.h - a pipeline without its literals: the template of a composite tool.
 *
 * What changes from use to use becomes a parameter: values of params and of conditions,
 * members of the address' query, k, and every reference. What makes the pipeline what it
 * is stays: addresses, methods, profiles, field names, operators, programs, patterns.
 * Two uses of one pipeline have one shape, whatever their literals.
 */
#ifndef WORKER_PIPELINE_SHAPE_H
#define WORKER_PIPELINE_SHAPE_H

#include "common/err.h"
#include "worker/pipeline/facts.h"

enum {
	SHAPE_NAME_MAX = 65, /* with its NUL: what providers allow */
	SHAPE_PARAMETERS_MAX = 64
};

struct pipeline_shape {
	char digest[PIPELINE_DIGEST_MAX]; /* of the template, in canonical form */
	char name[SHAPE_NAME_MAX]; /* "get_api_example_flights_sort_top_1a2b3c" */
	/* arguments of execute_pipeline with {"$parameter": name} for literals */
	const struct json *template;
	/* [{name, type, default, description}]; one without default is needed */
	const struct json *parameters;
	const char *description; /* in words that can be searched */
	/* a text in it looks like a key or a token, whatever its name */
	bool looks_secret;
};

/*
 * The shape of sound arguments, in the arena. 0; -EINVAL for a pipeline that has none
 * (facts that are not sound, a POST, too many literals); -ENOMEM.
 */
int pipeline_shape_of(struct arena *a, const struct json *args,
    const struct pipeline_facts *facts, struct pipeline_shape *out);

/* The JSON Schema of the parameters. */
void pipeline_shape_schema(struct buf *out, const struct json *parameters);

/* The arguments of execute_pipeline that the template makes of values; NULL with err
   when a parameter lacks its value, or memory is short. */
const struct json *pipeline_shape_fill(struct arena *a, const struct json *template,
    const struct json *parameters, const struct json *values, struct err *err);

#endif
