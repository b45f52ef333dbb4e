/* SPDX-License-Identifier: MIT */
/* redis.h - the private server of the embedded mode, as one more child. */
#ifndef SUPERVISOR_REDIS_H
#define SUPERVISOR_REDIS_H

#include "common/err.h"

#include <stdbool.h>

struct child;
struct conf;

bool redis_is_embedded(const struct conf *c);

/* Is the program of the embedded mode there? 0 (also without that mode) or negative
 * errno. */
int redis_look(const struct conf *c, struct err *err);

/* Starts the server for the child; 0 or negative errno. */
int redis_spawn(struct child *c, struct err *err);

/* Whether its socket takes connections. */
bool redis_answers(const struct child *c);

#endif
