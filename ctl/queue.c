/* SPDX-License-Identifier: MIT */
/*
 * queue.c - agentctl queue: how many jobs are where, pause and resume.
 *
 * Owns:   nothing.
 * Called: by main.c; the views by status.c, too.
 * Fails:  a pause that is in force already is no failure, and the answer says whose it is.
 */
#include "config.h"

#include "common/clock.h"
#include "common/queue/queue_stats.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/width.h"

#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

enum {
	LOOK_EVERY_MS = 200
};

/* ---- for people ---- */

static void
show_pause(struct buf *out, int64_t since_ms, struct queue_text by)
{
	char since[CLOCK_ISO_MAX];

	buf_addf(out, "\npaused since %s by ", ctl_second(since_ms, since));
	(void)text_put_cut(out, by.p, by.n, 0);
	buf_adds(out, "; 'agentctl queue resume' ends it\n");
}

void
ctl_show_queue(const struct ctl *ctl, struct buf *out, const struct queue_answer *a)
{
	static const char *const heads[] = { "queued", "held", "delayed", "parked",
		"alone", "dead", "holders", "oldest" };
	const int64_t counts[] = { a->stats.queued, a->stats.held, a->stats.delayed,
		a->stats.parked, a->stats.alone, a->stats.dead, a->stats.holders };
	CLEANUP(table_freep) struct table *t = table_new();
	int64_t created_ms;
	char age[32] = "";

	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		table_column(t, heads[i]);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		table_int(t, counts[i]);
	if (clock_parse_iso(a->stats.head_created_at.p, a->stats.head_created_at.n,
		&created_ms) == 0 &&
	    a->stats.now_ms >= created_ms)
		(void)ctl_duration(a->stats.now_ms - created_ms, age);
	table_text(t, age);
	buf_addc(out, '\n');
	table_write(out, t, ctl->width, ctl->has_colour);
	if (a->stats.paused_ms > 0)
		show_pause(out, a->stats.paused_ms, a->stats.paused_by);
}

/* ---- for programs ---- */

static void
put_int(struct json_writer *w, const char *name, int64_t i)
{
	jw_key(w, name);
	jw_int(w, i);
}

/* null, or since when and by whom */
static void
put_pause(struct json_writer *w, int64_t since_ms, struct queue_text by)
{
	jw_key(w, "paused");
	if (since_ms == 0) {
		jw_null(w);
		return;
	}
	jw_object_begin(w);
	put_int(w, "since_ms", since_ms);
	jw_key(w, "by");
	jw_string(w, by.p, by.n);
	jw_object_end(w);
}

void
ctl_write_queue(struct json_writer *w, const struct queue_answer *a)
{
	jw_object_begin(w);
	put_int(w, "queued", a->stats.queued);
	put_int(w, "held", a->stats.held);
	put_int(w, "delayed", a->stats.delayed);
	put_int(w, "parked", a->stats.parked);
	put_int(w, "alone", a->stats.alone);
	put_int(w, "dead", a->stats.dead);
	put_int(w, "holders", a->stats.holders);
	put_pause(w, a->stats.paused_ms, a->stats.paused_by);
	jw_key(w, "counters");
	jw_object_begin(w);
	for (size_t i = 0; i + 1 < a->stats.counters.n; i += 2) {
		CLEANUP_BUF struct buf name = BUF_INIT;
		struct queue_text key = queue_list_text(&a->stats.counters, i);
		struct queue_text value = queue_list_text(&a->stats.counters, i + 1);

		buf_add(&name, key.p, key.n);
		jw_key(w, buf_str(&name));
		jw_int(w, value.n < 20 ? strtoll(value.p, NULL, 10) : 0);
	}
	jw_object_end(w);
	jw_object_end(w);
}

/* ---- the commands ---- */

static int
read_stats(struct ctl *ctl, struct redisReply **reply, struct queue_answer *a)
{
	struct queue_command c;
	int r = ctl_need_redis(ctl);

	if (r != CTL_OK)
		return r;
	queue_cmd_stats(&c, &ctl->queue);
	return ctl_queue(ctl, &c, reply, a);
}

