/* SPDX-License-Identifier: MIT */
/*
 * submit.c - agentctl run, submit and wait: the way of a job as its producer sees it.
 *
 * Owns:   nothing beyond its buffers.
 * Called: by main.c.
 * Fails:  with the job untouched: an interrupt or a lost connection ends the waiting
 * only.
 */
#include "config.h"

#include "common/clock.h"
#include "common/queue/redis_reply.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum {
	FILE_MAX = 16 * 1024 * 1024,
	JOB_ID_BYTES_MAX = 200,
	DEFAULT_TIMEOUT_SEC = 300,
	QUEUE_TIME_SEC = 60, /* run waits that much longer than the job may run */
	TIMEOUT_MOST_SEC = 1000000000
};

/* ---- the job message ---- */

static const struct json *
cstr(struct ctl *ctl, const char *text)
{
	return text != NULL ? json_new_cstr(ctl->arena, text) : NULL;
}

static bool
is_field_given(const struct ctl *ctl, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < ctl->args.n_fields; i++)
		if (strncmp(ctl->args.fields[i], name, n) == 0 &&
		    ctl->args.fields[i][n] == '=')
			return true;
	return false;
}

/* Adds a member unless it has no value or --field gives it. */
static void
add(struct ctl *ctl, struct json_builder *b, const char *name, const struct json *v)
{
	if (v != NULL && !is_field_given(ctl, name))
		json_object_add(b, name, v);
}

/* K=V: JSON when V is that, else text. */
static void
add_field(struct ctl *ctl, struct json_builder *b, const char *field)
{
	const char *equals = strchr(field, '=');
	const struct json *v = NULL;

	if (json_read(ctl->arena, equals + 1, strlen(equals + 1), 0, &v, NULL) < 0)
		v = json_new_cstr(ctl->arena, equals + 1);
	json_object_add_n(b, field, (size_t)(equals - field), v);
}

/* The JSON object in the file that the option names; *out stays NULL without one. */
static int
read_object(struct ctl *ctl, enum ctl_option_id id, const struct json **out)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	const char *path = ctl_option(ctl, id), *copy;

	if (path == NULL)
		return CTL_OK;
	if (ctl_read_file(path, FILE_MAX, &text, &err) < 0)
		return ctl_fail(CTL_USAGE, "%s", err_text(&err));
	copy = arena_strndup(ctl->arena, buf_str(&text), text.len);
	if (copy == NULL)
		return ctl_fail(CTL_FAILED, "no memory");
	if (json_read(ctl->arena, copy, text.len, 0, out, &err) < 0)
		return ctl_fail(CTL_USAGE, "%s: %s", path, err_text(&err));
	if (!json_is(*out, JSON_OBJECT))
		return ctl_fail(CTL_USAGE, "%s: not a JSON object", path);
	return CTL_OK;
}

static const struct json *
session_context(struct ctl *ctl)
{
	const char *session = ctl_option(ctl, OPT_SESSION);
	struct json_builder *b;

	if (session == NULL)
		return NULL;
	b = json_object_begin(ctl->arena);
	json_object_add(b, "session_id", cstr(ctl, session));
	return json_end(b);
}

static int
write_message(struct ctl *ctl, const char *job_id, const char *prompt, size_t n,
    struct buf *out)
{
	const struct json *schema = NULL, *workflow = NULL, *message;
	struct json_builder *b = json_object_begin(ctl->arena);
	char now[CLOCK_ISO_MAX];
	int r = read_object(ctl, OPT_OUTPUT_SCHEMA, &schema);

