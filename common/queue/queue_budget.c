/* SPDX-License-Identifier: MIT */
/*
 * queue_budget.c - reads the counters of owners' days.
 *
 * Owns:   nothing.
 * Called: by agentctl budget, and by tests.
 * Fails:  as the client does.
 *
 * The keys are found by SCAN: nobody looks often, and an index would cost every call.
 */
#include "config.h"

#include "common/queue/queue_budget.h"

#include <errno.h>
#include <hiredis.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OWNER_KEYS QUEUE_PREFIX "limit:owner:"

enum {
	DAY_SEC = 86400
};

struct walk {
	struct redis_sync *redis;
	int64_t day;
	void (*each)(const struct queue_owner_day *day, void *arg);
	void *arg;
};

static int64_t
number(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING ? strtoll(r->str, NULL, 10) : 0;
}

static int
read_day(struct walk *w, struct queue_text key, struct queue_text owner,
    struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	const char *argv[] = { "HMGET", key.p, "used_tokens", "used_usd",
		"reserved_tokens", "reserved_usd" };
	const size_t argvlen[] = { 5, key.n, 11, 8, 15, 12 };
	struct queue_owner_day day = { .owner = owner };
	int r =
	    redis_sync_command(w->redis, ARRAY_LEN(argv), argv, argvlen, &reply, err);

	if (r < 0)
		return r;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4)
		return err_set(err, -EPROTO, "HMGET answered in another form");
	day.used_tokens = number(reply->element[0]);
	day.used_microusd = number(reply->element[1]);
	day.reserved_tokens = number(reply->element[2]);
	day.reserved_microusd = number(reply->element[3]);
	w->each(&day, w->arg);
	return 0;
}

/* The owner in a key of today. */
static bool
owner_of(const struct walk *w, const redisReply *key, struct queue_text *owner)
{
	char end[32];
	size_t head = strlen(OWNER_KEYS),
	       tail = (size_t)snprintf(end, sizeof(end), ":%" PRId64, w->day);

	if (key->type != REDIS_REPLY_STRING || key->len < head + tail ||
	    memcmp(key->str, OWNER_KEYS, head) != 0 ||
	    memcmp(key->str + key->len - tail, end, tail) != 0)
		return false;
	*owner =
	    (struct queue_text){ .p = key->str + head, .n = key->len - head - tail };
	return true;
}

/* One turn of SCAN; *cursor becomes "0" at the end. */
static int
scan(struct walk *w, char cursor[24], struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	int r = redis_sync_call(w->redis, &reply, err, "SCAN", cursor, "MATCH",
	    OWNER_KEYS "*", "COUNT", "1000", NULL);

	if (r < 0)
		return r;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY)
		return err_set(err, -EPROTO, "SCAN answered in another form");
	(void)snprintf(cursor, 24, "%s", reply->element[0]->str);
	for (size_t i = 0; r == 0 && i < reply->element[1]->elements; i++) {
		const redisReply *key = reply->element[1]->element[i];
		struct queue_text owner;

		if (owner_of(w, key, &owner))
			r = read_day(w, (struct queue_text){ key->str, key->len },
			    owner, err);
	}
	return r;
}

static int
today(struct redis_sync *s, int64_t *day, struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	int r = redis_sync_call(s, &reply, err, "TIME", NULL);

	if (r < 0)
		return r;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
		return err_set(err, -EPROTO, "TIME answered in another form");
	*day = number(reply->element[0]) / DAY_SEC;
	return 0;
}

int
queue_budget_each(struct redis_sync *s, const char *owner,
    void (*each)(const struct queue_owner_day *day, void *arg), void *arg,
    int64_t *renews_ms, struct err *err)
{
	struct walk w = { .redis = s, .each = each, .arg = arg };
	CLEANUP_BUF struct buf key = BUF_INIT;
	char cursor[24] = "0";
	int r = today(s, &w.day, err);

	if (r < 0)
		return r;
	*renews_ms = (w.day + 1) * DAY_SEC * 1000;
	if (owner != NULL) {
		buf_addf(&key, "%s%s:%" PRId64, OWNER_KEYS, owner, w.day);
		if (buf_status(&key) < 0)
			return err_set(err, -ENOMEM, "no memory for a key");
		return read_day(&w, (struct queue_text){ buf_str(&key), key.len },
		    queue_text(owner), err);
	}
	do
		r = scan(&w, cursor, err);
	while (r == 0 && strcmp(cursor, "0") != 0);
	return r;
}
