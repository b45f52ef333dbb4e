/* SPDX-License-Identifier: MIT */
/*
 * cas.c - what every backend of the CAS shares: ids, sources, and the check on reading.
 *
 * Owns:   nothing beyond a call.
 * Called: by the store, for large values and journal blobs.
 * Fails:  with the backend's error, or -EBADMSG when content and name differ.
 */
#include "config.h"

#include "common/store/cas.h"

#include "common/buf.h"
#include "common/store/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char scheme[] = "sha256:";

enum {
	SCHEME_LEN = sizeof(scheme) - 1,
	PIECE = 128 * 1024
};

_Static_assert(CAS_ID_MAX == SCHEME_LEN + DIGEST_HEX_MAX, "an id is scheme and digest");

void
cas_close(struct cas *cas)
{
	if (cas != NULL)
		cas->backend->close(cas);
}

void
cas_closep(struct cas **cas)
{
	cas_close(*cas);
}

bool
cas_is_id(const char *text)
{
	if (strncmp(text, scheme, SCHEME_LEN) != 0)
		return false;
	text += SCHEME_LEN;
	return strlen(text) == DIGEST_HEX_MAX - 1 &&
	    strspn(text, "0123456789abcdef") == DIGEST_HEX_MAX - 1;
}

static int
hex_of(const char *id, const char **hex, struct err *err)
{
	if (!cas_is_id(id))
		return err_set(err, -EINVAL, "'%.80s' is no content id", id);
	*hex = id + SCHEME_LEN;
	return 0;
}

/* ---- sources ---- */

ssize_t
cas_source_read(const struct cas_source *s, void *buffer, size_t n, uint64_t offset)
{
	ssize_t got;

	if (s->fd >= 0) {
		do
			got = pread(s->fd, buffer, n, (off_t)offset);
		while (got < 0 && errno == EINTR);
		return got < 0 ? -errno : got;
	}
	if (offset >= s->len)
		return 0;
	if (n > s->len - offset)
		n = s->len - offset;
	memcpy(buffer, (const char *)s->bytes + offset, n);
	return (ssize_t)n;
}

int
cas_source_digest(const struct cas_source *s, char hex[], uint64_t *len)
{
	CLEANUP(digest_freep) struct digest *d = digest_new();
	CLEANUP(freep) char *piece = malloc(PIECE);
	uint64_t at = 0;
	ssize_t n;

	if (d == NULL || piece == NULL)
		return -ENOMEM;
	while ((n = cas_source_read(s, piece, PIECE, at)) > 0) {
		digest_add(d, piece, (size_t)n);
		at += (uint64_t)n;
	}
	if (n < 0)
		return (int)n;
	*len = at;
	return digest_hex(d, hex);
}

/* ---- writing ---- */

static int
put(struct cas *cas, const struct cas_source *src, char id[CAS_ID_MAX], struct err *err)
{
	char hex[DIGEST_HEX_MAX];
	int r;

	r = cas->backend->put(cas, src, hex, err);
	if (r < 0)
		return r;
	memcpy(id, scheme, SCHEME_LEN);
	memcpy(id + SCHEME_LEN, hex, sizeof(hex));
	return 0;
}

int
cas_put(struct cas *cas, const void *bytes, size_t len, char id[CAS_ID_MAX],
    struct err *err)
{
	return put(cas, &(struct cas_source){ .bytes = bytes, .len = len, .fd = -1 },
	    id, err);
}

int
cas_put_fd(struct cas *cas, int fd, char id[CAS_ID_MAX], struct err *err)
{
	return put(cas, &(struct cas_source){ .fd = fd }, id, err);
}

/* ---- reading ---- */

int
cas_size(struct cas *cas, const char *id, uint64_t *size, struct err *err)
{
	const char *hex = NULL;
	int r = hex_of(id, &hex, err);

	return r < 0 ? r : cas->backend->size(cas, hex, size, err);
}

/* One read: pieces pass the digest on their way to memory or to a file. */
struct reading {
	struct digest *digest;
	uint64_t len, max_len;
	struct buf *into;
	int fd;
};

static int
write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t put_n = write(fd, bytes, n);

		if (put_n < 0 && errno == EINTR)
			continue;
		if (put_n < 0)
			return -errno;
		bytes += put_n;
		n -= (size_t)put_n;
	}
	return 0;
}

static int
take_piece(void *arg, const void *bytes, size_t n)
{
	struct reading *r = arg;

	if (n > r->max_len - r->len)
		return -EFBIG;
	r->len += n;
	digest_add(r->digest, bytes, n);
	if (r->into == NULL)
		return write_all(r->fd, bytes, n);
	buf_add(r->into, bytes, n);
	return buf_status(r->into);
}

static int
read_checked(struct cas *cas, const char *id, struct reading *reading, struct err *err)
{
	CLEANUP(digest_freep) struct digest *digest = digest_new();
	char found[DIGEST_HEX_MAX];
	const char *hex = NULL;
	int r;

	if (digest == NULL)
		return err_set(err, -ENOMEM, "no memory to read %s", id);
	r = hex_of(id, &hex, err);
	if (r < 0)
		return r;
	reading->digest = digest;
	r = cas->backend->read(cas, hex, take_piece, reading, err);
	if (r == -EFBIG)
		return err_set(err, r, "%s is longer than the %llu bytes allowed", id,
		    (unsigned long long)reading->max_len);
	if (r < 0)
		return r;
	r = digest_hex(digest, found);
	if (r < 0)
		return err_set(err, r, "the digest of %s failed", id);
	if (strcmp(found, hex) != 0)
		return err_set(err, -EBADMSG,
		    "%s is damaged: its %llu bytes hash to %s", id,
		    (unsigned long long)reading->len, found);
	return 0;
}

int
cas_get(struct cas *cas, const char *id, uint64_t max_len, char **bytes, size_t *len,
    struct err *err)
{
	CLEANUP_BUF struct buf into = BUF_INIT;
	struct reading reading = { .max_len = max_len, .into = &into, .fd = -1 };
	char *taken;
	int r;

	r = read_checked(cas, id, &reading, err);
	if (r < 0)
		return r;
	taken = buf_take(&into, len);
	if (taken == NULL)
		return err_set(err, -ENOMEM, "no memory for %s", id);
	*bytes = taken;
	return 0;
}

int
cas_get_fd(struct cas *cas, const char *id, uint64_t max_len, int *fd, uint64_t *len,
    struct err *err)
{
	CLEANUP(closep) int file = memfd_create("cas", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct reading reading = { .max_len = max_len, .fd = file };
	int r;

	if (file < 0)
		return err_set(err, -errno, "memory file for %s: %s", id,
		    strerror(errno));
	r = read_checked(cas, id, &reading, err);
	if (r < 0)
		return r;
	if (fcntl(file, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0 ||
	    lseek(file, 0, SEEK_SET) < 0)
		return err_set(err, -errno, "seal of %s: %s", id, strerror(errno));
	*fd = TAKE_FD(file);
	*len = reading.len;
	return 0;
}

int
cas_sweep(struct cas *cas, const struct cas_sweep *what, struct cas_swept *out,
    struct err *err)
{
	ASSERT(what->shelf < CAS_SHELVES);
	return cas->backend->sweep(cas, what, out, err);
}
