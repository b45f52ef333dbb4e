/* SPDX-License-Identifier: MIT */
/*
 * promotion.h - how a pipeline that is used again becomes a tool of its owner.
 */
#ifndef WORKER_PROMOTION_H
#define WORKER_PROMOTION_H

#include "worker/pipeline/facts.h"
#include "worker/worker.h"

/* After a success of these arguments. 0, or -ECANCELED or -ENOMEM; anything else that
   goes wrong only leaves the tool for another time. */
int promotion_note(struct job *j, struct arena *a, const struct json *args,
    const struct pipeline_facts *facts);

#endif
