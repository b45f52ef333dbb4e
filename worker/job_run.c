/* SPDX-License-Identifier: MIT */
/*
 * job_run.c - gives a conversation its surroundings: the model, the journal, the tools.
 *
 * Owns:   nothing beyond the call.
 * Called: by the job, once it is begun and nothing is stored for it yet.
 * Fails:  with the conversation's own result, or a negative errno when the job cannot
 * go on (fenced, handed back, memory).
 */
#include "config.h"

#include "common/clock.h"
#include "common/fault_point.h"
#include "common/log.h"
#include "worker/agent/conversation.h"
#include "worker/agent/intent.h"
#include "worker/agent/journal.h"
#include "worker/agent/prompt.h"
#include "worker/found_tools.h"
#include "worker/job_session.h"
#include "worker/llm/llm_call.h"
#include "worker/providers.h"
#include "worker/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	JOURNAL_INLINE_MAX = 32 * 1024,
	TRIM_AFTER_MS = 100, /* an answer that takes longer is worth a system call */
	CALL_TOOL_MAX = 64
};

/* ---- the model ---- */

struct exchange {
	struct wait wait;
	struct http_client *client;
	const struct http_request *request;
	struct http_transfer *transfer;
	struct llm_http_response *res;
	struct err *err;
	int status;
};

static int class_errno(enum http_class class)
{
	switch (class) {
	case HTTP_OK:
		return 0;
	case HTTP_TIMEOUT:
		return -ETIMEDOUT;
	case HTTP_TOO_LARGE:
		return -EFBIG;
	case HTTP_CANCELLED:
		return -ECANCELED;
	default:
		return -ECONNREFUSED;
	}
}

static void
note_header(void *ctx, const char *name, const char *value)
{
	struct llm_http_response *res = ctx;

	llm_wait_note(&res->wait, name, strlen(name), value, strlen(value));
}

static void
on_http_done(void *ctx, struct http_result *result)
{
	struct exchange *x = ctx;

	x->status = class_errno(result->class);
	if (x->status == 0) {
		x->res->status = result->status;
		x->res->body = result->body; /* handed over */
		result->body = (struct buf)BUF_INIT;
		http_result_headers(result, note_header, x->res);
	} else {
		(void)err_set(x->err, x->status, "%s", result->message);
	}
	wait_done(&x->wait, x->status);
}

/* curl may do a part of a TLS handshake, or end one, in here: on the loop's stack. */
static void
start_transfer(void *ctx)
{
	struct exchange *x = ctx;

	x->transfer = http_client_start(x->client, x->request, on_http_done, x);
}

static void
cancel_transfer(void *ctx)
{
	struct exchange *x = ctx;

	http_client_cancel(x->client, x->transfer);
}

static int
llm_http(void *ctx, const struct llm_http_request *req, struct llm_http_response *res,
    struct err *err)
{
	struct job *j = ctx;
	struct http_header headers[LLM_HEADERS_MAX];
	struct http_request r = { .method = "POST",
		.url = req->url,
		.headers = headers,
		.n_headers = req->headers->n,
		.body = req->body,
		.body_len = req->body_len,
		.timeout_ms = (uint32_t)req->timeout_ms,
		.max_body_bytes = req->max_body_bytes };
	struct exchange x = { .res = res,
		.err = err,
		.client = j->worker->http,
		.request = &r };
	int status;

	FAULT_POINT_OF(LLM_SEND, j->msg.job_id);
	status = j->stop != JOB_RUNS ? -ECANCELED : job_prove(j);
	if (status == -ESTALE || status == -ECANCELED)
		return err_set(err, -ECANCELED, "stopped");
	if (status < 0) /* nobody cancelled it: another attempt may do better */
		return err_set(err, status, "the queue: %s", strerror(-status));
	for (size_t i = 0; i < req->headers->n; i++)
		headers[i] = (struct http_header){ req->headers->at[i].name,
			req->headers->at[i].value, true };
	wait_begin(&x.wait);
	fiber_call_on_loop(start_transfer, &x);
	if (x.transfer == NULL)
		return err_set(err, -ENOMEM, "no memory for the request");
	status = wait_for(&x.wait, clock_mono_ms() + TRIM_AFTER_MS);
	if (status == -ETIMEDOUT && !x.wait.is_done) {
		fiber_trim();
		status = wait_for(&x.wait, 0); /* the client keeps the deadline */
	}
	if (!x.wait.is_done) {
		fiber_call_on_loop(cancel_transfer, &x);
		return err_set(err, status, "stopped");
	}
	FAULT_POINT_OF(LLM_ANSWER, j->msg.job_id);
	return status;
}

static int
llm_sleep(void *ctx, uint64_t ms)
{
	(void)ctx;
	return fiber_sleep_until(clock_mono_ms() + ms);
}

