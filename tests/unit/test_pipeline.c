/* SPDX-License-Identifier: MIT */
/* test_pipeline.c - execute_pipeline over fake fetch, compute and store. */
#include "config.h"

#include "common/pipeline/compute_proto.h"
#include "common/pipeline/fetch_proto.h"
#include "worker/pipeline/pipeline.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

/* What the fakes are told to do, and what they saw. */
static struct {
	const char *fetch_meta, *fetch_data; /* answer of fetch */
	const char *compute_meta, *compute_data;
	int fetch_status[3], compute_status[3]; /* per call: 0 or errno */
	int n_fetch, n_compute, n_inputs;
	int resolve_status;
	char seen[8][2048]; /* metas, in order */
	int n_seen;
	char run_data[512]; /* data of the last COMPUTE_RUN */
} fake;

static int
fake_call(void *ctx, enum pipeline_peer peer, const struct lane_part *parts, size_t n,
    uint16_t cancel_op, uint64_t due_ms, struct lane_reply *out, struct err *err)
{
	const struct lane_part *last = &parts[n - 1];
	const char *meta = peer == PIPELINE_FETCH ? fake.fetch_meta : fake.compute_meta;
	const char *data = peer == PIPELINE_FETCH ? fake.fetch_data : fake.compute_data;
	int status = peer == PIPELINE_FETCH ? fake.fetch_status[fake.n_fetch++]
					    : fake.compute_status[fake.n_compute++];

	(void)ctx;
	(void)cancel_op;
	(void)due_ms;
	fake.n_inputs += (int)n - 1;
	if (fake.n_seen < 8)
		(void)snprintf(fake.seen[fake.n_seen++], sizeof(fake.seen[0]), "%.*s",
		    (int)last->meta_len, last->meta);
	if (last->op == COMPUTE_RUN && peer == PIPELINE_COMPUTE)
		(void)snprintf(fake.run_data, sizeof(fake.run_data), "%.*s",
		    (int)last->data_len, last->data);
	if (status < 0)
		return err_set(err, status, "fake failure");
	out->meta = strdup(meta);
	out->meta_len = strlen(meta);
	out->data = strdup(data);
	out->data_len = strlen(data);
	out->data_fd = -1;
	return 0;
}

static int
fake_resolve(void *ctx, const char *ref, struct pipeline_data *out, struct err *err)
{
	(void)ctx;
	if (fake.resolve_status < 0)
		return err_set(err, fake.resolve_status, "fake");
	out->bytes = strdup(ref);
	out->len = strlen(ref);
	return 0;
}

static uint64_t
fake_now(void *ctx)
{
	(void)ctx;
	return 1000;
}

static struct arena *arena;
static struct pipeline_result result;

static void
reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.fetch_meta =
	    "{\"ok\":true,\"status\":200,\"content_type\":\"application/json\","
	    "\"bytes\":3}";
	fake.fetch_data = "[1]";
	fake.compute_meta =
	    "{\"ok\":true,\"trace\":[{\"step\":\"top_k\",\"index\":1,\"rows_in\":7}],"
	    "\"rows\":1}";
	fake.compute_data = "[1]";
	arena = arena_new(0);
	pipeline_result_init(&result);
}

static void
done(void)
{
	pipeline_result_release(&result);
	arena_free(arena);
}

TestSuite(pipeline, .init = reset, .fini = done);

static int
run(const char *args)
{
	const struct pipeline_env env = { .call = fake_call,
		.resolve = fake_resolve,
		.now_ms = fake_now,
		.owner = "o",
		.limits = { 1, 64, 1, 5000 } };
	const struct json *v = NULL;

	cr_assert(eq(int, json_read(arena, args, strlen(args), 0, &v, NULL), 0));
	return pipeline_run(&env, arena, v, NULL, 0, &result);
}

static const struct {
	const char *args;
	const char *reason;
} bad[] = {
	{ "[]", "object" },
	{ "{}", "at least one step" },
	{ "{\"pipeline\":[]}", "at least one step" },
	{ "{\"pipeline\":[{\"step\":\"dance\"}]}", "step 0" },
	{ "{\"pipeline\":[{\"step\":\"top_k\",\"k\":0}]}", "k" },
	{ "{\"pipeline\":[{\"step\":\"top_k\",\"k\":1}]}", "no data" },
	{ "{\"input_ref\":7,\"pipeline\":[{\"step\":\"top_k\",\"k\":1}]}",
	    "input_ref" },
};

Test(pipeline, what_is_wrong_is_said_before_any_request)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		pipeline_result_release(&result);
		pipeline_result_init(&result);
		cr_assert(eq(int, run(bad[i].args), 0), "%s", bad[i].args);
		cr_expect(eq(int, result.error, ERROR_TYPE_INVALID_STEP), "%s",
		    bad[i].args);
		cr_expect(strstr(result.reason, bad[i].reason) != NULL, "%s",
		    result.reason);
	}
	cr_expect(eq(int, fake.n_fetch + fake.n_compute, 0));
}

/* rows_out of a trace entry, as its text. */
static const char *
rows_of(uint32_t i)
{
	static char text[32];
	const struct json *v = json_get(&result.trace->items[i], "rows_out");

	(void)snprintf(text, sizeof(text), "%.*s", v != NULL ? (int)v->len : 0,
	    v != NULL && v->type == JSON_NUMBER ? v->text : "");
	return text;
}

static const char fetch_top[] =
    "{\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\",\"url\":\"x.example/a\","
    "\"params\":{\"q\":1}},{\"step\":\"top_k\",\"k\":1}]}";

