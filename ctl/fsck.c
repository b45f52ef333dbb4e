/* SPDX-License-Identifier: MIT */
/*
 * fsck.c - agentctl fsck: is every job where its state says, and every result readable?
 *
 * Each job is judged by one script in one moment, so a busy queue gives no false
 * alarms, and a repair happens in the same moment as the finding. What cannot be put
 * right safely is told and left alone.
 *
 * Owns:   the list of findings, in the arena of the run.
 * Called: by main.c.
 * Fails:  CTL_FAILED while findings remain; CTL_UNAVAILABLE when Redis or the store is
 * away.
 */
#include "config.h"

#include "common/clock.h"
#include "common/queue/redis_reply.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

#include <errno.h>
#include <string.h>

enum {
	FINDINGS_MAX = 10000
};

/*
 * judge_job(jobs list; prefix, id, repair, ttl): {finding, repaired}; an empty finding
 * is a job in order. A job may stand in a held list, by id or still raw, in any state
 * that leads there; it is lost only when it stands nowhere.
 */
static const char judge_job[] =
    "local call, JOBS, P = redis.call, KEYS[1], ARGV[1]\n"
    "local id, repair, ttl = ARGV[2], ARGV[3] == '1', ARGV[4]\n"
    "local key = P .. 'job:' .. id\n"
    "local j = call('HMGET', key, 'state', 'holder', 'payload')\n"
    "local state, holder, payload = j[1], j[2], j[3]\n"
    "if not state then\n"
    "  if call('HEXISTS', key, 'cancel') == 1 or call('EXISTS', key) == 0 then\n"
    "    return { '', 0 }\n"
    "  end\n"
    "  return { 'has no state', 0 }\n"
    "end\n"
    "if state == 'done' or state == 'failed' or state == 'dead' then\n"
    "  if call('TTL', key) ~= -1 then return { '', 0 } end\n"
    "  if repair then\n"
    "    call('EXPIRE', key, ttl)\n"
    "    call('EXPIRE', P .. 'journal:' .. id, ttl)\n"
    "  end\n"
    "  return { 'has ended but is kept for ever', repair and 1 or 0 }\n"
    "end\n"
    "local n, by_id = 0, 0\n"
    "local function seek(list, what)\n"
    "  if what and call('LPOS', list, what) then n = n + 1; return 1 end\n"
    "  return 0\n"
    "end\n"
    "for _, set in ipairs({ 'holders', 'fenced' }) do\n"
    "  for _, h in ipairs(call('ZRANGE', P .. set, 0, -1)) do\n"
    "    by_id = by_id + seek(P .. 'held:' .. h, id)\n"
    "    seek(P .. 'held:' .. h, payload)\n"
    "  end\n"
    "end\n"
    "if holder and n == 0 then seek(P .. 'held:' .. holder, id) end\n"
    "if by_id > 1 then return { 'stands in ' .. by_id .. ' held lists', 0 } end\n"
    "if n > 0 then return { '', 0 } end\n"
    "if call('ZSCORE', P .. 'delayed', id) or call('HEXISTS', P .. 'parked', id) == 1 or\n"
    "    call('LPOS', P .. 'jobs:alone', id) or\n"
    "    payload and call('LPOS', JOBS, payload) then\n"
    "  return { '', 0 }\n"
    "end\n"
    "if not payload then return { 'is ' .. state .. ' but stands nowhere, without payload', 0 } end\n"
    "if repair then\n"
    "  call('RPUSH', JOBS, payload)\n"
    "  call('HSET', key, 'state', 'queued', 'last', 'fsck')\n"
    "  call('HDEL', key, 'holder', 'due_ms', 'alone')\n"
    "end\n"
    "return { 'is ' .. state .. ' but stands nowhere', repair and 1 or 0 }\n";

struct finding {
	const char *kind; /* static */
	const char *subject;
	const char *text;
	bool is_repaired;
};

struct check {
	struct finding *findings; /* FINDINGS_MAX */
	size_t n;
	bool is_repairing;
	uint64_t jobs, holders, rows, blobs;
};

/* ---- findings ---- */

static void
found(struct ctl *ctl, struct check *c, const char *kind, const char *subject,
    bool is_repaired, const char *text)
{
	struct finding *f;

	if (c->n == FINDINGS_MAX)
		return;
	f = &c->findings[c->n++];
	f->kind = kind;
	f->subject = arena_strndup(ctl->arena, subject, strlen(subject));
	f->text = arena_strndup(ctl->arena, text, strlen(text));
	f->is_repaired = is_repaired;
}

/* ---- jobs ---- */

