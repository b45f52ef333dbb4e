/* SPDX-License-Identifier: MIT */
/*
 * secrets.h - the few texts that must not leave a process, and a filter that finds them
 * in whatever does.
 *
 * A secret is found as it stands, in base64 (both alphabets, at any place of a longer
 * text), in hexadecimal, and with any of its bytes written as a URL ("%2F"), JSON
 * ("\u002f", "\/") or HTML ("&#47;", "&amp;") may write it; a URL within a URL and JSON
 * within JSON ("%252F", "\\\/") up to a depth of two. Each find becomes
 * SECRETS_MASK. Secrets of fewer than SECRETS_LEAST bytes are not looked for: they
 * would mask half of any text. Where data of others is masked on mere suspicion, those
 * below SECRETS_SURE are left out, too: "admin" and "ollama" are words.
 *
 * Who sends a secret to a hostile server cannot keep that server from returning it in a
 * form that is not listed here (reversed, encrypted); the filter is for servers that
 * echo.
 */
#ifndef COMMON_SECRETS_H
#define COMMON_SECRETS_H

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define SECRETS_MASK "[masked]"

enum {
	SECRETS_LEAST = 4,
	SECRETS_SURE = 8,
	SECRETS_LENGTH_MAX = 8192 /* longer ones are found in pieces of so many bytes */
};

struct secrets;

/* Does the name of a header, parameter or member say that its value is a secret? Case,
   '-', '_' and '.' do not count: "X-API-Key", "access_token", "Cookie". */
bool secrets_is_name(const char *name, size_t n);

struct secrets *secrets_new(void); /* NULL when memory is short */
void secrets_free(struct secrets *s);
void secrets_freep(struct secrets **s);

/* From now on secrets_add leaves out what is shorter. */
void secrets_ignore_below(struct secrets *s, size_t least);

/* Adds a secret of n bytes in all its forms (a short or known one: nothing). 0 or
   -ENOMEM. */
int secrets_add(struct secrets *s, const char *secret, size_t n);

size_t secrets_count(const struct secrets *s); /* of patterns; NULL has none */

/* Does the text hold one? NULL secrets: no. */
bool secrets_found(const struct secrets *s, const char *text, size_t n);

/* Appends the text with every find masked. s may be NULL; out may not be the text's
   own buffer. */
void secrets_mask(const struct secrets *s, struct buf *out, const char *text, size_t n);

/* The same in place of a C string of at most cap bytes; what no longer fits is cut. */
void secrets_mask_text(const struct secrets *s, char *text, size_t cap);

/*
 * A text that comes in pieces: a secret is found wherever the pieces part it. What was
 * judged goes to pass(), in order; a tail as long as the longest find may be stays in
 * held until the next piece or the end.
 */
struct secrets_stream {
	const struct secrets *secrets; /* NULL: everything passes at once */
	int (*pass)(void *ctx, const char *bytes, size_t n); /* 0 or negative errno */
	void *ctx;
	struct buf held;
};

int secrets_stream_add(struct secrets_stream *st, const char *bytes, size_t n);
int secrets_stream_end(struct secrets_stream *st); /* everything is passed */
void secrets_stream_release(struct secrets_stream *st);

#endif
