/* SPDX-License-Identifier: MIT */
/*
 * fuzz_shape.c - any JSON as the arguments of a pipeline, of which a tool is made, and as
 * a result message, of which a session's turn is made.
 *
 * What a shape says must hold: its schema is one, its defaults satisfy it, and filled
 * with them it is a pipeline of the same shape.
 *
 * Owns:   an arena a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "common/json_schema.h"
#include "worker/agent/session.h"
#include "worker/pipeline/shape.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Values for the parameters that have no default: references. */
static const struct json *
needed_values(struct arena *a, const struct json *parameters)
{
	struct json_builder *b = json_object_begin(a);

	for (uint32_t i = 0; i < parameters->len; i++) {
		const struct json *p = &parameters->items[i];
		const struct json *name = json_get_typed(p, "name", JSON_STRING);

		ASSERT(name != NULL);
		if (json_get(p, "default") == NULL)
			json_object_add_n(b, name->text, name->len,
			    json_new_cstr(a, "artifact://other"));
	}
	return json_end(b);
}

static void
try_shape(struct arena *a, const struct json *args)
{
	CLEANUP(json_schema_freep) struct json_schema *schema = NULL;
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct pipeline_facts facts;
	struct pipeline_shape shape, again;
	const struct json *values, *filled;
	struct err err = ERR_INIT;
	int r;

	ASSERT(pipeline_facts_read(a, args, &facts) == 0);
	r = pipeline_shape_of(a, args, &facts, &shape);
	ASSERT(r == 0 || r == -EINVAL);
	if (r < 0)
		return;
	ASSERT(strlen(shape.name) < SHAPE_NAME_MAX);
	ASSERT(json_is_utf8(shape.description, strlen(shape.description)));
	pipeline_shape_schema(&text, shape.parameters);
	ASSERT(json_schema_compile_text(buf_str(&text), text.len, &schema, &err) == 0);
	values = needed_values(a, shape.parameters);
	ASSERT(json_schema_check(schema, values, NULL) == 0);
	filled = pipeline_shape_fill(a, shape.template, shape.parameters, values, &err);
	ASSERT(filled != NULL);
	ASSERT(pipeline_facts_read(a, filled, &facts) == 0);
	ASSERT(facts.is_sound);
	ASSERT(pipeline_shape_of(a, filled, &facts, &again) == 0);
	ASSERT(strcmp(shape.digest, again.digest) == 0);
}

static void
try_turn(struct arena *a, const char *text, size_t n)
{
	CLEANUP_BUF struct buf turn = BUF_INIT;
	const struct session_job job = { "j", text, n, NULL };
	struct session_text one = { text, n };
	const struct json *v = NULL, *session = session_read(a, &one, 1);
	int64_t at;

	(void)session_last_ref(a, session);
	(void)session_names_ref(session, "artifact://x");
	if (session_turn_write(&turn, &job, text, n, &at) < 0)
		return;
	ASSERT(turn.len < 2 * n + SESSION_TURN_MAX);
	ASSERT(json_read(a, buf_str(&turn), turn.len, 0, &v, NULL) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	const struct json *v = NULL;

	if (a == NULL)
		return 0;
	try_turn(a, (const char *)data, size);
	if (json_read(a, (const char *)data, size, 0, &v, NULL) == 0)
		try_shape(a, v);
	return 0;
}
