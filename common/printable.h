/* SPDX-License-Identifier: MIT */
/*
 * printable.h - which foreign characters may stand in a line that a person reads.
 */
#ifndef COMMON_PRINTABLE_H
#define COMMON_PRINTABLE_H

#include <stddef.h>

/* Bytes of the character at s, of which n > 0 bytes are left; 0 when it is no UTF-8, or a
   control character (C0, DEL, C1), which a terminal would obey. */
size_t printable_length(const char *s, size_t n);

/* The same; 0 also for the marks that end a line for some readers or turn its
   direction, so that it shows what it does not say. */
size_t printable_in_line(const char *s, size_t n);

/* Puts '?' in the place of each byte of what may not stand there. */
void printable_make(char *text);

#endif