static uint64_t
now_us(void *ctx)
{
	(void)ctx;
	return clock_mono_us();
}

static int64_t
wall_ms(void *ctx)
{
	(void)ctx;
	return clock_wall_ms();
}

static double
random_unit(void *ctx)
{
	(void)ctx;
	return drand48(); /* seeded at the start of the process */
}

static void
note_exchange(void *ctx, const struct llm_exchange *x)
{
	struct job *j = ctx;
	struct metrics_page *m = worker_metrics(j->worker);
	unsigned target = x->target->metrics_target;

	metric_add(m, METRIC_LLM_CALLS, target, 1);
	metric_observe(m, METRIC_LLM_SECONDS, target, x->us);
	if (x->error != ERROR_TYPE_NONE)
		metric_add(m, METRIC_LLM_ERRORS, target, 1);
	metric_add(m, METRIC_TOKENS_INPUT, target, x->usage.input);
	metric_add(m, METRIC_TOKENS_OUTPUT, target, x->usage.output);
	metric_add(m, METRIC_TOKENS_CACHED, target, x->usage.cached);
	metric_add(m, METRIC_COST_MICROUSD, target, x->cost_microusd);
	j->tokens += x->usage.input + x->usage.output;
	slot_row_tokens(j->worker->role->slots, j->row, j->tokens);
	providers_note(j, x);
}

static bool
may_ask(void *ctx, const struct llm_target *t)
{
	return providers_may_ask(ctx, t);
}

static int
reserve_rate(void *ctx, const struct llm_target *t, uint64_t tokens,
    uint64_t *waited_ms, struct llm_error *e)
{
	return providers_reserve(ctx, t, tokens, waited_ms, e);
}

static void
gave_up(void *ctx, const struct llm_target *t, uint64_t began_us,
    const struct llm_error *e)
{
	providers_gave_up(ctx, t, began_us, e);
}

static int
ask(void *ctx, const struct llm_call *call, struct arena *a, struct llm_answer *out,
    struct llm_account *account, struct llm_error *e)
{
	struct job *j = ctx;
	struct llm_call_env env = { .ctx = j,
		.http = llm_http,
		.sleep_ms = llm_sleep,
		.now_us = now_us,
		.wall_ms = wall_ms,
		.random = random_unit,
		.may_ask = may_ask,
		.reserve = reserve_rate,
		.secrets = j->worker->llm_secrets,
		.note = note_exchange,
		.gave_up = gave_up };
	uint64_t began_ms = clock_mono_ms();
	int r;

	slot_row_step(j->worker->role->slots, j->row, "llm");
	r = llm_call(&env, call, a, out, account, e);
	job_budget_paid(j, account, r == 0);
	providers_judge(j, account, r == -EIO ? e : NULL);
	if (r == -EIO && e->is_outage) /* waiting for who is away is no running time */
		job_waited(j->worker, clock_mono_ms() - began_ms);
	return r;
}

static int
reserve(void *ctx, unsigned turn, struct conversation_cost *cost,
    struct conversation_refusal *why)
{
	return job_budget_reserve(ctx, turn, cost, why);
}

/* ---- the journal ---- */

/* A record that is too long for Redis stands in the store; the journal names it. */
static int
outsource(struct job *j, const char *record, size_t n, struct buf *out, struct err *err)
{
	char ref[STORE_REF_MAX];
	struct json_writer w;
	int r = store_client_put_blob(j->worker, record, n, ref, 0, err);

	if (r < 0)
		return r;
	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "kind");
	jw_cstr(&w, "stored");
	jw_key(&w, "ref");
	jw_cstr(&w, ref);
	jw_object_end(&w);
	return buf_status(out);
}

static int
append(void *ctx, size_t index, const char *record, size_t n)
{
	struct job *j = ctx;
	struct worker *w = j->worker;
	CLEANUP_BUF struct buf reference = BUF_INIT;
	struct queue_job_ref ref = job_ref(j);
	struct queue_text text = { record, n };
	struct queue_command cmd;
	struct queue_answer answer;
	struct err e = ERR_INIT;
	uint64_t sent_ms;
	int r;

	if (n > JOURNAL_INLINE_MAX) {
		r = outsource(j, record, n, &reference, &e);
		if (r < 0)
			return r;
		text = (struct queue_text){ buf_str(&reference), reference.len };
	}
	queue_cmd_journal(&cmd, &w->setup, &ref, (int64_t)index, text,
	    job_budget_spent(j));
	sent_ms = clock_mono_ms();
	r = redis_op(w->redis, &cmd, NULL, NULL, &answer, 0, &e);
	if (r < 0)
		return r;
	switch (answer.word) {
	case QUEUE_OK:
	case QUEUE_ALREADY:
		j->proved_ms = sent_ms;
		j->reserved = RESERVED_NOTHING;
		if (answer.journal.is_cancelled && j->stop == JOB_RUNS)
			j->stop = JOB_STOP_CANCEL;
		return j->stop == JOB_RUNS ? 0 : -ECANCELED;
	case QUEUE_FENCED:
		log_warning("job %s: its journal is fenced; dropping it",
		    j->msg.job_id);
		return -ESTALE;
	default:
		log_error("job %s: the journal has another length than expected (%s)",
		    j->msg.job_id, queue_word_name(answer.word));
		return -ESTALE;
	}
}

