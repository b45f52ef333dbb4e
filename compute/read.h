/* SPDX-License-Identifier: MIT */
/*
 * read.h - input text to values: JSON, CSV, NDJSON, YAML, or whichever it is.
 *
 * CSV: the first record names the columns; fields that are JSON numbers become numbers
 * (their text kept: 1.50 stays 1.50, 007 stays a text), all others text, also "true"
 * and the empty field. The separator is ',' unless the header has none but ';' or a
 * tab.
 */
#ifndef COMPUTE_READ_H
#define COMPUTE_READ_H

#include "compute/run.h"

enum input_format {
	FORMAT_JSON,
	FORMAT_CSV,
	FORMAT_NDJSON,
	FORMAT_AUTO, /* JSON; else UTF-8 text as a JSON string; else refused */
	FORMAT_YAML, /* one document; JSON, which most YAML readers take, is tried first */
	FORMAT_COUNT
};

int format_from_name(const struct json *name); /* enum input_format or -EINVAL */

/* *out in the run's arena; text must outlive it. On failure the run has failed. */
int read_input(struct run *r, enum input_format format, const char *text, size_t n,
    const struct json **out);

int read_csv(struct run *r, const char *text, size_t n, const struct json **out);
int read_yaml(struct run *r, const char *text, size_t n, const struct json **out);

#endif
