/* SPDX-License-Identifier: MIT */
/*
 * fuzz_read.c - bodies of strangers: the first byte chooses the format; what
 * is read is written as JSON that reads back.
 *
 * Owns:   an arena a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "compute/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf out = BUF_INIT;
	const struct json *v = NULL, *again = NULL;
	struct run r;

	if (a == NULL || size < 1 || run_init(&r, a) < 0)
		return 0;
	if (read_input(&r, (enum input_format)(data[0] % FORMAT_COUNT),
		(const char *)data + 1, size - 1, &v) < 0) {
		ASSERT(r.failure.type != FAILURE_NONE && r.failure.reason[0] != '\0');
		return 0;
	}
	json_write(&out, v, JSON_COMPACT);
	ASSERT(
	    json_read(a, buf_str(&out), out.len, JSON_DEPTH_LIMIT, &again, NULL) == 0);
	ASSERT(json_equal(v, again));
	return 0;
}
