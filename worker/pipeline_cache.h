/* SPDX-License-Identifier: MIT */
/*
 * pipeline_cache.h - results of pipelines that are remembered for an hour, by owner.
 */
#ifndef WORKER_PIPELINE_CACHE_H
#define WORKER_PIPELINE_CACHE_H

#include "worker/pipeline/facts.h"
#include "worker/pipeline/pipeline.h"
#include "worker/worker.h"

/* One call's place in the cache. */
struct pipeline_cache {
	bool is_on; /* the pipeline is one that is remembered */
	struct buf key;
};

#define PIPELINE_CACHE_INIT       \
 {                                \
  .is_on = false, .key = BUF_INIT \
 }
void pipeline_cache_release(struct pipeline_cache *c);

/*
 * Is the result of these arguments remembered, and may this job still read what it was
 * made of? 1 with *out, whose trace says where it comes from; 0: run it. -ECANCELED or
 * -ENOMEM. What goes wrong with Redis or the store is no more than a miss.
 */
int pipeline_cache_find(struct pipeline_cache *c, struct job *j, struct arena *a,
    const struct json *args, const struct pipeline_facts *facts,
    struct pipeline_result *out);

/* Remembers a success; of what is too large, or cannot be kept now, there is no trace.
   0, -ECANCELED or -ENOMEM. */
int pipeline_cache_keep(struct pipeline_cache *c, struct job *j,
    const struct pipeline_result *result);

#endif
