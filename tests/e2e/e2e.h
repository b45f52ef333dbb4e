/* SPDX-License-Identifier: MIT */
/* e2e.h - what every end-to-end program needs: the failure hook, and both stores. */
#ifndef TESTS_E2E_E2E_H
#define TESTS_E2E_E2E_H

#include "tests/support/harness.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static inline void
e2e_fail(const char *text)
{
	cr_log_error("%s", text);
	cr_assert(false, "the harness failed: %.800s", text);
}

static inline struct harness *
e2e_new(void)
{
	harness_on_failure = e2e_fail;
	return harness_new();
}

/* A member by path as text; "" when absent or no string. Lives as long as v. */
static inline const char *
text_at(struct harness *h, const struct json *v, const char *path)
{
	static char text[4][4096];
	static unsigned next;
	const struct json *m = json_path(v, path, strlen(path));
	char *out = text[next++ % 4];

	(void)h;
	out[0] = '\0';
	if (json_is(m, JSON_STRING) || json_is(m, JSON_NUMBER))
		(void)snprintf(out, sizeof(text[0]), "%.*s", (int)m->len, m->text);
	return out;
}

static inline int64_t
int_at(const struct json *v, const char *path)
{
	int64_t i = INT64_MIN;

	(void)json_int64(json_path(v, path, strlen(path)), &i);
	return i;
}

#endif
