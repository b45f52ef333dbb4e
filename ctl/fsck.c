/* SPDX-License-Identifier: MIT */
/*
 * fsck.c - agentctl fsck: is every job where its state says, and every result readable?
 *
 * Owns:   the list of findings, in the arena of the run.
 * Called: by main.c.
 * Fails:  CTL_FAILED while findings remain; CTL_UNAVAILABLE when Redis or the store is
 *         away: then there is no verdict.
 */
#include "config.h"

#include "common/queue/queue_fsck.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

#include <errno.h>
#include <string.h>

enum {
	FINDINGS_MAX = 10000
};

struct finding {
	const char *severity, *subject, *text, *remedy;
	bool is_repaired;
};

struct check {
	struct ctl *ctl;
	struct finding *findings; /* FINDINGS_MAX */
	size_t n, n_left_off;
	uint64_t n_open; /* findings, but infos, that are not repaired */
	struct queue_fsck_count queue;
	uint64_t rows, blobs;
};

/* ---- findings ---- */

static const char *
copy(struct ctl *ctl, struct queue_text t)
{
	return arena_strndup(ctl->arena, t.p, t.n);
}

static void
add_finding(const struct queue_finding *q, void *arg)
{
	struct check *c = arg;

	progress_show(c->ctl, "reading the queue");
	if (!q->is_repaired &&
	    !(q->severity.n == 4 && memcmp(q->severity.p, "info", 4) == 0))
		c->n_open++;
	if (c->n == FINDINGS_MAX) {
		c->n_left_off++;
		return;
	}
	c->findings[c->n++] = (struct finding){
		.severity = copy(c->ctl, q->severity),
		.subject = copy(c->ctl, q->key),
		.text = copy(c->ctl, q->what),
		.remedy = copy(c->ctl, q->remedy),
		.is_repaired = q->is_repaired,
	};
}

static void
found(struct check *c, const char *severity, const char *subject, const char *text,
    const char *remedy)
{
	add_finding(&(struct queue_finding){ .severity = queue_text(severity),
			.key = queue_text(subject),
			.what = queue_text(text),
			.remedy = queue_text(remedy) },
	    c);
}

/* ---- the server and the queue ---- */

static int
check_server(struct ctl *ctl, struct check *c)
{
	struct err warning = ERR_INIT, err = ERR_INIT;
	const char *name = redis_sync_name(ctl->redis);
	char uuid[STORE_ID_MAX] = "";
	int r = queue_check_server(ctl->redis, ctl->conf->redis.allow_eviction,
	    &warning, &err);

	if (r == -EAGAIN)
		return ctl_fail_code(r, &err);
	if (r < 0)
		found(c, "error", name, err_text(&err), "");
	else if (warning.text[0] != '\0')
		found(c, "warning", name, warning.text, "");
	if (store_id(ctl->store, uuid, NULL) < 0)
		return CTL_OK; /* check_store tells why */
	r = queue_meta_check(ctl->redis, &ctl->queue, uuid, &err);
	if (r == -EEXIST)
		found(c, "error", name, err_text(&err), "");
	return CTL_OK;
}

static int
check_queue(struct ctl *ctl, struct check *c)
{
	struct err err = ERR_INIT;
	int r = queue_fsck(ctl->redis, &ctl->queue, ctl_has(ctl, OPT_REPAIR),
	    add_finding, c, &c->queue, &err);

	return r < 0 ? ctl_fail_code(r, &err) : CTL_OK;
}

/* ---- the store ---- */

struct cas_rows {
	struct check *check;
	const char **job_ids; /* rows whose value is in the CAS */
	size_t n, max;
};

