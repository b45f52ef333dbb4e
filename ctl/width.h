/* SPDX-License-Identifier: MIT */
/*
 * width.h - how wide UTF-8 text is on a terminal, and text made harmless for one.
 *
 * Does not depend on the locale. Bytes that are not UTF-8 count and print as U+FFFD;
 * control characters, which could steer the terminal, print as \xHH or as a blank.
 */
#ifndef CTL_WIDTH_H
#define CTL_WIDTH_H

#include "common/buf.h"

#include <stddef.h>
#include <stdint.h>

/* Decodes the first code point of n > 0 bytes; *used is 1 to 4. U+FFFD when
   malformed. */
uint32_t utf8_decode(const char *text, size_t n, size_t *used);

/* 0 for combining and invisible ones, 2 for wide ones (CJK, most emoji), else 1. */
unsigned codepoint_width(uint32_t cp);

unsigned text_width(const char *text, size_t n);

/*
 * Appends at most width columns of the text in one line: control characters become
 * blanks, and what does not fit is cut with "…". width 0: no bound. Returns the columns
 * used.
 */
unsigned text_put_cut(struct buf *out, const char *text, size_t n, unsigned width);

/*
 * Appends the text in as many lines as it needs, broken at blanks: all but the first
 * begin after indent columns, and none is wider than width where its words allow that.
 * Control characters become blanks. width 0: one line.
 */
void text_put_wrapped(struct buf *out, const char *text, size_t n, unsigned indent,
    unsigned width);

/* Appends text that may span lines: \n and \t stay, other controls become \xHH. */
void text_put_safe(struct buf *out, const char *text, size_t n);

#endif
