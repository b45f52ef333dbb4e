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
#include "common/queue/queue_client.h"
#include "common/queue/queue_stats.h"
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
	TURN_MS = 1000,
	IDLE_TURNS = 3 /* then it is told when nobody takes jobs */
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
submit(struct ctl *ctl, struct job *job)
{
	CLEANUP_BUF struct buf prompt = BUF_INIT;
	CLEANUP_BUF struct buf message = BUF_INIT;
	struct err err = ERR_INIT;
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
	r = queue_submit(ctl->redis, &ctl->queue,
	    (struct queue_text){ buf_str(&message), message.len }, &err);
	return r < 0 ? ctl_fail_code(r, &err) : CTL_OK;
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

/* The message that an ended job keeps in its hash, when others took it from the
   list. */
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

/* After Redis has forgotten the job the store may still know it. */
static int
read_stored_message(struct ctl *ctl, const char *id, struct buf *message)
{
	struct store_result result = STORE_RESULT_INIT;

	if (ctl_open_store(ctl, NULL) != CTL_OK ||
	    store_get_by_job(ctl->store, id, 0, &result, NULL) < 0)
		return 0;
	buf_add(message, result.message, result.message_len);
	store_result_release(&result);
	return 1;
}

struct place {
	char state[16]; /* "" while the queue has not seen the job */
	bool is_known;
};

/* Looks at the job itself. 1 with its message, 0 when it has not ended. */
static int
look(struct ctl *ctl, const char *id, struct buf *message, struct place *place,
    struct err *err)
{
	CLEANUP(queue_job_release) struct queue_job job = { .state = "" };
	int r = queue_job_read(ctl->redis, &ctl->queue, queue_text(id), &job, err);

	place->is_known = r == 0;
	(void)snprintf(place->state, sizeof(place->state), "%s", job.state);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (strcmp(job.state, "done") != 0 && strcmp(job.state, "failed") != 0 &&
	    strcmp(job.state, "dead") != 0)
		return 0;
	r = read_kept_message(ctl, id, message, err);
	return r != 0 ? r : read_stored_message(ctl, id, message);
}

static void
show_wait(struct ctl *ctl, const char *id, const struct place *place, uint64_t since_ms)
{
	CLEANUP_BUF struct buf line = BUF_INIT;
	char duration[32];

	buf_addf(&line, "job %s: %s, %s", id,
	    place->state[0] != '\0' ? place->state : "queued",
	    ctl_duration((int64_t)(clock_mono_ms() - since_ms), duration));
	progress_show(ctl, buf_str(&line));
}

/* A second of waiting: 1 with the message, 0 not yet, or a negative errno. */
static int
wait_turn(struct ctl *ctl, const char *id, enum queue_wait_mode mode,
    struct buf *message, struct place *place, struct err *err)
{
	int r = queue_wait_result(ctl->redis, &ctl->queue, queue_text(id), mode,
	    TURN_MS, NULL, NULL, message, err);

	if (r == 0)
		return 1;
	return r == -ETIMEDOUT ? look(ctl, id, message, place, err) : r;
}

/* Redis going away for a while is told once, and waited out like everything else. */
static int
wait_out(const struct err *err, bool *has_warned)
{
	if (!*has_warned)
		ctl_warn("%s; still waiting", err_text(err));
	*has_warned = true;
	(void)nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
	return 0;
}

/* A job that nobody takes would be waited for in vain without a word. */
static void
warn_of_idleness(struct ctl *ctl, const struct place *place)
{
	struct queue_stats stats = { .holders = 0 };

	if (place->is_known ||
	    queue_stats_read(ctl->redis, &ctl->queue, &stats, NULL) < 0)
		return;
	if (stats.holders == 0)
		ctl_warn(
		    "no worker is connected to this queue; is agent-runnerd running?");
	else if (stats.queued > 1)
		ctl_warn("%lld jobs wait in the queue", (long long)stats.queued);
}

/* Until the message is there (1), the time is over (0), or an error. */
static int
wait_turns(struct ctl *ctl, const char *id, int64_t wait_sec, enum queue_wait_mode mode,
    struct buf *message, struct err *err)
{
	struct place place = { .state = "" };
	uint64_t start_ms = clock_mono_ms();
	bool has_warned = false;
	unsigned turns = 0;
	int r;

	do {
		r = wait_turn(ctl, id, mode, message, &place, err);
		if (r == -EAGAIN)
			r = wait_out(err, &has_warned);
		else
			has_warned = false;
		if (r == 0 && ++turns == IDLE_TURNS)
			warn_of_idleness(ctl, &place);
		if (r == 0)
			show_wait(ctl, id, &place, start_ms);
	} while (r == 0 &&
	    (wait_sec == 0 || clock_mono_ms() - start_ms < (uint64_t)wait_sec * 1000));
	progress_end(ctl);
	return r;
}

/* Waits for the job's message at most wait_sec (0: without bound). */
static int
wait_message(struct ctl *ctl, const char *id, int64_t wait_sec,
    enum queue_wait_mode mode, struct buf *message)
{
	CLEANUP_BUF struct buf farewell = BUF_INIT;
	struct err err = ERR_INIT;
	int r;

	buf_addf(&farewell, "agentctl: job %s goes on; its result: agentctl wait %s\n",
	    id, id);
	progress_on_interrupt(buf_str(&farewell));
	r = wait_turns(ctl, id, wait_sec, mode, message, &err);
	progress_on_interrupt(NULL);
	if (r > 0)
		return CTL_OK;
	if (r < 0)
		return ctl_fail_code(r, &err);
	return ctl_fail(CTL_TIMEOUT,
	    "no result after %lld s; job %s goes on; its result: agentctl wait %s",
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
		r = wait_message(ctl, job.id, wait, QUEUE_WAIT_POP, &message);
	if (r != CTL_OK)
		return r;
	return ctl_show_message(ctl, buf_str(&message), message.len);
}

int
ctl_wait(struct ctl *ctl)
{
	CLEANUP_BUF struct buf message = BUF_INIT;
	struct place place = { .state = "" };
	const char *id = ctl->args.words[0];
	int64_t wait_sec = ctl_args_seconds(&ctl->args, OPT_TIMEOUT, 0);
	struct err err = ERR_INIT;
	int r = ctl_need_redis(ctl);

	if (r != CTL_OK)
		return r;
	r = look(ctl, id, &message, &place, &err);
	if (r == 0 && !place.is_known)
		r = read_stored_message(ctl, id, &message);
	if (r < 0 && r != -EAGAIN)
		return ctl_fail_code(r, &err);
	if (r <= 0) {
		r = wait_message(ctl, id, wait_sec, QUEUE_WAIT_PEEK, &message);
		if (r != CTL_OK)
			return r;
	}
	return ctl_show_message(ctl, buf_str(&message), message.len);
}
