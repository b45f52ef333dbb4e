/* SPDX-License-Identifier: MIT */
/* anthropic.h - the row of Anthropic Messages. */
#ifndef WORKER_LLM_ANTHROPIC_H
#define WORKER_LLM_ANTHROPIC_H

#include "worker/llm/provider.h"

extern const struct llm_provider_type llm_anthropic;

int anthropic_answer(struct arena *a, int status, const char *body, size_t n,
    struct llm_answer *out, struct llm_error *e);

#endif
