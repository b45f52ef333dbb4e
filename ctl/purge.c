/* SPDX-License-Identifier: MIT */
/*
 * purge.c - agentctl purge: old results, the content behind them, and what is left over.
 *
 * Owns:   nothing.
 * Called: by main.c.
 * Fails:  what was removed before a failure stays removed and is told; the next purge goes
 *         on. Without Redis nothing is removed: journals there name content, too.
 */
#include "config.h"

#include "common/store/cas_refs.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct purge {
	struct store_purge what;
	struct store_purge_count count;
	uint64_t leftovers;
	struct cas_refs refs;
};

static void
purge_release(struct purge *p)
{
	cas_refs_release(&p->refs);
}

/* ---- Redis, a part of the keys a call ---- */

typedef void fill_fn(struct queue_command *c, const struct ctl *ctl,
    const struct purge *p, const char *cursor);
typedef int part_fn(struct purge *p, const struct queue_answer *a);

static void
fill_refs(struct queue_command *c, const struct ctl *ctl, const struct purge *p,
    const char *cursor)
{
	(void)p;
	queue_cmd_refs(c, &ctl->queue, cursor);
}

static int
keep_refs(struct purge *p, const struct queue_answer *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->scan.ids.n; i++) {
		struct queue_text id = queue_list_text(&a->scan.ids, i);

		r = cas_refs_add(&p->refs, id.p, id.n);
	}
	return r;
}

static void
fill_leftovers(struct queue_command *c, const struct ctl *ctl, const struct purge *p,
    const char *cursor)
{
	queue_cmd_leftovers(c, &ctl->queue, cursor, (int64_t)p->what.older_than_ms,
	    p->what.is_dry_run);
}

static int
count_leftovers(struct purge *p, const struct queue_answer *a)
{
	p->leftovers += (uint64_t)a->scan.count;
	return 0;
}

static int
scan(struct ctl *ctl, struct purge *p, fill_fn *fill, part_fn *part)
{
	char cursor[24] = "0";

	do {
		CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
		struct queue_command c;
		struct queue_answer a;
		int r;

		fill(&c, ctl, p, cursor);
		r = ctl_queue(ctl, &c, &reply, &a);
		if (r != CTL_OK)
			return r;
		if (part(p, &a) < 0)
			return ctl_fail(CTL_FAILED, "no memory");
		(void)snprintf(cursor, sizeof(cursor), "%.*s", (int)a.scan.cursor.n,
		    a.scan.cursor.p);
	} while (strcmp(cursor, "0") != 0);
	return CTL_OK;
}

/* ---- what is told ---- */

static const char *
bytes_text(uint64_t bytes, char out[32])
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes;
	size_t unit = 0;

	while (n >= 1024 && unit + 1 < ARRAY_LEN(units)) {
		n /= 1024;
		unit++;
	}
	(void)snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", n, units[unit]);
	return out;
}

static void
show_counts(struct buf *out, const struct purge *p, const char *verb)
{
	char rows[32], blobs[32];

	buf_addf(out,
	    "%s %llu results (%s in the database), %llu large values and journal records "
	    "(%s), %llu marks of jobs that never came\n",
	    verb, (unsigned long long)p->count.rows,
	    bytes_text(p->count.row_bytes, rows), (unsigned long long)p->count.blobs,
	    bytes_text(p->count.blob_bytes, blobs), (unsigned long long)p->leftovers);
}

static void
write_counts(struct buf *out, const struct purge *p)
{
	const struct {
		const char *name;
		uint64_t value;
	} facts[] = {
		{ "results", p->count.rows },
		{ "result_bytes", p->count.row_bytes },
		{ "contents", p->count.blobs },
		{ "content_bytes", p->count.blob_bytes },
		{ "marks", p->leftovers },
	};
	struct json_writer w;

	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "is_dry_run");
	jw_bool(&w, p->what.is_dry_run);
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		jw_key(&w, facts[i].name);
		jw_uint(&w, facts[i].value);
	}
	jw_object_end(&w);
	buf_addc(out, '\n');
}

