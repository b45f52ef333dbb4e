/* SPDX-License-Identifier: MIT */
/*
 * pipeline.c - agentctl pipeline: runs one pipeline here, without queue and model.
 *
 * Owns:   the fetch and the compute process, each started when a step first needs it.
 * Called: by main.c.
 * Fails:  a failed step is told with reason and hint and makes the status CTL_FAILED.
 */
#include "config.h"

#include "worker/pipeline/pipeline.h"

#include "common/clock.h"
#include "common/store/digest.h"
#include "ctl/ctl.h"
#include "ctl/helper.h"
#include "ctl/table.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

enum {
	PIPELINE_MAX = 4 * 1024 * 1024,
	DATA_DEPTH_MAX = 512
};

struct local {
	struct ctl *ctl;
	struct helper fetch, compute;
};

/* ---- the pipeline's surroundings ---- */

static int
call(void *ctx, enum pipeline_peer peer, const struct lane_part *parts, size_t n_parts,
    uint16_t cancel_op, uint64_t due_ms, struct lane_reply *out, struct err *err)
{
	struct local *l = ctx;
	struct helper *h = peer == PIPELINE_FETCH ? &l->fetch : &l->compute;
	int r;

	progress_show(l->ctl, peer == PIPELINE_FETCH ? "fetching" : "computing");
	r = helper_start(h, l->ctl->conf, err);
	if (r == -ECONNRESET)
		r = -EIO; /* it could not start: another try would not help */
	if (r == 0)
		r = helper_call(h, parts, n_parts, cancel_op, due_ms, out, err);
	if (r == -ECONNRESET)
		helper_release(h); /* the next call starts another */
	return r;
}

/* The operator may read every owner's results. */
static int
resolve(void *ctx, const char *ref, struct pipeline_data *out, struct err *err)
{
	struct local *l = ctx;
	CLEANUP(store_result_release) struct store_result row = STORE_RESULT_INIT;
	int r;

	if (ctl_need_store(l->ctl) != CTL_OK)
		return err_set(err, -EIO, "the store cannot be opened");
	r = store_get_by_ref(l->ctl->store, ref, NULL, (uint64_t)INT64_MAX, &row, err);
	if (r == -EINVAL)
		return err_set(err, -ENOENT, "not a reference");
	if (r < 0)
		return r;
	if (row.data == NULL && row.data_fd < 0)
		return err_set(err, -ENOENT, "the result has no data");
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

/* ---- what goes in ---- */

/* A list of steps becomes the arguments of execute_pipeline. */
static int
read_arguments(struct ctl *ctl, const struct json **out)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	const char *path = ctl->args.words[0], *copy;
	const struct json *v = NULL;
	struct json_builder *b;
	struct err err = ERR_INIT;

	if (ctl_read_file(path, PIPELINE_MAX, &text, &err) < 0)
		return ctl_fail(CTL_USAGE, "%s", err_text(&err));
	copy = arena_strndup(ctl->arena, buf_str(&text), text.len);
	if (copy == NULL)
		return ctl_fail(CTL_FAILED, "no memory");
	if (json_read(ctl->arena, copy, text.len, 0, &v, &err) < 0)
		return ctl_fail(CTL_USAGE, "%s: %s", path, err_text(&err));
	if (v->type == JSON_ARRAY) {
		b = json_object_begin(ctl->arena);
		json_object_add(b, "pipeline", v);
		v = json_end(b);
	}
	*out = v;
	return v != NULL ? CTL_OK : ctl_fail(CTL_FAILED, "no memory");
}

static const struct {
	const char *ending;
	const char *format;
} formats[] = {
	{ ".csv", "csv" },
	{ ".ndjson", "ndjson" },
	{ ".jsonl", "ndjson" },
	{ ".json", "json" },
};

static const char *
format_of(const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		size_t len = strlen(formats[i].ending);

		if (n > len && strcasecmp(path + n - len, formats[i].ending) == 0)
			return formats[i].format;
	}
	return "auto";
}

static int
read_input(struct ctl *ctl, struct pipeline_data *input)
{
	CLEANUP_BUF struct buf bytes = BUF_INIT;
	const char *path = ctl_option(ctl, OPT_INPUT);
	struct err err = ERR_INIT;
	size_t n = 0;

	if (strcmp(path, "-") == 0 && strcmp(ctl->args.words[0], "-") == 0)
		return ctl_fail(CTL_USAGE, "only one of the two can be standard input");
	if (ctl_read_file(path, (size_t)ctl->conf->network.max_body_bytes, &bytes,
		&err) < 0)
		return ctl_fail(CTL_USAGE, "%s", err_text(&err));
	input->bytes = buf_take(&bytes, &n);
	input->len = n;
	input->format = format_of(path);
	return input->bytes != NULL ? CTL_OK : ctl_fail(CTL_FAILED, "no memory");
}

/* ---- what comes out ---- */

/* The data as a value that stays valid to the end of the program. */
static const struct json *
data_value(struct ctl *ctl, const struct pipeline_data *d, struct err *err)
{
	const struct json *v = NULL;
	const char *text = d->bytes;

	if (d->fd >= 0) {
		text = mmap(NULL, (size_t)d->len, PROT_READ, MAP_SHARED, d->fd, 0);
		if (text == MAP_FAILED) {
			(void)err_set(err, -errno, "cannot map the data: %s",
			    strerror(errno));
			return NULL;
		}
	}
	if (json_read(ctl->arena, text, (size_t)d->len, DATA_DEPTH_MAX, &v, err) < 0)
		return NULL;
	return v;
}

