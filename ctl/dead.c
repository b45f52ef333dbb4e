/* SPDX-License-Identifier: MIT */
/*
 * dead.c - agentctl dead: list, show, retry and drop dead letters.
 *
 * Owns:   nothing.
 * Called: by main.c.
 * Fails:  CTL_NOT_FOUND when no letter has the name; a letter whose job is on its way
 *         again is told and makes the status CTL_FAILED.
 */
#include "config.h"

#include "common/clock.h"
#include "common/queue/queue_dead.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/width.h"

#include <errno.h>
#include <string.h>

enum {
	PAGE = 20,
	NAME_SHOWN = 12 /* digits of a letter's name that tell it from others */
};

/* ---- list ---- */

struct listing {
	struct ctl *ctl;
	struct table *table;
	struct json_writer *w; /* NULL: for people */
	struct buf *out;
};

static void
write_text(struct json_writer *w, const char *name, const struct queue_text *text)
{
	jw_key(w, name);
	jw_string(w, text->p, text->n);
}

static void
write_letter(struct json_writer *w, const struct queue_letter *l, bool with_payload)
{
	char at[CLOCK_ISO_MAX];

	jw_object_begin(w);
	write_text(w, "name", &l->name);
	write_text(w, "job_id", &l->job_id);
	write_text(w, "reason", &l->reason);
	write_text(w, "detail", &l->detail);
	jw_key(w, "at");
	jw_cstr(w, clock_iso(l->at_ms, at));
	if (with_payload)
		write_text(w, "payload", &l->payload);
	jw_object_end(w);
}

static int
list_letter(const struct queue_letter *l, void *arg)
{
	struct listing *to = arg;
	char at[CLOCK_ISO_MAX];

	if (to->w != NULL) {
		write_letter(to->w, l, false);
		return 0;
	}
	table_cell(to->table, l->name.p,
	    l->name.n < NAME_SHOWN ? l->name.n : NAME_SHOWN, false);
	table_cell(to->table, l->job_id.p, l->job_id.n, false);
	table_cell(to->table, l->reason.p, l->reason.n, false);
	table_text(to->table, ctl_second(l->at_ms, at));
	table_cell(to->table, l->detail.p, l->detail.n, false);
	table_end_row(to->table);
	return 0;
}

int
ctl_dead_list(struct ctl *ctl)
{
	CLEANUP(table_freep) struct table *t = table_new();
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct listing to = { .ctl = ctl, .table = t };
	struct err err = ERR_INIT;
	struct json_writer w;
	int r = ctl_need_redis(ctl);

	if (r != CTL_OK)
		return r;
	table_whole_column(t, "letter");
	table_column(t, "job");
	table_column(t, "reason");
	table_whole_column(t, "at");
	table_column(t, "detail");
	jw_init(&w, &out);
	if (ctl->is_json) {
		to.w = &w;
		jw_array_begin(&w);
	}
	r = queue_dead_each(ctl->redis, &ctl->queue, 0, UINT64_MAX, list_letter, &to,
	    NULL, &err);
	if (r < 0)
		return ctl_fail_code(r, &err);
	if (ctl->is_json) {
		jw_array_end(&w);
		buf_addc(&out, '\n');
	} else {
		table_write(&out, t, ctl->width, ctl->has_colour);
	}
	return ctl_put(&out);
}

/* ---- show ---- */

static void
show_payload(struct ctl *ctl, struct buf *out, const struct queue_text *payload)
{
	CLEANUP_BUF struct buf pretty = BUF_INIT;
	const char *text = arena_strndup(ctl->arena, payload->p, payload->n);
	const struct json *v = NULL;

	if (text != NULL && json_read(ctl->arena, text, payload->n, 0, &v, NULL) == 0)
		json_write(&pretty, v, JSON_PRETTY);
	else
		buf_add(&pretty, payload->p, payload->n);
	text_put_safe(out, buf_str(&pretty), pretty.len);
	buf_addc(out, '\n');
}

static const char *
copy_text(struct ctl *ctl, const struct queue_text *t)
{
	return t->n > 0 ? arena_strndup(ctl->arena, t->p, t->n) : NULL;
}

static int
show_letter(const struct queue_letter *l, void *arg)
{
	struct listing *to = arg;
	char at[CLOCK_ISO_MAX];
	const struct ctl_fact facts[] = {
		{ "letter", copy_text(to->ctl, &l->name) },
		{ "job", copy_text(to->ctl, &l->job_id) },
		{ "reason", copy_text(to->ctl, &l->reason) },
		{ "at", clock_iso(l->at_ms, at) },
		{ "detail", copy_text(to->ctl, &l->detail) },
	};

	if (to->w != NULL) {
		write_letter(to->w, l, true);
		return 0;
	}
	ctl_show_facts(to->ctl, to->out, facts, ARRAY_LEN(facts));
	buf_adds(to->out, "payload:\n");
	show_payload(to->ctl, to->out, &l->payload);
	return 0;
}

