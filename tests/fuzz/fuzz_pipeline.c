/* SPDX-License-Identifier: MIT */
/*
 * fuzz_pipeline.c - execute_pipeline between a model that asks for anything and peers
 * that answer anything: arguments, then meta and data of fetch and of compute, parted
 * by NULs; what is missing is as in a good run.
 *
 * Owns:   an arena and a result a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "common/json/json.h"
#include "worker/pipeline/pipeline.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	ARGS,
	FETCH_META,
	FETCH_DATA,
	COMPUTE_META,
	COMPUTE_DATA,
	PARTS
};

struct part {
	const char *text;
	size_t n;
};

static const struct part usual[PARTS] = {
#define PART(text)       \
 {                       \
  text, sizeof(text) - 1 \
 }
	[ARGS] =
	    PART("{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"https://h/x\"},"
		 "{\"step\":\"top_k\",\"k\":1}]}"),
	[FETCH_META] =
	    PART("{\"ok\":true,\"status\":200,\"content_type\":\"text/csv\"}"),
	[FETCH_DATA] = PART("[1]"),
	[COMPUTE_META] = PART("{\"ok\":true,\"trace\":[],\"rows\":1}"),
	[COMPUTE_DATA] = PART("[1]"),
#undef PART
};

static char *
copy_of(const struct part *p)
{
	char *copy = malloc(p->n + 1);

	ASSERT(copy != NULL);
	memcpy(copy, p->text, p->n);
	copy[p->n] = '\0';
	return copy;
}

static int
call(void *ctx, enum pipeline_peer peer, const struct lane_part *parts, size_t n_parts,
    uint16_t cancel_op, uint64_t due_ms, struct lane_reply *out, struct err *err)
{
	const struct part *p = ctx;
	const struct part *meta =
	    &p[peer == PIPELINE_FETCH ? FETCH_META : COMPUTE_META];
	const struct part *body =
	    &p[peer == PIPELINE_FETCH ? FETCH_DATA : COMPUTE_DATA];

	(void)cancel_op;
	(void)due_ms;
	(void)err;
	for (size_t i = 0; i < n_parts; i++)
		ASSERT(parts[i].meta_len <= LANE_META_MAX);
	out->meta = copy_of(meta);
	out->meta_len = meta->n;
	out->data = copy_of(body);
	out->data_len = body->n;
	out->data_fd = -1;
	return 0;
}

static int
resolve(void *ctx, const char *ref, struct pipeline_data *out, struct err *err)
{
	(void)ctx;
	(void)ref;
	(void)err;
	out->bytes = strdup("[1]");
	ASSERT(out->bytes != NULL);
	out->len = 3;
	return 0;
}

static uint64_t
now(void *ctx)
{
	(void)ctx;
	return 1000;
}

static void
expect_result(const struct pipeline_result *r)
{
	if (r->error == ERROR_TYPE_NONE) {
		ASSERT(r->data.bytes != NULL || r->data.fd >= 0);
		return;
	}
	ASSERT(r->reason[0] != '\0');
	ASSERT(json_is_utf8(r->reason, strlen(r->reason)));
	ASSERT(json_is_utf8(r->hint, strlen(r->hint)));
	ASSERT(json_is_utf8(r->step, strlen(r->step)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(64 << 20);
	const char *text = (const char *)data, *end = text + size;
	struct part parts[PARTS];
	const struct pipeline_env env = { .ctx = parts,
		.call = call,
		.resolve = resolve,
		.now_ms = now,
		.owner = "o",
		.limits = { 1, 64, 1, 5000 } };
	struct pipeline_result result;
	const struct json *args = NULL;

	memcpy(parts, usual, sizeof(parts));
	for (int i = 0; i < PARTS && text < end; i++) {
		size_t n = strnlen(text, (size_t)(end - text));

		if (n > 0)
			parts[i] = (struct part){ text, n };
		text += n + 1;
	}
	if (a == NULL ||
	    json_read(a, parts[ARGS].text, parts[ARGS].n, 0, &args, NULL) < 0)
		return 0;
	pipeline_result_init(&result);
	if (pipeline_run(&env, a, args, NULL, 0, &result) == 0)
		expect_result(&result);
	pipeline_result_release(&result);
	return 0;
}
