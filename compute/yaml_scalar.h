/* SPDX-License-Identifier: MIT */
/*
 * yaml_scalar.h - what a scalar means under the core schema of YAML 1.2. Pure.
 */
#ifndef COMPUTE_YAML_SCALAR_H
#define COMPUTE_YAML_SCALAR_H

#include "common/json/json.h"

/*
 * n bytes of text, its tag (NULL: none) and whether it was written without quotes.
 * Numbers become JSON numbers of the same value (0x1F is 31, .5 is 0.5); what JSON has
 * no number for (.inf, .nan) stays text, and so does what a tag calls !!str. "yes" and
 * "on" are text, as 1.2 says. NULL when memory is short.
 */
const struct json *yaml_scalar_value(struct arena *a, const char *text, size_t n,
    const char *tag, bool is_plain);

#endif
