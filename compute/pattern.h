/* SPDX-License-Identifier: MIT */
/*
 * pattern.h - regular expressions of strangers: PCRE2 with limits, without JIT.
 */
#ifndef COMPUTE_PATTERN_H
#define COMPUTE_PATTERN_H

#include "compute/run.h"

struct pattern;

/* Compiles; on failure the run has failed with the place in the pattern. */
int pattern_new(struct run *r, const char *text, size_t n, struct pattern **out);
void pattern_free(struct pattern *p);
void pattern_freep(struct pattern **p);

/* 1 match, 0 none, -ECANCELED when a limit ended it (the run has failed). */
int pattern_match(struct run *r, struct pattern *p, const char *text, size_t n);

uint32_t pattern_groups(const struct pattern *p); /* without the whole match */

/* Of the last match: group's text, false when it did not take part. 0: the whole. */
bool pattern_group(const struct pattern *p, uint32_t group, const char *text,
    struct json *out);

/* The group's name or NULL. */
const char *pattern_group_name(const struct pattern *p, uint32_t group);

#endif
