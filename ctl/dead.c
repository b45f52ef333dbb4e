/* SPDX-License-Identifier: MIT */
/*
 * dead.c - agentctl dead: list, show, retry and drop dead letters.
 *
 * A letter is named by its job's id, or, exactly, by its own name "letter-" and sixteen
 * hexadecimal digits that follow from its content; payloads without a readable job id
 * have only the latter.
 *
 * Owns:   nothing; found letters are copied into the arena of the run.
 * Called: by main.c.
 * Fails:  CTL_NOT_FOUND when no letter has the name; a letter that went away meanwhile,
 *         or whose job is on its way again, is told and makes the status CTL_FAILED.
 */
#include "config.h"

#include "common/clock.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/width.h"

#include <string.h>

enum {
	PAGE = 20,
	NAME_MAX_BYTES = 24,
	DETAIL_COLUMNS = 60
};

struct letter {
	struct queue_text element, id, reason, detail, payload;
	int64_t at_ms;
	char name[NAME_MAX_BYTES];
};

/* ---- reading ---- */

/* FNV-1a: names letters for people, protects nothing. */
static void
name_letter(struct letter *l)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < l->element.n; i++)
		hash = (hash ^ (unsigned char)l->element.p[i]) * 0x100000001b3u;
	(void)snprintf(l->name, sizeof(l->name), "letter-%016llx",
	    (unsigned long long)hash);
}

static void
read_letter(const struct queue_list *rows, size_t i, struct letter *l)
{
	struct queue_list row = queue_list_list(rows, i);

	l->element = queue_list_text(&row, 0);
	l->id = queue_list_text(&row, 1);
	l->reason = queue_list_text(&row, 2);
	l->detail = queue_list_text(&row, 3);
	l->at_ms = queue_list_int(&row, 4);
	l->payload = queue_list_text(&row, 5);
	name_letter(l);
}

static bool
has_name(const struct letter *l, const char *name)
{
	return (l->id.n > 0 && strlen(name) == l->id.n &&
		   memcmp(name, l->id.p, l->id.n) == 0) ||
	    strcmp(name, l->name) == 0;
}

/* Answers CTL_OK to go on; *keeps says whether the letter is still on the list. */
typedef int letter_fn(struct ctl *ctl, const struct letter *l, void *arg, bool *keeps);

/*
 * Calls fn for every letter, newest first, at most as many as there were at the start:
 * a letter that is retried and dies again must not be met again.
 */
static int
walk(struct ctl *ctl, letter_fn *fn, void *arg)
{
	int64_t left = -1;
	uint64_t from = 0;
	int r = CTL_OK;

	while (r == CTL_OK && left != 0) {
		CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
		struct queue_answer answer;
		struct queue_command c;

		queue_cmd_dead_page(&c, &ctl->queue, from, PAGE);
		r = ctl_queue(ctl, &c, &reply, &answer);
		if (r != CTL_OK || answer.page.rows.n == 0)
			break;
		if (left < 0)
			left = answer.page.total;
		for (size_t i = 0; i < answer.page.rows.n && left > 0 && r == CTL_OK;
		     i++) {
			struct letter l;
			bool keeps = true;

			read_letter(&answer.page.rows, i, &l);
			r = fn(ctl, &l, arg, &keeps);
			from += keeps;
			left--;
		}
	}
	return r;
}

/* ---- list ---- */

struct listing {
	struct table *table;
	struct json_writer *w;
};

static void
write_letter(struct json_writer *w, const struct letter *l, bool with_payload)
{
	char at[CLOCK_ISO_MAX];

	jw_object_begin(w);
	jw_key(w, "letter");
	jw_cstr(w, l->name);
	jw_key(w, "job_id");
	if (l->id.n > 0)
		jw_string(w, l->id.p, l->id.n);
	else
		jw_null(w);
	jw_key(w, "reason");
	jw_string(w, l->reason.p, l->reason.n);
	jw_key(w, "detail");
	jw_string(w, l->detail.p, l->detail.n);
	jw_key(w, "at");
	jw_cstr(w, clock_iso(l->at_ms, at));
	if (with_payload) {
		jw_key(w, "payload");
		jw_string(w, l->payload.p, l->payload.n);
	}
	jw_object_end(w);
}

static int
list_letter(struct ctl *ctl, const struct letter *l, void *arg, bool *keeps)
{
	struct listing *to = arg;
	char at[CLOCK_ISO_MAX];

	(void)ctl;
	(void)keeps;
	if (to->w != NULL) {
		write_letter(to->w, l, false);
		return CTL_OK;
	}
	table_cell(to->table, l->id.n > 0 ? l->id.p : l->name,
	    l->id.n > 0 ? l->id.n : strlen(l->name), false);
	table_cell(to->table, l->reason.p, l->reason.n, false);
	table_text(to->table, clock_iso(l->at_ms, at));
	table_cell(to->table, l->detail.p, l->detail.n, false);
	return CTL_OK;
}

int
ctl_dead_list(struct ctl *ctl)
{
	static const char *const heads[] = { "id", "reason", "at", "detail" };
	CLEANUP(table_freep) struct table *t = table_new();
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct listing to = { .table = t };
	struct json_writer w;
	int r = ctl_need_redis(ctl);

	if (r != CTL_OK)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		table_column(t, heads[i]);
	jw_init(&w, &out);
	if (ctl->is_json) {
		to.w = &w;
		jw_array_begin(&w);
	}
	r = walk(ctl, list_letter, &to);
	if (r != CTL_OK)
		return r;
	if (ctl->is_json) {
		jw_array_end(&w);
		buf_addc(&out, '\n');
	} else {
		table_write(&out, t, ctl->width, ctl->has_colour);
	}
	return ctl_put(&out);
}

