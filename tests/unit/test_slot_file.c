/* SPDX-License-Identifier: MIT */
/* test_slot_file.c - the shared page: sealed, checked, and never torn. */
#include "config.h"

#include "common/role/slot_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

Test(slot_file, child_writes_what_supervisor_reads)
{
	const struct slot_file *seen = NULL;
	struct slot_file *own = NULL;
	struct slot_row row;
	int fd = slot_file_make(&seen);

	cr_assert(fd >= 0);
	cr_assert_eq(slot_file_open(fd, &own), 0);
	cr_expect(!slot_row_copy(seen, 5, &row));
	slot_row_set(own, 5, "job\x01-ä", 7, "llm", 100, 200);
	cr_assert(slot_row_copy(seen, 5, &row));
	cr_expect_str_eq(row.job_id, "job?-ä", "control characters do not get through");
	cr_expect_str_eq(row.step, "llm");
	cr_expect_eq(row.started_ms, 100);
	cr_expect_eq(row.deadline_ms, 200);
	slot_row_step(own, 5, "store");
	cr_assert(slot_row_copy(seen, 5, &row));
	cr_expect_str_eq(row.step, "store");
	slot_row_step(own, 5,
	    "\xc2\x9b"
	    "2J\xff\xe2\x82");
	cr_assert(slot_row_copy(seen, 5, &row));
	cr_expect_str_eq(row.step, "??2J???", "only whole characters, none of C1");
	cr_expect_eq(row.paused_ms, 0);
	slot_row_pause(own, 5, 1000);
	slot_row_pause(own, 5, 500);
	slot_row_set(own, 5, "job", 3, "llm", 100, 300); /* of the same job */
	cr_assert(slot_row_copy(seen, 5, &row));
	cr_expect_eq(row.paused_ms, 1500);
	slot_row_tool(own, 5, "execute\npipeline");
	slot_row_tokens(own, 5, 35);
	cr_assert(slot_row_copy(seen, 5, &row));
	cr_expect_str_eq(row.step, "tool");
	cr_expect_str_eq(row.tool, "execute?pipeline");
	slot_row_step(own, 5, "store");
	cr_assert(slot_row_copy(seen, 5, &row));
	cr_expect_str_eq(row.tool, "execute?pipeline", "the last one");
	cr_expect_eq(row.tokens, 35);
	slot_row_clear(own, 5);
	cr_expect(!slot_row_copy(seen, 5, &row));
	slot_row_set(own, 5, "next", 4, "llm", 400, 500);
	cr_assert(slot_row_copy(seen, 5, &row));
	cr_expect_eq(row.paused_ms, 0);
	cr_expect_eq(row.tokens, 0);
	cr_expect_str_eq(row.tool, "");
	cr_expect_eq(row.is_payload, 0);
	slot_row_payload(own, 5, "0123abcd", 500);
	cr_assert(slot_row_copy(seen, 5, &row));
	cr_expect_eq(row.is_payload, 1);
	cr_expect_str_eq(row.job_id, "0123abcd");
	slot_file_unmap(seen);
	slot_file_unmap(own);
	slot_file_unmap(NULL);
	(void)close(fd);
}

Test(slot_file, texts_that_are_too_long_are_cut_and_terminated)
{
	const struct slot_file *seen = NULL;
	struct slot_file *own = NULL;
	struct slot_row row;
	char id[2 * SLOT_JOB_ID_MAX];
	int fd = slot_file_make(&seen);

	cr_assert(slot_file_open(fd, &own) == 0);
	memset(id, 'x', sizeof(id));
	slot_row_set(own, SLOT_ROWS - 1, id, sizeof(id),
	    "a step whose name is far too long "
	    "for its place in the row",
	    1, 2);
	cr_assert(slot_row_copy(seen, SLOT_ROWS - 1, &row));
	cr_expect_eq(strlen(row.job_id), SLOT_JOB_ID_MAX - 1);
	cr_expect_eq(strlen(row.step), SLOT_STEP_MAX - 1);
	/* a child that lies: no terminator, in_use neither 0 nor 1 */
	memset(own->rows[0].job_id, 'y', SLOT_JOB_ID_MAX);
	memset(own->rows[0].step, 'y', SLOT_STEP_MAX);
	own->rows[0].in_use = 1;
	cr_assert(slot_row_copy(seen, 0, &row));
	cr_expect_eq(strlen(row.job_id), SLOT_JOB_ID_MAX - 1);
	own->rows[0].in_use = 77;
	cr_expect(!slot_row_copy(seen, 0, &row));
	own->rows[0].in_use = 1;
	atomic_store(&own->rows[0].seq, 3);
	cr_expect(!slot_row_copy(seen, 0, &row),
	    "a row that is for ever being written");
}

Test(slot_file, cannot_be_resized_and_cannot_be_faked)
{
	const struct slot_file *seen = NULL;
	struct slot_file *own = NULL;
	int fd = slot_file_make(&seen), other = memfd_create("x", MFD_CLOEXEC);

	cr_expect_lt(ftruncate(fd, 10), 0);
	cr_expect_eq(errno, EPERM);
	cr_expect_lt(ftruncate(fd, 1 << 24), 0);
	cr_assert(ftruncate(other, sizeof(struct slot_file)) == 0);
	cr_expect_eq(slot_file_open(other, &own), -EPROTO, "not sealed");
	cr_expect_eq(slot_file_open(-1, &own), -EPROTO);
	cr_expect(own == NULL);
	cr_assert(slot_file_open(fd, &own) == 0);
	own->version = 99;
	slot_file_unmap(own);
	own = NULL;
	cr_expect_eq(slot_file_open(fd, &own), -EPROTO, "another version");
	cr_expect(own == NULL);
}

/* Writes rows whose fields agree, until it is killed. */
static void
write_for_ever(int fd)
{
	struct slot_file *f;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (slot_file_open(fd, &f) < 0)
		_exit(1);
	for (uint64_t i = 0;; i++) {
		char id[32];
		int n = snprintf(id, sizeof(id), "%llu", (unsigned long long)i);

		slot_row_set(f, 0, id, (size_t)n, id, i, i);
	}
}

Test(slot_file, copies_are_never_torn)
{
	const struct slot_file *seen = NULL;
	int fd = slot_file_make(&seen), got = 0;
	pid_t pid = fork();

	if (pid == 0)
		write_for_ever(fd);
	for (int i = 0; i < 100000000 && got < 100000; i++) {
		struct slot_row row;

		if (!slot_row_copy(seen, 0, &row))
			continue;
		got++;
		cr_assert(row.started_ms == row.deadline_ms &&
		    strtoull(row.job_id, NULL, 10) == row.started_ms &&
		    strcmp(row.job_id, row.step) == 0);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	cr_expect_gt(got, 0);
}
