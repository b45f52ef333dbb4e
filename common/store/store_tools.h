/* SPDX-License-Identifier: MIT */
/*
 * store_tools.h - composite tools in the store: whose they are, and who may have them.
 *
 * As store.h: synchronous calls for the helper thread and agentctl, with the same
 * errors.
 */
#ifndef COMMON_STORE_STORE_TOOLS_H
#define COMMON_STORE_STORE_TOOLS_H

#include "common/store/store.h"

/* Texts are owned once they were read, and only borrowed by store_tool_add. */
struct store_tool {
	char *owner, *name, *shape, *description;
	char *template, *parameters; /* JSON */
	int64_t uses;
	bool is_common;
	int64_t created_at_ms; /* wall clock */
};
void store_tool_release(struct store_tool *t); /* may be used again */

/* Adds it with `uses` uses, unless its owner has one of that name or shape. */
int store_tool_add(struct store *store, const struct store_tool *t, bool *is_new,
    struct err *err);

/* The owner's own tool of that name, else the oldest common one. -ENOENT; *out must be
   zeroed and changes only on success. */
int store_tool_get(struct store *store, const char *owner, const char *name,
    struct store_tool *out, struct err *err);

/* The owner's own and all common ones (NULL: everybody's), by name, at most limit. A
   negative answer of on_tool stops and is returned. */
typedef int store_tool_fn(void *arg, const struct store_tool *t);
int store_tool_each(struct store *store, const char *owner, unsigned limit,
    store_tool_fn *on_tool, void *arg, struct err *err);

/* These change the one tool of exactly that owner: -ENOENT when there is none. */
int store_tool_used(struct store *store, const char *owner, const char *name,
    struct err *err);
int store_tool_publish(struct store *store, const char *owner, const char *name,
    bool is_common, struct err *err);
int store_tool_drop(struct store *store, const char *owner, const char *name,
    struct err *err);

#endif
