/* SPDX-License-Identifier: MIT */
/*
 * job.c - the way of one job, from an element in hand to an empty place.
 *
 * Owns:   struct job; it dies with its fiber.
 * Called: by claim.c for every element; by control and cancel code to stop one.
 * Fails:  never silently: each failure either publishes a message, schedules another
 *         attempt, hands the job back, or leaves the element in the held list for the
 *         recovery to find (log line).
 */
#include "config.h"

#include "common/clock.h"
#include "common/fault_point.h"
#include "common/log.h"
#include "common/store/digest.h"
#include "worker/agent/conversation.h"
#include "worker/buffers.h"
#include "worker/job_skim.h"
#include "worker/providers.h"
#include "worker/worker.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum {
	JOB_ARENA_MAX = 512 * 1024 * 1024,
	BEGIN_MS = 60000,         /* from the claim to the first model call */
	ENDING_MS = 10000,        /* from a job's deadline to its published result */
	STORE_PATIENCE_MS = 5000, /* a job that has not begun a call waits no longer */
	STORE_AWAY_DELAY_MS = 5000,
	BACK_TO_RUN = 1 /* private status: go on and run it */
};

struct metrics_page *
worker_metrics(struct worker *w)
{
	return &w->role->slots->metrics;
}

/* ---- rows of the slot file ---- */

static unsigned
row_take(struct worker *w)
{
	for (unsigned row = 0; row < SLOT_ROWS; row++)
		if ((w->rows_used[row / 32] & 1U << row % 32) == 0) {
			w->rows_used[row / 32] |= 1U << row % 32;
			return row;
		}
	return SLOT_ROWS; /* the option's bound is SLOT_ROWS; adoption may pass it */
}

static void
row_give(struct worker *w, unsigned row)
{
	slot_row_clear(w->role->slots, row);
	w->rows_used[row / 32] &= ~(1U << row % 32);
}

static void
show(struct job *j, const char *step, uint64_t deadline_ms)
{
	const char *id = j->msg.job_id != NULL ? j->msg.job_id : "";

	slot_row_set(j->worker->role->slots, j->row, id, strlen(id), step,
	    j->started_ms, deadline_ms);
}

/* Until begin has named the job: should this payload take the process down, it alone is
   charged, and not those beside it. */
static void
show_element(struct job *j)
{
	struct slot_file *slots = j->worker->role->slots;
	char sha1[SHA1_HEX_MAX];

	if (j->is_id)
		slot_row_set(slots, j->row, j->element, j->element_len, "begin",
		    j->started_ms, UINT64_MAX);
	else if (j->element_len <= (size_t)j->worker->conf->queue.max_payload_bytes &&
	    sha1_of(j->element, j->element_len, sha1) == 0)
		slot_row_payload(slots, j->row, sha1, j->started_ms);
}

/* ---- begin ---- */

/* Few messages have a fault, and its words are long. */
static int
keep_fault(struct job *j, const struct job_message_fault *fault)
{
	struct job_message_fault *kept;

	if (j->fault_status == 0)
		return 0;
	kept = arena_alloc(j->arena, sizeof(*kept));
	if (kept == NULL)
		return -ENOMEM;
	*kept = *fault;
	j->fault = kept;
	return 0;
}

/* Only who sent it is read, and what it was by its bytes: a message of many times the
   cap must not hold up the jobs beside it. */
static int
read_too_large(struct job *j, const char *payload, size_t n)
{
	CLEANUP_BUF struct buf members = BUF_INIT;
	struct job_message_fault fault;
	const char *text;

	job_skim(payload, n, &members);
	text = arena_strndup(j->arena, buf_str(&members), members.len);
	if (buf_status(&members) != 0 || text == NULL)
		return -ENOMEM;
	j->fault_status =
	    job_message_read(j->arena, text, members.len, &j->msg, &fault);
	if (j->fault_status == -ENOMEM || digest_of(payload, n, j->msg.digest) < 0)
		return -ENOMEM;
	if (j->fault_status != -ENOMSG)
		j->fault_status = -EINVAL;
	fault.type = ERROR_TYPE_PAYLOAD_TOO_LARGE;
	(void)snprintf(fault.text, sizeof(fault.text),
	    "the payload has %zu bytes, more than queue.max_payload_bytes (%lld); "
	    "pass large data by reference",
	    n, (long long)j->worker->conf->queue.max_payload_bytes);
	return keep_fault(j, &fault);
}

