/* SPDX-License-Identifier: MIT */
/*
 * digest.c - SHA-256 and SHA-1 by libcrypto.
 *
 * Owns:   the library's context.
 * Called: by the CAS, for what is written and for what is read.
 * Fails:  stickily: a library failure shows in digest_hex.
 */
#include "config.h"

#include "common/store/digest.h"

#include "common/cleanup.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>

struct digest {
	EVP_MD_CTX *ctx;
	bool has_failed;
};

struct digest *
digest_new(void)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->ctx = EVP_MD_CTX_new();
	if (d->ctx == NULL || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1) {
		digest_free(d);
		return NULL;
	}
	return d;
}

void
digest_free(struct digest *d)
{
	if (d == NULL)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void
digest_freep(struct digest **d)
{
	digest_free(*d);
}

void
digest_add(struct digest *d, const void *bytes, size_t n)
{
	if (n > 0 && EVP_DigestUpdate(d->ctx, bytes, n) != 1)
		d->has_failed = true;
}

static void
write_hex(const unsigned char *md, unsigned n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned i = 0; i < n; i++) {
		out[2 * i] = digits[md[i] >> 4];
		out[2 * i + 1] = digits[md[i] & 15];
	}
	out[2 * n] = '\0';
}

int
sha1_of(const void *bytes, size_t n, char out[SHA1_HEX_MAX])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (EVP_Digest(bytes, n, md, &len, EVP_sha1(), NULL) != 1 ||
	    2 * len + 1 != SHA1_HEX_MAX)
		return -EIO;
	write_hex(md, len, out);
	return 0;
}

int
digest_hex(struct digest *d, char out[DIGEST_HEX_MAX])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (d->has_failed || EVP_DigestFinal_ex(d->ctx, md, &n) != 1)
		return -EIO;
	ASSERT(n * 2 + 1 == DIGEST_HEX_MAX);
	write_hex(md, n, out);
	return 0;
}

int
digest_of(const void *bytes, size_t n, char out[DIGEST_HEX_MAX])
{
	CLEANUP(digest_freep) struct digest *d = digest_new();

	if (d == NULL)
		return -ENOMEM;
	digest_add(d, bytes, n);
	return digest_hex(d, out);
}
