/* SPDX-License-Identifier: MIT */
/*
 * arena.h - a region of memory that is freed at once.
 *
 * Everything that a JSON value points to lives in one arena (or in the input text). An
 * arena may have a byte cap; beyond it allocations answer NULL and arena_failed() is
 * true.
 */
#ifndef COMMON_JSON_ARENA_H
#define COMMON_JSON_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

/* max_bytes 0: no bound. NULL when memory is short. */
struct arena *arena_new(size_t max_bytes);
void arena_free(struct arena *a); /* NULL is fine */
void arena_freep(struct arena **a);
void arena_wipe(struct arena *a);  /* overwrites all that is in it; then only free it */
void arena_clear(struct arena *a); /* forget all values, keep one block for re-use */

/* n bytes, aligned to 16; NULL after a failure (sticky until arena_clear). */
void *arena_alloc(struct arena *a, size_t n);
char *arena_strndup(struct arena *a, const char *s, size_t n); /* NUL-terminated copy */
bool arena_failed(const struct arena *a);
size_t arena_bytes(const struct arena *a); /* bytes handed out since the last clear */

/* A NUL-terminated copy of s; equal texts mostly share one address (a bounded cache).
   hash is the caller's, the same for equal texts. NULL after a failure. */
const char *arena_intern(struct arena *a, const char *s, size_t n, uint32_t hash);

#endif
