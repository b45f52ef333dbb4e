/* SPDX-License-Identifier: MIT */
/*
 * conversation.h - the loop of one job: ask the model, journal, run its tools, journal.
 *
 * The function below is straight-line code over an environment of callbacks; it knows
 * no Redis, no network and no clock. Every answer of the model is in the journal before
 * it is acted upon, so a job that resumes never pays for it again.
 *
 * Journal records are JSON objects; "kind" is one of
 *   answer   turn, provider, model, answer (llm_answer_write), usage, cost_microusd;
 *            narrowed_by, when a limit of the job bounded the answer
 *   intent   turn, call, tool, key: written before a call with side effects
 *   tool     turn, call, tool, key, outcome: what the call came to
 *   end      error, usage, cost_microusd (of failed calls): the attempt failed in a way
 *            that another attempt may repair; the next one runs the failed tool calls of
 *            the last turn again
 * The first record, whatever its kind, also has "origin": version, agent, model and
 * prompt_hash. A record of turn t makes earlier records of later turns void: that is how
 * an attempt that re-runs a failed tool call leaves the old way.
 */
#ifndef WORKER_AGENT_CONVERSATION_H
#define WORKER_AGENT_CONVERSATION_H

#include "worker/agent/definitions.h"

/* What a call costs at most, and at least if it is to be of any use. */
struct conversation_cost {
	int64_t tokens, microusd;
	int64_t least_tokens, least_microusd;
};

/* What limit_hit may say of the bounds of a call. */
#define LIMIT_TOKENS "max_tokens"
#define LIMIT_USD "budget_usd"
#define LIMIT_OWNER_TOKENS "owner_budget_tokens"
#define LIMIT_OWNER_USD "owner_budget_usd"
#define LIMIT_FAMILY_TOKENS "parent_budget_tokens"
#define LIMIT_FAMILY_USD "parent_budget_usd"

/* A budget that other jobs draw on, too, and that has too little left for this call. */
struct conversation_refusal {
	const char *limit; /* one of the above */
	char text[400];
};

struct conversation_env {
	void *ctx;

	/*
	 * Optional: reserves for the call of that turn of the budgets that other jobs
	 * draw on, too. May wait for what they give back. 0, with less than cost->tokens
	 * or cost->microusd when only that is left (*why names the budget); -EDQUOT with
	 * *why; -ETIMEDOUT at the job's deadline; any other errno as append's.
	 */
	int (*reserve)(void *ctx, unsigned turn, struct conversation_cost *cost,
	    struct conversation_refusal *why);

	/* As llm_call(), with the environment of the worker. */
	int (*ask)(void *ctx, const struct llm_call *call, struct arena *a,
	    struct llm_answer *out, struct llm_account *account, struct llm_error *e);

	/* Runs tool->run; the hook for slot rows and metrics. NULL: tool->run
	   itself. */
	int (*run_tool)(void *ctx, const struct tool *tool,
	    const struct tool_call *call, struct tool_outcome *outcome);

	/*
	 * Appends a journal record as number index. 0; -ECANCELED when the job was
	 * asked to stop; any other errno (-ESTALE: the job is no longer ours) ends the
	 * conversation at once with that code.
	 */
	int (*append)(void *ctx, size_t index, const char *record, size_t n);

	/* Optional: an intent without outcome was found. 1: run the call again, 0:
	 *outcome tells how it ended. NULL: the outcome is unknown. */
	int (*resolve)(void *ctx, const struct tool *tool, const struct tool_call *call,
	    struct tool_outcome *outcome);

	/* Optional: a tool that is not the agent's, by name; it lives in the arena. 0
	   with *out, -ENOENT, or why there is none now. */
	int (*find_tool)(void *ctx, struct arena *a, const char *name, size_t n,
	    struct tool *out);

	/* Optional: keep data that is too long for a record, and bring it back. A call
	   whose data was not kept runs again on replay. ref is written, at most ref_max
	   bytes with its NUL. 0 or a negative errno. */
	int (*keep)(void *ctx, const struct tool_data *data, char *ref, size_t ref_max);
	int (*load)(void *ctx, const char *ref, struct tool_data *data);

	bool (*is_cancelled)(void *ctx);
	uint64_t (*now_ms)(void *ctx); /* monotonic */
	void *job;                     /* handed to tools as tool_call.job */
};

struct conversation_record {
	const char *text;
	size_t len;
};

struct conversation_job {
	const char *job_id;
	const struct agent *agent;
	struct llm_messages messages; /* prompt_messages(); the conversation appends */
	/* the job's, else the agent's; or NULL */
	const struct json_schema *output_schema;
	unsigned lane;            /* enum tool_lane; ANY narrows nothing */
	int64_t max_tokens_total; /* the job's own bound; 0: the agent's */
	uint64_t deadline_ms;     /* monotonic; 0: none */
	const struct conversation_record *records; /* the journal so far */
	size_t n_records;
	size_t next_index; /* of the next record: normally n_records */
};

enum value_kind {
	VALUE_NONE,
	VALUE_OBJECT, /* the final answer, which satisfies the output schema */
	VALUE_DATA,   /* of the last successful data tool call */
	VALUE_PATCH,  /* the outcome of the last successful patch */
	VALUE_TEXT    /* the final text as a JSON string */
};

enum {
	CONVERSATION_ERROR_TEXT_MAX = 1024,
	CONVERSATION_ARGS_MAX = 4096
};

struct conversation_tool_call {
	struct conversation_tool_call *next;
	struct llm_text tool;
	/* JSON text, at most CONVERSATION_ARGS_MAX, secrets masked */
	struct llm_text args;
	enum error_type error;
	uint64_t ms;
};

struct conversation_error {
	enum error_type type; /* ERROR_TYPE_NONE when completed */
	char text[CONVERSATION_ERROR_TEXT_MAX];
	char tool[TOOL_STEP_MAX];
	char step[TOOL_STEP_MAX];
	char suggestion[TOOL_SUGGESTIONS_MAX][160];
	bool has_retry_after;
	uint64_t retry_after_ms;
};

/* The caller owns it: conversation_result_init, then conversation_result_release. Texts
   live in the job's arena. */
struct conversation_result {
	bool is_completed;
	enum value_kind value_kind;
	struct tool_data value;  /* JSON text */
	struct llm_text message; /* the final text beside data; may be empty */
	/* not failed, but every provider rests: go on later, this counts as nothing */
	bool is_put_off;
	const char *limit_hit; /* NULL, "max_turns", "max_tokens", "budget_usd", ... */
	struct conversation_error error;
	/* in order; those of former attempts too */
	struct conversation_tool_call *calls;
	size_t n_calls;
	struct llm_usage usage;
	uint64_t cost_microusd;
	unsigned turns;
	unsigned paid;                   /* answers paid in this attempt */
	unsigned replayed;               /* answers taken from the journal */
	struct llm_text provider, model; /* of the last answer */
	size_t next_index;               /* the journal's length now */
};

void conversation_result_init(struct conversation_result *r);
void conversation_result_release(struct conversation_result *r);

/*
 * Runs the conversation to its end. Returns 0 with *result (completed or failed), or a
 * negative errno when the job itself cannot go on (the journal refused a record, memory
 * is short): then nothing may be published. All texts live in arena a.
 */
int conversation_run(const struct conversation_env *env, struct conversation_job *job,
    struct arena *a, struct conversation_result *result);

#endif
