/* SPDX-License-Identifier: MIT */
/*
 * output.h - a value as JSON text: in memory while it is small, else into a file.
 */
#ifndef COMPUTE_OUTPUT_H
#define COMPUTE_OUTPUT_H

#include "common/json/json.h"

struct output {
	int fd;            /* for what is larger than inline_max; -1: never written */
	size_t inline_max; /* text up to here stays in pending */
	uint64_t max;      /* bytes in all */
	struct buf pending;
	uint64_t file_bytes; /* 0: all of it is in pending */
};

/*
 * Writes v. 0; -EFBIG beyond o->max; -ENOMEM; -E2BIG (nested too deeply); or the errno
 * of write(2).
 */
int output_value(struct output *o, const struct json *v);

#endif