/* ---- the work ---- */

static int
purge_store(struct ctl *ctl, struct purge *p)
{
	struct err err = ERR_INIT;
	bool is_over = false;
	char text[64];
	int r = 0;

	while (r == 0 && !is_over) {
		r = store_purge_rows(ctl->store, &p->what, &p->count, &is_over, &err);
		(void)snprintf(text, sizeof(text), "%llu results",
		    (unsigned long long)p->count.rows);
		progress_show(ctl, text);
	}
	for (unsigned i = 0; r == 0 && i < STORE_SHELVES; i++)
		r = store_purge_shelf(ctl->store, &p->what, i, &p->count, &err);
	progress_end(ctl);
	return r < 0 ? ctl_fail_code(r, &err) : CTL_OK;
}

/* What belongs to no owner and has no status goes only when neither is asked for. */
static int
run(struct ctl *ctl, struct purge *p)
{
	bool is_for_all = p->what.owner == NULL && p->what.status == NULL;
	int r = purge_store(ctl, p);

	return r == CTL_OK && is_for_all ? scan(ctl, p, fill_leftovers, count_leftovers)
					 : r;
}

/* On a terminal: says what would go, and asks. */
static int
confirm(struct ctl *ctl, const struct purge *wanted, bool *is_agreed)
{
	CLEANUP(purge_release) struct purge trial = { .what = wanted->what };
	CLEANUP_BUF struct buf out = BUF_INIT;
	char answer[16] = "";
	int r;

	trial.what.is_dry_run = true;
	trial.what.kept_arg = wanted->what.kept_arg;
	r = run(ctl, &trial);
	if (r != CTL_OK)
		return r;
	show_counts(&out, &trial, "would remove");
	(void)fprintf(stderr, "%sRemove them for good? [y/N] ", buf_str(&out));
	(void)fflush(stderr);
	*is_agreed = fgets(answer, sizeof(answer), stdin) != NULL &&
	    (answer[0] == 'y' || answer[0] == 'Y');
	return CTL_OK;
}

static int
read_filter(struct ctl *ctl, struct purge *p)
{
	const char *status = ctl_option(ctl, OPT_STATUS);

	if (!ctl_has(ctl, OPT_OLDER))
		return ctl_fail(CTL_USAGE, "say how old: --older 30d");
	if (status != NULL && strcmp(status, "completed") != 0 &&
	    strcmp(status, "failed") != 0)
		return ctl_fail(CTL_USAGE, "--status is completed or failed, not '%s'",
		    status);
	p->what = (struct store_purge){
		.older_than_ms = ctl_args_age_ms(&ctl->args, OPT_OLDER),
		.owner = ctl_option(ctl, OPT_OWNER),
		.status = status,
		.is_dry_run = ctl_has(ctl, OPT_DRY_RUN),
		.is_kept = cas_refs_has,
		.kept_arg = &p->refs,
	};
	return CTL_OK;
}

int
ctl_purge(struct ctl *ctl)
{
	CLEANUP(purge_release) struct purge p = { .leftovers = 0 };
	CLEANUP_BUF struct buf out = BUF_INIT;
	bool is_agreed = true;
	int r = read_filter(ctl, &p), shown;

	if (r == CTL_OK)
		r = ctl_need_redis(ctl);
	if (r == CTL_OK)
		r = ctl_need_store(ctl);
	if (r == CTL_OK)
		r = scan(ctl, &p, fill_refs, keep_refs);
	if (r == CTL_OK && !p.what.is_dry_run && !ctl_has(ctl, OPT_YES) &&
	    isatty(STDIN_FILENO) == 1)
		r = confirm(ctl, &p, &is_agreed);
	if (r != CTL_OK)
		return r;
	if (!is_agreed)
		return ctl_fail(CTL_FAILED, "nothing was removed");
	r = run(ctl, &p);
	if (ctl->is_json)
		write_counts(&out, &p);
	else
		show_counts(&out, &p, p.what.is_dry_run ? "would remove" : "removed");
	shown = ctl_put(&out);
	return r != CTL_OK ? r : shown;
}