Test(pipeline, a_body_goes_to_compute_unread_with_its_format)
{
	fake.fetch_meta = "{\"ok\":true,\"status\":200,\"content_type\":"
			  "\"text/csv; charset=utf-8\"}";
	fake.fetch_data = "a,b\n1,2\n";
	cr_assert(eq(int, run(fetch_top), 0));
	cr_expect(eq(int, result.error, ERROR_TYPE_NONE), "%s", result.reason);
	cr_expect(strstr(fake.seen[0], "\"params\":{\"q\":1}") != NULL);
	cr_expect(strstr(fake.seen[1], "\"format\":\"csv\"") != NULL);
	cr_expect(strstr(fake.seen[1], "\"first_index\":1") != NULL);
	cr_expect_str_eq(fake.run_data, "a,b\n1,2\n");
	cr_expect(eq(int, (int)result.trace->len, 2));
	cr_expect_str_eq(rows_of(0), "7",
	    "the body's rows are what the next step was given");
	cr_expect(eq(i64, result.rows, 1));
}

Test(pipeline, a_last_body_is_checked_by_compute_too)
{
	cr_assert(eq(int,
	    run("{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"x.example\"}]}"),
	    0));
	cr_expect(eq(int, fake.n_compute, 1));
	cr_expect(strstr(fake.seen[1], "\"steps\":[]") != NULL, "%s", fake.seen[1]);
}

Test(pipeline, a_program_asks_for_a_child_of_its_own)
{
	cr_assert(eq(int,
	    run("{\"input_ref\":\"artifact://1\",\"pipeline\":[{\"step\":\"jq_transform\","
		"\"query\":\".\"}]}"),
	    0));
	cr_expect(strstr(fake.seen[0], "\"fresh\":true") != NULL);
	cr_expect_str_eq(fake.run_data, "artifact://1");
}

Test(pipeline, a_join_brings_each_reference_once)
{
	cr_assert(eq(int,
	    run("{\"pipeline\":[{\"step\":\"join\",\"left\":\"artifact://1\",\"right\":"
		"\"artifact://2\",\"on\":\"id\"},{\"step\":\"join\",\"right\":\"artifact://2\","
		"\"on\":\"id\"}]}"),
	    0));
	cr_expect(eq(int, result.error, ERROR_TYPE_NONE), "%s", result.reason);
	cr_expect(eq(int, fake.n_inputs, 2));
}

Test(pipeline, errors_of_fetch_and_compute_are_passed_on)
{
	fake.fetch_meta =
	    "{\"ok\":false,\"status\":503,\"error\":{\"type\":\"execution_error\","
	    "\"message\":\"HTTP 503\",\"hint\":\"later\",\"retry_after_ms\":70}}";
	cr_assert(eq(int, run(fetch_top), 0));
	cr_expect(eq(int, result.error, ERROR_TYPE_EXECUTION_ERROR));
	cr_expect_str_eq(result.step, "http_request");
	cr_expect_str_eq(result.reason, "HTTP 503");
	cr_expect_str_eq(result.hint, "later");
	cr_expect(result.has_retry_after && result.retry_after_ms == 70);

	done();
	reset();
	fake.compute_meta =
	    "{\"ok\":false,\"trace\":[],\"error\":{\"index\":1,\"step\":"
	    "\"top_k\",\"type\":\"step_limit\",\"reason\":\"r\",\"hint\":\"h\"}}";
	cr_assert(eq(int, run(fetch_top), 0));
	cr_expect(eq(int, result.error, ERROR_TYPE_STEP_LIMIT));
	cr_expect(eq(i64, result.index, 1));
	cr_expect_str_eq(result.step, "top_k");
}

Test(pipeline, a_get_is_repeated_when_fetch_dies_and_a_post_is_not)
{
	fake.fetch_status[0] = -ECONNRESET;
	cr_assert(eq(int, run(fetch_top), 0));
	cr_expect(eq(int, result.error, ERROR_TYPE_NONE), "%s", result.reason);
	cr_expect(eq(int, fake.n_fetch, 2));

	done();
	reset();
	fake.fetch_status[0] = -ECONNRESET;
	cr_assert(eq(int,
	    run("{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"x.example\",\"method\":"
		"\"POST\"}]}"),
	    0));
	cr_expect(eq(int, result.error, ERROR_TYPE_OUTCOME_UNKNOWN));
	cr_expect(eq(int, fake.n_fetch, 1));
}

static const struct {
	int status;
	enum error_type want;
} references[] = {
	{ -EACCES, ERROR_TYPE_FORBIDDEN_REFERENCE },
	{ -ENOENT, ERROR_TYPE_INVALID_STEP },
	{ -EFBIG, ERROR_TYPE_STEP_LIMIT },
	{ -EIO, ERROR_TYPE_EXECUTION_ERROR },
};

Test(pipeline, references_fail_by_their_cause)
{
	for (size_t i = 0; i < ARRAY_LEN(references); i++) {
		done();
		reset();
		fake.resolve_status = references[i].status;
		cr_assert(eq(int,
		    run("{\"input_ref\":\"artifact://1\",\"pipeline\":[{\"step\":\"top_k\","
			"\"k\":1}]}"),
		    0));
		cr_expect(eq(int, result.error, references[i].want));
	}
}

Test(pipeline, a_cancelled_job_stops_at_once)
{
	fake.fetch_status[0] = -ECANCELED;
	cr_expect(eq(int, run(fetch_top), -ECANCELED));
	cr_expect(eq(int, fake.n_compute, 0));
}
