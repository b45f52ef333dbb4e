/* SPDX-License-Identifier: MIT */
/*
 * job_end.c - stores a result, publishes what the store says, and lets the job go.
 *
 * Owns:   nothing beyond the call.
 * Called: by the job, as its last step.
 * Fails:  the store away or Redis away only costs time; -ESTALE when the job was fenced.
 *
 * The order is the protocol's: the row first, then the script that publishes the row's
 * own message and takes the job out of the held list.
 */
#include "config.h"

#include "common/clock.h"
#include "common/fault_point.h"
#include "common/log.h"
#include "worker/job_session.h"
#include "worker/llm/retry.h"
#include "worker/preview.h"
#include "worker/result_message.h"
#include "worker/worker.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

enum {
	PUT_OFF_MS = 5000,
	BURIALS_STORED = 2 /* tries; after them a burial does without the store */
};

static uint64_t
ran_ms(const struct job *j)
{
	return clock_mono_ms() - j->started_ms;
}

/*
 * OK and ALREADY are success, FENCED is -ESTALE. Every operation here is a way out, so it
 * is not interrupted: once it is sent only Redis knows how it ended.
 */
static int
run_op(struct job *j, struct queue_command *cmd)
{
	bool was_masked = fiber_mask_interrupts(true);
	struct queue_answer answer;
	struct err e = ERR_INIT;
	int r = redis_op(j->worker->redis, cmd, NULL, NULL, &answer, 0, &e);

	(void)fiber_mask_interrupts(was_masked);
	if (r < 0) {
		log_error("job %s: %s: %s", j->msg.job_id, queue_op_name(cmd->op),
		    err_text(&e));
		return r;
	}
	if (answer.word == QUEUE_OK || answer.word == QUEUE_ALREADY)
		return 0;
	log_warning("job %s: %s answers %s; dropping it, others have it", j->msg.job_id,
	    queue_op_name(cmd->op), queue_word_name(answer.word));
	return -ESTALE;
}

/* ---- the one info line, the metrics ---- */

/* Strangers' words in a line of NAME=VALUE: quoted when they could pass for more. */
static const char *
logged(struct job *j, const char *word)
{
	CLEANUP_BUF struct buf quoted = BUF_INIT;
	const char *copy;

	if (word[0] == '\0')
		return "-";
	if (strpbrk(word, " =\"\\") == NULL)
		return word;
	json_write_string(&quoted, word, strlen(word));
	copy = arena_strndup(j->arena, buf_str(&quoted), quoted.len);
	return copy != NULL ? copy : "-";
}

static void
note_end(struct job *j, const struct result_facts *f, bool is_completed)
{
	struct metrics_page *m = worker_metrics(j->worker);
	const struct conversation_result *r = f->result;
	const char *type = is_completed ? "" : error_type_name(f->error.type);

	metric_add(m, METRIC_JOBS_DONE, is_completed ? 0 : (unsigned)f->error.type, 1);
	metric_observe(m, METRIC_JOB_SECONDS, 0, f->execution_ms * 1000);
	j->worker->jobs_done++;
	j->worker->role->slots->jobs_done = j->worker->jobs_done;
	log_info(
	    "job %s owner=%s status=%s%s%s queued=%lldms ran=%llums turns=%u tokens=%llu "
	    "cost=%.6f attempts=%u",
	    logged(j, j->msg.job_id), logged(j, j->msg.owner),
	    is_completed ? "completed" : "failed", is_completed ? "" : " error=", type,
	    (long long)f->queue_ms, (unsigned long long)f->execution_ms,
	    r != NULL ? r->turns : 0,
	    (unsigned long long)(r != NULL ? r->usage.input + r->usage.output : 0),
	    r != NULL ? (double)r->cost_microusd / 1e6 : 0.0, f->attempts);
}

static void
base_facts(struct job *j, struct conversation_result *r, struct result_facts *f)
{
	*f = (struct result_facts){ .job_id = j->msg.job_id,
		.intent = j->intent,
		.model = "",
		.attempts = (unsigned)j->attempts + 1,
		.execution_ms = ran_ms(j) + (uint64_t)j->run_ms_before,
		.queue_ms = j->queue_ms,
		.completed_at_ms = clock_wall_ms(),
		.result = r };
	if (r != NULL && r->model.len > 0) {
		const char *model = arena_strndup(j->arena, r->model.s, r->model.len);

		f->model = model != NULL ? model : "";
	}
}

/* ---- storing and publishing ---- */

