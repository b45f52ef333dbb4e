/* SPDX-License-Identifier: MIT */
/*
 * keys.c - the queue's key names and bounds.
 *
 * Owns:   the strings of struct queue_setup.
 * Called: by every process that talks to Redis, once at its start.
 * Fails:  only for want of memory.
 */
#include "config.h"

#include "common/queue/keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int
queue_setup_init(struct queue_setup *q, const struct conf *conf)
{
	*q = (struct queue_setup){
		.jobs = strdup(conf->queue.jobs),
		.results_prefix = strdup(conf->queue.results_prefix),
		.completion_queue = strdup(conf->queue.completion_queue),
		.alone = strdup(QUEUE_PREFIX "jobs:alone"),
		.delayed = strdup(QUEUE_PREFIX "delayed"),
		.parked = strdup(QUEUE_PREFIX "parked"),
		.dead = strdup(QUEUE_PREFIX "dead"),
		.holders = strdup(QUEUE_PREFIX "holders"),
		.cancel_channel = strdup(QUEUE_PREFIX "cancel"),
		.pause_channel = strdup(QUEUE_PREFIX "pause"),
		.meta = strdup(QUEUE_PREFIX "meta"),
		.result_ttl_sec = conf->queue.result_ttl_sec,
		.max_attempts = conf->queue.max_attempts,
		.max_crashes = conf->queue.max_crashes,
		.dead_max = conf->queue.dead_max,
		.lease_sec = conf->queue.lease_sec,
		.wait_aof = conf->redis.wait_aof,
	};
	if (q->jobs == NULL || q->results_prefix == NULL ||
	    q->completion_queue == NULL || q->alone == NULL || q->delayed == NULL ||
	    q->parked == NULL || q->dead == NULL || q->cancel_channel == NULL ||
	    q->pause_channel == NULL || q->holders == NULL || q->meta == NULL)
		return -ENOMEM;
	return 0;
}

void
queue_setup_release(struct queue_setup *q)
{
	free(q->jobs);
	free(q->results_prefix);
	free(q->completion_queue);
	free(q->alone);
	free(q->delayed);
	free(q->parked);
	free(q->dead);
	free(q->holders);
	free(q->cancel_channel);
	free(q->pause_channel);
	free(q->meta);
	*q = (struct queue_setup){ 0 };
}

static void
key_of(struct buf *out, const char *kind, const char *id, size_t n)
{
	buf_clear(out);
	buf_adds(out, QUEUE_PREFIX);
	buf_adds(out, kind);
	buf_add(out, id, n);
}

void
queue_key_held(struct buf *out, const char *holder)
{
	key_of(out, "held:", holder, strlen(holder));
}

void
queue_key_result(struct buf *out, const struct queue_setup *q, const char *id, size_t n)
{
	buf_clear(out);
	buf_adds(out, q->results_prefix);
	buf_addc(out, ':');
	buf_add(out, id, n);
}

void
queue_key_job(struct buf *out, const char *id, size_t n)
{
	key_of(out, "job:", id, n);
}

void
queue_key_journal(struct buf *out, const char *id, size_t n)
{
	key_of(out, "journal:", id, n);
}

static void
key_of_owner(struct buf *out, const char *kind, const char *owner, const char *id)
{
	key_of(out, kind, "", 0);
	for (; *owner != '\0'; owner++)
		if (*owner == '%' || *owner == ':')
			buf_addf(out, "%%%02X", (unsigned)*owner);
		else
			buf_addc(out, *owner);
	buf_addc(out, ':');
	buf_adds(out, id);
}

void
queue_key_probe(struct buf *out, const char *provider)
{
	key_of(out, "limit:probe:", provider, strlen(provider));
}

void
queue_key_session(struct buf *out, const char *owner, const char *id)
{
	key_of_owner(out, "session:", owner, id);
}

void
queue_key_cache(struct buf *out, const char *owner, const char *digest)
{
	key_of_owner(out, "cache:", owner, digest);
}

int
queue_holder_name(char *out, size_t size, const char *node, const char *boot,
    unsigned slot, uint64_t life)
{
	int n = snprintf(out, size, "%s.%s.%u.%llu", node, boot, slot,
	    (unsigned long long)life);

	if (n < 0 || (size_t)n >= size)
		return -E2BIG;
	for (char *p = out; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == 127)
			*p = '_';
	return 0;
}