	if (r == CTL_OK)
		r = read_object(ctl, OPT_WORKFLOW, &workflow);
	if (r != CTL_OK)
		return r;
	add(ctl, b, "version", cstr(ctl, "1.0"));
	json_object_add(b, "job_id", cstr(ctl, job_id));
	add(ctl, b, "prompt", json_new_string(ctl->arena, prompt, n));
	add(ctl, b, "agent", cstr(ctl, ctl_option(ctl, OPT_AGENT)));
	add(ctl, b, "workflow_owner", cstr(ctl, ctl_option(ctl, OPT_OWNER)));
	add(ctl, b, "context", session_context(ctl));
	if (ctl_has(ctl, OPT_TIMEOUT))
		add(ctl, b, "timeout_sec",
		    json_new_int(ctl->arena,
			ctl_args_seconds(&ctl->args, OPT_TIMEOUT, 0)));
	add(ctl, b, "output_schema", schema);
	add(ctl, b, "current_workflow", workflow);
	add(ctl, b, "created_at", cstr(ctl, clock_iso(clock_wall_ms(), now)));
	for (size_t i = 0; i < ctl->args.n_fields; i++)
		add_field(ctl, b, ctl->args.fields[i]);
	message = json_end(b);
	if (message == NULL)
		return ctl_fail(CTL_FAILED, "no memory");
	json_write(out, message, JSON_COMPACT);
	return buf_status(out) < 0 ? ctl_fail(CTL_FAILED, "no memory") : CTL_OK;
}

/* ---- submitting ---- */

struct job {
	char id[JOB_ID_BYTES_MAX + 1];
};

static bool
is_job_id(const char *id)
{
	size_t n = strlen(id);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)id[i] < 0x20 || id[i] == 0x7f)
			return false;
	return n > 0 && n <= JOB_ID_BYTES_MAX;
}

static int
choose_id(struct ctl *ctl, struct job *job)
{
	const char *id = ctl_option(ctl, OPT_JOB_ID);
	char uuid[STORE_ID_MAX];

	if (is_field_given(ctl, "job_id"))
		return ctl_fail(CTL_USAGE, "give the job's id with --job-id");
	if (id != NULL && !is_job_id(id))
		return ctl_fail(CTL_USAGE,
		    "a job id has 1 to %d bytes and no control characters",
		    JOB_ID_BYTES_MAX);
	if (id == NULL && store_new_id(uuid) < 0)
		return ctl_fail(CTL_FAILED, "no random numbers for a job id");
	(void)snprintf(job->id, sizeof(job->id), "%s", id != NULL ? id : uuid);
	return CTL_OK;
}

static int
push(struct ctl *ctl, const struct buf *message)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct err err = ERR_INIT;
	const char *argv[] = { "RPUSH", ctl->queue.jobs, buf_str(message) };
	const size_t argvlen[] = { strlen("RPUSH"), strlen(ctl->queue.jobs),
		message->len };
	int r = redis_sync_command(ctl->redis, 3, argv, argvlen, &reply, &err);

	return r < 0 ? ctl_fail_code(r, &err) : CTL_OK;
}

static int
submit(struct ctl *ctl, struct job *job)
{
	CLEANUP_BUF struct buf prompt = BUF_INIT;
	CLEANUP_BUF struct buf message = BUF_INIT;
	int r = ctl_need_redis(ctl);

	if (r == CTL_OK)
		r = ctl_read_text(ctl, ctl->args.words[0], &prompt);
	if (r == CTL_OK)
		r = choose_id(ctl, job);
	if (r == CTL_OK)
		r = write_message(ctl, job->id, buf_str(&prompt), prompt.len, &message);
	if (r != CTL_OK)
		return r;
	if ((int64_t)message.len > ctl->conf->queue.max_payload_bytes)
		return ctl_fail(CTL_USAGE,
		    "the job message has %zu bytes, more than %lld "
		    "(queue.max_payload_bytes)",
		    message.len, (long long)ctl->conf->queue.max_payload_bytes);
	return push(ctl, &message);
}

int
ctl_submit(struct ctl *ctl)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct json_writer w;
	struct job job;
	int r = submit(ctl, &job);

	if (r != CTL_OK)
		return r;
	if (!ctl->is_json) {
		buf_addf(&out, "%s\n", job.id);
		return ctl_put(&out);
	}
	jw_init(&w, &out);
	jw_object_begin(&w);
	jw_key(&w, "job_id");
	jw_cstr(&w, job.id);
	jw_object_end(&w);
	buf_addc(&out, '\n');
	return ctl_put(&out);
}