static int
finish(struct job *j, const char *status, const char *message, size_t n)
{
	CLEANUP(job_turn_release) struct job_turn turn = JOB_TURN_INIT;
	struct queue_job_ref ref = job_ref(j);
	struct queue_command cmd;
	int r;

	queue_cmd_finish(&cmd, &j->worker->setup, &ref, strcmp(status, "failed") == 0,
	    (struct queue_text){ message, n });
	job_turn_add(&turn, j, message, n, &cmd);
	FAULT_POINT_OF(FINISH_SEND, j->msg.job_id);
	r = run_op(j, &cmd);
	FAULT_POINT_OF(FINISH_REPLY, j->msg.job_id);
	return r;
}

static int
bury(struct job *j, const struct result_facts *f, const char *message, size_t n)
{
	CLEANUP(job_turn_release) struct job_turn turn = JOB_TURN_INIT;
	struct queue_job_ref ref = job_ref(j);
	struct queue_command cmd;
	int r;

	queue_cmd_bury(&cmd, &j->worker->setup, &ref, (struct queue_text){ message, n },
	    queue_text(error_type_name(f->error.type)), queue_text(f->error.message));
	job_turn_add(&turn, j, message, n, &cmd);
	FAULT_POINT_OF(BURY_SEND, j->msg.job_id);
	r = run_op(j, &cmd);
	FAULT_POINT_OF(BURY_REPLY, j->msg.job_id);
	return r;
}

/*
 * Puts the row; a refused one (what it says cannot be stored) is -EINVAL with the
 * reason in err. *out then holds what the store says, which may be another's message.
 */
static int
put_row(struct job *j, const struct store_row *row, struct store_outcome *out,
    struct err *err)
{
	int r = job_prove(j);

	if (r < 0)
		return r;
	FAULT_POINT_OF(STORE_SEND, j->msg.job_id);
	r = store_client_put(j->worker, row, out, 0, err);
	FAULT_POINT_OF(STORE_DONE, j->msg.job_id);
	if (out->verdict == STORE_REFUSED)
		return err_set(err, -EINVAL, "%s", err_text(&out->err));
	return r;
}

static void
fill_row(struct job *j, const struct result_facts *f, const char *status,
    const char *result_id, const struct buf *message, struct store_row *row)
{
	const struct conversation_result *r = f->result;

	*row = (struct store_row){ .result_id = result_id,
		.job_id = j->msg.job_id,
		.run_id = j->msg.run_id,
		.node_id = j->msg.node_id,
		.owner = j->msg.owner,
		.status = status,
		.message = { buf_str(message), message->len },
		.execution_time_ms = (int64_t)f->execution_ms,
		.llm_model = f->model,
		.token = j->token,
		.retry_count = j->msg.retry_count,
		.completed_at_ms = f->completed_at_ms };
	if (r != NULL) {
		row->tokens_used = (int64_t)(r->usage.input + r->usage.output);
		row->cache_hit = r->usage.cached > 0;
	}
}

static int
store_and_finish(struct job *j, struct store_row *row, const struct result_facts *f,
    bool is_burial, struct err *err)
{
	CLEANUP_BUF struct buf calls = BUF_INIT;
	CLEANUP_BUF struct buf error = BUF_INIT;
	CLEANUP_BUF struct buf trace = BUF_INIT;
	CLEANUP(store_outcome_release)
	struct store_outcome out = { .verdict = STORE_AWAY };
	bool is_failed = strcmp(row->status, "failed") == 0;
	int r;

	if (f->result != NULL)
		result_message_tool_calls(&calls, f->result);
	else
		buf_adds(&calls, "[]");
	row->tool_calls = (struct store_text){ buf_str(&calls), calls.len };
	if (is_failed) {
		result_message_error(&error, f);
		row->error = (struct store_text){ buf_str(&error), error.len };
	}
	if (j->trace.len > 0) {
		buf_addf(&trace, "[%s]", buf_str(&j->trace));
		row->trace = (struct store_text){ buf_str(&trace), trace.len };
	}
	if (buf_status(&calls) != 0 || buf_status(&error) != 0 ||
	    buf_status(&trace) != 0 || buf_status(&j->trace) != 0)
		return -ENOMEM;
	r = put_row(j, row, &out, err);
	if (r < 0)
		return r;
	r = is_burial && out.verdict == STORE_STORED
	    ? bury(j, f, out.message, out.message_len)
	    : finish(j, out.status, out.message, out.message_len);
	if (r == 0)
		note_end(j, f, !is_failed);
	return r;
}

