/* SPDX-License-Identifier: MIT */
/*
 * result.c - agentctl result, and how a result is shown after run and wait.
 *
 * Owns:   nothing; values live in the arena of the run.
 * Called: by main.c and submit.c.
 * Fails:  a value that cannot be read is told and replaced by the message's preview.
 */
#include "config.h"

#include "ctl/ctl.h"
#include "ctl/width.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum {
	SHOW_MAX = 64 * 1024 * 1024,
	RESULT_DEPTH_MAX = 512
};

/* ---- values ---- */

void
ctl_result_ref(const struct store_result *r, char out[STORE_REF_MAX])
{
	if (r->cas_id != NULL)
		(void)snprintf(out, STORE_REF_MAX, "cas://%.80s", r->cas_id);
	else
		(void)snprintf(out, STORE_REF_MAX, "artifact://%s", r->result_id);
}

/* The bytes of the value in the arena, wherever the store gave them. */
static int
copy_data(struct ctl *ctl, const struct store_result *r, char **out)
{
	char *bytes = arena_alloc(ctl->arena, r->data_len + 1);
	size_t done = 0;

	if (bytes == NULL)
		return -ENOMEM;
	if (r->data != NULL)
		memcpy(bytes, r->data, r->data_len);
	while (r->data == NULL && done < r->data_len) {
		ssize_t n =
		    pread(r->data_fd, bytes + done, r->data_len - done, (off_t)done);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO;
		done += n > 0 ? (size_t)n : 0;
	}
	bytes[r->data_len] = '\0';
	*out = bytes;
	return 0;
}

int
ctl_result_value(struct ctl *ctl, const struct store_result *r, const struct json **out,
    struct err *err)
{
	char *bytes = NULL;
	int code;

	if (r->data == NULL && r->data_fd < 0)
		return err_set(err, -ENODATA, "the job has no value: it %s", r->status);
	if (r->data_len > SHOW_MAX)
		return err_set(err, -EFBIG,
		    "the value has %zu bytes; write it to a file with "
		    "agentctl result --output FILE",
		    r->data_len);
	code = copy_data(ctl, r, &bytes);
	if (code < 0)
		return err_set(err, code, "cannot read the value: %s", strerror(-code));
	return json_read(ctl->arena, bytes, r->data_len, RESULT_DEPTH_MAX, out, err);
}

/* ---- messages ---- */

static void
note_text(struct buf *out, const char *before, const struct json *text)
{
	if (!json_is(text, JSON_STRING) || text->len == 0)
		return;
	buf_adds(out, before);
	text_put_safe(out, text->text, text->len);
}

/* artifact://...  1234 tokens  $0.0012  850 ms  2 turns  gpt-4o */
static void
note_figures(struct buf *out, const struct json *message)
{
	const struct json *meta = json_get(message, "metadata");
	int64_t number;
	double cost;
	char duration[32];

	if (json_int64(json_get(meta, "tokens_used"), &number) == 0)
		buf_addf(out, "  %lld tokens", (long long)number);
	if (json_double(json_get(meta, "cost_usd"), &cost) == 0)
		buf_addf(out, "  $%.4f", cost);
	if (json_int64(json_get(meta, "execution_time_ms"), &number) == 0)
		buf_addf(out, "  %s", ctl_duration(number, duration));
	if (json_int64(json_get(meta, "turns"), &number) == 0)
		buf_addf(out, "  %lld turn%s", (long long)number,
		    number == 1 ? "" : "s");
	note_text(out, "  ", json_get(meta, "llm_model"));
	note_text(out, "  limit: ", json_get(meta, "limit_hit"));
}

static void
tell_success(const struct json *message)
{
	CLEANUP_BUF struct buf note = BUF_INIT;
	const struct json *text = json_path(message, "metadata.message", 16);

	if (json_is(text, JSON_STRING) && text->len > 0) {
		text_put_safe(&note, text->text, text->len);
		buf_addc(&note, '\n');
	}
	note_text(&note, "", json_get(message, "result_ref"));
	note_figures(&note, message);
	(void)fprintf(stderr, "%s\n", buf_str(&note));
}

static void
tell_failure(const struct json *message)
{
	CLEANUP_BUF struct buf note = BUF_INIT;
	const struct json *error = json_get(message, "error");
	const struct json *hints = json_get_typed(error, "suggestions", JSON_ARRAY);

	note_text(&note, "job ", json_get(message, "job_id"));
	note_text(&note, " failed: ", json_get(error, "type"));
	note_text(&note, ": ", json_get(error, "message"));
	note_text(&note, "\n  tool: ", json_get(error, "tool"));
	if (json_is(json_get(error, "step"), JSON_NUMBER))
		buf_addf(&note, "\n  step: %.*s", (int)json_get(error, "step")->len,
		    json_get(error, "step")->text);
	note_text(&note, "\n  step: ", json_get(error, "step"));
	for (uint32_t i = 0; hints != NULL && i < hints->len; i++)
		note_text(&note, "\n  hint: ", &hints->items[i]);
	buf_addc(&note, '\n');
	note_text(&note, "", json_get(message, "job_id"));
	note_figures(&note, message);
	(void)fprintf(stderr, "agentctl: %s\n", buf_str(&note));
}

