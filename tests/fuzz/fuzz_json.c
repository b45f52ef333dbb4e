/* SPDX-License-Identifier: MIT */
/*
 * fuzz_json.c - whatever the reader accepts is written, read again, and equal.
 *
 * Owns:   an arena a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "common/json/json.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf out = BUF_INIT, canonical = BUF_INIT;
	const struct json *v, *again;
	double d;
	int64_t i;

	if (a == NULL || json_read(a, (const char *)data, size, 0, &v, NULL) < 0)
		return 0;
	json_write(&out, v, JSON_COMPACT);
	ASSERT(buf_status(&out) == 0);
	ASSERT(json_read(a, out.data, out.len, 0, &again, NULL) == 0);
	ASSERT(json_equal(v, again));
	json_write_canonical(&canonical, v);
	ASSERT(json_read(a, canonical.data, canonical.len, 0, &again, NULL) == 0);
	ASSERT(json_equal(v, again));
	(void)json_double(v, &d);
	(void)json_int64(v, &i);
	(void)json_path(v, "a.b.0.c", 7);
	return 0;
}
