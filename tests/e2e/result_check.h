/* SPDX-License-Identifier: MIT */
/* result_check.h - is a published message what agent-runner-protocol(7) says? */
#ifndef TESTS_E2E_RESULT_CHECK_H
#define TESTS_E2E_RESULT_CHECK_H

#include "common/json/json.h"

/* Members, their order, types and bounds, and that retryable follows from the type.
   Fails the test with what is wrong, naming the job. */
void result_check(const struct json *message);

#endif
