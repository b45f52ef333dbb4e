/* SPDX-License-Identifier: MIT */
/* openai.h - the row of OpenAI-compatible Chat Completions. */
#ifndef WORKER_LLM_OPENAI_H
#define WORKER_LLM_OPENAI_H

#include "worker/llm/provider.h"

extern const struct llm_provider_type llm_openai;

#endif
