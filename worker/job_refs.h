/* SPDX-License-Identifier: MIT */
/*
 * job_refs.h - which stored results a job may read: the owner rule, in one place.
 */
#ifndef WORKER_JOB_REFS_H
#define WORKER_JOB_REFS_H

#include "worker/worker.h"

/*
 * May the job read what the reference names? Yes when a row of its owner does, or when
 * its own message or session names the reference. 0 with *row (without its data; released
 * first); -EACCES; -ENOENT when nothing has that name; or what the store says.
 */
int job_ref_check(struct job *j, const char *ref, struct store_result *row,
    struct err *err);

#endif
