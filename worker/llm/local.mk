# worker/llm: what the providers speak, when to ask again, what it costs. No network.
noinst_LIBRARIES += worker/libllm.a
worker_libllm_a_SOURCES = \
	worker/llm/llm.h worker/llm/llm.c \
	worker/llm/provider.h worker/llm/provider.c \
	worker/llm/openai.h worker/llm/openai.c \
	worker/llm/openai_answer.h worker/llm/openai_answer.c \
	worker/llm/answer_part.h worker/llm/answer_part.c \
	worker/llm/anthropic.h worker/llm/anthropic.c worker/llm/anthropic_answer.c \
	worker/llm/error_body.h worker/llm/error_body.c \
	worker/llm/strict_schema.h worker/llm/strict_schema.c \
	worker/llm/retry.h worker/llm/retry.c \
	worker/llm/breaker.h worker/llm/breaker.c \
	worker/llm/prices.h worker/llm/prices.c \
	worker/llm/llm_call.h worker/llm/llm_call.c
worker_libllm_a_CFLAGS = $(AM_CFLAGS)
