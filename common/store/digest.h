/* SPDX-License-Identifier: MIT */
/* digest.h - SHA-256 over bytes that come in pieces; SHA-1 of texts. */
#ifndef COMMON_STORE_DIGEST_H
#define COMMON_STORE_DIGEST_H

#include <stddef.h>

enum {
	DIGEST_HEX_MAX = 65
}; /* 64 lower-case hexadecimal digits and a NUL */

enum {
	SHA1_HEX_MAX = 41
};

/* SHA-1, for names that a script in Redis must be able to make, too; never for trust. 0
   or -EIO. */
int sha1_of(const void *bytes, size_t n, char out[SHA1_HEX_MAX]);

struct digest;

struct digest *digest_new(void); /* NULL when memory is short */
void digest_free(struct digest *d);
void digest_freep(struct digest **d);
void digest_add(struct digest *d, const void *bytes, size_t n);
/* Ends the digest: only digest_free may follow. 0 or -EIO when the library failed. */
int digest_hex(struct digest *d, char out[DIGEST_HEX_MAX]);

/* All at once: 0, -ENOMEM or -EIO. */
int digest_of(const void *bytes, size_t n, char out[DIGEST_HEX_MAX]);

#endif