/* What cannot be stored is published all the same: somebody waits for it. */
static int
publish_unstored(struct job *j, const struct result_facts *f, bool is_burial,
    const struct buf *message, const char *why)
{
	int r;

	log_error("job %s: its failure is not stored: %s", j->msg.job_id, why);
	r = is_burial ? bury(j, f, buf_str(message), message->len)
		      : finish(j, "failed", buf_str(message), message->len);
	if (r == 0)
		note_end(j, f, false);
	return r;
}

/* How often the process did not survive the job's burial. */
static int64_t
failed_burials(const struct job *j)
{
	int64_t crashes = j->crashes - j->worker->conf->queue.max_crashes;
	int64_t suspicions = j->suspicions - QUEUE_MAX_SUSPICIONS;

	return crashes > suspicions ? crashes : suspicions;
}

/* What a server said of a password of ours stays here. */
static void
mask_message(struct job *j, struct result_facts *f)
{
	const struct secrets *secrets = j->worker->role->secrets;
	CLEANUP_BUF struct buf masked = BUF_INIT;
	size_t n = strlen(f->error.message);

	if (!secrets_found(secrets, f->error.message, n))
		return;
	secrets_mask(secrets, &masked, f->error.message, n);
	f->error.message = arena_strndup(j->arena, buf_str(&masked), masked.len);
	if (f->error.message == NULL)
		f->error.message = SECRETS_MASK;
}

/* Writes, stores and publishes a failure. */
static int
fail(struct job *j, struct result_facts *f, bool is_burial)
{
	CLEANUP_BUF struct buf message = BUF_INIT;
	char result_id[STORE_ID_MAX];
	struct store_row row;
	struct err e = ERR_INIT;
	int r;

	j->is_ending = true;
	mask_message(j, f);
	result_message_failed(&message, f);
	if (buf_status(&message) != 0 || store_new_id(result_id) < 0)
		return -ENOMEM;
	if (is_burial && failed_burials(j) >= BURIALS_STORED)
		return publish_unstored(j, f, true, &message, "that took workers down");
	fill_row(j, f, "failed", result_id, &message, &row);
	r = store_and_finish(j, &row, f, is_burial, &e);
	return r == -EINVAL ? publish_unstored(j, f, is_burial, &message, err_text(&e))
			    : r;
}

int
job_fail(struct job *j, enum error_type type, const char *fmt, ...)
{
	CLEANUP(conversation_result_release) struct conversation_result spent;
	char text[CONVERSATION_ERROR_TEXT_MAX];
	struct result_facts f;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conversation_result_init(&spent);
	if (j->n_records > 0)
		job_spent(j, &spent);
	base_facts(j, &spent, &f);
	f.error.type = type;
	f.error.message = text;
	f.error.tool = f.error.step = "";
	return fail(j, &f, false);
}

static void
burial_facts(struct job *j, struct conversation_result *spent,
    char text[CONVERSATION_ERROR_TEXT_MAX], struct result_facts *f)
{
	if (failed_burials(j) <= 0) /* else the journal may be what faults */
		job_spent(j, spent);
	(void)snprintf(text, CONVERSATION_ERROR_TEXT_MAX,
	    "not run again after %lld attempts, %lld crashes and %lld suspicions; %llu "
	    "tokens were spent%s%.700s",
	    (long long)j->attempts, (long long)j->crashes, (long long)j->suspicions,
	    (unsigned long long)j->tokens,
	    j->evidence != NULL ? "; the last time: " : "",
	    j->evidence != NULL ? j->evidence : "");
	base_facts(j, spent, f);
	f->attempts = (unsigned)j->attempts;
	f->error.type = ERROR_TYPE_CRASHED;
	f->error.message = text;
	f->error.tool = f->error.step = f->error.evidence = "";
}

int
job_bury(struct job *j)
{
	CLEANUP(conversation_result_release) struct conversation_result spent;
	char text[CONVERSATION_ERROR_TEXT_MAX];
	struct result_facts f;

	conversation_result_init(&spent);
	burial_facts(j, &spent, text, &f);
	if (j->evidence != NULL) {
		CLEANUP_BUF struct buf quoted = BUF_INIT;

		json_write_string(&quoted, j->evidence, strlen(j->evidence));
		f.error.evidence =
		    arena_strndup(j->arena, buf_str(&quoted), quoted.len);
	}
	return fail(j, &f, true);
}

/* ---- another attempt ---- */

static int64_t
retry_delay_ms(const struct job *j, bool has_asked, uint64_t asked_ms)
{
	return (int64_t)llm_attempt_delay_ms(has_asked, asked_ms, (uint64_t)j->attempts,
	    drand48());
}

