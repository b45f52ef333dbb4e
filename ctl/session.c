/* SPDX-License-Identifier: MIT */
/*
 * session.c - agentctl session: what sessions remember, in Redis.
 *
 * Owns:   nothing.
 * Called: by main.c.
 * Fails:  a session that does not exist, or is over, is CTL_NOT_FOUND.
 */
#include "config.h"

#include "common/clock.h"
#include "common/queue/queue_ops.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

#include <errno.h>
#include <hiredis.h>
#include <string.h>

static const char prefix[] = QUEUE_PREFIX "session:";

/* ---- keys ---- */

/* The owner as it was before it was written into a key. */
static void
add_owner(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (n - i >= 3 && memcmp(s + i, "%25", 3) == 0) {
			buf_addc(out, '%');
			i += 2;
		} else if (n - i >= 3 && memcmp(s + i, "%3A", 3) == 0) {
			buf_addc(out, ':');
			i += 2;
		} else {
			buf_addc(out, s[i]);
		}
}

/* 0 and the two names, or -EINVAL for a key that is none of ours. */
static int
split_key(struct queue_text key, struct buf *owner, struct buf *id)
{
	size_t at = sizeof(prefix) - 1;
	const char *colon;

	if (key.n <= at || memcmp(key.p, prefix, at) != 0)
		return -EINVAL;
	colon = memchr(key.p + at, ':', key.n - at);
	if (colon == NULL)
		return -EINVAL;
	add_owner(owner, key.p + at, (size_t)(colon - key.p) - at);
	buf_add(id, colon + 1, key.n - (size_t)(colon + 1 - key.p));
	return 0;
}

static int
read_session(struct ctl *ctl, struct queue_text key, redisReply **reply,
    struct queue_answer *answer)
{
	struct queue_command cmd;

	queue_cmd_session_read(&cmd, &ctl->queue, key);
	return ctl_queue(ctl, &cmd, reply, answer);
}

/* ---- list ---- */

struct listing {
	struct ctl *ctl;
	struct table *table;    /* for people */
	struct json_writer out; /* for programs */
};

static int
list_one(struct listing *l, struct queue_text key)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	CLEANUP_BUF struct buf owner = BUF_INIT;
	CLEANUP_BUF struct buf id = BUF_INIT;
	struct queue_answer a;
	char text[32];
	int r;

	if (split_key(key, &owner, &id) < 0)
		return CTL_OK;
	r = read_session(l->ctl, key, &reply, &a);
	if (r != CTL_OK || a.session.turns.n == 0)
		return r;
	if (l->ctl->is_json) {
		jw_object_begin(&l->out);
		jw_key(&l->out, "owner");
		jw_string(&l->out, buf_str(&owner), owner.len);
		jw_key(&l->out, "session_id");
		jw_string(&l->out, buf_str(&id), id.len);
		jw_key(&l->out, "turns");
		jw_uint(&l->out, a.session.turns.n);
		jw_key(&l->out, "ttl_sec");
		jw_int(&l->out, a.session.ttl_sec);
		jw_object_end(&l->out);
		return CTL_OK;
	}
	table_text(l->table, ctl_owner_name(buf_str(&owner)));
	table_text(l->table, buf_str(&id));
	table_int(l->table, (int64_t)a.session.turns.n);
	table_text(l->table, ctl_duration(a.session.ttl_sec * 1000, text));
	return CTL_OK;
}

static int
list_page(struct listing *l, char cursor[24])
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	struct err err = ERR_INIT;
	int status = CTL_OK;
	int r = redis_sync_call(l->ctl->redis, &reply, &err, "SCAN", cursor, "MATCH",
	    QUEUE_PREFIX "session:*", "COUNT", "500", NULL);

	if (r < 0)
		return ctl_fail_code(r, &err);
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY)
		return ctl_fail(CTL_FAILED, "SCAN answered in another form");
	(void)snprintf(cursor, 24, "%s", reply->element[0]->str);
	for (size_t i = 0; status == CTL_OK && i < reply->element[1]->elements; i++) {
		const redisReply *key = reply->element[1]->element[i];

		status = list_one(l, (struct queue_text){ key->str, (size_t)key->len });
	}
	return status;
}

int
ctl_session_list(struct ctl *ctl)
{
	CLEANUP(table_freep) struct table *t = table_new();
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct listing l = { .ctl = ctl, .table = t };
	char cursor[24] = "0";
	int r = ctl_need_redis(ctl);

	table_whole_column(t, "owner");
	table_whole_column(t, "session");
	table_column(t, "turns");
	table_column(t, "forgotten in");
	jw_init(&l.out, &out);
	if (ctl->is_json)
		jw_array_begin(&l.out);
	if (r != CTL_OK)
		return r;
	do
		r = list_page(&l, cursor);
	while (r == CTL_OK && strcmp(cursor, "0") != 0);
	if (r != CTL_OK)
		return r;
	if (ctl->is_json) {
		jw_array_end(&l.out);
		buf_addc(&out, '\n');
	} else {
		table_write(&out, t, ctl->width, ctl->has_colour);
	}
	return ctl_put(&out);
}