/* Brings records back that stand in the store. */
static int
fetch_records(struct job *j, struct err *err)
{
	for (size_t i = 0; i < j->n_records; i++) {
		struct conversation_record *rec = &j->records[i];
		const struct json *v = NULL;
		CLEANUP(freep) char *bytes = NULL;
		const char *ref;
		size_t n = 0;
		int r;

		if (rec->len > 256 || strstr(rec->text, "\"stored\"") == NULL ||
		    json_read(j->arena, rec->text, rec->len, 0, &v, NULL) < 0 ||
		    !json_eq_str(json_get(v, "kind"), "stored"))
			continue;
		ref = json_cstr(j->arena, json_get(v, "ref"));
		if (ref == NULL)
			continue;
		r = store_client_get_blob(j->worker, ref, LLM_BODY_MAX * 2, &bytes, &n,
		    0, err);
		if (r < 0)
			return r;
		rec->text = arena_strndup(j->arena, bytes, n);
		rec->len = n;
		if (rec->text == NULL)
			return -ENOMEM;
	}
	return 0;
}

static unsigned
count_spent(struct job *j, struct llm_usage *usage, uint64_t *cost_microusd)
{
	unsigned answers =
	    journal_spent(j->arena, j->records, j->n_records, usage, cost_microusd);

	j->tokens = usage->input + usage->output;
	slot_row_tokens(j->worker->role->slots, j->row, j->tokens);
	return answers;
}

void
job_spent(struct job *j, struct conversation_result *spent)
{
	struct err e = ERR_INIT;

	(void)fetch_records(j, &e); /* what does not come is left out */
	spent->turns = count_spent(j, &spent->usage, &spent->cost_microusd);
}

static bool
is_cancelled(void *ctx)
{
	return ((struct job *)ctx)->stop != JOB_RUNS;
}

static uint64_t
now_ms(void *ctx)
{
	(void)ctx;
	return clock_mono_ms();
}

static int
run_tool(void *ctx, const struct tool *tool, const struct tool_call *call,
    struct tool_outcome *outcome)
{
	struct job *j = ctx;
	int r;

	FAULT_POINT_OF(TOOL_BEGIN, j->msg.job_id);
	r = j->stop != JOB_RUNS ? -ECANCELED : job_prove(j);
	if (r < 0)
		return r;
	slot_row_tool(j->worker->role->slots, j->row, tool->name);
	metric_add(worker_metrics(j->worker), METRIC_TOOL_CALLS, 0, 1);
	r = tool->run(call, outcome);
	FAULT_POINT_OF(TOOL_END, j->msg.job_id);
	return r;
}

/* ---- data that is too long for a record ---- */

static int
keep(void *ctx, const struct tool_data *data, char *ref, size_t ref_max)
{
	struct job *j = ctx;
	char full[STORE_REF_MAX];
	int r;

	if (data->fd >= 0) /* large: cheaper to compute again than to store twice */
		return -EFBIG;
	r = store_client_put_blob(j->worker, data->text, data->len, full, 0, NULL);
	if (r < 0)
		return r;
	if (strlen(full) >= ref_max)
		return -ENAMETOOLONG;
	memcpy(ref, full, strlen(full) + 1);
	return 0;
}

static int
load(void *ctx, const char *ref, struct tool_data *data)
{
	struct job *j = ctx;

	return store_client_get_blob(j->worker, ref, SIZE_MAX, &data->text, &data->len,
	    0, NULL);
}

/* ---- putting it together ---- */

static struct llm_text
text_or_none(const char *s)
{
	return s[0] != '\0' ? llm_text_of(s) : (struct llm_text){ NULL, 0 };
}

struct classification {
	struct job *job;
	unsigned lane;
};

static void
classify(void *ctx)
{
	struct classification *c = ctx;
	struct job *j = c->job;
	struct intent intent;

	intent_classify(j->msg.prompt, j->msg.prompt_len, &intent);
	j->intent = intent_label_name(intent.label);
	c->lane = !intent_narrows(&intent) ? TOOL_LANE_ANY
	    : intent.label == INTENT_PATCH ? TOOL_LANE_PATCH
					   : TOOL_LANE_EXECUTE;
}