static int
put_stats(struct ctl *ctl, const struct queue_answer *a)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct json_writer w;

	if (ctl->is_json) {
		jw_init(&w, &out);
		ctl_write_queue(&w, a);
		buf_addc(&out, '\n');
	} else {
		ctl_show_queue(ctl, &out, a);
	}
	return ctl_put(&out);
}

int
ctl_queue_show(struct ctl *ctl)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct queue_answer a;
	int r = read_stats(ctl, &reply, &a);

	return r != CTL_OK ? r : put_stats(ctl, &a);
}

/* "ann@host": who asks, also behind sudo. Odd bytes become '?'. */
static void
who_asks(char out[QUEUE_PAUSED_BY_MAX])
{
	const char *sudo = getenv("SUDO_USER");
	char host[65] = "", text[1024];
	struct passwd entry, *pw = NULL;

	(void)getpwuid_r(getuid(), &entry, text, sizeof(text), &pw);
	(void)gethostname(host, sizeof(host) - 1);
	(void)snprintf(out, QUEUE_PAUSED_BY_MAX, "%.50s@%s",
	    sudo != NULL && sudo[0] != '\0' ? sudo
		: pw != NULL                ? pw->pw_name
					    : "?",
	    host);
	for (char *p = out; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			*p = '?';
}

/* Until no worker of any host holds a job. */
static int
await_idle(struct ctl *ctl)
{
	int64_t bound = ctl_args_seconds(&ctl->args, OPT_TIMEOUT, 0) * 1000;
	uint64_t begun = clock_mono_ms();

	for (;;) {
		CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
		struct queue_answer a;
		char text[64];
		int r = read_stats(ctl, &reply, &a);

		if (r != CTL_OK || a.stats.held == 0) {
			progress_end(ctl);
			return r;
		}
		if (bound > 0 && clock_mono_ms() - begun >= (uint64_t)bound) {
			progress_end(ctl);
			return ctl_fail(CTL_TIMEOUT,
			    "the queue is paused; jobs still running: %lld",
			    (long long)a.stats.held);
		}
		(void)snprintf(text, sizeof(text), "jobs still running: %lld",
		    (long long)a.stats.held);
		progress_show(ctl, text);
		(void)poll(NULL, 0, LOOK_EVERY_MS);
	}
}

static int
put_change(struct ctl *ctl, bool is_paused, bool is_new, const struct queue_answer *a)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	char since[CLOCK_ISO_MAX];
	struct json_writer w;

	if (ctl->is_json) {
		jw_init(&w, &out);
		jw_object_begin(&w);
		put_pause(&w, is_paused ? a->pause.since_ms : 0, a->pause.by);
		jw_key(&w, "changed");
		jw_bool(&w, is_new);
		jw_object_end(&w);
		buf_addc(&out, '\n');
	} else if (is_paused) {
		buf_addf(&out, "%s; running jobs finish\n",
		    is_new ? "the queue is paused" : "the queue was paused before");
		show_pause(&out, a->pause.since_ms, a->pause.by);
	} else if (is_new) {
		buf_addf(&out, "the queue goes on; it was paused since %s\n",
		    ctl_second(a->pause.since_ms, since));
	} else {
		buf_adds(&out, "the queue was not paused\n");
	}
	return ctl_put(&out);
}

static int
change(struct ctl *ctl, bool is_paused)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	char by[QUEUE_PAUSED_BY_MAX] = "";
	struct queue_command c;
	struct queue_answer a;
	int r = ctl_need_redis(ctl);

	if (r != CTL_OK)
		return r;
	if (is_paused)
		who_asks(by);
	queue_cmd_pause(&c, &ctl->queue, is_paused, by);
	r = ctl_queue(ctl, &c, &reply, &a);
	return r != CTL_OK ? r : put_change(ctl, is_paused, a.word == QUEUE_OK, &a);
}

int
ctl_queue_pause(struct ctl *ctl)
{
	int r = change(ctl, true);

	return r == CTL_OK && ctl_has(ctl, OPT_AWAIT) ? await_idle(ctl) : r;
}

int
ctl_queue_resume(struct ctl *ctl)
{
	return change(ctl, false);
}