/* The value that the message refers to; NULL after a warning when it cannot be had. */
static const struct json *
fetch_value(struct ctl *ctl, const struct json *message)
{
	CLEANUP(store_result_release) struct store_result result = STORE_RESULT_INIT;
	const char *job_id = json_cstr(ctl->arena, json_get(message, "job_id"));
	const struct json *v = NULL;
	struct err err = ERR_INIT;
	int r;

	if (job_id == NULL)
		return NULL;
	r = ctl_open_store(ctl, &err) == CTL_OK ? 0 : -EIO;
	if (r == 0)
		r = store_get_by_job(ctl->store, job_id, SHOW_MAX, &result, &err);
	if (r == 0)
		r = ctl_result_value(ctl, &result, &v, &err);
	if (r < 0) {
		ctl_warn("cannot show the whole result: %s", err_text(&err));
		return NULL;
	}
	return v;
}

/* The message as it was published, with the value as one more member. */
static void
write_message_with(struct buf *out, const struct json *message,
    const struct json *value)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object_begin(&w);
	for (uint32_t i = 0; i < message->len; i++) {
		jw_key_n(&w, message->members[i].name, message->members[i].name_len);
		jw_value(&w, &message->members[i].value);
	}
	if (value != NULL) {
		jw_key(&w, "data");
		jw_value(&w, value);
	}
	jw_object_end(&w);
	buf_addc(out, '\n');
}

int
ctl_show_message(struct ctl *ctl, const char *text, size_t n)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const struct json *message = NULL, *value = NULL;
	struct err err = ERR_INIT;
	bool is_completed;
	int r = json_read(ctl->arena, text, n, RESULT_DEPTH_MAX, &message, &err);

	if (r < 0 || !json_is(message, JSON_OBJECT))
		return ctl_fail(CTL_FAILED, "the result message is not a JSON object");
	is_completed = json_eq_str(json_get(message, "status"), "completed");
	if (is_completed)
		value = fetch_value(ctl, message);
	if (ctl->is_json)
		write_message_with(&out, message, value);
	else if (is_completed)
		ctl_show_value(ctl, &out,
		    value != NULL ? value : json_get(message, "result_preview"));
	r = ctl_put(&out);
	if (!ctl->is_json && is_completed)
		tell_success(message);
	else if (!ctl->is_json)
		tell_failure(message);
	if (r != CTL_OK || (is_completed && value != NULL))
		return r;
	return is_completed ? CTL_UNAVAILABLE : CTL_FAILED;
}

/* ---- result ---- */

static int
write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			bytes += done;
			n -= (size_t)done;
		}
	}
	return 0;
}

/* Streams the value; nothing is held in memory that the store has not put there. */
static int
copy_to(int fd, const struct store_result *r)
{
	char chunk[65536];
	size_t done = 0;
	int code = r->data != NULL ? write_all(fd, r->data, r->data_len) : 0;

	while (code == 0 && r->data == NULL && done < r->data_len) {
		ssize_t n = pread(r->data_fd, chunk, sizeof(chunk), (off_t)done);

		if (n == 0)
			return -EIO;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			done += (size_t)n;
			code = write_all(fd, chunk, (size_t)n);
		}
	}
	return code;
}

/* Beside the target and then in its place, so that no half file is ever seen. */
static int
write_file(const char *path, const struct store_result *r, struct err *err)
{
	CLEANUP_BUF struct buf temporary = BUF_INIT;
	int fd, code;

	buf_addf(&temporary, "%s.%ld.tmp", path, (long)getpid());
	fd = open(buf_str(&temporary), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", buf_str(&temporary),
		    strerror(errno));
	code = copy_to(fd, r);
	if (close(fd) < 0 && code == 0)
		code = -errno;
	if (code == 0 && rename(buf_str(&temporary), path) < 0)
		code = -errno;
	if (code < 0)
		(void)unlink(buf_str(&temporary));
	return code < 0 ? err_set(err, code, "%s: %s", path, strerror(-code)) : 0;
}

static int
put_raw(struct ctl *ctl, const struct store_result *r)
{
	const char *path = ctl_option(ctl, OPT_OUTPUT);
	struct err err = ERR_INIT;
	int code;

	if (r->data == NULL && r->data_fd < 0)
		return ctl_fail(CTL_FAILED, "the job has no value: it %s", r->status);
	if (path != NULL && strcmp(path, "-") != 0) {
		if (write_file(path, r, &err) < 0)
			return ctl_fail(CTL_FAILED, "%s", err_text(&err));
		return CTL_OK;
	}
	code = copy_to(STDOUT_FILENO, r);
	if (code == -EPIPE)
		return CTL_FAILED;
	if (code < 0)
		return ctl_fail(CTL_FAILED, "standard output: %s", strerror(-code));
	return CTL_OK;
}

static int
get_result(struct ctl *ctl, const char *name, uint64_t max, struct store_result *r)
{
	struct err err = ERR_INIT;
	bool is_ref =
	    strncmp(name, "artifact://", 11) == 0 || strncmp(name, "cas://", 6) == 0;
	int code = is_ref ? store_get_by_ref(ctl->store, name, NULL, max, r, &err)
			  : store_get_by_job(ctl->store, name, max, r, &err);

	if (code == -ENOENT)
		return ctl_fail(CTL_NOT_FOUND, "the store has no result %s", name);
	return code < 0 ? ctl_fail_code(code, &err) : CTL_OK;
}

int
ctl_result(struct ctl *ctl)
{
	CLEANUP(store_result_release) struct store_result r = STORE_RESULT_INIT;
	bool is_raw = ctl_has(ctl, OPT_RAW) || ctl_has(ctl, OPT_OUTPUT);
	int status = ctl_need_store(ctl);

	if (status == CTL_OK)
		status = get_result(ctl, ctl->args.words[0],
		    is_raw ? (uint64_t)INT64_MAX : 0, &r);
	if (status != CTL_OK)
		return status;
	if (is_raw)
		return put_raw(ctl, &r);
	return ctl_show_message(ctl, r.message, r.message_len);
}
