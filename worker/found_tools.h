/* SPDX-License-Identifier: MIT */
/*
 * found_tools.h - tools that are not in the program: an owner's composite ones, in the
 * store.
 */
#ifndef WORKER_FOUND_TOOLS_H
#define WORKER_FOUND_TOOLS_H

#include "worker/tools/tools.h"
#include "worker/worker.h"

void found_tools_install(void); /* once at the start: search_tools works from now on */

/* conversation_env.find_tool, with the job as ctx: the owner's own tool of that name,
   else a common one. */
int found_tools_find(void *ctx, struct arena *a, const char *name, size_t n,
    struct tool *out);

#endif