FIBER_APART static int
read_payload(struct job *j, const char *payload, size_t n)
{
	struct job_message_fault fault;

	if (n > (size_t)j->worker->conf->queue.max_payload_bytes)
		return read_too_large(j, payload, n);
	j->fault_status = job_message_read(j->arena, payload, n, &j->msg, &fault);
	return j->fault_status == -ENOMEM ? -ENOMEM : keep_fault(j, &fault);
}

static void
copy_journal(struct job *j, const struct queue_list *list)
{
	j->records = arena_alloc(j->arena, (list->n + 1) * sizeof(*j->records));
	if (j->records == NULL)
		return;
	for (size_t i = 0; i < list->n; i++) {
		struct queue_text t = queue_list_text(list, i);
		char *copy = arena_strndup(j->arena, t.p, t.n);

		if (copy == NULL)
			return;
		j->records[i] = (struct conversation_record){ copy, t.n };
		j->n_records = i + 1;
	}
}

/* Did begin give the job to us, to run it or to end it? */
static bool
is_ours(enum queue_word word)
{
	return word == QUEUE_OK || word == QUEUE_CANCELLED || word == QUEUE_SPENT;
}

/* The part of begin's answer that dies with the reply. */
static void
copy_begin(void *ctx, const struct queue_answer *answer)
{
	struct job *j = ctx;

	if (!is_ours(answer->word))
		return;
	j->n_records = 0;
	copy_journal(j, &answer->begin.journal);
	free(j->evidence);
	j->evidence = answer->begin.evidence.n > 0
	    ? strndup(answer->begin.evidence.p, answer->begin.evidence.n)
	    : NULL;
	if (j->is_id && j->payload == NULL) {
		j->payload_len = answer->begin.payload.n;
		j->payload = malloc(j->payload_len + 1);
		if (j->payload == NULL)
			return;
		memcpy(j->payload, answer->begin.payload.p, j->payload_len);
		j->payload[j->payload_len] = '\0';
	}
}

static int
begin_op(struct job *j, int64_t min_token, struct queue_answer *answer, struct err *err)
{
	struct worker *w = j->worker;
	struct queue_command cmd;
	struct queue_begin b = { .holder = w->role->holder,
		.is_id = j->is_id,
		.element = { j->element, j->element_len },
		.claim = j->claim,
		.digest = queue_text(j->is_id ? "" : j->msg.digest),
		.retry_count = j->msg.retry_count,
		.min_token = min_token };
	int r;

	b.id = j->is_id ? b.element : queue_text(j->msg.job_id);
	queue_cmd_begin(&cmd, &w->setup, &b);
	j->proved_ms = clock_mono_ms();
	FAULT_POINT_OF(BEGIN_SEND, j->msg.job_id);
	r = redis_op(w->redis, &cmd, copy_begin, j, answer, 0, err);
	FAULT_POINT_OF(BEGIN_REPLY, j->msg.job_id);
	return r;
}

/* A wall time of the server as monotonic time of this host; 0: none, or a clock was set. */
static uint64_t
on_own_clock(int64_t then_ms, int64_t now_ms)
{
	uint64_t own = clock_mono_ms();

	if (then_ms <= 0 || then_ms > now_ms || (uint64_t)(now_ms - then_ms) >= own)
		return 0;
	return own - (uint64_t)(now_ms - then_ms);
}

