/* SPDX-License-Identifier: MIT */
/*
 * fuzz_secrets.c - a secret (up to the first line feed) and a text: in pieces of any
 * size as much is masked as in one, and the secret itself is gone.
 *
 * Owns:   a set of secrets a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "common/secrets.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
collect(void *ctx, const char *bytes, size_t n)
{
	buf_add(ctx, bytes, n);
	return 0;
}

static void
in_pieces(const struct secrets *s, const char *text, size_t n, size_t piece,
    const struct buf *want)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct secrets_stream st = { .secrets = s, .pass = collect, .ctx = &out };

	for (size_t at = 0; at < n; at += piece)
		ASSERT(secrets_stream_add(&st, text + at,
			   n - at < piece ? n - at : piece) == 0);
	ASSERT(secrets_stream_end(&st) == 0);
	ASSERT(
	    out.len == want->len && memcmp(buf_str(&out), buf_str(want), out.len) == 0);
	secrets_stream_release(&st);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(secrets_freep) struct secrets *s = secrets_new();
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *secret = (const char *)data, *text;
	const char *nl = memchr(secret, '\n', size);
	size_t n, text_n;

	if (s == NULL || nl == NULL)
		return 0;
	n = (size_t)(nl - secret);
	text = nl + 1;
	text_n = size - n - 1;
	ASSERT(secrets_add(s, secret, n) == 0);
	secrets_mask(s, &out, text, text_n);
	ASSERT(secrets_found(s, text, text_n) ==
	    (out.len != text_n || memcmp(buf_str(&out), text, text_n) != 0));
	/* a secret that holds a part of the mask may arise anew beside one */
	if (n >= SECRETS_LEAST && memchr(secret, '[', n) == NULL &&
	    memchr(secret, ']', n) == NULL && memmem("masked", 6, secret, n) == NULL)
		ASSERT(memmem(buf_str(&out), out.len, secret, n) == NULL);
	for (size_t piece = 1; piece < 40; piece += 6)
		in_pieces(s, text, text_n, piece, &out);
	return 0;
}
