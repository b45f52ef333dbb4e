/* SPDX-License-Identifier: MIT */
/*
 * faults.h - arms the daemon's fault points while it runs, and reads what they did.
 *
 * faults_new comes before harness_start. The page outlives the daemon, so that a place in
 * the supervisor itself can be struck, too.
 */
#ifndef TESTS_E2E_FAULTS_H
#define TESTS_E2E_FAULTS_H

#include "common/fault_point.h"
#include "tests/support/harness.h"

struct fault_page *faults_new(struct harness *h);

/* In place of what was armed before; "LLM_SEND:kill:once" as in AGENT_RUNNER_FAULT. */
void faults_arm(struct harness *h, struct fault_page *page, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void faults_disarm(struct fault_page *page);

/* Before harness_start: the seconds by which the wall clock of Redis is ahead. (Those of
   the daemon's processes are wall_step_ms of the page.) For the life of the test. */
volatile int64_t *faults_redis_clock(struct harness *h);

/* How often, by any of the actions. */
unsigned faults_struck(const struct fault_page *page, enum fault_point point);

#endif