static void
note_begin(struct job *j, const struct queue_answer *a)
{
	struct metrics_page *m = worker_metrics(j->worker);

	j->is_begun = true;
	j->token = a->begin.token;
	j->attempts = a->begin.attempts;
	j->crashes = a->begin.crashes;
	j->suspicions = a->begin.suspicions;
	j->run_ms_before = a->begin.run_ms;
	j->base_token = a->begin.base_token;
	j->is_rerun = a->begin.is_rerun;
	j->has_family = a->begin.has_family;
	j->unanswered = a->begin.unanswered;
	j->asked_before_ms = on_own_clock(a->begin.asked_ms, a->begin.now_ms);
	j->queue_ms = -1;
	j->age_ms = a->begin.now_ms -
	    (j->msg.created_at_ms >= 0 ? j->msg.created_at_ms : a->begin.first_ms);
	if (j->msg.created_at_ms >= 0) {
		int64_t at =
		    a->begin.first_ms > 0 ? a->begin.first_ms : a->begin.now_ms;

		j->queue_ms = at > j->msg.created_at_ms ? at - j->msg.created_at_ms : 0;
		if (a->begin.attempts == 0)
			metric_observe(m, METRIC_QUEUE_SECONDS, 0,
			    (uint64_t)j->queue_ms * 1000);
	}
	metric_add(m, METRIC_JOBS_TAKEN, 0, 1);
}

/* The queue was paused while the job was on its way here. */
static int
hand_back(struct job *j)
{
	claim_set_paused(j->worker->claim, true);
	return claim_hand_back(j->worker, j->element, j->element_len, j->is_id);
}

/* What to do about a begin that did not give the job to us. */
static int
not_ours(struct job *j, enum queue_word word)
{
	struct metrics_page *m = worker_metrics(j->worker);

	switch (word) {
	case QUEUE_DUPLICATE:
	case QUEUE_REPUBLISHED:
		metric_add(m, METRIC_JOBS_DUPLICATE, 0, 1);
		log_debug("job %s: a copy, %s", j->msg.job_id,
		    word == QUEUE_DUPLICATE ? "dropped"
					    : "its result is published again");
		break;
	case QUEUE_CONFLICT:
		log_warning(
		    "job %s: another job of this id with other content was sent; "
		    "it is a dead letter now",
		    j->msg.job_id);
		break;
	case QUEUE_FENCED:
		worker_fenced(j->worker);
		break;
	case QUEUE_PAUSED:
		return hand_back(j);
	default:
		log_debug("an element of the held list is gone; ignoring");
		break;
	}
	return 0;
}

FIBER_APART static int
file_dead_payload(struct job *j, struct err *err)
{
	struct worker *w = j->worker;
	struct queue_command cmd;
	struct queue_answer answer;
	int r;

	queue_cmd_dead_payload(&cmd, &w->setup, w->role->holder,
	    (struct queue_text){ j->element, j->element_len },
	    queue_text(error_type_name(j->fault->type)), queue_text(j->fault->text));
	FAULT_POINT(DEAD_SEND);
	r = redis_op(w->redis, &cmd, NULL, NULL, &answer, 0, err);
	FAULT_POINT(DEAD_REPLY);
	if (r < 0)
		return r;
	if (answer.word == QUEUE_FENCED)
		worker_fenced(w);
	else
		log_warning(
		    "a payload without a readable job_id (%s) is a dead letter now",
		    error_type_name(j->fault->type));
	return 0;
}

/* ---- a result that is stored already ---- */

/* Does this stored failure belong to a run that the present one supersedes? */
static bool
is_superseded(const struct job *j, const struct store_result *row)
{
	return strcmp(row->status, "failed") == 0 &&
	    (row->token <= j->base_token || j->msg.retry_count > row->retry_count);
}

static enum error_type
stored_error(struct job *j, const struct store_result *row)
{
	const struct json *error = NULL, *type;

	if (row->error == NULL ||
	    json_read(j->arena, row->error, strlen(row->error), 0, &error, NULL) < 0 ||
	    (type = json_get_typed(error, "type", JSON_STRING)) == NULL)
		return ERROR_TYPE_NONE;
	return error_type_from_name(type->text, type->len);
}

