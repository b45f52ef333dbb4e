/* SPDX-License-Identifier: MIT */
/*
 * fuzz_slots.c - what a worker may have written into its slot file, and the set of
 * live holders: only what is well formed is taken.
 *
 * Owns:   nothing beyond a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "common/role/live_set.h"
#include "common/role/slot_file.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect_printable(const char *text, size_t size)
{
	size_t n = strnlen(text, size);

	ASSERT(n < size);
	for (size_t i = 0; i < n; i++)
		ASSERT((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

static void
try_row(const uint8_t *data, size_t size)
{
	static struct slot_file file;
	struct slot_row out;

	memset(&file.rows[3], 0xa5, sizeof(file.rows[3]));
	memcpy((void *)&file.rows[3], data,
	    size < sizeof(file.rows[3]) ? size : sizeof(file.rows[3]));
	if (!slot_row_copy(&file, 3, &out))
		return;
	expect_printable(out.job_id, sizeof(out.job_id));
	expect_printable(out.step, sizeof(out.step));
}

static void
try_set(const char *text, size_t size)
{
	CLEANUP(live_set_release) struct live_set s = { 0 };
	struct err err = ERR_INIT;

	if (live_set_read(text, size, &s, &err) < 0) {
		ASSERT(err.text[0] != '\0');
		return;
	}
	ASSERT(s.node != NULL && s.boot != NULL);
	for (size_t i = 0; i < s.n_live; i++) {
		ASSERT(live_set_has(&s, s.live[i]));
		(void)live_set_is_ours(&s, s.live[i]);
		(void)live_set_is_former(&s, s.live[i]);
	}
	for (size_t i = 0; i < s.n_dead; i++)
		ASSERT(live_set_death_of(&s, s.dead[i].holder) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_row(data, size);
	try_set((const char *)data, size);
	return 0;
}
