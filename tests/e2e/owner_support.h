/* SPDX-License-Identifier: MIT */
/*
 * owner_support.h - the daemon with a model that does as the prompt says, for tests of
 * what belongs to whom.
 */
#ifndef TESTS_E2E_OWNER_SUPPORT_H
#define TESTS_E2E_OWNER_SUPPORT_H

#include "tests/e2e/e2e.h"

extern struct harness *h;

void owner_start(void); /* sessions of 3 turns; the model's log has whole bodies */
void owner_stop(void);

/* A rule: the prompt "#NAME#" gets this call at its first turn. script() sends them; to
   all else the model says "that was all". */
void rule(struct buf *rules, const char *name, const char *tool, const char *arguments);
void script(struct buf *rules); /* which is empty afterwards */

/* Runs a job of that owner ("": nobody's) in that session ("": none). */
const struct json *run(const char *id, const char *rule_name, const char *owner,
    const char *session);
void expect_completed(const struct json *result);
/* The result is a failure of that type and holds no byte of what is private. */
void expect_refused(const struct json *result, const char *type, const char *what);
bool was_sent(const char *text); /* in any request to the model */

/* Data that only its owner should see: four rows {n, price, secret}. */
#define MARKER "MARKER-OF-BOB"
#define MAKE_PRIVATE                                                            \
 "{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/orders\"},"  \
 "{\"step\":\"jq_transform\",\"query\":\"[range(4) | {n: ., price: (. * 300), " \
 "secret: \\\"MARKER-OF-BOB\\\"}]\"}]}"

#endif
