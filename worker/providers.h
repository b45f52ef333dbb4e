/* SPDX-License-Identifier: MIT */
/*
 * providers.h - what this worker knows of its providers: breakers and rate limits.
 *
 * An agent rests when none of its providers may be asked: its jobs are put off, which
 * counts as nothing, and when all agents rest nothing is claimed but one job at a time
 * that tries whether they are back.
 */
#ifndef WORKER_PROVIDERS_H
#define WORKER_PROVIDERS_H

#include "worker/worker.h"

/* Sets w->providers from w->agents. 0 or -ENOMEM. */
int providers_new(struct worker *w);
void providers_free(struct providers *p);

/* ---- one call, in the job's fiber ---- */

/* As llm_call_env.reserve. */
int providers_reserve(struct job *j, const struct llm_target *t, uint64_t tokens,
    uint64_t *waited_ms, struct llm_error *e);
bool providers_may_ask(struct job *j, const struct llm_target *t);
void providers_note(struct job *j, const struct llm_exchange *x);
void providers_gave_up(struct job *j, const struct llm_target *t, uint64_t began_us,
    const struct llm_error *e);
/* After a call, however it ended. It failed with *e when that is not NULL: says so in
   *e when the failure is an outage, or when it could not even be tried. */
void providers_judge(struct job *j, const struct llm_account *paid,
    struct llm_error *e);

/* ---- the worker ---- */

/*
 * Does every agent rest? Then *due names the provider that may be tried now, and *sec for
 * how long it was left alone; NULL: none yet.
 */
bool providers_are_dark(struct worker *w, const char **due, int64_t *sec);
void providers_tick(struct worker *w); /* each second */

#endif
