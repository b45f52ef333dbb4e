/* SPDX-License-Identifier: MIT */
/*
 * flaw.h - a planted flaw of the jailed child, in builds with fault points only.
 *
 * Stands for the parser bug that nobody has found yet: data that begins with FLAW_MAGIC
 * reads all memory of its child. A test plants one owner's secret, lets another owner
 * use the flaw, and so sees what the rules about children and memory are worth.
 */
#ifndef COMPUTE_FLAW_H
#define COMPUTE_FLAW_H

#include "compute/answer.h"

#define FLAW_MAGIC \
 "\x01"            \
 "flaw:"

enum {
	/* What is looked for stands after the magic, each byte exclusive-or this, so that
	   the question itself is not found. */
	FLAW_KEY = 0x15
};

bool flaw_is_hit(const struct task *t);

/* Answers the number of places that hold the text, and how many pages were read:
   {"found":N,"pages":N}. As answer_task. */
int flaw_answer(const struct task *t, struct buf *meta, struct output *out);

#endif
