/* SPDX-License-Identifier: MIT */
/*
 * conversation_private.h - one conversation while it runs. Private to its files:
 * conversation.c (the loop), budget.c (what the next call may cost), conversation_tools.c (the calls of an
 * answer), conversation_outcome.c (their journal form), conversation_end.c (how it ends
 * and with which value).
 *
 * Functions here return 0 to go on, CONVERSATION_OVER when the result is filled in, or
 * a negative errno when the job cannot go on.
 */
#ifndef WORKER_AGENT_CONVERSATION_PRIVATE_H
#define WORKER_AGENT_CONVERSATION_PRIVATE_H

#include "worker/agent/conversation.h"
#include "worker/agent/journal.h"

enum {
	CONVERSATION_OVER = 1,
	SAME_CALL_MAX = 3,
	VIOLATIONS_TOLD_MAX = 2
};

struct seen_call {
	struct seen_call *next;
	char hash[33];
	unsigned times;
};

struct conversation {
	const struct conversation_env *env;
	struct conversation_job *job;
	const struct agent *agent;
	const struct json_schema *output_schema; /* NULL: any answer will do */
	struct arena *arena;
	struct conversation_result *result;
	struct conversation_tool_call **last_call;
	struct journal journal;
	enum agent_offer offer;
	struct agent_tool *found; /* arena: learnt of on the way; their schemas owned */
	size_t n_found;
	struct llm_prefix *
	    *prefixes; /* owned: with the found ones; NULL: the agent's */
	unsigned turn; /* of the answer in hand */
	unsigned violations;
	const char *narrowed_by; /* the limit that bounds the answer in hand, or NULL */
	struct seen_call *seen;
	struct tool_data data;            /* of the last successful data tool call */
	struct tool_data patch;           /* of the last successful patch */
	bool has_failed;                  /* a tool call of the last turn failed ... */
	struct conversation_error failed; /* ... in this way */
	uint64_t sent_bytes;              /* of the last request ... */
	uint64_t sent_tokens;             /* ... which was so many; 0: none yet */
	struct llm_usage uncounted;       /* guessed, where the provider said nothing */
	struct llm_usage loose;           /* paid, but in no answer record */
	uint64_t loose_cost;
};

/* ---- budget.c ---- */

/* How long the next request is, roughly: the prefix and the texts of all messages. */
uint64_t budget_request_bytes(const struct conversation *c);

/* May the model be asked once more, and how long may its answer be (*max_tokens; 0: as
   the provider says)? Sets narrowed_by. What the shared budgets have reserved for it is
   settled by whoever asks. */
int budget_next_call(struct conversation *c, uint64_t bytes, int64_t *max_tokens);

/* The limit that a journal record names, or NULL. */
const char *budget_limit_of(const struct json *name);

/* What a request of that length came to, for the next estimate; a provider that does not
   count is taken by the length of its answer. */
void budget_note_call(struct conversation *c, uint64_t bytes,
    const struct llm_answer *answer);

/* ---- conversation_tools.c ---- */

/* Runs all calls of the answer, tells the model, ends the job where a tool does. */
int conversation_tools(struct conversation *c, const struct llm_answer *answer);

/* ---- conversation_found.c ---- */

/* *out: the tool of that name that was found or can be, or NULL. 0 or why the job cannot
   go on. */
int conversation_find(struct conversation *c, const char *name, size_t n,
    const struct agent_tool **out);

/* After a successful call: what search_tools reported is offered from the next turn on. */
int conversation_searched(struct conversation *c, const struct tool *tool,
    const struct buf *report);
void conversation_forget_found(struct conversation *c); /* at the end */

/* ---- conversation_outcome.c ---- */

/* Adds the members of a record "tool" that tell the outcome. */
void outcome_write(struct json_writer *w, const struct conversation_env *env,
    const struct tool_outcome *o, uint64_t ms);

/* All of an outcome but its data. */
void outcome_read(const struct json *doc, struct tool_outcome *o, uint64_t *took_ms);

/* 1 when the record's data is here (or it had none), 0 when it is lost, or -ENOMEM. */
int outcome_read_data(const struct conversation_env *env, const struct json *doc,
    struct tool_data *out);

/* ---- conversation_end.c ---- */

int conversation_fail(struct conversation *c, enum error_type type, const char *fmt,
    ...) PRINTF_LIKE(3, 4);
int conversation_fail_as(struct conversation *c, const struct conversation_error *e);

/* Keeps what was done when there is something, else fails. name: "max_turns", ... */
int conversation_limit(struct conversation *c, const char *name, enum error_type type,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

/* 0 or CONVERSATION_OVER by cancellation or time. */
int conversation_may_go_on(struct conversation *c);

/* What could be the job's value now, without a further word of the model. */
enum value_kind conversation_in_hand(struct conversation *c);

/* Ends with that kind of value; text is the model's last word. */
int conversation_complete(struct conversation *c, enum value_kind kind,
    struct llm_text text);

/* The answer holds no tool call: is it the end? */
int conversation_final(struct conversation *c, const struct llm_answer *answer);

#endif
