/* SPDX-License-Identifier: MIT */
/* openai_answer.h - reads Chat Completions answers; see provider.h for the contract. */
#ifndef WORKER_LLM_OPENAI_ANSWER_H
#define WORKER_LLM_OPENAI_ANSWER_H

#include "worker/llm/llm.h"

int openai_answer(struct arena *a, int status, const char *body, size_t n,
    struct llm_answer *out, struct llm_error *e);

#endif