/*
 * Did the run fail by what its journal holds? To replay that would be to fail again.
 * What failed by something outside goes on from its journal, and pays for no answer
 * twice.
 */
static bool
is_end_of_course(struct job *j, const struct store_result *row)
{
	static const enum error_type courses[] = { ERROR_TYPE_LLM_REFUSED,
		ERROR_TYPE_LLM_LENGTH, ERROR_TYPE_INVALID_STEP, ERROR_TYPE_STEP_LIMIT,
		ERROR_TYPE_FORBIDDEN_ADDRESS, ERROR_TYPE_FORBIDDEN_REFERENCE,
		ERROR_TYPE_SCHEMA_VIOLATION, ERROR_TYPE_PATCH_REJECTED,
		ERROR_TYPE_LOOP_DETECTED, ERROR_TYPE_LIMIT_EXCEEDED,
		ERROR_TYPE_BUDGET_EXCEEDED, ERROR_TYPE_REJECTED, ERROR_TYPE_INTERNAL };
	enum error_type is = stored_error(j, row);

	for (size_t i = 0; i < ARRAY_LEN(courses); i++)
		if (courses[i] == is)
			return true;
	return false;
}

static int
start_over(struct job *j, struct err *err)
{
	struct worker *w = j->worker;
	struct queue_job_ref ref = job_ref(j);
	struct queue_command cmd;
	struct queue_answer answer;
	int r;

	queue_cmd_journal_reset(&cmd, &w->setup, &ref);
	FAULT_POINT_OF(RESET_SEND, j->msg.job_id);
	r = redis_op(w->redis, &cmd, NULL, NULL, &answer, 0, err);
	FAULT_POINT_OF(RESET_REPLY, j->msg.job_id);
	if (r < 0)
		return r;
	if (answer.word == QUEUE_FENCED)
		return -ESTALE;
	j->n_records = 0;
	log_info("job %s: runs again from its beginning", j->msg.job_id);
	return BACK_TO_RUN;
}

/* It has not cost anything yet, and its result could not be stored. */
static int
wait_for_store(struct job *j)
{
	log_info("job %s: the store is away; handed back, due in %d ms", j->msg.job_id,
	    STORE_AWAY_DELAY_MS);
	return job_release(j, STORE_AWAY_DELAY_MS, "the store is away");
}

/*
 * row: what the look-up gave, with status found. 0: published from the row;
 * BACK_TO_RUN: nothing stored that counts. The look-up may be older than begin: a row
 * that came meanwhile is found again when this run's own result is put.
 */
FIBER_APART static int
judge_stored(struct job *j, int found, struct store_result *stored,
    enum queue_word *word, struct err *err)
{
	CLEANUP(store_result_release) struct store_result row = *stored;
	struct queue_answer answer;
	int r = found;

	*stored = (struct store_result)STORE_RESULT_INIT;
	if (r == -EAGAIN) { /* away: now wait for it */
		store_result_release(&row);
		r = store_client_get_by_job(j->worker, j->msg.job_id, 0, &row,
		    clock_mono_ms() + STORE_PATIENCE_MS, err);
	}
	if (r == 0 && !is_superseded(j, &row)) {
		/* found before begin, and perhaps replaced; not from here on */
		store_result_release(&row);
		r = store_client_settle(j->worker, j->msg.job_id, j->token, &row,
		    clock_mono_ms() + STORE_PATIENCE_MS, err);
	}
	if (r == -ENOENT)
		return BACK_TO_RUN;
	if (r == -ETIMEDOUT)
		return wait_for_store(j);
	if (r < 0)
		return r;
	if (!is_superseded(j, &row))
		return *word == QUEUE_SPENT &&
			stored_error(j, &row) == ERROR_TYPE_CRASHED
		    ? job_bury_stored(j, &row)
		    : job_publish_stored(j, &row);
	if (j->token <= row.token) {
		/* written under a token that this Redis no longer knows */
		r = begin_op(j, row.token, &answer, err);
		if (r < 0)
			return r;
		if (!is_ours(answer.word))
			return not_ours(j, answer.word);
		j->token = answer.begin.token;
		*word = answer.word;
	}
	if (j->is_rerun && j->n_records > 0 && is_end_of_course(j, &row))
		return start_over(j, err);
	return BACK_TO_RUN;
}

