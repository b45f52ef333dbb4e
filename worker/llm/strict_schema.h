/* SPDX-License-Identifier: MIT */
/*
 * strict_schema.h - tool parameters under the strict rules of providers, and back.
 *
 * Strict rules want every object closed and every property required. So an optional
 * property becomes required and nullable, and a free map (an object without named
 * properties) becomes a list of {name, value}. What strict rules cannot say (further
 * members beside named ones, nested values in a free map) is lost to the model, not to
 * the validator.
 */
#ifndef WORKER_LLM_STRICT_SCHEMA_H
#define WORKER_LLM_STRICT_SCHEMA_H

#include "common/json/json.h"

/* Appends the strict form. 0, -E2BIG when it is nested too deeply, or -ENOMEM. schema
   is one that json_schema_compile() accepts. */
int strict_schema_write(struct buf *out, const struct json *schema);

/*
 * The arguments as the plain schema means them: null taken for an absent optional
 * property, lists of {name, value} made maps again where the schema has a free map.
 * Arguments that were not strict come back equal but for such nulls. Everything that
 * does not fit is left as it is, for the validator to name. NULL when memory is short.
 */
const struct json *strict_args_restore(struct arena *a, const struct json *schema,
    const struct json *args);

#endif