static int
check_job(struct ctl *ctl, struct check *c, struct queue_text key)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	CLEANUP_BUF struct buf prefix = BUF_INIT;
	struct err err = ERR_INIT;
	char ttl[24];
	const char *id = NULL;
	struct queue_list answer;
	struct queue_text text;
	int r;

	queue_key_job(&prefix, "", 0);
	if (key.n > prefix.len)
		id = arena_strndup(ctl->arena, key.p + prefix.len, key.n - prefix.len);
	if (id == NULL)
		return CTL_OK;
	(void)snprintf(ttl, sizeof(ttl), "%lld", (long long)ctl->queue.result_ttl_sec);
	r = redis_sync_call(ctl->redis, &reply, &err, "EVAL", judge_job, "1",
	    ctl->queue.jobs, QUEUE_PREFIX, id, c->is_repairing ? "1" : "0", ttl, NULL);
	if (r < 0)
		return ctl_fail_code(r, &err);
	c->jobs++;
	answer = redis_reply_list(reply);
	text = queue_list_text(&answer, 0);
	if (text.n > 0)
		found(ctl, c, "job", id, queue_list_int(&answer, 1) == 1,
		    arena_strndup(ctl->arena, text.p, text.n));
	return CTL_OK;
}

/* ---- held lists that nobody watches ---- */

static int
has_score(struct ctl *ctl, const char *set, const char *member, int64_t *score)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	CLEANUP_BUF struct buf key = BUF_INIT;
	struct err err = ERR_INIT;
	int r;

	buf_addf(&key, QUEUE_PREFIX "%s", set);
	r = redis_sync_call(ctl->redis, &reply, &err, "ZSCORE", buf_str(&key), member,
	    NULL);
	if (r < 0)
		return r;
	if (redis_reply_is_nil(reply))
		return 0;
	*score = strtoll(redis_reply_text(reply).p, NULL, 10);
	return 1;
}

/* Fenced lists are swept for an hour only. */
static bool
is_watched(struct ctl *ctl, const char *holder)
{
	enum {
		HOUR_MS = 3600000
	};
	int64_t when = 0;

	if (has_score(ctl, "holders", holder, &when) != 0)
		return true;
	return has_score(ctl, "fenced", holder, &when) != 0 &&
	    clock_wall_ms() - when < HOUR_MS;
}

static int
recover(struct ctl *ctl, const char *holder)
{
	const struct queue_recover recovery = { .holder = holder, .is_told = true };
	int64_t left = 1;
	int r = CTL_OK;

	while (r == CTL_OK && left > 0) {
		CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
		struct queue_answer answer = { 0 };
		struct queue_command c;

		queue_cmd_recover(&c, &ctl->queue, &recovery);
		r = ctl_queue(ctl, &c, &reply, &answer);
		left = answer.word == QUEUE_OK ? answer.recover.left : 0;
	}
	return r;
}

static int
check_holder(struct ctl *ctl, struct check *c, struct queue_text key)
{
	CLEANUP_BUF struct buf prefix = BUF_INIT;
	const char *holder;
	int r = CTL_OK;

	queue_key_held(&prefix, "");
	holder = arena_strndup(ctl->arena, key.p + prefix.len, key.n - prefix.len);
	if (holder == NULL)
		return CTL_OK;
	c->holders++;
	if (is_watched(ctl, holder))
		return CTL_OK;
	if (c->is_repairing)
		r = recover(ctl, holder);
	found(ctl, c, "holder", holder, c->is_repairing && r == CTL_OK,
	    "holds jobs but is neither registered nor swept");
	return r;
}

/* ---- walking over keys ---- */

typedef int key_fn(struct ctl *ctl, struct check *c, struct queue_text key);

static int
scan(struct ctl *ctl, struct check *c, const char *pattern, key_fn *fn)
{
	char cursor[32] = "0";
	int r = CTL_OK;

	do {
		CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
		struct queue_list answer, keys;
		struct queue_text next;
		struct err err = ERR_INIT;

		r = redis_sync_call(ctl->redis, &reply, &err, "SCAN", cursor, "MATCH",
		    pattern, "COUNT", "500", NULL);
		if (r < 0)
			return ctl_fail_code(r, &err);
		answer = redis_reply_list(reply);
		next = queue_list_text(&answer, 0);
		(void)snprintf(cursor, sizeof(cursor), "%.*s", (int)next.n, next.p);
		keys = queue_list_list(&answer, 1);
		for (size_t i = 0; i < keys.n && r == CTL_OK; i++)
			r = fn(ctl, c, queue_list_text(&keys, i));
		progress_show(ctl, "reading the queue");
	} while (r == CTL_OK && strcmp(cursor, "0") != 0);
	return r;
}

/* ---- the server and the queue's own data ---- */