/* ---- the run ---- */

static uint64_t
time_left_ms(const struct job *j)
{
	int64_t sec = j->msg.timeout_sec, max = j->worker->conf->limits.max_timeout_sec;
	int64_t left = (sec < max ? sec : max) * 1000 - j->run_ms_before;

	return left > 0 ? (uint64_t)left : 0;
}

/* Waiting ends with the first record: from there on the job has cost something. */
static bool
is_too_old(const struct job *j)
{
	int64_t max = j->worker->conf->queue.max_age_sec;

	return max > 0 && j->attempts == 0 && j->n_records == 0 &&
	    j->age_ms > max * 1000;
}

static int
run(struct job *j, struct err *err)
{
	CLEANUP(conversation_result_release) struct conversation_result result;
	int r;

	conversation_result_init(&result);
	if (is_too_old(j))
		return job_fail(j, ERROR_TYPE_TIMEOUT,
		    "waited %lld s in the queue, longer than queue.max_age_sec",
		    (long long)(j->age_ms / 1000));
	/* with a journal the conversation tells what was done, and ends where it would go
	   on */
	if (time_left_ms(j) == 0 && j->n_records == 0)
		return job_fail(j, ERROR_TYPE_TIMEOUT,
		    "timeout_sec (%lld) was used up by earlier attempts",
		    (long long)j->msg.timeout_sec);
	if (j->n_records == 0 && store_client_is_long_away(j->worker))
		return wait_for_store(j);
	j->deadline_ms = j->started_ms + time_left_ms(j);
	show(j, "llm", j->deadline_ms + ENDING_MS);
	r = job_converse(j, &result, err);
	if (j->stop == JOB_STOP_FENCED || r == -ESTALE)
		return -ESTALE;
	if (j->stop == JOB_STOP_RELEASE && !result.is_completed)
		return job_release(j, 0, "released");
	if (r < 0)
		return r;
	slot_row_step(j->worker->role->slots, j->row, "store");
	return result.is_completed ? job_complete(j, &result)
				   : job_fail_with(j, &result);
}

/* What earlier attempts have spent stands in the journal: the conversation reads it and
   stops where it would go on. */
FIBER_APART static int
end_cancelled(struct job *j, struct err *err)
{
	CLEANUP(conversation_result_release) struct conversation_result result;
	int r;

	conversation_result_init(&result);
	if (j->n_records == 0 || j->fault_status < 0)
		return job_fail(j, ERROR_TYPE_CANCELLED, "cancelled before it ran");
	j->deadline_ms = clock_mono_ms() + BEGIN_MS;
	job_stop(j, JOB_STOP_CANCEL);
	r = job_converse(j, &result, err);
	if (j->stop == JOB_STOP_FENCED || r == -ESTALE)
		return -ESTALE;
	if (r < 0)
		return r;
	return result.is_completed ? job_complete(j, &result)
				   : job_fail_with(j, &result);
}

/* begin, and what the store knows of the job, both asked at once. The caller releases
 *stored in any case. */
FIBER_APART static int
begin_and_look(struct job *j, struct queue_answer *answer, int *found,
    struct store_result *stored, struct err *err)
{
	struct store_lookup lookup;
	struct err ignored = ERR_INIT;
	bool can_look = !j->is_id; /* else the id is known only after begin */
	int r;

	*found = -EAGAIN;
	if (can_look)
		store_client_lookup_begin(j->worker, j->msg.job_id, &lookup);
	r = begin_op(j, 0, answer, err);
	if (can_look)
		*found = store_client_lookup_end(&lookup, stored, &ignored);
	FAULT_POINT_OF(LOOKED_UP, j->msg.job_id);
	return r;
}