static bool
deserves_retry(const struct job *j, const struct conversation_result *r)
{
	return error_type_is_retryable(r->error.type) &&
	    r->error.type != ERROR_TYPE_TIMEOUT && /* its running time is used up */
	    j->attempts + 1 < j->worker->conf->queue.max_attempts;
}

/* Nothing is wrong with the job: it goes on when somebody may be asked again. */
static int
put_off(struct job *j, const struct conversation_result *r)
{
	uint64_t delay_ms = llm_put_off_ms(r->error.retry_after_ms, drand48());

	metric_add(worker_metrics(j->worker), METRIC_JOBS_PUT_OFF, 0, 1);
	log_debug("job %s: put off for %llu ms: %s", j->msg.job_id,
	    (unsigned long long)delay_ms, r->error.text);
	return job_release(j, (int64_t)delay_ms, "every provider rests");
}

/* queue.max_age_sec bounds waiting for providers, too, of jobs that have cost something;
   what they ran does not count. */
static bool
has_waited_enough(const struct job *j, struct conversation_result *r)
{
	int64_t max_sec = j->worker->conf->queue.max_age_sec;
	int64_t waited_ms = j->age_ms - j->run_ms_before;
	char text[CONVERSATION_ERROR_TEXT_MAX];

	if (max_sec == 0 || waited_ms <= max_sec * 1000)
		return false;
	(void)snprintf(text, sizeof(text),
	    "waited %lld s for its providers, longer than queue.max_age_sec: %.800s",
	    (long long)(waited_ms / 1000), r->error.text);
	(void)snprintf(r->error.text, sizeof(r->error.text), "%s", text);
	return true;
}

static int
retry(struct job *j, enum error_type type, int64_t delay_ms)
{
	struct queue_job_ref ref = job_ref(j);
	struct queue_command cmd;
	int status;

	j->is_ending = true;
	queue_cmd_retry(&cmd, &j->worker->setup, &ref, delay_ms,
	    queue_text(error_type_name(type)), (int64_t)ran_ms(j));
	FAULT_POINT_OF(RETRY_SEND, j->msg.job_id);
	status = run_op(j, &cmd);
	FAULT_POINT_OF(RETRY_REPLY, j->msg.job_id);
	if (status == 0) {
		metric_add(worker_metrics(j->worker), METRIC_JOBS_RETRIED, 0, 1);
		log_info("job %s: attempt %lld failed (%s); next try in %lld ms",
		    j->msg.job_id, (long long)j->attempts + 1, error_type_name(type),
		    (long long)delay_ms);
	}
	return status;
}

/* f points into r. */
static void
error_facts(struct job *j, struct conversation_result *r, struct result_facts *f)
{
	base_facts(j, r, f);
	f->error.type = r->error.type;
	f->error.message = r->error.text;
	f->error.tool = r->error.tool;
	f->error.step = r->error.step;
	for (size_t i = 0;
	     i < TOOL_SUGGESTIONS_MAX && r->error.suggestion[i][0] != '\0'; i++)
		f->error.suggestions[i] = r->error.suggestion[i];
}

int
job_fail_with(struct job *j, struct conversation_result *r)
{
	struct result_facts f;

	if (r->is_put_off && !has_waited_enough(j, r))
		return put_off(j, r);
	if (!r->is_put_off && deserves_retry(j, r))
		return retry(j, r->error.type,
		    retry_delay_ms(j,
			r->error.has_retry_after ||
			    r->error.type == ERROR_TYPE_LLM_RATE_LIMITED,
			r->error.retry_after_ms));
	error_facts(j, r, &f);
	return fail(j, &f, false);
}

/* ---- success ---- */

/* The value's bytes in memory: inline text, or its memory file mapped. */
struct value_bytes {
	const char *p;
	size_t n;
	void *map;
};

static void
value_unmap(struct value_bytes *v)
{
	if (v->map != NULL)
		(void)munmap(v->map, v->n);
}

static int
value_open(const struct tool_data *d, struct value_bytes *v)
{
	*v = (struct value_bytes){ d->text, d->len, NULL };
	if (d->fd < 0)
		return 0;
	v->map = mmap(NULL, d->len, PROT_READ, MAP_SHARED, d->fd, 0);
	if (v->map == MAP_FAILED) {
		v->map = NULL;
		return -errno;
	}
	v->p = v->map;
	return 0;
}

/*
 * A result that cannot be stored is a failed job, with the store's own words. What was
 * refused for what it says would be refused again: no other attempt computes it anew.
 */
