/* SPDX-License-Identifier: MIT */
/*
 * provider.h - the wire formats, a row each: neutral messages to a body, a body to an
 * answer. Pure: no network, no clock.
 */
#ifndef WORKER_LLM_PROVIDER_H
#define WORKER_LLM_PROVIDER_H

#include "common/conf/conf.h"
#include "worker/llm/llm.h"

enum llm_tool_choice {
	LLM_TOOL_CHOICE_AUTO,
	LLM_TOOL_CHOICE_REQUIRED,
	LLM_TOOL_CHOICE_NONE,
	LLM_TOOL_CHOICE_COUNT
};

/* "auto", "required", "none"; anything else is auto. */
enum llm_tool_choice llm_tool_choice_from_name(const char *name);

struct llm_params {
	const char *model;
	double temperature; /* NAN: not sent */
	int64_t max_tokens; /* 0: not sent */
	enum llm_tool_choice tool_choice;
};

/*
 * What does not change from job to job, escaped once: the system text and the tools.
 * The bytes are a function of the arguments alone, so that providers can cache the
 * prefix.
 */
struct llm_prefix {
	char *head; /* owned: the system text in its wire form */
	size_t head_len;
	/* owned: the tools in their wire form; empty when none is offered */
	char *tools;
	size_t tools_len;
	char hash[33]; /* 128 bits over both, hexadecimal */
};

enum {
	LLM_HEADERS_MAX = 4
};

struct llm_headers {
	struct {
		const char *name;
		char *value; /* owned; may be a secret, wiped on release */
	} at[LLM_HEADERS_MAX];
	size_t n;
};

/* Adds "name: before+value"; 0 or -ENOMEM. At most LLM_HEADERS_MAX. */
int llm_headers_add(struct llm_headers *h, const char *name, const char *before,
    const char *value);
void llm_headers_release(struct llm_headers *h);

struct llm_provider_type {
	const char *name; /* conf_provider.type */

	/* Fills head and tools. 0 or -ENOMEM. */
	int (*prefix)(const char *system_text, const struct llm_tool_spec *tools,
	    size_t n_tools, struct buf *head, struct buf *tools_out);

	/* The whole request body, appended to body; failures are the buffer's. */
	void (*request)(struct buf *body, const struct llm_prefix *prefix,
	    const struct llm_messages *messages, const struct llm_params *params);

	void (*url)(struct buf *url, const struct conf_provider *provider);
	int (*headers)(struct llm_headers *h, const struct conf_provider *provider);

	/*
	 * Reads what came back with that HTTP status. Returns 0 with *out (texts in the
	 * arena), or -EIO with *e. out->usage is filled whenever the body tells it,
	 * also on failure: it was paid.
	 */
	int (*answer)(struct arena *a, int status, const char *body, size_t n,
	    struct llm_answer *out, struct llm_error *e);
};

/* NULL when no row has that name. */
const struct llm_provider_type *llm_provider_type_find(const char *name);
const struct llm_provider_type *llm_provider_type_at(size_t i); /* NULL past the end */

/* Returns 0 with *out owned by the caller, or -ENOMEM. */
int llm_prefix_new(const struct llm_provider_type *type, const char *system_text,
    const struct llm_tool_spec *tools, size_t n_tools, struct llm_prefix **out);
void llm_prefix_free(struct llm_prefix *p);
void llm_prefix_freep(struct llm_prefix **p);

#endif