/* A job that came as its id: what begin brought is its message. */
static int
read_begun(struct job *j)
{
	int r;

	if (j->payload == NULL)
		return -ENOMEM;
	r = read_payload(j, j->payload, j->payload_len);
	if (r == 0 &&
	    j->msg.job_id == NULL) /* not readable any more: its id still is */
		j->msg.job_id = arena_strndup(j->arena, j->element, j->element_len);
	return r == 0 && j->msg.job_id == NULL ? -ENOMEM : r;
}

static int
go(struct job *j, struct err *err)
{
	CLEANUP(store_result_release) struct store_result stored = STORE_RESULT_INIT;
	struct queue_answer answer = { .word = QUEUE_OK };
	int found = 0, r = 0;

	show_element(j);
	if (!j->is_id)
		r = read_payload(j, j->element, j->element_len);
	if (r < 0)
		return r;
	FAULT_POINT_OF(JOB_PARSED, j->msg.job_id);
	if (j->fault_status == -ENOMSG)
		return file_dead_payload(j, err);
	r = begin_and_look(j, &answer, &found, &stored, err);
	if (r < 0)
		return r;
	if (!is_ours(answer.word))
		return not_ours(j, answer.word);
	r = j->is_id ? read_begun(j) : 0;
	if (r < 0)
		return err_set(err, r, "its payload: %s", strerror(-r));
	note_begin(j, &answer);
	show(j, "begin", j->started_ms + BEGIN_MS);
	r = judge_stored(j, found, &stored, &answer.word, err);
	if (r != BACK_TO_RUN)
		return r;
	if (answer.word == QUEUE_CANCELLED || j->is_cancel_told)
		return end_cancelled(j, err);
	if (answer.word == QUEUE_SPENT)
		return job_bury(j);
	if (j->fault_status < 0)
		return job_fail(j, j->fault->type, "%s", j->fault->text);
	return run(j, err);
}

static void
job_end(struct job *j)
{
	struct worker *w = j->worker;

	TAILQ_REMOVE(&w->jobs, j, link);
	w->n_jobs--;
	w->n_probes -= j->is_probe;
	metric_set(worker_metrics(w), METRIC_JOBS_IN_FLIGHT, 0, w->n_jobs);
	w->role->slots->jobs_in_flight = w->n_jobs;
	row_give(w, j->row);
	buffers_hold(j, 0);
	buf_release(&j->trace);
	arena_free(j->arena);
	free(j->evidence);
	free(j->payload);
	free(j->element);
	free(j);
	if (!w->is_fenced)
		claim_wake(w->claim);
}

/* The way ended early: the job goes back, counted when that is its own doing. */
static void
give_back(struct job *j, int why, const struct err *err)
{
	int r;

	if (why == -ESTALE || j->stop == JOB_STOP_FENCED) {
		metric_add(worker_metrics(j->worker), METRIC_JOBS_FENCED, 0, 1);
		return;
	}
	if (!j->is_begun) { /* the held list keeps it, and is looked at again */
		if (j->stop == JOB_RUNS)
			log_warning("job %s could not be begun: %s; it is tried again",
			    j->msg.job_id != NULL ? j->msg.job_id : "?", err_text(err));
		claim_missed(j->worker->claim);
		return;
	}
	r = j->stop == JOB_RUNS || (j->stop == JOB_STOP_CANCEL && why != -ECANCELED)
	    ? job_broke(j, err->code != 0 ? err_text(err) : strerror(-why))
	    : job_release(j, 0, "released");
	if (r < 0 && r != -ESTALE)
		log_error("job %s: it could not be handed back; it stays held for now",
		    j->msg.job_id);
}

static void
job_main(void *ctx)
{
	struct job *j = ctx;
	struct err err = ERR_INIT;
	int r = go(j, &err);

	if (r < 0 || j->stop == JOB_STOP_FENCED)
		give_back(j, r, &err);
	job_end(j);
}

