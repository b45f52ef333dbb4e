/* SPDX-License-Identifier: MIT */
/*
 * pipeline_tool.c - execute_pipeline in a worker: lanes, references by owner, what is
 * remembered, the report.
 *
 * Owns:   nothing beyond the call.
 * Called: by the tool's row, in a job's fiber; pipeline_tool_install once at the start.
 * Fails:  as pipeline_run; the model is told step, reason and hint.
 */
#include "config.h"

#include "worker/pipeline_tool.h"

#include "common/clock.h"
#include "common/fault_point.h"
#include "common/store/digest.h"
#include "worker/agent/session.h"
#include "worker/buffers.h"
#include "worker/job_refs.h"
#include "worker/pipeline/pipeline.h"
#include "worker/pipeline_cache.h"
#include "worker/preview.h"
#include "worker/promotion.h"
#include "worker/tools/execute_pipeline.h"
#include "worker/worker.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
	WHOLE_DATA_MAX = 6000
}; /* bytes of data that the model sees uncut */

static int
call(void *ctx, enum pipeline_peer peer, const struct lane_part *parts, size_t n_parts,
    uint16_t cancel_op, uint64_t due_ms, struct lane_reply *out, struct err *err)
{
	struct job *j = ctx;
	struct worker *w = j->worker;
	uint64_t held = j->kept_bytes;
	int r;

	for (size_t i = 0; i < n_parts; i++)
		held += parts[i].data_len;
	buffers_hold(j, held);
	r = buffers_wait(j, due_ms, err);
	if (r < 0)
		return r;
	if (peer == PIPELINE_FETCH)
		FAULT_POINT_OF(FETCH_SEND, j->msg.job_id);
	else
		FAULT_POINT_OF(COMPUTE_SEND, j->msg.job_id);
	r = lane_call(peer == PIPELINE_FETCH ? w->fetch : w->compute, parts, n_parts,
	    cancel_op, due_ms, out, err);
	if (peer == PIPELINE_FETCH)
		FAULT_POINT_OF(FETCH_ANSWER, j->msg.job_id);
	else
		FAULT_POINT_OF(COMPUTE_ANSWER, j->msg.job_id);
	if (r == 0)
		buffers_hold(j, held + out->data_len);
	return r;
}

static int
resolve(void *ctx, const char *ref, struct pipeline_data *out, struct err *err)
{
	struct job *j = ctx;
	CLEANUP(store_result_release) struct store_result row = STORE_RESULT_INIT;
	uint64_t max = (uint64_t)j->worker->conf->limits.worker_buffer_mb << 20;
	int r = buffers_wait(j, j->deadline_ms, err);

	if (r == 0)
		r = job_ref_check(j, ref, &row, err);
	if (r < 0)
		return r;
	r = store_client_get_by_ref(j->worker, ref, row.owner, max, &row,
	    j->deadline_ms, err);
	if (r < 0)
		return r;
	if (row.data == NULL && row.data_fd < 0)
		return err_set(err, -ENOENT, "the result has no data");
	buffers_hold(j, j->buffer_bytes + row.data_len);
	out->bytes = TAKE_PTR(row.data);
	out->len = row.data_len;
	out->fd = TAKE_FD(row.data_fd);
	out->format = "json";
	return 0;
}

static uint64_t
now_ms(void *ctx)
{
	(void)ctx;
	return clock_mono_ms();
}

/* What the model is told: the data when it is short, else its preview; then the
   trace. */
static int
write_report(const struct pipeline_result *r, struct buf *out)
{
	const char *text = r->data.bytes;
	struct json_writer w;
	void *map = NULL;
	int status = 0;

	if (r->data.fd >= 0) {
		map = mmap(NULL, (size_t)r->data.len, PROT_READ, MAP_SHARED, r->data.fd,
		    0);
		if (map == MAP_FAILED)
			return -errno;
		text = map;
	}
	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "ok");
	jw_bool(&w, true);
	jw_key(&w, "rows");
	jw_int(&w, r->rows);
	if (r->data.len <= WHOLE_DATA_MAX) {
		jw_key(&w, "data");
		jw_raw(&w, text, (size_t)r->data.len);
	} else {
		CLEANUP_BUF struct buf preview = BUF_INIT;

		status =
		    preview_write(&preview, text, (size_t)r->data.len, PREVIEW_DATA);
		jw_key(&w, "preview");
		if (status == 0)
			jw_raw(&w, buf_str(&preview), preview.len);
		else
			jw_null(&w);
	}
	jw_key(&w, "trace");
	jw_value(&w, r->trace);
	jw_object_end(&w);
	if (map != NULL)
		(void)munmap(map, (size_t)r->data.len);
	return buf_status(out);
}

