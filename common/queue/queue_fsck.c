/* SPDX-License-Identifier: MIT */
/*
 * queue_fsck.c - walks the keys by SCAN and has each judged by the script of its kind.
 *
 * Owns:   nothing but the counts.
 * Called: by agentctl fsck, and by tests at their end.
 * Fails:  as the client does; findings are no failure.
 */
#include "config.h"

#include "common/queue/queue_fsck.h"

#include <errno.h>
#include <hiredis.h>
#include <string.h>

struct walk {
	struct redis_sync *redis;
	const struct queue_setup *setup;
	bool repair;
	void (*each)(const struct queue_finding *, void *);
	void *arg;
	struct queue_fsck_count *count;
};

/* Kinds by the rest of the name after the prefix; a name that ends in ':' is a
   family. */
static const struct {
	const char *name, *kind;
} kinds[] = {
	{ "job:", "job" },
	{ "held:", "held" },
	{ "journal:", "journal" },
	{ "session:", "session" },
	{ "jobs:alone", "alone" },
	{ "delayed", "delayed" },
	{ "parked", "parked" },
	{ "dead", "dead" },
	{ "holders", "holders" },
	{ "fenced", "zset" },
	{ "meta", "hash" },
	{ "counters", "hash" },
	{ "poison", "hash" },
	{ "blame:", "hash" },
	{ "cache:", NULL }, /* not the queue's */
	{ "limit:owner:", "owner_day" },
	{ "limit:", NULL },
};

static bool
starts_with(struct queue_text t, const char *prefix)
{
	return t.n >= strlen(prefix) && memcmp(t.p, prefix, strlen(prefix)) == 0;
}

static struct queue_text
skip(struct queue_text t, size_t n)
{
	return (struct queue_text){ .p = t.p + n, .n = t.n - n };
}

static bool
is_result(const struct walk *w, struct queue_text key, struct queue_text *id)
{
	size_t n = strlen(w->setup->results_prefix);

	if (!starts_with(key, w->setup->results_prefix) || key.n <= n ||
	    key.p[n] != ':')
		return false;
	*id = skip(key, n + 1);
	return true;
}

/* The kind of a key and the id or holder in its name; NULL: not ours to judge. */
static const char *
kind_of(const struct walk *w, struct queue_text key, struct queue_text *id)
{
	struct queue_text rest;

	*id = queue_text("");
	if (key.n == strlen(w->setup->jobs) && starts_with(key, w->setup->jobs))
		return "jobs";
	if (is_result(w, key, id))
		return "result";
	if (!starts_with(key, QUEUE_PREFIX))
		return NULL;
	rest = skip(key, strlen(QUEUE_PREFIX));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t n = strlen(kinds[i].name);
		bool is_family = kinds[i].name[n - 1] == ':';

		if (!starts_with(rest, kinds[i].name) || (!is_family && rest.n != n))
			continue;
		*id = skip(rest, n);
		return kinds[i].kind;
	}
	return "other";
}

static uint64_t *
counter_of(struct queue_fsck_count *count, struct queue_text severity)
{
	switch (severity.p[0]) {
	case 'e':
		return &count->errors;
	case 'w':
		return &count->warnings;
	default:
		return &count->infos;
	}
}

static void
report(struct walk *w, struct queue_text key, const struct queue_list *row)
{
	struct queue_finding f = {
		.severity = queue_list_text(row, 0),
		.key = key,
		.what = queue_list_text(row, 1),
		.remedy = queue_list_text(row, 2),
		.is_repaired = queue_list_int(row, 3) != 0,
	};

	(*counter_of(w->count, f.severity))++;
	w->count->repaired += f.is_repaired ? 1 : 0;
	w->each(&f, w->arg);
}

static int
check_key(struct walk *w, struct queue_text key, struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	struct queue_text id;
	const char *kind = kind_of(w, key, &id);
	struct queue_command c;
	struct queue_answer a;
	int r;

	if (kind == NULL)
		return 0;
	w->count->keys++;
	if (strcmp(kind, "job") == 0) {
		w->count->jobs++;
		queue_cmd_fsck_job(&c, w->setup, w->repair, id);
	} else if (strcmp(kind, "held") == 0) {
		queue_cmd_fsck_held(&c, w->setup, w->repair, id);
	} else {
		queue_cmd_fsck_key(&c, w->setup, w->repair, kind, key, id);
	}
	r = queue_run(w->redis, &c, &reply, &a, err);
	if (r < 0)
		return err_prefix(err, r, "key %.*s", (int)key.n, key.p);
	for (size_t i = 0; i < a.fsck.rows.n; i++) {
		struct queue_list row = queue_list_list(&a.fsck.rows, i);

		report(w, key, &row);
	}
	return 0;
}

/* One turn of SCAN; *cursor becomes "0" at the end. */
static int
scan(struct walk *w, char cursor[24], struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	int r = redis_sync_call(w->redis, &reply, err, "SCAN", cursor, "COUNT", "500",
	    NULL);

	if (r < 0)
		return r;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY)
		return err_set(err, -EPROTO, "SCAN answered in another form");
	(void)snprintf(cursor, 24, "%s", reply->element[0]->str);
	for (size_t i = 0; i < reply->element[1]->elements; i++) {
		const redisReply *key = reply->element[1]->element[i];

		r = check_key(w,
		    (struct queue_text){ .p = key->str, .n = (size_t)key->len }, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int
queue_fsck(struct redis_sync *s, const struct queue_setup *q, bool repair,
    void (*each)(const struct queue_finding *, void *), void *arg,
    struct queue_fsck_count *count, struct err *err)
{
	struct walk w = { .redis = s,
		.setup = q,
		.repair = repair,
		.each = each,
		.arg = arg,
		.count = count };
	char cursor[24] = "0";
	int r;

	*count = (struct queue_fsck_count){ 0 };
	do
		r = scan(&w, cursor, err);
	while (r == 0 && strcmp(cursor, "0") != 0);
	return r;
}
