/* SPDX-License-Identifier: MIT */
/*
 * ledger.h - was an answer of the model paid for again although it stood in the
 * journal?
 *
 * A test's prompts hold the job's id in brackets ("go [j1]"), and every answer of its
 * script holds "serial-{{serial}}", which names the request. A turn's journalled answer
 * must then be the last that was asked for: an older one was under way when its worker
 * was lost, a later one was paid again.
 */
#ifndef TESTS_E2E_LEDGER_H
#define TESTS_E2E_LEDGER_H

#include "tests/support/harness.h"

struct ledger;

struct ledger_sum {
	unsigned answers;  /* in the journals */
	unsigned lost;     /* asked for, and under way when the worker was lost */
	unsigned repaid;   /* asked for though the answer stood in the journal */
	unsigned unending; /* journals without expiry */
};

/* The stand-in's log as it is now. */
struct ledger *ledger_read(struct harness *h);
void ledger_free(struct ledger *l);
void ledger_freep(struct ledger **l);

/* Adds what is known of one finished job; why gets a line for everything wrong. */
void ledger_check(const struct ledger *l, struct harness *h, const char *job_id,
    struct ledger_sum *sum, struct buf *why);

#endif
