/* SPDX-License-Identifier: MIT */
/* test_stack.c - job code on the deepest documents it accepts fits a fiber's stack. */
#include "config.h"

#include "common/json/json.h"
#include "common/json_schema.h"
#include "worker/agent/args_view.h"
#include "worker/fiber.h"
#include "worker/llm/strict_schema.h"
#include "worker/pipeline/shape.h"
#include "worker/preview.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

TestSuite(stack, .timeout = 60);

static struct loop *loop;
static struct fibers *fibers;

static void
on_fiber(fiber_fn *fn)
{
	loop = loop_new();
	fibers = fibers_new(loop, 1);
	cr_assert(fiber_start(fibers, fn, NULL) != NULL);
	while (fibers_alive(fibers) > 0)
		cr_assert(eq(int, loop_turn(loop, 100), 0));
#ifndef WITH_SANITIZERS /* they use more */
	/* a quarter stays free for the conversation's own frames, which take an eighth */
	cr_expect(lt(sz, fibers_deepest_stack(fibers), FIBER_STACK_BYTES / 4 * 3));
#endif
	fibers_free(fibers);
	loop_free(loop);
}

/* open, n times; then middle; then close, n times. */
static void
nest(struct buf *out, const char *open, const char *middle, const char *close,
    unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		buf_adds(out, open);
	buf_adds(out, middle);
	for (unsigned i = 0; i < n; i++)
		buf_adds(out, close);
}

static void
use_messages(void *ctx)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_BUF struct buf out = BUF_INIT;
	const struct json *v = NULL;
	struct json_writer w;

	(void)ctx;
	nest(&text, "{\"a\":[", "1", "]}", JSON_DEPTH_MAX / 2);
	cr_assert(eq(int, json_read(a, buf_str(&text), text.len, 0, &v, NULL), 0));
	json_write(&out, v, JSON_PRETTY);
	json_write_canonical(&out, v);
	jw_init(&w, &out);
	jw_array_begin(&w);
	jw_value(&w, v);
	jw_array_end(&w);
	cr_expect(json_equal(v, v));
	args_view(&out, v, (struct llm_text){ buf_str(&text), text.len }, 4096);
	cr_expect(eq(int, buf_status(&out), 0));
}

Test(stack, the_deepest_message)
{
	on_fiber(use_messages);
}

static void
use_tables(void *ctx)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_BUF struct buf preview = BUF_INIT;

	(void)ctx;
	nest(&text, "[{\"a\":", "1", "}]", 128);
	cr_expect(eq(int,
	    preview_write(&preview, buf_str(&text), text.len, PREVIEW_DATA), 0));
	buf_clear(&text);
	nest(&text, "{\"a\":", "1", "}", 256);
	cr_expect(eq(int,
	    preview_write(&preview, buf_str(&text), text.len, PREVIEW_DATA), 0));
}

Test(stack, the_preview_of_the_deepest_data)
{
	on_fiber(use_tables);
}

static void
check_deep(const char *schema_text, const char *value_text)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP(json_schema_freep) struct json_schema *schema = NULL;
	CLEANUP(freep) struct json_schema_errors *errors = malloc(sizeof(*errors));
	CLEANUP_BUF struct buf out = BUF_INIT;
	const struct json *v = NULL;
	struct err err = ERR_INIT;

	cr_assert(errors != NULL);
	cr_assert(eq(int, json_read(a, schema_text, strlen(schema_text), 0, &v, &err),
		      0),
	    "%s", err.text);
	cr_assert(eq(int, json_schema_compile(v, &schema, &err), 0), "%s", err.text);
	(void)strict_schema_write(&out, v);
	cr_assert(
	    eq(int, json_read(a, value_text, strlen(value_text), 0, &v, &err), 0));
	cr_assert(strict_args_restore(a, json_schema_source(schema), v) != NULL);
	cr_expect(lt(int, json_schema_check(schema, v, errors), 0));
	json_schema_errors_write(&out, errors);
}

/* A pattern that PCRE2 takes long about, below as many levels as a schema may have. */
#define PATTERN "{\"type\":\"string\",\"pattern\":\"^(x+)+$\"}"
#define NO_MATCH "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy\""

static void
use_schemas(void *ctx)
{
	CLEANUP_BUF struct buf schema = BUF_INIT;
	CLEANUP_BUF struct buf value = BUF_INIT;

	(void)ctx;
	nest(&schema, "{\"type\":\"object\",\"properties\":{\"a\":", PATTERN, "}}", 31);
	nest(&value, "{\"a\":", NO_MATCH, "}", 31);
	check_deep(buf_str(&schema), buf_str(&value));
	buf_clear(&schema);
	buf_clear(&value);
	nest(&schema, "{\"type\":\"array\",\"items\":", PATTERN, "}", 62);
	nest(&value, "[", NO_MATCH, "]", 62);
	check_deep(buf_str(&schema), buf_str(&value));
}

static void
use_pipelines(void *ctx)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf text = BUF_INIT;
	const struct json *args = NULL, *none = NULL;
	struct pipeline_facts facts;
	struct pipeline_shape shape;

	(void)ctx;
	buf_adds(&text, "{\"pipeline\":[{\"step\":\"table_filter\",\"condition\":");
	nest(&text, "{\"not\":", "{\"field\":\"a\",\"op\":\"<\",\"value\":1}", "}", 24);
	buf_adds(&text, "}]}");
	cr_assert(eq(int, json_read(a, buf_str(&text), text.len, 0, &args, NULL), 0));
	cr_assert(eq(int, json_read(a, "{}", 2, 0, &none, NULL), 0));
	cr_assert(eq(int, pipeline_facts_read(a, args, &facts), 0));
	cr_assert(facts.is_sound);
	cr_assert(eq(int, pipeline_shape_of(a, args, &facts, &shape), 0));
	cr_expect(pipeline_shape_fill(a, shape.template, shape.parameters, none,
		      NULL) != NULL);
	buf_clear(&text);
	buf_adds(&text,
	    "{\"pipeline\":[{\"step\":\"table_filter\",\"condition\":{\"field\":"
	    "\"a\",\"op\":\"==\",\"value\":");
	nest(&text, "[", "1", "]", 58);
	buf_adds(&text, "}}]}");
	cr_assert(eq(int, json_read(a, buf_str(&text), text.len, 0, &args, NULL), 0));
	cr_assert(eq(int, pipeline_facts_read(a, args, &facts), 0));
	cr_expect(eq(int, pipeline_shape_of(a, args, &facts, &shape), -EINVAL));
}

Test(stack, the_deepest_pipeline)
{
	on_fiber(use_pipelines);
}

Test(stack, the_deepest_schema)
{
	on_fiber(use_schemas);
}
