/* SPDX-License-Identifier: MIT */
/*
 * prompt.h - what the model is told: the stable system text and the job's own messages.
 *
 * The system text depends on the configuration alone. Everything that differs from job
 * to job comes after it, in user messages: workflow, current node, results, then the
 * prompt.
 */
#ifndef WORKER_AGENT_PROMPT_H
#define WORKER_AGENT_PROMPT_H

#include "common/json/json.h"
#include "worker/llm/llm.h"

/* What a job knows of its surroundings; every field may be absent. */
struct prompt_input {
	struct llm_text prompt;
	struct llm_text node_id;
	struct llm_text run_id;
	struct llm_text workflow_tag;
	struct llm_text workflow_owner;
	struct llm_text session_id;
	const struct json *current_workflow; /* {nodes,edges} or a map of nodes */
	const struct json *previous_results; /* [{node_id, result_ref, preview}] */
	const struct json *workflow_state;   /* any */
	/* {history:[{prompt, result_ref, preview}], last_result} */
	const struct json *session;
	const struct json *output_schema; /* what the final answer must satisfy */
};

/* The built-in system text of the agent "workflow" (etc/prompts/workflow.txt). */
const char *prompt_builtin(void);

/*
 * The system text of an agent: own, or the built-in one when own is "". A line "@tool
 * NAME" begins a part that is left out when the agent lacks that tool, "@without NAME"
 * one that is left out when it has it; "@end" ends the part (parts do not nest).
 * Returns a text to free(), or NULL when memory is short.
 */
char *prompt_system_text(const char *own,
    bool (*has_tool)(const void *ctx, const char *name, size_t n), const void *ctx);

/* Appends the job's messages. 0 or -ENOMEM. */
int prompt_messages(struct arena *a, const struct prompt_input *in,
    struct llm_messages *out);

#endif
