/* SPDX-License-Identifier: MIT */
/*
 * fuzz_yaml.c - YAML documents: what is read is bounded in depth and size, and is
 * written as JSON that reads back.
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
	CLEANUP(arena_freep) struct arena *a = arena_new(512 << 20);
	CLEANUP_BUF struct buf out = BUF_INIT;
	const struct json *v = NULL, *again = NULL;
	struct run r;

	if (a == NULL || run_init(&r, a) < 0)
		return 0;
	if (read_yaml(&r, (const char *)data, size, &v) < 0) {
		ASSERT(r.failure.type != FAILURE_NONE && r.failure.reason[0] != '\0');
		return 0;
	}
	json_write(&out, v, JSON_COMPACT);
	ASSERT(buf_status(&out) == 0);
	ASSERT(json_read(a, buf_str(&out), out.len, JSON_DEPTH_MAX + 1, &again, NULL) ==
	    0);
	ASSERT(json_equal(v, again));
	return 0;
}