static void
join_notes(struct buf *out, const struct json *notes)
{
	for (uint32_t i = 0; json_is(notes, JSON_ARRAY) && i < notes->len; i++)
		if (notes->items[i].type == JSON_STRING)
			buf_addf(out, "%s%.*s", out->len > 0 ? "; " : "",
			    (int)notes->items[i].len, notes->items[i].text);
}

static void
cell_of(struct table *t, const struct json *v)
{
	if (json_is(v, JSON_STRING) || json_is(v, JSON_NUMBER))
		table_cell(t, v->text, v->len, v->type == JSON_NUMBER);
	else
		table_cell(t, NULL, 0, false);
}

/* The trace goes to standard error, so that the data can be piped on. */
static void
show_trace(const struct json *trace)
{
	static const char *const heads[] = { "index", "step", "rows_in", "rows_out",
		"ms" };
	CLEANUP(table_freep) struct table *t = table_new();
	CLEANUP_BUF struct buf out = BUF_INIT;

	if (!json_is(trace, JSON_ARRAY) || trace->len == 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		table_column(t, heads[i]);
	table_column(t, "notes");
	for (uint32_t i = 0; i < trace->len; i++) {
		CLEANUP_BUF struct buf notes = BUF_INIT;

		for (size_t k = 0; k < ARRAY_LEN(heads); k++)
			cell_of(t, json_get(&trace->items[i], heads[k]));
		join_notes(&notes, json_get(&trace->items[i], "notes"));
		table_text(t, buf_str(&notes));
	}
	table_write(&out, t, 0, false);
	(void)fflush(stdout);
	(void)fprintf(stderr, "\n%s", buf_str(&out));
}

static void
put_text(struct json_writer *w, const char *name, const char *text)
{
	jw_key(w, name);
	jw_cstr(w, text);
}

static void
write_result(struct buf *out, const struct pipeline_result *r, const struct json *data)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "ok");
	jw_bool(&w, r->error == ERROR_TYPE_NONE);
	if (r->error != ERROR_TYPE_NONE) {
		jw_key(&w, "error");
		jw_object_begin(&w);
		put_text(&w, "type", error_type_name(r->error));
		jw_key(&w, "index");
		jw_int(&w, r->index);
		put_text(&w, "step", r->step);
		put_text(&w, "reason", r->reason);
		put_text(&w, "hint", r->hint);
		jw_object_end(&w);
	} else {
		jw_key(&w, "rows");
		jw_int(&w, r->rows);
		jw_key(&w, "data");
		jw_value(&w, data);
	}
	jw_key(&w, "trace");
	jw_value(&w, r->trace);
	jw_object_end(&w);
	buf_addc(out, '\n');
}

static int
tell_failure(const struct pipeline_result *r)
{
	char place[64] = "";

	if (r->index >= 0)
		(void)snprintf(place, sizeof(place),
		    "step %lld (%s): ", (long long)r->index, r->step);
	return ctl_fail(CTL_FAILED, "%s: %s%s%s%s", error_type_name(r->error),
	    strncmp(r->reason, "step ", 5) == 0 ? "" : place, r->reason,
	    r->hint[0] != '\0' ? "\n  hint: " : "", r->hint);
}

static int
show_result(struct ctl *ctl, const struct pipeline_result *r)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const struct json *data = NULL;
	struct err err = ERR_INIT;
	int status;

	if (r->error == ERROR_TYPE_NONE) {
		data = data_value(ctl, &r->data, &err);
		if (data == NULL)
			return ctl_fail(CTL_FAILED, "%s", err_text(&err));
	}
	if (ctl->is_json)
		write_result(&out, r, data);
	else if (data != NULL)
		ctl_show_value(ctl, &out, data);
	status = ctl_put(&out);
	if (!ctl->is_json)
		show_trace(r->trace);
	if (r->error == ERROR_TYPE_NONE)
		return status;
	return ctl->is_json ? CTL_FAILED : tell_failure(r);
}

/* ---- the command ---- */

static int
run(struct ctl *ctl, const struct json *args, const struct pipeline_data *input)
{
	CLEANUP(pipeline_result_release) struct pipeline_result result;
	const struct conf *conf = ctl->conf;
	struct local local = { .ctl = ctl };
	char owner[DIGEST_HEX_MAX];
	struct pipeline_env env = { .ctx = &local,
		.call = call,
		.resolve = resolve,
		.now_ms = now_ms,
		.owner = owner,
		.limits = { conf->limits.step_cpu_sec, conf->limits.step_memory_mb,
		    conf->limits.step_output_mb, conf->network.timeout_sec * 1000 } };
	int r;

	pipeline_result_init(&result);
	helper_init(&local.fetch, ROLE_FETCH);
	helper_init(&local.compute, ROLE_COMPUTE);
	r = digest_of("", 0, owner);
	if (r == 0)
		r = pipeline_run(&env, ctl->arena, args, input, 0, &result);
	progress_end(ctl);
	helper_release(&local.fetch);
	helper_release(&local.compute);
	if (r < 0)
		return ctl_fail(CTL_FAILED, "%s", strerror(-r));
	return show_result(ctl, &result);
}

int
ctl_pipeline(struct ctl *ctl)
{
	CLEANUP(pipeline_data_release) struct pipeline_data input = PIPELINE_DATA_INIT;
	const struct json *args = NULL;
	int r = ctl_need_conf(ctl);

	if (r == CTL_OK)
		r = read_arguments(ctl, &args);
	if (r == CTL_OK && ctl_has(ctl, OPT_INPUT))
		r = read_input(ctl, &input);
	if (r != CTL_OK)
		return r;
	return run(ctl, args, ctl_has(ctl, OPT_INPUT) ? &input : NULL);
}
