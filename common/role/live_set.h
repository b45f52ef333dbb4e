/* SPDX-License-Identifier: MIT */
/*
 * live_set.h - the text in LIVE_SET's memory file: which holders live, which have died.
 *
 *   node NODE BOOT                          first line, once
 *   former BOOT                             an earlier boot of this node: all its
 *                                           holders are dead
 *   live HOLDER                             its process runs and answers
 *   dead HOLDER<tab>none|culprit|payload|unknown<tab>JOB_ID<tab>EVIDENCE
 *                                           one of the last deaths; JOB_ID is "" unless
 *                                           one job is to blame; of a payload that was
 *                                           not yet begun it is the SHA-1
 *
 * The whole set goes out at the scheduler's start and at every change, so a lost one is
 * repaired by the next. A holder is named in it before its process can register.
 */
#ifndef COMMON_ROLE_LIVE_SET_H
#define COMMON_ROLE_LIVE_SET_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>

/* ---- the supervisor's side ---- */

void live_set_put_node(struct buf *out, const char *node, const char *boot);
void live_set_put_former(struct buf *out, const char *boot);
void live_set_put_live(struct buf *out, const char *holder);
/* blame: "none", "culprit", "payload" or "unknown". Tabs and line ends in texts become blanks. */
void live_set_put_dead(struct buf *out, const char *holder, const char *blame,
    const char *job_id, const char *evidence);

/* ---- the scheduler's side ---- */

struct live_set_death {
	const char *holder, *blame, *job_id, *evidence;
};

struct live_set { /* texts are owned by the set */
	char *text;
	const char *node, *boot;
	const char **former;
	size_t n_former;
	const char **live;
	size_t n_live;
	struct live_set_death *dead;
	size_t n_dead;
};

/* 0 with *out owned by the caller; -EPROTO (err names the line) or -ENOMEM, *out
   untouched. */
int live_set_read(const char *text, size_t n, struct live_set *out, struct err *err);
void live_set_release(struct live_set *s); /* for CLEANUP */

bool live_set_has(const struct live_set *s, const char *holder);
const struct live_set_death *live_set_death_of(const struct live_set *s,
    const char *holder); /* NULL when it is not among the last */
/* Is the holder one of this node in this boot, or in a former one? */
bool live_set_is_ours(const struct live_set *s, const char *holder);
bool live_set_is_former(const struct live_set *s, const char *holder);

#endif
