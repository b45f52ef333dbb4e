/* SPDX-License-Identifier: MIT */
/* test_man_protocol.c - agent-runner-protocol(7) knows what the code knows. */
#include "config.h"

#include "tests/unit/source_file.h"

#include "common/buf.h"
#include "common/error_types.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

Test(man_protocol, every_failure_type_stands_there_with_its_retryable)
{
	CLEANUP(freep) char *page = read_source("man/agent-runner-protocol.7");

	for (int i = ERROR_TYPE_NONE + 1; i < ERROR_TYPE_COUNT; i++) {
		char row[128];

		(void)snprintf(row, sizeof(row), "\n.It %s Ta %s Ta ",
		    error_type_name(i), error_type_is_retryable(i) ? "yes" : "no");
		cr_expect(strstr(page, row) != NULL, "no row '%s'", row + 1);
	}
}

/* A quoted word in the source of the reader or writer is a member on the wire. */
static void
expect_members(const char *source, const char *const *calls, size_t n_calls)
{
	CLEANUP(freep) char *text = read_source(source);
	CLEANUP(freep) char *page = read_source("man/agent-runner-protocol.7");
	size_t found = 0;

	for (size_t i = 0; i < n_calls; i++)
		for (const char *p = text; (p = strstr(p, calls[i])) != NULL;) {
			char name[64];
			size_t n;

			p += strlen(calls[i]);
			n = strcspn(p, "\"");
			(void)snprintf(name, sizeof(name), "%.*s", (int)n, p);
			cr_expect(strstr(page, name) != NULL,
			    "%s: %s is not on the page", source, name);
			found++;
		}
	cr_expect(gt(sz, found, 5), "%s was read wrongly", source);
}

Test(man_protocol, every_field_that_is_read_or_written_stands_there)
{
	static const char *const readers[] = { "present(rd->root, \"",
		"read_text(rd, rd->root, \"\", \"", "read_text(&rd, rd.root, \"\", \"",
		"read_typed(&rd, rd.root, \"\", \"", "read_integer(&rd, \"",
		"\"context.\", \"" };
	static const char *const writers[] = { "jw_key(w, \"", "jw_key(&w, \"" };

	expect_members("worker/job_message.c", readers, ARRAY_LEN(readers));
	expect_members("worker/result_message.c", writers, ARRAY_LEN(writers));
}
