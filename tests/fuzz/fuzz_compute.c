/* SPDX-License-Identifier: MIT */
/*
 * fuzz_compute.c - a request to compute as it arrives in the jail: up to the first NUL
 * the meta, after it the data. Programs are left out: libjq may abort, in its jail.
 *
 * Owns:   what answer_task takes, a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "common/json/json.h"
#include "common/lane.h"
#include "compute/answer.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf meta = BUF_INIT;
	const char *text = (const char *)data;
	size_t n = strnlen(text, size);
	struct output out = { .fd = -1, .inline_max = 1 << 20, .max = 1 << 20 };
	struct task task = { .run = { text, n, n < size ? text + n + 1 : "",
				 n < size ? size - n - 1 : 0 } };
	const struct json *v = NULL;
	int r;

	if (a == NULL)
		return 0;
	task.inputs[0] = (struct task_text){ "{\"name\":\"ref://r\"}", 18,
		"[{\"id\":1,\"b\":\"x\"},{\"id\":2}]", 29 };
	task.n_inputs = 1;
	r = answer_task(&task, &meta, &out);
	ASSERT(r == 0 || r == 1);
	ASSERT(meta.len <= LANE_META_MAX);
	ASSERT(json_read(a, buf_str(&meta), meta.len, 0, &v, NULL) == 0);
	ASSERT(json_is_true(json_get(v, "ok")) == (r == 0));
	if (r == 1)
		ASSERT(json_path(v, "error.reason", 12) != NULL);
	else
		ASSERT(json_read(a, buf_str(&out.pending), out.pending.len,
			   JSON_DEPTH_LIMIT, &v, NULL) == 0);
	buf_release(&out.pending);
	return 0;
}
