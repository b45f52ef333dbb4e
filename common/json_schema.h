/* SPDX-License-Identifier: MIT */
/*
 * json_schema.h - does a value satisfy a schema, and if not, where.
 *
 * The subset of JSON Schema that tool arguments and answers need: type (also a list of
 * types, integer), properties, required, additionalProperties, items (one schema),
 * enum, minimum, maximum, pattern; true and false as schemas; and the annotations
 * title, description, default, examples, $schema, $id and $comment. Any other keyword
 * is refused when the schema is compiled, never passed over in silence.
 */
#ifndef COMMON_JSON_SCHEMA_H
#define COMMON_JSON_SCHEMA_H

#include "common/json/json.h"

struct json_schema;

enum {
	JSON_SCHEMA_ERRORS_MAX = 8,
	JSON_SCHEMA_PATH_MAX = 192,
	JSON_SCHEMA_MESSAGE_MAX = 256
};

struct json_schema_error {
	char path[JSON_SCHEMA_PATH_MAX]; /* JSON Pointer into the value; "" is the whole
					  */
	char message[JSON_SCHEMA_MESSAGE_MAX];
};

/* About 3.6 kB: on the heap where stacks are small. */
struct json_schema_errors {
	size_t n;
	struct json_schema_error at[JSON_SCHEMA_ERRORS_MAX];
};

/*
 * The compiled schema copies what it needs. Returns 0 with *out owned by the caller;
 * -ENOTSUP for a keyword outside the subset, -EINVAL for a malformed one (err begins
 * with the JSON Pointer of the keyword in the schema), -E2BIG when it is nested too
 * deeply.
 */
int json_schema_compile(const struct json *schema, struct json_schema **out,
    struct err *err);
/* The same from text. */
int json_schema_compile_text(const char *text, size_t n, struct json_schema **out,
    struct err *err);
void json_schema_free(struct json_schema *s);
void json_schema_freep(struct json_schema **s);

/* The schema itself, as it was given. */
const struct json *json_schema_source(const struct json_schema *s);

/*
 * Returns 0 when the value satisfies the schema, else -EBADMSG with up to
 * JSON_SCHEMA_ERRORS_MAX errors in document order. errors may be NULL.
 */
int json_schema_check(const struct json_schema *s, const struct json *value,
    struct json_schema_errors *errors);

/* All errors as one text: "/pipeline/0/k: must be at least 1; /x: ..." */
void json_schema_errors_write(struct buf *out, const struct json_schema_errors *errors);

#endif
