/* SPDX-License-Identifier: MIT */
/*
 * cleanup.h - scope-bound release, ownership hand-over, and assertions.
 *
 * CLEANUP(fn) calls fn(&var) when var leaves its scope; TAKE_PTR and TAKE_FD hand the
 * value over and leave NULL or -1 behind. ASSERT states our own invariants and is never
 * compiled out; it must not judge foreign bytes.
 */
#ifndef COMMON_CLEANUP_H
#define COMMON_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define UNUSED __attribute__((unused))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
#define TAKE_PTR(p)                           \
	({                                    \
		__typeof__(p) take_ptr_ = (p); \
		(p) = NULL;                   \
		take_ptr_;                    \
	})
#define TAKE_FD(fd)                           \
	({                                    \
		int take_fd_ = (fd);          \
		(fd) = -1;                    \
		take_fd_;                     \
	})
/* clang-format on */

/* For CLEANUP: free what a pointer variable of any type holds. */
static inline void
freep(void *pp)
{
	free(*(void **)pp);
}

/* For CLEANUP: close a descriptor variable that is not -1. */
static inline void
closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void
fclosep(FILE **f)
{
	if (*f != NULL)
		(void)fclose(*f);
}

/* Prints file, line and condition to standard error and aborts. */
__attribute__((noreturn)) void assert_failed(const char *file, int line,
    const char *condition);

#define ASSERT(cond)                         \
 do {                                        \
  if (__builtin_expect(!(cond), 0))          \
   assert_failed(__FILE__, __LINE__, #cond); \
 } while (0)

#endif
