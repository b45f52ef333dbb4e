/* SPDX-License-Identifier: MIT */
/*
 * fuzz_job.c - a payload as producers push it: read, stepped over, shown.
 *
 * Owns:   an arena a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "common/json/json.h"
#include "worker/job_message.h"
#include "worker/job_skim.h"
#include "worker/preview.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect_id(const struct job_message *m)
{
	size_t n = strlen(m->job_id);

	ASSERT(n > 0 && n <= JOB_ID_MAX && json_is_utf8(m->job_id, n));
	for (size_t i = 0; i < n; i++)
		ASSERT((unsigned char)m->job_id[i] >= 0x20 && m->job_id[i] != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(64 << 20);
	CLEANUP_BUF struct buf skimmed = BUF_INIT;
	CLEANUP_BUF struct buf preview = BUF_INIT;
	const char *text = (const char *)data;
	struct job_message m;
	struct job_message_fault fault;
	const struct json *v;
	int r;

	if (a == NULL)
		return 0;
	r = job_message_read(a, text, size, &m, &fault);
	ASSERT(r == 0 || r == -EINVAL || r == -ENOMSG);
	if (r == 0 || r == -EINVAL)
		expect_id(&m);
	if (r == 0) {
		ASSERT(m.prompt != NULL && m.agent != NULL && m.owner != NULL);
		(void)job_message_names_ref(&m, "artifact://x");
	} else {
		ASSERT(fault.type != ERROR_TYPE_NONE && fault.text[0] != '\0');
		ASSERT(json_is_utf8(fault.text, strlen(fault.text)));
	}
	job_skim(text, size, &skimmed);
	ASSERT(skimmed.len > 0);
	if (json_read(a, text, size, 0, &v, NULL) == 0 &&
	    preview_write(&preview, text, size, PREVIEW_DATA) == 0)
		ASSERT(json_read(a, buf_str(&preview), preview.len, 0, &v, NULL) == 0);
	return 0;
}