/* ---- show ---- */

static int
own_key(struct ctl *ctl, struct buf *key)
{
	const char *owner = ctl_option(ctl, OPT_OWNER);

	queue_key_session(key, owner != NULL ? owner : "", ctl->args.words[0]);
	return buf_status(key) == 0 ? CTL_OK : ctl_fail(CTL_FAILED, "no memory");
}

/* Most who see this forgot to name the owner. */
static int
not_found(const struct ctl *ctl)
{
	const char *owner = ctl_option(ctl, OPT_OWNER);

	if (owner == NULL)
		return ctl_fail(CTL_NOT_FOUND,
		    "there is no session '%s' without an owner; give --owner OWNER",
		    ctl->args.words[0]);
	return ctl_fail(CTL_NOT_FOUND, "owner '%s' has no session '%s'", owner,
	    ctl->args.words[0]);
}

static void
write_turns(struct buf *out, const struct queue_answer *a)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "ttl_sec");
	jw_int(&w, a->session.ttl_sec);
	jw_key(&w, "turns");
	jw_array_begin(&w);
	for (size_t i = 0; i < a->session.turns.n; i++) {
		struct queue_text t = queue_list_text(&a->session.turns, i);

		jw_raw(&w, t.p, t.n);
	}
	jw_array_end(&w);
	jw_object_end(&w);
	buf_addc(out, '\n');
}

static void
add_word(struct table *t, const struct json *v)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (json_is(v, JSON_STRING))
		buf_add(&text, v->text, v->len);
	table_text(t, text.len > 0 ? buf_str(&text) : "-");
}

static void
show_turns(struct ctl *ctl, struct buf *out, const struct queue_answer *a)
{
	CLEANUP(table_freep) struct table *t = table_new();

	table_whole_column(t, "ended");
	table_whole_column(t, "job");
	table_column(t, "status");
	table_column(t, "result");
	table_column(t, "prompt");
	for (size_t i = 0; i < a->session.turns.n; i++) {
		struct queue_text text = queue_list_text(&a->session.turns, i);
		const struct json *turn = NULL;
		char at[CLOCK_ISO_MAX];
		int64_t ms = 0;

		if (json_read(ctl->arena, text.p, text.n, 0, &turn, NULL) < 0)
			continue;
		(void)json_int64(json_get(turn, "at_ms"), &ms);
		table_text(t, ctl_second(ms, at));
		add_word(t, json_get(turn, "job_id"));
		add_word(t, json_get(turn, "status"));
		add_word(t, json_get(turn, "result_ref"));
		add_word(t, json_get(turn, "prompt"));
	}
	table_write(out, t, ctl->width, ctl->has_colour);
}

int
ctl_session_show(struct ctl *ctl)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	CLEANUP_BUF struct buf key = BUF_INIT;
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct queue_answer a;
	int r = ctl_need_redis(ctl);

	if (r == CTL_OK)
		r = own_key(ctl, &key);
	if (r == CTL_OK)
		r = read_session(ctl, (struct queue_text){ buf_str(&key), key.len },
		    &reply, &a);
	if (r != CTL_OK)
		return r;
	if (a.session.turns.n == 0)
		return not_found(ctl);
	if (ctl->is_json)
		write_turns(&out, &a);
	else
		show_turns(ctl, &out, &a);
	return ctl_put(&out);
}

/* ---- drop ---- */

int
ctl_session_drop(struct ctl *ctl)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	CLEANUP_BUF struct buf key = BUF_INIT;
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *argv[] = { "DEL", NULL };
	size_t argvlen[] = { 3, 0 };
	struct err err = ERR_INIT;
	int r = ctl_need_redis(ctl);

	if (r == CTL_OK)
		r = own_key(ctl, &key);
	if (r != CTL_OK)
		return r;
	argv[1] = buf_str(&key);
	argvlen[1] = key.len;
	r = redis_sync_command(ctl->redis, 2, argv, argvlen, &reply, &err);
	if (r < 0)
		return ctl_fail_code(r, &err);
	if (reply->type != REDIS_REPLY_INTEGER || reply->integer == 0)
		return not_found(ctl);
	if (!ctl->is_json)
		buf_addf(&out, "session %s is forgotten\n", ctl->args.words[0]);
	return ctl_put(&out);
}
