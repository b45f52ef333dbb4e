/* SPDX-License-Identifier: MIT */
/*
 * err.h - why a call failed: a negative errno and a sentence, without allocation.
 *
 * The caller owns the struct; every function here accepts NULL for it. Functions return
 * the code, so that a failing path is one line: return err_set(err, -EINVAL, "...").
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include "common/cleanup.h"

enum {
	ERR_TEXT_MAX = 1024
};

struct err {
	int code;                /* negative errno, 0 when nothing failed */
	char text[ERR_TEXT_MAX]; /* always terminated; cut, never overrun */
};

#define ERR_INIT        \
 {                      \
  .code = 0, .text = "" \
 }

/* Sets code and text, returns code. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "prefix: " before the present text, keeps or sets the code, returns code. */
int err_prefix(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The text, or strerror(-code) when there is none; never NULL. */
const char *err_text(const struct err *err);

#endif
