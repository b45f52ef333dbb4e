/* SPDX-License-Identifier: MIT */
/*
 * fuzz_schema.c - any pair of texts, divided by a NUL, as schema and value; and any
 * text as a tool call's arguments that are shown to people.
 *
 * Owns:   an arena a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "common/json_schema.h"
#include "worker/agent/args_view.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_view(struct arena *a, const struct json *v, const char *text, size_t n)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	args_view(&out, v, (struct llm_text){ text, n }, 256);
	ASSERT(out.len <= 256);
	ASSERT(json_read(a, buf_str(&out), out.len, 0, &v, NULL) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP(json_schema_freep) struct json_schema *s = NULL;
	const char *text = (const char *)data, *value;
	struct json_schema_errors errors;
	const struct json *v = NULL;
	size_t n = strnlen(text, size);
	int r;

	if (a == NULL || n == size)
		return 0;
	value = text + n + 1;
	if (json_read(a, value, size - n - 1, 0, &v, NULL) < 0)
		v = NULL;
	try_view(a, v, value, size - n - 1);
	if (v == NULL || json_schema_compile_text(text, n, &s, NULL) < 0)
		return 0;
	r = json_schema_check(s, v, &errors);
	ASSERT((r == 0) == (errors.n == 0));
	ASSERT(json_schema_check(s, v, NULL) == r);
	return 0;
}
