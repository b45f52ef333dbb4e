/* SPDX-License-Identifier: MIT */
/*
 * execute_pipeline.c - the fast lane's tool: what it says of itself, and its seam.
 *
 * Owns:   the pointer to the pipeline, set once at start.
 * Called: through the table of tools.
 * Fails:  with an outcome; a worker without a pipeline is a bug that the model is not
 *         told the details of.
 */
#include "config.h"

#include "worker/tools/execute_pipeline.h"

#include <strings.h>

const char execute_pipeline_description[] =
    "Fetch data and work on it at once, without changing any workflow: a pipeline of "
    "steps (http_request, table_sort, table_filter, table_select, top_k, groupby, join, "
    "jq_transform, regex_extract, parse_date), each working on the output of the one "
    "before. Use it for every one-time data question. The output of the last step is "
    "the result that the user gets.";

static execute_pipeline_fn pipeline;

bool
execute_pipeline_has_side_effects(const struct json *args)
{
	const struct json *steps = json_get_typed(args, "pipeline", JSON_ARRAY);

	for (uint32_t i = 0; steps != NULL && i < steps->len; i++) {
		const struct json *method =
		    json_get_typed(&steps->items[i], "method", JSON_STRING);

		if (method != NULL &&
		    (method->len != 3 || strncasecmp(method->text, "GET", 3) != 0))
			return true;
	}
	return false;
}

void
execute_pipeline_set(execute_pipeline_fn run)
{
	pipeline = run;
}

int
execute_pipeline_run(const struct tool_call *call, struct tool_outcome *outcome)
{
	if (pipeline == NULL) {
		(void)tool_outcome_fail(outcome, ERROR_TYPE_INTERNAL, "",
		    "this worker cannot run pipelines");
		return 0;
	}
	return pipeline(call, outcome);
}
