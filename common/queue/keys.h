/* SPDX-License-Identifier: MIT */
/*
 * keys.h - the queue's key names and bounds, built from the configuration in one place.
 *
 * The scripts derive the same names from the prefix (lib/head.lua). Only what plain
 * commands touch (the claim, the result list) is built here.
 */
#ifndef COMMON_QUEUE_KEYS_H
#define COMMON_QUEUE_KEYS_H

#include "common/buf.h"
#include "common/conf/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_PREFIX "agent:"

enum {
	QUEUE_PROTOCOL = 1, /* in agent:meta; another number is refused */
	QUEUE_ID_MAX = 200, /* bytes of a job id */
	QUEUE_MAX_SUSPICIONS =
	    10, /* then a job is buried; at the third it runs alone */
};

struct queue_setup {
	char *jobs;             /* raw payloads: producers push here */
	char *results_prefix;   /* result list = this ":" id */
	char *completion_queue; /* "" when there is none */
	char *alone;            /* ids for the quarantine worker */
	char *delayed;
	char *parked;
	char *dead;
	char *holders;        /* ZSET: who lives, and its beat */
	char *cancel_channel; /* PUBLISH of cancelled ids */
	char *pause_channel;  /* PUBLISH of "1" and "0" */
	char *meta;
	int64_t result_ttl_sec;
	int64_t max_attempts;
	int64_t max_crashes;
	int64_t dead_max;
	int64_t lease_sec;
	bool wait_aof; /* a push counts once the append-only file holds it */
};

/* Copies what it needs from conf. 0 or -ENOMEM; release also after a failure. */
int queue_setup_init(struct queue_setup *q, const struct conf *conf);
void queue_setup_release(struct queue_setup *q);

/* Each replaces the buffer's content; its status tells of short memory. */
void queue_key_held(struct buf *out, const char *holder);
void queue_key_result(struct buf *out, const struct queue_setup *q, const char *id,
    size_t n);
void queue_key_job(struct buf *out, const char *id, size_t n);
void queue_key_journal(struct buf *out, const char *id, size_t n);
/* What belongs to an owner: "agent:session:{owner}:{id}". A '%' or ':' of the owner is
   written as "%25" or "%3A", so that no other owner and id make the same key. */
void queue_key_probe(struct buf *out, const char *provider);
void queue_key_session(struct buf *out, const char *owner, const char *id);
void queue_key_cache(struct buf *out, const char *owner, const char *digest);

/*
 * The holder name "{node}.{boot}.{slot}.{life}"; bytes of node that are white space,
 * control characters or line ends become '_'. -E2BIG when it does not fit.
 */
int queue_holder_name(char *out, size_t size, const char *node, const char *boot,
    unsigned slot, uint64_t life);

#endif