static int
collect_row(void *arg, const struct store_result *r)
{
	struct cas_rows *rows = arg;

	rows->check->rows++;
	if (r->cas_id == NULL)
		return 0;
	if (rows->n == rows->max) {
		size_t max = rows->max == 0 ? 256 : rows->max * 2;
		const char **more = reallocarray(rows->job_ids, max, sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		rows->job_ids = more;
		rows->max = max;
	}
	rows->job_ids[rows->n] =
	    arena_strndup(rows->check->ctl->arena, r->job_id, strlen(r->job_id));
	return rows->job_ids[rows->n++] != NULL ? 0 : -ENOMEM;
}

/* Reading verifies the digest. */
static int
check_blob(struct ctl *ctl, struct check *c, const char *job_id)
{
	struct store_result r = STORE_RESULT_INIT;
	struct err err = ERR_INIT;
	int code = store_get_by_job(ctl->store, job_id, (uint64_t)INT64_MAX, &r, &err);

	c->blobs++;
	store_result_release(&r);
	if (code == -EAGAIN)
		return ctl_fail_code(code, &err);
	if (code < 0)
		found(c, "error", job_id, err_text(&err), "run the job again");
	progress_show(ctl, "reading large results");
	return CTL_OK;
}

static int
check_store(struct ctl *ctl, struct check *c)
{
	struct cas_rows rows = { .check = c };
	const struct store_filter all = { .limit = UINT32_MAX };
	struct err err = ERR_INIT;
	int status = CTL_OK;
	int r = store_migrate(ctl->store, STORE_MIGRATE_CHECK, NULL, &err);

	if (r == -EAGAIN || r == -EACCES)
		return ctl_fail_code(r, &err);
	if (r < 0) {
		found(c, "error", store_name(ctl->store), err_text(&err),
		    "agent-runnerd migrates at its start");
		return CTL_OK;
	}
	r = store_list(ctl->store, &all, collect_row, &rows, &err);
	if (r < 0)
		status = ctl_fail_code(r, &err);
	for (size_t i = 0; i < rows.n && status == CTL_OK; i++)
		status = check_blob(ctl, c, rows.job_ids[i]);
	free(rows.job_ids);
	return status;
}

/* ---- the report ---- */

static void
write_text(struct json_writer *w, const char *name, const char *text)
{
	jw_key(w, name);
	jw_cstr(w, text);
}

static void
write_report(struct buf *out, const struct check *c)
{
	static const char *const names[] = { "keys", "jobs", "results",
		"large_results" };
	const uint64_t counts[] = { c->queue.keys, c->queue.jobs, c->rows, c->blobs };
	struct json_writer w;

	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "checked");
	jw_object_begin(&w);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		jw_key(&w, names[i]);
		jw_uint(&w, counts[i]);
	}
	jw_object_end(&w);
	jw_key(&w, "findings");
	jw_array_begin(&w);
	for (size_t i = 0; i < c->n; i++) {
		jw_object_begin(&w);
		write_text(&w, "severity", c->findings[i].severity);
		write_text(&w, "subject", c->findings[i].subject);
		write_text(&w, "finding", c->findings[i].text);
		write_text(&w, "remedy", c->findings[i].remedy);
		jw_key(&w, "is_repaired");
		jw_bool(&w, c->findings[i].is_repaired);
		jw_object_end(&w);
	}
	jw_array_end(&w);
	jw_key(&w, "left_off");
	jw_uint(&w, c->n_left_off);
	jw_object_end(&w);
	buf_addc(out, '\n');
}

static void
show_report(const struct ctl *ctl, struct buf *out, const struct check *c)
{
	static const char *const heads[] = { "severity", "subject", "finding", "remedy",
		"repaired" };
	CLEANUP(table_freep) struct table *t = table_new();

	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		table_column(t, heads[i]);
	for (size_t i = 0; i < c->n; i++) {
		table_text(t, c->findings[i].severity);
		table_text(t, c->findings[i].subject);
		table_text(t, c->findings[i].text);
		table_text(t, c->findings[i].remedy);
		table_text(t, c->findings[i].is_repaired ? "yes" : "no");
	}
	if (c->n > 0)
		table_write(out, t, ctl->width, ctl->has_colour);
	if (c->n_left_off > 0)
		buf_addf(out, "and %zu more\n", c->n_left_off);
	buf_addf(out, "%llu keys, %llu jobs, %llu results (%llu large): %s\n",
	    (unsigned long long)c->queue.keys, (unsigned long long)c->queue.jobs,
	    (unsigned long long)c->rows, (unsigned long long)c->blobs,
	    c->n == 0            ? "all in order"
		: c->n_open == 0 ? "nothing left to do"
				 : "needs attention");
}

static int
check_all(struct ctl *ctl, struct check *c)
{
	int r = ctl_need_redis(ctl);

	if (r == CTL_OK)
		r = ctl_need_store(ctl);
	if (r == CTL_OK)
		r = check_server(ctl, c);
	if (r == CTL_OK)
		r = check_queue(ctl, c);
	if (r == CTL_OK)
		r = check_store(ctl, c);
	progress_end(ctl);
	return r;
}

int
ctl_fsck(struct ctl *ctl)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct check c = { .ctl = ctl };
	int r;

	c.findings = arena_alloc(ctl->arena, FINDINGS_MAX * sizeof(*c.findings));
	if (c.findings == NULL)
		return ctl_fail(CTL_FAILED, "no memory");
	r = check_all(ctl, &c);
	if (r != CTL_OK)
		return r;
	if (ctl->is_json)
		write_report(&out, &c);
	else
		show_report(ctl, &out, &c);
	r = ctl_put(&out);
	return r == CTL_OK && c.n_open > 0 ? CTL_FAILED : r;
}
