/* SPDX-License-Identifier: MIT */
/*
 * buf.h - a growing byte buffer with a sticky failure, so that writers check once.
 *
 * data is always terminated by a NUL that is not counted in len (except when nothing was
 * ever written: then data is NULL; buf_str() gives "" for that). After an allocation
 * failure, or when max_len would be passed, has_failed is set, appends do nothing, and
 * buf_status() says -ENOMEM or -EFBIG.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include "common/cleanup.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;     /* owned */
	size_t len;     /* bytes in use */
	size_t cap;     /* bytes allocated */
	size_t max_len; /* 0: no bound */
	int status;     /* 0, -ENOMEM or -EFBIG */
};

#define BUF_INIT \
 {               \
  0              \
 }

void buf_release(struct buf *b);          /* frees; b may be used again as empty */
void buf_clear(struct buf *b);            /* length 0, memory kept, failure forgotten */
int buf_status(const struct buf *b);      /* 0, -ENOMEM or -EFBIG */
const char *buf_str(const struct buf *b); /* never NULL; valid until the next append */
char *buf_take(struct buf *b, size_t *len); /* gives data away (free()); never NULL on
					       success; NULL after a failure */

int buf_reserve(struct buf *b, size_t more); /* room for more bytes; 0 or status */
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_adds(struct buf *b, const char *text);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* For CLEANUP on a struct buf. */
#define CLEANUP_BUF CLEANUP(buf_release)

#endif
