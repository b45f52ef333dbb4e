/* SPDX-License-Identifier: MIT */
/*
 * fuzz_steps.c - any JSON as a pipeline, and what passes is run over a small table.
 *
 * Steps with programs are left out: libjq may abort, and a search would only find its
 * bugs; they have the jail.
 *
 * Owns:   an arena a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "compute/answer.h"
#include "compute/read.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char table[] =
    "[{\"a\":1,\"b\":\"x\",\"c\":{\"d\":null}},{\"a\":\"1\",\"b\":true},"
    "{\"a\":2.50,\"b\":\"2024-01-31\",\"c\":[1]},{\"a\":1,\"a\":-7e300}]";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	const struct json *v = NULL;
	struct step_list steps;
	struct run r;

	if (a == NULL || json_read(a, (const char *)data, size, 0, &v, NULL) < 0 ||
	    steps_parse(a, v, &steps) < 0 || steps.problems->len > 0 || steps.n > 4)
		return 0;
	if (run_init(&r, a) < 0)
		return 0;
	for (size_t i = 0; i < steps.n; i++)
		if (steps.v[i].carries_program)
			return 0;
	ASSERT(read_input(&r, FORMAT_JSON, table, sizeof(table) - 1, &r.data) == 0);
	if (run_steps(&r, &steps) == 0) {
		CLEANUP_BUF struct buf out = BUF_INIT;

		json_write(&out, r.data, JSON_COMPACT);
		ASSERT(
		    json_read(a, buf_str(&out), out.len, RUN_DEPTH_MAX, &v, NULL) == 0);
	}
	return 0;
}
