/* SPDX-License-Identifier: MIT */
/*
 * job_skim.h - who sent a payload that is too long to be read?
 *
 * Writes a JSON object with those short top-level members of the payload that say whose
 * job it is, as they stand there. The rest is stepped over: no memory is needed for it,
 * and whether it is JSON is not judged. What follows after damage is not seen.
 */
#ifndef WORKER_JOB_SKIM_H
#define WORKER_JOB_SKIM_H

#include "common/buf.h"

void job_skim(const char *payload, size_t n, struct buf *out);

#endif
