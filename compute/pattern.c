/* SPDX-License-Identifier: MIT */
/*
 * pattern.c - the only file that knows PCRE2 in compute.
 *
 * Owns:   struct pattern: code, match data, context.
 * Called: by regex_extract and the filter's "matches", in a child of their own.
 * Fails:  a wrong pattern is invalid_step with its place; a limit is step_limit.
 */
#include "config.h"

#include "compute/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <string.h>

/* A pattern may lower these with (*LIMIT_...), never raise them. */
enum {
	MATCH_LIMIT = 1000000,
	HEAP_LIMIT_KIB = 20 * 1024,
	DEPTH_LIMIT = 100000,
	PARENS_LIMIT = 100,
	PATTERN_BYTES_MAX = 16 * 1024
};

struct pattern {
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *context;
	uint32_t n_groups;
};

void
pattern_free(struct pattern *p)
{
	if (p == NULL)
		return;
	pcre2_match_data_free(p->match);
	pcre2_match_context_free(p->context);
	pcre2_code_free(p->code);
	free(p);
}

void
pattern_freep(struct pattern **p)
{
	pattern_free(*p);
	*p = NULL;
}

static void
compile_contextp(pcre2_compile_context **c)
{
	pcre2_compile_context_free(*c);
}

static int
compile(struct run *r, const char *text, size_t n, pcre2_code **out)
{
	CLEANUP(compile_contextp)
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	PCRE2_SIZE at = 0;
	PCRE2_UCHAR why[256];
	int code = 0;

	if (context == NULL)
		return run_no_memory(r);
	(void)pcre2_set_parens_nest_limit(context, PARENS_LIMIT);
	(void)pcre2_set_max_pattern_length(context, PATTERN_BYTES_MAX);
	*out = pcre2_compile((PCRE2_SPTR)text, n,
	    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_MATCH_INVALID_UTF,
	    &code, &at, context);
	if (*out != NULL)
		return 0;
	if (pcre2_get_error_message(code, why, sizeof(why)) < 0)
		why[0] = '\0';
	return run_fail(r, FAILURE_INVALID_STEP,
	    "the syntax is that of Perl (PCRE2); in JSON a backslash is written twice",
	    "the pattern is wrong at byte %zu: %s", (size_t)at, (const char *)why);
}

int
pattern_new(struct run *r, const char *text, size_t n, struct pattern **out)
{
	CLEANUP(pattern_freep) struct pattern *p = calloc(1, sizeof(*p));
	int e;

	if (p == NULL)
		return run_no_memory(r);
	e = compile(r, text, n, &p->code);
	if (e < 0)
		return e;
	p->context = pcre2_match_context_create(NULL);
	p->match = pcre2_match_data_create_from_pattern(p->code, NULL);
	if (p->context == NULL || p->match == NULL)
		return run_no_memory(r);
	(void)pcre2_set_match_limit(p->context, MATCH_LIMIT);
	(void)pcre2_set_heap_limit(p->context, HEAP_LIMIT_KIB);
	(void)pcre2_set_depth_limit(p->context, DEPTH_LIMIT);
	(void)pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &p->n_groups);
	*out = TAKE_PTR(p);
	return 0;
}

int
pattern_match(struct run *r, struct pattern *p, const char *text, size_t n)
{
	PCRE2_UCHAR why[256];
	int rc = pcre2_match(p->code, (PCRE2_SPTR)(n == 0 ? "" : text), n, 0, 0,
	    p->match, p->context);

	if (rc > 0)
		return 1;
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (pcre2_get_error_message(rc, why, sizeof(why)) < 0)
		why[0] = '\0';
	return run_fail(r, FAILURE_STEP_LIMIT,
	    "nested repetitions like (a+)+ take for ever on some texts: write it simpler",
	    "the pattern gave up on a text of %zu bytes: %s", n, (const char *)why);
}

uint32_t
pattern_groups(const struct pattern *p)
{
	return p->n_groups;
}

bool
pattern_group(const struct pattern *p, uint32_t group, const char *text,
    struct json *out)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(p->match);

	if (group >= pcre2_get_ovector_count(p->match) ||
	    at[2 * group] == PCRE2_UNSET || at[2 * group + 1] < at[2 * group])
		return false;
	*out = (struct json){ .type = JSON_STRING,
		.len = (uint32_t)(at[2 * group + 1] - at[2 * group]),
		.text = text + at[2 * group] };
	return true;
}

const char *
pattern_group_name(const struct pattern *p, uint32_t group)
{
	PCRE2_SPTR table = NULL;
	uint32_t n = 0, size = 0;

	(void)pcre2_pattern_info(p->code, PCRE2_INFO_NAMECOUNT, &n);
	(void)pcre2_pattern_info(p->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
	(void)pcre2_pattern_info(p->code, PCRE2_INFO_NAMETABLE, &table);
	for (uint32_t i = 0; i < n; i++, table += size)
		if (((uint32_t)table[0] << 8 | table[1]) == group)
			return (const char *)table + 2;
	return NULL;
}