int
job_new(struct worker *w, char *element, size_t n, bool is_id)
{
	struct job *j = calloc(1, sizeof(*j));
	unsigned row = row_take(w);
	const char *due;
	int64_t sec;

	if (j == NULL || row == SLOT_ROWS)
		goto failed;
	*j = (struct job){ .worker = w,
		.row = row,
		.element = element,
		.element_len = n,
		.is_id = is_id,
		.claim = ++w->next_claim,
		.queue_ms = -1,
		.intent = "",
		.started_ms = clock_mono_ms(),
		.arena = arena_new(JOB_ARENA_MAX) };
	j->fiber = j->arena != NULL ? fiber_start(w->fibers, job_main, j) : NULL;
	if (j->fiber == NULL)
		goto failed;
	fiber_set_tag(j->fiber, row + 1);
	TAILQ_INSERT_TAIL(&w->jobs, j, link);
	w->n_jobs++;
	j->is_probe = providers_are_dark(w, &due, &sec);
	w->n_probes += j->is_probe;
	metric_set(worker_metrics(w), METRIC_JOBS_IN_FLIGHT, 0, w->n_jobs);
	w->role->slots->jobs_in_flight = w->n_jobs;
	return 0;
failed:
	if (row != SLOT_ROWS)
		row_give(w, row);
	if (j != NULL)
		arena_free(j->arena);
	free(j);
	free(element);
	return -ENOMEM;
}

void
job_stop(struct job *j, enum job_stop why)
{
	if (j->stop >= why || (why == JOB_STOP_CANCEL && j->is_ending))
		return;
	j->stop = why;
	fiber_interrupt(j->fiber);
}

static bool
is_of(const struct job *j, const char *id, size_t n)
{
	if (j->msg.job_id != NULL)
		return strlen(j->msg.job_id) == n && memcmp(j->msg.job_id, id, n) == 0;
	return j->is_id && j->element_len == n && memcmp(j->element, id, n) == 0;
}

bool
job_cancel(struct worker *w, const char *id, size_t n)
{
	bool is_found = false;
	struct job *j;

	TAILQ_FOREACH (j, &w->jobs, link) {
		if (!is_of(j, id, n))
			continue;
		if (j->is_begun)
			job_stop(j, JOB_STOP_CANCEL);
		else /* begin may have been answered before the cancel */
			j->is_cancel_told = true;
		is_found = true;
	}
	return is_found;
}

void
job_waited(struct worker *w, uint64_t ms)
{
	const struct fiber *self = fiber_self();
	struct job *j;

	TAILQ_FOREACH (j, &w->jobs, link) {
		if (j->fiber != self)
			continue;
		j->started_ms += ms;
		if (j->deadline_ms != 0)
			j->deadline_ms += ms;
		if (j->talk_deadline_ms != NULL)
			*j->talk_deadline_ms += ms;
		return;
	}
}

int
job_prove(struct job *j)
{
	struct worker *w = j->worker;
	uint64_t now = clock_mono_ms();
	struct queue_command cmd;
	struct queue_answer answer;
	struct err e = ERR_INIT;
	int r;

	if (now - j->proved_ms <= (uint64_t)w->setup.lease_sec * 1000 / 2)
		return 0;
	queue_cmd_adopt(&cmd, &w->setup, w->role->holder, 0, 1);
	r = redis_op(w->redis, &cmd, NULL, NULL, &answer, 0, &e);
	if (r < 0)
		return r;
	if (answer.word == QUEUE_FENCED) {
		worker_fenced(w);
		return -ESTALE;
	}
	j->proved_ms = now;
	return 0;
}

void
worker_fenced(struct worker *w)
{
	struct job *j;

	if (w->is_fenced)
		return;
	log_warning(
	    "this worker's holder is fenced; dropping %u jobs, which others have now",
	    w->n_jobs);
	w->is_fenced = true;
	TAILQ_FOREACH (j, &w->jobs, link)
		job_stop(j, JOB_STOP_FENCED);
}
