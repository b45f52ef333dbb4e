/* SPDX-License-Identifier: MIT */
/*
 * chat.h - a request to a model in one neutral form, and what will be answered.
 *
 * Wire formats are rows of a table: each reads its own JSON into a struct chat,
 * refusing what the real server refuses, and writes a struct chat_reply in its own
 * JSON.
 */
#ifndef TESTS_SUPPORT_LLM_STUB_CHAT_H
#define TESTS_SUPPORT_LLM_STUB_CHAT_H

#include "common/json/json.h"
#include "tests/support/http_server.h"

enum chat_role {
	CHAT_SYSTEM,
	CHAT_USER,
	CHAT_ASSISTANT,
	CHAT_TOOL,
	CHAT_ROLE_COUNT
};

enum {
	CHAT_CALLS_MAX = 16,
	CHAT_TOOLS_MAX = 128
};

struct text {
	const char *data; /* not terminated */
	size_t len;
};

#define TEXT(literal)            \
 (struct text)                   \
 {                               \
  (literal), sizeof(literal) - 1 \
 }

struct chat_message {
	enum chat_role role;
	struct text text; /* parts joined */
	unsigned n_calls; /* assistant: tool calls in it */
};

struct chat_tool {
	struct text name;
	const struct json *parameters; /* NULL when it has none */
	bool is_strict;
};

struct chat {
	struct arena *arena;
	const struct http_request *rq;
	const struct json *body;
	struct text model;
	struct chat_message *messages;
	size_t n_messages;
	struct chat_tool tools[CHAT_TOOLS_MAX];
	size_t n_tools;
	struct text prompt; /* of the last user message, see chat_prompt_of */
	unsigned turn;      /* assistant messages so far */
	uint64_t serial;    /* of this request: names the answer */
};

struct chat_call {
	struct text name;
	struct text arguments; /* JSON text, or garbage when a test wants it */
};

struct chat_reply {
	struct text content; /* data NULL: null */
	struct text refusal; /* data NULL: none */
	struct chat_call calls[CHAT_CALLS_MAX];
	size_t n_calls;
	const char *finish_reason; /* NULL: "stop" or "tool_calls" */
	int64_t prompt_tokens, completion_tokens, cached_tokens; /* -1: estimated */
};

struct wire {
	const char *name;
	const char *suffix; /* how the path ends */

	/* 0, or an HTTP status (400) with what is wrong in err and *param (or NULL). */
	int (*read)(struct chat *chat, const struct json *body, const char **param,
	    struct err *err);

	void (*write)(struct buf *out, const struct chat *chat,
	    const struct chat_reply *reply, uint64_t id);

	/* An error body as the real server words it. */
	void (*write_error)(struct buf *out, int status, const char *message,
	    const char *param);
};

/* The row of a path, or NULL. */
const struct wire *wire_find(const char *path);
const struct wire *wire_default(void);

extern const struct wire wire_openai;
extern const struct wire wire_anthropic;

/* Does a schema keep the strict rules? On a breach *path says where. 0 or -EINVAL. */
int strict_schema_check(const struct json *schema, struct err *err);

/*
 * Arguments as a model under strict rules writes them for that schema: absent
 * properties become null, free maps become lists of name/value. Anything else is left
 * as it is.
 */
const struct json *strict_arguments(struct arena *a, const struct json *schema,
    const struct json *value);

bool text_contains(struct text haystack, struct text needle);
bool text_is(struct text t, const char *literal);
struct text text_of(const struct json *v); /* of a string; else empty */
struct text text_join(struct arena *a, struct text left, struct text right);

/* What the user wants: agent-runner puts the job's context before a line "## Task". */
struct text chat_prompt_of(struct text message);

/* The tool of that name among those offered, or NULL. */
const struct chat_tool *chat_tool_find(const struct chat *chat, struct text name);
const struct chat_message *chat_last(const struct chat *chat);

#endif
