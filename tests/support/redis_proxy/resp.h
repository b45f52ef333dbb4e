/* SPDX-License-Identifier: MIT */
/* resp.h - where one command or one reply of Redis' protocol ends. */
#ifndef TESTS_SUPPORT_REDIS_PROXY_RESP_H
#define TESTS_SUPPORT_REDIS_PROXY_RESP_H

#include <stddef.h>
#include <sys/types.h>

/* Bytes of the whole value at text; 0 when it is not whole yet; -EPROTO. */
ssize_t resp_length(const char *text, size_t n);

/* The first argument of a command (its name), copied and ended; "" when there is
   none. */
void resp_name(const char *text, size_t n, char *out, size_t max);

#endif