static void
set_failure(const struct pipeline_result *r, struct tool_outcome *o)
{
	if (r->index >= 0 && strncmp(r->reason, "step ", 5) != 0)
		(void)tool_outcome_fail(o, r->error, r->step, "step %lld (%s): %s%s%s",
		    (long long)r->index, r->step, r->reason,
		    r->hint[0] != '\0' ? ". Hint: " : "", r->hint);
	else
		(void)tool_outcome_fail(o, r->error, r->step, "%s%s%s", r->reason,
		    r->hint[0] != '\0' ? ". Hint: " : "", r->hint);
	(void)snprintf(o->suggestion[0], sizeof(o->suggestion[0]), "%.150s", r->hint);
	o->has_retry_after = r->has_retry_after;
	o->retry_after_ms = r->retry_after_ms;
}

/* For the row's trace column: one object per pipeline, failed ones too. */
static void
keep_trace(struct job *j, const char *name, const struct pipeline_result *r)
{
	struct json_writer w;

	buf_adds(&j->trace, j->trace.len > 0 ? "," : "");
	jw_init(&w, &j->trace);
	jw_object_begin(&w);
	jw_key(&w, "tool");
	jw_cstr(&w, name);
	jw_key(&w, "error");
	jw_cstr(&w, r->error != ERROR_TYPE_NONE ? error_type_name(r->error) : NULL);
	jw_key(&w, "steps");
	jw_value(&w, r->trace);
	jw_object_end(&w);
}

/* Does the call mean the job's own session? There is no other for it. */
static bool
means_own_session(const struct job *j, const struct json *args)
{
	const struct json *id = json_get_typed(args, "session_id", JSON_STRING);

	return id == NULL || id->len == 0 || json_eq_str(id, j->msg.session_id);
}

/* Without input_ref, steps that bring no data themselves work on the last result of the
   job's session: *args becomes the arguments that say so. */
static int
add_session_input(struct job *j, struct arena *a, const struct json **args,
    struct pipeline_facts *facts)
{
	const char *ref = session_last_ref(a, j->session);
	struct json_builder *b;

	if (!facts->is_sound || !facts->needs_input || ref == NULL ||
	    !means_own_session(j, *args))
		return arena_failed(a) ? -ENOMEM : 0;
	b = json_object_begin(a);
	json_object_add(b, "pipeline", json_get(*args, "pipeline"));
	json_object_add(b, "input_ref", json_new_cstr(a, ref));
	*args = json_end(b);
	return *args == NULL ? -ENOMEM : pipeline_facts_read(a, *args, facts);
}

static int
run_or_remember(const struct pipeline_env *env, const struct tool_call *c,
    const struct json *args, const struct pipeline_facts *facts,
    struct pipeline_result *result)
{
	CLEANUP(pipeline_cache_release)
	struct pipeline_cache cache = PIPELINE_CACHE_INIT;
	struct job *j = c->job;
	int r = pipeline_cache_find(&cache, j, c->arena, args, facts, result);

	if (r != 0)
		return r < 0 ? r : 0;
	r = pipeline_run(env, c->arena, args, NULL, c->deadline_ms, result);
	if (r == 0 && result->error == ERROR_TYPE_NONE)
		r = pipeline_cache_keep(&cache, j, result);
	return r;
}

int
pipeline_tool_run(const struct tool_call *c, const struct json *args, const char *name,
    struct tool_outcome *o)
{
	struct job *j = c->job;
	const struct conf *conf = j->worker->conf;
	struct pipeline_facts facts;
	CLEANUP(pipeline_result_release) struct pipeline_result result;
	char owner[DIGEST_HEX_MAX];
	struct pipeline_env env = { .ctx = j,
		.call = call,
		.resolve = resolve,
		.now_ms = now_ms,
		.owner = owner,
		.limits = { conf->limits.step_cpu_sec, conf->limits.step_memory_mb,
		    conf->limits.step_output_mb, conf->network.timeout_sec * 1000 } };
	int r;

	pipeline_result_init(&result);
	r = digest_of(j->msg.owner, strlen(j->msg.owner), owner);
	if (r == 0)
		r = pipeline_facts_read(c->arena, args, &facts);
	if (r == 0)
		r = add_session_input(j, c->arena, &args, &facts);
	if (r == 0)
		r = run_or_remember(&env, c, args, &facts, &result);
	if (r == 0 && result.error == ERROR_TYPE_NONE)
		j->kept_bytes = result.data.len; /* in place of the former result */
	buffers_hold(j, j->kept_bytes);
	if (r < 0)
		return r;
	keep_trace(j, name, &result);
	if (result.error != ERROR_TYPE_NONE) {
		set_failure(&result, o);
		return 0;
	}
	r = write_report(&result, &o->report);
	if (r == 0 && strcmp(name, EXECUTE_PIPELINE_NAME) == 0)
		r = promotion_note(j, c->arena, args, &facts);
	if (r < 0)
		return r;
	o->data.text = TAKE_PTR(result.data.bytes);
	o->data.len = (size_t)result.data.len;
	o->data.fd = TAKE_FD(result.data.fd);
	return 0;
}

static int
run(const struct tool_call *c, struct tool_outcome *o)
{
	return pipeline_tool_run(c, c->args, EXECUTE_PIPELINE_NAME, o);
}

void
pipeline_tool_install(void)
{
	execute_pipeline_set(run);
}
