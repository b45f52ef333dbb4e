/* SPDX-License-Identifier: MIT */
/*
 * redis_check.c - is this server fit for the queue, and does the queue belong to us?
 *
 * Owns:   nothing.
 * Called: once after the first connection of a role, and by check.
 * Fails:  with a sentence that says what to change.
 */
#include "config.h"

#include "common/queue/redis_sync.h"

#include <errno.h>
#include <hiredis.h>
#include <string.h>

/* The value of "name:value" in the text of INFO, cut to size; "" when absent. */
static const char *
info_value(const char *info, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);

	out[0] = '\0';
	for (const char *line = info; line != NULL && *line != '\0';) {
		if (strncmp(line, name, n) == 0 && line[n] == ':') {
			(void)snprintf(out, size, "%.*s",
			    (int)strcspn(line + n + 1, "\r\n"), line + n + 1);
			return out;
		}
		line = strchr(line, '\n');
		if (line != NULL)
			line++;
	}
	return out;
}

static int
check_version(const char *text, struct err *err)
{
	int major = 0, minor = 0;

	if (sscanf(text, "%d.%d", &major, &minor) == 2 && major * 100 + minor < 602)
		return err_set(err, -EPROTONOSUPPORT,
		    "Redis %s is too old: 6.2 or newer is needed (BLMOVE)", text);
	return 0;
}

static int
judge_eviction(const struct redis_sync *s, const char *info, struct err *err)
{
	char policy[64];

	(void)info_value(info, "maxmemory_policy", policy, sizeof(policy));
	if (policy[0] == '\0' || strcmp(policy, "noeviction") == 0)
		return 0;
	return err_set(err, -EINVAL,
	    "%s may throw jobs away (maxmemory-policy is %s): set it to noeviction, or "
	    "redis.allow_eviction = true",
	    redis_sync_name(s), policy);
}

int
queue_check_eviction(struct redis_sync *s, struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	int r = redis_sync_call(s, &reply, err, "INFO", "memory", NULL);

	if (r < 0)
		return r;
	if (reply->type != REDIS_REPLY_STRING)
		return err_set(err, -EPROTO, "%s: INFO gave no text",
		    redis_sync_name(s));
	return judge_eviction(s, reply->str, err);
}

int
queue_check_server(struct redis_sync *s, bool allow_eviction, struct err *warning,
    struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	char value[64];
	int r = redis_sync_call(s, &reply, err, "INFO", "everything", NULL);

	if (r < 0)
		return r;
	if (reply->type != REDIS_REPLY_STRING)
		return err_set(err, -EPROTO, "%s: INFO gave no text",
		    redis_sync_name(s));
	(void)err_set(warning, 0, "%s", "");
	if (strcmp(info_value(reply->str, "cluster_enabled", value, sizeof(value)),
		"1") == 0)
		return err_set(err, -EPROTONOSUPPORT,
		    "%s is a Redis Cluster: the queue's scripts need all keys on one server; "
		    "use a single server, replicated if you like",
		    redis_sync_name(s));
	r = check_version(info_value(reply->str, "redis_version", value, sizeof(value)),
	    err);
	if (r < 0)
		return r;
	r = allow_eviction ? 0 : judge_eviction(s, reply->str, err);
	if (r < 0)
		return r;
	if (strcmp(info_value(reply->str, "aof_enabled", value, sizeof(value)), "0") ==
	    0)
		(void)err_set(warning, 0,
		    "%s keeps no append-only file: jobs pushed since its last snapshot are "
		    "lost when it dies; set appendonly yes",
		    redis_sync_name(s));
	return 0;
}

int
queue_meta_check(struct redis_sync *s, const struct queue_setup *q,
    const char *store_id, struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	struct queue_command c;
	struct queue_answer a;
	int r;

	queue_cmd_meta(&c, q, store_id);
	r = queue_run(s, &c, &reply, &a, err);
	if (r < 0 || a.word == QUEUE_OK)
		return r;
	return err_set(err, -EEXIST,
	    "%s serves another queue: its %.*s is \"%.*s\"; use another Redis database, or, "
	    "when nobody else uses this one, delete the key %s",
	    redis_sync_name(s), (int)a.state.what.n, a.state.what.p,
	    (int)a.state.present.n, a.state.present.p, q->meta);
}