int
ctl_dead_show(struct ctl *ctl)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct json_writer w;
	struct listing to = { .ctl = ctl, .out = &out };
	struct err err = ERR_INIT;
	int r = ctl_need_redis(ctl);

	if (r != CTL_OK)
		return r;
	jw_init(&w, &out);
	if (ctl->is_json)
		to.w = &w;
	r = queue_dead_find(ctl->redis, &ctl->queue, ctl->args.words[0], show_letter,
	    &to, &err);
	if (r < 0)
		return ctl_fail_code(r, &err);
	if (ctl->is_json)
		buf_addc(&out, '\n');
	return ctl_put(&out);
}

/* ---- retry and drop ---- */

struct action {
	const char *done; /* "retried" */
	int (*by_name)(struct redis_sync *s, const struct queue_setup *q,
	    const char *name, struct err *err);
	void (*fill)(struct queue_command *c, const struct queue_setup *q,
	    struct queue_text element);
};

static const struct action retry = { "retried", queue_dead_retry,
	queue_cmd_dead_retry };
static const struct action drop = { "dropped", queue_dead_drop, queue_cmd_dead_drop };

struct tally {
	uint64_t done, failed;
	int status;
};

static int
tell(struct ctl *ctl, const struct action *a, const struct tally *t)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct json_writer w;
	int r;

	if (ctl->is_json) {
		jw_init(&w, &out);
		jw_object_begin(&w);
		jw_key(&w, a->done);
		jw_uint(&w, t->done);
		jw_key(&w, "failed");
		jw_uint(&w, t->failed);
		jw_object_end(&w);
		buf_addc(&out, '\n');
	} else {
		buf_addf(&out, "%s %llu\n", a->done, (unsigned long long)t->done);
	}
	r = ctl_put(&out);
	return t->status != CTL_OK ? t->status : r;
}

static void
change_named(struct ctl *ctl, const struct action *a, struct tally *t)
{
	for (size_t i = 0; i < ctl->args.n_words; i++) {
		struct err err = ERR_INIT;
		int r = a->by_name(ctl->redis, &ctl->queue, ctl->args.words[i], &err);

		if (r < 0) {
			t->status = ctl_fail_code(r, &err);
			t->failed++;
		} else {
			t->done++;
		}
	}
}

struct batch {
	struct buf elements[PAGE];
	size_t n;
};

static int
collect(const struct queue_letter *l, void *arg)
{
	struct batch *b = arg;
	struct buf *element = &b->elements[b->n++];

	buf_clear(element);
	buf_add(element, l->element.p, l->element.n);
	return buf_status(element);
}

/* Answers 1 when the letter has left the list, 0 when it stays, or a negative errno. */
static int
change_one(struct ctl *ctl, const struct action *a, const struct buf *element,
    struct tally *t, struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct queue_answer answer;
	struct queue_command c;
	int r;

	a->fill(&c, &ctl->queue, (struct queue_text){ buf_str(element), element->len });
	r = queue_run(ctl->redis, &c, &reply, &answer, err);
	if (r < 0)
		return r;
	t->done += answer.word == QUEUE_OK;
	if (answer.word == QUEUE_OK || answer.word == QUEUE_GONE)
		return 1;
	t->failed++;
	t->status = CTL_FAILED;
	return 0;
}

/*
 * A page after the other; what stays is stepped over. At most as many letters as there
 * were at the start: one that is retried and dies again must not be met again.
 */
static void
change_all(struct ctl *ctl, const struct action *a, struct tally *t, struct batch *b)
{
	struct err err = ERR_INIT;
	uint64_t from = 0, left = UINT64_MAX;
	int r = 0;

	while (left > 0 && r >= 0) {
		int64_t total = 0;

		b->n = 0;
		r = queue_dead_each(ctl->redis, &ctl->queue, from,
		    left < PAGE ? left : PAGE, collect, b, &total, &err);
		if (left == UINT64_MAX)
			left = (uint64_t)total;
		if (b->n == 0)
			break;
		for (size_t i = 0; i < b->n && left > 0 && r >= 0; i++, left--) {
			r = change_one(ctl, a, &b->elements[i], t, &err);
			from += r == 0;
		}
	}
	if (r < 0)
		t->status = ctl_fail_code(r, &err);
	else if (t->failed > 0)
		ctl_warn("%llu stay: their jobs are on their way again, or have ended",
		    (unsigned long long)t->failed);
}

static int
change(struct ctl *ctl, const struct action *a)
{
	struct tally t = { .status = CTL_OK };
	struct batch batch = { .n = 0 };
	int r;

	if (ctl_has(ctl, OPT_ALL) == (ctl->args.n_words > 0))
		return ctl_fail(CTL_USAGE, "name dead letters, or give --all");
	r = ctl_need_redis(ctl);
	if (r != CTL_OK)
		return r;
	if (ctl->args.n_words > 0)
		change_named(ctl, a, &t);
	else
		change_all(ctl, a, &t, &batch);
	for (size_t i = 0; i < PAGE; i++)
		buf_release(&batch.elements[i]);
	return tell(ctl, a, &t);
}

int
ctl_dead_retry(struct ctl *ctl)
{
	return change(ctl, &retry);
}

int
ctl_dead_drop(struct ctl *ctl)
{
	return change(ctl, &drop);
}
