/* SPDX-License-Identifier: MIT */
/*
 * fuzz_provider.c - whatever a provider answers is an answer or a typed error, and an
 * answer comes back from the journal as it was.
 *
 * Owns:   an arena a run. The first byte chooses the HTTP status.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "worker/llm/provider.h"
#include "worker/llm/retry.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_waits(const uint8_t *data, size_t size)
{
	struct llm_wait_headers h;
	uint64_t ms;

	memset(&h, 0, sizeof(h));
	llm_wait_note(&h, "retry-after", 11, (const char *)data, size);
	llm_wait_note(&h, "x-ratelimit-remaining-tokens", 28, "0", 1);
	llm_wait_note(&h, "x-ratelimit-reset-tokens", 24, (const char *)data, size);
	if (llm_wait_asked(&h, 1700000000000, &ms))
		ASSERT(ms <= 24 * 3600 * 1000);
}

static void
try_journal(struct arena *a, const struct llm_answer *answer)
{
	CLEANUP_BUF struct buf once = BUF_INIT;
	CLEANUP_BUF struct buf twice = BUF_INIT;
	const struct json *v = NULL;
	struct llm_answer back;
	struct json_writer w;

	jw_init(&w, &once);
	llm_answer_write(&w, answer);
	ASSERT(json_read(a, buf_str(&once), once.len, 0, &v, NULL) == 0);
	ASSERT(llm_answer_read(a, v, &back) == 0);
	jw_init(&w, &twice);
	llm_answer_write(&w, &back);
	ASSERT(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = { 200, 200, 200, 400, 401, 404, 429, 500 };
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct llm_answer answer;
	struct llm_error e;
	int r;

	if (a == NULL || size == 0)
		return 0;
	try_waits(data + 1, size - 1);
	for (size_t i = 0; llm_provider_type_at(i) != NULL; i++) {
		r = llm_provider_type_at(i)->answer(a,
		    statuses[data[0] % ARRAY_LEN(statuses)], (const char *)data + 1,
		    size - 1, &answer, &e);
		ASSERT(r == 0 || r == -EIO);
		if (r == 0)
			try_journal(a, &answer);
		else
			ASSERT(e.type != ERROR_TYPE_NONE && strlen(e.text) > 0);
	}
	return 0;
}