/* ---- waiting ---- */

/*
 * Waits a second on the result list. With takes the message leaves the list; else the
 * list is turned round, which for its one element changes nothing.
 */
static int
wait_on_list(struct ctl *ctl, const char *id, bool takes, struct buf *message,
    struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	CLEANUP_BUF struct buf key = BUF_INIT;
	struct queue_text text;
	int r;

	queue_key_result(&key, &ctl->queue, id, strlen(id));
	if (takes)
		r = redis_sync_call(ctl->redis, &reply, err, "BLPOP", buf_str(&key),
		    "1", NULL);
	else
		r = redis_sync_call(ctl->redis, &reply, err, "BLMOVE", buf_str(&key),
		    buf_str(&key), "LEFT", "LEFT", "1", NULL);
	if (r < 0)
		return r;
	if (redis_reply_is_nil(reply))
		return 0;
	if (takes) {
		struct queue_list list = redis_reply_list(reply);

		text = queue_list_text(&list, 1);
	} else {
		text = redis_reply_text(reply);
	}
	buf_add(message, text.p, text.n);
	return 1;
}

/* The message that a finished job keeps in its hash, when others took it from the list.
 */
static int
read_kept_message(struct ctl *ctl, const char *id, struct buf *message, struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	CLEANUP_BUF struct buf key = BUF_INIT;
	struct queue_text text;
	int r;

	queue_key_job(&key, id, strlen(id));
	r = redis_sync_call(ctl->redis, &reply, err, "HGET", buf_str(&key), "message",
	    NULL);
	if (r < 0)
		return r;
	text = redis_reply_text(reply);
	buf_add(message, text.p, text.n);
	return text.n > 0;
}

static const char *
field_of(const struct queue_list *fields, const char *name, struct buf *out)
{
	buf_clear(out);
	for (size_t i = 0; i + 1 < fields->n; i += 2) {
		struct queue_text key = queue_list_text(fields, i);
		struct queue_text value = queue_list_text(fields, i + 1);

		if (key.n == strlen(name) && memcmp(key.p, name, key.n) == 0)
			buf_add(out, value.p, value.n);
	}
	return buf_str(out);
}

static bool
is_terminal_state(const char *state)
{
	return strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 ||
	    strcmp(state, "dead") == 0;
}

/* Where the job is, into state ("" when Redis has no trace of it). */
static int
read_state(struct ctl *ctl, const char *id, struct buf *state, struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct queue_answer answer;
	struct queue_command c;
	int r;

	queue_cmd_job_show(&c, &ctl->queue, queue_text(id));
	r = queue_run(ctl->redis, &c, &reply, &answer, err);
	if (r == 0)
		(void)field_of(&answer.job.fields, "state", state);
	return r;
}

/* After Redis has forgotten the job the store may still know it. */
static int
read_stored_message(struct ctl *ctl, const char *id, struct buf *message)
{
	struct store_result result = STORE_RESULT_INIT;

	if (ctl_need_store(ctl) != CTL_OK ||
	    store_get_by_job(ctl->store, id, 0, &result, NULL) < 0)
		return 0;
	buf_add(message, result.message, result.message_len);
	store_result_release(&result);
	return 1;
}

/* Looks at the job itself. 1 with its message, 0 when it has not ended. */
static int
look(struct ctl *ctl, const char *id, struct buf *message, struct buf *state,
    struct err *err)
{
	int r = read_state(ctl, id, state, err);

	if (r < 0 || !is_terminal_state(buf_str(state)))
		return r;
	r = read_kept_message(ctl, id, message, err);
	return r != 0 ? r : read_stored_message(ctl, id, message);
}