static int
cannot_store(struct job *j, struct conversation_result *r, bool is_refused,
    const struct err *err)
{
	struct result_facts f;

	r->is_completed = false;
	r->error.type = ERROR_TYPE_STORAGE_ERROR;
	(void)snprintf(r->error.text, sizeof(r->error.text),
	    "the result cannot be stored: %.900s", err_text(err));
	if (!is_refused)
		return job_fail_with(j, r);
	error_facts(j, r, &f);
	return fail(j, &f, false);
}

int
job_complete(struct job *j, struct conversation_result *r)
{
	CLEANUP_BUF struct buf message = BUF_INIT;
	CLEANUP_BUF struct buf preview = BUF_INIT;
	CLEANUP(value_unmap) struct value_bytes value = { NULL, 0, NULL };
	char result_id[STORE_ID_MAX];
	struct store_place place;
	struct result_facts f;
	struct store_row row;
	struct err e = ERR_INIT;
	int status = value_open(&r->value, &value);

	j->is_ending = true;
	if (status == 0)
		status = store_new_id(result_id);
	if (status == 0)
		status = store_client_place(j->worker, result_id, value.p, value.n, -1,
		    &place, 0, &e);
	if (status == 0)
		status = preview_write(&preview, value.p, value.n,
		    r->value_kind == VALUE_PATCH ? PREVIEW_PATCH : PREVIEW_DATA);
	if (status == -ECANCELED)
		return status;
	if (status < 0) {
		if (e.code == 0)
			(void)err_set(&e, status, "%s", strerror(-status));
		return cannot_store(j, r, status == -EINVAL || status == -EFBIG, &e);
	}
	base_facts(j, r, &f);
	f.result_ref = place.ref;
	f.preview = buf_str(&preview);
	result_message_completed(&message, &f);
	if (buf_status(&message) != 0)
		return -ENOMEM;
	fill_row(j, &f, "completed", result_id, &message, &row);
	if (place.cas_id[0] != '\0')
		row.cas_id = place.cas_id;
	else
		row.data = (struct store_text){ value.p, value.n };
	status = store_and_finish(j, &row, &f, false, &e);
	return status == -EINVAL ? cannot_store(j, r, true, &e) : status;
}

/* ---- the other ways out ---- */

int
job_publish_stored(struct job *j, const struct store_result *row)
{
	int r;

	j->is_ending = true;
	r = finish(j, row->status, row->message, row->message_len);
	if (r == 0) {
		metric_add(worker_metrics(j->worker), METRIC_JOBS_DUPLICATE, 0, 1);
		log_info("job %s: its result was stored before; published again",
		    j->msg.job_id);
	}
	return r;
}

int
job_bury_stored(struct job *j, const struct store_result *row)
{
	CLEANUP(conversation_result_release) struct conversation_result spent;
	char text[CONVERSATION_ERROR_TEXT_MAX];
	struct result_facts f;
	int r;

	j->is_ending = true;
	conversation_result_init(&spent);
	burial_facts(j, &spent, text, &f);
	r = bury(j, &f, row->message, row->message_len);
	if (r == 0)
		note_end(j, &f, false);
	return r;
}

int
job_release(struct job *j, int64_t delay_ms, const char *why)
{
	struct queue_job_ref ref = job_ref(j);
	struct queue_command cmd;
	int r;

	if (j->stop == JOB_STOP_FENCED)
		return -ESTALE;
	queue_cmd_release(&cmd, &j->worker->setup, &ref, delay_ms, queue_text(why),
	    (int64_t)ran_ms(j));
	if (j->vain != ANSWERS_NOT_ASKED)
		queue_cmd_add_unanswered(&cmd, j->vain == ANSWERS_OTHERS);
	FAULT_POINT_OF(RELEASE_SEND, j->msg.job_id);
	r = run_op(j, &cmd);
	FAULT_POINT_OF(RELEASE_REPLY, j->msg.job_id);
	return r;
}

int
job_broke(struct job *j, const char *why)
{
	int r;

	log_error("job %s: attempt %lld broke off: %s", j->msg.job_id,
	    (long long)j->attempts + 1, why);
	r = j->attempts + 1 < j->worker->conf->queue.max_attempts
	    ? retry(j, ERROR_TYPE_INTERNAL, retry_delay_ms(j, false, 0))
	    : job_fail(j, ERROR_TYPE_INTERNAL, "%s", why);
	return r == 0 || r == -ESTALE ? r : job_release(j, PUT_OFF_MS, "put off");
}
