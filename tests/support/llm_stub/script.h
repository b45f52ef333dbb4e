/* SPDX-License-Identifier: MIT */
/*
 * script.h - the rules by which the stand-in answers: the first rule that holds speaks.
 *
 *   { "rules": [ { "name": "...", "when": {...}, "reply": {...}, "fault": {...} } ],
 *     "otherwise": "demo" | "error" }                (or just the list of rules)
 *
 * when:   prompt_contains (text or list: all), prompt_regex, any_contains, turn,
 *         last_role, tool_result_contains, header {name: part of the value, or null:
 *         absent}, model, tool_offered, times (how often the rule may be used)
 * reply:  content | tool_calls [{name, arguments: object or raw text}], finish_reason,
 *         usage {prompt_tokens, completion_tokens, cached_tokens}, refusal, delay_ms
 * fault:  status, headers, body (text or JSON), message, delay_ms, garble, hang, cut
 *         (before_headers, mid_headers, mid_body), piece_bytes and pause_ms (slow body)
 *
 * A rule with a fault but without status, body and reply leaves the words to the rules
 * after it and to the built-in demonstration, and breaks or delays their transport.
 *
 * In texts {{data_api}}, {{prompt}}, {{model}}, {{turn}}, {{tool_result}}, {{last_ref}}
 * and {{serial}} (of the request, as the log has it) are replaced.
 */
#ifndef TESTS_SUPPORT_LLM_STUB_SCRIPT_H
#define TESTS_SUPPORT_LLM_STUB_SCRIPT_H

#include "tests/support/llm_stub/chat.h"

struct script;

/* What will be sent. Texts live in the chat's arena or the script. */
struct outcome {
	const char *rule; /* name for the log */
	int status;       /* not 0: an error instead of the reply */
	struct text body; /* of that error; data NULL: the wire's own words */
	const char *message;
	const struct json *headers;
	uint64_t delay_ms, pause_ms;
	size_t piece_bytes;
	enum http_cut cut;
	bool is_garbled, is_hang;
	struct chat_reply reply;
};

/* An empty script answers by the demonstration alone. */
struct script *script_new(const char *data_api);
void script_free(struct script *s);

/* Replaces the rules; on failure (err tells where) the old ones stay. 0 or negative
 * errno. */
int script_load_text(struct script *s, const char *text, size_t n, struct err *err);
int script_load_file(struct script *s, const char *path, struct err *err);

/* Fills *out, which is zeroed. Counts the use of a rule. */
void script_run(struct script *s, const struct chat *chat, struct outcome *out);

/* Copies template into the arena with {{names}} replaced; escaped for inside JSON
 * strings. */
struct text script_expand(const struct script *s, const struct chat *chat,
    struct text template, bool is_json);

/* The URL of the data API, "" when none was given. */
const char *script_data_api(const struct script *s);

/* demo.c: the built-in demonstration. */
void demo_run(const struct script *s, const struct chat *chat,
    struct chat_reply *reply);

/* The last artifact:// or cas:// reference in the conversation; empty when there is
 * none. */
struct text demo_last_ref(const struct chat *chat);

#endif