static int
check_server(struct ctl *ctl, struct check *c)
{
	struct err warning = ERR_INIT, err = ERR_INIT;
	char store_uuid[STORE_ID_MAX] = "";
	int r = queue_check_server(ctl->redis, ctl->conf->redis.allow_eviction,
	    &warning, &err);

	if (r == -EAGAIN)
		return ctl_fail_code(r, &err);
	if (r < 0)
		found(ctl, c, "redis", redis_sync_name(ctl->redis), false,
		    err_text(&err));
	if (warning.text[0] != '\0')
		found(ctl, c, "redis", redis_sync_name(ctl->redis), false,
		    warning.text);
	if (ctl->store != NULL && store_id(ctl->store, store_uuid, NULL) < 0)
		store_uuid[0] = '\0';
	if (store_uuid[0] == '\0')
		return CTL_OK;
	r = queue_meta_check(ctl->redis, &ctl->queue, store_uuid, &err);
	if (r == -EEXIST)
		found(ctl, c, "redis", redis_sync_name(ctl->redis), false,
		    err_text(&err));
	return CTL_OK;
}

/* ---- the store ---- */

struct cas_rows {
	struct ctl *ctl;
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
	    arena_strndup(rows->ctl->arena, r->job_id, strlen(r->job_id));
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
		found(ctl, c, "result", job_id, false, err_text(&err));
	progress_show(ctl, "reading large results");
	return CTL_OK;
}

static int
check_store(struct ctl *ctl, struct check *c)
{
	struct cas_rows rows = { .ctl = ctl, .check = c };
	const struct store_filter all = { .limit = UINT32_MAX };
	struct err err = ERR_INIT;
	int status = CTL_OK;
	int r = store_migrate(ctl->store, STORE_MIGRATE_CHECK, NULL, &err);

	if (r == -EAGAIN || r == -EACCES)
		return ctl_fail_code(r, &err);
	if (r < 0) {
		found(ctl, c, "store", store_name(ctl->store), false, err_text(&err));
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
write_report(struct buf *out, const struct check *c)
{
	struct json_writer w;
	const char *const names[] = { "jobs", "held_lists", "results",
		"large_results" };
	const uint64_t counts[] = { c->jobs, c->holders, c->rows, c->blobs };

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
		jw_key(&w, "kind");
		jw_cstr(&w, c->findings[i].kind);
		jw_key(&w, "subject");
		jw_cstr(&w, c->findings[i].subject);
		jw_key(&w, "finding");
		jw_cstr(&w, c->findings[i].text);
		jw_key(&w, "is_repaired");
		jw_bool(&w, c->findings[i].is_repaired);
		jw_object_end(&w);
	}
	jw_array_end(&w);
	jw_object_end(&w);
	buf_addc(out, '\n');
}

static void
show_report(const struct ctl *ctl, struct buf *out, const struct check *c)
{
	static const char *const heads[] = { "kind", "subject", "finding", "repaired" };
	CLEANUP(table_freep) struct table *t = table_new();

	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		table_column(t, heads[i]);
	for (size_t i = 0; i < c->n; i++) {
		table_text(t, c->findings[i].kind);
		table_text(t, c->findings[i].subject);
		table_text(t, c->findings[i].text);
		table_text(t, c->findings[i].is_repaired ? "yes" : "no");
	}
	if (c->n > 0)
		table_write(out, t, ctl->width, ctl->has_colour);
	buf_addf(out,
	    "checked %llu jobs, %llu held lists, %llu results, %llu of them large: %s\n",
	    (unsigned long long)c->jobs, (unsigned long long)c->holders,
	    (unsigned long long)c->rows, (unsigned long long)c->blobs,
	    c->n == 0 ? "all in order" : "see above");
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
		r = scan(ctl, c, QUEUE_PREFIX "held:*", check_holder);
	if (r == CTL_OK)
		r = scan(ctl, c, QUEUE_PREFIX "job:*", check_job);
	if (r == CTL_OK)
		r = check_store(ctl, c);
	progress_end(ctl);
	return r;
}

int
ctl_fsck(struct ctl *ctl)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct check c = { .is_repairing = ctl_has(ctl, OPT_REPAIR) };
	bool is_clean = true;
	int put, r;

	c.findings = arena_alloc(ctl->arena, FINDINGS_MAX * sizeof(*c.findings));
	if (c.findings == NULL)
		return ctl_fail(CTL_FAILED, "no memory");
	r = check_all(ctl, &c);
	if (ctl->is_json)
		write_report(&out, &c);
	else
		show_report(ctl, &out, &c);
	put = ctl_put(&out);
	for (size_t i = 0; i < c.n; i++)
		is_clean = is_clean && c.findings[i].is_repaired;
	if (r != CTL_OK || put != CTL_OK)
		return r != CTL_OK ? r : put;
	return is_clean ? CTL_OK : CTL_FAILED;
}
