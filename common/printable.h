/* SPDX-License-Identifier: MIT */
/*
 * printable.h - characters of UTF-8, and which may stand in a line that a person reads.
 */
#ifndef COMMON_PRINTABLE_H
#define COMMON_PRINTABLE_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at s, of which n > 0 bytes are left, and which it is; 0 when
   there is none: cut off, written longer than it need be, or half of a pair. */
size_t utf8_next(const char *s, size_t n, uint32_t *out);

/* Its bytes; 0 also for a control character (C0, DEL, C1), which a terminal obeys. */
size_t printable_length(const char *s, size_t n);

/* The same; 0 also for the marks that end a line for some readers or turn its
   direction, so that it shows what it does not say. */
size_t printable_in_line(const char *s, size_t n);

/* Puts '?' in the place of each byte of what may not stand there. */
void printable_make(char *text);

#endif