static void
show_wait(struct ctl *ctl, const char *id, const char *state, uint64_t since_ms)
{
	CLEANUP_BUF struct buf line = BUF_INIT;
	char duration[32];

	buf_addf(&line, "job %s: %s, %s", id, state[0] != '\0' ? state : "queued",
	    ctl_duration((int64_t)(clock_mono_ms() - since_ms), duration));
	progress_show(ctl, buf_str(&line));
}

/* One turn of waiting: 1 with the message, 0 not yet, or a negative errno. */
static int
wait_turn(struct ctl *ctl, const char *id, bool takes, struct buf *message,
    struct buf *state, struct err *err)
{
	int r = wait_on_list(ctl, id, takes, message, err);

	if (r != 0)
		return r;
	return look(ctl, id, message, state, err);
}

/*
 * Waits for the job's message at most wait_sec (0: without bound). Redis going away for
 * a while is waited out like everything else.
 */
static int
wait_message(struct ctl *ctl, const char *id, int64_t wait_sec, bool takes,
    struct buf *message)
{
	CLEANUP_BUF struct buf state = BUF_INIT;
	CLEANUP_BUF struct buf farewell = BUF_INIT;
	uint64_t start_ms = clock_mono_ms();
	struct err err = ERR_INIT;
	bool has_warned = false;
	int r;

	buf_addf(&farewell, "agentctl: job %s goes on; its result: agentctl wait %s\n",
	    id, id);
	progress_on_interrupt(buf_str(&farewell));
	for (;;) {
		r = wait_turn(ctl, id, takes, message, &state, &err);
		if (r > 0 || (r < 0 && r != -EAGAIN))
			break;
		if (r == -EAGAIN && !has_warned) {
			ctl_warn("%s; still waiting", err_text(&err));
			has_warned = true;
		}
		if (r == -EAGAIN)
			(void)nanosleep(&(struct timespec){ .tv_nsec = 500000000 },
			    NULL);
		else
			has_warned = false;
		if (wait_sec > 0 &&
		    clock_mono_ms() - start_ms >= (uint64_t)wait_sec * 1000)
			break;
		show_wait(ctl, id, buf_str(&state), start_ms);
	}
	progress_end(ctl);
	progress_on_interrupt(NULL);
	if (r > 0)
		return CTL_OK;
	if (r < 0 && r != -EAGAIN)
		return ctl_fail_code(r, &err);
	return ctl_fail(CTL_TIMEOUT,
	    "no result after %lld s; job %s goes on; its result: "
	    "agentctl wait %s",
	    (long long)wait_sec, id, id);
}

int
ctl_run(struct ctl *ctl)
{
	CLEANUP_BUF struct buf message = BUF_INIT;
	int64_t timeout =
	    ctl_args_seconds(&ctl->args, OPT_TIMEOUT, DEFAULT_TIMEOUT_SEC);
	int64_t wait = ctl_args_seconds(&ctl->args, OPT_WAIT, timeout + QUEUE_TIME_SEC);
	struct job job;
	int r = submit(ctl, &job);

	if (r == CTL_OK)
		r = wait_message(ctl, job.id, wait, true, &message);
	if (r != CTL_OK)
		return r;
	return ctl_show_message(ctl, buf_str(&message), message.len);
}

int
ctl_wait(struct ctl *ctl)
{
	CLEANUP_BUF struct buf message = BUF_INIT;
	CLEANUP_BUF struct buf state = BUF_INIT;
	const char *id = ctl->args.words[0];
	struct err err = ERR_INIT;
	int r = ctl_need_redis(ctl);

	if (r != CTL_OK)
		return r;
	r = look(ctl, id, &message, &state, &err);
	if (r == 0 && state.len == 0)
		r = read_stored_message(ctl, id, &message);
	if (r < 0 && r != -EAGAIN)
		return ctl_fail_code(r, &err);
	if (r <= 0) {
		r = wait_message(ctl, id, ctl_args_seconds(&ctl->args, OPT_TIMEOUT, 0),
		    false, &message);
		if (r != CTL_OK)
			return r;
	}
	return ctl_show_message(ctl, buf_str(&message), message.len);
}