/* ---- show ---- */

struct showing {
	const char *name;
	struct buf *out;
	struct json_writer *w;
	size_t n;
};

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
show_letter(struct ctl *ctl, const struct letter *l, void *arg, bool *keeps)
{
	struct showing *to = arg;
	char at[CLOCK_ISO_MAX];
	const struct ctl_fact facts[] = {
		{ "letter", l->name },
		{ "job", copy_text(ctl, &l->id) },
		{ "reason", copy_text(ctl, &l->reason) },
		{ "at", clock_iso(l->at_ms, at) },
		{ "detail", copy_text(ctl, &l->detail) },
	};

	(void)keeps;
	if (!has_name(l, to->name))
		return CTL_OK;
	to->n++;
	if (to->w != NULL) {
		write_letter(to->w, l, true);
		return CTL_OK;
	}
	if (to->n > 1)
		buf_addc(to->out, '\n');
	ctl_show_facts(to->out, facts, ARRAY_LEN(facts));
	buf_adds(to->out, "payload\n");
	show_payload(ctl, to->out, &l->payload);
	return CTL_OK;
}

int
ctl_dead_show(struct ctl *ctl)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct showing to = { .name = ctl->args.words[0], .out = &out };
	struct json_writer w;
	int r = ctl_need_redis(ctl);

	if (r != CTL_OK)
		return r;
	jw_init(&w, &out);
	if (ctl->is_json) {
		to.w = &w;
		jw_array_begin(&w);
	}
	r = walk(ctl, show_letter, &to);
	if (r != CTL_OK)
		return r;
	if (to.n == 0)
		return ctl_fail(CTL_NOT_FOUND, "there is no dead letter '%s'", to.name);
	if (ctl->is_json) {
		jw_array_end(&w);
		buf_addc(&out, '\n');
	}
	return ctl_put(&out);
}

/* ---- retry and drop ---- */

struct change {
	bool is_retry;
	bool is_found[CTL_WORDS_MAX]; /* by the name's place on the command line */
	size_t n_done, n_failed;
};

static bool
is_wanted(struct ctl *ctl, const struct letter *l, struct change *ch)
{
	bool is_wanted_by_any = ctl_has(ctl, OPT_ALL);

	for (size_t i = 0; i < ctl->args.n_words; i++) {
		if (!has_name(l, ctl->args.words[i]))
			continue;
		ch->is_found[i] = true;
		is_wanted_by_any = true;
	}
	return is_wanted_by_any;
}

static int
change_letter(struct ctl *ctl, const struct letter *l, void *arg, bool *keeps)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct change *ch = arg;
	struct queue_answer answer;
	struct queue_command c;
	int r;

	if (!is_wanted(ctl, l, ch))
		return CTL_OK;
	if (ch->is_retry)
		queue_cmd_dead_retry(&c, &ctl->queue, l->element);
	else
		queue_cmd_dead_drop(&c, &ctl->queue, l->element);
	r = ctl_queue(ctl, &c, &reply, &answer);
	if (r != CTL_OK)
		return r;
	*keeps = answer.word != QUEUE_OK && answer.word != QUEUE_GONE;
	ch->n_done += answer.word == QUEUE_OK;
	ch->n_failed += answer.word != QUEUE_OK;
	if (answer.word != QUEUE_OK)
		ctl_warn("%s %.*s: %s %.*s", l->name, (int)l->id.n, l->id.p,
		    answer.word == QUEUE_GONE       ? "is gone"
			: answer.word == QUEUE_BUSY ? "its job is on its way already:"
						    : "its job has ended:",
		    (int)answer.state.what.n, answer.state.what.p);
	return CTL_OK;
}

static int
tell_change(struct ctl *ctl, const struct change *ch)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *what = ch->is_retry ? "retried" : "dropped";
	struct json_writer w;
	int r;

	if (ctl->is_json) {
		jw_init(&w, &out);
		jw_object_begin(&w);
		jw_key(&w, what);
		jw_uint(&w, ch->n_done);
		jw_key(&w, "failed");
		jw_uint(&w, ch->n_failed);
		jw_object_end(&w);
		buf_addc(&out, '\n');
	} else {
		buf_addf(&out, "%s %zu\n", what, ch->n_done);
	}
	r = ctl_put(&out);
	for (size_t i = 0; i < ctl->args.n_words; i++)
		if (!ch->is_found[i])
			r = ctl_fail(CTL_NOT_FOUND, "there is no dead letter '%s'",
			    ctl->args.words[i]);
	return r == CTL_OK && ch->n_failed > 0 ? CTL_FAILED : r;
}

static int
change_letters(struct ctl *ctl, bool is_retry)
{
	struct change ch = { .is_retry = is_retry };
	int r;

	if (ctl_has(ctl, OPT_ALL) == (ctl->args.n_words > 0))
		return ctl_fail(CTL_USAGE, "name dead letters, or give --all");
	r = ctl_need_redis(ctl);
	if (r == CTL_OK)
		r = walk(ctl, change_letter, &ch);
	return r == CTL_OK ? tell_change(ctl, &ch) : r;
}

int
ctl_dead_retry(struct ctl *ctl)
{
	return change_letters(ctl, true);
}

int
ctl_dead_drop(struct ctl *ctl)
{
	return change_letters(ctl, false);
}
