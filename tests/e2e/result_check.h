/* SPDX-License-Identifier: MIT */
/* result_check.h - is a published message what agent-runner-protocol(7) says? */
#ifndef TESTS_E2E_RESULT_CHECK_H
#define TESTS_E2E_RESULT_CHECK_H

#include "tests/support/harness.h"

#define RESULT_CHECK_SECRET "sk-test-0123456789" /* the harness's API key */

/* Members, their order, types and bounds, and that retryable follows from the type.
   Fails the test with what is wrong, naming the job. */
void result_check(const struct json *message);

/* At the end of a hostile test: a plain job (prompt "say something", for which the
   script must have an answer) completes, no child was restarted, nothing is left in the
   queue, and the log at level info tells neither the API key nor these words. Stops the
   daemon. */
void result_check_calm(struct harness *h, const char *words);

#endif
