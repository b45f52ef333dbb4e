/* SPDX-License-Identifier: MIT */
/*
 * search_tools.h - the tool that finds other tools.
 *
 * Its report is one JSON object: {"found": [{"kind": "tool", "name", "description",
 * "parameters"}, {"kind": "agent", "name", "description"}]}. The conversation offers the
 * tools in it from the next turn on.
 */
#ifndef WORKER_TOOLS_SEARCH_TOOLS_H
#define WORKER_TOOLS_SEARCH_TOOLS_H

#include "worker/tools/tools.h"

#define SEARCH_TOOLS_NAME "search_tools"

extern const char search_tools_parameters[]; /* generated from the JSON file */
extern const char search_tools_description[];

enum {
	SEARCH_TOOLS_LIMIT = 5 /* by default */
};

/* The seam to what can be found: set once at start by the worker. Until then the tool
   answers "internal". */
typedef int (
    *search_tools_fn)(const struct tool_call *call, struct tool_outcome *outcome);
void search_tools_set(search_tools_fn search);

int search_tools_run(const struct tool_call *call, struct tool_outcome *outcome);

#endif