/* It wants more stack than all that comes before the first question: on a job's own, that
   would stay with it. */
static unsigned
lane_of(struct job *j)
{
	struct classification c = { .job = j };

	fiber_call_on_loop(classify, &c);
	return c.lane;
}

static int
build_messages(struct job *j, const struct json_schema *schema,
    struct llm_messages *out)
{
	struct prompt_input in = { .prompt = { j->msg.prompt, j->msg.prompt_len },
		.node_id = text_or_none(j->msg.node_id),
		.run_id = text_or_none(j->msg.run_id),
		.workflow_tag = text_or_none(j->msg.workflow_tag),
		.workflow_owner = text_or_none(j->msg.owner),
		.session_id = text_or_none(j->msg.session_id),
		.current_workflow = j->msg.current_workflow,
		.previous_results = j->msg.previous_results,
		.workflow_state = j->msg.workflow_state,
		.session = j->session,
		.output_schema = schema != NULL ? json_schema_source(schema) : NULL };

	return prompt_messages(j->arena, &in, out);
}

/* A failure before the first question to the model. */
static int fails(struct conversation_result *result, enum error_type type,
    const char *fmt, ...) PRINTF_LIKE(3, 4);

static int
fails(struct conversation_result *result, enum error_type type, const char *fmt, ...)
{
	va_list ap;

	result->is_completed = false;
	result->error.type = type;
	va_start(ap, fmt);
	(void)vsnprintf(result->error.text, sizeof(result->error.text), fmt, ap);
	va_end(ap);
	return 0;
}

/* -EINVAL: it is none, and the result says so. */
FIBER_APART static int
compile_schema(const struct json *source, struct json_schema **out,
    struct conversation_result *result)
{
	struct err e = ERR_INIT;
	int r = json_schema_compile(source, out, &e);

	if (r == 0 || r == -ENOMEM)
		return r;
	(void)fails(result, ERROR_TYPE_INVALID_MESSAGE, "output_schema: %s", e.text);
	return -EINVAL;
}

int
job_converse(struct job *j, struct conversation_result *result, struct err *err)
{
	struct conversation_env env = { .ctx = j,
		.reserve = reserve,
		.ask = ask,
		.run_tool = run_tool,
		.append = append,
		.find_tool = found_tools_find,
		.keep = keep,
		.load = load,
		.is_cancelled = is_cancelled,
		.now_ms = now_ms,
		.job = j };
	struct conversation_job job = { .job_id = j->msg.job_id,
		.records = j->records,
		.n_records = j->n_records,
		.next_index = j->n_records,
		.max_tokens_total = j->msg.max_tokens_total,
		.deadline_ms = j->deadline_ms };
	CLEANUP(json_schema_freep) struct json_schema *schema = NULL;
	struct llm_usage usage = { 0 };
	struct err e = ERR_INIT;
	uint64_t cost = 0;
	int r;

	j->agent =
	    definitions_find(j->worker->agents, j->msg.agent, strlen(j->msg.agent));
	if (j->agent == NULL)
		return fails(result, ERROR_TYPE_UNKNOWN_AGENT,
		    "there is no agent '%s'; see `agentctl agents`", j->msg.agent);
	if (j->agent->conf->timeout_sec > 0) {
		uint64_t bound =
		    j->started_ms + (uint64_t)j->agent->conf->timeout_sec * 1000;

		if (bound < j->deadline_ms)
			job.deadline_ms = j->deadline_ms = bound;
	}
	if (j->msg.output_schema != NULL) {
		r = compile_schema(j->msg.output_schema, &schema, result);
		if (r < 0)
			return r == -EINVAL ? 0 : r;
	}
	job.agent = j->agent;
	job.output_schema = schema != NULL ? schema : j->agent->output_schema;
	job.lane = lane_of(j);
	r = fetch_records(j, &e);
	if (r == -EBADMSG || r == -ENOENT)
		return fails(result, ERROR_TYPE_STORAGE_ERROR,
		    "a record of the journal cannot be read back: %s", e.text);
	if (r < 0)
		(void)err_set(err, r, "%s", err_text(&e));
	if (r == 0 && j->n_records > 0)
		(void)count_spent(j, &usage, &cost);
	if (r == 0)
		r = job_session_read(j, err);
	if (r == 0)
		r = build_messages(j, job.output_schema, &job.messages);
	if (r < 0)
		return r;
	j->talk_deadline_ms = &job.deadline_ms;
	r = conversation_run(&env, &job, j->arena, result);
	j->talk_deadline_ms = NULL;
	j->is_ending = r == 0;
	if (r < 0)
		(void)err_set(err, r, "the conversation broke off: %s", strerror(-r));
	return r;
}
