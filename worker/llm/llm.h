/* SPDX-License-Identifier: MIT */
/*
 * llm.h - a conversation with a model in one neutral form, whatever the provider.
 *
 * Messages and answers live in the job's arena: nothing here is freed one by one. Texts
 * are UTF-8 with a length (a NUL byte may stand inside); an absent text is {NULL, 0}.
 */
#ifndef WORKER_LLM_LLM_H
#define WORKER_LLM_LLM_H

#include "common/buf.h"
#include "common/error_types.h"
#include "common/json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct llm_text {
	const char *s; /* not terminated */
	size_t len;
};

struct llm_text llm_text_of(const char *s); /* a C string; NULL gives {NULL, 0} */
struct llm_text llm_text_dup(struct arena *a, const char *s, size_t n);

enum llm_role {
	LLM_ROLE_SYSTEM,
	LLM_ROLE_USER,
	LLM_ROLE_ASSISTANT,
	LLM_ROLE_TOOL,
	LLM_ROLE_COUNT
};

struct llm_tool_call {
	struct llm_text id;
	struct llm_text name;
	struct llm_text arguments; /* JSON text as the model wrote it, unchecked */
};

struct llm_message {
	struct llm_message *next;
	enum llm_role role;
	struct llm_text text;
	const struct llm_tool_call *calls; /* assistant */
	size_t n_calls;
	struct llm_text call_id; /* tool: the call that this is the result of */
	struct llm_text tool;    /* tool: its name */
	bool is_error;           /* tool: the call failed, text says why */
};

struct llm_messages {
	struct llm_message *first, *last;
	size_t n;
};

/* Appends a message whose fields the caller fills in; NULL when memory is short. */
struct llm_message *llm_messages_add(struct arena *a, struct llm_messages *list,
    enum llm_role role);

/* One tool as it is offered to the model. */
struct llm_tool_spec {
	const char *name;
	const char *description;
	const char *parameters; /* a JSON Schema as JSON text */
	bool is_strict; /* parameters follow the strict rules (strict_schema.h) */
};

struct llm_usage {
	uint64_t input; /* cached ones included */
	uint64_t output;
	uint64_t cached;
};

void llm_usage_add(struct llm_usage *sum, const struct llm_usage *more);
/* A member of that name: {input, output, cached}. */
void llm_usage_write(struct json_writer *w, const char *name,
    const struct llm_usage *u);

enum llm_finish {
	LLM_FINISH_STOP,
	LLM_FINISH_TOOL_CALLS,
	LLM_FINISH_LENGTH,
	LLM_FINISH_CONTENT_FILTER,
	LLM_FINISH_COUNT
};

struct llm_answer {
	struct llm_text text;
	const struct llm_tool_call *calls;
	size_t n_calls;
	enum llm_finish finish;
	struct llm_text refusal; /* the model's own words of refusal */
	struct llm_usage usage;
	struct llm_text model; /* as the provider named it */
};

const char *llm_finish_name(enum llm_finish finish);

/* Ended, without words, calls or a refusal. */
bool llm_answer_is_silent(const struct llm_answer *answer);

/*
 * The journal's form of an answer: one JSON object; reading gives the same answer back,
 * byte for byte. llm_answer_read returns 0 or -EINVAL with *out untouched; texts point
 * into the value.
 */
void llm_answer_write(struct json_writer *w, const struct llm_answer *answer);
int llm_answer_read(struct arena *a, const struct json *v, struct llm_answer *out);

enum {
	LLM_ERROR_TEXT_MAX = 600
};

/* Why a call failed. retryable follows from the type (error_types.h). */
struct llm_error {
	enum error_type type;
	int http_status; /* 0: no answer came */
	bool tries_next; /* another provider may do better */
	bool may_repeat; /* the same provider may do better in a moment */
	bool has_retry_after;
	uint64_t retry_after_ms; /* as the provider asked */
	bool is_outage;          /* every provider rests: not the request's fault */
	char text[LLM_ERROR_TEXT_MAX];
};

/* Sets all fields by the type and the status, the text by the format. Returns -EIO, so
   that a failing path is one line. */
int llm_error_set(struct llm_error *e, enum error_type type, int http_status,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
