/* SPDX-License-Identifier: MIT */
/*
 * search_tools.c - the tool that finds other tools: what it says of itself, and its seam.
 *
 * Owns:   the pointer to the search, set once at start.
 * Called: through the table of tools.
 * Fails:  with an outcome.
 */
#include "config.h"

#include "worker/tools/search_tools.h"

const char search_tools_description[] =
    "Look for a ready-made tool or an agent before you build a long pipeline: tools that "
    "were made of pipelines which worked before. What is found can be called by its name "
    "in your next answer, with the parameters that are listed.";

static search_tools_fn search;

void
search_tools_set(search_tools_fn fn)
{
	search = fn;
}

int
search_tools_run(const struct tool_call *call, struct tool_outcome *outcome)
{
	if (search == NULL) {
		(void)tool_outcome_fail(outcome, ERROR_TYPE_INTERNAL, "",
		    "this worker cannot search for tools");
		return 0;
	}
	return search(call, outcome);
}
