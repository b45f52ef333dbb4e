/* SPDX-License-Identifier: MIT */
/* check.h - what -t and a reload find out beyond the form of the configuration. */
#ifndef WORKER_CHECK_H
#define WORKER_CHECK_H

#include "common/conf/conf.h"

/*
 * Builds every agent, reads the network's rules, and does the sums of the limits. Remarks
 * that do not stop the service are appended to notes, a line each. 0 or negative errno
 * with err.
 */
int check_conf(const struct conf *conf, struct buf *notes, struct err *err);

/* The URL of Redis and the files for TLS, as clients will take them: before the sandbox
   closes the file system. 0 or negative errno with err. */
int check_redis(const struct conf *conf, struct err *err);

#endif
